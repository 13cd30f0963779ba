"""Walking a CSAF provider: metadata, lists, documents; each document proven before it is read.

The rules:

1. What is newer than the copy accepted last is fetched, oldest first, at most `max_requests` documents a sync; the next
   sync goes on from there. Documents of one and the same time are never split over two syncs.
2. A document that is refused lies in quarantine with its reason and its address, and is asked for again for a week: it
   holds up no other. So is one that could not be reached, as long as others could.
3. A list without dates (index.txt only) gives all its documents each time; one of more than `max_requests` is refused.
   They come in another order each time, so that a slow provider's last ones have their turn.
4. A walk ends when the source's time (sync_seconds) is over: what was read is taken in, and the next sync goes on after the
   last time whose documents are all read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from suture.feeds.accept import Copy
from suture.feeds.decoded import Decoded, Rejected, Row, merged
from suture.feeds.errors import FeedFormatError, FeedRefusedError, FeedUnreachableError
from suture.feeds.feed_source import FeedSource
from suture.feeds.fetch import BudgetSpentError, Fetched, Fetcher
from suture.feeds.sources.csaf_provider.document import TABLES, decode_csaf
from suture.feeds.sources.csaf_provider.listing import (
    Listed,
    file_name_of,
    read_changes,
    read_index,
    read_metadata,
    read_rolie,
)  # fmt: skip
from suture.feeds.sources.csaf_provider.proof import Prover, UnprovenError
from suture.feeds.vendor_rows import Origin, without_twins
from suture.store import Store
from suture.wording import counted

_ASKED_AGAIN, _MAX_AGAIN = timedelta(days=7), 100


@dataclass
class _Walk:
    """What one sync has gathered."""

    parts: list[Decoded] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    digest: Any = field(default_factory=hashlib.sha256)
    read: int = 0
    note: str | None = None
    whole_to: datetime | None = None  # all documents up to this time were asked for


def fetch_documents(
    store: Store, source: FeedSource, last: Mapping[str, Any] | None, now: datetime, sleep: Callable[[float], None]
) -> Copy:
    """One sync of a provider. Raises FeedUnreachableError, FeedRefusedError, FeedFormatError, BadInputError."""
    since = last["data_date"] if last is not None else None
    walk = _Walk()
    with Fetcher(source, sleep=sleep) as fetcher:
        listed, rejected = _listed(fetcher, source)
        undated = sum(one.updated_at is None for one in listed)
        if undated > source.max_requests:
            raise FeedRefusedError(
                f"{source.name}: it lists {undated} documents without dates, more than the {source.max_requests} that "
                "policy asks for in one sync. Raise max_requests, or ask the provider for changes.csv."
            )
        walk.rejected += rejected
        again = _refused_before(store, source, now)
        due = _due(listed, since, source.max_requests, now)
        repeated = [one for one in listed if one.url in again and one not in due]
        _walked(walk, [*due, *(replace(one, updated_at=None) for one in repeated)], fetcher, source, now, sleep)
    return _copy(source, walk, walk.whole_to, since)


def _walked(
    walk: _Walk,
    due: Sequence[Listed],
    fetcher: Fetcher,
    source: FeedSource,
    now: datetime,
    sleep: Callable[[float], None],
) -> None:
    """Fetch and prove one after the other, until all are there or the source's time is over (rule 4)."""
    prover = Prover(source, fetcher)
    before: datetime | None = None
    for number, one in enumerate(due):
        if one.updated_at != before:
            walk.whole_to = before or walk.whole_to
        # Between two documents of one time there is no going on from: such a group is finished, within the grace.
        if fetcher.time_is_up and number and (one.updated_at is None or one.updated_at != before):
            walk.note = _out_of_time(source, number, len(due))
            return
        if number and source.pause_seconds:
            sleep(source.pause_seconds)
        try:
            _take(walk, one, fetcher, prover, source, now)
        except BudgetSpentError:
            if not (walk.read or walk.rejected):
                raise
            walk.note = _out_of_time(source, number, len(due))
            return
        before = one.updated_at
    walk.whole_to = before or walk.whole_to


def _out_of_time(source: FeedSource, number: int, due: int) -> str:
    return f"{number} of {counted(due, 'document')} asked for, then its {source.sync_seconds:g} s were over; the next sync goes on"


