"""The steps of `./suture test`: what each runs, how long it took, whether it passed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from suture.errors import BadInputError
from suture.settings import PROJECT_ROOT

PYTHON_FOLDERS = ("include/suture", "plugins", "dags", "lab", "tests")
TYPED_FOLDERS = ("include/suture", "plugins/suture_airflow", "lab")
PLAYBOOKS = PROJECT_ROOT / "include" / "playbooks"
SLOW_NEEDS = "not lab and not airflow and not browser"
# A test that fails is tried once more. What passes then is named, with its first failure, under "rerun test summary info" (ADR 0041).
SECOND_TRY = ("--reruns", "1", "--rerun-show-tracebacks")


@dataclass(frozen=True)
class Step:
    """`quiet`: show its output only when it fails."""

    name: str
    command: tuple[str, ...]
    quiet: bool = True


@dataclass(frozen=True)
class Outcome:
    name: str
    passed: bool
    took_s: float


def steps(*, fast: bool, pytest_arguments: Sequence[str]) -> list[Step]:
    """All steps in order. `fast` leaves out the linters of SQL and playbooks and whatever needs a running system; then no test
    is tried twice."""
    python = sys.executable
    # Two workers: the main job's tests (mostly waiting) on one, all others on the other; see tests/conftest.py.
    selection = ["-m", SLOW_NEEDS] if fast else ["-n", "2", "--dist", "loadscope", "--no-loadscope-reorder", *SECOND_TRY]
    pytest = Step("pytest", (python, "-m", "pytest", *selection, *pytest_arguments), quiet=False)
    ruff = Step("ruff", (python, "-m", "ruff", "check", *_existing(PYTHON_FOLDERS)))
    mypy = Step("mypy", (python, "-m", "mypy", *_existing(TYPED_FOLDERS)))
    if fast:
        return [ruff, mypy, pytest]
    return [
        ruff,
        mypy,
        Step("sqlfluff", (python, "-m", "sqlfluff", "lint", "--processes", "2", "include/sql")),
        Step("ansible-lint", (python, "-m", "ansiblelint", "--offline", "-q", "include/playbooks")),
        Step("docs", (python, "-m", "suture.command.main", "docs", "--check")),
        pytest,
    ]


def run(wanted: Sequence[Step], *, only: str | None = None) -> list[Outcome]:
    """Run the steps one after another, all of them, whatever fails."""
    names = [step.name for step in wanted]
    if only is not None and only not in names:
        raise BadInputError(f"There is no step {only!r} here: choose among {', '.join(names)}.")
    return [_run(step) for step in wanted if only in (None, step.name)]


def summary(outcomes: Sequence[Outcome]) -> str:
    lines = [f"  {outcome.name:<14}{_word(outcome):<8}{outcome.took_s:7.1f} s" for outcome in outcomes]
    total_s = sum(outcome.took_s for outcome in outcomes)
    failed = [outcome.name for outcome in outcomes if not outcome.passed]
    verdict = f"failed: {', '.join(failed)}" if failed else "all passed"
    return "\n".join(["", "suture test:", *lines, f"  {verdict}, {total_s:.1f} s in all"])


def _run(step: Step) -> Outcome:
    print(f"== {step.name}", flush=True)
    env = {**os.environ, "ANSIBLE_NOCOLOR": "1", "PY_COLORS": os.environ.get("PY_COLORS", "0")}
    env["ANSIBLE_LIBRARY"] = str(PLAYBOOKS / "library")
    env["ANSIBLE_MODULE_UTILS"] = str(PLAYBOOKS / "module_utils")
    env["ANSIBLE_ROLES_PATH"] = str(PLAYBOOKS / "roles")
    # ansible-lint looks for ansible itself beside Python.
    env["PATH"] = f"{PROJECT_ROOT / '.venv' / 'bin'}:{env.get('PATH', os.defpath)}"
    started_at = time.monotonic()
    if step.quiet:
        done = subprocess.run(
            step.command, cwd=PROJECT_ROOT, env=env, text=True, errors="replace", check=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        status, output = done.returncode, done.stdout
        if status != 0:
            print(output.rstrip(), flush=True)
    else:
        status = subprocess.run(step.command, cwd=PROJECT_ROOT, env=env, check=False).returncode
    return Outcome(step.name, status == 0, time.monotonic() - started_at)


def _existing(folders: Sequence[str]) -> list[str]:
    return [folder for folder in folders if (PROJECT_ROOT / folder).is_dir()]


def _word(outcome: Outcome) -> str:
    return "passed" if outcome.passed else "FAILED"
