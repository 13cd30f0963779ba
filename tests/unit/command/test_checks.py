"""`./suture test`'s run of pytest: what fails is tried once more, and never in silence."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from suture.command import checks
from tests.conftest import tried_once

SHAKY = """
from pathlib import Path

def test_shaky():
    seen = Path(__file__).with_suffix(".seen")
    first = not seen.exists()
    seen.touch()
    assert not first, "the first try only"
"""
BROKEN = "def test_broken():\n    assert False, 'every try'\n"


def _run(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_it.py").write_text(code, "utf-8")
    (step,) = (step for step in checks.steps(fast=False, pytest_arguments=["test_it.py"]) if step.name == "pytest")
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return subprocess.run(step.command, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=120)


def test_what_passes_at_the_second_try_passes_and_is_named_with_its_first_failure(tmp_path: Path) -> None:
    done = _run(tmp_path, SHAKY)
    assert done.returncode == 0, done.stdout
    assert "1 passed, 1 rerun" in done.stdout
    assert "RERUN test_it.py::test_shaky" in done.stdout
    assert "AssertionError: the first try only" in done.stdout


def test_what_fails_twice_fails(tmp_path: Path) -> None:
    done = _run(tmp_path, BROKEN)
    assert done.returncode == 1, done.stdout
    assert "1 failed, 1 rerun" in done.stdout


def test_a_fast_run_tries_nothing_twice() -> None:
    (step,) = (step for step in checks.steps(fast=True, pytest_arguments=[]) if step.name == "pytest")
    assert not set(checks.SECOND_TRY) & set(step.command)


def test_a_long_set_up_that_failed_is_not_tried_again() -> None:
    what = "a set-up that only this test knows"
    tries: list[int] = []

    def set_up() -> None:
        with tried_once(what):
            tries.append(1)
            raise ValueError("no loop device is left")

    with pytest.raises(ValueError, match="no loop device"):
        set_up()
    with pytest.raises(pytest.fail.Exception, match="failed before: ValueError: no loop device is left"):
        set_up()
    assert tries == [1]
