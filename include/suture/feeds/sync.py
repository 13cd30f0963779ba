"""Syncing a source: fetch by its transport, decode, and hand over to `accept`. A fault of a feed is an outcome, not an
exception: it is written down, and the last good data stands.

Transports: `document` is one file, or an archive of records; `pages` asks by modification date, page after page (pages.py);
`records` asks for each CVE that an advisory names and that is due, where "not there" is a fact that is kept too.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from suture.errors import BadInputError
from suture.feeds import bulk, quality, record_files, suite_stream
from suture.feeds.accept import Copy, accept, conclude
from suture.feeds.bulk_epss import load_epss
from suture.feeds.contradictions import refresh_contradictions
from suture.feeds.decoded import Decoded, Rejected, Row, merged
from suture.feeds.errors import FeedFormatError, FeedRefusedError, FeedUnreachableError
from suture.feeds.fetch import Fetcher, Missing, NotModified
from suture.feeds.format import Transport
from suture.feeds.outcome import FeedOutcome, FeedStatus
from suture.feeds.pages import forget_pages, read_pages
from suture.feeds.plugin import plugin_of
from suture.feeds.policies import FeedSource, FeedsPolicy
from suture.feeds.sources import FORMATS
from suture.feeds.unpack import documents, unpacked
from suture.feeds.vendor_rows import KEYS, without_twins
from suture.store import Store

Sleep = Callable[[float], None]
_ACTOR = "suture:feed_sync"
_COMPARED = frozenset({"cve", "cve_score", "cve_ssvc", "kev", "epss"})  # tables that may contradict one another
_EMPTY = Decoded(None, {})


def sync_source(
    store: Store, source: FeedSource, *, now: datetime, sleep: Sleep = time.sleep, actor: str = _ACTOR
) -> FeedOutcome:
    """Bring one source up to date. Raises only what is no fault of the feed (StoreError, ExpectationsError)."""
    last = store.fetch_one("feed/fetch_accepted_snapshot", {"source": source.name})
    try:
        copy = _transport(source)(store, source, last, now, sleep)
    except FeedUnreachableError as error:
        return conclude(store, _nothing(source), FeedStatus.UNREACHABLE, error.message, now=now, actor=actor)
    except (FeedRefusedError, FeedFormatError) as error:
        return conclude(store, _nothing(source), FeedStatus.QUARANTINED, error.message, now=now, actor=actor)
    # Transports that a format brings along know nothing of its folder: the guard is set here, for all.
    copy = replace(copy, guard=plugin_of(source.format).guard)
    outcome = _taken_in(store, copy, now, actor)
    forget_pages(store, source)  # after the whole is in: a crash before this line reads the kept pages again
    return outcome


def _taken_in(store: Store, copy: Copy, now: datetime, actor: str) -> FeedOutcome:
    if copy.decoded.records == 0 and not copy.decoded.tables:
        rejected = copy.decoded.rejected
        status = FeedStatus.QUARANTINED if rejected else FeedStatus.UNCHANGED
        reason = f"none of {len(rejected)} records is fit for use: {rejected[0].reason}" if rejected else copy.note
        return conclude(store, copy, status, reason, rejected, now=now, actor=actor)
    return accepted(store, copy, now=now, actor=actor)


def accepted(
    store: Store, copy: Copy, *, now: datetime, actor: str, check: quality.Checker = quality.check
) -> FeedOutcome:
    """accept(), and then what the new word contradicts."""
    outcome = accept(store, copy, now=now, actor=actor, check=check)
    return _compared(store, outcome, copy.decoded.tables, now)


def _compared(store: Store, outcome: FeedOutcome, tables: Iterable[str], now: datetime) -> FeedOutcome:
    if outcome.status is FeedStatus.ACCEPTED and _COMPARED & set(tables):
        refresh_contradictions(store, now=now, tables=tables)
    return outcome


def sync_all(
    store: Store, policy: FeedsPolicy, *, now: datetime, sleep: Sleep = time.sleep, actor: str = _ACTOR
) -> list[FeedOutcome]:
    """Every enabled source in the policy's order; one that fails does not keep the others."""
    return [
        sync_source(store, source, now=now, sleep=sleep, actor=actor) for source in policy.sources if source.enabled
    ]


