"""Operate the practice fleet: start and end it, and do to single hosts what life does to them.

    from lab import fleet
    fleet.up(); fleet.cut_off("app3"); fleet.reconnect("app3"); fleet.down()

Every function works on this clone's fleet (SUTURE_HOME names another state folder). Errors are LabError.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from lab import archive as archives
from lab import base, cgroup, identity, supervisor, vendor
from lab import layout as layouts
from lab.doctor import doctor
from lab.errors import LabError, MachineUnfitError
from lab.hosts import GATEWAY, HOSTS, find
from lab.layout import Layout
from lab.nursery import FleetPlan, HostPlan
from lab.roles import files_of
from suture.settings import PROJECT_ROOT

BOOT_SCRIPT = Path(__file__).with_name("inside") / "boot-host.sh"
FIRST_VERSIONS = ("1.0.0",)
UP_PATIENCE_S = 120.0
ORDER_PATIENCE_S = 90.0


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def up(*, hosts: Iterable[str] | None = None) -> dict[str, Any]:
    """Start the fleet, or what of it is off; wait until every host's sshd answers. Returns status().

    `hosts` names the ones to start (default: all). A running fleet keeps its state; one that was ended goes on from its
    disks. Raises MachineUnfitError, with nothing changed, where the machine cannot host it.
    """
    wanted = [find(name).name for name in hosts] if hosts is not None else [host.name for host in HOSTS]
    layout = layouts.prepare()
    layout.lab.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _alone(layout):
        if not _runs(layout):
            _check_machine(layout)
            _clean_leftovers(layout)
            _in_fresh_process("boot")
            _wait_for_orders(layout)
        for name in wanted:
            _order(layout, "start", name)
        _wait_up(layout, wanted)
    return status()


def down(*, purge: bool = False) -> None:
    """End the fleet, and clean what a killed one left. `purge` removes the hosts' disks, base and layers as well."""
    layout = layouts.read()
    if layout is None or not layout.lab.exists():
        return
    with _alone(layout):
        _end(layout)
        _clean_leftovers(layout)
        if purge and layout.fleet.exists():
            _in_fresh_process("purge")


def status() -> dict[str, Any]:
    """{"running": bool, "hosts": {name: {"state", "cut_off", "boots", …}}, …}; hosts is empty when it does not run."""
    layout = layouts.read()
    record = None if layout is None else supervisor.Record.read(layout.supervisor_record)
    process = None if record is None else record.process()
    if layout is None or process is None:
        return {"running": False, "hosts": {}}
    found = {"running": True, "supervisor_pid": process.pid, "hosts": _order(layout, "status", None)}
    with contextlib.suppress(OSError, ValueError):
        found |= json.loads(layout.description.read_text("utf-8"))
    return found


def start(host: str) -> None:
    """Switch a host on, and wait for its sshd."""
    layout = _running()
    _order(layout, "start", find(host).name)
    _wait_up(layout, [host])


def stop(host: str) -> None:
    """Power a host off in good order."""
    _order(_running(), "stop", find(host).name)


def kill(host: str) -> None:
    """Pull a host's plug: nothing is written any more."""
    _order(_running(), "kill", find(host).name)


def reboot(host: str) -> None:
    """Reboot a host from inside, and wait for its sshd."""
    layout = _running()
    before = _order(layout, "status", None)[find(host).name]["boots"]
    _order(layout, "reboot", host)
    _wait_up(layout, [host], after_boot=before)


def cut_off(host: str) -> None:
    """Pull a host's network cable; it runs on. A reboot does not plug it in again."""
    _order(_running(), "cut_off", find(host).name)


def reconnect(host: str) -> None:
    _order(_running(), "reconnect", find(host).name)


def snapshot(host: str, tag: str) -> None:
    """Keep the host's disk as it is now; a running host is frozen for that moment."""
    _order(_running(), "snapshot", find(host).name, tag=tag)


def restore(host: str, tag: str) -> None:
    """Put the host's disk back to a snapshot; a running host is switched off for it and comes up again."""
    layout = _running()
    answer = _order(layout, "restore", find(host).name, tag=tag)
    if answer["state"] != "off":
        _wait_up(layout, [host])


def renew(hosts: Iterable[str] | None = None) -> None:
    """Make hosts (default: all) as they were when the fleet was built: every update pending again."""
    layout = _running()
    names = [find(name).name for name in hosts] if hosts is not None else [host.name for host in HOSTS]
    on = [name for name in names if _order(layout, "renew", name)["state"] != "off"]
    _wait_up(layout, on)


