"""A large Packages index, field by field instead of package by package.

A pass per package costs some 25 µs of Python each; here numpy finds the lines of each field in a portion of the index, gathers
what stands there as one column, and each column is judged as a whole. No string is made (text_column.py); docs/benchmarks/
repository_proof.md has the figures.

The rule: this reads only what is quite ordinary. At the first thing in a portion that is not (a folded field, a field twice, a
missing digest, a doubtful path, a byte that is not UTF-8) it gives up the portion and answers None; then `packages` reads the
same bytes slowly, and says what is wrong where something is.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from suture.sourcing.text_column import TextColumn, gather

Columns = dict[str, TextColumn]
REQUIRED = ("Package", "Version", "Architecture", "Filename", "Size", "SHA256")
OPTIONAL = ("Source", "SHA512", "Depends", "Pre-Depends", "Provides", "Phased-Update-Percentage")
FIELDS = (*REQUIRED, *OPTIONAL)
PORTION_BYTES = 1024 * 1024  # what is only needed on the way stays in the processor's cache
_LOWER, _ALL = string.ascii_lowercase + string.digits, string.ascii_letters + string.digits
_SPACE, _TAB, _SLASH, _DOT = (ord(character) for character in " \t/.")
_WHITE = b" \t\v\f\r\x1c\x1d\x1e\x1f"  # what str.strip() takes off, within a line of ASCII
_MAY_BE_EMPTY = {"Depends", "Pre-Depends", "Provides"}
_NAME_LENGTHS = np.array([len(name) for name in FIELDS])
_NOT_ASCII = np.uint64(0x8080808080808080)


@dataclass(frozen=True)
class _Form:
    """What the values of a field look like: what they hold, what they begin with, how long they are at most and at least."""

    holds: str
    begins: str | None = None
    longest: int | None = None
    shortest: int = 1

    def fits(self, raw: bytes, column: TextColumn, lengths: NDArray[np.int64]) -> bool:
        # To delete what is allowed and look whether anything is left is ten times as fast as an expression.
        if raw.translate(None, self.holds.encode() + b"\0"):
            return False
        if self.longest is not None and (int(lengths.max()) > self.longest or int(lengths.min()) < self.shortest):
            return False
        return self.begins is None or not _firsts(column).translate(None, self.begins.encode())


_HEX = "0123456789abcdef"
_FORMS = {
    "Package": _Form(_LOWER + "+.-", _LOWER),
    "Version": _Form(_ALL + ".+:~-"),
    "Architecture": _Form(_LOWER + "-", _LOWER),
    "Filename": _Form(_ALL + "_+.~:%=-/", _ALL, 256),
    "Size": _Form(string.digits, None, 18),
    "SHA256": _Form(_HEX, None, 64, 64),
    "SHA512": _Form(_HEX, None, 128, 128),
}
# Each is a whole column, one value and its NULs after the other. Possessive: no way back, so time and memory grow with the
# length only.
_EXPRESSIONS = {
    "Source": re.compile(rb"(?>[^\x00- ()]++(?> \([^\x00- ()]++\))?+\0++)*+"),
    "Phased-Update-Percentage": re.compile(rb"(?>(?:[0-9]{1,2}|0[0-9]{2}|100)\0++)*+"),
}


class _Lines:
    """The lines of a portion: where each starts and ends, and in which stanza it stands."""

    def __init__(self, data: bytes) -> None:
        # Padded, so that looking some bytes past a line's start never leaves the array.
        self.padded = data + b"\n" * 64
        self.bytes = np.frombuffer(self.padded, dtype=np.uint8)
        # The eight bytes from each byte on, as one number.
        self.words = np.ndarray(shape=(len(data) + 56,), dtype="<u8", buffer=self.padded, strides=(1,))
        ends = np.flatnonzero(self.bytes[: len(data)] == ord("\n"))
        if not data.endswith(b"\n"):
            ends = np.append(ends, len(data))
        self.ends: NDArray[np.int64] = ends
        self.starts: NDArray[np.int64] = np.concatenate((np.zeros(1, dtype=ends.dtype), ends[:-1] + 1))
        self.heads: NDArray[np.uint64] = self.words[self.starts]
        edges = np.concatenate(([-1], np.flatnonzero(self.starts == self.ends), [len(ends)]))
        filled = np.diff(edges) > 1
        # Between which lines each stanza stands: after one, before the other.
        self.after: NDArray[np.int64] = edges[:-1][filled]
        self.before: NDArray[np.int64] = edges[1:][filled]

    def are_utf8(self) -> bool:
        """Looks at the words that hold a byte beyond ASCII, and the word after each: a character never reaches over the latter,
        and what is left out between them is ASCII."""
        if self.padded.isascii():
            return True
        words = np.frombuffer(self.padded, dtype="<u8", count=len(self.padded) // 8)
        beyond = np.flatnonzero(words & _NOT_ASCII != 0)
        looked_at = np.union1d(beyond, beyond + 1)
        try:
            words[looked_at].tobytes().decode("utf-8")
        except UnicodeDecodeError:
            return False
        return True

    def of(self, name: str) -> NDArray[np.int64]:
        """The numbers of the lines that begin with `name:`, ascending."""
        prefix = f"{name}:".encode()
        found: NDArray[np.int64] = np.flatnonzero(_begins(self.heads, prefix[:8]))
        for offset in range(8, len(prefix), 8):
            found = found[_begins(self.words[self.starts[found] + offset], prefix[offset : offset + 8])]
        return found

    def rows(self, lines: NDArray[np.int64], *, required: bool) -> NDArray[np.int64] | None:
        """In which stanza each of a field's lines stands. None: one has the field twice, or has none and needs one."""
        if len(lines) == len(self.before) and bool(((lines > self.after) & (lines < self.before)).all()):
            return np.arange(len(lines))
        if required:
            return None
        rows = np.searchsorted(self.before, lines)
        return rows if bool((rows[1:] > rows[:-1]).all()) else None

    def goes_on(self, lines: NDArray[np.int64]) -> bool:
        """Whether a line after one of these is indented: the value is folded."""
        following = self.bytes[self.ends[lines] + 1]
        return bool(((following == _SPACE) | (following == _TAB)).any())

    def values(
        self, lines: NDArray[np.int64], names: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(where each begins, how long it is) of what stands after the colon, without white space around it.

        names: the length of each line's field name.
        """
        begins, ends = self.starts[lines] + names, self.ends[lines]
        begins += 2
        plain = (self.bytes[begins - 1] == _SPACE) & (self.bytes[begins] > _SPACE) & (self.bytes[ends - 1] > _SPACE)
        for row in np.flatnonzero(~plain).tolist():
            begin, end = int(begins[row]) - 1, int(ends[row])
            value = self.padded[begin:end]
            kept = value.lstrip(_WHITE)
            begins[row] = end - len(kept)
            ends[row] = end - len(kept) + len(kept.rstrip(_WHITE))
        return begins, ends - begins

    def take_off_dot_slash(self, begins: NDArray[np.int64], lengths: NDArray[np.int64]) -> None:
        """Moves the values that begin with `./` on by that."""
        taken = 2 * ((self.bytes[begins] == _DOT) & (self.bytes[begins + 1] == _SLASH))
        begins += taken
        lengths -= taken


def read_columns(data: bytes) -> Iterator[tuple[bytes, Columns | None]]:
    """Portion after portion of an index, a thousand packages or so: (its bytes, field → one value a package).

    Values are '' where a package has none of an optional field. None for the columns: the portion is not quite ordinary, and must be
    read package by package.
    """
    start = 0
    while start < len(data):
        end = data.rfind(b"\n\n", start, start + PORTION_BYTES)
        end = len(data) if end < 0 or start + PORTION_BYTES >= len(data) else end + 2
        portion = data[start:end]
        yield portion, _read_portion(portion)
        start = end


def _read_portion(data: bytes) -> Columns | None:
    if b"\x00" in data or b"\r" in data:
        return None
    lines = _Lines(data)
    if not lines.are_utf8():
        return None
    # All fields at once where that is possible: a call of numpy costs more than its work on one field of a portion.
    found, rows = [], []
    for name in FIELDS:
        found.append(lines.of(name))
        of_field = lines.rows(found[-1], required=name in REQUIRED)
        if of_field is None:
            return None
        rows.append(of_field)
    every, counts = np.concatenate(found), [len(of_field) for of_field in found]
    if lines.goes_on(every):
        return None
    begins, lengths = lines.values(every, np.repeat(_NAME_LENGTHS, counts))
    places = dict(zip(FIELDS, map(slice, accumulate(counts, initial=0), accumulate(counts)), strict=False))
    lines.take_off_dot_slash(begins[places["Filename"]], lengths[places["Filename"]])
    words, needed = gather(lines.words, begins, lengths)
    raw = words.tobytes()
    if not raw.isascii():
        return None
    columns: Columns = {}
    end = 0
    for name, of_field in zip(FIELDS, rows, strict=True):
        place = places[name]
        column = TextColumn.spread(words, end, needed[place], of_field, len(lines.before))
        begin, end = end, end + len(column.words)
        if len(of_field) and not _is_ordinary(name, raw[8 * begin : 8 * end], column, lengths[place]):
            return None
        columns[name] = column
    return columns


def _is_ordinary(name: str, raw: bytes, column: TextColumn, lengths: NDArray[np.int64]) -> bool:
    """raw: the column's bytes; lengths: of the values that are there."""
    if name in _MAY_BE_EMPTY:
        return True
    if not lengths.all():
        return False
    if name in _EXPRESSIONS:
        return _EXPRESSIONS[name].fullmatch(raw) is not None
    if not _FORMS[name].fits(raw, column, lengths):
        return False
    if name == "Filename":
        # Stricter than is_safe_path: each part begins with a letter or digit, so there is no "..", no "//", no leading "/".
        every = np.frombuffer(raw, dtype=np.uint8)
        return not every[np.flatnonzero(every == _SLASH) + 1].tobytes().translate(None, _ALL.encode())
    return True


def _firsts(column: TextColumn) -> bytes:
    """The first byte of each text."""
    begins = column.offsets[:-1]
    return column.words[begins].astype(np.uint8).tobytes()  # little-endian: the low byte is the first


def _begins(heads: NDArray[np.uint64], prefix: bytes) -> NDArray[np.bool_]:
    """Which of these words begin with up to eight bytes."""
    looked_at = heads if len(prefix) == 8 else heads & np.uint64((1 << 8 * len(prefix)) - 1)
    found: NDArray[np.bool_] = looked_at == np.uint64(int.from_bytes(prefix, "little"))
    return found
