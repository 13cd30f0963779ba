"""A chunk that is read with the compiled reader is the chunk that Python alone reads, whatever is in it and whatever fails."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import random
import struct
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import wasmtime

from suture.feeds import bulk_reading, compiled_reading, cve_rows
from suture.feeds.bulk_reading import Chunk, Reading
from suture.feeds.compiled_reading import CompiledReader
from suture.feeds.decoded import Rejected
from suture.feeds.plugin import plugin_of
from suture.feeds.record_files import UNREAD
from suture.feeds.seen import KnownDigests
from suture.feeds.suite_stream import BETWEEN, LENGTH, SuiteStream, words
from tests.fleet_rows import NOW
from tests.unit.feeds.both_ways import FULL, REAL, SAMPLE, TEXT, odd
from tests.unit.feeds.test_bulk_reading import reading, suites

REGEX, SET = "expect_column_values_to_match_regex", "expect_column_values_to_be_in_set"
Items = Sequence[tuple[str, Any]]


@pytest.fixture
def by_python(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the records that Python's reader is asked for."""
    names: list[str] = []

    def noted(raw: bytes, digest: bytes, *, where: str, scratch: bytearray | None = None) -> cve_rows.CveRows:
        names.append(where)
        return cve_rows.rows_of(raw, digest, where=where, scratch=scratch)

    monkeypatch.setattr(bulk_reading, "rows_of", noted)
    return names


@pytest.fixture
def no_wasmtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(sys.modules, "wasmtime", None)
    compiled_reading._module.cache_clear()
    yield
    compiled_reading._module.cache_clear()


def fields(rows: bytes) -> Iterator[tuple[bytes | None, ...]]:
    """The rows of PostgreSQL's binary COPY format."""
    at = 0
    while at < len(rows):
        (count,) = struct.unpack_from(">h", rows, at)
        at, found = at + 2, []
        for _field in range(count):
            (size,) = struct.unpack_from(">i", rows, at)
            at += 4 + max(size, 0)
            found.append(rows[at - size : at] if size >= 0 else None)
        yield tuple(found)


def told(chunk: Chunk) -> Any:
    """All that a chunk says; the order of its rows and ids is of no account."""
    rows = {table: Counter(fields(found)) for table, found in chunk.packed.items()}
    rejected = Counter(repr(item) for item in chunk.rejected)
    return chunk.records, chunk.audit, chunk.size, Counter(chunk.ids), chunk.known, rejected, chunk.rows, rows


def ready(**changes: Any) -> Reading:
    found = reading(**changes)
    found.prepare()
    return found


def same(items: Items, **changes: Any) -> Chunk:
    """The chunk with the compiled reader, once it is seen to be the chunk without."""
    found, truth = ready(**changes)(items), ready(compiled=False, **changes)(items)
    assert told(found) == told(truth)
    return found


def record(number: int, **changes: Any) -> bytes:
    found = copy.deepcopy(FULL)
    found["cveMetadata"] |= {"cveId": f"CVE-2024-{number}", **changes}
    return json.dumps(found).encode()


def plain(count: int) -> list[tuple[str, Any]]:
    return [(f"r{number}", record(number)) for number in range(1000, 1000 + count)]


def test_real_records_are_read_the_same_and_few_of_them_by_python(by_python: list[str]) -> None:
    chunk = ready()([(f"r{number}", raw) for number, raw in enumerate([*REAL, SAMPLE])])
    assert 0 < len(by_python) <= 12
    assert chunk.rows == 63
    for snapshot_id in (None, 4711):
        same([(f"r{number}", raw) for number, raw in enumerate([*REAL, SAMPLE])], snapshot_id=snapshot_id)


