"""Syncing a source: fetch by its transport, decode, and hand over to `accept`. A fault of a feed is an outcome, not an
exception: it is written down, and the last good data stands.

Transports: `document` is one file; `pages` asks by modification date, page after page; `records` asks for each CVE that
an advisory names and that is due, where "not there" is a fact that is kept too.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from suture.errors import BadInputError
from suture.feeds import bulk, quality, record_files, suite_stream
from suture.feeds.accept import Copy, accept, conclude
from suture.feeds.bulk_epss import load_epss
from suture.feeds.decoded import Decoded, Rejected, Row, merged
from suture.feeds.errors import FeedFormatError, FeedRefusedError, FeedUnreachableError
from suture.feeds.fetch import Fetched, Fetcher, Missing, NotModified, bounded_gunzip
from suture.feeds.outcome import FeedOutcome, FeedStatus
from suture.feeds.policies import FeedSource, FeedsPolicy
from suture.feeds.sources import FORMATS
from suture.store import Store

Sleep = Callable[[float], None]
_ACTOR = "suture:feed_sync"
_MAX_PAGES = 1000
_MAX_WINDOW = timedelta(days=120)  # the longest span that NVD's API answers
_SCORERS: Mapping[str, tuple[str, ...]] = {"cve5": ("cna", "adp"), "nvd": ("nvd",), "osv": ("vendor",)}
_EMPTY = Decoded(None, {})


def sync_source(
    store: Store, source: FeedSource, *, now: datetime, sleep: Sleep = time.sleep, actor: str = _ACTOR
) -> FeedOutcome:
    """Bring one source up to date. Raises only what is no fault of the feed (StoreError, ExpectationsError)."""
    last = store.fetch_one("feed/fetch_accepted_snapshot", {"source": source.name})
    try:
        copy = _TRANSPORTS[source.transport](store, source, last, now, sleep)
    except FeedUnreachableError as error:
        return conclude(store, _nothing(source), FeedStatus.UNREACHABLE, error.message, now=now, actor=actor)
    except (FeedRefusedError, FeedFormatError) as error:
        return conclude(store, _nothing(source), FeedStatus.QUARANTINED, error.message, now=now, actor=actor)
    if copy.decoded.records == 0 and not copy.decoded.tables:
        rejected = copy.decoded.rejected
        status = FeedStatus.QUARANTINED if rejected else FeedStatus.UNCHANGED
        reason = f"none of {len(rejected)} records is fit for use: {rejected[0].reason}" if rejected else copy.note
        return conclude(store, copy, status, reason, rejected, now=now, actor=actor)
    return accept(store, copy, now=now, actor=actor)


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
    """Load a copy from files (a folder stands for the .json, .csv and .gz files in it), by the same rules.

    CVE records in a folder, an archive or a file of lines, and EPSS, are loaded as a stream; `report` is told how far."""
    if source.format == "cve5" and (len(paths) > 1 or any(record_files.is_container(path) for path in paths)):
        return bulk.load_cve_records(store, source, paths, now=now, actor=actor, report=report)
    if source.format == "epss" and len(paths) == 1 and not paths[0].is_dir():
        return load_epss(store, source, paths[0], now=now, actor=actor)
    files = [file for path in paths for file in _files(path)]
    if not files:
        raise BadInputError("There is no file to load.")
    nothing = replace(_nothing(source), url=", ".join(f"file:{path.name}" for path in paths)[:500])
    try:
        documents = [(str(path), _file_content(path, source)) for path in files]
        decoded, lookups = _decode_documents(source, documents)
    except FeedUnreachableError as error:
        return conclude(store, nothing, FeedStatus.QUARANTINED, error.message, now=now, actor=actor)
    except (FeedRefusedError, FeedFormatError) as error:
        return conclude(store, nothing, FeedStatus.QUARANTINED, error.message, now=now, actor=actor)
    last = store.fetch_one("feed/fetch_accepted_snapshot", {"source": source.name})
    copy = replace(
        _copy(source, decoded, _digest(content for _name, content in documents), last),
        url=nothing.url,
        lookups=lookups,
        dated_snapshot=None,
    )
    check = suite_stream.check if source.format == "kev" else quality.check
    return accept(store, copy, now=now, actor=actor, check=check)


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
    decoded = _decode(source, answer.content, source.url)
    return replace(_copy(source, decoded, answer.sha256, last), etag=answer.etag, last_modified=answer.last_modified)


def _pages(store: Store, source: FeedSource, last: Any, now: datetime, sleep: Sleep) -> Copy:  # noqa: ARG001
    start = last["data_date"] if last and last["data_date"] else now - timedelta(days=source.first_days)
    end = min(now, start + _MAX_WINDOW)
    pages: list[Decoded] = []
    digests = hashlib.sha256()
    read = 0
    with Fetcher(source, sleep=sleep) as fetcher:
        for number in range(_MAX_PAGES):
            if number:
                sleep(source.pause_seconds)
            page, digest = _page(fetcher, source, start, end, read)
            if pages and page.total != pages[0].total:
                raise FeedFormatError(
                    source.name, f"the total changed from {pages[0].total} to {page.total} between pages"
                )
            pages.append(page)
            digests.update(digest.encode())
            read += page.records
            if read >= (page.total or 0):
                break
            if not page.records:
                raise FeedFormatError(source.name, f"page {number} is empty, but {read} of {page.total} results came")
    found = merged(pages, FORMATS[source.format].tables)
    dated = min(found.data_date, end) if found.data_date and end < now else found.data_date
    return _copy(source, replace(found, data_date=dated), digests.hexdigest(), last)


def _page(fetcher: Fetcher, source: FeedSource, start: datetime, end: datetime, read: int) -> tuple[Decoded, str]:
    params = {
        "resultsPerPage": str(source.page_size),
        "startIndex": str(read),
        "lastModStartDate": start.astimezone(UTC).isoformat(timespec="milliseconds"),
        "lastModEndDate": end.astimezone(UTC).isoformat(timespec="milliseconds"),
    }
    answer = fetcher.fetch(source.url, params=params)
    if not isinstance(answer, Fetched):
        raise FeedUnreachableError(f"{source.name}: {source.url} gives no page at {read}.")
    return _decode(source, answer.content, f"{source.name}, page at {read}"), answer.sha256


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


def _decode(source: FeedSource, content: bytes, where: str) -> Decoded:
    return FORMATS[source.format].decode(
        content,
        where=where,
        feed=source.name,
        advisory_source=source.advisory_source,
        suite=source.suite,
        codename=source.codename,
    )


def _decode_documents(source: FeedSource, documents: Sequence[tuple[str, bytes]]) -> tuple[Decoded, list[Row]]:
    """Several files as one copy. Of many files (records), a bad one is left out; an only one that is bad raises."""
    parts: list[Decoded] = []
    for name, content in documents:
        try:
            parts.append(_decode(source, content, name))
        except FeedFormatError as error:
            if len(documents) == 1:
                raise
            parts.append(replace(_EMPTY, rejected=[Rejected(Path(name).name, error.message)]))
    found = merged(parts, FORMATS[source.format].tables)
    if source.format != "cve5":
        return found, []
    lookups: list[Row] = [
        {"cve_id": row["cve_id"], "status": "found", "reason": None, "etag": None, "content_sha256": None}
        for row in found.tables["cve"]
    ]
    return replace(found, data_date=None), lookups


def _copy(source: FeedSource, decoded: Decoded, digest: str, last: Any) -> Copy:
    complete = FORMATS[source.format].complete
    previous = last["record_count"] if last is not None and complete else None
    return Copy(
        source=source.name,
        url=source.url,
        decoded=decoded,
        sha256=digest,
        main_table=quality.MAIN_TABLE[source.format],
        scorers=_SCORERS.get(source.format, ()),
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
        main_table=quality.MAIN_TABLE[source.format],
        dated_snapshot=source.dated_snapshot,
    )


def _digest(contents: Any) -> str:
    total = hashlib.sha256()
    for content in contents:
        total.update(hashlib.sha256(content).digest())
    return total.hexdigest()


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(file for file in path.rglob("*") if file.suffix in (".json", ".csv", ".gz") and file.is_file())
    return [path]


def _file_content(path: Path, source: FeedSource) -> bytes:
    try:
        size = path.stat().st_size
        if size > source.max_bytes:
            raise FeedRefusedError(f"{path}: {size} bytes; {source.name} may have {source.max_bytes}.")
        content = path.read_bytes()
    except OSError as error:
        raise BadInputError(f"{path} cannot be read: {error.strerror}.") from error
    return bounded_gunzip(content, source) if content[:2] == b"\x1f\x8b" else content
