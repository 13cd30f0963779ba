"""The runner on real Debian hosts: the contract that the simulator keeps too, and the faults that only real hosts have."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tarfile
import time
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from lab import vendor
from suture.inventory.collect import collect
from suture.model.assets import AssetRegister
from suture.runner.ansible import AnsibleRunner
from suture.runner.interface import Phase, PlaybookRun
from suture.runner.reports import mistake_in
from suture.settings import PROJECT_ROOT, Settings
from suture.store import Store, hosts
from tests.lab.conftest import HOSTS, STAGING, seen_token

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1200)]
HOST = "stg-app1"


@pytest.mark.database
def test_hosts_are_collected_and_those_without_power_are_named(
    fleet: Any, store: Store, lab_settings: Settings
) -> None:
    register = AssetRegister.load(PROJECT_ROOT / "include" / "policy")
    runner = AnsibleRunner(lab_settings.inventory_path)
    found = collect(store, runner, register, now=datetime.now(UTC))
    assert set(found.collected) == set(HOSTS)
    assert set(found.unreachable) == set(runner.hosts()) - set(HOSTS)
    assert "acme-portal" in hosts.installed_packages(store, HOST)
    assert fleet(HOST, "uname -r").strip() == {r["host_id"]: r for r in hosts.list_hosts(store)}[HOST]["kernel_running"]


def test_what_a_host_is_told_is_never_evaluated(fleet: Any, run_on: Any, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    for text in (f"{{{{ lookup('pipe', 'touch {canary}') }}}}", "$(touch /canary)", "`touch /canary`; touch /canary"):
        result = run_on(Phase.DATA_CHECK, HOST, packages=[{"package": text, "version": text}])
        assert "is not a package and a version" in result.failed[HOST]
    result = run_on(Phase.FENCE, HOST, holder=f"{{{{ lookup('pipe', 'touch {canary}') }}}}$(touch /canary)")
    assert result.failed == {}
    run_on(Phase.RELEASE, HOST)
    assert not canary.exists()
    assert fleet(HOST, "ls /canary 2>&1", check=False).strip() != "/canary"


def test_the_fence_lets_only_us_through_and_opens_again(fleet: Any, run_on: Any) -> None:
    report = run_on(Phase.FENCE, HOST).reports[HOST]
    try:
        assert report["fenced"]
        # Nothing answers to others behind the fence; we still get in.
        assert (
            fleet("stg-db1", "timeout 3 bash -c '</dev/tcp/10.77.0.42/8081' && echo open || echo shut").strip()
            == "shut"
        )
        assert fleet(HOST, "hostname").strip() == HOST
    finally:
        assert run_on(Phase.RELEASE, HOST).failed == {}
    assert fleet("stg-db1", "timeout 60 bash -c '</dev/tcp/10.77.0.42/8081' && echo open || echo shut").strip() == "open"


def test_an_older_token_is_refused_by_the_host(fleet: Any, run_on: Any) -> None:
    run_on(Phase.FENCE, HOST)
    run_on(Phase.RELEASE, HOST)
    late = run_on(Phase.FENCE, HOST, token=seen_token(fleet, HOST) - 1)
    assert "is refused" in late.failed[HOST]
    assert fleet(HOST, "nft list table inet suture_fence 2>&1 || true").startswith("Error")


def test_a_half_configured_dpkg_is_healed(fleet: Any, lab_settings: Settings, run_on: Any) -> None:
    from suture.runner.briefs import HostRepository

    fleet(
        HOST,
        "d=$(mktemp -d) && mkdir -p $d/p/DEBIAN && cd $d && chmod 755 p &&"
        " printf 'Package: suture-test-broken\\nVersion: 1\\nArchitecture: all\\nMaintainer: t <t@example.org>\\n"
        "Description: breaks once\\n' > p/DEBIAN/control &&"
        " printf '#!/bin/sh\\n[ -e /run/suture-test-mended ] || exit 1\\n' > p/DEBIAN/postinst && chmod 755 p/DEBIAN/postinst &&"
        " dpkg-deb -b p t.deb >/dev/null && ! dpkg -i t.deb 2>/dev/null >&2; touch /run/suture-test-mended; true",
    )
    try:
        assert "suture-test-broken" in fleet(HOST, "dpkg --audit")
        repository = HostRepository.load(lab_settings, {}).as_json()
        report = run_on(Phase.PREFLIGHT, HOST, repository=repository).reports[HOST]
        assert any("suture-test-broken" in line for line in report["healed"])
        assert fleet(HOST, "dpkg --audit").strip() == ""
    finally:
        fleet(HOST, "dpkg -P suture-test-broken; rm -f /run/suture-test-mended", check=False)


DPKG_INSTALL = "dpkg --force-confdef --force-confold --force-downgrade -i >/dev/null 2>&1"
REPACK = (
    "cd /run/repack && python3 -c 'from ansible.module_utils import suture_repack;"
    " print(suture_repack.repack(\"acme-portal\", \"/run/repack\"))'"
)


def bring_repack(fleet: Any, tmp_path: Path) -> None:
    """The modules, and the portal's 1.0.0.deb and 1.0.1.deb, into /run/repack on HOST."""
    bundle = tmp_path / "modules.tar.xz"
    utils = PROJECT_ROOT / "include" / "playbooks" / "module_utils"
    with tarfile.open(bundle, "w:xz") as archive:
        for path in sorted(utils.glob("*.py")):
            archive.add(path, f"ansible/module_utils/{path.name}")
        for version in ("1.0.0", "1.0.1"):
            archive.add(vendor.build_package(vendor.RELEASES[version], tmp_path), f"{version}.deb")
    fleet(HOST, f"mkdir /run/repack && echo {b64encode(bundle.read_bytes()).decode()} | base64 -d | tar -xJ -C /run/repack")


