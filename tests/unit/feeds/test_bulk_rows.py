"""The quick reader and the streamed suites give what the strict reader and Great Expectations give, or step aside."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suture.feeds import cve_rows, cve_shape, quality, suite_stream
from suture.feeds.errors import FeedFormatError
from suture.feeds.plugin import plugin_of
from suture.feeds.seen import KnownDigests, SeenIds
from suture.feeds.sources import FORMATS
from suture.settings import PROJECT_ROOT

NOW = datetime(2026, 11, 26, tzinfo=UTC)
SNAPSHOT = PROJECT_ROOT / "lab" / "feeds"
RECORD: dict[str, Any] = json.loads((SNAPSHOT / "cve5" / "CVE-2026-84782.json").read_text("utf-8"))
TEXT = json.dumps(RECORD)


def strict(raw: bytes) -> cve_rows.CveRows | str:
    try:
        return cve_rows._strict(raw, b"d", "w")
    except FeedFormatError as error:
        return error.message


def either(raw: bytes) -> cve_rows.CveRows | str:
    try:
        return cve_rows.rows_of(raw, b"d", where="w")
    except FeedFormatError as error:
        return error.message


def test_real_records_take_the_quick_way_and_give_the_same() -> None:
    paths = sorted((SNAPSHOT / "cve5").glob("*.json"))
    assert len(paths) == 62
    for path in paths:
        assert cve_rows._quick(path.read_bytes(), b"d", bytearray()) == strict(path.read_bytes()), path.name


@pytest.mark.parametrize(
    "raw",
    [
        TEXT.replace('"state":', '"state": "REJECTED", "state":'),
        TEXT.replace('"x_snapshot"', '"cna": {}, "x_snapshot"').replace('"adp":', '"cna": {}, "adp":'),
        TEXT.replace('"baseScore": 8.2', '"baseScore": 1.0, "baseScore": 8.2'),
        TEXT.replace(
            '"terms"', '"twice": 1, "twice": "\\u003a", "terms"'
        ),  # an escaped colon makes up for the lost one
        TEXT.replace('"terms"', '"twice": 1, "twice": "\\u003A", "terms"'),
        TEXT.replace('"High"', '"High\\u0000"'),
        TEXT.replace('"baseScore": 8.2', '"baseScore": NaN'),
        TEXT.replace('"baseScore": 8.2', '"baseScore": 1e400'),
        TEXT.replace('"baseScore": 8.2', '"baseScore": true'),
        TEXT.replace('"baseScore": 8.2', '"baseScore": "8.2"'),
        TEXT.replace('"terms"', '"deep": ' + "[" * 60 + "]" * 60 + ', "terms"'),
        TEXT.replace('"terms"', '"deep": ' + '["]", ' * 60 + "1" + "]" * 60 + ', "terms"'),
        TEXT.replace('"terms"', '"deep": ' + '["\\"]", ' * 60 + "1" + "]" * 60 + ', "terms"'),
        "﻿" + TEXT,
        TEXT[:700],
        TEXT + "}",
        "",
        "<!doctype html>",
        "[]",
    ],
)
def test_what_the_strict_reader_refuses_or_mends_the_quick_one_leaves_to_it(raw: str) -> None:
    with pytest.raises(Exception) as caught:  # rows_of catches each of them
        cve_rows._quick(raw.encode(), b"d", bytearray())
    assert isinstance(caught.value, (cve_rows._UnsureError, ValueError, RecursionError, TypeError))
    assert either(raw.encode()) == strict(raw.encode())


def test_a_mark_of_known_exploited_and_cisas_ssvc_are_read_the_same_both_ways() -> None:
    def adp(name: str, exploitation: str) -> dict[str, Any]:
        ssvc = {"type": "ssvc", "content": {"timestamp": "2026-01-01T00:00:00Z", "options": [{"Exploitation": exploitation}]}}
        kev = {"type": "kev", "content": {"dateAdded": "2026-01-02", "reference": "r"}}
        return {"providerMetadata": {"shortName": name}, "metrics": [{"other": ssvc}, {"other": kev}]}

    found = copy.deepcopy(RECORD)
    found["containers"]["adp"] = [adp("CISA-ADP", "active"), adp("other", "none")]
    found["cveMetadata"]["state"] = "published"
    raw = json.dumps(found).encode()
    rows = cve_rows._quick(raw, b"d", bytearray())
    assert rows == strict(raw)
    said = dict(zip(cve_rows.COLUMNS["cve"], rows.cve, strict=True))
    assert (said["state"], said["record_kev"], said["record_kev_added"]) == ("PUBLISHED", True, date(2026, 1, 2))
    assert rows.ssvc is not None
    assert rows.ssvc[1] == "active"


def test_nesting_of_sixty_passes_and_texts_may_hold_brackets() -> None:
    inside = TEXT.replace(
        '"terms"', '"deep": ' + "[" * 58 + "]" * 58 + ', "terms"'
    )  # the two objects around make it 60
    for raw in (inside, TEXT.replace('"terms"', f'"text": {json.dumps("[{" * 200)}, "terms"')):
        assert cve_rows._quick(raw.encode(), b"d", bytearray()) == strict(raw.encode())


LEAST: dict[str, Any] = {
    "dataType": "CVE_RECORD", "dataVersion": "5.1", "cveMetadata": {"cveId": "CVE-2024-1111", "state": "PUBLISHED"},
    "containers": {"cna": {}},
}  # fmt: skip


def test_a_field_that_is_not_there_makes_up_for_no_key_that_stands_twice() -> None:
    twice = json.dumps(LEAST).replace('"cna": {}', '"cna": {"title": "one", "title": "two"}')
    said = either(twice.encode())
    assert isinstance(said, str)
    assert "'title' stands twice" in said
    assert said == strict(twice.encode())


def test_every_field_that_is_not_required_is_left_out_when_it_is_not_there() -> None:
    assert json.loads(msgspec.json.encode(cve_rows._read_record(json.dumps(LEAST).encode()))) == LEAST
    kinds = [kind for kind in vars(cve_shape).values() if isinstance(kind, type) and issubclass(kind, msgspec.Struct)]
    assert kinds
    made = [f"{kind.__name__}.{field.name}" for kind in kinds for field in msgspec.structs.fields(kind)
            if field.default_factory is not msgspec.NODEFAULT]  # fmt: skip
    assert not made, "they would be written where the record has none, and make up for a key that stands twice"


def test_bytes_that_are_no_utf8_and_a_bare_nul_are_refused() -> None:
    for raw in (TEXT.encode().replace(b"High", b"H\xffgh"), TEXT.encode().replace(b"High", b"H\x00gh")):
        assert isinstance(either(raw), str)
        assert either(raw) == strict(raw)


LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 12), st.floats(0, 11), st.text(max_size=12), st.just("yes")
)
NAMES = st.sampled_from(
    ["title", "metrics", "cvssV3_1", "vectorString", "baseScore", "other", "type", "content", "options"]
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=5
)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_record_changed_anywhere_gives_the_same_both_ways(data: st.DataObject) -> None:
    found = copy.deepcopy(RECORD)
    places: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        for key in list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ():
            places.append((node, key))
            walk(node[key])

    walk(found)
    node, key = data.draw(st.sampled_from(places))
    node[key] = data.draw(VALUES)
    raw = json.dumps(found).encode()
    assert either(raw) == strict(raw)


BAD: list[tuple[str, str, Any]] = [
    ("cve", "cve_id", "CVE-24-1"), ("cve", "state", "MAYBE"), ("cve", "published_at", "1970-01-01T00:00:00+00:00"),
    ("cve", "modified_at", "2026-11-29T00:00:00+00:00"), ("cve", "modified_at", "2026-11-27T00:00:00+00:00"),
    ("cve", "modified_at", None), ("cve_score", "base_score", 10.1), ("cve_score", "base_score", 10),
    ("cve_score", "base_score", None),
    ("cve_score", "cvss_version", "5.0"), ("cve_score", "vector", "x" * 401), ("cve_score", "vector", "x" * 400),
    ("cve", "record_kev_added", "2021-11-02"), ("cve", "record_kev_added", "2021-11-03"), ("cve", "source", "nvd"),
    ("cve", "title", "x" * 20001), ("cve", "cwe_ids", ["CWE-1", "x" * 101]),
    ("cve_product", "vendor", "x" * 501), ("cve_product", "vendor", None), ("cve_product", "cve_id", "CVE-1-1"),
    ("cve_ssvc", "automatable", "maybe"), ("cve_ssvc", "exploitation", None),
]  # fmt: skip


def test_the_streamed_suites_find_what_great_expectations_finds() -> None:
    tables: dict[str, list[dict[str, Any]]] = {"cve": [], "cve_score": [], "cve_ssvc": [], "cve_product": []}
    named = copy.deepcopy(RECORD)
    named["containers"]["cna"]["affected"] = [{"vendor": "acme", "product": "anvil", "packageName": "anvil"}]
    good = FORMATS["cve5"].decode(json.dumps(named).encode(), where="w").tables
    for number, (table, column, value) in enumerate([*BAD, ("cve", "title", "twin"), ("cve", "title", "twin")]):
        twin = column == "title"
        for name in tables:
            changed = {**good[name][0], "record_id": f"CVE-2026-{1000 + number}"}
            changed["cve_id"] = "CVE-2026-9999" if twin else changed["record_id"]
            if name == table:
                changed[column] = value
            tables[name].append(changed)
    guard = plugin_of("cve5").guard
    slow = quality.check(tables, now=NOW, floor=99, main_table="cve", guard=guard)
    quick = suite_stream.check(tables, now=NOW, floor=99, main_table="cve", guard=guard)
    assert len(slow.bad_records) >= 9
    assert set(quick.bad_records) == set(slow.bad_records)
    assert quick.feed_faults == slow.feed_faults != ()
    for name, reasons in slow.bad_records.items():
        assert [reason.split(" is ")[0] for reason in quick.bad_records[name]] == [r.split(" is ")[0] for r in reasons]


def test_an_expectation_that_a_stream_cannot_check_stops_the_load() -> None:
    mean = {"type": "expect_column_mean_to_be_between", "kwargs": {"column": "cve_id"}, "meta": {}}
    guard = replace(plugin_of("cve5").guard, expectations={"cve": [mean]})
    with pytest.raises(quality.ExpectationsError, match="expect_column_mean"):
        suite_stream.SuiteStream.load("cve", cve_rows.COLUMNS["cve"], {}, guard)
    with pytest.raises(quality.ExpectationsError, match="nothing would be checked"):
        suite_stream.SuiteStream.load("cve", cve_rows.COLUMNS["cve"], {}, replace(guard, expectations={}))


@settings(deadline=None)
@given(st.lists(st.from_regex(r"CVE-20[0-2][0-9]-[0-9]{4,9}", fullmatch=True) | st.text(max_size=5)))
def test_seen_ids_are_a_set(ids: list[str]) -> None:
    seen, truth = SeenIds(), set()
    for cve_id in [*ids, *ids]:
        assert seen.add(cve_id) == (cve_id not in truth)
        truth.add(cve_id)


def test_ids_written_with_a_leading_zero_are_other_ids() -> None:
    seen = SeenIds()
    assert [seen.add(text) for text in ("CVE-2024-1234", "CVE-2024-01234", "CVE-2024-1234")] == [True, True, False]


def test_known_digests_are_found_and_met_once() -> None:
    digests = [bytes([number]) * 32 for number in (3, 9, 200)]
    known = KnownDigests(b"".join(digest[:16] for digest in digests))
    assert [known.find(digest) for digest in digests] == [0, 1, 2]
    assert known.find(b"\x09" * 8 + b"\x00" * 24) is None
    assert known.find(b"\xff" * 32) is None
    assert (known.meet(1), known.meet(1)) == (True, False)
    assert KnownDigests(None).find(digests[0]) is None
    assert KnownDigests(None).find(b"") is None
