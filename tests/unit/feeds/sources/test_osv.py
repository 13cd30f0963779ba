"""OSV records, in JSON, YAML and zips. PYSEC-2008-3 is of pypa/advisory-database, as modified 2021-07-16."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest

from suture.feeds.errors import FeedFormatError
from suture.feeds.sources.osv import decode, records
from suture.feeds.sources.osv.records import from_yaml

PYSEC = """id: PYSEC-2008-3
details: Directory traversal vulnerability in the _get_file_path function
affected:
- package:
    name: CherryPy
    ecosystem: PyPI
    purl: pkg:pypi/cherrypy
  ranges:
  - type: ECOSYSTEM
    events:
    - introduced: "0"
    - fixed: 2.1.1
    - introduced: "3.0"
    - fixed: 3.0.2
  versions:
  - "0.10"
  - 2.0.0-final
  - 3.0
aliases:
- CVE-2008-0252
modified: "2021-07-16T01:31:05.763719Z"
published: "2008-01-12T02:46:00Z"
"""


def record(*events: dict[str, str], ecosystem: str = "PyPI", name: str = "demo", **more: Any) -> dict[str, Any]:
    affected = {
        "package": {"name": name, "ecosystem": ecosystem},
        "ranges": [{"type": "ECOSYSTEM", "events": list(events)}] if events else [],
        **more.pop("affected", {}),
    }
    return {"id": "X-1", "modified": "2026-01-01T00:00:00Z", "affected": [affected], **more}


def spans(document: Any, **options: Any) -> list[tuple[Any, ...]]:
    found = decode(json.dumps(document).encode(), where="osv.json", **options)
    assert found.rejected == []
    return [
        (row["introduced"], row["fixed"], row["last_affected"], row["limit_before"], row["versions"])
        for row in found.tables["advisory_range"]
    ]


def test_a_yaml_record_of_pypa_with_a_hole() -> None:
    found = decode(PYSEC.encode(), where="PYSEC-2008-3.yaml")
    assert (found.records, found.rejected) == (1, [])
    (advisory,) = found.tables["advisory"]
    assert (advisory["advisory_id"], advisory["ecosystem"], advisory["fixed_version"]) == (
        "osv/PYSEC-2008-3/cherrypy", "pypi", None,
    )  # fmt: skip
    rows = [(row["kind"], row["introduced"], row["fixed"], row["versions"]) for row in found.tables["advisory_range"]]
    assert rows == [
        ("range", None, "2.1.1", []), ("range", "3.0", "3.0.2", []), ("versions", None, None, ["0.10", "2.0.0-final", "3.0"]),
    ]  # fmt: skip
    assert [row["cve_id"] for row in found.tables["advisory_cve"]] == ["CVE-2008-0252"]
    assert {(row["alias"], row["relation"]) for row in found.tables["advisory_alias"]} == {
        ("PYSEC-2008-3", "self"), ("CVE-2008-0252", "alias"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([{"introduced": "1.0"}, {"last_affected": "1.4"}], [("1.0", None, "1.4", None, [])]),
        ([{"introduced": "1.0"}], [("1.0", None, None, None, [])]),
        # Out of order: sorted by version, 1.10 after 1.9.
        ([{"introduced": "0"}, {"introduced": "1.10"}, {"fixed": "2.0"}, {"fixed": "1.9"}],
         [(None, "1.9", None, None, []), ("1.10", "2.0", None, None, [])]),
        # Vulnerable again from the very version that fixed it.
        ([{"introduced": "0"}, {"fixed": "2.0"}, {"introduced": "2.0"}, {"fixed": "2.1"}],
         [(None, "2.0", None, None, []), ("2.0", "2.1", None, None, [])]),
        ([{"introduced": "0"}, {"limit": "5"}, {"limit": "10"}], [(None, None, None, "10", [])]),
        ([{"introduced": "0"}, {"limit": "*"}, {"fixed": "3"}], [(None, "3", None, None, [])]),
    ],
)  # fmt: skip
def test_events_become_spans(events: list[dict[str, str]], expected: list[Any]) -> None:
    assert spans(record(*events)) == expected


@pytest.mark.parametrize(
    ("ecosystem", "name", "codename", "stored"),
    [
        ("Debian:12", "openssl", "bookworm", "deb"), ("Ubuntu:22.04:LTS", "openssl", "jammy", "deb"),
        ("Ubuntu:Pro:18.04:LTS", "openssl", "bionic", "deb"), ("Debian", "openssl", None, "deb"),
        ("npm", "@angular/core", None, "npm"), ("Maven", "org.apache.logging.log4j:log4j-core", None, "maven"),
    ],
)  # fmt: skip
def test_ecosystems_and_releases(ecosystem: str, name: str, codename: str | None, stored: str) -> None:
    document = record({"introduced": "0"}, {"fixed": "1.0.1"}, ecosystem=ecosystem, name=name)
    (advisory,) = decode(json.dumps(document).encode(), where="w").tables["advisory"]
    assert (advisory["codename"], advisory["ecosystem"], advisory["source_package"]) == (codename, stored, name)


def test_each_fix_of_a_debian_package_is_an_advisory_with_its_own_span() -> None:
    document = record(
        {"introduced": "0"}, {"fixed": "1.0"}, {"introduced": "2.0~rc1"}, {"fixed": "2.0"}, ecosystem="Debian:12"
    )
    found = decode(json.dumps(document).encode(), where="w", feed="d")
    assert {row["advisory_id"]: (row["introduced"], row["fixed"]) for row in found.tables["advisory_range"]} == {
        "d/bookworm/demo@1.0": (None, "1.0"), "d/bookworm/demo@2.0": ("2.0~rc1", "2.0"),
    }  # fmt: skip


def test_alpine_is_left_out_with_its_reason_and_the_rest_stands() -> None:
    document = record({"introduced": "0"}, {"fixed": "1.1"})
    document["affected"].append({**document["affected"][0], "package": {"name": "demo", "ecosystem": "Alpine:v3.19"}})
    found = decode(json.dumps(document).encode(), where="osv.json")
    assert len(found.tables["advisory"]) == 1
    (rejected,) = found.rejected
    assert "osv.json, advisory 0: X-1, affected[1]: packages of 'Alpine:v3.19' are left out" in rejected.reason


def test_a_withdrawn_record_keeps_its_date_and_withdraws_no_live_one() -> None:
    gone = record({"introduced": "0"}, {"fixed": "1.1"}, ecosystem="Debian:12", withdrawn="2026-02-01T00:00:00Z")
    (advisory,) = decode(json.dumps(gone).encode(), where="w").tables["advisory"]
    assert advisory["withdrawn_at"] == "2026-02-01T00:00:00+00:00"
    live = {
        **record({"introduced": "0"}, {"fixed": "1.1"}, ecosystem="Debian:12"),
        "id": "X-2",
        "aliases": ["CVE-2026-1111"],
    }
    both = decode(json.dumps([gone, live]).encode(), where="w")
    assert [(row["record_id"], row["withdrawn_at"]) for row in both.tables["advisory"]] == [("X-2", None)]
    assert [row["cve_id"] for row in both.tables["advisory_cve"]] == ["CVE-2026-1111"]


def test_severities_are_scores_and_a_vendors_word_is_urgency() -> None:
    vector = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
    document = record(
        {"introduced": "0"}, {"fixed": "1.1"}, ecosystem="Ubuntu:22.04:LTS", upstream=["CVE-2026-2222"],
        severity=[{"type": "CVSS_V3", "score": vector}, {"type": "Ubuntu", "score": "medium"}],
    )  # fmt: skip
    found = decode(json.dumps(document).encode(), where="w", feed="ubuntu")
    (score,) = found.tables["cve_score"]
    assert (score["cve_id"], score["vector"], score["source"]) == ("CVE-2026-2222", vector, "vendor:ubuntu")
    assert found.tables["advisory"][0]["urgency"] == "medium"


BAD = {
    "no introduced": (record({"fixed": "1"}), "ranges[0].events: none says introduced"),
    "two words": (record({"introduced": "0", "fixed": "1"}), "events[0]: it must hold exactly one of"),
    "an unknown word": (record({"introduced": "0"}, {"mended": "1"}), "events[1]: it must hold exactly one of"),
    "a hostile version": (record({"introduced": "0"}, {"fixed": "1 OR 1=1"}), "events[1].fixed: '1 OR 1=1' is no pypi version"),
    "a hostile name": (record({"introduced": "0"}, name="<b>demo</b>"), "is no pypi package's name"),
    "an unknown range": (record(affected={"ranges": [{"type": "LUNAR", "events": []}]}), "type: 'LUNAR' is not known"),
    "a wrong type": ({**record({"introduced": "0"}), "affected": "all"}, "Expected `array`, got `str` - at `$.affected`"),
    "no date": ({"id": "X-1", "affected": []}, "missing required field `modified`"),
    "an id with a line break": ({**record({"introduced": "0"}), "id": "X\n1"}, "id: it is empty, too long, or not plain ASCII"),
    "a NUL": ({**record({"introduced": "0"}), "summary": "a\x00b"}, "NUL"),
    "an unknown release": (record({"introduced": "0"}, ecosystem="Debian:99"), "no release of that number is known"),
    "nothing at all": ({"id": "X-1", "modified": "2026-01-01T00:00:00Z"}, "names no version of a package"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_record_is_named_and_costs_no_other(name: str) -> None:
    document, reason = BAD[name]
    good = {**record({"introduced": "0"}, {"fixed": "1.1"}), "id": "GOOD-1"}
    found = decode(json.dumps({"vulns": [document, good]}).encode(), where="osv.json")
    assert [row["record_id"] for row in found.tables["advisory"]] == ["GOOD-1"]
    (rejected,) = found.rejected
    assert rejected.reason.startswith("osv.json, advisory 0")
    assert reason in rejected.reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: &x [1]\nb: *x\n", "anchors or aliases"), ("a: 1\na: 2\n", "stands twice"), ("a: [" * 70, "nested|YAML"),
        ("- 1\n", "not a mapping"), ("a: !!python/object/apply:os.system [reboot]\n", ""), ("a: 'x", "YAML"),
    ],
)  # fmt: skip
def test_yaml_that_means_more_than_it_shows_is_refused(text: str, reason: str) -> None:
    if not reason:  # a tag makes nothing: it is text like any other
        assert from_yaml(text.encode(), "w") == b'{"a":["reboot"]}'
        return
    with pytest.raises(FeedFormatError, match=reason):
        from_yaml(text.encode(), "w")


def packed(entries: list[tuple[str, bytes]]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return stream.getvalue()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_zip_of_records_is_read_within_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "MAX_RECORD_BYTES", 10_000)
    good = json.dumps({**record({"introduced": "0"}, {"fixed": "1.1"}), "id": "GOOD-1"}).encode()
    raw = packed([
        ("GOOD-1.json", good), ("../../etc/evil.json", b"{"), ("bomb.json", b" " * 1_000_000), ("GOOD-1.json", good),
        ("readme.txt", b"hi"), ("PYSEC.yaml", PYSEC.encode()),
    ])  # fmt: skip
    found = decode(raw, where="all.zip")
    assert {row["record_id"] for row in found.tables["advisory"]} == {"GOOD-1", "PYSEC-2008-3"}
    reasons = " ".join(item.reason for item in found.rejected)
    assert len(found.rejected) == 4
    for part in (
        "bomb.json: it says that it inflates to 1000000",
        "stands twice",
        "readme.txt: it is no .json",
        "evil.json",
    ):
        assert part in reasons


def test_a_zip_that_is_too_large_or_broken_is_refused_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = packed([(f"{number}.json", b"{}" * 100) for number in range(5)])
    monkeypatch.setattr(records, "MAX_TOTAL_BYTES", 500)
    with pytest.raises(FeedFormatError, match="inflates to more than"):
        decode(raw, where="all.zip")
    monkeypatch.setattr(records, "MAX_ENTRIES", 4)
    with pytest.raises(FeedFormatError, match="more than the 4 allowed"):
        decode(raw, where="all.zip")
    with pytest.raises(FeedFormatError, match="cannot be read"):
        decode(raw[:-30], where="all.zip")
