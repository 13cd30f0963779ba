"""A practice fleet of these tests' own, beside the main job's: so they also prove that two fleets do not meet.

It is small: a service with its balancer and database, and the staging pair, on which the runner is tried.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from lab import cgroup, doctor, vendor
from suture.command.installation import instance_of
from suture.runner.ansible import AnsibleRunner
from suture.runner.interface import Phase, PlaybookResult, PlaybookRun
from suture.runner.inventory import Inventory
from suture.runner.ssh import ssh_config
from suture.settings import PROJECT_ROOT, Settings
from suture.sourcing.intake import repository_of
from tests.conftest import miss, tried_once

STAGING = ("stg-app1", "stg-db1")
HOSTS = ("db1", "app1", "lb1", *STAGING)


class OwnFleet:
    """`python -m lab` on a state folder of our own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environment = {**os.environ, "SUTURE_HOME": str(home)}

    def lab(self, *arguments: str, check: bool = True, timeout_s: float = 600) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "lab", *arguments], cwd=PROJECT_ROOT, env=self.environment, text=True,
            stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=timeout_s,
        )  # fmt: skip
        if check:
            assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.lab("status", "--json", check=False).stdout)
        return found

    def on(self, host: str, command: str) -> str:
        return self.lab("exec", host, "--", "sh", "-c", command).stdout.strip()

    def requests(self) -> list[list[str]]:
        """The record's lines, oldest first. What stands after the last line's end is being written just now."""
        path = self.home / "lab" / "fleet" / "load" / "requests.tsv"
        whole = path.read_text("utf-8").rpartition("\n")[0] if path.exists() else ""
        return [line.split("\t") for line in whole.splitlines()[1:]]

    @property
    def cgroup(self) -> Path:
        parent = cgroup.writable_parent()
        assert parent is not None
        return parent / f"suture-{instance_of(self.home)}"

    def processes(self) -> list[psutil.Process]:
        """Whatever runs in the fleet's cgroup. What ends while we look is not there."""
        found = []
        for path in self.cgroup.rglob("cgroup.procs"):
            with contextlib.suppress(OSError):  # a group that was just removed
                for pid in path.read_text().split():
                    with contextlib.suppress(psutil.NoSuchProcess):
                        found.append(psutil.Process(int(pid)))
        return found


@pytest.fixture(scope="session")
def own_fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnFleet]:
    findings = doctor()
    if findings:
        miss("lab", "; ".join(map(str, findings)))
    own = OwnFleet(tmp_path_factory.mktemp("fleet") / ".suture")
    own.home.mkdir(mode=0o700)
    try:
        with tried_once("the small fleet"):
            own.lab("up", *HOSTS)
        yield own
    finally:
        own.lab("down", "--purge", check=False)


@pytest.fixture(scope="session")
def inventory_path(own_fleet: OwnFleet) -> Path:
    return own_fleet.home / "inventory" / "hosts.yaml"


@pytest.fixture(scope="session")
def ssh(inventory_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configuration of ssh that knows the fleet's hosts."""
    config = tmp_path_factory.mktemp("ssh") / "config"
    config.write_text(ssh_config(Inventory.load(inventory_path).hosts.values()), "utf-8")
    return config


@pytest.fixture(scope="session")
def fleet(ssh: Path) -> Callable[..., str]:
    """Runs a command on a host over ssh (`fleet("stg-app1", "hostname")`): its output."""

    def call(host: str, command: str, *, check: bool = True) -> str:
        done = subprocess.run(
            ["ssh", "-F", str(ssh), host, command], capture_output=True, text=True, timeout=120, check=False
        )
        if check and done.returncode != 0:
            raise AssertionError(f"{host}: {command}: {done.returncode}: {done.stderr}")
        return done.stdout

    return call


@pytest.fixture
def lab_settings(settings: Settings, own_fleet: OwnFleet, inventory_path: Path) -> Settings:
    """The test's own warehouse and store, the fleet's hosts and an internal repository for them."""
    made = replace(
        settings,
        home=own_fleet.home,
        inventory_path=inventory_path,
        repository_dir=own_fleet.home / "repository",
        secrets_dir=own_fleet.home / "secrets",
    )
    if not (made.repository_dir / "public" / "suture-internal.gpg").exists():
        repository_of(made).ensure(now=datetime.now(UTC))
    return made


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


def install_portal(fleet: Callable[..., str], tmp_path: Path, host: str, version: str) -> None:
    """Put the vendor's package of a version on a host, and wait for its service."""
    package = vendor.build_package(vendor.RELEASES[version], tmp_path / "packages")
    text = base64.b64encode(package.read_bytes()).decode()
    fleet(
        host,
        f"echo {text} | base64 -d > /run/portal.deb && dpkg -i /run/portal.deb >/dev/null 2>&1; rm /run/portal.deb",
    )
    wait = "for i in $(seq 300); do curl -fsS http://127.0.0.1:8081/healthz >/dev/null 2>&1 && exit 0; sleep 0.2; done; exit 1"
    fleet(host, wait)


def seen_token(fleet: Callable[..., str], host: str) -> int:
    import json

    text = fleet(host, "cat /var/lib/suture/lease.json 2>/dev/null || echo '{\"token\": 0}'")
    return int(json.loads(text)["token"])
