"""DSA and DLA lists. The entries are of the Debian security tracker's lists, state of 1 April 2023."""

from __future__ import annotations

import pytest

from suture.feeds.errors import FeedFormatError
from suture.feeds.sources.debian_lists import decode

LIST = b"""[29 Mar 2023] DSA-5380-1 xorg-server - security update
\t{CVE-2023-1393}
\t[bullseye] - xorg-server 2:1.20.11-1+deb11u6
[17 Mar 2023] DSA-5356-2 sox - regression update
\t[bullseye] - sox 14.4.2+git20190427-2+deb11u2
\tNOTE: a note of the team
[20 Feb 2023] DSA-5356-1 sox - security update
\t{CVE-2019-13590 CVE-2021-3643}
\t[bullseye] - sox 14.4.2+git20190427-2+deb11u1
[18 Apr 2018] DSA-4205-1 jessie end-of-life
[04 Feb 2010] DSA-1991-1 squid squid3 - denial of service
\t{CVE-2009-2855 CVE-2010-0308}
\t[etch] - squid 2.6.5-6etch5
\t[lenny] - squid3 3.0.STABLE8-3+lenny3
\t[etch] - vlc <not-affected> (Vulnerable code not present)
\t[lenny] - virtualbox-ose <end-of-life>
"""


def test_entries_become_revisions_and_advisories_by_release_and_fix() -> None:
    found = decode(LIST, where="DSA-list")
    assert (found.records, found.rejected) == (5, [])
    assert found.data_date is not None
    assert found.data_date.isoformat() == "2023-03-29T00:00:00+00:00"
    revisions = {row["revision_id"]: row for row in found.tables["advisory_revision"]}
    assert (revisions["DSA-5356-2"]["first_id"], revisions["DSA-5356-2"]["revision"]) == ("DSA-5356-1", 2)
    assert [name for name, row in revisions.items() if row["is_regression"]] == ["DSA-5356-2"]
    assert revisions["DSA-4205-1"]["title"] == "jessie end-of-life"
    assert revisions["DSA-4205-1"]["fixes"] == []
    assert revisions["DSA-1991-1"]["package"] == "squid squid3"
    fixed = {row["advisory_id"]: row["fixed_version"] for row in found.tables["advisory"]}
    assert fixed["debian_lists/bullseye/sox@14.4.2+git20190427-2+deb11u2"] == "14.4.2+git20190427-2+deb11u2"
    assert fixed["debian_lists/lenny/virtualbox-ose@unfixed/DSA-1991-1"] is None
    states = {row["package"]: row["state"] for row in found.tables["advisory_range"]}
    assert (states["virtualbox-ose"], states["squid"]) == ("end_of_life", "affected")


def test_a_regression_update_names_no_cve_of_the_first_and_stands_for_itself() -> None:
    found = decode(LIST, where="DSA-list")
    named = {
        row["advisory_id"]: row["cve_id"] for row in found.tables["advisory_cve"] if "deb11u2" in row["advisory_id"]
    }
    assert named == {"debian_lists/bullseye/sox@14.4.2+git20190427-2+deb11u2": "DSA-5356-2"}


def test_not_affected_is_a_statement_and_no_advisory() -> None:
    found = decode(LIST, where="DSA-list")
    said = {
        (row["vulnerability"], row["codename"], row["status"], row["impact"]) for row in found.tables["vex_statement"]
    }
    assert said == {
        (cve, "etch", "not_affected", "Vulnerable code not present") for cve in ("CVE-2009-2855", "CVE-2010-0308")
    }
    assert not any(row["source_package"] == "vlc" for row in found.tables["advisory"])


def test_a_pinned_release_leaves_the_others_out_and_meets_the_archives_id() -> None:
    found = decode(LIST, where="DSA-list", advisory_source="debian-security", suite="s", codename="bullseye")
    assert {row["advisory_id"] for row in found.tables["advisory"]} == {
        "debian-security/xorg-server@2:1.20.11-1+deb11u6",
        "debian-security/sox@14.4.2+git20190427-2+deb11u1",
        "debian-security/sox@14.4.2+git20190427-2+deb11u2",
    }
    assert len(found.tables["advisory_revision"]) == 5


GOOD = (
    b"[29 Mar 2023] DSA-5380-1 xorg-server - security update\n\t{CVE-2023-1393}\n\t[bullseye] - xorg-server 2:1.20.11\n"
)
BAD_LINES = {
    "no date": (b"[29 Foo 2023] DSA-1-1 x - y\n", "line 4: '29 Foo 2023' is no date"),
    "an impossible date": (b"[31 Feb 2023] DSA-1-1 x - y\n", "is no date"),
    "no head": (b"[29 Mar 2023] something else\n", "head of an entry that cannot be read"),
    "no indent": (b"hello\n", "neither indented nor an entry"),
    "another's id": (b"\t{CVE-2023-1 GHSA-x}\n", "'CVE-2023-1' is no CVE id"),
    "a shell in a version": (b"\t[bullseye] - xx $(reboot)\n", "is no deb version"),
    "an unknown word": (b"\t[bullseye] - xx <whatever>\n", "the word <whatever> is not known"),
    "markup for a name": (b"\t[bullseye] - <script> 1.0\n", "is no deb package's name"),
    "a NUL": (b"\t[bullseye] - xx 1\x00\n", "NUL"),
    "not UTF-8": (b"\tNOTE: \xff\n", "not UTF-8"),
    "too long": (b"\tNOTE: " + b"x" * 30_000 + b"\n", "longer than 20000 bytes"),
    "twice": (GOOD, "stands twice"),
}


@pytest.mark.parametrize("name", BAD_LINES)
def test_a_bad_line_costs_that_line_and_says_which(name: str) -> None:
    line, reason = BAD_LINES[name]
    found = decode(GOOD + line, where="DSA-list")
    assert [row["cve_id"] for row in found.tables["advisory_cve"]] == ["CVE-2023-1393"]
    assert len(found.rejected) >= 1
    assert reason in found.rejected[0].reason
    assert found.rejected[0].reason.startswith("DSA-list, line 4: ")


def test_a_truncated_list_keeps_what_is_whole() -> None:
    found = decode(LIST[:180], where="DSA-list")
    assert [row["revision_id"] for row in found.tables["advisory_revision"]] == ["DSA-5380-1", "DSA-5356-2"]


@pytest.mark.parametrize("raw", [b"", b"<html><body>Sorry", b"hello\nworld\n", b"{}"])
def test_another_document_is_refused(raw: bytes) -> None:
    with pytest.raises(FeedFormatError):
        decode(raw, where="DSA-list")
