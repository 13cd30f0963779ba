"""OpenVEX 0.2 documents, in the shape of rancher/vexhub (all `not_affected`) and of the specification's examples."""

from __future__ import annotations

import json
from typing import Any

import pytest

from suture.feeds.errors import FeedFormatError
from suture.feeds.sources.openvex import decode


def statement(**more: Any) -> dict[str, Any]:
    return {
        "vulnerability": {"name": "CVE-2023-39325", "aliases": ["GO-2023-2102"]},
        "products": [{"@id": "pkg:deb/debian/nginx@1.22.1-9?distro=bookworm"}],
        "status": "not_affected",
        "justification": "vulnerable_code_not_in_execute_path",
        "impact_statement": "<b>never</b> called {{ secret }}\x07",
        "timestamp": "2026-06-19T00:00:00Z",
        **more,
    }


def document(*statements: Any, **more: Any) -> bytes:
    return json.dumps({
        "@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://example.test/vex-1", "author": "A Team",
        "timestamp": "2026-06-01T00:00:00Z", "version": 1, "statements": list(statements), **more,
    }).encode()  # fmt: skip


def test_a_statement_names_package_release_and_version() -> None:
    found = decode(document(statement()), where="vex.json")
    (row,) = found.tables["vex_statement"]
    assert found.rejected == []
    assert (row["ecosystem"], row["package"], row["version"], row["codename"]) == (
        "deb",
        "nginx",
        "1.22.1-9",
        "bookworm",
    )
    assert (row["vulnerability"], row["status"], row["author"]) == ("CVE-2023-39325", "not_affected", "A Team")
    assert row["impact"] == "<b>never</b> called {{ secret }}"  # text, as it is; the control character is gone
    assert row["dated_at"] == "2026-06-19T00:00:00+00:00"


def test_the_subcomponent_is_what_it_is_about_and_unknown_worlds_stay_text() -> None:
    product = {
        "@id": "pkg:oci/app@sha256%3Aabc",
        "subcomponents": [{"@id": "pkg:npm/%40angular/core@1.2.3"}, {"@id": "pkg:golang/x/net"}],
    }
    found = decode(document(statement(products=[product])), where="vex.json")
    rows = [(row["subcomponent"], row["ecosystem"], row["package"]) for row in found.tables["vex_statement"]]
    assert rows == [("pkg:npm/%40angular/core@1.2.3", "npm", "@angular/core"), ("pkg:golang/x/net", None, None)]


def test_the_later_statement_wins_and_of_equally_late_ones_the_worrying() -> None:
    early = statement(status="fixed", timestamp="2026-06-18T00:00:00Z")
    late = statement(status="affected", justification=None, action_statement="update", timestamp="2026-06-20T00:00:00Z")
    for order in ([early, late, statement()], [statement(), late, early]):
        (row,) = decode(document(*order), where="w").tables["vex_statement"]
        assert (row["status"], row["action"]) == ("affected", "update")
    tie = statement(status="under_investigation", justification=None)
    (row,) = decode(document(statement(), tie), where="w").tables["vex_statement"]
    assert row["status"] == "under_investigation"


def test_a_statement_without_a_date_has_its_documents() -> None:
    (row,) = decode(document(statement(timestamp=None)), where="w").tables["vex_statement"]
    assert row["dated_at"] == "2026-06-01T00:00:00+00:00"


def test_the_cve_among_the_aliases_is_the_name() -> None:
    name = {"name": "GHSA-4374-p667-p6c8", "aliases": ["cve-2023-39325"]}
    (row,) = decode(document(statement(vulnerability=name)), where="w").tables["vex_statement"]
    assert row["vulnerability"] == "CVE-2023-39325"


BAD = {
    "unknown status": ({"status": "fine"}, "status: 'fine' is none of"),
    "unknown justification": ({"justification": "trust_me"}, "justification: 'trust_me' is not known"),
    "a claim without a ground": (
        {"justification": None, "impact_statement": None},
        "justification: not_affected needs one",
    ),
    "no product": ({"products": []}, "products: it names no product"),
    "an empty product": ({"products": [{"@id": ""}]}, "products[0]: @id: it is empty"),
    "a broken purl": ({"products": [{"@id": "pkg:deb"}]}, "products[0]:"),
    "a hostile name": ({"products": [{"@id": "pkg:deb/debian/Robert'); DROP"}]}, "is no deb package's name"),
    "a number for a text": ({"status": 1}, "Expected `str`, got `int` - at `$.status`"),
    "no vulnerability": ({"vulnerability": {}}, "missing required field `name`"),
    "no date": ({"timestamp": "yesterday"}, "$.timestamp"),
    "a NUL": ({"impact_statement": "a\x00"}, "NUL"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_statement_is_named_and_costs_no_other(name: str) -> None:
    change, reason = BAD[name]
    found = decode(document(statement(**change), statement()), where="vex.json")
    assert len(found.tables["vex_statement"]) == 1
    (rejected,) = found.rejected
    assert rejected.record_id == "https://example.test/vex-1#0"
    assert rejected.reason.startswith("vex.json, statements[0]")
    assert reason in rejected.reason


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"<html>", b"[]", document(statement())[:-40], document(**{"@context": "https://example.test"}),
        document(author=""), document(author=None), document(timestamp="x"),
    ],
)  # fmt: skip
def test_another_or_a_truncated_document_is_refused(raw: bytes) -> None:
    with pytest.raises(FeedFormatError):
        decode(raw, where="vex.json")