def mixed(folder: Path) -> list[tuple[str, Any]]:
    (folder / "file.json").write_bytes(record(1007))
    (folder / "large.json").write_bytes(record(1008) + b" " * 10_000)
    return [
        *plain(6), ("unsure", record(1100, state="published")), ("bad", record(1101)[:-5]),
        ("no utf-8", record(1103).replace(b"anvils", b"anv\xffls")), ("left out", Rejected("x", "its name is bad")),
        ("mended", record(1104).replace(b'"nobodys"', b"5")), ("same", record(1105)), ("same", record(1106)),
        ("same", record(1101)[:-4]), (str(folder / "file.json"), UNREAD), (str(folder / "large.json"), UNREAD),
        ("empty", b""), *plain(2),
    ]  # fmt: skip


@pytest.mark.parametrize("faulty", [False, True])
def test_known_refused_unsure_and_plain_records_stand_in_one_chunk(
    tmp_path: Path, by_python: list[str], faulty: bool
) -> None:
    known = sorted(hashlib.sha256(record(number)).digest() for number in (1001, 1005))
    later = [("later", record(1102, dateUpdated="2099-01-01T00:00:00Z"))] if faulty else []
    items = [*mixed(tmp_path), *later]
    changes = {"digests": KnownDigests(b"".join(digest[:16] for digest in known)), "max_record_bytes": 8000}
    chunk = ready(**changes)(items)
    asked = ["unsure", "bad", "no utf-8", "mended", "same", "empty"]
    if faulty:  # what a suite finds a fault in, Python reads as a whole
        assert {*asked, "later", "r1000"} < set(by_python)
    else:
        assert by_python == asked
    same(items, **changes)
    assert [number for number, _place in chunk.known] == [1, 5, 18]
    assert (len(chunk.rejected), chunk.rows) == (7 + faulty, len(chunk.ids) - faulty)
    assert len(chunk.ids) == 10 + faulty
    assert chunk.size == sum(len(raw) for _name, raw in items if isinstance(raw, bytes)) + len(record(1007))


def test_the_audit_of_a_chunk_stands_in_the_order_of_its_records() -> None:
    items = [*plain(3), ("unsure", record(1100, state="published")), ("left out", Rejected("x", "why")), *plain(1)]
    assert ready()(items).audit == b"".join(
        hashlib.sha256(raw).digest() if isinstance(raw, bytes) else b"why" for _name, raw in items
    )


def test_records_with_more_bytes_than_are_read_at_once_and_one_that_is_too_long(by_python: list[str]) -> None:
    filler = "x" * (compiled_reading.ROOM // 3)
    limit = compiled_reading.MAX_RECORD_BYTES
    long = [(f"long{size - limit}", record(3000).replace(b'"serial": 7', b'"serial": 7' + b" " * (size - len(record(3000)))))
            for size in (limit, limit + 1)]  # fmt: skip
    assert [len(raw) for _name, raw in long] == [limit, limit + 1]
    items = [*plain(2), *((f"big{n}", record(2000 + n).replace(b'"de"', f'"{filler}"'.encode())) for n in range(7)), *long, *plain(4)]
    chunk = ready()(items)
    assert by_python == ["long1"]
    assert (chunk.rows, len(chunk.ids)) == (15, 15)
    same(items)
    assert told(ready()([])) == told(ready(compiled=False)([]))


def test_more_distinct_values_than_are_kept_are_left_to_python(by_python: list[str]) -> None:
    def named(name: str, count: int) -> list[tuple[str, Any]]:
        texts = [json.dumps({**FULL, "containers": {"cna": {"providerMetadata": {"shortName": f"{name}{n}"}, "metrics": [
            {"cvssV3_1": {"baseScore": 1}}]}}}) for n in range(count)]  # fmt: skip
        return [(f"{name}{n}", text.encode()) for n, text in enumerate(texts)]

    assert ready()(named("few", 2000)).rows == 2000
    assert by_python == []
    many = CompiledReader(None).read([(b"d" * 32, raw) for _name, raw in named("n", 4096)])
    assert many is not None
    assert all(many.taken)
    assert CompiledReader(None).read([(b"d" * 32, raw) for _name, raw in named("n", 4097)]) is None


def test_an_instance_that_fails_took_nothing_and_the_next_one_reads_on(by_python: list[str]) -> None:
    both = ready()
    truth = told(ready(compiled=False)(plain(3)))
    by_python.clear()
    assert told(both(plain(3))) == truth
    assert (by_python, both._reader is not None) == ([], True)
    assert both._reader is not None

    def trap(*_anything: object) -> int:
        raise wasmtime.Trap("unreachable")

    both._reader[1]._read = trap
    assert told(both(plain(3))) == truth
    assert by_python == ["r1000", "r1001", "r1002"]
    by_python.clear()
    assert told(both(plain(3))) == truth
    assert by_python == []


def test_more_than_its_memory_holds_makes_the_real_instance_fail_and_a_new_one_reads_on() -> None:
    reader = CompiledReader(None)
    good = [(b"d" * 32, TEXT.encode())]
    first = reader.read(good)
    assert first is not None
    assert first.taken == [True]
    assert reader.read([(b"d" * 32, b" " * (70 << 20))]) is None
    assert reader.read(good) == first
    assert reader.read([]) is not None


def test_settings_that_are_not_whole_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled_reading, "_TENTHS", compiled_reading._TENTHS[:-1])
    with pytest.raises(RuntimeError, match="refuses its settings"):
        CompiledReader(None)


