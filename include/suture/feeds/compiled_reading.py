"""CVE records read by a compiled reader that runs as WebAssembly: rows as `cve_rows` and `packed` make them, several times as fast.

The rules:

1. `cve_reader/cve_reader.wasm` is what rustc makes of the sources beside it, byte for byte; a test builds it anew. It is
   written in safe Rust and runs in a sandbox (wasmtime): it sees the bytes that it is given, and can ask for nothing else.
2. It takes a record only when it is certain of what Python's reader makes of it. All others are Python's: it alone refuses, leaves
   out and mends (`cve_rows`, `sources/cve5`).
3. The suites stay where they are. They get the values that stand in the rows: distinct ones, or the least and the greatest.
   A suite that asks for more than that is not served here (`serves`), and one that finds a fault sends all to Python.
4. A reader that fails (a trap) took nothing: Python reads those records, and the next ones get a new instance.
5. Where wasmtime cannot run, there is none: the same rows, only slower.
"""

from __future__ import annotations

import atexit
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from suture.feeds import forks, packed
from suture.feeds.cve_rows import COLUMNS, SOURCE
from suture.feeds.staging import OF_RECORD
from suture.feeds.suite_stream import BETWEEN, LENGTH, SuiteStream
from suture.store.packed_fields import NUMBERS

if TYPE_CHECKING:
    from wasmtime import Engine, Func, Memory, Module, Store

WASM = Path(__file__).parent / "cve_reader" / "cve_reader.wasm"
MAX_RECORD_BYTES = 1024 * 1024  # larger ones are Python's
ROOM = 1024 * 1024  # bytes of records that are read at once
_TABLES = tuple(COLUMNS)
_EPOCH, _FIRST_DAY = datetime(2000, 1, 1, tzinfo=UTC), date(2000, 1, 1)
_STATES, _CVSS = ("PUBLISHED", "REJECTED"), ("4.0", "3.1", "3.0", "2.0")
_SSVC = (("none", "poc", "active"), ("yes", "no"), ("partial", "total"))
_TENTHS = tuple(tenth / 10 for tenth in range(101))
_SPANS = struct.Struct("<6q2I")
_KNOWN_LISTS = len(_STATES) + len(_CVSS) + len(_TENTHS) + 9
_size = struct.Struct("<I")
_record = struct.Struct("<I32s")
_results = struct.Struct("<15I")
# The columns whose values the suites get: all of them, or only their bounds; "" is the length of a list's items.
_BOUNDS, _LENGTHS = frozenset({BETWEEN}), frozenset({LENGTH})
_SERVED: Mapping[str, Mapping[str, frozenset[str] | None]] = {
    "cve": {
        "cve_id": None, "state": None, "title": _LENGTHS, "cwe_ids": frozenset({""}), "published_at": _BOUNDS,
        "modified_at": _BOUNDS, "source": None, "record_kev_added": _BOUNDS,
    },
    "cve_score": {
        "cve_id": None, "source": None, "cvss_version": None, "vector": None, "base_score": None, "severity": None,
    },
    "cve_ssvc": {"cve_id": None, "exploitation": None, "automatable": None, "technical_impact": None, "source": None},
    "cve_product": {"cve_id": None, "source": None, "vendor": None},
}  # fmt: skip
Values = Mapping[str, Mapping[int, set[Any]]]


@dataclass(frozen=True, slots=True)
class Found:
    """What some records became. taken: which of them, in their order; ids, packed: of those, as in `bulk_reading.Chunk`;
    values: what the suites need to know, by table and column."""

    taken: Sequence[bool]
    ids: list[str]
    packed: Mapping[str, bytes]
    values: Values


def serves(suites: Mapping[str, SuiteStream]) -> bool:
    """Whether these suites ask for nothing that is not known of the rows of a compiled reader."""
    for table, suite in suites.items():
        for (index, _check, _column, _why), kind in zip(suite.checks, suite.kinds, strict=True):
            column = COLUMNS[table][index]
            kinds = _SERVED[table].get(column, frozenset())
            if kinds is not None and kind not in kinds:
                return False
    return True


@cache
def _engine() -> Engine | None:
    try:
        import wasmtime
    except (ImportError, OSError, RuntimeError):
        return None
    config = wasmtime.Config()
    config.parallel_compilation = False  # no threads: helpers are forks
    config.memory_init_cow = False  # no file for it: helpers close all that they inherit
    try:
        return wasmtime.Engine(config)
    except wasmtime.WasmtimeError:
        return None


@cache
def _module() -> tuple[Engine, Module] | None:
    """The engine and the compiled module, for this process and its forks; None where there is none."""
    try:
        engine, native = forks.beside(_engine, _native, WASM)
    except forks.HelperError:
        return None
    if engine is None or not native:
        return None
    import wasmtime

    module = wasmtime.Module.deserialize(engine, native)
    atexit.register(_module.cache_clear)  # while wasmtime is whole: later it complains
    return engine, module


def _native(wasm: Path) -> bytes:
    """Machine code for this processor; b"" where there is none. In a process of its own: the compiler takes 30 MiB."""
    engine = _engine()
    if engine is None:
        return b""
    import wasmtime

    try:
        return bytes(wasmtime.Module(engine, wasm.read_bytes()).serialize())
    except (wasmtime.WasmtimeError, OSError):
        return b""


