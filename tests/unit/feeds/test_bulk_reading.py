"""The reading half of a bulk load: packed as psycopg packs, the same with helpers and without, and undisturbed by their end."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from suture.errors import BadInputError
from suture.feeds import bulk, bulk_epss, cve_rows, forks, packed, record_files, suite_stream
from suture.feeds.bulk_reading import Reading
from suture.feeds.decoded import Rejected
from suture.feeds.plugin import plugin_of
from suture.feeds.record_files import UNREAD
from suture.feeds.seen import KnownDigests
from suture.feeds.sources import epss
from suture.feeds.suite_stream import SuiteStream, words
from suture.store import DuplicateKeyError, Store, StoreError
from tests.fleet_rows import NOW
from tests.unit.feeds.test_bulk_load import EPSS, load, load_epss, put, reasons, record, rows

TEXTS = st.none() | st.text(st.characters(exclude_characters="\x00", exclude_categories=("Cs",)), max_size=30)
MOMENTS = st.none() | st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))


def suites() -> dict[str, SuiteStream]:
    guard = plugin_of("cve5").guard
    return {table: SuiteStream.load(table, columns, words(NOW), guard) for table, columns in cve_rows.COLUMNS.items()}


def reading(**changes: Any) -> Reading:
    return replace(Reading(suites(), KnownDigests(None), frozenset(), 1 << 24, None), **changes)


@pytest.mark.database
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(TEXTS, st.lists(TEXTS.filter(bool), max_size=3), MOMENTS, st.dates(date(1990, 1, 1), date(2100, 1, 1)))),
    st.lists(st.sampled_from([None, 0, 0.0, 0.1, 7.5, 9.8, 10, 10.0, 3.14159]), min_size=1, max_size=4),
)
def test_rows_come_out_of_the_database_as_they_went_in(warehouse_url: str, found: list[Any], scores: list[Any]) -> None:
    head, tail = packed.edges(10, None)
    cves = [
        (f"CVE-{number}", "S", text, tuple(cwes), moment, moment, "cve5", bool(number % 2), day if number % 3 else None, "a" * 64)
        for number, (text, cwes, moment, day) in enumerate(found)
    ]
    head_score, _tail = packed.edges(7, None)
    scored = [("CVE-1", "cna:ü", str(number), "", score, None, None) for number, score in enumerate(scores)]
    with Store.connect(warehouse_url) as store, store.transaction():
        for table in ("cve", "cve_score"):
            store.execute(f"feed/create_stage_{table}")
        store.copy_packed("stage_cve", cve_rows.COLUMNS["cve"], [packed.cve(row, head, tail) for row in cves])
        parts = [packed.score(row, head_score, b"") for row in scored]
        assert store.copy_packed("stage_cve_score", cve_rows.COLUMNS["cve_score"], parts) == len(scored)
        came = [tuple(row.values()) for row in store._connection.execute("SELECT * FROM stage_cve").fetchall()]
        assert came == [(*row[:3], list(row[3]), *row[4:]) for row in cves]
        numbers = [row["base_score"] for row in store._connection.execute("SELECT base_score FROM stage_cve_score").fetchall()]
        rounded = [None if score is None else Decimal(str(score)).quantize(Decimal("0.1")) for score in scores]
        assert numbers == rounded


def test_a_suite_over_columns_says_what_it_says_of_each_row() -> None:
    suite = suites()["cve"]
    good = ("CVE-2026-1000", "PUBLISHED", "t", ("CWE-1",), NOW, NOW, "cve5", False, date(2025, 1, 1), "a" * 64)
    changes: list[tuple[int, Any]] = [
        (0, "CVE-1"), (1, "MAYBE"), (2, "x" * 20001), (2, None), (3, ("CWE-1", "x" * 101)), (3, ()), (4, None),
        (4, datetime(1970, 1, 1, tzinfo=UTC)), (5, NOW + timedelta(days=3)), (6, "nvd"), (8, date(2021, 11, 2)), (8, None),
    ]  # fmt: skip
    seen = set()
    for index, value in changes:
        row = (*good[:index], value, *good[index + 1 :])
        for around in ([row], [good, row, good]):
            assert suite.all_pass(around) == all(map(suite.passes, around)), (index, value)
        seen.add(suite.passes(row))
    assert seen == {True, False}
    assert suite.all_pass([])


US = os.getpid()


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if no other thread ran: other tests may have left one that serves a port, and it holds no lock of ours."""
    monkeypatch.setattr(forks.threading, "active_count", lambda: 1)


