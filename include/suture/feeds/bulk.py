"""Bulk load: hundreds of thousands of CVE records from files to queryable rows, as a stream.

The rules are those of `accept`; what differs is the way there:

1. A record whose content we have is passed over by its digest before it is read.
2. The others are read (`cve_rows`), checked by the same suites (`suite_stream`) and packed as PostgreSQL takes them, a chunk
   at a time and by several processes (`bulk_reading`, `forks`). Here their results are put together in order.
3. Where nothing is there yet that a record could meet, the rows go straight into their tables. Else they are staged, and
   merged a batch at a time. Either way one batch is written while the next is being read.
4. All of it is one transaction with its snapshot and evidence. A load that is killed or refused leaves nothing, and the
   next one starts over.
5. An id that stands more than once in a copy counts in none of its forms, as everywhere. The first such id is met when its
   twin may be written already: the whole is undone and done anew, without the ids that are then known to be twins.
6. Records that are left out go into the quarantine with their batch. When the whole copy is refused, the first
   MAX_REASONS of them are kept.
"""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from suture import collector
from suture.feeds import accept as gate
from suture.feeds import record_files, staging
from suture.feeds.bulk_reading import Chunk, Reading
from suture.feeds.cve_rows import COLUMNS
from suture.feeds.decoded import Decoded, Rejected
from suture.feeds.errors import FeedRefusedError
from suture.feeds.feed_source import FeedSource
from suture.feeds.forks import worked
from suture.feeds.outcome import FeedOutcome, FeedStatus
from suture.feeds.plugin import plugin_of
from suture.feeds.seen import KnownDigests, SeenIds
from suture.feeds.suite_stream import SuiteStream, words
from suture.store import Store

BATCH = 2000
WAITING = 1  # batches that wait while one is written
CHUNK = 250  # records that a reading process gets at once: about a megabyte, ten milliseconds
CHUNK_BYTES = 2 * 1024 * 1024
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
    rows: int = 0
    packed: dict[str, list[bytes]] = field(default_factory=lambda: {table: [] for table in COLUMNS})
    rejected: list[Rejected] = field(default_factory=list)

    def add(self, chunk: Chunk) -> None:
        self.rows += chunk.rows
        self.rejected += chunk.rejected
        for table, packed in chunk.packed.items():
            self.packed[table].append(packed)


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
        self.records = self.unchanged = self._bytes = 0  # of the reading thread
        self.written = self.quarantined = 0  # of the writing one
        self.reasons: list[Rejected] = []
        self.total = hashlib.sha256()
        self._started = time.monotonic()
        self._seen, self._met_again = SeenIds(), set[str]()
        self._max_record_bytes = source.max_bytes
        self._most = {"max_total_bytes": source.max_total_bytes, "max_records": source.max_files}
        self._snapshot_id, self._staged = 0, True

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
            row = store.fetch_one("feed/fetch_first_load", {"scorers": _SCORERS})
            self._staged = not (row and row["first_load"])
            self._stream(paths)
            if self._met_again:
                raise _TwinsError(self._met_again)
            digest = self.total.hexdigest()
            if last is not None and last["content_sha256"] == digest:
                raise _RefusedError(FeedStatus.UNCHANGED, None)
            self._refuse_too_few()
            if not self._staged:
                store.execute("feed/upsert_snapshot_lookups", self._lookup())
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
        with collector.paused(), ThreadPoolExecutor(1, "suture-bulk") as writer:
            writing = deque[Future[None]]()
            for batch in self._batches(paths):
                while len(writing) > WAITING:
                    writing.popleft().result()
                if not self._met_again:
                    writing.append(writer.submit(self._write, batch))
                if self.report is not None:
                    seconds = time.monotonic() - self._started
                    self.report(Progress(self.records, self.unchanged, self.quarantined, seconds))
            for written in writing:
                written.result()

    def _batches(self, paths: Sequence[Path]) -> Iterator[_Batch]:
        guard, said = plugin_of("cve5").guard, words(self.now)
        suites = {table: SuiteStream.load(table, columns, said, guard) for table, columns in COLUMNS.items()}
        snapshot_id = None if self._staged else self._snapshot_id
        reading = Reading(suites, self._known, self.twins, self._max_record_bytes, snapshot_id)
        items = record_files.records(paths, max_record_bytes=self._max_record_bytes, **self._most, unread=True)
        batch, told = _Batch(), 0
        with closing(worked(_chunks(items), reading, prepare=reading.prepare)) as results:
            for chunk_items, chunk in results:
                self.records += chunk.records
                self._bytes += chunk.size
                record_files.refuse_more(str(paths[0]), self._bytes, self.records, **self._most)
                self.total.update(chunk.audit)
                self._meet(chunk, chunk_items, reading)
                batch.add(chunk)
                if batch.rows >= BATCH or len(batch.rejected) >= BATCH or self.records - told >= BATCH * 8:
                    yield batch
                    batch, told = _Batch(), self.records
        yield batch

    def _meet(self, chunk: Chunk, items: Sequence[record_files.Item], reading: Reading) -> None:
        """Note the ids of a chunk, and which of its records we have; what comes a second time is a twin."""
        for number, place in chunk.known:
            if self._known.meet(place):
                self.unchanged += 1
                continue
            again = reading.read([items[number]], KnownDigests(None))
            chunk.rejected += again.rejected
            self._met_again.update(again.ids)  # its twin was passed over as unchanged
        self._met_again.update(cve_id for cve_id in chunk.ids if not self._seen.add(cve_id))

    def _write(self, batch: _Batch) -> None:
        store = self.store
        if batch.rows:
            for table, parts in batch.packed.items():
                staging.put(store, table, parts, staged=self._staged)
            self.written += batch.rows
            if self._staged:
                self._merge(batch)
        self.quarantined += len(batch.rejected)
        self.reasons += batch.rejected[: MAX_REASONS - len(self.reasons)]
        gate._write_quarantine(store, self.copy.source, self._snapshot_id, batch.rejected, self.now)

    def _merge(self, batch: _Batch) -> None:
        store = self.store
        known = store.fetch_all("feed/list_staged_known")
        self.written -= self._drop_older(known, batch)
        if known:
            store.execute("feed/delete_cve_scores", {"scorers": _SCORERS})
            store.execute("feed/delete_cve_products")
        for table in COLUMNS:
            staging.merge(store, table, self._snapshot_id)
        store.execute("feed/upsert_staged_lookups", self._lookup())
        store.execute("feed/clear_stage_cve")

    def _lookup(self) -> dict[str, Any]:
        return {"source": self.copy.source, "snapshot_id": self._snapshot_id, "now": self.now}

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


def _chunks(items: Iterable[record_files.Item]) -> Iterator[list[record_files.Item]]:
    chunk: list[record_files.Item] = []
    size, most = 0, min(CHUNK, BATCH)
    for item in items:
        chunk.append(item)
        size += len(item[1]) if isinstance(item[1], bytes) else 0
        if len(chunk) >= most or size >= CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk
