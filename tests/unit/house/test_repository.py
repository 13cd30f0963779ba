"""What must not be in the repository: the machine it was made on, package archives' addresses, secrets."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from suture.command.main import main
from suture.settings import PROJECT_ROOT

# Written in pieces, so that this file does not find itself.
FORBIDDEN = {
    "a path of the machine it was made on": re.compile("/" + r"(work|root)/(main|shared|\.library)|/tmp/" + "brief"),
    "the address of a package archive": re.compile(
        r"\b(deb|security|snapshot|archive)\."
        + r"(debian|ubuntu)\.(org|com)\b|\b(files\.)?"
        + r"pypi\.org|pythonhosted\."
        + "org"
    ),
    "an index in a lock": re.compile(r"^\s*--(extra-)?index" + r"-url\b", re.MULTILINE),
    "a private key": re.compile("-----BEGIN" + r"( [A-Z]+)* PRIVATE KEY( BLOCK)?-----"),
}
KEPT_OUT = (".suture", ".venv")


def _tracked() -> list[Path]:
    done = subprocess.run(
        ["git", "ls-files", "-z"], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    found = [PROJECT_ROOT / name for name in done.stdout.split("\0") if name]
    assert len(found) > 50
    return [path for path in found if path.is_file()]


@pytest.mark.parametrize("what", FORBIDDEN)
def test_the_repository_does_not_hold(what: str) -> None:
    breaches = []
    for path in _tracked():
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        breaches += [
            f"{path.relative_to(PROJECT_ROOT)}:{text.count(chr(10), 0, match.start()) + 1}: {match[0]}"
            for match in FORBIDDEN[what].finditer(text)
        ]
    assert breaches == []


def test_state_and_environment_stay_out_of_the_repository() -> None:
    assert [path for path in _tracked() if path.relative_to(PROJECT_ROOT).parts[0] in KEPT_OUT] == []


def test_no_large_file_is_in_the_repository() -> None:
    large = {str(path.relative_to(PROJECT_ROOT)): path.stat().st_size for path in _tracked()}
    assert {name: size for name, size in large.items() if size > 2 * 1024 * 1024} == {}


def test_generated_documents_are_current(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["docs", "--check"]) == 0, capsys.readouterr().err
