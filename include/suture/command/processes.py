"""Finding and ending the processes of one installation, also after a crash.

The rules:

- A process is ours when its environment holds SUTURE_INSTANCE=<id> (children inherit it), or when a pid file of ours
  names it or its session. A program that writes its title over its environment is found by the latter.
- A pid file counts only while the start time agrees: the process id may have been given to a stranger since. A
  session's id is not given away while the session has members.
- We never end ourselves or one of our ancestors.
- Ending asks first (SIGTERM), waits, then insists (SIGKILL), and looks again: a process may have forked meanwhile.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

from suture.errors import SutureError

MARK = "SUTURE_INSTANCE"
IDLE_WORKER = "LocalExecutor: <idle>"  # as Airflow 3.3 titles it
_EXEC_SECONDS = 0.05


class StubbornProcessError(SutureError):
    """Processes of ours are still there after SIGKILL."""


@dataclass(frozen=True)
class PidRecord:
    """What a pid file holds. `start_ticks`: the process's start in clock ticks since boot (/proc/<pid>/stat)."""

    pid: int
    start_ticks: int


def start_ticks(pid: int) -> int | None:
    """When the process started, or None when there is none. The 22nd field of /proc/<pid>/stat (proc(5))."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", errors="replace")
    except OSError:
        return None
    # The second field is the program's name in parentheses and may hold anything, spaces and parentheses too.
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in ("Z", "X") else int(fields[19])


def write_pid_file(path: Path, pid: int) -> None:
    """Record a process. Raises ProcessLookupError when it has gone already."""
    ticks = start_ticks(pid)
    if ticks is None:
        raise ProcessLookupError(pid)
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps({"pid": pid, "start_ticks": ticks}) + "\n", "utf-8")
    temporary.replace(path)


def read_pid_file(path: Path) -> PidRecord | None:
    """The process that the file names, if it still is the same one; None otherwise, also for a broken file."""
    record = _read_record(path)
    return record if record is not None and start_ticks(record.pid) == record.start_ticks else None


def marked(instance: str) -> list[psutil.Process]:
    """Every living process with our mark in its environment, ourselves and our ancestors left out."""
    needle = f"{MARK}={instance}".encode()
    spared = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) in spared:
            continue
        try:
            if needle not in (folder / "environ").read_bytes().split(b"\0"):
                continue
            process = psutil.Process(int(folder.name))
            if process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (OSError, psutil.Error):
            continue  # gone meanwhile, or another user's
    return found


def session_members(session: int) -> list[psutil.Process]:
    """The living processes of a session, whose id is its first process's."""
    members = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE:
                members.append(process)
        except (OSError, psutil.Error):
            continue
    return members


def recorded(run_dir: Path) -> list[psutil.Process]:
    """The processes that the folder's pid files name, and the members of their sessions, dead leaders' too."""
    found: dict[int, psutil.Process] = {}
    for pid_file in run_dir.glob("*.pid"):
        record = _read_record(pid_file)
        if record is not None and start_ticks(record.pid) in (record.start_ticks, None):
            found |= {process.pid: process for process in session_members(record.pid)}
    spared = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    return [process for pid, process in sorted(found.items()) if pid not in spared]


def end(
    find: Callable[[], Iterable[psutil.Process]], *, patience_s: float = 15.0, say: Callable[[str], None] | None = None
) -> int:
    """End everything that `find` returns, now and after; how many there were. Raises StubbornProcessError."""
    ended: set[int] = set()
    for signal_number, wait_s in ((signal.SIGTERM, patience_s), (signal.SIGKILL, 5.0), (signal.SIGKILL, 5.0)):
        processes = _look(find)
        if not processes:
            return len(ended)
        if signal_number == signal.SIGKILL and say is not None:
            say(f"{len(processes)} processes did not end when asked: killing them.")
        for process in processes:
            ended.add(process.pid)
            _signal(process, signal_number)
        psutil.wait_procs(processes, timeout=wait_s)
    left = list(find())
    if left:
        names = ", ".join(f"{process.pid}" for process in left)
        raise StubbornProcessError(
            f"These processes of Suture did not end: {names}.",
            remedy="They may hang in the kernel (see ps -o pid,stat,wchan). Run ./suture down again later.",
        )
    return len(ended)


def end_idle_workers(candidates: Iterable[psutil.Process]) -> None:
    """Kill executor workers that do nothing: a dead scheduler leaves them behind, and they ignore SIGTERM."""
    for process in candidates:
        try:
            if IDLE_WORKER in " ".join(process.cmdline()):
                process.kill()
        except psutil.Error:
            continue  # gone meanwhile


def wait_until(condition: Callable[[], bool], *, timeout_s: float, every_s: float = 0.2) -> bool:
    """Whether the condition came true in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(every_s)
    return True


def _read_record(path: Path) -> PidRecord | None:
    try:
        stored = json.loads(path.read_text("utf-8"))
        return PidRecord(int(stored["pid"]), int(stored["start_ticks"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _look(find: Callable[[], Iterable[psutil.Process]]) -> list[psutil.Process]:
    """What it finds, looked for twice: for a moment in exec(2) a process has no environment, and with it no mark."""
    found = list(find())
    if not found:
        time.sleep(_EXEC_SECONDS)
        found = list(find())
    return found


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.Error:
        return  # gone meanwhile
