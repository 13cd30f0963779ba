"""The job that changes a host: its lock, its token, and what it leaves behind. Runs the real program."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from suture.settings import PROJECT_ROOT

PATIENCE_S = 60.0
PROGRAM = PROJECT_ROOT / "include" / "playbooks" / "module_utils" / "suture_job.py"


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setenv("SUTURE_HOST_STATE", str(tmp_path / "state"))
    spec = importlib.util.spec_from_file_location("suture_job_under_test", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (tmp_path / "state").mkdir()
    return module


def claim(job: ModuleType, token: int) -> None:
    job.write_atomically(job.lease_path(), json.dumps({"token": token, "holder": f"try {token}", "campaign_id": None}))


def write(folder: Path, token: int, *argvs: list[str], timeout: float = PATIENCE_S) -> list[str]:
    """A job of these steps; the command that runs it."""
    folder.mkdir()
    steps = [{"name": argv[0], "argv": argv, "timeout_seconds": timeout} for argv in argvs]
    (folder / "job.json").write_text(json.dumps({"token": token, "lock_timeout_seconds": PATIENCE_S, "steps": steps}))
    return [sys.executable, str(PROGRAM), str(folder)]


def start(folder: Path, token: int, *argvs: list[str], timeout: float = PATIENCE_S) -> subprocess.Popen[bytes]:
    return subprocess.Popen(write(folder, token, *argvs, timeout=timeout))


def await_file(path: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} never came"
        time.sleep(0.02)


class Pause:
    """A step that says when it has begun, and ends when it is told to."""

    def __init__(self, folder: Path) -> None:
        self.begun, self.told = folder / "begun", folder / "told"

    @property
    def argv(self) -> list[str]:
        return ["sh", "-c", f"touch '{self.begun}'; until [ -e '{self.told}' ]; do sleep 0.05; done"]

    def await_begun(self) -> None:
        await_file(self.begun)

    def end(self) -> None:
        self.told.touch()


def result(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return found


def test_steps_run_in_order_and_the_first_failure_ends_the_job(job: ModuleType, tmp_path: Path) -> None:
    claim(job, 5)
    mark = tmp_path / "mark"
    process = start(tmp_path / "job", 5, ["echo", "{{ 7*7 }} $(id)"], ["false"], ["touch", str(mark)])
    assert process.wait(PATIENCE_S) == 1
    found = result(tmp_path / "job")
    assert (found["status"], found["reason"]) == ("failed", "false ended with status 1")
    assert found["tail"] == "{{ 7*7 }} $(id)\n"
    assert not mark.exists()


def test_a_token_that_was_overtaken_between_steps_changes_nothing_more(job: ModuleType, tmp_path: Path) -> None:
    claim(job, 5)
    mark, pause = tmp_path / "mark", Pause(tmp_path)
    process = start(tmp_path / "job", 5, pause.argv, ["touch", str(mark)])
    pause.await_begun()
    claim(job, 6)  # as the lease module would, had it not to wait for the lock
    pause.end()
    process.wait(PATIENCE_S)
    assert result(tmp_path / "job")["status"] == "stale"
    assert "token 6 of try 6" in result(tmp_path / "job")["reason"]
    assert not mark.exists()


def test_an_orphan_with_an_old_token_is_refused_at_its_first_step(job: ModuleType, tmp_path: Path) -> None:
    claim(job, 9)
    mark = tmp_path / "mark"
    assert start(tmp_path / "job", 5, ["touch", str(mark)]).wait(PATIENCE_S) == 1
    assert not mark.exists()


def test_two_jobs_never_overlap(job: ModuleType, tmp_path: Path) -> None:
    claim(job, 5)
    marks = tmp_path / "marks"
    script = (
        f"import time; f=open({str(marks)!r},'a'); f.write('in '); f.flush();"
        "time.sleep(0.5); f.write('out '); f.flush()"
    )
    processes = [start(tmp_path / f"job{n}", 5, [sys.executable, "-c", script]) for n in (1, 2)]
    assert [process.wait(PATIENCE_S) for process in processes] == [0, 0]
    assert marks.read_text() == "in out in out "


def test_a_claim_waits_for_the_running_job(job: ModuleType, tmp_path: Path) -> None:
    claim(job, 5)
    pause = Pause(tmp_path)
    process = start(tmp_path / "job", 5, pause.argv)
    pause.await_begun()
    with pytest.raises(job.LockBusyError, match="another job"), job.HostLock(0.2):
        pass
    pause.end()
    with job.HostLock(PATIENCE_S):
        assert process.wait(PATIENCE_S) == 0


def test_a_step_that_hangs_is_ended(job: ModuleType, tmp_path: Path) -> None:
    claim(job, 5)
    assert start(tmp_path / "job", 5, ["sleep", "60"], timeout=1).wait(PATIENCE_S) == 1
    assert "did not end within 1" in result(tmp_path / "job")["reason"]


def test_a_job_whose_starter_is_killed_goes_on_to_its_result(job: ModuleType, tmp_path: Path) -> None:
    claim(job, 5)
    mark, pause = tmp_path / "mark", Pause(tmp_path)
    folder = tmp_path / "job"
    starter = "import subprocess,sys,time; subprocess.Popen(sys.argv[1:], start_new_session=True); time.sleep(600)"
    command = write(folder, 5, pause.argv, ["touch", str(mark)])
    parent = subprocess.Popen([sys.executable, "-c", starter, *command])
    pause.await_begun()
    parent.kill()
    parent.wait()
    pause.end()
    await_file(folder / "result.json")
    assert result(folder)["status"] == "done"
    assert mark.exists()
