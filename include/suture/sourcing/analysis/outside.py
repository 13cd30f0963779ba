"""Other programs that look at a package, where they are present: abidiff and diffoscope here, ClamAV in `malware`. Each is optional.

Absent is a fact that is told, never a concern. A tool that judges, is there, and does not finish is a concern (`not_examined`).
Untrusted files are their input: they run with bounded time, memory (RLIMIT_AS) and output, and what they start ends with them.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
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
    """changed: abidiff sees another interface; incompatible: programs built with the older library will break.

    finished: False when it did not end well. report: its words.
    """

    present: bool
    finished: bool
    changed: bool
    incompatible: bool
    report: str


ABSENT = AbiVerdict(False, True, False, False, "")


def run(
    command: Sequence[str], *, seconds: float = SECONDS, memory_bytes: int = _MEMORY_BYTES, scratch: Path | None = None
) -> ToolResult:
    """One program to its end, or to its limit; its output goes through a file, so that it cannot fill our memory.

    scratch: where it makes its temporary files; a program that is ended leaves them there.
    """
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
            start_new_session=True, env=os.environ | ({"TMPDIR": str(scratch)} if scratch else {}),
        )  # fmt: skip
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            return ToolResult("unfinished")
        finally:
            with contextlib.suppress(ProcessLookupError):  # its session's other programs
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        output.seek(0)
        text = output.read(_OUTPUT_BYTES).decode("utf-8", "backslashreplace")
    return ToolResult(str(status), text)


def abi_difference(old: Path, new: Path, *, seconds: float = SECONDS) -> AbiVerdict:
    """abidiff over two shared libraries. Added symbols are no change to those who use it."""
    result = run(["abidiff", "--no-added-syms", "--no-show-locs", "--redundant", str(old), str(new)], seconds=seconds)
    if result.status == "absent":
        return ABSENT
    if not result.status.isdigit() or int(result.status) & (_ABI_ERROR | _ABI_USAGE):
        return AbiVerdict(True, False, False, False, result.output)
    bits = int(result.status)
    return AbiVerdict(True, True, bool(bits & _ABI_CHANGE), bool(bits & _ABI_INCOMPATIBLE), result.output)


def detailed_difference(old: Path, new: Path, *, seconds: float, scratch: Path, most_lines: int = 200) -> ToolResult:
    """diffoscope's text of what differs between two packages, cut: for those who approve, never for a verdict.

    Its exit status is 1 where they differ (diffoscope(1)).
    """
    result = run(
        ["diffoscope", "--text", "-", "--max-text-report-size", str(_OUTPUT_BYTES), "--max-diff-block-lines", "40",
         "--max-page-diff-block-lines", "40", "--exclude-directory-metadata=yes", "--no-progress", "--max-container-depth", "6",
         "--timeout", str(max(1, int(seconds) - 5)), str(old), str(new)],
        seconds=seconds, scratch=scratch,
    )  # fmt: skip
    lines = result.output.splitlines()
    cut = [*lines[:most_lines], f"… {len(lines) - most_lines} more lines"] if len(lines) > most_lines else lines
    return ToolResult(result.status, "\n".join(cut))