def doubled(number: int) -> tuple[int, int]:
    if number == -1:
        raise BadInputError("minus one")
    if number == -2:
        raise KeyError("oops")
    if number == -3:
        assert os.getpid() != US
        os.kill(os.getpid(), signal.SIGKILL)
    return number * 2, os.getpid()


@pytest.mark.usefixtures("alone")
def test_helpers_give_the_results_in_order_and_end_with_the_work() -> None:
    found = list(forks.worked(iter(range(100)), doubled, 2))
    assert [(chunk, result[0]) for chunk, result in found] == [(number, number * 2) for number in range(100)]
    pids = {result[1] for _chunk, result in found}
    assert len(pids) == 3
    for pid in pids - {os.getpid()}:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@pytest.mark.usefixtures("alone")
def test_a_helper_goes_on_while_another_one_is_slow_but_not_for_ever_and_results_stay_in_order() -> None:
    slow = forks.AT_HOME

    def timed(number: int) -> tuple[int, float]:
        time.sleep(1 if number == slow else 0)
        return number, time.monotonic()

    found = [result for _chunk, result in forks.worked(range(40), timed, 2)]
    assert [number for number, _ended in found] == list(range(40))
    ended = found[slow][1]
    before = sum(at < ended for _number, at in found[slow + 1 :])
    assert 3 <= before < forks._AHEAD * 2


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(("bad", "kind", "said"), [
    (-1, BadInputError, "minus one"), (-2, forks.HelperError, "KeyError"), (-3, forks.HelperError, "ended in the middle"),
])  # fmt: skip
def test_what_goes_wrong_in_a_helper_is_said_here(bad: int, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said):
        list(forks.worked([*range(20), bad, *range(20)], doubled, 2))


@pytest.mark.usefixtures("alone")
@pytest.mark.timeout(60)
def test_chunks_and_results_that_no_pipe_holds_make_nobody_wait_for_ever() -> None:
    sizes = [10, 3_000_000, 10, 10, 40_000, 10, 3_000_000, 3_000_000, 10] * 4
    chunks = [bytes([number]) * size for number, size in enumerate(sizes)]
    found = list(forks.worked(iter(chunks), lambda chunk: chunk[:1] * 1_000_000, 2))
    assert [chunk for chunk, _result in found] == chunks
    assert all(result == chunk[:1] * 1_000_000 for chunk, result in found)


@pytest.mark.usefixtures("alone")
def test_work_beside_ours_is_done_by_another_process_and_ends_with_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forks, "_helpers", lambda: 2)
    ours, (double, pid) = forks.beside(os.getpid, doubled, 21)
    assert (ours, double) == (os.getpid(), 42)
    assert pid != ours
    for bad, kind in ((-1, BadInputError), (-2, forks.HelperError), (-3, forks.HelperError)):
        with pytest.raises(kind):
            forks.beside(os.getpid, doubled, bad)

    def broken() -> int:
        raise KeyError("ours")

    with pytest.raises(KeyError, match="ours"):
        forks.beside(broken, doubled, 21)
    monkeypatch.setattr(forks, "_helpers", lambda: 0)
    assert forks.beside(os.getpid, doubled, 21) == (os.getpid(), (42, os.getpid()))


def test_there_are_no_helpers_where_they_are_of_no_use_or_not_safe() -> None:
    few = list(forks.worked(range(forks.AT_HOME), doubled, 2))
    assert {result[1] for _chunk, result in few} == {os.getpid()}
    wait = threading.Event()
    thread = threading.Thread(target=wait.wait)
    thread.start()
    try:
        assert {result[1] for _chunk, result in forks.worked(range(30), doubled, 2)} == {os.getpid()}
    finally:
        wait.set()
        thread.join()


@pytest.mark.usefixtures("alone")
def test_a_helper_holds_none_of_our_files(tmp_path: Path) -> None:
    ours = (tmp_path / "ours").open("w")
    place = os.fstat(ours.fileno()).st_ino

    def held(_number: int) -> list[int]:
        found = []
        for handle in range(3, 256):
            try:
                found.append(os.fstat(handle).st_ino)
            except OSError:
                continue
        return found

    results = [found for _chunk, found in forks.worked(range(20), held, 1)]
    assert place in results[0]
    assert place not in results[-1]
    ours.close()


def chunk_of(folder: Path, names: list[str]) -> list[Any]:
    return [(str(folder / f"{name}.json"), UNREAD) for name in names]


