"""Processes of ours are found after a crash; strangers are never touched."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from suture.command import processes

SLEEP = (sys.executable, "-c", "import time; time.sleep(60)")
Starter = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def instance() -> str:
    return f"test-{secrets.token_hex(4)}"


@pytest.fixture
def start(instance: str) -> Iterator[Starter]:
    """Starts a marked process (mark=False: an unmarked one) and ends it after the test."""
    started: list[subprocess.Popen[bytes]] = []

    def run(*command: str, mark: bool = True) -> subprocess.Popen[bytes]:
        env = {**os.environ, **({processes.MARK: instance} if mark else {})}
        process = subprocess.Popen(command or SLEEP, env=env, start_new_session=True, stdout=subprocess.PIPE)
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.wait()


def pids(found: list[psutil.Process]) -> set[int]:
    return {process.pid for process in found}


def ready_line(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    return process.stdout.readline()


def test_marked_processes_and_their_children_are_found(start: Starter, instance: str) -> None:
    script = "import subprocess, sys; p = subprocess.Popen(['sleep', '60']); print(p.pid, flush=True); p.wait()"
    parent = start(sys.executable, "-c", script)
    child = int(ready_line(parent))
    start(mark=False)
    try:
        # For a moment in exec(2), after its parent went on, a process has no environment to be read.
        patience = time.monotonic() + 10
        while child not in pids(processes.marked(instance)) and time.monotonic() < patience:
            time.sleep(0.02)
        assert pids(processes.marked(instance)) == {parent.pid, child}
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_longer_mark_is_another_instance(start: Starter, instance: str) -> None:
    start()
    assert processes.marked(instance[:-1]) == []


def test_we_and_our_ancestors_are_spared(start: Starter, instance: str) -> None:
    script = (
        "import sys; sys.path.insert(0, 'include')\n"
        f"from suture.command import processes; print(len(processes.marked({instance!r})), flush=True)"
    )
    assert ready_line(start(sys.executable, "-c", script)) == b"0\n"


def test_ending_asks_first(start: Starter, instance: str) -> None:
    script = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print('asked', flush=True), sys.exit()))\n"
        "print('ready', flush=True); time.sleep(60)"
    )
    process = start(sys.executable, "-c", script)
    ready_line(process)
    assert processes.end(lambda: processes.marked(instance)) == 1
    assert ready_line(process) == b"asked\n"


def test_ending_insists_and_says_so(start: Starter, instance: str) -> None:
    script = (
        "import signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
    )
    process = start(sys.executable, "-c", script)
    ready_line(process)
    said: list[str] = []
    processes.end(lambda: processes.marked(instance), patience_s=0.2, say=said.append)
    assert not psutil.pid_exists(process.pid) or psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE
    assert said == ["1 processes did not end when asked: killing them."]


def test_pid_file_names_the_same_process_only(start: Starter, tmp_path: Path) -> None:
    process = start(mark=False)
    pid_file = tmp_path / "scheduler.pid"
    processes.write_pid_file(pid_file, process.pid)
    record = processes.read_pid_file(pid_file)
    assert record is not None
    assert record.pid == process.pid

    stored = json.loads(pid_file.read_text())
    pid_file.write_text(json.dumps(stored | {"start_ticks": stored["start_ticks"] - 1}))
    assert processes.read_pid_file(pid_file) is None  # the id was given to another process
    assert processes.recorded(tmp_path) == []

    pid_file.write_text(json.dumps(stored))
    process.kill()
    process.wait()
    assert processes.read_pid_file(pid_file) is None


@pytest.mark.parametrize("text", ["", "12", "{}", '{"pid": "x", "start_ticks": 1}', "[1, 2]"])
def test_broken_pid_file_names_nobody(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.pid").write_text(text)
    assert processes.read_pid_file(tmp_path / "a.pid") is None
    assert processes.recorded(tmp_path) == []


def test_session_of_a_dead_leader_is_found_without_a_mark(start: Starter, tmp_path: Path) -> None:
    # As after a kill -9 of the scheduler, whose workers have written their titles over the environment.
    code = "import os, time\npid = os.fork()\nif pid:\n    print(pid, flush=True)\ntime.sleep(60)"
    leader = start(sys.executable, "-c", code, mark=False)
    child = int(ready_line(leader))
    processes.write_pid_file(tmp_path / "scheduler.pid", leader.pid)
    leader.kill()
    leader.wait()
    try:
        assert pids(processes.recorded(tmp_path)) == {child}
    finally:
        os.kill(child, signal.SIGKILL)


def test_idle_workers_are_ended_and_busy_ones_left(start: Starter) -> None:
    idle = start(sys.executable, "-c", "import time; time.sleep(60)", "airflow worker -- LocalExecutor: <idle>")
    busy = start(sys.executable, "-c", "import time; time.sleep(60)", "airflow worker -- LocalExecutor: task 1")
    candidates = [psutil.Process(idle.pid), psutil.Process(busy.pid)]
    # For a moment in exec(2) a process has no command line to be read.
    assert processes.wait_until(lambda: all("LocalExecutor" in " ".join(one.cmdline()) for one in candidates), timeout_s=20)
    processes.end_idle_workers(candidates)
    assert idle.wait(30) == -signal.SIGKILL
    assert busy.poll() is None