@pytest.mark.usefixtures("no_wasmtime")
def test_where_wasmtime_is_not_there_python_reads_all(by_python: list[str]) -> None:
    assert not compiled_reading.prepare()
    with pytest.raises(RuntimeError, match="cannot run here"):
        CompiledReader(None)
    same(plain(3))
    assert by_python == ["r1000", "r1001", "r1002"] * 2
    with_digests = ready(digests=KnownDigests(b"x" * 16))  # it does not compile until it must
    assert with_digests(plain(1)).rows == 1


def test_a_module_that_is_damaged_or_gone_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "bad.wasm").write_bytes(compiled_reading.WASM.read_bytes()[:-100])
    for path in ("bad.wasm", "none.wasm"):
        compiled_reading._module.cache_clear()
        monkeypatch.setattr(compiled_reading, "WASM", tmp_path / path)
        assert not compiled_reading.prepare()
    compiled_reading._module.cache_clear()


def test_few_records_or_twins_are_read_by_python(by_python: list[str]) -> None:
    reading()(plain(1))  # nobody said that more is to come
    ready(twins=frozenset({"CVE-2024-1000"}))(plain(2))
    ready(compiled=False)(plain(1))
    assert by_python == ["r1000", "r1000", "r1001", "r1000"]


def test_a_fork_gets_an_instance_of_its_own(by_python: list[str]) -> None:
    both = ready()
    truth = told(both(plain(2)))
    ours = both._reader
    child = os.fork()
    if child == 0:
        fine = told(both(plain(2))) == truth and both._reader is not ours and not by_python
        os._exit(0 if fine else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert both._reader is ours


def changed(table: str, column: str, kind: str, **kwargs: Any) -> dict[str, SuiteStream]:
    """The suites with one expectation more; LENGTH of "items": a limit of the schema."""
    guard = plugin_of("cve5").guard
    assert guard is not None
    if kind == "items":
        lengths = {**guard.shape.lengths, table: {**guard.shape.lengths[table], column: (kwargs["max_value"], True)}}
        shape = copy.copy(guard.shape)
        shape.lengths = lengths
        guard = replace(guard, shape=shape)
    else:
        more = {"type": kind, "kwargs": {"column": column, **kwargs}, "meta": {"scope": "record", "why": "a stricter one"}}
        guard = replace(guard, expectations={**guard.expectations, table: [*guard.expectations[table], more]})
    return {**suites(), table: SuiteStream.load(table, cve_rows.COLUMNS[table], words(NOW), guard)}


STRICTER: list[tuple[str, str, str, dict[str, Any], str, str]] = [
    ("cve", "cve_id", REGEX, {"regex": "-1"}, "CVE-2024-1003", "CVE-2024-9003"),
    ("cve", "state", SET, {"value_set": ["PUBLISHED"]}, "PUBLISHED", "REJECTED"),
    ("cve", "title", LENGTH, {"max_value": 8}, "Über", "Übers"), ("cve", "title", LENGTH, {"min_value": 8}, "Über", "Übe"),
    ("cve", "cwe_ids", "items", {"max_value": 7}, "CWE-100", "CWE-1001"),
    ("cve", "published_at", BETWEEN, {"min_value": "2024-02-29"}, "2024-02-29T23", "2024-02-28T23"),
    ("cve", "published_at", BETWEEN, {"max_value": "2024-03-01"}, "2024-02-29T23", "2024-03-01T00"),
    ("cve", "modified_at", BETWEEN, {"max_value": "2025-01-03"}, "2025-01-02T03", "2025-01-03T03"),
    ("cve", "modified_at", BETWEEN, {"min_value": "2025-01-02"}, "2025-01-02T03", "2025-01-01T03"),
    ("cve", "record_kev_added", BETWEEN, {"max_value": "2024-03-01"}, '"2024-03-01"', '"2024-03-02"'),
    ("cve", "record_kev_added", BETWEEN, {"min_value": "2024-03-01"}, '"2024-03-01"', '"2024-02-29"'),
    ("cve_score", "base_score", BETWEEN, {"min_value": 0.1}, '"baseScore": 0.1', '"baseScore": 0'),
    ("cve_score", "base_score", SET, {"value_set": [10, 9.8, 5, 0.1]}, '"baseScore": 9.8', '"baseScore": 9.9'),
    ("cve_score", "vector", REGEX, {"regex": "^(V|CVSS.*|)$"}, '"V"', '"W"'),
    ("cve_score", "vector", LENGTH, {"max_value": 44}, '"V"', f'"{"V" * 45}"'),
    ("cve_score", "severity", SET, {"value_set": ["CRITICAL"]}, '"CRITICAL"', '"HIGH"'),
    ("cve_score", "source", REGEX, {"regex": "^(cna:acme|adp:another)$"}, '"another"', '"anothex"'),
    ("cve_score", "cvss_version", SET, {"value_set": ["4.0", "3.1", "3.0"]}, 'V3_0": {"base', 'V2_0": {"base'),
    ("cve_ssvc", "exploitation", SET, {"value_set": ["poc"]}, '"poc"', '"none"'),
    ("cve_ssvc", "automatable", SET, {"value_set": ["no"]}, '{"Automatable": "no"}', '{"Automatable": "yes"}'),
    ("cve_ssvc", "technical_impact", SET, {"value_set": ["total"]}, '"total"', '"partial"'),
    ("cve_ssvc", "source", REGEX, {"regex": "CISA"}, '"CISA-ADP"', '"CIRA-ADP"'),
    ("cve_product", "vendor", SET, {"value_set": ["anvils", "others"]}, '"others", "versions"', '"another", "versions"'),
    ("cve_product", "source", REGEX, {"regex": "^(cna:acme|adp:another)$"}, '"another"', '"bnother"'),
]  # fmt: skip


@pytest.mark.parametrize(("table", "column", "kind", "kwargs", "good", "bad"), STRICTER)
def test_a_stricter_suite_leaves_out_just_the_record_with_the_fault(
    table: str, column: str, kind: str, kwargs: dict[str, Any], good: str, bad: str, by_python: list[str]
) -> None:
    stricter = changed(table, column, kind, **kwargs)
    assert compiled_reading.serves(stricter)
    fine, odd, also = (TEXT.replace("1234", str(number), 1).replace("cvssV2_0", "cvssV3_0") for number in (1001, 1003, 1002))
    assert good in odd
    odd = odd.replace(good, bad, 1)
    assert ready(suites=stricter)([("fine", fine.encode()), ("also", also.encode())]).rows == 2
    three = [("fine", fine.encode()), ("odd", odd.encode()), ("also", also.encode())]
    assert ready()(three).rows == 3
    assert by_python == [], "the suites as they are, and the stricter one too, pass on the values that are known of them"
    chunk = same(three, suites=stricter)
    assert [found.record_id for found in chunk.rejected] == [json.loads(odd)["cveMetadata"]["cveId"]]
    assert chunk.rows == 2
    assert by_python == ["fine", "odd", "also"] * 2


@pytest.mark.parametrize(("table", "column", "kind", "kwargs"), [
    ("cve", "title", REGEX, {"regex": "."}), ("cve", "published_at", SET, {"value_set": []}), ("cve", "cwe_ids", LENGTH, {"max_value": 99}),
    ("cve", "modified_at", LENGTH, {"max_value": 99}), ("cve", "record_kev", SET, {"value_set": [True, False]}),
    ("cve", "record_sha256", REGEX, {"regex": "."}), ("cve", "title", BETWEEN, {"min_value": 5}), ("cve", "cwe_ids", SET, {"value_set": [()]}),
    ("cve", "record_kev_added", SET, {"value_set": []}), ("cve_score", "dated_at", BETWEEN, {"min_value": "1999-01-01"}),
    ("cve_ssvc", "dated_at", BETWEEN, {"min_value": "1999-01-01"}), ("cve_product", "place", BETWEEN, {"max_value": 1000}),
    ("cve_product", "products", LENGTH, {"max_value": 10_000}),
])  # fmt: skip
def test_a_suite_that_asks_for_more_than_is_known_turns_the_compiled_reader_off(
    table: str, column: str, kind: str, kwargs: dict[str, Any]
) -> None:
    asking = changed(table, column, kind, **kwargs)
    assert compiled_reading.serves(suites())
    assert not compiled_reading.serves(asking)
    assert not ready(suites=asking).compiled


def test_a_suite_that_asks_for_titles_is_run_by_python(by_python: list[str]) -> None:
    asking = changed("cve", "title", REGEX, regex="^Über")
    odd_one = ("odd", TEXT.replace("Über", "Unter").encode())
    assert [found.record_id for found in same([*plain(2), odd_one], suites=asking).rejected] == ["CVE-2024-1234"]
    assert by_python == ["r1000", "r1001", "odd"] * 2


@pytest.mark.parametrize("seeds", [range(0), range(1), range(7, 8), range(300), range(1000, 1400)])
def test_what_is_known_of_the_rows_is_what_stands_in_them(seeds: range) -> None:
    raws = [odd(random.Random(seed)).encode() for seed in seeds]
    found = CompiledReader(None).read([(b"d" * 32, raw) for raw in raws])
    assert found is not None
    assert all(found.taken)
    tables = bulk_reading._tables([("w", cve_rows.rows_of(raw, b"d" * 32, where="w")) for raw in raws])
    for table, columns in cve_rows.COLUMNS.items():
        for index, column in enumerate(columns):
            if column not in compiled_reading._SERVED[table]:
                assert index not in found.values[table]
                continue
            kinds = compiled_reading._SERVED[table][column]
            truth = {row[index] for row in tables[table] if row[index] is not None}
            if kinds is not None and LENGTH in kinds:
                lengths = {len(text) for text in truth}
                assert {len(text) for text in found.values[table][index]} == ({min(lengths), max(lengths)} if lengths else set())
            elif kinds is not None and BETWEEN in kinds:
                assert found.values[table][index] == ({min(truth), max(truth)} if truth else set())
            elif kinds is not None:
                (items,) = found.values[table][index]
                assert set(items) == {item for value in truth for item in value}
            elif column == "cve_id" and table != "cve":
                assert found.values[table][index] >= truth
            else:
                assert found.values[table][index] == truth, (table, column)