def load_files(
    store: Store,
    source: FeedSource,
    paths: Sequence[Path],
    *,
    now: datetime,
    actor: str = "suture:feed_load",
    report: bulk.Report | None = None,
) -> FeedOutcome:
    """Load a copy from files, folders or archives (.zip, .tar.gz) of records, by the same rules as any other copy.

    CVE records in a folder, an archive or a file of lines, and EPSS, are loaded as a stream; `report` is told how far."""
    if source.format == "cve5" and (len(paths) > 1 or any(record_files.is_container(path) for path in paths)):
        outcome = bulk.load_cve_records(store, source, paths, now=now, actor=actor, report=report)
        return _compared(store, outcome, FORMATS["cve5"].tables, now)
    if source.format == "epss" and len(paths) == 1 and not record_files.is_container(paths[0]):
        outcome = load_epss(store, source, paths[0], now=now, actor=actor)
        return _compared(store, outcome, FORMATS["epss"].tables, now)
    nothing = replace(_nothing(source), url=", ".join(f"file:{path.name}" for path in paths)[:500])
    try:
        found = list(documents(list(paths), source))
        prove = FORMATS[source.format].file_proof
        decoded, lookups, origins = _decode_documents(source, found, prove and prove(source, now))
    except FeedUnreachableError as error:
        return conclude(store, nothing, FeedStatus.QUARANTINED, error.message, now=now, actor=actor)
    except (FeedRefusedError, FeedFormatError) as error:
        return conclude(store, nothing, FeedStatus.QUARANTINED, error.message, now=now, actor=actor)
    last = store.fetch_one("feed/fetch_accepted_snapshot", {"source": source.name})
    copy = replace(
        _copy(source, decoded, _digest(content for _name, content in found), last),
        url=nothing.url,
        lookups=lookups,
        origins=origins,
        dated_snapshot=None,
    )
    check = suite_stream.check if source.format == "kev" else quality.check
    return accepted(store, copy, now=now, actor=actor, check=check)


def _document(store: Store, source: FeedSource, last: Any, now: datetime, sleep: Sleep) -> Copy:  # noqa: ARG001
    with Fetcher(source, sleep=sleep) as fetcher:
        same = last is not None and last["url"] == source.url
        answer = fetcher.fetch(
            source.url, etag=last["etag"] if same else None, last_modified=last["last_modified"] if same else None
        )
    if isinstance(answer, NotModified):
        return _nothing(source)
    if isinstance(answer, Missing):
        raise FeedUnreachableError(f"{source.name}: {source.url} is not there ({answer.status}).")
    decoded, lookups, origins = _decode_documents(source, list(unpacked(source.url, answer.content, source)))
    return replace(
        _copy(source, decoded, answer.sha256, last),
        etag=answer.etag,
        last_modified=answer.last_modified,
        lookups=lookups,
        origins=origins,
    )


def _pages(store: Store, source: FeedSource, last: Any, now: datetime, sleep: Sleep) -> Copy:
    found, digest = read_pages(
        store,
        source,
        since=last["data_date"] if last else None,
        now=now,
        sleep=sleep,
        decode=lambda content, where: _decode(source, content, where),
        tables=FORMATS[source.format].tables,
    )
    return _copy(source, found, digest, last)


def _records(store: Store, source: FeedSource, last: Any, now: datetime, sleep: Sleep) -> Copy:
    due = store.fetch_all(
        "feed/list_due_lookups",
        {"source": source.name, "older_than": now - source.refresh, "max_rows": source.max_requests},
    )
    if not due:
        return replace(_nothing(source), note="no record is due")
    parts: list[Decoded] = []
    lookups: list[Row] = []
    note = None
    with Fetcher(source, sleep=sleep) as fetcher:
        for number, row in enumerate(due):
            if fetcher.time_is_up and lookups:
                note = f"stopped after {len(lookups)} of {len(due)} records: its {source.sync_seconds:g} s are over"
                break
            if number and source.pause_seconds:
                sleep(source.pause_seconds)
            try:
                part, lookup = _record(fetcher, source, row)
            except FeedUnreachableError as error:
                if not lookups:
                    raise
                note = f"stopped after {len(lookups)} of {len(due)} records: {error.message}"
                break
            parts += [part] if part is not None else []
            lookups.append(lookup)
    found = merged(parts, FORMATS[source.format].tables)
    if not found.records:
        found = replace(_EMPTY, rejected=found.rejected)
    absent = sum(lookup["status"] == "absent" for lookup in lookups)
    note = note or (f"{absent} of {len(lookups)} CVEs have no record there" if absent else None)
    digest = _digest(str(sorted(lookup.items())).encode() for lookup in lookups)
    return replace(
        # The newest record's date says nothing of the feed's age: a copy of single records has none.
        _copy(source, replace(found, data_date=None), digest, last),
        note=note,
        lookups=lookups,
    )


