"""STIX 2.1 objects, in the shape of the specification's examples (OASIS, 2021)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from suture.feeds.errors import FeedFormatError
from suture.feeds.sources.stix import decode

VULNERABILITY = "vulnerability--0c7b5b88-8ff7-4a4d-aa9d-feb398cd0061"
INDICATOR = "indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f"
RELATION = "relationship--57b56a43-b8b0-4cba-9deb-34e3e1faed9e"
SIGHTING = "sighting--ee20065d-2555-424f-ad9e-0f8428623c75"
PATTERN = "[url:value = 'http://evil.test/{{7*7}}' OR file:name = '$(reboot)']"


def thing(stix_id: str, **more: Any) -> dict[str, Any]:
    return {
        "type": stix_id.partition("--")[0], "spec_version": "2.1", "id": stix_id, "created": "2026-01-01T00:00:00.000Z",
        "modified": "2026-01-02T00:00:00.000Z", **more,
    }  # fmt: skip


def objects() -> list[dict[str, Any]]:
    return [
        thing(INDICATOR, name="an indicator", pattern=PATTERN, pattern_type="stix", valid_from="2026-01-01T00:00:00Z", confidence=0),
        thing(VULNERABILITY, name="CVE-2026-1234", external_references=[{"source_name": "cve", "external_id": "CVE-2026-1234"}]),
        thing(RELATION, relationship_type="indicates", source_ref=INDICATOR, target_ref=VULNERABILITY),
        thing(SIGHTING, sighting_of_ref=INDICATOR, count=50, first_seen="2026-01-01T00:00:00Z"),
        {"type": "malware", "id": "whatever", "anything": {"at": "all"}},
    ]  # fmt: skip


def bundle(*found: Any) -> bytes:
    return json.dumps({"type": "bundle", "id": "bundle--1", "objects": list(found)}).encode()


def rows(*found: Any) -> dict[str, Any]:
    decoded = decode(bundle(*found), where="bundle.json")
    assert decoded.rejected == []
    return {row["signal_id"]: row for row in decoded.tables["threat_signal"]}


def test_an_indicator_and_its_sightings_carry_the_cves_of_what_they_point_at() -> None:
    found = rows(*objects())
    assert set(found) == {VULNERABILITY, INDICATOR, RELATION, SIGHTING}
    assert {name: row["cve_ids"] for name, row in found.items()} == {key: ["CVE-2026-1234"] for key in found}
    assert found[INDICATOR]["pattern"] == PATTERN  # as it is, and never evaluated
    assert (found[INDICATOR]["confidence"], found[VULNERABILITY]["confidence"]) == (0, None)
    assert (found[SIGHTING]["sighted_count"], found[SIGHTING]["target_ref"]) == (50, INDICATOR)


def test_what_is_revoked_stays_and_lends_nothing() -> None:
    changed = objects()
    changed[1]["revoked"] = True
    found = rows(*changed)
    assert (found[VULNERABILITY]["revoked"], found[INDICATOR]["cve_ids"]) == (True, [])


def test_the_latest_version_of_an_object_counts() -> None:
    later = {**objects()[0], "modified": "2026-02-01T00:00:00Z", "revoked": True}
    for order in ([later, *objects()], [*objects(), later]):
        assert rows(*order)[INDICATOR]["revoked"] is True


BAD = {
    "an id of another kind": ({"id": VULNERABILITY}, "id: "),
    "no uuid": ({"id": "indicator--1"}, "is no STIX id of type indicator"),
    "STIX 2.0": ({"spec_version": None}, "Expected `str`, got `null`"),
    "an older version": ({"spec_version": "2.0"}, "spec_version: '2.0' is not read"),
    "no pattern": ({"pattern": None}, "pattern: it is missing from the indicator"),
    "half a pattern": ({"pattern": "[" + "x" * 20_000}, "longer than 10000"),
    "too sure": ({"confidence": 101}, "confidence: it lies outside"),
    "changed before it was": ({"modified": "2025-01-01T00:00:00Z"}, "earlier than created"),
    "no date": ({"modified": "now"}, "$.modified"),
    "a NUL": ({"name": "a\x00"}, "NUL"),
    "a number for a text": ({"name": 7}, "Expected `str | null`, got `int`"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_object_is_named_and_costs_no_other(name: str) -> None:
    change, reason = BAD[name]
    changed = objects()
    changed[0] |= change
    found = decode(bundle(*changed), where="bundle.json")
    assert {row["signal_id"] for row in found.tables["threat_signal"]} == {VULNERABILITY, RELATION, SIGHTING}
    (rejected,) = found.rejected
    assert rejected.reason.startswith("bundle.json, objects[0]: ")
    assert reason in rejected.reason


@pytest.mark.parametrize("raw", [b"", b"[]", b"<html>", b'{"type": "report"}', b"{}", bundle(*objects())[:-30]])
def test_another_or_a_truncated_document_is_refused(raw: bytes) -> None:
    with pytest.raises(FeedFormatError):
        decode(raw, where="bundle.json")
