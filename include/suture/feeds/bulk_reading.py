"""The reading half of a bulk load: records in, packed rows out. It knows no store, so that it can run in other processes.

The rules:

1. Each record is read, compared with what we have by its digest, read into rows and checked by the suites, all by itself.
   What needs the whole copy (twins, floors, limits of the copy) is the caller's: he gets every id and every size.
2. A suite is run over a chunk's columns. Only where that finds something is each row asked for its faults.
3. Most records are read by a compiled reader, many at once (`compiled_reading`); what it does not take is read here.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from suture.feeds import compiled_reading, packed, record_files
from suture.feeds.compiled_reading import CompiledReader
from suture.feeds.cve_rows import COLUMNS, CveRows, rows_of
from suture.feeds.decoded import Rejected, kept
from suture.feeds.errors import FeedFormatError
from suture.feeds.seen import KnownDigests
from suture.feeds.staging import OF_RECORD
from suture.feeds.suite_stream import SuiteStream

PAYS = 4000  # records that Python reads in the time that compiling takes
_PACKERS: Mapping[str, packed.Packer] = {
    "cve": packed.cve, "cve_score": packed.score, "cve_ssvc": packed.ssvc, "cve_product": packed.product,
}  # fmt: skip


@dataclass(slots=True)
class Chunk:
    """What some records became. audit: their digests (or why there is none) in order; size: bytes of all of them; ids: of
    those that were read; known: which ones (by place in the chunk) have a digest that we have, and which; rows: how many
    records are fit for use; packed: their rows by table, in the binary COPY format."""

    records: int = 0
    audit: bytes = b""
    size: int = 0
    ids: list[str] = field(default_factory=list)
    known: list[tuple[int, int]] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    rows: int = 0
    packed: dict[str, bytes] = field(default_factory=dict)


_Item = tuple[str, bytes, bytes]  # a record that is not known: its name, its digest, its content


@dataclass
class Reading:
    """How to read. digests: of the records that we have; twins: ids that stand more than once; snapshot_id: a column of
    the rows, None where they are staged; compiled: whether a compiled reader may be asked first."""

    suites: Mapping[str, SuiteStream]
    digests: KnownDigests
    twins: frozenset[str]
    max_record_bytes: int
    snapshot_id: int | None
    compiled: bool = True
    _reader: tuple[int, CompiledReader | None] | None = field(default=None, init=False)  # with the process that it is for
    _reads_many: bool = field(default=False, init=False)
    _unknown: int = field(default=0, init=False)  # records that this process had to read

    def __post_init__(self) -> None:
        self.compiled = self.compiled and not self.twins and compiled_reading.serves(self.suites)

    def __call__(self, items: Sequence[record_files.Item]) -> Chunk:
        """Raises BadInputError for a file that cannot be read."""
        return self.read(items, self.digests)

    def prepare(self) -> None:
        """More is to come than a few chunks: the compiled reader may pay. Where all of it will be read it is compiled now, for
        all forks; else by whoever has met more than PAYS records that are not known."""
        self._reads_many = self.compiled and (len(self.digests) > 0 or compiled_reading.prepare())

    def read(self, items: Sequence[record_files.Item], digests: KnownDigests) -> Chunk:
        chunk = Chunk(records=len(items))
        audit: list[bytes] = []
        found: list[tuple[str, CveRows]] = []
        waiting: list[_Item] = []
        size = 0
        for number, (name, content) in enumerate(items):
            if isinstance(content, record_files.Unread):
                content = record_files.read(name, self.max_record_bytes)
            if isinstance(content, Rejected):
                audit.append(content.reason.encode())
                chunk.rejected.append(content)
                continue
            chunk.size += len(content)
            digest = hashlib.sha256(content).digest()
            audit.append(digest)
            place = digests.find(digest)
            if place is not None:
                chunk.known.append((number, place))
                continue
            waiting.append((name, digest, content))
            size += len(content)
            if size >= compiled_reading.ROOM:
                self._take_all(chunk, found, waiting)
                waiting, size = [], 0
        self._take_all(chunk, found, waiting)
        chunk.audit = b"".join(audit)
        self._pack(chunk, found)
        return chunk

    def _take_all(self, chunk: Chunk, found: list[tuple[str, CveRows]], items: list[_Item]) -> None:
        scratch = bytearray()
        self._unknown += len(items)
        pays = self._reads_many and (not len(self.digests) or self._unknown > PAYS)
        for name, digest, content in self._take_most(chunk, items) if pays else items:
            self._take(chunk, found, name, content, digest, scratch)

    def _take_most(self, chunk: Chunk, items: list[_Item]) -> list[_Item]:
        """Have the compiled reader take what it can; the others."""
        fit = [len(item[2]) <= compiled_reading.MAX_RECORD_BYTES and _is_utf8(item[2]) for item in items]
        reader = self._own_reader() if any(fit) else None
        asked = [(digest, content) for (_name, digest, content), fits in zip(items, fit, strict=True) if fits]
        done = reader.read(asked) if reader else None
        if done is None or not all(suite.values_pass(done.values[table]) for table, suite in self.suites.items()):
            return items
        chunk.ids += done.ids
        chunk.rows += len(done.ids)
        for table, rows in done.packed.items():
            chunk.packed[table] = chunk.packed.get(table, b"") + rows
        taken = iter(done.taken)
        return [item for item, fits in zip(items, fit, strict=True) if not (fits and next(taken))]

    def _own_reader(self) -> CompiledReader | None:
        if self._reader is None or self._reader[0] != os.getpid():
            self._reader = os.getpid(), compiled_reading.reader(self.snapshot_id)
        return self._reader[1]

    def _take(
        self, chunk: Chunk, found: list[tuple[str, CveRows]], name: str, content: bytes, digest: bytes, scratch: bytearray
    ) -> None:
        try:
            rows = rows_of(content, digest, where=name, scratch=scratch)
        except FeedFormatError as error:
            record_id = name.rpartition("/")[2][-200:]
            chunk.rejected.append(Rejected(record_id, error.message, kept(content[:2000])))
            return
        cve_id = rows.cve[0]
        if cve_id in self.twins:
            why = self.suites["cve"].unique["cve_id"]
            said = f"{name}: cve.cve_id is {cve_id[:100]!r}: {why}"
            chunk.rejected.append(Rejected(cve_id, said, _shown(rows)))
            return
        chunk.ids.append(cve_id)
        chunk.rejected += rows.rejected
        found.append((name, rows))

    def _pack(self, chunk: Chunk, found: list[tuple[str, CveRows]]) -> None:
        tables = _tables(found)
        if not all(self.suites[table].all_pass(rows) for table, rows in tables.items()):
            found = [(name, rows) for name, rows in found if self._fit(chunk, name, rows)]
            tables = _tables(found)
        chunk.rows += len(found)
        for table, rows in tables.items():
            head, tail = packed.edges(len(COLUMNS[table]), None if table in OF_RECORD else self.snapshot_id)
            pack = _PACKERS[table]
            chunk.packed[table] = b"".join([chunk.packed.get(table, b""), *(pack(row, head, tail) for row in rows)])

    def _fit(self, chunk: Chunk, name: str, rows: CveRows) -> bool:
        reasons = [fault for table, row in _each(rows) for fault in self.suites[table].faults(row)]
        if reasons:
            cve_id, said = rows.cve[0], "; ".join(dict.fromkeys(reasons))
            chunk.rejected.append(Rejected(cve_id, f"{name}, {cve_id[:80]}: {said}", _shown(rows)))
        return not reasons


def _is_utf8(content: bytes) -> bool:
    if content.isascii():
        return True
    try:
        str(content, "utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _tables(found: Sequence[tuple[str, CveRows]]) -> dict[str, list[tuple[Any, ...]]]:
    return {
        "cve": [rows.cve for _name, rows in found],
        "cve_score": [row for _name, rows in found for row in rows.scores],
        "cve_ssvc": [rows.ssvc for _name, rows in found if rows.ssvc is not None],
        "cve_product": [row for _name, rows in found for row in rows.products],
    }


def _each(rows: CveRows) -> Iterator[tuple[str, tuple[Any, ...]]]:
    yield "cve", rows.cve
    for row in rows.scores:
        yield "cve_score", row
    if rows.ssvc is not None:
        yield "cve_ssvc", rows.ssvc
    for row in rows.products:
        yield "cve_product", row


def _shown(rows: CveRows) -> dict[str, Any]:
    row = dict(zip(COLUMNS["cve"], rows.cve, strict=True))
    return {name: value.isoformat() if isinstance(value, date) else value for name, value in row.items()}
