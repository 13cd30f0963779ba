"""Bulk load: hundreds of thousands of CVE records from files to queryable rows, as a stream.

The rules are those of `accept`; what differs is the way there:

1. A record whose content we have is passed over by its digest before it is read.
2. The others are read (`cve_rows`), checked by the same suites (`suite_stream`), staged and merged a batch at a time, while
   the next batch is being read.
3. All of it is one transaction with its snapshot and evidence. A load that is killed or refused leaves nothing, and the
   next one starts over.
4. An id that stands more than once in a copy counts in none of its forms, as everywhere. The first such id is met when its
   twin may be merged already: the whole is undone and done anew, without the ids that are then known to be twins.
5. Records that are left out go into the quarantine with their batch. When the whole copy is refused, the first
   MAX_REASONS of them are kept.
"""

from __future__ import annotations

import gc
import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

from suture.feeds import accept as gate
from suture.feeds import record_files, staging
from suture.feeds.cve_rows import COLUMNS, CveRows, rows_of
from suture.feeds.decoded import Decoded, Rejected, kept
from suture.feeds.errors import FeedFormatError, FeedRefusedError
from suture.feeds.feed_source import FeedSource
from suture.feeds.outcome import FeedOutcome, FeedStatus
from suture.feeds.plugin import plugin_of
from suture.feeds.seen import KnownDigests, SeenIds
from suture.feeds.suite_stream import SuiteStream, words
from suture.store import Store

BATCH = 4000
MAX_REASONS = 1000
_SCORERS = ["cna", "adp"]


@dataclass(frozen=True)
class Progress:
    """How far a load is. unchanged: passed over; quarantined: records left out so far."""

    records: int
    unchanged: int
    quarantined: int
    seconds: float


Report = Callable[[Progress], None]


def load_cve_records(
    store: Store,
    source: FeedSource,
    paths: Sequence[Path],
    *,
    now: datetime,
    actor: str = "suture:feed_load",
    report: Report | None = None,
) -> FeedOutcome:
    """Load a copy of CVE records. Raises BadInputError for a path that cannot be read, StoreError, ExpectationsError."""
    url = ", ".join(f"file:{path.name}" for path in paths)[:500]
    copy = gate.Copy(source.name, url, Decoded(None, {}), "", main_table="cve", floor=source.min_records)
    twins: set[str] = set()
    while True:
        load = _Load(store, source, copy, now, actor, frozenset(twins), report)
        try:
            return load.run(paths)
        except _TwinsError as found:
            twins |= found.ids
        except FeedRefusedError as error:
            return gate.conclude(store, copy, FeedStatus.QUARANTINED, error.message, now=now, actor=actor)
        except _RefusedError as refused:
            ended = replace(copy, decoded=Decoded(None, {}, records=load.records), sha256=load.total.hexdigest())
            return gate.conclude(store, ended, refused.status, refused.reason, load.reasons, now=now, actor=actor)


class _TwinsError(Exception):
    def __init__(self, ids: set[str]) -> None:
        self.ids = ids


class _RefusedError(Exception):
    """Nothing of this load stands."""

    def __init__(self, status: FeedStatus, reason: str | None) -> None:
        self.status, self.reason = status, reason


@dataclass
class _Batch:
    rows: list[CveRows] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)


