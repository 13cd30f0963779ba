"""Bulk load of EPSS: a quarter of a million lines as a stream, by the rules of `accept` and of `sources/epss`.

The lines are staged, and merged at the end, when it is certain that the copy is whole: it replaces every score at once.
Where there is no score yet they go straight into the table, in the same transaction; should an id come twice then, the
table's key says so, and the load begins anew by the way of staging, which knows what to do.

Lines are read, checked and packed many at a time. Where one of them is not as it should be, each of them is looked at.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from itertools import islice, repeat
from math import isfinite
from pathlib import Path
from typing import Any

from suture import collector
from suture.errors import BadInputError
from suture.feeds import accept as gate
from suture.feeds import packed, quality, staging
from suture.feeds.decoded import Decoded, Rejected
from suture.feeds.errors import FeedFormatError, FeedRefusedError
from suture.feeds.feed_source import FeedSource
from suture.feeds.outcome import FeedOutcome, FeedStatus
from suture.feeds.plugin import plugin_of
from suture.feeds.sources import epss
from suture.feeds.suite_stream import SuiteStream, words
from suture.store import DuplicateKeyError, Store

MAX_REASONS = 1000
_MAX_LINE_BYTES = 4096
_LINES_AT_ONCE = 2000
_COLUMNS = tuple(staging.TABLES["epss"])
_Row = tuple[str, float, float, date, str]


class _RefusedError(Exception):
    """Nothing of this load stands."""

    def __init__(self, status: FeedStatus, reason: str | None) -> None:
        self.status, self.reason = status, reason


def load_epss(
    store: Store, source: FeedSource, path: Path, *, now: datetime, actor: str = "suture:feed_load"
) -> FeedOutcome:
    """Load a copy of EPSS (.csv, gzip or not). Raises BadInputError for a path that cannot be read, StoreError."""
    last = store.fetch_one("feed/fetch_accepted_snapshot", {"source": source.name})
    floor = quality.floor_of(last["record_count"] if last else None, source.max_shrink_share, source.min_records)
    url = f"file:{path.name}"
    copy = gate.Copy(
        source.name, url, Decoded(None, {}), "", main_table="epss", floor=floor, max_data_age=source.max_data_age
    )
    load = _Load(store, path, now)
    try:
        copy = replace(copy, sha256=_digest(path, source))
        if last is not None and last["content_sha256"] == copy.sha256:
            raise _RefusedError(FeedStatus.UNCHANGED, None)
        try:
            with collector.paused(), store.transaction():
                return load.run(source, copy, last, actor)
        except DuplicateKeyError:
            load = _Load(store, path, now, staged=True)
            with collector.paused(), store.transaction():
                return load.run(source, copy, last, actor)
    except _RefusedError as refused:
        ended = replace(copy, decoded=Decoded(load.dated, {}, records=load.records))
        return gate.conclude(store, ended, refused.status, refused.reason, load.rejected, now=now, actor=actor)
    except (FeedFormatError, FeedRefusedError) as error:
        return gate.conclude(store, copy, FeedStatus.QUARANTINED, error.message, now=now, actor=actor)


class _Load:
    def __init__(self, store: Store, path: Path, now: datetime, *, staged: bool = False) -> None:
        self.store, self.path, self.now, self.staged = store, path, now, staged
        self.dated: datetime | None = None
        self.records = self.packed = 0
        self.rejected: list[Rejected] = []
        self._suite = SuiteStream.load("epss", _COLUMNS, words(now), plugin_of("epss").guard)

    def run(self, source: FeedSource, copy: gate.Copy, last: Any, actor: str) -> FeedOutcome:
        store = self.store
        staging.create(store, ("epss",))
        lines = _lines(self.path, source)
        header = epss.header(next(lines, ""), next(lines, ""), where=str(self.path))
        self.dated = header.scored_at
        copy = replace(copy, decoded=Decoded(self.dated, {}))
        if refused := gate._dates_refused(copy, last, self.now):
            raise _RefusedError(*refused)
        staging.lock(store, ("epss",))
        if not self.staged:
            row = store.fetch_one("feed/fetch_first_scores")
            self.staged = not (row and row["first_load"])
        snapshot_id = gate._write_snapshot(store, copy, FeedStatus.ACCEPTED, None, 0, 0, self.now)
        staging.put(store, "epss", self._packed(lines, header, snapshot_id), staged=self.staged)
        kept = self.packed - (self._drop_twins() if self.staged else 0)
        if kept < max(copy.floor, 1):
            raise _RefusedError(
                FeedStatus.QUARANTINED, f"only {kept} of {self.records} records are fit for use, "
                f"expected at least {max(copy.floor, 1)}"
            )  # fmt: skip
        left_out = len(self.rejected)
        counts = {"record_count": kept, "quarantined_count": left_out, "content_sha256": copy.sha256 or None}
        store.execute("feed/update_feed_snapshot", {**counts, "snapshot_id": snapshot_id})
        if self.staged:
            staging.merge(store, "epss", snapshot_id)
        gate._write_quarantine(store, copy.source, snapshot_id, self.rejected, self.now)
        outcome = FeedOutcome(copy.source, FeedStatus.ACCEPTED, None, kept, left_out, self.dated, None)
        gate._record(store, outcome, copy, actor, self.now)
        return outcome

    def _packed(self, lines: Iterator[str], header: epss.Header, snapshot_id: int) -> Iterator[bytes]:
        dated, model = header.scored_at.date(), header.model
        head, tail = packed.epss_edges(len(_COLUMNS), dated, model, None if self.staged else snapshot_id)
        number = 3
        while chunk := list(islice(lines, _LINES_AT_ONCE)):
            rows = self._plain(chunk, dated, model)
            if rows is None:
                rows = list(self._looked_at(chunk, number, dated, model))
            else:
                self.records += len(chunk)
            number += len(chunk)
            self.packed += len(rows)
            yield b"".join([packed.epss(row[0], row[1], row[2], head, tail) for row in rows])

    def _plain(self, chunk: list[str], dated: date, model: str) -> list[_Row] | None:
        """The rows of lines that are all as they should be; None when one is not."""
        if any(line.count(",") != 2 for line in chunk):
            return None
        joined = ",".join(chunk)
        if "\0" in joined:
            return None
        fields = joined.split(",")
        try:
            probabilities, percentiles = list(map(float, fields[1::3])), list(map(float, fields[2::3]))
        except ValueError:
            return None
        if not (all(map(isfinite, probabilities)) and all(map(isfinite, percentiles))):
            return None
        rows = list(zip(fields[::3], probabilities, percentiles, repeat(dated), repeat(model)))
        return rows if self._suite.all_pass(rows) else None

    def _looked_at(self, chunk: list[str], first: int, dated: date, model: str) -> Iterator[_Row]:
        for number, line in enumerate(chunk, start=first):
            if line.isspace():
                continue
            self.records += 1
            parsed = epss.values(line)
            if isinstance(parsed, str):
                where = f"{self.path}, line {number}"
                self._leave_out(Rejected(f"line {number}", f"{where}: {parsed}.", {"line": epss.shown(line)}))
                continue
            row = (*parsed, dated, model)
            if self._suite.passes(row):
                yield row
            else:
                shown = dict(zip(_COLUMNS[:3], parsed, strict=True))
                self._leave_out(Rejected(parsed[0], "; ".join(self._suite.faults(row)), shown))

    def _drop_twins(self) -> int:
        """Rows of ids that stand more than once are taken out; how many."""
        twins = [row["cve_id"] for row in self.store.fetch_all("feed/list_staged_epss_twins")]
        if not twins:
            return 0
        why = self._suite.unique["cve_id"]
        for cve_id in twins:
            self._leave_out(Rejected(cve_id, f"epss.cve_id is {cve_id!r}: {why}"))
        return self.store.execute("feed/delete_staged_epss", {"cve_ids": twins})

    def _leave_out(self, item: Rejected) -> None:
        if len(self.rejected) >= MAX_REASONS * 100:
            raise _RefusedError(
                FeedStatus.QUARANTINED, f"more than {MAX_REASONS * 100} of its lines are not fit for use"
            )
        self.rejected.append(item)


def _digest(path: Path, source: FeedSource) -> str:
    """SHA-256 of the file's content, inflated, as for a copy that is fetched."""
    total = hashlib.sha256()
    try:
        with _opened(path) as stream:
            size = 0
            while part := stream.read(1 << 18):
                size += len(part)
                if size > source.max_bytes:
                    raise FeedRefusedError(
                        f"{path}: more than the {source.max_bytes} bytes that {source.name} may have."
                    )
                total.update(part)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        return ""  # reading it for good says why
    except OSError as error:
        raise BadInputError(f"{path} cannot be read: {error.strerror or error}.") from error
    return total.hexdigest()


def _lines(path: Path, source: FeedSource) -> Iterator[str]:
    size = 0
    try:
        with _opened(path) as stream:
            while line := stream.readline(_MAX_LINE_BYTES):
                size += len(line)
                if size > source.max_bytes:
                    raise FeedRefusedError(
                        f"{path}: more than the {source.max_bytes} bytes that {source.name} may have."
                    )
                yield str(line, "utf-8")
    except UnicodeDecodeError as error:
        raise FeedFormatError(str(path), f"not UTF-8 near byte {size}") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise FeedFormatError(str(path), f"the compressed document breaks off or is damaged: {error}") from error
    except OSError as error:
        raise BadInputError(f"{path} cannot be read: {error.strerror or error}.") from error


def _opened(path: Path) -> io.BufferedReader | gzip.GzipFile:
    stream = path.open("rb")
    packed = stream.peek(2)[:2] == b"\x1f\x8b"
    return gzip.GzipFile(fileobj=stream) if packed else stream