def _listed(fetcher: Fetcher, source: FeedSource) -> tuple[list[Listed], list[Rejected]]:
    feeds, folders = read_metadata(_require(fetcher, source, source.url), where=f"{source.name}, provider-metadata")
    found: dict[str, Listed] = {}
    rejected: list[Rejected] = []
    for url in feeds:
        listed, faults = read_rolie(_require(fetcher, source, url), where=f"{source.name}, {url[-80:]}")
        rejected += faults
        found |= {one.url: one for one in listed}
    for folder in folders if not feeds else ():
        listed, faults = _folder(fetcher, source, folder)
        rejected += faults
        found |= {one.url: one for one in listed}
    return list(found.values()), rejected


def _folder(fetcher: Fetcher, source: FeedSource, folder: str) -> tuple[list[Listed], list[Rejected]]:
    changes = fetcher.fetch(f"{folder}changes.csv")
    if isinstance(changes, Fetched):
        return read_changes(changes.content, folder, where=f"{source.name}, changes.csv")
    return read_index(
        _require(fetcher, source, f"{folder}index.txt"), folder, where=f"{source.name}, index.txt"
    )  # fmt: skip


def _require(fetcher: Fetcher, source: FeedSource, url: str) -> bytes:
    answer = fetcher.fetch(url)
    if not isinstance(answer, Fetched):
        raise FeedUnreachableError(f"{source.name}: {url} is not there.")
    return answer.content


def _refused_before(store: Store, source: FeedSource, now: datetime) -> frozenset[str]:
    rows = store.fetch_all(
        "feed/list_refused_documents", {"source": source.name, "since": now - _ASKED_AGAIN, "max_rows": _MAX_AGAIN}
    )
    return frozenset(row["url"] for row in rows)


def _due(listed: Sequence[Listed], since: datetime | None, most: int, now: datetime) -> list[Listed]:
    """The documents to fetch: those without a date, then the others, oldest first."""
    undated = [one for one in listed if one.updated_at is None]
    undated.sort(key=lambda one: hashlib.sha256(f"{now.isoformat()} {one.url}".encode()).digest())
    dated = sorted(
        ((one.updated_at, one.url, one) for one in listed if one.updated_at is not None), key=lambda item: item[:2]
    )
    newer = [(moment, one) for moment, _url, one in dated if since is None or moment > since]
    chosen = newer[:most]
    while len(chosen) < len(newer) and newer[len(chosen)][0] == chosen[-1][0]:
        chosen.append(newer[len(chosen)])
    return [*undated, *(one for _moment, one in chosen)]


def _take(walk: _Walk, one: Listed, fetcher: Fetcher, prover: Prover, source: FeedSource, now: datetime) -> None:
    try:
        answer = fetcher.fetch(one.url)
        if not isinstance(answer, Fetched):
            raise UnprovenError("it is listed and not there")
        prover.require(one, answer.content, now=now)
        decoded = decode_csaf(
            answer.content,
            where=one.file_name,
            origin=Origin(source.name, source.advisory_source or source.name, source.suite, source.codename),
        )
        _refuse_other_name(decoded, one)
    except (FeedFormatError, FeedRefusedError, UnprovenError) as error:
        reason = error.message if isinstance(error, FeedFormatError | FeedRefusedError) else f"{error}."
        walk.rejected.append(Rejected(one.file_name, f"{one.file_name}: {reason}", {"url": one.url}))
        return
    except BudgetSpentError:
        raise
    except FeedUnreachableError as error:
        if not walk.read:
            raise
        walk.rejected.append(Rejected(one.file_name, error.message, {"url": one.url}))
        walk.note = f"not all documents could be reached: {error.message}"
        return
    walk.read += 1
    walk.digest.update(answer.sha256.encode())
    walk.parts.append(decoded)


def _refuse_other_name(decoded: Decoded, one: Listed) -> None:
    names = {row["record_id"] for rows in decoded.tables.values() for row in rows}
    wrong = next((name for name in names if file_name_of(name) != one.file_name), None)
    if wrong is not None:
        raise UnprovenError(f"the file holds the document {wrong[:80]}")


def _copy(source: FeedSource, walk: _Walk, dated: datetime | None, since: datetime | None) -> Copy:
    found = merged(walk.parts, TABLES)
    tables: Mapping[str, list[Row]] = without_twins(found.tables) if walk.read else {}
    decoded = Decoded(dated or since, tables, [*walk.rejected, *found.rejected], found.records)
    copy = Copy(
        source=source.name,
        url=source.url,
        decoded=decoded,
        sha256=walk.digest.hexdigest() if walk.read else "",
        main_table="vex_statement",
        scorers=(f"vendor:{source.name}",),
        dated_snapshot=source.dated_snapshot,
        floor=source.min_records,
        max_data_age=source.max_data_age,
        note=walk.note,
    )
    return copy if walk.read or walk.rejected else replace(copy, note="no document is newer than what we have")
