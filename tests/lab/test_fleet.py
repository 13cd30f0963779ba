"""The practice fleet itself: a small one of the test's own, beside whatever runs in this clone.

It has its own state folder, so it also proves that two fleets on one machine do not meet.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.lab.conftest import HOSTS, OwnFleet

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]


def wait_for(condition: Callable[[], bool], patience_s: float = 240) -> None:
    give_up_at = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < give_up_at, "it did not happen in time"
        time.sleep(0.2)


def uid_of(process: psutil.Process) -> int | None:
    """None for one that has ended meanwhile."""
    try:
        return int(process.uids().real)
    except psutil.Error:
        return None


def test_hosts_are_real_and_well(own_fleet: OwnFleet) -> None:
    for host in HOSTS:
        wait_for(lambda host=host: own_fleet.on(host, "systemctl is-system-running --wait || true") == "running")  # type: ignore[misc]
        assert own_fleet.on(host, "cat /proc/1/comm; hostname").split() == ["systemd", host]


def test_the_base_has_no_security_updates(own_fleet: OwnFleet) -> None:
    code = """
set -e; T=$(mktemp -d); trap 'rm -rf $T' EXIT; mkdir -p $T/lists/partial
echo "deb [trusted=yes] http://10.77.0.1/archive/security $(. /etc/os-release; echo $VERSION_CODENAME)-security main" >$T/list
options="-o Dir::Etc::SourceList=$T/list -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists=$T/lists"
apt-get -qq $options -o APT::Sandbox::User=root -o APT::Update::Error-Mode=any -o Acquire::Retries=3 update
apt-get $options -s dist-upgrade | grep -c '^Inst'
"""
    assert int(own_fleet.on("app1", code)) >= 12, "dozens are expected; few only right after a point release"


def test_the_service_works_through_the_balancer_and_is_on_record(own_fleet: OwnFleet) -> None:
    before = len(own_fleet.requests())  # the record goes back to versions that other tests had installed

    def orders_made() -> list[list[str]]:
        return [row for row in own_fleet.requests()[before:] if row[4] == "201"]

    wait_for(lambda: bool(orders_made()))
    assert {tuple(row[6:]) for row in orders_made()} == {("app1", "1.0.0")}
    orders = int(own_fleet.on("db1", "su postgres -c 'psql -qtA portal -c \"SELECT count(*) FROM orders\"'"))
    assert orders > 0


def test_hosts_cannot_reach_anything_but_the_gateway(own_fleet: OwnFleet) -> None:
    assert own_fleet.on("app1", "curl -s -o /dev/null -w '%{http_code}' http://10.77.0.1/ || true") == "200"
    assert (
        own_fleet.on("app1", "curl -s -m 3 -o /dev/null http://192.0.2.1/ && echo reached || echo refused") == "refused"
    )
    assert (
        own_fleet.on("app1", "curl -s -m 60 -x http://10.77.0.1:3128 -o /dev/null -w '%{http_code}' http://192.0.2.1/")
        == "403"
    )


def test_root_in_a_host_is_nobody_outside(own_fleet: OwnFleet) -> None:
    owners = {uid for process in own_fleet.processes() if (uid := uid_of(process)) is not None}
    assert owners
    assert 0 not in owners
    assert (
        own_fleet.on(
            "app1", "dmesg >/dev/null 2>&1; sysctl -w kernel.hostname=x kernel.panic=1 2>&1 | grep -c denied || true"
        )
        != "0"
    )


def test_a_reboot_from_inside_comes_back_with_a_new_boot_id(own_fleet: OwnFleet) -> None:
    before = own_fleet.on("app1", "cat /proc/sys/kernel/random/boot_id; touch /root/kept")
    own_fleet.lab("exec", "app1", "--", "shutdown", "-r", "now", check=False)
    wait_for(lambda: (host := own_fleet.status()["hosts"]["app1"])["boots"] > 1 and host["state"] == "up")
    assert own_fleet.on("app1", "cat /proc/sys/kernel/random/boot_id") != before
    assert own_fleet.on("app1", "ls /root/kept") == "/root/kept"


def test_a_host_can_be_cut_off_and_joined_again(own_fleet: OwnFleet) -> None:
    own_fleet.lab("cut-off", "app1")
    try:
        assert own_fleet.lab("exec", "app1", "true", check=False).returncode == 255
        assert own_fleet.status()["hosts"]["app1"]["cut_off"]
    finally:
        own_fleet.lab("reconnect", "app1")
    assert own_fleet.on("app1", "echo back") == "back"


def test_a_snapshot_brings_back_what_was_lost(own_fleet: OwnFleet) -> None:
    own_fleet.on("app1", "echo before >/root/note")
    own_fleet.lab("snapshot", "app1", "good")
    own_fleet.on("app1", "echo after >/root/note; rm /etc/nginx/nginx.conf; touch /root/new; sync")
    own_fleet.lab("restore", "app1", "good")
    assert own_fleet.on("app1", "cat /root/note; ls /etc/nginx/nginx.conf; ls /root/new 2>/dev/null || true").split() == [
        "before", "/etc/nginx/nginx.conf",
    ]  # fmt: skip
    again = own_fleet.lab("snapshot", "app1", "good", check=False)
    assert again.returncode == 1
    assert "has a snapshot 'good' already" in again.stderr


def test_a_host_without_power_is_off_until_started(own_fleet: OwnFleet) -> None:
    own_fleet.lab("kill", "app1")
    assert own_fleet.status()["hosts"]["app1"]["state"] == "killed"
    own_fleet.lab("start", "app1")
    own_fleet.lab("stop", "app1")
    assert own_fleet.status()["hosts"]["app1"]["state"] == "off"
    own_fleet.lab("start", "app1")


def test_the_bad_fix_needs_traffic_to_show(own_fleet: OwnFleet) -> None:
    """One in twenty, after the first 200 requests; /healthz stays well; 1.0.0 again heals it."""
    install = "DEBIAN_FRONTEND=noninteractive apt-get -qq -y --allow-downgrades install acme-portal={} >/dev/null"
    own_fleet.lab("publish", "1.0.0", "1.0.2")
    vendor = "curl -s -o /etc/apt/vendor.gpg http://10.77.0.1/vendor/keyring.gpg && "
    vendor += "echo 'deb [signed-by=/etc/apt/vendor.gpg] http://10.77.0.1/vendor stable main' >/etc/apt/sources.list"
    own_fleet.on("app1", f"{vendor} && apt-get -qq update && {install.format('1.0.2')}")

    def with_bad() -> list[list[str]]:
        return [row for row in own_fleet.requests() if row[7] == "1.0.2"]

    wait_for(lambda: len(with_bad()) > 1200)
    rows = with_bad()
    assert [row for row in rows[:150] if row[4] == "500"] == [], "function tests must not see it"
    later = rows[300:]
    assert 0.03 < sum(row[4] == "500" for row in later) / len(later) < 0.07
    assert own_fleet.on("app1", "curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:8081/healthz") == "200"
    own_fleet.on("app1", install.format("1.0.0"))
    assert own_fleet.on("app1", "curl -s --retry 9 --retry-connrefused http://127.0.0.1:8081/version") == "1.0.0"


def test_up_again_changes_nothing(own_fleet: OwnFleet) -> None:
    before = own_fleet.status()
    own_fleet.lab("up", *HOSTS)
    after = own_fleet.status()
    assert after["supervisor_pid"] == before["supervisor_pid"]
    assert all(after["hosts"][name]["boots"] == before["hosts"][name]["boots"] for name in HOSTS)


def test_a_killed_supervisor_leaves_nothing_running_and_up_goes_on(own_fleet: OwnFleet) -> None:
    own_fleet.on("app1", "echo 1 >/root/survives; sync")
    os.kill(own_fleet.status()["supervisor_pid"], signal.SIGKILL)
    wait_for(lambda: not own_fleet.processes())
    assert not own_fleet.status()["running"]
    own_fleet.lab("up", *HOSTS)
    assert own_fleet.on("app1", "cat /root/survives") == "1"


def test_down_leaves_nothing(own_fleet: OwnFleet) -> None:
    """Last (see OWN_FLEET in tests/conftest.py): it ends the fleet of these tests."""
    own_fleet.lab("down")
    assert not own_fleet.cgroup.exists()
    instance = str(own_fleet.home)
    assert instance not in Path("/proc/self/mountinfo").read_text()
    for process in psutil.process_iter():
        try:
            assert process.environ().get("SUTURE_HOME") != instance or process.pid == os.getpid()
        except psutil.Error:
            continue
    own_fleet.lab("down", "--purge")
    assert not (own_fleet.home / "lab" / "fleet").exists()
