"""Rows of CVE records in PostgreSQL's binary COPY format, made where they are read.

A row is one join of its fields; those that come again and again (a scorer, a vector, a severity, a set of CWEs) are packed
once. psycopg writes the same bytes in 1.3 times the time, but publicly only into an open COPY, and the processes that read
have no connection.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from psycopg.types.numeric import DecimalBinaryDumper

Row = Sequence[Any]
Packer = Callable[[Row, bytes, bytes], bytes]
_MAX_KNOWN = 5000
_NULL = b"\xff\xff\xff\xff"
_TRUE, _FALSE = b"\x00\x00\x00\x01\x01", b"\x00\x00\x00\x01\x00"
_TEXT_OID = 25
_DIGEST_LENGTH = b"\x00\x00\x00\x40"  # SHA-256 in hexadecimal
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_FIRST_DAY = date(2000, 1, 1).toordinal()
_length = struct.Struct(">i").pack
_time = struct.Struct(">iq").pack
_day = struct.Struct(">ii").pack
_numbers = struct.Struct(">idid").pack
_count = struct.Struct(">h").pack


def edges(columns: int, snapshot_id: int | None) -> tuple[bytes, bytes]:
    """What stands before and after a row's own fields: how many there are, and the snapshot, where it is a column."""
    if snapshot_id is None:
        return _count(columns), b""
    return _count(columns + 1), struct.pack(">iq", 8, snapshot_id)


def cve(row: Row, head: bytes, tail: bytes) -> bytes:
    cve_id, state, title, cwes, published, modified, source, marked, added, digest = row
    return b"".join((
        head, text(cve_id), _TEXTS[state], _NULL if title is None else text(title), _ARRAYS[cwes], time(published),
        time(modified), _TEXTS[source], _TRUE if marked else _FALSE,
        _NULL if added is None else _day(4, added.toordinal() - _FIRST_DAY), _DIGEST_LENGTH, digest.encode(), tail,
    ))  # fmt: skip


def score(row: Row, head: bytes, tail: bytes) -> bytes:
    cve_id, source, version, vector, base_score, severity, dated = row
    return b"".join((
        head, text(cve_id), _TEXTS[source], _TEXTS[version], _TEXTS[vector], _NUMBERS[base_score], _TEXTS[severity],
        time(dated), tail,
    ))  # fmt: skip


def ssvc(row: Row, head: bytes, tail: bytes) -> bytes:
    cve_id, exploitation, automatable, impact, dated, source = row
    return b"".join((
        head, text(cve_id), _TEXTS[exploitation], _TEXTS[automatable], _TEXTS[impact], time(dated), _TEXTS[source], tail,
    ))  # fmt: skip


def epss_edges(columns: int, score_date: date, model: str, snapshot_id: int | None) -> tuple[bytes, bytes]:
    """As `edges`, with what is the same in every row of EPSS."""
    head, tail = edges(columns, snapshot_id)
    return head, _day(4, score_date.toordinal() - _FIRST_DAY) + text(model) + tail


def epss(cve_id: str, probability: float, percentile: float, head: bytes, tail: bytes) -> bytes:
    raw = cve_id.encode()
    return b"".join((head, _length(len(raw)), raw, _numbers(8, probability, 8, percentile), tail))


def text(value: str) -> bytes:
    raw = value.encode()
    return _length(len(raw)) + raw


def time(moment: datetime | None) -> bytes:
    if moment is None:
        return _NULL
    since = moment - _EPOCH
    return _time(8, (since.days * 86400 + since.seconds) * 1000000 + since.microseconds)


class _Known(dict[Any, bytes]):
    """A value → its field, packed the first time."""

    def __init__(self, pack: Callable[[Any], bytes]) -> None:
        self._pack = pack

    def __missing__(self, value: Any) -> bytes:
        if len(self) >= _MAX_KNOWN:
            self.clear()
        packed = _NULL if value is None else self._pack(value)
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


_TEXTS, _ARRAYS, _NUMBERS = _Known(text), _Known(_array), _Known(_number)
