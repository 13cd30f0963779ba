"""Other programs: their limits, their absence, and abidiff and ClamAV's words where a real or a stand-in program says them."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from suture.sourcing.analysis import outside


def test_absence_is_told_and_is_no_verdict(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert outside.run(["abidiff"]).status == "absent"
    assert outside.abi_difference(tmp_path, tmp_path) == outside.AbiVerdict(False, True, False, "")
    assert outside.malware(tmp_path) == outside.MalwareVerdict(None, True, (), "ClamAV is not installed")


def test_a_program_that_does_not_end_is_ended() -> None:
    started = time.monotonic()
    result = outside.run([sys.executable, "-c", "import time; time.sleep(60)"], seconds=1)
    assert result.status == "unfinished"
    assert time.monotonic() - started < 20


def test_a_program_that_floods_or_eats_is_bounded() -> None:
    flood = outside.run([sys.executable, "-c", "print('x' * 10_000_000)"])
    assert len(flood.output) == 256 * 1024
    eats = outside.run([sys.executable, "-c", "x = bytearray(2 << 30)"], memory_bytes=1 << 30)
    assert eats.status == "1"


@pytest.mark.parametrize(
    ("status", "finished", "scanner", "found"),
    [(1, True, "clamscan", ("Unix.Test-1", "Other-2")), (0, True, "clamscan", ()), (2, True, None, ())],
)
def test_the_words_of_clamscan(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    status: int,
    finished: bool,
    scanner: str | None,
    found: tuple[str, ...],
) -> None:
    """A stand-in that writes what clamscan(1) does; whether the real one is there depends on the machine."""
    lines = "".join(f"echo '{tmp_path}/x.deb: {name} FOUND'\n" for name in found)
    program = tmp_path / "clamscan"
    program.write_text(f"#!/bin/sh\n{lines}exit {status}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    verdict = outside.malware(tmp_path / "x.deb", database=tmp_path)
    assert (verdict.finished, verdict.scanner, verdict.found) == (finished, scanner, found)
    assert bool(verdict.why_not) == (scanner is None)
