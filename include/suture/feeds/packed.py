"""Rows of CVE records in PostgreSQL's binary COPY format, made where they are read.

A row is one join of its fields; those that come again and again (a scorer, a vector, a severity, a set of CWEs) are packed
once. psycopg writes the same bytes in 1.3 times the time, but publicly only into an open COPY, and the processes that read
have no connection.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from suture.store.packed_fields import (
    ARRAYS,
    FALSE,
    IDS,
    NULL,
    NUMBERS,
    SMALL,
    TEXTS,
    TIMES,
    TRUE,
    bigint,
    columns,
    day,
    size,
    text,
)

Row = Sequence[Any]
Packer = Callable[[Row, bytes, bytes], bytes]
_DIGEST_LENGTH = b"\x00\x00\x00\x40"  # SHA-256 in hexadecimal


def edges(count: int, snapshot_id: int | None) -> tuple[bytes, bytes]:
    """What stands before and after a row's own fields: how many there are, and the snapshot, where it is a column."""
    if snapshot_id is None:
        return columns(count), b""
    return columns(count + 1), bigint(snapshot_id)


def cve(row: Row, head: bytes, tail: bytes) -> bytes:
    cve_id, state, title, cwes, published, modified, source, marked, added, digest = row
    return b"".join((
        head, IDS[cve_id], TEXTS[state], NULL if title is None else text(title), ARRAYS[cwes], TIMES[published],
        TIMES[modified], TEXTS[source], TRUE if marked else FALSE,
        day(added), _DIGEST_LENGTH, digest.encode(), tail,
    ))  # fmt: skip


def score(row: Row, head: bytes, tail: bytes) -> bytes:
    cve_id, source, version, vector, base_score, severity, dated = row
    return b"".join((
        head, IDS[cve_id], TEXTS[source], TEXTS[version], TEXTS[vector], NUMBERS[base_score], TEXTS[severity],
        TIMES[dated], tail,
    ))  # fmt: skip


def ssvc(row: Row, head: bytes, tail: bytes) -> bytes:
    cve_id, exploitation, automatable, impact, dated, source = row
    return b"".join((
        head, IDS[cve_id], TEXTS[exploitation], TEXTS[automatable], TEXTS[impact], TIMES[dated], TEXTS[source], tail,
    ))  # fmt: skip


def product(row: Row, head: bytes, tail: bytes) -> bytes:
    cve_id, place, source, vendor, products = row
    return b"".join((
        head, IDS[cve_id], SMALL[place], TEXTS[source], TEXTS[vendor], size(products), products, tail,
    ))  # fmt: skip