def prepare() -> bool:
    """Compile it; False where there is none. For who forks helpers, which then need not."""
    return _module() is not None


def reader(snapshot_id: int | None) -> CompiledReader | None:
    """One for this process; None where there is none (no wasmtime, or no address space for it). snapshot_id: as for
    `bulk_reading.Reading`."""
    module = _module()
    if module is None:
        return None
    import wasmtime

    try:
        return CompiledReader(module, snapshot_id)
    except wasmtime.WasmtimeError:
        return None


class CompiledReader:
    """An instance, for one process: a fork makes its own."""

    def __init__(self, module: tuple[Engine, Module], snapshot_id: int | None) -> None:
        self._module = module
        self._store: Store | None = None
        edges = [packed.edges(len(COLUMNS[table]), None if table in OF_RECORD else snapshot_id) for table in _TABLES]
        self._settings = [edge[0] for edge in edges] + [edge[1] for edge in edges] + [NUMBERS[tenth] for tenth in _TENTHS]
        self._start()

    def _start(self) -> Store:
        """A new instance. Raises WasmtimeError where it finds no room."""
        import wasmtime

        engine, module = self._module
        store = wasmtime.Store(engine)
        exports = wasmtime.Instance(store, module, []).exports(store)
        self._memory = cast("Memory", exports["memory"])
        self._room, self._configure, self._read = (cast("Func", exports[name]) for name in ("room", "configure", "read"))
        self._put(store, b"".join([part for field in self._settings for part in (_size.pack(len(field)), field)]))
        if not self._configure(store):
            raise AssertionError("the compiled reader refuses its settings")
        self._store = store
        return store

    def _put(self, store: Store, content: bytes) -> None:
        self._memory.write(store, content, self._room(store, len(content)))

    def read(self, records: Sequence[tuple[bytes, bytes]]) -> Found | None:
        """What (digest, content) become; each content is UTF-8. None: the instance failed, and took nothing."""
        import wasmtime

        parts = [part for digest, raw in records for part in (_record.pack(len(raw), digest), raw)]
        try:
            store = self._store or self._start()
            self._put(store, b"".join(parts))
            place = self._read(store)
            *where, fine = _results.unpack(self._memory.read(store, place, place + _results.size))
            results = [
                bytes(self._memory.read(store, start, start + size))
                for start, size in zip(where[::2], where[1::2], strict=True)
            ]
        except (wasmtime.Trap, wasmtime.WasmtimeError, IndexError):
            if self._store is not None:  # whatever it holds now: the next call makes another one
                self._store.close()
                self._store = None
            return None
        if not fine or len(results[5]) != len(records):
            return None
        ids = results[4].decode("ascii").split()
        return Found(
            list(map(bool, results[5])), ids, dict(zip(_TABLES, results[:4], strict=True)), _values(results[6], ids)
        )


def _values(summary: bytes, ids: Sequence[str]) -> Values:
    *spans, shortest, longest = _SPANS.unpack_from(summary)
    at = _SPANS.size
    met = summary[at : at + _KNOWN_LISTS]
    states, cvss, tenths = met[:2], met[2:6], met[6:107]
    ssvc = met[107:110], met[110:113], met[113:116]
    cwes, scorers, vectors, severities, ssvc_sources, product_sources, vendors = _texts(summary, at + _KNOWN_LISTS)
    named: Mapping[str, Mapping[str, set[Any]]] = {
        "cve": {
            "cve_id": set(ids), "state": _met(states, _STATES),
            "title": {"x" * shortest, "x" * longest} if shortest <= longest else set(),
            "cwe_ids": {tuple(cwes)}, "published_at": set(map(_moment, _span(spans[0:2]))),
            "modified_at": set(map(_moment, _span(spans[2:4]))), "source": {SOURCE} if ids else set(),
            "record_kev_added": {_FIRST_DAY + timedelta(days=day) for day in _span(spans[4:6])},
        },
        "cve_score": {
            "cve_id": set(ids), "source": scorers, "cvss_version": _met(cvss, _CVSS), "vector": vectors,
            "base_score": _met(tenths, _TENTHS), "severity": severities,
        },
        "cve_ssvc": {
            "cve_id": set(ids), "source": ssvc_sources, "exploitation": _met(ssvc[0], _SSVC[0]),
            "automatable": _met(ssvc[1], _SSVC[1]), "technical_impact": _met(ssvc[2], _SSVC[2]),
        },
        "cve_product": {"cve_id": set(ids), "source": product_sources, "vendor": vendors},
    }  # fmt: skip
    return {
        table: {COLUMNS[table].index(column): found for column, found in columns.items()}
        for table, columns in named.items()
    }


def _texts(summary: bytes, at: int) -> Iterator[set[str]]:
    while at < len(summary):
        (count,) = _size.unpack_from(summary, at)
        at += _size.size
        found = set()
        for _text in range(count):
            (size,) = _size.unpack_from(summary, at)
            at += _size.size + size
            found.add(summary[at - size : at].decode("utf-8"))
        yield found


def _met(marks: bytes, known: Sequence[Any]) -> set[Any]:
    return {value for mark, value in zip(marks, known, strict=False) if mark}


def _span(span: Sequence[int]) -> Sequence[int]:
    return span if span[0] <= span[1] else ()


def _moment(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)
