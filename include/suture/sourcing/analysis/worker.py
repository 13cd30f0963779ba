"""One worker of the pool: `python -m suture.sourcing.analysis.worker BYTES PARENT`. Tasks are lines on stdin, answers go to stdout.

An examiner's exception is its answer (`failed`); a lack of memory too, where Python notices it. Whatever native code does instead
(abort, endless loop) is for the pool to notice. A pool that dies leaves no worker behind: the kernel ends them with it.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import resource
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from suture.errors import SutureError
from suture.sourcing.examination import AttestationFile, Attested, PackageFile, SbomFile, Subject

_PR_SET_PDEATHSIG = 1
_SBOMS = ("sboms", "sboms_before")


def main(memory_bytes: int, parent: int, tasks: BinaryIO, answers: BinaryIO) -> None:
    """Serves until stdin ends. The limit is on data, not on address space: YARA-X reserves 8 GiB of that and touches little."""
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _end_with(parent)
    for line in tasks:
        task = json.loads(line)
        subject = _subject(task["subject"])
        for name in task["examiners"]:
            _write(answers, _examine(name, subject))
        gc.collect()
        _write(answers, {"peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024})


def _end_with(parent: int) -> None:
    """SIGKILL for this process when its parent ends (prctl(2), Linux); the end of stdin alone would be seen between tasks only."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("the pool is gone already")


def _examine(name: str, subject: Subject) -> dict[str, Any]:
    module, _, function = name.partition(":")
    try:
        examination = getattr(importlib.import_module(module), function)(subject)
        return {
            "concerns": [asdict(concern) for concern in examination.concerns],
            "facts": dict(examination.facts), "seconds": examination.seconds,
        }  # fmt: skip
    except MemoryError:
        return {"failed": "it needs more memory than an examination may have"}
    except SutureError as error:
        return {"failed": str(error)}
    except Exception as error:
        return {"failed": f"{type(error).__name__}: {error}"}


def _write(answers: BinaryIO, answer: dict[str, Any]) -> None:
    answers.write(json.dumps(answer, default=str).encode("utf-8", "backslashreplace") + b"\n")
    answers.flush()


def _subject(plain: dict[str, Any]) -> Subject:
    old = plain["old"]
    pairs = tuple((str(key), str(text)) for key, text in plain["advisories"])
    beside, before = (tuple(SbomFile(**(one | {"path": Path(one["path"])})) for one in plain[key]) for key in _SBOMS)
    attested = _attested(plain["attested"]) if plain["attested"] is not None else None
    return Subject(_file(plain["new"]), _file(old) if old is not None else None, pairs, beside, before, attested)


def _attested(plain: dict[str, Any]) -> Attested:
    file, root = plain["file"], plain["trusted_root"]
    read = {
        "file": AttestationFile(**(file | {"path": Path(file["path"])})) if file is not None else None,
        "trusted_root": Path(root) if root is not None else None,
        "keys": tuple(map(Path, plain["keys"])),
        "identities": tuple((subject, issuer) for subject, issuer in plain["identities"]),
        "builders": tuple(plain["builders"]),
        "source_repositories": tuple(plain["source_repositories"]),
    }
    return Attested(**(plain | read))


def _file(plain: dict[str, Any]) -> PackageFile:
    return PackageFile(**(plain | {"path": Path(plain["path"])}))


if __name__ == "__main__":
    # Answers have a descriptor of their own: what native code prints must not stand between them.
    answers_fd = os.dup(1)
    os.dup2(2, 1)
    main(int(sys.argv[1]), int(sys.argv[2]), sys.stdin.buffer, os.fdopen(answers_fd, "wb"))
