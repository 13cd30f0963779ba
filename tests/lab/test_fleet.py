"""The practice fleet itself: a small one of the test's own, beside whatever runs in this clone.

It has its own state folder, so it also proves that two fleets on one machine do not meet.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from lab import cgroup, doctor
from suture.command.installation import instance_of
from suture.settings import PROJECT_ROOT
from tests.conftest import miss

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900), pytest.mark.xdist_group("own-fleet")]
HOSTS = ("db1", "app1", "lb1")


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
        path = self.home / "lab" / "fleet" / "load" / "requests.tsv"
        return [line.split("\t") for line in path.read_text("utf-8").splitlines()[1:]] if path.exists() else []

    @property
    def cgroup(self) -> Path:
        parent = cgroup.writable_parent()
        assert parent is not None
        return parent / f"suture-{instance_of(self.home)}"

    def processes(self) -> list[psutil.Process]:
        """Whatever runs in the fleet's cgroup."""
        found = []
        for path in self.cgroup.rglob("cgroup.procs"):
            found += [psutil.Process(int(pid)) for pid in path.read_text().split()]
        return found


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnFleet]:
    findings = doctor()
    if findings:
        miss("lab", "; ".join(map(str, findings)))
    own = OwnFleet(tmp_path_factory.mktemp("fleet") / ".suture")
    own.home.mkdir(mode=0o700)
    try:
        own.lab("up", *HOSTS)
        yield own
    finally:
        own.lab("down", "--purge", check=False)


def wait_for(condition: Callable[[], bool], patience_s: float = 60) -> None:
    give_up_at = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < give_up_at, "it did not happen in time"
        time.sleep(0.2)


def test_hosts_are_real_and_well(fleet: OwnFleet) -> None:
    for host in HOSTS:
        wait_for(lambda host=host: fleet.on(host, "systemctl is-system-running --wait || true") == "running")  # type: ignore[misc]
        assert fleet.on(host, "cat /proc/1/comm; hostname").split() == ["systemd", host]


def test_the_base_has_no_security_updates(fleet: OwnFleet) -> None:
    code = """
set -e; T=$(mktemp -d); trap 'rm -rf $T' EXIT; mkdir -p $T/lists/partial
echo "deb [trusted=yes] http://10.77.0.1/archive/security $(. /etc/os-release; echo $VERSION_CODENAME)-security main" >$T/list
options="-o Dir::Etc::SourceList=$T/list -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists=$T/lists"
apt-get -qq $options -o APT::Sandbox::User=root -o APT::Update::Error-Mode=any update
apt-get $options -s dist-upgrade | grep -c '^Inst'
"""
    assert int(fleet.on("app1", code)) >= 12, "dozens are expected; few only right after a point release"


def test_the_service_works_through_the_balancer_and_is_on_record(fleet: OwnFleet) -> None:
    wait_for(lambda: any(row[4] == "201" for row in fleet.requests()))
    last = fleet.requests()[-1]
    assert last[6:] == ["app1", "1.0.0"]
    orders = int(fleet.on("db1", "su postgres -c 'psql -qtA portal -c \"SELECT count(*) FROM orders\"'"))
    assert orders > 0


def test_hosts_cannot_reach_anything_but_the_gateway(fleet: OwnFleet) -> None:
    assert fleet.on("app1", "curl -s -o /dev/null -w '%{http_code}' http://10.77.0.1/ || true") == "200"
    assert fleet.on("app1", "curl -s -m 3 -o /dev/null http://192.0.2.1/ && echo reached || echo refused") == "refused"
    assert (
        fleet.on("app1", "curl -s -m 3 -x http://10.77.0.1:3128 -o /dev/null -w '%{http_code}' http://192.0.2.1/")
        == "403"
    )


def test_root_in_a_host_is_nobody_outside(fleet: OwnFleet) -> None:
    assert all(process.uids().real != 0 for process in fleet.processes())
    assert (
        fleet.on(
            "app1", "dmesg >/dev/null 2>&1; sysctl -w kernel.hostname=x kernel.panic=1 2>&1 | grep -c denied || true"
        )
        != "0"
    )


def test_a_reboot_from_inside_comes_back_with_a_new_boot_id(fleet: OwnFleet) -> None:
    before = fleet.on("app1", "cat /proc/sys/kernel/random/boot_id; touch /root/kept")
    fleet.lab("exec", "app1", "--", "shutdown", "-r", "now", check=False)
    wait_for(lambda: (host := fleet.status()["hosts"]["app1"])["boots"] > 1 and host["state"] == "up")
    assert fleet.on("app1", "cat /proc/sys/kernel/random/boot_id") != before
    assert fleet.on("app1", "ls /root/kept") == "/root/kept"


