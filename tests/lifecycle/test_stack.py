"""The stack as a person uses it: up, log in, a crash, down. Real processes, a state folder of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from suture.command import installation, processes
from suture.command.airflow_api import AirflowApi, AirflowApiError
from suture.command.postgres import EmbeddedPostgres
from suture.settings import PROJECT_ROOT

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(1200)]
AIRFLOW = ("api-server", "scheduler", "dag-processor", "triggerer")


class Clone:
    """The command with a state folder of its own, as a second clone has it."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def run(self, *arguments: str, timeout_s: float = 900) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "SUTURE_HOME": str(self.home)}
        command = [str(PROJECT_ROOT / "suture"), *arguments]
        return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=timeout_s)

    def status(self) -> dict[str, Any]:
        return dict(json.loads(self.run("status", "--json").stdout))

    def pids(self) -> dict[str, int]:
        return {part["name"]: part["pid"] for part in self.status()["processes"] if part["pid"]}

    def left(self) -> list[int]:
        instance = installation.instance_of(self.home)
        found = [*processes.marked(instance), *processes.recorded(self.home / "run")]
        return sorted({process.pid for process in found})


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    clone = Clone(tmp_path_factory.mktemp("stack") / "state")
    try:
        done = clone.run("up")
        assert done.returncode == 0, done.stderr
        yield clone
    finally:
        clone.run("reset", "--yes")


def test_all_parts_are_healthy_and_on_loopback(clone: Clone) -> None:
    found = clone.status()
    assert found["up"], found
    here = installation.read(clone.home)
    assert here is not None
    # Our own addresses other than loopback must not answer.
    with socket.socket() as probe:
        probe.settimeout(30)
        assert probe.connect_ex(("127.0.0.1", here.ports["ui"])) == 0
    with socket.socket() as probe:
        probe.settimeout(1)
        assert probe.connect_ex(("127.0.0.2", here.ports["ui"])) != 0


def test_generated_password_opens_and_a_viewer_may_not_write(clone: Clone) -> None:
    here = installation.read(clone.home)
    assert here is not None
    auditor = AirflowApi(here.ui_url, here.secrets_dir, user="audra")
    assert "total_entries" in auditor.get("dags")
    with pytest.raises(AirflowApiError) as caught:
        auditor.post("pools", {"name": "x", "slots": 1})
    assert caught.value.status == 403


def test_up_again_changes_nothing(clone: Clone) -> None:
    before = clone.pids()
    done = clone.run("up", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["started"] is False
    assert clone.pids() == before


def test_ports_cannot_change_under_a_running_airflow(clone: Clone) -> None:
    done = clone.run("up", "--set", "ui_port=23456")
    assert done.returncode == 1
    assert "Run ./suture down first" in done.stderr


def test_a_killed_scheduler_and_a_killed_database_come_back(clone: Clone) -> None:
    before = clone.pids()
    os.kill(before["postgres"], signal.SIGKILL)
    os.kill(before["scheduler"], signal.SIGKILL)
    assert processes.wait_until(lambda: clone.status()["up"], timeout_s=400, every_s=1)
    after = clone.pids()
    assert after["postgres"] != before["postgres"]
    assert after["scheduler"] != before["scheduler"]


def test_down_after_the_supervisor_was_killed_leaves_nothing(clone: Clone) -> None:
    pids = clone.pids()
    os.kill(pids["supervisor"], signal.SIGKILL)
    os.kill(pids["scheduler"], signal.SIGKILL)  # leaves its executor's workers behind
    assert clone.left()
    done = clone.run("down")
    assert done.returncode == 0, done.stderr
    assert clone.left() == []
    assert [processes.start_ticks(pid) for pid in pids.values()] == [None] * len(pids)
    assert not list((clone.home / "run").glob("*.pid"))


def test_a_taken_port_is_named_at_the_next_start(clone: Clone) -> None:
    here = installation.read(clone.home)
    assert here is not None
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stranger.bind(("127.0.0.1", here.ports["ui"]))
        stranger.listen()
        done = clone.run("up")
    assert done.returncode == 1
    assert f"Port {here.ports['ui']} (ui)" in done.stderr
    assert f"process {os.getpid()}" in done.stderr
    assert "Traceback" not in done.stderr
    clone.run("down")


def test_reset_removes_the_state_and_the_database(clone: Clone) -> None:
    server = EmbeddedPostgres(clone.home, 0).root
    assert server.exists()
    assert clone.run("reset").returncode == 1, "nobody to ask: nothing is removed"
    assert clone.home.exists()
    assert clone.run("reset", "--yes").returncode == 0
    assert not server.exists()
    assert not clone.home.exists()
    shutil.rmtree(clone.home.parent, ignore_errors=True)
