"""USN JSON, in the shapes of Ubuntu's security API and of the older USN database (notices of 2026, shortened)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from suture.feeds.errors import FeedFormatError
from suture.feeds.sources.ubuntu_usn import decode


def notice(**more: Any) -> dict[str, Any]:
    return {
        "id": "USN-8398-1", "title": "Demo vulnerabilities", "published": "2026-06-10T12:00:00", "type": "USN",
        "is_hidden": False, "cves_ids": ["CVE-2026-1000", "CVE-2026-1001"],
        "release_packages": {
            "jammy": [
                {"name": "demo", "version": "2.4-1ubuntu1.1", "is_source": True, "pocket": None},
                {"name": "demo-bin", "version": "2.4-1ubuntu1.1", "is_source": False, "pocket": "security"},
            ],
            "bionic": [{"name": "demo", "version": "2.2-1ubuntu0.1~esm1", "is_source": True, "pocket": "esm-infra"}],
        },
        **more,
    }  # fmt: skip


def decoded(*notices: Any, **options: Any) -> Any:
    return decode(json.dumps({"notices": list(notices), "total_results": 2}).encode(), where="notices.json", **options)


def test_each_release_has_its_own_advisory_with_its_binaries() -> None:
    found = decoded(notice())
    assert (found.records, found.rejected) == (1, [])
    assert {row["advisory_id"]: row["details"]["pocket"] for row in found.tables["advisory"]} == {
        "ubuntu_usn/jammy/demo@2.4-1ubuntu1.1": None, "ubuntu_usn/bionic/demo@2.2-1ubuntu0.1~esm1": "esm-infra",
    }  # fmt: skip
    assert [(row["package"], row["version"]) for row in found.tables["advisory_package"]] == [
        ("demo-bin", "2.4-1ubuntu1.1")
    ]
    assert {row["cve_id"] for row in found.tables["advisory_cve"]} == {"CVE-2026-1000", "CVE-2026-1001"}


def test_a_regression_that_takes_a_fix_back_is_linked_to_its_first_notice() -> None:
    again = notice(id="USN-8398-2", title="Demo regression", cves_ids=[], release_packages={
        "jammy": [{"name": "demo", "version": "2.4-1ubuntu1.2", "is_source": True}]})  # fmt: skip
    found = decoded(notice(), again)
    links = {
        row["revision_id"]: (row["first_id"], row["revision"], row["is_regression"])
        for row in found.tables["advisory_revision"]
    }
    assert links == {"USN-8398-1": ("USN-8398-1", 1, False), "USN-8398-2": ("USN-8398-1", 2, True)}
    named = [row["cve_id"] for row in found.tables["advisory_cve"] if row["advisory_id"].endswith("ubuntu1.2")]
    assert named == ["USN-8398-2"]


QUOTE = "\n\nOriginal advisory details:\n\n It was discovered that Demo mishandles input. (CVE-2026-1000, CVE-2026-1001)\n"


@pytest.mark.parametrize(
    ("words", "named", "open_again"),
    [
        ("The fix for CVE-2026-1001 caused a crash. This update reverts the security fix for now.", [], ["CVE-2026-1001"]),
        ("The update caused a crash. The problematic patch has been reverted.", [], ["CVE-2026-1000", "CVE-2026-1001"]),
        ("This update reverts the fix for CVE-2026-1001.", ["CVE-2026-1000", "CVE-2026-1001"], ["CVE-2026-1001"]),
        ("The update caused a crash. This update fixes the problem.", [], []),
        ("USN-8398-1 fixed CVE-2026-1000 and CVE-2026-1001. This update reverts\nthe fix for CVE-2026-1001.", [],
         ["CVE-2026-1001"]),
        # The words of USN-1732-3 and USN-5966-3: what an earlier notice reverted is told, and comes back.
        ("The fix for CVE-2026-1000 was reverted in USN-8398-2 because of a regression. This update\nrestores the security fix.",
         ["CVE-2026-1000"], []),
        ("The update caused a regression and was reverted in\nUSN-8398-2. This update provides security fixes.",
         ["CVE-2026-1000", "CVE-2026-1001"], []),
        ("It was reverted until a correct fix is found. CVE-2026-1000", [], ["CVE-2026-1000"]),
    ],
)  # fmt: skip
def test_a_fix_that_is_taken_back_is_open_again_in_the_version_that_does_so(
    words: str, named: list[str], open_again: list[str]
) -> None:
    again = notice(id="USN-8398-2", title="Demo regression", cves_ids=named, description=words + QUOTE, release_packages={
        "jammy": [{"name": "demo", "version": "2.4-1ubuntu1.2", "is_source": True}]})  # fmt: skip
    tables = decoded(notice(description="Nothing is reverted in a first notice. CVE-2026-1000"), again).tables
    unfixed = {row["advisory_id"] for row in tables["advisory"] if row["fixed_version"] is None}
    assert unfixed == ({"ubuntu_usn/jammy/demo@unfixed/USN-8398-2"} if open_again else set())
    assert [row["cve_id"] for row in tables["advisory_cve"] if row["advisory_id"] in unfixed] == open_again
    spans = [row for row in tables["advisory_range"] if row["advisory_id"] in unfixed]
    assert [(row["introduced"], row["last_affected"], row["fixed"], row["cve_ids"]) for row in spans] == (
        [("2.4-1ubuntu1.2", "2.4-1ubuntu1.2", None, open_again)] if open_again else []
    )
    fixed = {row["cve_id"] for row in tables["advisory_cve"] if row["advisory_id"].endswith("@2.4-1ubuntu1.2")}
    assert fixed == (set(named) or {"USN-8398-2"})


def test_the_older_database_says_the_same() -> None:
    old = {"8398-1": {
        "id": "8398-1", "title": "Demo vulnerabilities", "timestamp": 1781092800.0, "cves": ["CVE-2026-1000", "bug 12"],
        "releases": {"jammy": {"sources": {"demo": {"version": "2.4-1ubuntu1.1", "description": "d"}},
                               "binaries": {"demo-bin": {"version": "2.4-1ubuntu1.1", "pocket": "security"}}}},
    }}  # fmt: skip
    found = decode(json.dumps(old).encode(), where="database.json")
    assert found.rejected == []
    assert [row["advisory_id"] for row in found.tables["advisory"]] == ["ubuntu_usn/jammy/demo@2.4-1ubuntu1.1"]
    assert [row["package"] for row in found.tables["advisory_package"]] == ["demo-bin"]
    assert [row["cve_id"] for row in found.tables["advisory_cve"]] == ["CVE-2026-1000"]


def test_two_sources_of_a_release_share_no_binaries() -> None:
    link = "https://launchpad.test/ubuntu/+source/"
    packages = [
        {"name": "one", "version": "1.0", "is_source": True}, {"name": "two", "version": "2.0", "is_source": True},
        {"name": "one-bin", "version": "1.0", "source_link": f"{link}one"}, {"name": "lost", "version": "1.0"},
    ]  # fmt: skip
    found = decoded(notice(release_packages={"jammy": packages}))
    assert [(row["advisory_id"], row["package"]) for row in found.tables["advisory_package"]] == [
        ("ubuntu_usn/jammy/one@1.0", "one-bin")
    ]


BAD = {
    "no number": ({"id": "USN-x"}, "id: 'USN-x' is no notice's number"),
    "hidden": ({"is_hidden": True}, "it is hidden"),
    "a livepatch": ({"type": "LSN"}, "of type 'LSN'"),
    "a wrong type": ({"cves_ids": "CVE-1"}, "Expected `array`, got `str`"),
    "no date": ({"published": "soon"}, "$.published"),
    "a NUL": ({"title": "\x00"}, "NUL"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_notice_is_named_and_costs_no_other(name: str) -> None:
    change, reason = BAD[name]
    found = decoded(notice(**change), notice(id="USN-9000-1"))
    assert {row["record_id"] for row in found.tables["advisory"]} == {"USN-9000-1"}
    (rejected,) = found.rejected
    assert rejected.reason.startswith("notices.json, notice 0")
    assert reason in rejected.reason


@pytest.mark.parametrize(
    ("release", "package", "reason"),
    [("jammy", {"name": "x y", "version": "1"}, "no deb package's name"),
     ("jammy", {"name": "demo", "version": "`id`"}, "no deb version"),
     ("martian", {"name": "demo", "version": "1"}, "the release is not known")],
)  # fmt: skip
def test_a_bad_package_costs_that_package(release: str, package: dict[str, str], reason: str) -> None:
    packages = {**notice()["release_packages"], release: [{**package, "is_source": True}]}
    found = decoded(notice(release_packages=packages))
    assert "bionic" in {row["codename"] for row in found.tables["advisory"]}
    assert len(found.rejected) == 1
    assert reason in found.rejected[0].reason


@pytest.mark.parametrize("raw", [b"", b"[1]", b"<html>", b"{}", b'{"a": 1}', b'{"notices": [{"id"'])
def test_another_or_a_truncated_document_is_refused(raw: bytes) -> None:
    with pytest.raises(FeedFormatError):
        decode(raw, where="notices.json")
