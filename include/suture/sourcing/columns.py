"""A large Packages index, field by field instead of package by package.

A pass per package costs some 30 µs of Python each; here numpy finds the lines of each field in the whole index, the
values become columns, each column is judged by one regular expression, and the packages are filled column by column
(about a fifth of the time; docs/benchmarks/repository_proof.md has the figures).

The rule: this reads only what is quite ordinary. At the first thing that is not (a folded field, a field twice, a
missing digest, a doubtful path, a byte that is not UTF-8) it gives up and answers None; then `packages` reads the same
bytes slowly, and says what is wrong where something is.
"""

from __future__ import annotations

import gc
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import repeat
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

T = TypeVar("T")
REQUIRED = ("Package", "Version", "Architecture", "Filename", "Size", "SHA256")
OPTIONAL = ("Source", "SHA512", "Depends", "Pre-Depends", "Provides", "Phased-Update-Percentage")
PORTION_BYTES = 1024 * 1024
# Each is a whole column, one value a line. Possessive: no way back, so time and memory grow with the length only.
_COLUMN = {
    "Package": re.compile(r"(?>[a-z0-9][a-z0-9+.-]*+\n)*+"),
    "Version": re.compile(r"(?>[0-9A-Za-z.+:~-]++\n)*+"),
    "Architecture": re.compile(r"(?>[a-z0-9][a-z0-9-]*+\n)*+"),
    # Stricter than is_safe_path: each part begins with a letter or digit, so there is no "..", no "//", no leading "/".
    "Filename": re.compile(r"(?>(?>[A-Za-z0-9][A-Za-z0-9_+.~:%=-]*+/)*+[A-Za-z0-9][A-Za-z0-9_+.~:%=-]{0,255}+\n)*+"),
    "Size": re.compile(r"(?>[0-9]{1,18}+\n)*+"),
    "Source": re.compile(r"(?>[^\s()]++(?> \([^\s()]++\))?+\n)*+"),
    "Phased-Update-Percentage": re.compile(r"(?>(?:[0-9]{1,2}|0[0-9]{2}|100)\n)*+"),
    "SHA512": re.compile(r"(?>[0-9a-f]{128}\n)*+"),
}
_MAX_PATH = 1024
_AT_HOME = re.compile(r"^\./", re.MULTILINE)
_SPACE, _TAB = ord(" "), ord("\t")


class _Lines:
    """The lines of an index: where each starts and ends, and in which stanza it stands."""

    def __init__(self, data: bytes) -> None:
        import numpy as np

        self.data = data
        # Padded, so that looking some bytes past a line's start never leaves the array.
        padded = data + b"\n" * 64
        self.bytes = np.frombuffer(padded, dtype=np.uint8)
        # The eight bytes from each byte on, as one number: whole names are compared at once.
        self.words = np.ndarray(shape=(len(data) + 56,), dtype="<u8", buffer=padded, strides=(1,))
        ends = np.flatnonzero(self.bytes[: len(data)] == ord("\n"))
        if not data.endswith(b"\n"):
            ends = np.append(ends, len(data))
        self.ends: NDArray[np.int64] = ends
        self.starts: NDArray[np.int64] = np.concatenate((np.zeros(1, dtype=ends.dtype), ends[:-1] + 1))
        self.first: NDArray[np.uint8] = self.bytes[self.starts]
        self.heads: NDArray[np.uint32] = self.first.astype(np.uint32)
        for offset in (1, 2, 3):
            self.heads |= self.bytes[self.starts + offset].astype(np.uint32) << np.uint32(8 * offset)
        indented = (self.first == _SPACE) | (self.first == _TAB)
        self.goes_on: NDArray[np.bool_] = np.append(indented[1:], False)
        blank = self.starts == self.ends
        self.stanza: NDArray[np.int64] = np.cumsum(blank)
        inside = self.stanza[~blank]
        self.filled: NDArray[np.int64] = inside[np.flatnonzero(np.diff(inside, prepend=-1))]

    def of(self, name: str) -> NDArray[np.int64]:
        """The numbers of the lines that begin with `name:`."""
        import numpy as np

        prefix = f"{name}:".encode()
        found = np.flatnonzero(
            self.heads == int.from_bytes(prefix[:4], "little")
        )  # all names have four letters or more
        for offset in range(4, len(prefix), 8):
            part = prefix[offset : offset + 8]
            eight = self.words[self.starts[found] + offset]
            found = found[eight & np.uint64((1 << 8 * len(part)) - 1) == int.from_bytes(part, "little")]
        return found

    def is_plain(self, lines: NDArray[np.int64], stanzas: NDArray[np.int64], *, required: bool) -> bool:
        """No field of these stands twice in its stanza, none goes on in the next line; a required one is in every stanza."""
        import numpy as np

        if required:  # `filled` has each stanza once, so this is the same question
            once = np.array_equal(stanzas, self.filled)
        else:
            once = bool(np.all(stanzas[1:] > stanzas[:-1]))
        return once and not bool(self.goes_on[lines].any())

    def column(self, name: str, lines: NDArray[np.int64]) -> bytes:
        """What stands after the colon, without white space around it, a newline behind each.

        One gather of all bytes and one split() later: a slice for each value costs twice that.
        """
        import numpy as np

        begin, end = self.starts[lines] + len(name) + 1, self.ends[lines]
        if not bool(
            ((self.bytes[begin] == _SPACE) & (self.bytes[begin + 1] > _SPACE) & (self.bytes[end - 1] > _SPACE)).all()
        ):
            whole = self.data
            return b"".join([whole[b:e].strip() + b"\n" for b, e in zip(begin.tolist(), end.tolist(), strict=True)])
        length = (end - begin).astype(np.int32)  # without the space, with the newline
        before = np.cumsum(length, dtype=np.int32) - length
        places = np.repeat((begin + 1).astype(np.int32) - before, length)
        places += np.arange(len(places), dtype=np.int32)
        found: bytes = self.bytes[places].tobytes()
        return found


