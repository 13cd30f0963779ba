"""Keeps Airflow's processes alive: `python -m suture.command.supervisor SPEC`, started by `./suture up`.

The rules:

- Each process gets a session of its own: a signal to one never reaches another, nor the terminal's Ctrl-C any of them.
- One that ends is started again after 1, 2, 4 … 60 s; after a minute of quiet running the count starts anew.
- A scheduler that was killed leaves its workers behind. One that is in the middle of a task is left to finish (ending
  it could leave a host half patched, and Airflow takes the result); idle ones are ended.
- The embedded PostgreSQL is looked after as well: it is started again when it has died.
- Orphans of our processes become our children, and are reaped: in a container, PID 1 often does not do it.
- SIGTERM ends all: first asked, after a while killed. Then the pid files go.
- Logs go straight to files, not through a pipe: the processes outlive a supervisor that is killed, and still can write.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import psutil

from suture.command.postgres import EmbeddedPostgres
from suture.command.processes import end_idle_workers, session_members, write_pid_file
from suture.errors import SutureError

LOG_LIMIT_BYTES = 20 * 1024 * 1024
LOGS_KEPT = 3
LONGEST_PAUSE_S = 60.0
QUIET_AFTER_S = 60.0
PATIENCE_S = 20.0
PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


@dataclass(frozen=True)
class Spec:
    """What to run. `postgres_port` is None when the database is not ours to look after."""

    home: Path
    processes: tuple[tuple[str, tuple[str, ...]], ...]
    postgres_port: int | None

    def dump(self, path: Path) -> None:
        stored = {"home": str(self.home), "processes": self.processes, "postgres_port": self.postgres_port}
        path.write_text(json.dumps(stored, indent=2) + "\n", "utf-8")

    @classmethod
    def load(cls, path: Path) -> Spec:
        stored = json.loads(path.read_text("utf-8"))
        processes = tuple((str(name), tuple(command)) for name, command in stored["processes"])
        return cls(Path(stored["home"]), processes, stored["postgres_port"])


@dataclass
class Child:
    """One supervised process over its restarts."""

    name: str
    command: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    failures: int = 0
    next_start_at: float = 0.0
    old_sessions: set[int] = field(default_factory=set)


def log(text: str) -> None:
    print(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {text}", flush=True)


class Supervisor:
    def __init__(self, spec: Spec) -> None:
        self._home = spec.home
        self._children = [Child(name, command) for name, command in spec.processes]
        port = spec.postgres_port
        self._postgres = EmbeddedPostgres(spec.home, port) if port is not None else None
        self._stopping = False

    def run(self) -> None:
        """Supervise until SIGTERM or SIGINT."""
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        write_pid_file(self._home / "run" / "supervisor.pid", os.getpid())
        _adopt_orphans()
        tick = 0
        try:
            while not self._stopping:
                for child in self._children:
                    self._look_after(child)
                if tick % 10 == 0:
                    self._look_after_postgres()
                    self._end_idle_leftovers()
                    self._reap_orphans()
                    self._rotate_logs()
                tick += 1
                time.sleep(0.3)
        finally:
            self._end_all()

    def _stop(self, _signal: int, _frame: FrameType | None) -> None:
        self._stopping = True

    def _look_after(self, child: Child) -> None:
        now = time.monotonic()
        if child.process is None:
            if now >= child.next_start_at:
                self._start(child)
            return
        status = child.process.poll()
        if status is None:
            if now - child.started_at > QUIET_AFTER_S:
                child.failures = 0
            return
        pause_s = min(2.0**child.failures, LONGEST_PAUSE_S)
        log(f"{child.name} (process {child.process.pid}) ended with status {status}: again in {pause_s:.0f} s.")
        child.old_sessions.add(child.process.pid)
        child.failures += 1
        child.next_start_at = now + pause_s
        child.process = None

    def _start(self, child: Child) -> None:
        with self._log_file(child.name).open("ab") as output:
            child.process = subprocess.Popen(
                child.command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        child.started_at = time.monotonic()
        log(f"{child.name} started (process {child.process.pid}).")
        try:
            write_pid_file(self._home / "run" / f"{child.name}.pid", child.process.pid)
        except ProcessLookupError:
            return  # it ended at once: the next look says so

    def _look_after_postgres(self) -> None:
        if self._postgres is None or self._postgres.pid() is not None:
            return
        log("The embedded PostgreSQL has died: starting it.")
        try:
            self._postgres.start()
        except SutureError as error:
            log(f"It did not start, and will be tried again: {error}")

    def _end_idle_leftovers(self) -> None:
        """What dead schedulers left: the idle go, the busy stay until they have finished."""
        for child in self._children:
            for session in list(child.old_sessions):
                members = session_members(session)
                if not members:
                    child.old_sessions.discard(session)
                end_idle_workers(members)

    def _reap_orphans(self) -> None:
        ours = {child.process.pid for child in self._children if child.process is not None}
        for process in psutil.Process().children():
            try:
                if process.pid not in ours and process.status() == psutil.STATUS_ZOMBIE:
                    os.waitpid(process.pid, os.WNOHANG)
            except (OSError, psutil.Error):
                continue  # reaped meanwhile

    def _rotate_logs(self) -> None:
        """Copy and truncate: the writer appends to the file that it holds, so renaming would not part them."""
        for name in [child.name for child in self._children] + ["supervisor"]:
            path = self._log_file(name)
            try:
                if path.stat().st_size < LOG_LIMIT_BYTES:
                    continue
                for number in range(LOGS_KEPT - 1, 0, -1):
                    older = path.with_suffix(f".log.{number}")
                    if older.exists():
                        older.replace(path.with_suffix(f".log.{number + 1}"))
                shutil.copyfile(path, path.with_suffix(".log.1"))
                os.truncate(path, 0)
            except OSError as error:
                log(f"The log {path} could not be rotated: {error}.")

    def _end_all(self) -> None:
        running = [child for child in self._children if child.process is not None]
        # The API server last: tasks report through it.
        last = [child for child in running if child.name == "api-server"]
        for group in ([child for child in running if child not in last], last):
            self._end(group)
        for name in [child.name for child in self._children] + ["supervisor"]:
            (self._home / "run" / f"{name}.pid").unlink(missing_ok=True)
        log("All ended.")

    def _end(self, children: Sequence[Child]) -> None:
        processes = [child.process for child in children if child.process is not None]
        for process in processes:
            process.terminate()
        deadline = time.monotonic() + PATIENCE_S
        for process in processes:
            try:
                process.wait(timeout=max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                log(f"Process {process.pid} did not end in {PATIENCE_S:.0f} s: killing it.")
                process.kill()
                process.wait()

    def _log_file(self, name: str) -> Path:
        return self._home / "logs" / f"{name}.log"


def _adopt_orphans() -> None:
    """Become the parent of every descendant whose parent dies (Linux: prctl PR_SET_CHILD_SUBREAPER)."""
    try:
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    except (OSError, AttributeError):
        log("This system does not let us adopt orphans: PID 1 has to reap them.")


def main(arguments: Sequence[str]) -> int:
    os.umask(0o077)
    Supervisor(Spec.load(Path(arguments[0]))).run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
