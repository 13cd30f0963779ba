"""The tracker's JSON, in the shape of security-tracker.debian.org/tracker/data/json of 2023 (three packages of it)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from suture.feeds.errors import FeedFormatError
from suture.feeds.sources.debian_tracker import decode


def release(status: str, **more: Any) -> dict[str, Any]:
    return {"status": status, "repositories": {"bookworm": "1.0"}, "urgency": "not yet assigned", **more}


def tracker() -> dict[str, Any]:
    return {
        "sox": {
            "CVE-2021-3643": {
                "description": "<script>alert(1)</script> {{ config }} '; DROP TABLE advisory; --",
                "scope": "local",
                "releases": {
                    "bookworm": release("resolved", fixed_version="14.4.2-3"),
                    "bullseye": release("resolved", fixed_version="14.4.2-2+deb11u1", urgency="high"),
                    "buster": release("open", urgency="end-of-life"),
                },
            },
            "CVE-2021-3644": {
                "releases": {
                    "bookworm": release("resolved", fixed_version="14.4.2-3", urgency="unimportant"),
                    "bullseye": release("resolved", fixed_version="0"),
                    "sid": release("undetermined"),
                    "made-up": release("open"),
                }
            },
            "TEMP-0000000-ABCDEF": {
                "releases": {"bookworm": release("open", urgency="low", nodsa="Minor issue", nodsa_reason="postponed")}
            },
        }
    }


def decoded(document: Any, **options: Any) -> Any:
    return decode(json.dumps(document).encode(), where="tracker.json", **options)


def test_each_state_of_a_release_is_kept_apart() -> None:
    found = decoded(tracker())
    assert (found.records, found.rejected, found.data_date) == (3, [], None)
    spans = {row["advisory_id"]: (row["fixed"], row["state"], row["cve_ids"]) for row in found.tables["advisory_range"]}
    assert spans == {
        "debian_tracker/bookworm/sox@14.4.2-3": ("14.4.2-3", "affected", ["CVE-2021-3643", "CVE-2021-3644"]),
        "debian_tracker/bullseye/sox@14.4.2-2+deb11u1": ("14.4.2-2+deb11u1", "affected", ["CVE-2021-3643"]),
        "debian_tracker/buster/sox@unfixed/CVE-2021-3643": (None, "end_of_life", ["CVE-2021-3643"]),
        "debian_tracker/sid/sox@unfixed/CVE-2021-3644": (None, "undetermined", ["CVE-2021-3644"]),
        "debian_tracker/bookworm/sox@unfixed/TEMP-0000000-ABCDEF": (None, "affected", ["TEMP-0000000-ABCDEF"]),
    }
    (safe,) = found.tables["vex_statement"]
    assert (safe["vulnerability"], safe["codename"], safe["status"]) == ("CVE-2021-3644", "bullseye", "not_affected")


def test_urgencies_and_notes_stand_as_debian_gives_them() -> None:
    found = decoded(tracker())
    words = {
        (row["cve_id"], row["advisory_id"].split("/")[1]): (row["urgency"], row["note"])
        for row in found.tables["advisory_cve"]
    }
    assert words["CVE-2021-3644", "bookworm"] == ("unimportant", None)
    assert words["CVE-2021-3643", "bookworm"] == (None, None)
    assert words["TEMP-0000000-ABCDEF", "bookworm"] == ("low", "postponed: Minor issue")
    urgencies = {row["advisory_id"]: row["urgency"] for row in found.tables["advisory"]}
    # One of the two is not assessed: the advisory is not called unimportant.
    assert urgencies["debian_tracker/bookworm/sox@14.4.2-3"] is None
    assert urgencies["debian_tracker/bullseye/sox@14.4.2-2+deb11u1"] == "high"


def test_a_pinned_release_gives_that_release_only() -> None:
    found = decoded(tracker(), codename="bullseye", advisory_source="debian-security")
    assert [row["advisory_id"] for row in found.tables["advisory"]] == ["debian-security/sox@14.4.2-2+deb11u1"]


BAD = {
    "no fixed version": ({"bookworm": release("resolved")}, "release bookworm: fixed_version"),
    "unknown status": ({"bookworm": release("maybe")}, "status: 'maybe' is none of"),
    "a version that is none": ({"bookworm": release("resolved", fixed_version="1 ; rm -rf /")}, "is no deb version"),
    "wrong type": ({"bookworm": {"status": 5}}, "Expected `str`, got `int`"),
    "no object": ({"bookworm": []}, "Expected `object`, got `array`"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_release_costs_that_release_and_is_named(name: str) -> None:
    releases, reason = BAD[name]
    document = tracker()
    document["sox"]["CVE-2021-3643"]["releases"] = {**releases, "bullseye": release("resolved", fixed_version="2")}
    found = decoded(document)
    (rejected,) = found.rejected
    assert rejected.record_id == "sox/CVE-2021-3643/bookworm"
    assert rejected.reason.startswith("tracker.json, sox, CVE-2021-3643, release bookworm: ")
    assert reason in rejected.reason
    assert "debian_tracker/bullseye/sox@2" in {row["advisory_id"] for row in found.tables["advisory"]}


@pytest.mark.parametrize(
    ("package", "body", "reason"),
    [
        ("So x", {}, "is no deb package's name"),
        ("curl", [], "Expected `object`"),
        ("curl", {"CVE-2024-1\x00": {"releases": {}}}, "NUL"),
        ("curl", {"CVE 2024": {"releases": {}}}, "no vulnerability's id"),
        ("curl", {"CVE-2024-1": {}}, "missing required field `releases`"),
    ],
)
def test_a_bad_package_costs_that_package(package: str, body: Any, reason: str) -> None:
    found = decoded({**tracker(), package: body})
    assert len(found.tables["advisory"]) == 5
    assert len(found.rejected) == 1
    assert reason in found.rejected[0].reason


@pytest.mark.parametrize("raw", [b"", b"[]", b"<!DOCTYPE html>", b'{"sox": {"CVE', b'{"a": {}, "a": {}}'])
def test_another_or_a_truncated_document_is_refused(raw: bytes) -> None:
    with pytest.raises(FeedFormatError):
        decode(raw, where="tracker.json")