def exec(host: str, argv: Sequence[str], *, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
    """Run a command on a host as root over ssh; its exit status and output. 255 is ssh's own failure."""
    layout = _running()
    command = ["ssh", "-F", str(layout.ssh_config), find(host).name, "--", _quoted(argv)]
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=timeout_s
    )


def publish(versions: Iterable[str]) -> None:
    """Let the vendor publish its repository anew with these versions of acme-portal."""
    layout = layouts.prepare()
    vendor.publish(layout.vendor, layout.secrets, versions)


def set_load(rate_per_s: float) -> None:
    """Change the load generator's rate; 0 pauses it."""
    folder = layouts.prepare().load_log.parent
    part = folder / "load.json.part"
    part.write_text(json.dumps({"rate_per_s": rate_per_s}) + "\n", "utf-8")
    part.chmod(0o644)
    part.replace(folder / "load.json")


# How it is done


def boot() -> None:
    """Build what is missing and leave a supervisor running. For `python -m lab boot`: it forks into namespaces, which
    a process with threads (a test runner, a server) must not do; up() runs it in a fresh one."""
    layout = layouts.prepare()
    owner_uid = layout.uid_base if os.getuid() == 0 else None
    archive = archives.read()
    for folder in (layout.fleet, layout.run, layout.load_log.parent):
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)  # the state folder above is closed; inside, unprivileged users of hosts pass through
        if owner_uid is not None:
            os.chown(folder, owner_uid, owner_uid)
    layout.repository.mkdir(parents=True, exist_ok=True, mode=0o755)
    keys = identity.prepare(layout)
    identity.write_access(layout, keys)
    if not (layout.vendor / "public").exists():
        vendor.publish(layout.vendor, layout.secrets, FIRST_VERSIONS)
    first = vendor.build_package(vendor.RELEASES[FIRST_VERSIONS[0]], layout.vendor / "packages")
    built = base.build(layout, archive, first, owner_uid, say)
    _describe(layout, archive)
    plan = FleetPlan(
        hosts=tuple(HostPlan(host, tuple(built.stack_of(host.role)), tuple(files_of(host, keys))) for host in HOSTS),
        cgroup=cgroup.make(f"suture-{layout.instance}", owner_uid),
        boot_script=BOOT_SCRIPT.read_text("utf-8"),
        outward=supervisor.OUTWARD,
    )
    say(f"Booting {len(HOSTS)} hosts.")
    supervisor.start(layout, plan, archive, owner_uid)


def _describe(layout: Layout, archive: archives.Archive) -> None:
    """lab.json: what the rest of Suture needs to know of the fleet."""
    gateway = layout.gateway_url
    document = {
        "prometheus_url": f"http://127.0.0.1:{layout.prometheus_port}",
        "service_url": f"http://127.0.0.1:{layout.service_port}",
        "gateway_url": gateway,
        "vendor_url": f"{gateway}/vendor",
        "vendor_keyring": str(layout.vendor / "keyring.gpg"),
        "feeds_url": f"{gateway}/feeds",
        "desk_url": f"{gateway}/desk",
        "repository_url": f"{gateway}/internal",
        "repository_url_for_hosts": f"http://{GATEWAY}/internal",
        "load_log": str(layout.load_log),
        "ssh_config": str(layout.ssh_config),
        "inventory": str(layout.inventory),
        "archive": {
            "distribution": archive.distribution,
            "codename": archive.codename,
            "suite": archive.main.suite,
            "security_suite": archive.security.suite if archive.security else None,
            "components": ["main"],
            "keyring": str(archives.keyring_of(archive.main)),
            "url": f"{gateway}/archive/main",
            "security_url": f"{gateway}/archive/security" if archive.security else None,
            "architecture": _architecture(),
        },
    }
    identity.write_private(layout.description, json.dumps(document, indent=2) + "\n")


def _architecture() -> str:
    return subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True).stdout.strip()


def _check_machine(layout: Layout) -> None:
    findings = doctor(layout.home)
    if findings:
        raise MachineUnfitError(
            "This machine cannot host the practice fleet: "
            + " ".join(f"{found.subject}: {found.problem}" for found in findings),
            remedy=" ".join(found.remedy for found in findings),
        )


def _runs(layout: Layout) -> bool:
    record = supervisor.Record.read(layout.supervisor_record)
    return record is not None and record.process() is not None


def _running() -> Layout:
    layout = layouts.read()
    if layout is None or not _runs(layout):
        raise LabError("The practice fleet is not running.", remedy="Start it: python -m lab up")
    return layout