def test_a_host_can_be_cut_off_and_joined_again(fleet: OwnFleet) -> None:
    fleet.lab("cut-off", "app1")
    try:
        assert fleet.lab("exec", "app1", "true", check=False).returncode == 255
        assert fleet.status()["hosts"]["app1"]["cut_off"]
    finally:
        fleet.lab("reconnect", "app1")
    assert fleet.on("app1", "echo back") == "back"


def test_a_snapshot_brings_back_what_was_lost(fleet: OwnFleet) -> None:
    fleet.on("app1", "echo before >/root/note")
    fleet.lab("snapshot", "app1", "good")
    fleet.on("app1", "echo after >/root/note; rm /etc/nginx/nginx.conf; touch /root/new; sync")
    fleet.lab("restore", "app1", "good")
    assert fleet.on("app1", "cat /root/note; ls /etc/nginx/nginx.conf; ls /root/new 2>/dev/null || true").split() == [
        "before", "/etc/nginx/nginx.conf",
    ]  # fmt: skip
    again = fleet.lab("snapshot", "app1", "good", check=False)
    assert again.returncode == 1
    assert "has a snapshot 'good' already" in again.stderr


def test_a_host_without_power_is_off_until_started(fleet: OwnFleet) -> None:
    fleet.lab("kill", "app1")
    assert fleet.status()["hosts"]["app1"]["state"] == "killed"
    fleet.lab("start", "app1")
    fleet.lab("stop", "app1")
    assert fleet.status()["hosts"]["app1"]["state"] == "off"
    fleet.lab("start", "app1")


def test_the_bad_fix_needs_traffic_to_show(fleet: OwnFleet) -> None:
    """One in twenty, after the first 200 requests; /healthz stays well; 1.0.0 again heals it."""
    install = "DEBIAN_FRONTEND=noninteractive apt-get -qq -y --allow-downgrades install acme-portal={} >/dev/null"
    fleet.lab("publish", "1.0.0", "1.0.2")
    vendor = "curl -s -o /etc/apt/vendor.gpg http://10.77.0.1/vendor/keyring.gpg && "
    vendor += "echo 'deb [signed-by=/etc/apt/vendor.gpg] http://10.77.0.1/vendor stable main' >/etc/apt/sources.list"
    fleet.on("app1", f"{vendor} && apt-get -qq update && {install.format('1.0.2')}")

    def with_bad() -> list[list[str]]:
        return [row for row in fleet.requests() if row[7] == "1.0.2"]

    wait_for(lambda: len(with_bad()) > 1200, 120)
    rows = with_bad()
    assert [row for row in rows[:150] if row[4] == "500"] == [], "function tests must not see it"
    later = rows[300:]
    assert 0.03 < sum(row[4] == "500" for row in later) / len(later) < 0.07
    assert fleet.on("app1", "curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:8081/healthz") == "200"
    fleet.on("app1", install.format("1.0.0"))
    assert fleet.on("app1", "curl -s --retry 9 --retry-connrefused http://127.0.0.1:8081/version") == "1.0.0"


def test_up_again_is_quick_and_changes_nothing(fleet: OwnFleet) -> None:
    before = fleet.status()
    started_at = time.monotonic()
    fleet.lab("up", *HOSTS)
    assert time.monotonic() - started_at < 10
    after = fleet.status()
    assert after["supervisor_pid"] == before["supervisor_pid"]
    assert all(after["hosts"][name]["boots"] == before["hosts"][name]["boots"] for name in HOSTS)


def test_a_killed_supervisor_leaves_nothing_running_and_up_goes_on(fleet: OwnFleet) -> None:
    fleet.on("app1", "echo 1 >/root/survives; sync")
    os.kill(fleet.status()["supervisor_pid"], signal.SIGKILL)
    wait_for(lambda: not fleet.processes(), 10)
    assert not fleet.status()["running"]
    fleet.lab("up", *HOSTS)
    assert fleet.on("app1", "cat /root/survives") == "1"


def test_down_leaves_nothing(fleet: OwnFleet) -> None:
    """Last: it ends the fleet of this module."""
    fleet.lab("down")
    assert not fleet.cgroup.exists()
    instance = str(fleet.home)
    assert instance not in Path("/proc/self/mountinfo").read_text()
    for process in psutil.process_iter():
        try:
            assert process.environ().get("SUTURE_HOME") != instance or process.pid == os.getpid()
        except psutil.Error:
            continue
    fleet.lab("down", "--purge")
    assert not (fleet.home / "lab" / "fleet").exists()