def test_an_edited_conffile_outlives_a_rollback_and_the_next_update(fleet: Any, tmp_path: Path) -> None:
    """The way back is a package made anew on the host; what dpkg compares with must still be what the vendor brought."""
    bring_repack(fleet, tmp_path)
    config = "/etc/acme-portal/portal.conf"
    try:
        fleet(HOST, f"{DPKG_INSTALL} /run/repack/1.0.0.deb && cp -p {config} /run/repack/as-it-was && echo '# by hand' >> {config}")
        built = fleet(HOST, REPACK).strip()
        assert config not in fleet(HOST, f"dpkg-deb -c {built}")
        for package in ("/run/repack/1.0.1.deb", built, "/run/repack/1.0.1.deb"):
            fleet(HOST, f"{DPKG_INSTALL} {package}")
            assert fleet(HOST, f"tail -n 1 {config}").strip() == "# by hand", package
        assert fleet(HOST, "dpkg-query -W -f '${Version}' acme-portal").strip() == "1.0.1"
        assert fleet(HOST, f"dpkg --verify acme-portal | grep -c {config}").strip() == "1"  # still known as edited
    finally:
        back = f"{DPKG_INSTALL} /run/repack/1.0.0.deb; cp -p /run/repack/as-it-was {config}; rm -r /run/repack"
        fleet(HOST, f"{back}; systemctl restart acme-portal")


def test_a_deleted_conffile_stays_deleted_after_a_rollback_and_the_next_update(fleet: Any, tmp_path: Path) -> None:
    """dpkg keeps deleted what an administrator deleted; so must the package that was made anew on the host."""
    bring_repack(fleet, tmp_path)
    config = "/etc/acme-portal/portal.conf"
    try:
        fleet(HOST, f"{DPKG_INSTALL} /run/repack/1.0.0.deb && cp -p {config} /run/repack/as-it-was && rm {config}")
        built = fleet(HOST, REPACK).strip()
        for package in ("/run/repack/1.0.1.deb", built, "/run/repack/1.0.1.deb"):
            fleet(HOST, f"{DPKG_INSTALL} {package}")
            assert fleet(HOST, f"test -e {config} && echo there || echo gone").strip() == "gone", package
        assert fleet(HOST, f"dpkg --verify acme-portal | grep -c {config}").strip() == "1"  # still known as missing
    finally:
        back = f"cp -p /run/repack/as-it-was {config}; rm -f {config}.dpkg-dist; {DPKG_INSTALL} /run/repack/1.0.0.deb"
        fleet(HOST, f"{back}; cp -p /run/repack/as-it-was {config}; rm -r /run/repack; systemctl restart acme-portal")