class _Load:
    """One try. twins: the ids that are known to stand more than once in the copy."""

    def __init__(
        self,
        store: Store,
        source: FeedSource,
        copy: gate.Copy,
        now: datetime,
        actor: str,
        twins: frozenset[str],
        report: Report | None,
    ) -> None:
        self.store, self.copy, self.now, self.actor, self.twins, self.report = store, copy, now, actor, twins, report
        self.records = self.unchanged = 0  # of the reading thread
        self.written = self.quarantined = 0  # of the writing one
        self.reasons: list[Rejected] = []
        self.total = hashlib.sha256()
        self._started = time.monotonic()
        self._seen, self._met_again = SeenIds(), set[str]()
        self._limits = {
            "max_record_bytes": source.max_bytes,
            "max_total_bytes": source.max_total_bytes,
            "max_records": source.max_files,
        }
        self._snapshot_id = 0
        guard, said = plugin_of("cve5").guard, words(now)
        self._suites = {table: SuiteStream.load(table, columns, said, guard) for table, columns in COLUMNS.items()}
        self._why_unique = self._suites["cve"].unique["cve_id"]

    @property
    def kept(self) -> int:
        return self.unchanged + self.written

    def run(self, paths: Sequence[Path]) -> FeedOutcome:
        store, copy = self.store, self.copy
        last = store.fetch_one("feed/fetch_accepted_snapshot", {"source": copy.source})
        with store.transaction():
            self._snapshot_id = gate._write_snapshot(store, copy, FeedStatus.ACCEPTED, None, 0, 0, self.now)
            staging.create(store, COLUMNS)
            staging.lock(store, COLUMNS)
            row = store.fetch_one("feed/list_cve_digests")
            self._known = KnownDigests(row["digests"] if row else None)
            self._stream(paths)
            if self._met_again:
                raise _TwinsError(self._met_again)
            digest = self.total.hexdigest()
            if last is not None and last["content_sha256"] == digest:
                raise _RefusedError(FeedStatus.UNCHANGED, None)
            self._refuse_too_few()
            counts = {"record_count": self.kept, "quarantined_count": self.quarantined, "content_sha256": digest}
            store.execute("feed/update_feed_snapshot", {**counts, "snapshot_id": self._snapshot_id})
            outcome = FeedOutcome(copy.source, FeedStatus.ACCEPTED, None, self.kept, self.quarantined, None, None)
            gate._record(store, outcome, replace(copy, sha256=digest), self.actor, self.now)
        return outcome

    def _refuse_too_few(self) -> None:
        if self.kept < self.copy.floor or not self.kept:
            why = f": {self.reasons[0].reason}" if self.reasons and not self.kept else ""
            raise _RefusedError(
                FeedStatus.QUARANTINED,
                f"only {self.kept} of {self.records} records are fit for use, "
                f"expected at least {max(self.copy.floor, 1)}{why}",
            )

    def _stream(self, paths: Sequence[Path]) -> None:
        """Read and write side by side: one batch is written by a second thread, which alone uses the store meanwhile."""
        with _without_collector(), ThreadPoolExecutor(1, "suture-bulk") as writer:
            writing: Future[None] | None = None
            for batch in self._batches(paths):
                if writing is not None:
                    writing.result()
                writing = None if self._met_again else writer.submit(self._write, batch)
                if self.report is not None:
                    seconds = time.monotonic() - self._started
                    self.report(Progress(self.records, self.unchanged, self.quarantined, seconds))
            if writing is not None:
                writing.result()

    def _batches(self, paths: Sequence[Path]) -> Iterator[_Batch]:
        batch = _Batch()
        for name, content in record_files.records(paths, **self._limits):
            self.records += 1
            if isinstance(content, bytes):
                digest = hashlib.sha256(content).digest()
                self.total.update(digest)
                place = self._known.find(digest)
                if place is not None and self._known.meet(place):
                    self.unchanged += 1
                else:
                    self._take(batch, name, content, digest)
            else:
                self.total.update(content.reason.encode())
                batch.rejected.append(content)
            if len(batch.rows) >= BATCH or len(batch.rejected) >= BATCH or not self.records % (BATCH * 8):
                yield batch
                batch = _Batch()
        yield batch

    def _take(self, batch: _Batch, name: str, content: bytes, digest: bytes) -> None:
        try:
            rows = rows_of(content, digest, where=name)
        except FeedFormatError as error:
            batch.rejected.append(Rejected(name.rpartition("/")[2][-200:], error.message, kept(content[:2000])))
            return
        cve_id = rows.cve[0]
        if cve_id in self.twins:
            batch.rejected.append(self._twin(rows, name))
        elif not self._seen.add(cve_id) or self._known.find(digest) is not None:
            self._met_again.add(cve_id)  # its twin was taken, or passed over as unchanged
        elif self._fit(rows):
            batch.rows.append(rows)
            batch.rejected += rows.rejected
        else:
            reasons = [fault for table, row in _each(rows) for fault in self._suites[table].faults(row)]
            said = "; ".join(dict.fromkeys(reasons))
            batch.rejected.append(Rejected(cve_id, f"{name}, {cve_id[:80]}: {said}", _shown(rows)))
            batch.rejected += rows.rejected

    def _fit(self, rows: CveRows) -> bool:
        suites = self._suites
        return (
            suites["cve"].passes(rows.cve)
            and all(suites["cve_score"].passes(row) for row in rows.scores)
            and (rows.ssvc is None or suites["cve_ssvc"].passes(rows.ssvc))
        )

    def _twin(self, rows: CveRows, name: str) -> Rejected:
        return Rejected(rows.cve[0], f"{name}: cve.cve_id is {rows.cve[0][:100]!r}: {self._why_unique}", _shown(rows))

    def _write(self, batch: _Batch) -> None:
        store = self.store
        if batch.rows:
            staging.stream(store, "cve", (rows.cve for rows in batch.rows))
            staging.stream(store, "cve_score", (row for rows in batch.rows for row in rows.scores))
            staging.stream(store, "cve_ssvc", (rows.ssvc for rows in batch.rows if rows.ssvc is not None))
            known = store.fetch_all("feed/list_staged_known")
            self.written += len(batch.rows) - self._drop_older(known, batch)
            if known:
                store.execute("feed/delete_cve_scores", {"scorers": _SCORERS})
            for table in COLUMNS:
                staging.merge(store, table, self._snapshot_id)
            params = {"source": self.copy.source, "snapshot_id": self._snapshot_id, "now": self.now}
            store.execute("feed/upsert_staged_lookups", params)
            store.execute("feed/clear_stage_cve")
        self.quarantined += len(batch.rejected)
        self.reasons += batch.rejected[: MAX_REASONS - len(self.reasons)]
        gate._write_quarantine(store, self.copy.source, self._snapshot_id, batch.rejected, self.now)

    def _drop_older(self, known: Sequence[dict[str, Any]], batch: _Batch) -> int:
        """Leave out what is older than ours, and note the twins of records that were passed over as unchanged."""
        places = ((row["cve_id"], self._known.find(bytes.fromhex(row["record_sha256"] or ""))) for row in known)
        self._met_again.update(cve_id for cve_id, place in places if place is not None and not self._known.meet(place))
        older = [row for row in known if row["older"]]
        batch.rejected += [
            Rejected(
                row["cve_id"],
                f"a copy of {row['offered_at'].isoformat()}, older than the record we have ({row['kept_at'].isoformat()})",
            )
            for row in older
        ]
        if older:
            self.store.execute("feed/delete_staged_cves", {"cve_ids": [row["cve_id"] for row in older]})
        return len(older)


def _each(rows: CveRows) -> Iterator[tuple[str, tuple[Any, ...]]]:
    yield "cve", rows.cve
    for row in rows.scores:
        yield "cve_score", row
    if rows.ssvc is not None:
        yield "cve_ssvc", rows.ssvc


def _shown(rows: CveRows) -> dict[str, Any]:
    row = dict(zip(COLUMNS["cve"], rows.cve, strict=True))
    return {name: value.isoformat() if isinstance(value, date) else value for name, value in row.items()}


@contextmanager
def _without_collector() -> Iterator[None]:
    """Rows are trees without cycles; the collector would walk all of a batch again and again for nothing."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
