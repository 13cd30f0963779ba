"""One process a fleet, outside the walls: the gateway, the relays from loopback, and the walls themselves.

It runs as whoever started the fleet. When it ends, however it ends, the kernel ends every host; what a `kill -9` leaves
(the cgroup's empty folders) the next `down` or `up` removes.
"""

from __future__ import annotations

import asyncio

# The forked nursery may not be able to read the interpreter's folder any more: what it loads late is loaded here.
import concurrent.futures.thread  # noqa: F401
import encodings.ascii
import encodings.idna
import encodings.latin_1  # noqa: F401
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from lab import cgroup, load, namespace, nursery
from lab.archive import Archive
from lab.gateway import Gateway, Served, UnixGateway, serve_in_threads
from lab.hosts import BY_NAME
from lab.layout import Layout
from lab.namespace import Walls
from lab.nursery import FleetPlan
from lab.relay import relay_to_unix
from lab.roles import LB_PORT, PROMETHEUS_PORT
from lab.vendor.desk import HOTFIX, Desk

OUTWARD = {"service": (BY_NAME["lb1"].address, LB_PORT), "prometheus": (BY_NAME["obs1"].address, PROMETHEUS_PORT)}
END_PATIENCE_S = 15.0


@dataclass(frozen=True)
class Record:
    """The running supervisor; `started_at` tells it from a later process with the same pid."""

    pid: int
    started_at: float
    cgroup: str

    @classmethod
    def read(cls, path: Path) -> Record | None:
        """What the file says, or None when there is no (whole) file."""
        try:
            stored = json.loads(path.read_text("utf-8"))
            return cls(int(stored["pid"]), float(stored["started_at"]), str(stored["cgroup"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def process(self) -> psutil.Process | None:
        """The process, or None when it has ended."""
        try:
            process = psutil.Process(self.pid)
            alive = abs(process.create_time() - self.started_at) < 1 and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return None
        return process if alive else None


def start(layout: Layout, plan: FleetPlan, archive: Archive, owner_uid: int | None) -> None:
    """Leave a supervisor running, detached from this process; returns when it has taken its ports or failed.

    The two forks make it a child of the machine's init: whoever called may end.
    """
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read_end)
        os.setsid()
        if os.fork() > 0:
            os._exit(0)
        _detach(layout.supervisor_log, keep=write_end)
        status = 1
        try:
            status = _supervise(layout, plan, archive, owner_uid, write_end)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    os.close(write_end)
    os.waitpid(pid, 0)
    with os.fdopen(read_end, "rb") as pipe:
        said = pipe.readline().strip()
    if said != b"running":
        from lab.errors import LabError

        raise LabError(
            f"The fleet's supervisor did not start: {said.decode(errors='replace') or 'no reason given'}.",
            remedy=f"Its log is {layout.supervisor_log}.",
        )


def _detach(log: Path, *, keep: int) -> None:
    """Let go of the caller's terminal and files; an inherited lock would otherwise be held for the fleet's life."""
    null = os.open(os.devnull, os.O_RDONLY)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(null, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.closerange(3, keep)
    os.closerange(keep + 1, 4096)


def _supervise(layout: Layout, plan: FleetPlan, archive: Archive, owner_uid: int | None, ready: int) -> int:
    os.chdir("/")
    try:
        # Before any thread: the nursery is forked from here.
        child = namespace.fork_inside(
            Walls(layout.fleet, owner_uid, own_network=True, cgroup=plan.cgroup / cgroup.NURSERY),
            lambda: _first_inside(plan, ready),
        )
        served = Served(
            folders={
                "internal": layout.repository,
                "vendor": layout.vendor / "public",
                "hotfix": layout.vendor / HOTFIX / "public",
                "feeds": layout.feeds,
            },
            archive=archive,
            cache=layout.cache / "archive",
            desk=Desk(layout.vendor, layout.secrets),
        )
        servers = (UnixGateway(layout.run / "gateway.sock", served, owner_uid), Gateway(layout.gateway_port, served))
        serve_in_threads(*servers)
        return asyncio.run(_watch(layout, plan, child, ready))
    except OSError as error:
        os.write(ready, f"{error}\n".encode())
        raise


async def _watch(layout: Layout, plan: FleetPlan, child: int, ready: int) -> int:
    for name, port in (("service", layout.service_port), ("prometheus", layout.prometheus_port)):
        await asyncio.start_server(relay_to_unix(layout.run / f"{name}.sock"), "127.0.0.1", port)
    me = psutil.Process()
    record = {"pid": me.pid, "started_at": me.create_time(), "cgroup": str(plan.cgroup)}
    part = layout.supervisor_record.with_suffix(".part")
    part.write_text(json.dumps(record) + "\n", "utf-8")
    part.replace(layout.supervisor_record)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    os.write(ready, b"running\n")
    os.close(ready)
    ended = asyncio.create_task(asyncio.to_thread(os.waitpid, child, 0))
    told = asyncio.create_task(stop.wait())
    await asyncio.wait((ended, told), return_when=asyncio.FIRST_COMPLETED)
    if not ended.done():
        await _end_nursery(child, ended)
    layout.supervisor_record.unlink(missing_ok=True)
    cgroup.remove(plan.cgroup)
    return 0 if told.done() else 1


async def _end_nursery(child: int, ended: asyncio.Task[tuple[int, int]]) -> None:
    """Ask the first process inside to stop (it powers the hosts off); then without asking."""
    inside = psutil.Process(child).children()
    for process in inside:
        process.terminate()
    await asyncio.wait((ended,), timeout=END_PATIENCE_S)
    if not ended.done():
        os.kill(child, signal.SIGKILL)
        await ended


def _first_inside(plan: FleetPlan, ready: int) -> int:
    """PID 1 inside: starts the nursery and the load generator, reaps, and ends when the nursery ends."""
    os.close(ready)
    inner = _fork(lambda: nursery.main(plan))
    signal.signal(signal.SIGTERM, lambda *_: os.kill(inner, signal.SIGTERM))
    folder = namespace.FOLDER_INSIDE / "load"
    address, port = OUTWARD["service"]
    generator = _fork(lambda: load.main(folder, address, port))
    while True:
        pid, _ = os.wait()
        if pid == inner:
            return 0
        if pid == generator:
            time.sleep(1)
            generator = _fork(lambda: load.main(folder, address, port))


def _fork(main: Callable[[], int]) -> int:
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            status = main()
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    return pid
