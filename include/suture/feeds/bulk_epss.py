"""Bulk load of EPSS: a quarter of a million lines as a stream, by the rules of `accept` and of `sources/epss`.

The lines are staged, and merged at the end, when it is certain that the copy is whole: it replaces every score at once.
Where there is no score yet they go straight into the table, in the same transaction; should an id come twice then, the
table's key says so, and the load begins anew by the way of staging, which knows what to do.

A block of lines is proven by one regular expression and goes to the server as it came, with the copy's date and model
behind each line. Where a block has anything else in it, each of its lines is looked at, and only that leaves lines out.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import zlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from functools import partial
from itertools import chain, repeat
from pathlib import Path
from typing import Any

from suture import collector
from suture.errors import BadInputError
from suture.feeds import accept as gate
from suture.feeds import quality, staging
from suture.feeds.decoded import Decoded, Rejected
from suture.feeds.errors import FeedFormatError, FeedRefusedError
from suture.feeds.feed_source import FeedSource
from suture.feeds.outcome import FeedOutcome, FeedStatus
from suture.feeds.plugin import plugin_of
from suture.feeds.sources import epss
from suture.feeds.suite_stream import BETWEEN, LENGTH, SuiteStream, words
from suture.store import DuplicateKeyError, Store

MAX_REASONS = 1000
_MAX_LINE_BYTES = 4096
_BLOCK = 1 << 17  # bytes that are read at once
_COLUMNS = tuple(staging.TABLES["epss"])
# Lines that `sources/epss` and its suite pass, however many: an id, two numbers from 0 to 1, no more digits than a double tells.
_ID = "CVE-[0-9]{4}-[0-9]{4,19}"
_NUMBER = r"(?:0\.[0-9]{1,17}+|1(?:\.0{1,17}+)?+|0)"
_plain_lines = re.compile(f"(?:{_ID}+,{_NUMBER},{_NUMBER}\n)*+".encode()).fullmatch
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
        self.records = self.written = self._place = 0  # _place: bytes of the file so far
        self.rejected: list[Rejected] = []
        self._suite = SuiteStream.load("epss", _COLUMNS, words(now), plugin_of("epss").guard)

    def run(self, source: FeedSource, copy: gate.Copy, last: Any, actor: str) -> FeedOutcome:
        store = self.store
        staging.create(store, ("epss",))
        blocks = _blocks(self.path, source)
        first, second = ("".join(self._split(next(blocks, b""))) for _line in range(2))
        header = epss.header(first, second, where=str(self.path))
        self.dated = header.scored_at
        copy = replace(copy, decoded=Decoded(self.dated, {}))
        if refused := gate._dates_refused(copy, last, self.now):
            raise _RefusedError(*refused)
        staging.lock(store, ("epss",))
        if not self.staged:
            row = store.fetch_one("feed/fetch_first_scores")
            self.staged = not (row and row["first_load"])
        snapshot_id = gate._write_snapshot(store, copy, FeedStatus.ACCEPTED, None, 0, 0, self.now)
        staging.put(store, "epss", self._csv(blocks, header, snapshot_id), staged=self.staged, csv=True)
        kept = self.written - (self._drop_twins() if self.staged else 0)
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

    def _csv(self, blocks: Iterator[bytes], header: epss.Header, snapshot_id: int) -> Iterator[bytes]:
        """The lines that are fit for use, as CSV with all columns."""
        dated, model = header.scored_at.date(), header.model
        ending = f",{dated},{_quoted(model)}{'' if self.staged else f',{snapshot_id}'}\n".encode()
        sure = _passes_plain_lines(self._suite, dated, model)
        number = 3
        for block in blocks:
            if sure and _plain_lines(block):
                count = block.count(b"\n")
                self._place += len(block)
                self.records += count
                self.written += count
                yield block.replace(b"\n", ending)
            else:
                lines = list(self._split(block))
                count = len(lines)
                rows = list(self._looked_at(lines, number, dated, model))
                self.written += len(rows)
                yield "".join([f"{_quoted(row[0])},{row[1]!r},{row[2]!r}{ending.decode()}" for row in rows]).encode()
            number += count

    def _split(self, block: bytes) -> Iterator[str]:
        stream = io.BytesIO(block)
        while line := stream.readline(_MAX_LINE_BYTES):
            self._place += len(line)
            try:
                yield str(line, "utf-8")
            except UnicodeDecodeError as error:
                raise FeedFormatError(str(self.path), f"not UTF-8 near byte {self._place}") from error

    def _looked_at(self, lines: list[str], first: int, dated: date, model: str) -> Iterator[_Row]:
        for number, line in enumerate(lines, start=first):
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


def _blocks(path: Path, source: FeedSource) -> Iterator[bytes]:
    """The file's content, inflated: its first line, its second, and then many lines at once, none of them in two blocks
    unless it is longer than a line may be."""
    size, rest = 0, b""
    try:
        with _opened(path) as stream:
            single = repeat(partial(stream.readline, _MAX_LINE_BYTES), 2)
            for number, read in enumerate(chain(single, repeat(partial(stream.read, _BLOCK)))):
                part = read()
                if not part:
                    break
                size += len(part)
                if size > source.max_bytes:
                    raise FeedRefusedError(
                        f"{path}: more than the {source.max_bytes} bytes that {source.name} may have."
                    )
                block = rest + part
                end = len(block) if number < 2 else block.rfind(b"\n") + 1
                if not end:
                    end = len(block) // _MAX_LINE_BYTES * _MAX_LINE_BYTES
                if end:
                    yield block[:end]
                rest = block[end:]
            if rest:
                yield rest
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise FeedFormatError(str(path), f"the compressed document breaks off or is damaged: {error}") from error
    except OSError as error:
        raise BadInputError(f"{path} cannot be read: {error.strerror or error}.") from error


def _passes_plain_lines(suite: SuiteStream, dated: date, model: str) -> bool:
    """Whether all that `_plain_lines` matches passes the suite with this date and model: bounds are proven by the least and
    the greatest, an id by the pattern itself. A suite that asks for more of them is asked about each line."""
    least = ("CVE-0000-0000", 0.0, 0.0, dated, model)
    most = (f"CVE-9999-{'9' * 19}", 1.0, 1.0, dated, model)
    by_bounds = all(
        column in ("score_date", "model_version") or kind in (BETWEEN, LENGTH) or asks == {"regex": f"^{_ID}$"}
        for (_index, _check, column, _why), kind, asks in zip(suite.checks, suite.kinds, suite.asks, strict=True)
    )
    return by_bounds and suite.passes(least) and suite.passes(most)


def _quoted(text: str) -> str:
    """A field of CSV."""
    return '"' + text.replace('"', '""') + '"'


def _opened(path: Path) -> io.BufferedReader | gzip.GzipFile:
    stream = path.open("rb")
    packed = stream.peek(2)[:2] == b"\x1f\x8b"
    return gzip.GzipFile(fileobj=stream) if packed else stream