def test_a_file_that_is_gone_stops_the_load_and_one_that_is_too_large_is_left_out(tmp_path: Path) -> None:
    put(tmp_path, a=record(1000), b=record(1001) + b" " * 5000)
    with pytest.raises(BadInputError, match=r"gone\.json cannot be read"):
        reading()(chunk_of(tmp_path, ["a", "gone"]))
    found = reading(max_record_bytes=4000)(chunk_of(tmp_path, ["a", "b"]))
    assert (found.ids, found.rows, len(found.rejected)) == (["CVE-2026-1000"], 1, 1)


def written(store: Store) -> list[Any]:
    what = {
        "cve": "cve_id, state, title, cwe_ids, published_at, modified_at, source, record_kev, record_kev_added, record_sha256",
        "cve_score": "cve_id, source, cvss_version, vector, base_score, severity, dated_at",
        "cve_ssvc": "cve_id, source, dated_at, exploitation, automatable, technical_impact",
        "feed_quarantine": "record_id, reason, record",
    }  # fmt: skip
    return [rows(store, table, columns) for table, columns in what.items()]


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """Records with a score and SSVC, some of them bad in one way or another, one id twice."""
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(1000, 1120):
        found = json.loads(record(number, title=f"t{number}"))
        options = [{"Exploitation": "poc"}, {"Automatable": "No"}, {"Technical Impact": "odd" if number % 40 == 7 else "total"}]
        ssvc = {"other": {"type": "ssvc", "content": {"timestamp": "2026-01-01T00:00:00Z", "options": options}}}
        found["containers"]["adp"] = [{"providerMetadata": {"shortName": "CISA-ADP"}, "metrics": [ssvc]}]
        found["containers"]["cna"]["problemTypes"] = [{"descriptions": [{"cweId": f"CWE-{number % 9}"}]}]
        if number % 30 == 3:
            found["cveMetadata"]["state"] = "MAYBE"
        if number % 50 == 11:
            found["cveMetadata"]["cveId"] = "CVE-2026-7777"
        raw = json.dumps(found).encode()
        (folder / f"r{number}.json").write_bytes(raw[:-9] if number % 35 == 5 else raw)
    return folder


def test_a_device_is_read_no_further_than_one_record_may_be_long() -> None:
    if not Path("/dev/zero").is_char_device():
        pytest.skip("this machine has no /dev/zero")
    found = record_files.read("/dev/zero", 1000)
    assert isinstance(found, Rejected)
    assert found.reason.startswith("/dev/zero: it has more than")


@pytest.mark.database
@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("helping", [0, 2])
@pytest.mark.parametrize("staged", [False, True])
def test_by_helpers_or_not_and_straight_or_staged_the_rows_are_the_same(
    store: Store, many: Path, monkeypatch: pytest.MonkeyPatch, helping: int, staged: bool
) -> None:
    load(store, many)  # one chunk: no helpers
    truth = written(store)
    assert [len(found) for found in truth] == [110, 110, 110, 13]
    store._connection.execute("TRUNCATE cve, cve_score, cve_ssvc, feed_quarantine, cve_lookup, feed_snapshot CASCADE")
    monkeypatch.setattr(bulk, "CHUNK", 7)
    monkeypatch.setattr(forks, "_helpers", lambda: helping)
    if staged:
        store._connection.execute("INSERT INTO cve (cve_id, state, source) VALUES ('CVE-1999-0001', 'PUBLISHED', 'nvd')")
    load(store, many)
    store._connection.execute("DELETE FROM cve WHERE source = 'nvd'")
    assert written(store) == truth


@pytest.mark.database
def test_scores_of_others_do_not_keep_a_first_load_from_being_one(store: Store, tmp_path: Path) -> None:
    insert = "INSERT INTO cve_score (cve_id, source, cvss_version) VALUES ('CVE-2026-1000', %s, '3.1')"
    store._connection.execute(insert, ("vendor:ubuntu",))
    first = {"scorers": ["cna", "adp"]}
    assert store.fetch_one("feed/fetch_first_load", first) == {"first_load": True}
    load(store, put(tmp_path / "copy", a=record(1000)))
    assert [row[1] for row in rows(store, "cve_score", "cve_id, source, vector")] == ["cna:acme", "vendor:ubuntu"]
    assert store.fetch_one("feed/fetch_first_load", first) == {"first_load": False}