def test_a_backup_is_restored_and_compared(fleet: Any, run_on: Any) -> None:
    result = run_on(Phase.BACKUP, "stg-db1", backup_password="only for this test")
    report = result.reports["stg-db1"]
    assert mistake_in(Phase.BACKUP, report) is None
    assert report["backup"]["restored_files"] > 100
    assert "only for this test" not in "\n".join(result.log_tail)
    fleet("stg-db1", "rm -rf /var/backups/suture/restic")  # its password is this test's


def name_of(process: psutil.Process) -> str:
    """Empty for one that has ended meanwhile."""
    try:
        return str(process.name())
    except psutil.Error:
        return ""


def lives(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def test_a_killed_task_leaves_nothing_here_and_the_next_try_waits_for_the_host(
    fleet: Callable[..., str], run_on: Any, inventory_path: Path, tmp_path: Path
) -> None:
    """Something holds the host's lock when the task dies waiting for it. The next try waits, too; and what the dead one
    left waiting on the host is refused, however late it gets its turn.
    """
    token = seen_token(fleet, HOST) + 1
    fleet(HOST, "systemd-run --quiet flock /var/lib/suture/lease.lock sleep 45")
    held_until = time.monotonic() + 40
    task = tmp_path / "task.py"
    task.write_text(
        f"""
import signal, sys
from pathlib import Path
from suture.runner.ansible import AnsibleRunner
from suture.runner.interface import Phase, PlaybookRun
runner = AnsibleRunner(Path({str(inventory_path)!r}))
def on_kill(*_):
    runner.stop()
    sys.exit(3)
signal.signal(signal.SIGTERM, on_kill)
brief = {{"campaign_id": "SUT-TEST-1", "packages": [], "hosts": {{{HOST!r}: {{"token": {token}, "holder": "try 1",
    "checks": {{}}, "balancers": [], "backend": ""}}}}}}
runner.run(PlaybookRun(Phase.FENCE, ({HOST!r},), brief), log=print)
""",
        "utf-8",
    )
    output = (tmp_path / "log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-u", str(task)],
        env={**os.environ, "PYTHONPATH": f"{PROJECT_ROOT}/include"},
        stdout=output,
        stderr=output,
    )
    deadline = time.monotonic() + 240
    while "ssh" not in map(name_of, psutil.Process(process.pid).children(recursive=True)):
        assert time.monotonic() < deadline, (tmp_path / "log").read_text()
        time.sleep(0.1)
    time.sleep(3)  # long enough that the claim waits on the host
    mine = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 3
    assert [p for p in mine if lives(p)] == []
    second = run_on(Phase.RELEASE, HOST, token=token + 1, holder="try 2")
    assert second.failed == {}
    assert time.monotonic() >= held_until
    time.sleep(2)
    assert seen_token(fleet, HOST) == token + 1
    assert fleet(HOST, "nft list table inet suture_fence 2>&1 || true").startswith("Error")


def test_a_host_out_of_reach_is_unreachable_and_not_failed(fleet: Any, ssh: Path, inventory_path: Path) -> None:
    # A session outlives the daemon that began it; when it is told to, or breaks, the daemon is back.
    own_way_in = subprocess.Popen(
        ["ssh", "-F", str(ssh), HOST, "trap 'systemctl start ssh' EXIT; systemctl stop ssh && echo stopped && read -r end"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert own_way_in.stdout is not None
        assert own_way_in.stdout.readline() == "stopped\n"
        result = AnsibleRunner(inventory_path).run(PlaybookRun(Phase.COLLECT_INVENTORY, STAGING))
        assert HOST in result.unreachable
        assert "stg-db1" in result.reports
    finally:
        own_way_in.communicate("\n", timeout=120)
        deadline = time.monotonic() + 240
        while not fleet(HOST, "hostname", check=False):
            assert time.monotonic() < deadline
            time.sleep(2)
