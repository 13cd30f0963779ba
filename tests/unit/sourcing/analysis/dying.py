"""Examiners that die of one package, each in its own way, as native parsers do of hostile files."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from suture.sourcing.examination import Examination, Subject

EXAMINER = "dying"
CURSED = "6.6.6"

__all__ = ["CURSED", "EXAMINER", "Any"]


def fine(subject: Subject) -> Examination:
    new = subject.new
    return Examination(EXAMINER, new.name, new.version, new.architecture, None, ())


def _cursed(subject: Subject) -> bool:
    return subject.new.version == CURSED


def aborts(subject: Subject) -> Examination:
    if _cursed(subject):
        os.abort()
    return fine(subject)


def leaves(subject: Subject) -> Examination:
    if _cursed(subject):
        os._exit(3)
    return fine(subject)


def raises(subject: Subject) -> Examination:
    if _cursed(subject):
        raise KeyError("x")
    return fine(subject)


def babbles(subject: Subject) -> Examination:
    """As code would that has taken the worker over and writes to every descriptor."""
    if _cursed(subject):
        for descriptor in range(3, 20):
            try:
                os.write(descriptor, b"\x80pickle\n")
            except OSError:
                continue
    return fine(subject)


def hanging(path: Path) -> Path:
    """The file that says that an examiner hangs with the package in this one."""
    return path.with_suffix(".hanging")


def hangs(subject: Subject) -> Examination:
    if _cursed(subject):
        hanging(subject.new.path).touch()
    while _cursed(subject):
        time.sleep(1)
    return fine(subject)


def eats(subject: Subject) -> Examination:
    held = []
    while _cursed(subject):
        held.append(bytearray(16 * 1024 * 1024))
    return fine(subject)


def tells(subject: Subject) -> Examination:
    new = subject.new
    facts = {"environment": sorted(os.environ), "pid": os.getpid()}
    return Examination(EXAMINER, new.name, new.version, new.architecture, None, (), facts)