def read_columns(data: bytes) -> Iterator[dict[str, list[Any]] | None]:
    """Field → one value a package, in the index's order ('' where a package has none of an optional field), in portions.

    A portion is some thousand packages: what is only needed on the way stays in the processor's cache. None as a portion:
    the index is not quite ordinary, and must be read package by package.
    """
    if b"\x00" in data or b"\r" in data:
        yield None
        return
    start = 0
    while start < len(data):
        end = data.rfind(b"\n\n", start, start + PORTION_BYTES)
        end = len(data) if end < 0 or start + PORTION_BYTES >= len(data) else end + 2
        yield _read_portion(data[start:end])
        start = end


def _read_portion(data: bytes) -> dict[str, list[Any]] | None:
    import numpy as np

    if not _is_utf8(data):
        return None
    lines = _Lines(data)
    columns: dict[str, list[Any]] = {}
    for name in (*REQUIRED, *OPTIONAL):
        found = lines.of(name)
        stanzas = lines.stanza[found]
        if not lines.is_plain(found, stanzas, required=name in REQUIRED):
            return None
        column = lines.column(name, found)
        if not column.isascii():
            return None
        joined = column.decode("ascii")
        if name == "Filename" and "./" in joined:
            joined = _AT_HOME.sub("", joined)
        values = joined.split("\n")
        values.pop()
        if not _is_ordinary(name, joined, column, values):
            return None
        if name in OPTIONAL and len(values) < len(lines.filled):
            values = _spread(values, np.searchsorted(lines.filled, stanzas).tolist(), len(lines.filled))
        columns[name] = values
    return columns


def _is_ordinary(name: str, joined: str, column: bytes, values: Sequence[str]) -> bool:
    """joined: the values, a newline behind each; column: the same as bytes (of Filename, before `./` was taken off)."""
    if name == "SHA256":  # every package has one: deleting the digits is ten times as fast as an expression
        return set(map(len, values)) <= {64} and not column.translate(None, b"0123456789abcdef\n")
    pattern = _COLUMN.get(name)
    if pattern is not None and pattern.fullmatch(joined) is None:
        return False
    return name != "Filename" or max(map(len, values), default=0) <= _MAX_PATH


@contextmanager
def collector_paused() -> Iterator[None]:
    """Packages are no rubbish, and refer to nothing that refers back: looking through the growing heap for cycles is a quarter
    of the time. Switched on again where it was on; another thread's rubbish waits as long."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _spread(values: Iterable[str], places: Iterable[int], count: int) -> list[str]:
    column = [""] * count
    for place, value in zip(places, values, strict=True):
        column[place] = value
    return column


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def filled(kind: type[T], columns: dict[str, Iterable[Any]], count: int) -> list[T]:
    """`count` objects of a slotted class, its slots filled column by column.

    A frozen dataclass's own __init__ costs 2.5 µs for fourteen fields; this costs 0.6.
    """
    objects: list[T] = list(map(object.__new__, repeat(kind, count)))
    for name, values in columns.items():
        setter: Callable[[T, Any], None] = getattr(kind, name).__set__
        deque(map(setter, objects, values), maxlen=0)
    return objects
