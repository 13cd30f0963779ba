"""A large Packages index, field by field instead of package by package.

A pass per package costs some 30 µs of Python each; here numpy finds the lines of each field in the whole index, the
values become columns, each column is judged by one regular expression, and the packages are filled column by column
(about a fifth of the time; docs/benchmarks/repository_proof.md has the figures).

The rule: this reads only what is quite ordinary. At the first thing that is not (a folded field, a field twice, a
missing digest, a doubtful path, a byte that is not UTF-8) it gives up and answers None; then `packages` reads the same
bytes slowly, and says what is wrong where something is.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
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
_SPACE = ord(" ")


class _Lines:
    """The lines of an index: where each starts and ends, and in which stanza it stands."""

    def __init__(self, data: bytes) -> None:
        import numpy as np

        self.text = data.decode("latin-1")  # one byte a character; what is used of it is checked to be ASCII
        # Padded, so that looking some bytes past a line's start never leaves the array.
        self.bytes = np.frombuffer(data + b"\n" * 64, dtype=np.uint8)
        ends = np.flatnonzero(self.bytes[: len(data)] == ord("\n"))
        if not data.endswith(b"\n"):
            ends = np.append(ends, len(data))
        self.ends: NDArray[np.int64] = ends
        self.starts: NDArray[np.int64] = np.concatenate((np.zeros(1, dtype=ends.dtype), ends[:-1] + 1))
        self.first: NDArray[np.uint8] = self.bytes[self.starts]
        self.heads: NDArray[np.uint32] = self.first.astype(np.uint32)
        for offset in (1, 2, 3):
            self.heads |= self.bytes[self.starts + offset].astype(np.uint32) << np.uint32(8 * offset)
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
        for offset, byte in enumerate(prefix[4:], start=4):
            found = found[self.bytes[self.starts[found] + offset] == byte]
        return found

    def is_plain(self, lines: NDArray[np.int64]) -> bool:
        """No field of these stands twice in its stanza, and none goes on in the next line."""
        import numpy as np

        following = self.first[np.minimum(lines + 1, len(self.first) - 1)]
        folded = (following == ord(" ")) | (following == ord("\t"))
        return bool(np.all(np.diff(self.stanza[lines]) > 0)) and not bool(folded.any())

    def values(self, name: str, lines: NDArray[np.int64]) -> list[str]:
        """What stands after the colon, without white space around it."""
        text, begin, end = self.text, self.starts[lines] + len(name) + 1, self.ends[lines]
        if bool(
            ((self.bytes[begin] == _SPACE) & (self.bytes[begin + 1] > _SPACE) & (self.bytes[end - 1] > _SPACE)).all()
        ):
            # Without a strip() and without bytecode for each: half the time.
            return list(map(text.__getitem__, map(slice, (begin + 1).tolist(), end.tolist())))
        return [text[b:e].strip() for b, e in zip(begin.tolist(), end.tolist(), strict=True)]


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
        if not lines.is_plain(found) or (name in REQUIRED and not np.array_equal(stanzas, lines.filled)):
            return None
        values = lines.values(name, found)
        if name == "Filename":
            values = [value.removeprefix("./") for value in values]
        if not _is_ordinary(name, values):
            return None
        if name in OPTIONAL and len(values) < len(lines.filled):
            values = _spread(values, np.searchsorted(lines.filled, stanzas).tolist(), len(lines.filled))
        columns[name] = values
    return columns


def _is_ordinary(name: str, values: Sequence[str]) -> bool:
    joined = "\n".join([*values, ""])
    if not joined.isascii():
        return False
    if name == "SHA256":  # every package has one: deleting the digits is ten times as fast as an expression
        return set(map(len, values)) <= {64} and not joined.encode("ascii").translate(None, b"0123456789abcdef\n")
    pattern = _COLUMN.get(name)
    if pattern is not None and pattern.fullmatch(joined) is None:
        return False
    return name != "Filename" or max(map(len, values), default=0) <= _MAX_PATH


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
