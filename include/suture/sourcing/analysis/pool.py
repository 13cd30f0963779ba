"""Many packages at once, each examined in a process that may die without taking anything with it.

    examine_all(subjects, examiners) -> list[Examination]

A worker is a Python program of its own (`worker`), started by its name: it inherits no locks, no connections and no secrets, and does
not need the caller's main module, so that it also works inside an Airflow task. It reads one task a line and writes one answer a line,
as JSON: a parser that a hostile file has taken over can lie about that package, and cannot make this process run anything.

- Workers: at most one a core. Memory: each has `memory_bytes` of its own, and is replaced once it has grown beyond half of that.
- Time: each package has `seconds` for all examiners together; then its worker is killed.
- A worker that dies, is killed, or answers nonsense gives a concern `not_examined` for the examiners that had not answered. The next
  package gets a fresh one.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import select
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from suture.errors import BadInputError
from suture.settings import PROJECT_ROOT
from suture.sourcing.analysis.binary_kinds import Kind
from suture.sourcing.analysis.unreadable import MIB, shown
from suture.sourcing.examination import Concern, Examination, Examiner, Subject

MEMORY_BYTES = 2048 * MIB
SECONDS = 900.0
_ANSWER_BYTES = 64 * MIB
# What a worker's environment keeps: where Python and this installation are, and nothing that opens anything.
_KEPT = ("PATH", "LANG", "LC_ALL", "TMPDIR", "HOME", "VIRTUAL_ENV", "SUTURE_HOME", "SUTURE_POLICY_DIR")


class _Gone(Exception):
    """The worker cannot answer any more. Its text says why."""


def examine_all(
    subjects: Sequence[Subject],
    examiners: Sequence[Examiner],
    *,
    workers: int | None = None,
    seconds: float = SECONDS,
    memory_bytes: int = MEMORY_BYTES,
) -> list[Examination]:
    """One examination for each subject and examiner, in their order, whatever happens. workers: None for one a core.

    Raises BadInputError for an examiner that is no function of a module, since a worker could not import it.
    """
    names = [_import_name(examiner) for examiner in examiners]
    if not subjects or not names:
        return []
    cores = len(os.sched_getaffinity(0))
    count = max(1, min(workers or cores, cores, len(subjects)))
    tasks: queue.SimpleQueue[int] = queue.SimpleQueue()
    # The largest first: one that comes last would keep a single core busy while the others idle.
    for number in sorted(range(len(subjects)), key=lambda n: -_size(subjects[n].new.path)):
        tasks.put(number)
    found: dict[int, list[Examination]] = {}

    def serve() -> None:
        worker = _Worker(memory_bytes)
        try:
            while True:
                try:
                    number = tasks.get_nowait()
                except queue.Empty:
                    return
                found[number] = worker.examine(subjects[number], names, seconds)
        finally:
            worker.stop()

    threads = [threading.Thread(target=serve, name=f"examine-{n}", daemon=True) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [
        examination
        for number, subject in enumerate(subjects)
        for examination in found.get(number)
        or [_unexamined(subject, name, "its examination never began") for name in names]
    ]


class _Worker:
    """One process at a time, started when it is needed."""

    def __init__(self, memory_bytes: int) -> None:
        self._memory_bytes = memory_bytes
        self._process: subprocess.Popen[bytes] | None = None
        self._buffer = b""

    def examine(self, subject: Subject, names: Sequence[str], seconds: float) -> list[Examination]:
        deadline = time.monotonic() + seconds
        found: list[Examination] = []
        try:
            self._send({"subject": _plain(subject), "examiners": list(names)})
            for name in names:
                answer = self._answer(deadline, seconds)
                found.append(_examination(subject, name, answer))
            if self._answer(deadline, seconds).get("peak_bytes", 0) > self._memory_bytes // 2:
                self.stop()
        except _Gone as gone:
            self.stop()
            found.extend(_unexamined(subject, name, str(gone)) for name in names[len(found) :])
        return found

    def stop(self) -> None:
        process, self._process, self._buffer = self._process, None, b""
        if process is None:
            return
        process.kill()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):  # what was still to be written has nobody to read it
                    pipe.close()
        process.wait()

    def _send(self, task: dict[str, Any]) -> None:
        if self._process is None:
            self._process = _started(self._memory_bytes)
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(task).encode("utf-8") + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise _Gone(f"its worker could not be reached ({error.strerror})") from error

    def _answer(self, deadline: float, seconds: float) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        while b"\n" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not poll.poll(left * 1000):
                raise _Gone(f"it took more than {seconds:.0f} seconds")
            block = os.read(descriptor, 1 << 20)
            self._buffer += block
            if not block:
                raise _Gone(_how_it_died(self._process))
            if len(self._buffer) > _ANSWER_BYTES:
                raise _Gone("its worker's answer has no end")
        line, self._buffer = self._buffer.split(b"\n", 1)
        try:
            answer = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise _Gone("its worker's answer is no JSON") from error
        if not isinstance(answer, dict):
            raise _Gone("its worker's answer is of the wrong shape")
        return answer


def _started(memory_bytes: int) -> subprocess.Popen[bytes]:
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    roots = [str(PROJECT_ROOT / "include"), str(PROJECT_ROOT)]
    environment["PYTHONPATH"] = os.pathsep.join(
        [*roots, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    )
    # One thread each: the pool has one worker a core already.
    environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "suture.sourcing.analysis.worker", str(memory_bytes), str(os.getpid())],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, cwd=PROJECT_ROOT, start_new_session=True,
    )  # fmt: skip


def _how_it_died(process: subprocess.Popen[bytes]) -> str:
    try:
        status = process.wait(5)
    except subprocess.TimeoutExpired:
        return "its worker closed its mouth"
    return f"its worker was ended by signal {-status}" if status < 0 else f"its worker ended with {status}"


def _import_name(examiner: Examiner) -> str:
    module, name = getattr(examiner, "__module__", ""), getattr(examiner, "__qualname__", "")
    if not module or module == "__main__" or not name.isidentifier():
        raise BadInputError(f"{examiner!r} is no function of a module that a worker can import.")
    return f"{module}:{name}"


def _examiner_name(import_name: str) -> str:
    module = import_name.partition(":")[0]
    return str(getattr(sys.modules.get(module), "EXAMINER", module.rsplit(".", 1)[-1]))


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _plain(subject: Subject) -> dict[str, Any]:
    return dict(json.loads(json.dumps(asdict(subject), default=str)))


def _examination(subject: Subject, name: str, answer: dict[str, Any]) -> Examination:
    """The identity is ours and not the worker's. Raises _Gone when the answer does not have the shape of an examination."""
    if "failed" in answer:
        return _unexamined(subject, name, str(answer["failed"]))
    try:
        concerns = tuple(
            Concern(str(c["kind"]), str(c["subject"]), str(c["sentence"]), dict(c["details"]))
            for c in answer["concerns"]
        )
        facts, took_s = dict(answer["facts"]), float(answer["seconds"])
    except (KeyError, TypeError, ValueError) as error:
        raise _Gone("its worker's answer is of the wrong shape") from error
    new, old = subject.new, subject.old
    against = old.version if old is not None else None
    return Examination(_examiner_name(name), new.name, new.version, new.architecture, against, concerns, facts, took_s)


def _unexamined(subject: Subject, name: str, why: str) -> Examination:
    new, old = subject.new, subject.old
    text = shown(why)
    concern = Concern(
        Kind.NOT_EXAMINED.value, new.name, f"{new.name} was not examined to its end: {text}.", {"reason": text}
    )
    against = old.version if old is not None else None
    return Examination(_examiner_name(name), new.name, new.version, new.architecture, against, (concern,))
