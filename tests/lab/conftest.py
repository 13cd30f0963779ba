"""The practice fleet of the main job: these tests change only its staging pair, and put it back."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from suture.runner.ansible import AnsibleRunner
from suture.runner.interface import Phase, PlaybookResult, PlaybookRun
from suture.runner.inventory import Inventory
from suture.runner.ssh import ssh_config
from suture.settings import Settings
from tests.main_job import MainJob

STAGING = ("stg-app1", "stg-db1")


@pytest.fixture(scope="session")
def inventory_path(main_job: MainJob) -> Path:
    return main_job.home / "inventory" / "hosts.yaml"


@pytest.fixture(scope="session")
def fleet(inventory_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Runs a command on a host over ssh (`fleet("stg-app1", "hostname")`): its output."""
    config = tmp_path_factory.mktemp("ssh") / "config"
    inventory = Inventory.load(inventory_path)
    config.write_text(ssh_config(inventory.hosts.values()), "utf-8")

    def call(host: str, command: str, *, check: bool = True) -> str:
        done = subprocess.run(
            ["ssh", "-F", str(config), host, command], capture_output=True, text=True, timeout=120, check=False
        )
        if check and done.returncode != 0:
            raise AssertionError(f"{host}: {command}: {done.returncode}: {done.stderr}")
        return done.stdout

    return call


@pytest.fixture
def lab_settings(settings: Settings, main_job: MainJob, inventory_path: Path) -> Settings:
    """The test's own warehouse and store, the fleet's hosts and internal repository."""
    return replace(
        settings,
        home=main_job.home,
        inventory_path=inventory_path,
        repository_dir=main_job.home / "repository",
        secrets_dir=Path(settings.home) / "secrets",
    )


@pytest.fixture
def run_on(fleet: Any, inventory_path: Path) -> Callable[..., PlaybookResult]:
    """Runs a phase on staging hosts with the next token of each host."""

    def call(
        phase: Phase, *hosts: str, holder: str = "a test", token: int | None = None, **rest: Any
    ) -> PlaybookResult:
        tokens = {host: token if token is not None else seen_token(fleet, host) + 1 for host in hosts}
        checks: dict[str, list[Any]] = {"units": [], "ports": [], "http": [], "databases": []}
        brief = {
            "campaign_id": "SUT-TEST-1",
            "packages": [],
            "hosts": {
                host: {
                    "token": tokens[host],
                    "holder": holder,
                    "checks": checks,
                    "balancers": [],
                    "backend": "",
                    "backup_paths": ["/etc"],
                }
                for host in hosts
            },
            **rest,
        }
        return AnsibleRunner(inventory_path).run(
            PlaybookRun(phase, hosts, brief, campaign_id="SUT-TEST-1", timeout=timedelta(minutes=10))
        )

    return call


def seen_token(fleet: Callable[..., str], host: str) -> int:
    import json

    text = fleet(host, "cat /var/lib/suture/lease.json 2>/dev/null || echo '{\"token\": 0}'")
    return int(json.loads(text)["token"])