@pytest.mark.database
def test_epss_by_many_lines_gives_what_single_lines_give(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [f"CVE-2026-{number},{number / 9999:.5f},0.{number}\n" for number in range(1000, 1300)]
    bad = {
        50: "\n", 77: "CVE-2026-1,0.1,0.1\n", 120: "CVE-2026-8000,nan,0.1\n", 121: "CVE-2026-8001\n",
        122: "CVE-2026-8002,0.1,0.2,0.3\n",
    }  # fmt: skip
    text = EPSS + "".join(line + bad.get(number, "") for number, line in enumerate(lines))
    found = []
    for size in (1, 300, 1 << 17):
        monkeypatch.setattr(bulk_epss, "_BLOCK", size)
        store._connection.execute("TRUNCATE epss, feed_quarantine, feed_snapshot CASCADE")
        outcome = load_epss(store, tmp_path / "e.csv", text)
        assert (outcome.records, outcome.quarantined) == (300, 4)
        what = rows(store, "epss", "cve_id, probability, percentile, score_date, model_version")
        found.append((what, reasons(store), rows(store, "feed_snapshot", "source, record_count, quarantined_count, content_sha256")))
    assert found[0] == found[1] == found[2]
    assert set(found[0][1]) == {"CVE-2026-1", "line 126", "line 128", "line 130"}, "a blank line counts, and is no fault"


PLAIN = ("CVE-2026-1000,0.5,0.9\n", "CVE-2026-1000,0,1\n", "CVE-1999-0001,1.0,0.00000000000000001\n", "")


@pytest.mark.parametrize("lines", [*PLAIN, "".join(PLAIN)])
def test_lines_of_scores_are_plain(lines: str) -> None:
    assert bulk_epss._plain_lines(lines.encode())
    for line in lines.splitlines():
        found = epss.values(line)
        assert not isinstance(found, str)
        assert 0 <= found[1] <= 1
        assert 0 <= found[2] <= 1


@pytest.mark.parametrize("line", [
    "CVE-2026-1000,0.5,0.9", "CVE-2026-1000,0.5,0.9\r\n", "\n", "CVE-2026-1000,1.1,0.9\n", "CVE-2026-1000,-0.5,0.9\n",
    "CVE-2026-1000,1e-5,0.9\n", "CVE-2026-1000,0.5,\n", "CVE-2026-1000,0.,0.9\n", "CVE-2026-1000,00.5,0.9\n",
    "CVE-2026-100,0.5,0.9\n", " CVE-2026-1000,0.5,0.9\n", "CVE-2026-1000,0.5,0.9,\n", "CVE-2026-1000,nan,0.9\n",
    "CVE-2026-1000,0.5,1.00000000000000001\n", "cve-2026-1000,0.5,0.9\n", "CVE-2026-1000,0.5 ,0.9\n", "\\.\n",
    "CVE-2026-١١١١,0.5,0.9\n", f"CVE-2026-{'1' * 20},0.5,0.9\n", '"CVE-2026-1000",0.5,0.9\n',
])  # fmt: skip
def test_any_other_line_is_looked_at(line: str) -> None:
    assert not bulk_epss._plain_lines(line.encode())
    assert not bulk_epss._plain_lines(("".join(PLAIN) + line + "".join(PLAIN)).encode())


def _suite(**changed: Any) -> suite_stream.SuiteStream:
    guard = plugin_of("epss").guard
    expectations = [
        {**said, "kwargs": {**said["kwargs"], **changed.get(said["kwargs"].get("column", ""), {})}}
        if not said["type"].endswith("unique") else said
        for said in guard.expectations["epss"]
    ]  # fmt: skip
    return suite_stream.SuiteStream.load("epss", bulk_epss._COLUMNS, {}, replace(guard, expectations={"epss": expectations}))


def test_plain_lines_pass_the_suite_as_it_is_and_a_stricter_one_is_asked() -> None:
    def proven(suite: suite_stream.SuiteStream, model: str = "v2025.03.14") -> bool:
        return bulk_epss._passes_plain_lines(suite, date(2026, 1, 1), model)

    assert proven(_suite())
    assert not proven(_suite(), "v1")
    assert not proven(_suite(probability={"max_value": 0.9}))
    assert not proven(_suite(percentile={"min_value": 0.1}))


@pytest.mark.database
def test_a_stricter_suite_of_epss_holds_for_plain_lines_too(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stricter = _suite(cve_id={"regex": "^CVE-2026-[0-9]{4}$"})
    assert not bulk_epss._passes_plain_lines(stricter, date(2026, 1, 1), "v2025.03.14")
    monkeypatch.setattr(SuiteStream, "load", lambda *_args: stricter)
    outcome = load_epss(store, tmp_path / "e.csv", EPSS + "CVE-2026-1000,0.5,0.9\nCVE-2025-1000,0.5,0.9\n")
    assert (outcome.records, outcome.quarantined) == (1, 1)
    assert rows(store, "epss", "cve_id, probability, percentile") == [("CVE-2026-1000", 0.5, 0.9)]


@pytest.mark.database
@pytest.mark.parametrize("block", [7, 1 << 17])
def test_odd_lines_of_epss_come_in_as_they_would_alone(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(bulk_epss, "_BLOCK", block)
    long = "CVE-2026-1003,0.5,0." + "3" * 9000
    text = EPSS + (
        f"CVE-2026-1000,1e-5,9e-1\r\nCVE-2026-1001, 0.25 ,1e-400\n{long}\n\\.\nCVE-2026-1002,0.1,0.30000000000000004\n"
        "CVE-2026-1004,0.5,0.5"
    )
    outcome = load_epss(store, tmp_path / "e.csv", text)
    assert rows(store, "epss", "cve_id, probability, percentile") == [
        ("CVE-2026-1000", 1e-5, 0.9), ("CVE-2026-1001", 0.25, 0.0), ("CVE-2026-1002", 0.1, 0.30000000000000004),
        ("CVE-2026-1003", 0.5, 1 / 3), ("CVE-2026-1004", 0.5, 0.5),
    ]  # fmt: skip
    assert (outcome.records, outcome.quarantined) == (5, 3), "the rest of a line that is too long, in two pieces, and a dot"


@pytest.mark.database
def test_the_snapshot_that_a_row_names_must_be_there_and_stays(store: Store, tmp_path: Path) -> None:
    load(store, put(tmp_path / "copy", a=record(1000), b=record(1001)))
    connection = store._connection
    for table, columns, values in (
        ("cve", "cve_id, state, source", "'CVE-1', 'PUBLISHED', 'x'"), ("cve_ssvc", "cve_id, source", "'CVE-1', 'x'"),
        ("cve_score", "cve_id, source, cvss_version", "'CVE-1', 'x', '3.1'"), ("kev", "cve_id, date_added", "'CVE-1', now()"),
        ("epss", "cve_id, probability, percentile, score_date, model_version", "'CVE-1', 0, 0, now(), 'x'"),
    ):  # fmt: skip
        with pytest.raises(psycopg.errors.ForeignKeyViolation, match="4711"):
            connection.execute(f"INSERT INTO {table} ({columns}, snapshot_id) VALUES ({values}, 4711)")
        connection.execute(f"INSERT INTO {table} ({columns}) VALUES ({values})")
        with pytest.raises(psycopg.errors.ForeignKeyViolation, match="4711"):
            connection.execute(f"UPDATE {table} SET snapshot_id = 4711 WHERE cve_id = 'CVE-1'")
    with pytest.raises(psycopg.errors.ForeignKeyViolation, match="still names"):
        connection.execute("DELETE FROM feed_snapshot")
    connection.execute("TRUNCATE cve, cve_score, cve_ssvc")
    connection.execute("DELETE FROM feed_snapshot")


@pytest.mark.database
def test_a_key_that_is_there_already_is_an_error_of_its_own(store: Store) -> None:
    head, tail = packed.edges(6, None)
    parts = [packed.ssvc(("CVE-2026-1000", "none", "yes", "total", None, "adp:x"), head, tail)] * 2
    columns = ("cve_id", "exploitation", "automatable", "technical_impact", "dated_at", "source")
    with pytest.raises(DuplicateKeyError, match="cve_ssvc_pkey"):
        store.copy_packed("cve_ssvc", columns, parts)
    with pytest.raises(StoreError):
        store.copy_packed("cve_ssvc", columns, [b"\x00"])
    assert rows(store, "cve_ssvc") == []
    scores = ("cve_id", "probability", "percentile", "score_date", "model_version")
    line = b'"CVE-2026-1000",0.5,0.5,2026-01-01,"v2025.03.14"\n'
    with pytest.raises(DuplicateKeyError, match="epss_pkey"):
        store.copy_csv("epss", scores, [line, line])
    with pytest.raises(StoreError):
        store.copy_csv("epss", scores, [b"CVE-2026-1000,0.5\n"])
    assert rows(store, "epss") == []
