"""Files that a user names on the command line, read no further than a limit: a device or a pipe tells no size of its own."""

from __future__ import annotations

import sys
from pathlib import Path

from suture.errors import BadInputError


def read_given(name: str | Path, *, most: int, remedy: str | None = None) -> bytes:
    """The file's bytes; `-` is standard input. Raises BadInputError that names it when it cannot be read, or has more than
    `most` bytes (with `remedy`)."""
    try:
        if str(name) == "-":
            found = sys.stdin.buffer.read(most + 1)
        else:
            with Path(name).open("rb") as stream:
                found = stream.read(most + 1)
    except OSError as error:
        raise BadInputError(f"{name} cannot be read: {error.strerror}.") from error
    if len(found) > most:
        raise BadInputError(f"{name} has more than the {most} bytes that are read.", remedy=remedy)
    return found


def text_given(name: str | Path, *, most: int, remedy: str | None = None) -> str:
    """The same as UTF-8 text. Raises BadInputError for what is none, too."""
    try:
        return read_given(name, most=most, remedy=remedy).decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadInputError(f"{name} cannot be read: it is not UTF-8 ({error.reason} at byte {error.start}).") from error