def _record(fetcher: Fetcher, source: FeedSource, row: Mapping[str, Any]) -> tuple[Decoded | None, Row]:
    cve_id = row["cve_id"]
    lookup: Row = {"cve_id": cve_id, "status": "found", "reason": None, "etag": row["etag"], "content_sha256": None}
    answer = fetcher.fetch(source.url.replace("{cve_id}", cve_id), etag=row["etag"])
    if isinstance(answer, NotModified):
        return None, lookup
    if isinstance(answer, Missing):
        return None, {
            **lookup,
            "status": "absent",
            "reason": f"the source has no record ({answer.status})",
            "etag": None,
        }
    if answer.sha256 == row["content_sha256"]:
        return None, {**lookup, "etag": answer.etag, "content_sha256": answer.sha256}
    try:
        part = _decode(source, answer.content, f"{source.name}, {cve_id}")
        given = part.tables["cve"][0]["cve_id"]
        if given != cve_id:
            raise FeedFormatError(f"{source.name}, {cve_id}", f"the answer is the record of {given[:40]}")
    except FeedFormatError as error:
        rejected = Rejected(
            cve_id, error.message, {"raw": answer.content[:2000].decode("utf-8", "replace").replace("\0", "�")}
        )
        return replace(_EMPTY, rejected=[rejected]), {**lookup, "status": "quarantined", "reason": error.message}
    return part, {**lookup, "etag": answer.etag, "content_sha256": answer.sha256}


_TRANSPORTS: Mapping[str, Callable[[Store, FeedSource, Any, datetime, Sleep], Copy]] = {
    "document": _document,
    "pages": _pages,
    "records": _records,
}


def _transport(source: FeedSource) -> Transport:
    """The transport that policy names: one of these, or one that the format brings along. Raises BadInputError."""
    known = {**_TRANSPORTS, **FORMATS[source.format].transports}
    if source.transport not in known:
        names = ", ".join(sorted(known))
        raise BadInputError(f"feeds.yaml: {source.name} has the transport {source.transport!r}; there are {names}.")
    return known[source.transport]


def _decode(source: FeedSource, content: bytes, where: str) -> Decoded:
    return FORMATS[source.format].decode(
        content,
        where=where,
        feed=source.name,
        advisory_source=source.advisory_source,
        suite=source.suite,
        codename=source.codename,
    )


def _decode_documents(
    source: FeedSource, found: Sequence[tuple[str, bytes]], prove: Callable[[str, bytes], None] | None = None
) -> tuple[Decoded, list[Row], dict[str, str]]:
    """Several files as one copy, the lookups that they answer, and each record's file (where there are several).

    Of many files (records), a bad one is left out; an only one that is bad raises. prove: raises ValueError for one that is not
    the publisher's.
    """
    parts: list[Decoded] = []
    origins: dict[str, str] = {}
    for name, content in found:
        try:
            if prove is not None:
                _require_proof(prove, name, content)
            parts.append(_decode(source, content, name))
        except FeedFormatError as error:
            if len(found) == 1:
                raise
            parts.append(replace(_EMPTY, rejected=[Rejected(name[-200:], error.message)]))
            continue
        if len(found) > 1:
            origins.update((row["record_id"], name) for rows in parts[-1].tables.values() for row in rows)
    whole = merged(parts, FORMATS[source.format].tables)
    if len(parts) > 1:
        # Decoders keep twins out of one document; vendors name the same fix in several.
        whole = replace(whole, tables={**whole.tables, **without_twins(_keyed(whole))})
    if source.format != "cve5":
        return whole, [], origins
    lookups: list[Row] = [
        {"cve_id": row["cve_id"], "status": "found", "reason": None, "etag": None, "content_sha256": None}
        for row in whole.tables["cve"]
    ]
    return replace(whole, data_date=None), lookups, origins


def _require_proof(prove: Callable[[str, bytes], None], name: str, content: bytes) -> None:
    try:
        prove(name, content)
    except ValueError as error:
        raise FeedFormatError(name, str(error)) from error


def _keyed(whole: Decoded) -> dict[str, list[Row]]:
    return {table: rows for table, rows in whole.tables.items() if table in KEYS}


def _copy(source: FeedSource, decoded: Decoded, digest: str, last: Any) -> Copy:
    complete = FORMATS[source.format].complete
    previous = last["record_count"] if last is not None and complete else None
    return Copy(
        source=source.name,
        url=source.url,
        decoded=decoded,
        sha256=digest,
        main_table=FORMATS[source.format].main_table,
        # One vendor's word replaces its own, never another vendor's.
        scorers=tuple(f"vendor:{source.name}" if who == "vendor" else who for who in FORMATS[source.format].scorers),
        complete=complete,
        guard=plugin_of(source.format).guard,
        dated_snapshot=source.dated_snapshot,
        floor=quality.floor_of(previous, source.max_shrink_share, source.min_records),
        max_data_age=source.max_data_age,
    )


def _nothing(source: FeedSource) -> Copy:
    return Copy(
        source=source.name,
        url=source.url,
        decoded=_EMPTY,
        sha256="",
        main_table=FORMATS[source.format].main_table,
        dated_snapshot=source.dated_snapshot,
    )


def _digest(contents: Iterable[bytes]) -> str:
    """Of one content its own, as when it is fetched; of several that of their digests."""
    digests = [hashlib.sha256(content).digest() for content in contents]
    return digests[0].hex() if len(digests) == 1 else hashlib.sha256(b"".join(digests)).hexdigest()
