"""The main job, run once for all tests that need a running Suture: `./suture demo` with a state folder of its own.

The fixture `main_job` is known everywhere (tests/conftest.py registers this module). Tests that use it run one after the
other on one worker, in the order of MAIN_JOB_ORDER (tests/conftest.py): those that plant faults come last.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from suture.command.airflow_api import AirflowApi
from suture.command.installation import read
from suture.settings import PROJECT_ROOT, Settings
from suture.store import Store
from tests.conftest import miss, tried_once

DEMO_SECONDS = 3000
# For work on these tests: the state folder of a demo that has run and still runs. It is used as it is, and left so.
EXISTING = "SUTURE_TEST_DEMO_HOME"


@dataclass
class MainJob:
    """A demo that has run. said: what it printed."""

    home: Path
    said: str

    def command(self, *arguments: str, timeout_s: float = 300) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(PROJECT_ROOT / "suture"), *arguments],
            env={**os.environ, "SUTURE_HOME": str(self.home)},
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
            stdin=subprocess.DEVNULL,
        )

    @property
    def settings(self) -> Settings:
        return Settings.load({"SUTURE_HOME": str(self.home)})

    def store(self) -> Store:
        return Store.connect(self.settings.require_warehouse(), application_name="suture-test")

    def api(self, user: str) -> AirflowApi:
        here = read(self.home)
        assert here is not None
        return AirflowApi(here.ui_url, here.secrets_dir, user=user)

    def campaigns(self, source: str) -> list[dict[str, Any]]:
        with self.store() as store:
            rows = store.fetch_all("campaign/list_campaigns", {"state": None})
        return [row for row in rows if row["source"] == source]

    def on(self, host: str, *argv: str, timeout_s: float = 120) -> str:
        """The output of a command on a host of the fleet."""
        done = subprocess.run(
            ["ssh", "-F", str(self.home / "lab" / "ssh_config"), host, *argv],
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=True,
            stdin=subprocess.DEVNULL,
        )
        return done.stdout.strip()

    def await_state(self, campaign_id: str, *wanted: str, patience_s: float) -> str:
        deadline = time.monotonic() + patience_s
        while True:
            with self.store() as store:
                row = store.fetch_one("campaign/fetch_campaign", {"campaign_id": campaign_id})
            assert row is not None
            if row["state"] in wanted:
                return str(row["state"])
            assert time.monotonic() < deadline, f"{campaign_id} is {row['state']}: {row['state_reason']}"
            time.sleep(1)


@pytest.fixture(scope="session")
def main_job(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MainJob]:
    """The demo's installation, after both campaigns."""
    existing = os.environ.get(EXISTING)
    if existing:
        yield MainJob(Path(existing), "")
        return
    home = tmp_path_factory.mktemp("main-job") / "state"
    job = MainJob(home, "")
    try:
        with tried_once("the main job"):
            doctor = job.command("doctor", "--json")
            if doctor.returncode not in (0, 1):
                miss("lab", doctor.stdout + doctor.stderr)
            done = job.command("demo", timeout_s=DEMO_SECONDS)
            job.said = done.stdout
            assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-3000:]}"
        yield job
    finally:
        job.command("reset", "--yes")
