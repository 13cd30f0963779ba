"""The command's front: statuses, sentences instead of tracebacks, speed."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from suture.command import main
from suture.errors import BadInputError, SutureError
from suture.settings import PROJECT_ROOT


def with_handler(monkeypatch: pytest.MonkeyPatch, handler: Callable[[argparse.Namespace], int]) -> None:
    """A command with the one verb `act`."""

    def build(wanted: str | None = None) -> argparse.ArgumentParser:
        parser = argparse.ArgumentParser(prog="suture")
        parser.set_defaults(version=False, help=False)
        act = parser.add_subparsers(dest="verb").add_parser("act")
        act.set_defaults(handler=handler)
        return parser

    monkeypatch.setattr(main, "build_parser", build)


def raising(error: BaseException) -> Callable[[argparse.Namespace], int]:
    def handler(args: argparse.Namespace) -> int:
        raise error

    return handler


@pytest.mark.parametrize("status", [0, 1, 2])
def test_a_verbs_status_is_the_commands(monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    with_handler(monkeypatch, lambda args: status)
    assert main.main(["act"]) == status


@pytest.mark.parametrize(
    ("error", "status"),
    [(SutureError("It broke.", remedy="Mend it."), 1), (BadInputError("It is bad.", remedy="Better it."), 2)],
)
def test_errors_are_sentences(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: SutureError, status: int
) -> None:
    with_handler(monkeypatch, raising(error))
    assert main.main(["act"]) == status
    assert capsys.readouterr().err == f"suture: {error.message}\n  {error.remedy}\n"


def test_even_a_bug_is_a_sentence_and_debug_shows_its_place(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with_handler(monkeypatch, raising(KeyError("x")))
    assert main.main(["act"]) == 1
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert "--debug" in said
    assert main.main(["act", "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_interrupted_is_130(monkeypatch: pytest.MonkeyPatch) -> None:
    with_handler(monkeypatch, raising(KeyboardInterrupt()))
    assert main.main(["act"]) == 130


def test_unknown_arguments_are_misuse(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with_handler(monkeypatch, lambda args: 0)
    assert main.main(["act", "--frobnicate"]) == 2
    assert "--frobnicate" in capsys.readouterr().err


def test_unknown_verb_is_misuse(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main.main(["frobnicate"])
    assert caught.value.code == 2


def test_every_verb_loads_and_is_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["--help"]) == 0
    shown = capsys.readouterr()
    assert "cannot be loaded" not in shown.err
    for path in main.VERBS.glob("[a-z]*.py"):
        assert f"  {path.stem.replace('_', '-')} " in shown.out, path.stem


def test_nothing_at_all_is_misuse_with_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main([]) == 2
    assert "Start here" in capsys.readouterr().err


def test_cheap_verbs_import_neither_airflow_nor_pandas() -> None:
    script = (
        "import sys; from suture.command import main\n"
        "for verb in ('up', 'down', 'status', 'logs', 'doctor', 'reset', 'test', 'vercmp'): main.build_parser(verb)\n"
        "heavy = {'airflow', 'pandas', 'great_expectations', 'sqlalchemy', 'ansible_runner'} & set(sys.modules)\n"
        "sys.exit(f'imported: {sorted(heavy)}' if heavy else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=PROJECT_ROOT / "include", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_help_costs_next_to_nothing() -> None:
    """0.1 s of CPU; an import of Airflow costs 4 s and more. Not by the clock: the machine may be busy."""
    with subprocess.Popen(
        [sys.executable, "-m", "suture.command.main", "up", "--help"], cwd=PROJECT_ROOT / "include", stdout=subprocess.DEVNULL
    ) as child:
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0
    assert used.ru_utime + used.ru_stime < 2