def _end(layout: Layout) -> None:
    record = supervisor.Record.read(layout.supervisor_record)
    process = None if record is None else record.process()
    if record is None or process is None:
        return
    say("Ending the practice fleet.")
    with contextlib.suppress(psutil.NoSuchProcess):
        process.terminate()
    if not _ends(record, 30):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
        if not _ends(record, 10):
            raise LabError(
                f"The fleet's supervisor (process {process.pid}) does not end, not even when killed.",
                remedy="It waits for the machine's kernel: see `dmesg`, then try again.",
            )


def _ends(record: supervisor.Record, patience_s: float) -> bool:
    """Whether the process ends in time. One that nobody has reaped yet (a container's init may never do) has ended."""
    give_up_at = time.monotonic() + patience_s
    while record.process() is not None:
        if time.monotonic() > give_up_at:
            return False
        time.sleep(0.05)
    return True


def _clean_leftovers(layout: Layout) -> None:
    """What a killed fleet may leave: the cgroup's folders with whatever still runs in them, sockets, its record."""
    parent = cgroup.writable_parent()
    if parent is not None and not cgroup.remove(parent / f"suture-{layout.instance}"):
        raise LabError(f"{parent / f'suture-{layout.instance}'} is in use and cannot be removed.")
    if layout.run.is_dir():
        for left in layout.run.glob("*.sock"):
            left.unlink()
    layout.supervisor_record.unlink(missing_ok=True)


def purge() -> None:
    """Remove the fleet's folder. For `python -m lab purge`, like boot()."""
    layout = layouts.prepare()
    owner_uid = layout.uid_base if os.getuid() == 0 else None
    base.remove(layout, [path.name for path in layout.fleet.iterdir()], owner_uid)
    shutil.rmtree(layout.fleet, ignore_errors=True)


def _in_fresh_process(verb: str) -> None:
    """`python -m lab VERB`, with its progress on our standard error; raises its LabError here."""
    done = subprocess.run(
        [sys.executable, "-m", "lab", verb], cwd=PROJECT_ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        try:
            failure = json.loads(done.stdout)
        except ValueError:
            failure = {"message": f"`python -m lab {verb}` ended with status {done.returncode}.", "remedy": None}
        raise LabError(failure["message"], remedy=failure["remedy"])


def _order(layout: Layout, what: str, host: str | None, **details: str) -> Any:
    """Give the nursery an order; its result. Raises LabError with its reason for refusing."""
    order = {"do": what, "host": host, **details}
    folder = os.open(layout.run, os.O_PATH | os.O_DIRECTORY)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(ORDER_PATIENCE_S)
            connection.connect(f"/proc/self/fd/{folder}/orders.sock")
            connection.sendall(json.dumps(order).encode() + b"\n")
            with connection.makefile("rb") as answers:
                line = answers.readline()
    except OSError as error:
        raise LabError(
            f"The practice fleet does not answer ({error}).", remedy=f"See {layout.supervisor_log}."
        ) from error
    finally:
        os.close(folder)
    answer = json.loads(line or b'{"ok": false, "reason": "no answer"}')
    if not answer["ok"]:
        raise LabError(f"The practice fleet refused `{what} {host or ''}`: {answer['reason']}")
    return answer["result"]


def _wait_for_orders(layout: Layout) -> None:
    def answers() -> bool:
        with contextlib.suppress(LabError):
            _order(layout, "status", None)
            return True
        return False

    if not _wait_until(answers, 15):
        raise LabError("The fleet's nursery does not answer.", remedy=f"See {layout.supervisor_log}.")


def _wait_up(layout: Layout, names: Sequence[str], *, after_boot: int = 0) -> None:
    states: dict[str, Any] = {}

    def all_up() -> bool:
        states.update(_order(layout, "status", None))
        for name in names:
            if states[name]["state"] == "killed":
                raise LabError(
                    f"{name} did not boot: {states[name]['failure'] or 'it ended by itself'}.",
                    remedy=f"Its console is {layout.run / f'{name}.console'}.",
                )
        # A host whose cable is out cannot answer: that is as wished.
        return all(
            (states[name]["state"] == "up" or states[name]["cut_off"]) and states[name]["boots"] > after_boot
            for name in names
        )

    if not _wait_until(all_up, UP_PATIENCE_S):
        late = [name for name in names if states[name]["state"] != "up"]
        raise LabError(
            f"These hosts did not come up within {UP_PATIENCE_S:.0f} s: {', '.join(late)}.",
            remedy=f"Their consoles are in {layout.run}.",
        )


def _wait_until(condition: Callable[[], bool], patience_s: float) -> bool:
    give_up_at = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > give_up_at:
            return False
        time.sleep(0.1)
    return True


def _quoted(argv: Sequence[str]) -> str:
    import shlex

    return shlex.join(argv)


@contextmanager
def _alone(layout: Layout) -> Iterator[None]:
    with (layout.lab / "fleet.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
