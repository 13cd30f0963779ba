"""The supervisor, for real: restarts what dies, ends all when asked, lets its children outlive a crash."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from suture.command import processes
from suture.command.supervisor import Spec
from suture.settings import PROJECT_ROOT

SLEEP = (sys.executable, "-c", "import time; print('hello', flush=True); time.sleep(600)")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for name in ("run", "logs"):
        (tmp_path / name).mkdir()
    return tmp_path


@pytest.fixture
def supervisor(home: Path) -> Iterator[subprocess.Popen[bytes]]:
    spec = Spec(home, (("api-server", SLEEP), ("scheduler", SLEEP)), None)
    spec.dump(home / "run" / "processes.json")
    env = {**os.environ, "PYTHONPATH": str(PROJECT_ROOT / "include")}
    with (home / "logs" / "supervisor.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "suture.command.supervisor", str(home / "run" / "processes.json")],
            env=env, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        assert processes.wait_until(lambda: pid_of(home, "scheduler") is not None, timeout_s=60)
        yield process
    finally:
        for name in ("api-server", "scheduler"):
            pid = pid_of(home, name)
            if pid is not None:
                os.kill(pid, signal.SIGKILL)
        process.kill()
        process.wait()


def pid_of(home: Path, name: str) -> int | None:
    record = processes.read_pid_file(home / "run" / f"{name}.pid")
    return None if record is None else record.pid


def test_a_killed_process_is_started_again(home: Path, supervisor: subprocess.Popen[bytes]) -> None:
    first, other = pid_of(home, "scheduler"), pid_of(home, "api-server")
    assert first is not None
    os.kill(first, signal.SIGKILL)
    assert processes.wait_until(lambda: pid_of(home, "scheduler") not in (None, first), timeout_s=60)
    assert pid_of(home, "api-server") == other
    assert "scheduler" in (home / "logs" / "supervisor.log").read_text()


def test_sigterm_ends_all_and_removes_the_pid_files(home: Path, supervisor: subprocess.Popen[bytes]) -> None:
    pids = [pid for name in ("scheduler", "api-server") if (pid := pid_of(home, name)) is not None]
    assert len(pids) == 2
    supervisor.terminate()
    assert supervisor.wait(60) == 0
    assert [processes.start_ticks(pid) for pid in pids] == [None, None]
    assert not list((home / "run").glob("*.pid"))


def test_each_process_has_a_session_of_its_own_and_a_log(home: Path, supervisor: subprocess.Popen[bytes]) -> None:
    for name in ("scheduler", "api-server"):
        pid = pid_of(home, name)
        assert pid is not None
        assert os.getsid(pid) == pid
        log = home / "logs" / f"{name}.log"
        assert processes.wait_until(lambda log=log: log.exists() and log.read_text() == "hello\n", timeout_s=60)


def test_children_outlive_a_killed_supervisor_and_are_found(home: Path, supervisor: subprocess.Popen[bytes]) -> None:
    pids = {pid_of(home, "scheduler"), pid_of(home, "api-server")}
    supervisor.kill()
    supervisor.wait()
    assert {process.pid for process in processes.recorded(home / "run")} == pids
