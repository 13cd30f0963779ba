"""A chunk that is read with the compiled reader is the one that Python reads alone, whatever is in it."""

from __future__ import annotations

import gc
import hashlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import wasmtime

from suture.feeds import bulk_reading, compiled_reading, cve_rows, forks
from suture.feeds.decoded import Rejected
from suture.feeds.record_files import UNREAD
from suture.feeds.seen import KnownDigests
from tests.unit.feeds.both_ways import FULL, REAL, SAMPLE, TEXT, new_reader, plain, ready, record, same, told
from tests.unit.feeds.test_bulk_reading import reading


@pytest.fixture
def no_wasmtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(sys.modules, "wasmtime", None)
    forget()
    yield
    forget()


def forget() -> None:
    compiled_reading._module.cache_clear()
    compiled_reading._engine.cache_clear()


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
    tmp_path: Path, by_python: list[str], faulty: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_reading, "PAYS", 0)
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
    long = [(f"long{size - limit}", record(3000) + b" " * (size - len(record(3000)))) for size in (limit, limit + 1)]
    assert [len(raw) for _name, raw in long] == [limit, limit + 1]
    big = [(f"big{n}", record(2000 + n).replace(b'"de"', f'"{filler}"'.encode())) for n in range(7)]
    items = [*plain(2), *big, *long, *plain(4)]
    chunk = ready()(items)
    assert by_python == ["long1"]
    assert (chunk.rows, len(chunk.ids)) == (15, 15)
    same(items)
    assert told(ready()([])) == told(ready(compiled=False)([]))


def test_more_distinct_values_than_are_kept_are_left_to_python(by_python: list[str]) -> None:
    def named(name: str, count: int) -> list[tuple[str, Any]]:
        metrics = [{"cvssV3_1": {"baseScore": 1}}]
        cnas = [{"providerMetadata": {"shortName": f"{name}{n}"}, "metrics": metrics} for n in range(count)]
        return [(name, json.dumps({**FULL, "containers": {"cna": cna}}).encode()) for cna in cnas]

    assert ready()(named("few", 2000)).rows == 2000
    assert by_python == []
    many = new_reader(None).read([(b"d" * 32, raw) for _name, raw in named("n", 4096)])
    assert many is not None
    assert all(many.taken)
    assert new_reader(None).read([(b"d" * 32, raw) for _name, raw in named("n", 4097)]) is None


def test_an_instance_that_fails_took_nothing_and_the_next_one_reads_on(
    by_python: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    both = ready()
    truth = told(ready(compiled=False)(plain(3)))
    by_python.clear()
    assert told(both(plain(3))) == truth
    assert (by_python, both._reader is not None) == ([], True)
    assert both._reader is not None

    def trap(*_anything: object) -> int:
        raise wasmtime.Trap("unreachable")

    monkeypatch.setattr(both._reader[1], "_read", trap)
    assert told(both(plain(3))) == truth
    assert by_python == ["r1000", "r1001", "r1002"]
    by_python.clear()
    assert told(both(plain(3))) == truth
    assert by_python == []


def test_more_than_its_memory_holds_makes_the_real_instance_fail_and_a_new_one_reads_on() -> None:
    reader = new_reader(None)
    good = [(b"d" * 32, TEXT.encode())]
    first = reader.read(good)
    assert first is not None
    assert first.taken == [True]
    assert reader.read([(b"d" * 32, b" " * (70 << 20))]) is None
    assert reader.read(good) == first
    assert reader.read([]) is not None


def test_settings_that_are_not_whole_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled_reading, "_TENTHS", compiled_reading._TENTHS[:-1])
    with pytest.raises(AssertionError, match="refuses its settings"):
        compiled_reading.reader(None)


@pytest.mark.usefixtures("no_wasmtime")
def test_where_wasmtime_is_not_there_python_reads_all(by_python: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_reading, "PAYS", 0)
    assert not compiled_reading.prepare()
    assert compiled_reading.reader(None) is None
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


def test_a_compiler_that_is_killed_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = os.getpid()

    def killed(_wasm: Path) -> bytes:
        assert os.getpid() != ours
        os._exit(1)

    compiled_reading._module.cache_clear()
    monkeypatch.setattr(compiled_reading, "_native", killed)
    monkeypatch.setattr("suture.feeds.forks.threading.active_count", lambda: 1)  # workers of pytest-xdist have a second one
    assert not compiled_reading.prepare()
    compiled_reading._module.cache_clear()


def test_where_most_is_known_the_first_that_are_not_are_read_by_python(
    by_python: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_reading, "PAYS", 5)
    both = ready(digests=KnownDigests(b"x" * 16))
    assert both(plain(5)).rows == 5
    assert both._reader is None
    assert both(plain(1)).rows == 1
    assert by_python == [f"r{1000 + number}" for number in range(5)]


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


def test_helpers_have_it_although_an_instance_was_made_here_before_them_and_they_close_all_files() -> None:
    assert new_reader(None).read([]) is not None

    def served(_number: int) -> bool:
        found = compiled_reading.reader(None)
        return found is not None and found.read([(b"d" * 32, TEXT.encode())]) is not None

    assert list(forks.worked([1, 2, 3, 4, 5, 6], served, 2)) == [(number, True) for number in range(1, 7)]


BARE = {"dataType": "CVE_RECORD", "dataVersion": "5.1", "cveMetadata": {"cveId": "CVE-2024-1234", "state": "PUBLISHED"}}


@pytest.mark.parametrize(
    ("most", "of"),
    [
        (200, lambda count: {"cna": {"metrics": [scored(number) for number in range(count // 2)]},
                             "adp": [{"metrics": [scored(number) for number in range(count - count // 2)]}]}),
        (100, lambda count: {"cna": {"metrics": [{}] * count}}),
        (100, lambda count: {"cna": {}, "adp": [{}] * count}),
        (100, lambda count: {"cna": {"x": {f"k{number}": 1 for number in range(count)}}}),
        (100, lambda count: {"cna": {"x": {"k" * count: 1}}}),
    ],
    ids=["scores", "metrics", "containers", "keys", "key"],
)  # fmt: skip
def test_what_would_take_long_or_much_room_is_left_to_python(most: int, of: Any) -> None:
    raws = [json.dumps({**BARE, "containers": of(count)}).encode() for count in (most, most + 1, 20_000)]
    found = new_reader(None).read([(b"d" * 32, raw) for raw in raws])
    assert found is not None
    assert found.taken == [True, False, False]


def scored(number: int) -> dict[str, Any]:
    return {"cvssV2_0": {"vectorString": f"V{number}"}}


def test_an_instance_that_failed_gives_its_memory_back_at_once(by_python: list[str]) -> None:
    reader = new_reader(None)
    sizes = []
    gc.disable()  # as in a load
    try:
        for _time in range(6):
            assert reader.read([(b"d" * 32, b" " * (70 << 20))]) is None
            assert reader.read([(b"d" * 32, TEXT.encode())]) is not None
            sizes.append(psutil.Process().memory_info().vms)
    finally:
        gc.enable()
    assert sizes[-1] - sizes[1] < 1 << 30  # an instance reserves four times as much


def test_blanks_before_a_record_count_for_nothing_however_many() -> None:
    raw = b" " * 600 + TEXT.encode()
    found = new_reader(None).read([(b"d" * 32, raw)])
    assert found is not None
    assert found.taken == [True]
    odd = b" " * 600 + TEXT.replace("German", "\\u0030", 1).encode()
    assert cve_rows.rows_of(odd, b"d" * 32, where="here").cve == cve_rows.rows_of(odd.strip(), b"d" * 32, where="here").cve
