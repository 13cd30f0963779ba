"""The suites see what stands in the rows of a compiled reader, and a stricter one finds its fault there."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Any

import pytest

from suture.feeds import bulk_reading, compiled_reading, cve_rows
from suture.feeds.plugin import plugin_of
from suture.feeds.suite_stream import BETWEEN, LENGTH, SuiteStream, words
from tests.fleet_rows import NOW
from tests.unit.feeds.both_ways import TEXT, new_reader, odd_records, plain, ready, same
from tests.unit.feeds.test_bulk_reading import suites

REGEX, SET = "expect_column_values_to_match_regex", "expect_column_values_to_be_in_set"


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
        meta = {"scope": "record", "why": "a stricter one"}
        more = {"type": kind, "kwargs": {"column": column, **kwargs}, "meta": meta}
        guard = replace(guard, expectations={**guard.expectations, table: [*guard.expectations[table], more]})
    return {**suites(), table: SuiteStream.load(table, cve_rows.COLUMNS[table], words(NOW), guard)}


STRICTER: list[tuple[str, str, str, dict[str, Any], str, str]] = [
    ("cve", "cve_id", REGEX, {"regex": "-1"}, "CVE-2024-1003", "CVE-2024-9003"),
    ("cve", "state", SET, {"value_set": ["PUBLISHED"]}, "PUBLISHED", "REJECTED"),
    ("cve", "title", LENGTH, {"max_value": 8}, "Über", "Übers"),
    ("cve", "title", LENGTH, {"min_value": 8}, "Über", "Übe"),
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
    ("cve_product", "vendor", SET, {"value_set": ["anvils", "others"]},
     '"others", "versions"', '"another", "versions"'),
    ("cve_product", "source", REGEX, {"regex": "^(cna:acme|adp:another)$"}, '"another"', '"bnother"'),
]  # fmt: skip


@pytest.mark.parametrize(("table", "column", "kind", "kwargs", "good", "bad"), STRICTER)
def test_a_stricter_suite_leaves_out_just_the_record_with_the_fault(
    table: str, column: str, kind: str, kwargs: dict[str, Any], good: str, bad: str, by_python: list[str]
) -> None:
    stricter = changed(table, column, kind, **kwargs)
    assert compiled_reading.serves(stricter)
    base = TEXT.replace("cvssV2_0", "cvssV3_0")
    fine, strange, also = (base.replace("1234", str(number), 1) for number in (1001, 1003, 1002))
    assert good in strange
    strange = strange.replace(good, bad, 1)
    assert ready(suites=stricter)([("fine", fine.encode()), ("also", also.encode())]).rows == 2
    three = [("fine", fine.encode()), ("strange", strange.encode()), ("also", also.encode())]
    assert ready()(three).rows == 3
    assert by_python == []
    chunk = same(three, suites=stricter)
    assert [found.record_id for found in chunk.rejected] == [json.loads(strange)["cveMetadata"]["cveId"]]
    assert chunk.rows == 2
    assert by_python == ["fine", "strange", "also"] * 2


@pytest.mark.parametrize(("table", "column", "kind", "kwargs"), [
    ("cve", "title", REGEX, {"regex": "."}), ("cve", "published_at", SET, {"value_set": []}),
    ("cve", "cwe_ids", LENGTH, {"max_value": 99}), ("cve", "cwe_ids", SET, {"value_set": [()]}),
    ("cve", "modified_at", LENGTH, {"max_value": 99}), ("cve", "record_kev", SET, {"value_set": [True, False]}),
    ("cve", "record_sha256", REGEX, {"regex": "."}), ("cve", "title", BETWEEN, {"min_value": 5}),
    ("cve", "record_kev_added", SET, {"value_set": []}),
    ("cve_score", "dated_at", BETWEEN, {"min_value": "1999-01-01"}),
    ("cve_ssvc", "dated_at", BETWEEN, {"min_value": "1999-01-01"}),
    ("cve_product", "place", BETWEEN, {"max_value": 1000}),
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
    raws = odd_records(len(seeds), seeds.start)
    found = new_reader(None).read([(b"d" * 32, raw) for raw in raws])
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
                known = {len(text) for text in found.values[table][index]}
                assert known == ({min(lengths), max(lengths)} if lengths else set())
            elif kinds is not None and BETWEEN in kinds:
                assert found.values[table][index] == ({min(truth), max(truth)} if truth else set())
            elif kinds is not None:
                (items,) = found.values[table][index]
                assert set(items) == {item for value in truth for item in value}
            elif column == "cve_id" and table != "cve":
                assert found.values[table][index] >= truth
            else:
                assert found.values[table][index] == truth, (table, column)
