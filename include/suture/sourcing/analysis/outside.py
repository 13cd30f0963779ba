"""Other programs that look at a package, where they are present: ClamAV, abidiff, diffoscope. Each with limits, each optional.

Absent is a fact that is told, never a concern. A tool that is there and does not finish is told as such (`not_examined`).
Untrusted files are their input: they run with bounded time, memory and output, and without a network of their own choosing.
"""

from __future__ import annotations

import resource
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from suture.sourcing.analysis.unreadable import MIB

SECONDS = 60
_MEMORY_BYTES = 3072 * MIB
_OUTPUT_BYTES = 256 * 1024
# abidiff's exit status is a set of bits (abidiff(1)).
_ABI_ERROR, _ABI_USAGE, _ABI_CHANGE, _ABI_INCOMPATIBLE = 1, 2, 4, 8


@dataclass(frozen=True)
class ToolResult:
    """status: `absent`, `unfinished`, or the exit status as text. output: of stdout, cut."""

    status: str
    output: str = ""


@dataclass(frozen=True)
class AbiVerdict:
    """incompatible: abidiff says that programs built with the older library may break. finished: False when it did not end well."""

    present: bool
    finished: bool
    incompatible: bool
    report: str


def run(command: Sequence[str], *, seconds: float = SECONDS, memory_bytes: int = _MEMORY_BYTES) -> ToolResult:
    """One program to its end, or to its limit; its output goes through a file, so that it cannot fill our memory."""
    if shutil.which(command[0]) is None:
        return ToolResult("absent")

    def limits() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
        resource.setrlimit(resource.RLIMIT_CPU, (int(seconds) + 1, int(seconds) + 2))
        resource.setrlimit(resource.RLIMIT_FSIZE, (512 * MIB, 512 * MIB))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            list(command), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.DEVNULL, preexec_fn=limits,
            start_new_session=True,
        )  # fmt: skip
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return ToolResult("unfinished")
        output.seek(0)
        text = output.read(_OUTPUT_BYTES).decode("utf-8", "backslashreplace")
    return ToolResult(str(status), text)


def abi_difference(old: Path, new: Path, *, seconds: float = SECONDS) -> AbiVerdict:
    """abidiff over two shared libraries. Added symbols are no change to those who use it."""
    result = run(["abidiff", "--no-added-syms", "--no-show-locs", "--redundant", str(old), str(new)], seconds=seconds)
    if result.status == "absent":
        return AbiVerdict(False, True, False, "")
    if not result.status.isdigit() or int(result.status) & (_ABI_ERROR | _ABI_USAGE):
        return AbiVerdict(True, False, False, result.output)
    return AbiVerdict(True, True, bool(int(result.status) & _ABI_INCOMPATIBLE), result.output)


@dataclass(frozen=True)
class MalwareVerdict:
    """scanner: the program used, None when ClamAV is not there or has no signatures. found: names of signatures."""

    scanner: str | None
    finished: bool
    found: tuple[str, ...] = ()
    why_not: str = ""


def malware(path: Path, *, seconds: float = SECONDS, database: Path | None = None) -> MalwareVerdict:
    """ClamAV over one package file, which it unpacks itself: by its daemon where one runs, else by itself.

    database: a folder or file of signatures in place of the installed ones.
    """
    attempts: list[list[str]] = [] if database else [["clamdscan", "--fdpass", "--no-summary", "--stdout", str(path)]]
    own = [
        "clamscan",
        "--no-summary",
        "--stdout",
        "--max-filesize=400M",
        "--max-scansize=1000M",
        "--alert-exceeds-max=no",
    ]
    attempts.append([*own, *([f"--database={database}"] if database else []), str(path)])
    why = "ClamAV is not installed"
    for command in attempts:
        result = run(command, seconds=seconds)
        if result.status in ("0", "1"):
            lines = [line.rsplit(": ", 1)[-1] for line in result.output.splitlines() if line.endswith(" FOUND")]
            return MalwareVerdict(command[0], True, tuple(dict.fromkeys(line.removesuffix(" FOUND") for line in lines)))
        if result.status == "unfinished":
            return MalwareVerdict(command[0], False, (), f"{command[0]} did not finish within {seconds:.0f} s")
        if result.status != "absent":
            why = f"{command[0]} ended with {result.status}: it has no daemon or no signatures"
    return MalwareVerdict(None, True, (), why)


def detailed_difference(old: Path, new: Path, *, seconds: float = 120, most_lines: int = 400) -> ToolResult:
    """diffoscope's text of what differs between two packages, cut; for a person who asks, never for a verdict."""
    limit = str(most_lines)
    return run(
        ["diffoscope", "--text", "-", "--max-text-report-size", str(_OUTPUT_BYTES), "--max-diff-block-lines", limit,
         "--exclude-directory-metadata=yes", "--timeout", str(int(seconds)), str(old), str(new)], seconds=seconds,
    )  # fmt: skip
