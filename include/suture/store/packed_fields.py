"""Fields of rows in PostgreSQL's binary COPY format, for rows that are packed where there is no connection (`Store.copy_packed`).

What comes again and again (a name, a set of names, a score) is packed once.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from psycopg.types.numeric import DecimalBinaryDumper

NULL = b"\xff\xff\xff\xff"
TRUE, FALSE = b"\x00\x00\x00\x01\x01", b"\x00\x00\x00\x01\x00"
_MAX_KNOWN = 5000
_TEXT_OID = 25
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_FIRST_DAY = date(2000, 1, 1).toordinal()
_length = struct.Struct(">i").pack
_time = struct.Struct(">iq").pack
_day = struct.Struct(">ii").pack
_small = struct.Struct(">ih").pack
_count = struct.Struct(">h").pack


def columns(count: int) -> bytes:
    """What a row begins with."""
    return _count(count)


def bigint(value: int) -> bytes:
    return _time(8, value)


def day(value: date | None) -> bytes:
    return NULL if value is None else _day(4, value.toordinal() - _FIRST_DAY)


def text(value: str) -> bytes:
    raw = value.encode()
    return _length(len(raw)) + raw


def size(raw: bytes) -> bytes:
    """What stands before a field that is packed already, such as a JSON document."""
    return _length(len(raw))


def _moment(moment: datetime) -> bytes:
    since = moment - _EPOCH
    return _time(8, (since.days * 86400 + since.seconds) * 1000000 + since.microseconds)


class _Known(dict[Any, bytes]):
    """A value → its field, packed the first time."""

    def __init__(self, pack: Callable[[Any], bytes]) -> None:
        self._pack = pack

    def __missing__(self, value: Any) -> bytes:
        if len(self) >= _MAX_KNOWN:
            self.clear()
        packed = NULL if value is None else self._pack(value)
        self[value] = packed
        return packed


def _array(values: Sequence[str]) -> bytes:
    """text[]: one dimension that begins at 1, or none when it is empty; no NULLs in it."""
    if values:
        raw = struct.pack(">iiiii", 1, 0, _TEXT_OID, len(values), 1) + b"".join(map(text, values))
    else:
        raw = struct.pack(">iii", 0, 0, _TEXT_OID)
    return _length(len(raw)) + raw


def _number(value: float) -> bytes:
    """numeric, of the 15 digits that PostgreSQL takes of a double."""
    raw = bytes(DecimalBinaryDumper(Decimal).dump(Decimal(f"{value:.15g}")) or b"")
    return _length(len(raw)) + raw


TEXTS, ARRAYS, NUMBERS, SMALL = _Known(text), _Known(_array), _Known(_number), _Known(lambda value: _small(2, value))
IDS, TIMES = _Known(text), _Known(_moment)  # a record and its rows share theirs
