"""What every decoder gives: rows by table, and the records that it had to leave out, each with the reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

Row = dict[str, Any]


@dataclass(frozen=True)
class Rejected:
    """A record, or a part of one, that cannot be used. record: as much of it as is worth keeping."""

    record_id: str
    reason: str
    record: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Decoded:
    """One document, or several merged. Rows hold JSON values (dates in ISO 8601) and their record's id in `record_id`.

    data_date: what the document says of its own age, None when it does not. total: how many records the source says
    there are beyond this document (paged feeds), start: the number of its first one; None when it does not say.
    """

    data_date: datetime | None
    tables: Mapping[str, list[Row]]
    rejected: list[Rejected] = field(default_factory=list)
    records: int = 0
    total: int | None = None
    start: int | None = None


Decoder = Callable[..., Decoded]


def merged(parts: list[Decoded], tables: tuple[str, ...]) -> Decoded:
    """Several documents as one; its date is the newest of theirs."""
    rows: dict[str, list[Row]] = {table: [] for table in tables}
    for part in parts:
        for table, found in part.tables.items():
            rows[table].extend(found)
    return Decoded(
        data_date=max((part.data_date for part in parts if part.data_date), default=None),
        tables=rows,
        rejected=[item for part in parts for item in part.rejected],
        records=sum(part.records for part in parts),
    )


def kept(raw: bytes | memoryview | Any) -> Row:
    """The beginning of a raw record as text that the warehouse can keep, for whoever looks into the quarantine."""
    return {"raw": bytes(raw)[:2000].decode("utf-8", "replace").replace("\x00", "�")}


_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def utc(moment: datetime | None) -> datetime | None:
    """The moment in UTC; feeds that give no zone mean UTC.

    What UTC would put before the year 1 or after 9999 is the first or last moment that there is: the suites refuse the record,
    where an OverflowError would end the whole sync.
    """
    if moment is None:
        return None
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return _LAST if moment.year > 1 else _FIRST


def iso(moment: datetime | None) -> str | None:
    found = utc(moment)
    return found.isoformat() if found else None
