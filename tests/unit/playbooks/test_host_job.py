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


def start(folder: Path, token: int, *argvs: list[str], timeout: float = 20) -> subprocess.Popen[bytes]:
    folder.mkdir()
    steps = [{"name": argv[0], "argv": argv, "timeout_seconds": timeout} for argv in argvs]
    (folder / "job.json").write_text(json.dumps({"token": token, "lock_timeout_seconds": 10, "steps": steps}))
    return subprocess.Popen([sys.executable, str(PROGRAM), str(folder)])


def result(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return found


def test_steps_run_in_order_and_the_first_failure_ends_the_job(job: ModuleType, tmp_path: Path) -> None:
    claim(job, 5)
    mark = tmp_path / "mark"
    process = start(tmp_path / "job", 5, ["echo", "{{ 7*7 }} $(id)"], ["false"], ["touch", str(mark)])
    assert process.wait(20) == 1
    found = result(tmp_path / "job")
    assert (found["status"], found["reason"]) == ("failed", "false ended with status 1")
    assert found["tail"] == "{{ 7*7 }} $(id)\n"
    assert not mark.exists()


def test_a_token_that_was_overtaken_between_steps_changes_nothing_more(job: ModuleType, tmp_path: Path) -> None:
    claim(job, 5)
    mark = tmp_path / "mark"
    process = start(tmp_path / "job", 5, ["sleep", "1"], ["touch", str(mark)])
    time.sleep(0.5)
    claim(job, 6)  # as the lease module would, had it not to wait for the lock
    process.wait(20)
    assert result(tmp_path / "job")["status"] == "stale"
    assert "token 6 of try 6" in result(tmp_path / "job")["reason"]
    assert not mark.exists()


def test_an_orphan_with_an_old_token_is_refused_at_its_first_step(job: ModuleType, tmp_path: Path) -> None:
    claim(job, 9)
    mark = tmp_path / "mark"
    assert start(tmp_path / "job", 5, ["touch", str(mark)]).wait(20) == 1
    assert not mark.exists()


def test_two_jobs_never_overlap(job: ModuleType, tmp_path: Path) -> None:
    claim(job, 5)
    marks = tmp_path / "marks"
    script = (
        f"import time; f=open({str(marks)!r},'a'); f.write('in '); f.flush();"
        "time.sleep(0.5); f.write('out '); f.flush()"
    )
    processes = [start(tmp_path / f"job{n}", 5, [sys.executable, "-c", script]) for n in (1, 2)]
    assert [process.wait(30) for process in processes] == [0, 0]
    assert marks.read_text() == "in out in out "


def test_a_claim_waits_for_the_running_job(job: ModuleType, tmp_path: Path) -> None:
    claim(job, 5)
    process = start(tmp_path / "job", 5, ["sleep", "1.5"])
    time.sleep(0.6)
    with pytest.raises(job.LockBusyError, match="another job"), job.HostLock(0.2):
        pass
    with job.HostLock(10):
        assert process.wait(5) == 0


def test_a_step_that_hangs_is_ended(job: ModuleType, tmp_path: Path) -> None:
    claim(job, 5)
    assert start(tmp_path / "job", 5, ["sleep", "60"], timeout=1).wait(30) == 1
    assert "did not end within 1" in result(tmp_path / "job")["reason"]


def test_a_job_whose_starter_is_killed_goes_on_to_its_result(job: ModuleType, tmp_path: Path) -> None:
    claim(job, 5)
    mark = tmp_path / "mark"
    folder = tmp_path / "job"
    starter = "import subprocess,sys,time; subprocess.Popen(sys.argv[1:], start_new_session=True); time.sleep(60)"
    folder.mkdir()
    steps = [
        {"name": n, "argv": a, "timeout_seconds": 9} for n, a in (("s", ["sleep", "1"]), ("t", ["touch", str(mark)]))
    ]
    (folder / "job.json").write_text(json.dumps({"token": 5, "lock_timeout_seconds": 10, "steps": steps}))
    parent = subprocess.Popen([sys.executable, "-c", starter, sys.executable, str(PROGRAM), str(folder)])
    time.sleep(0.6)
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 20
    while not (folder / "result.json").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert result(folder)["status"] == "done"
    assert mark.exists()
