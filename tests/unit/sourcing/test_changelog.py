from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from suture.sourcing.changelog import ChangelogError, changelog_cves, parse_changelog
from tests.faults.repository.builder import Deb

TEXT = """portal (2.1) stable-security; urgency=high, binary-only=yes

  * Fix cve-2026-0002 and CVE-2026-0003 (again CVE-2026-0002).

 -- Vendor <v@vendor.test>  Tue, 03 Nov 2026 12:00:00 +0200

portal (2.0) stable; urgency=medium

  * CVE-2026-0001.

 -- Vendor <v@vendor.test>  no date at all

portal (1.0) stable; urgency=low

  * First.

 -- Vendor <v@vendor.test>  Mon, 02 Nov 2026 10:00:00 +0000
"""


def deb(tmp_path: Path, package: Deb) -> Path:
    path = tmp_path / f"{package.name}_{package.version}_amd64.deb"
    path.write_bytes(package.build())
    return path


def test_entries_are_read_newest_first() -> None:
    newest, middle, oldest = parse_changelog(TEXT)
    assert (newest.version, newest.urgency, newest.cves) == ("2.1", "high", ("CVE-2026-0002", "CVE-2026-0003"))
    assert newest.date == datetime(2026, 11, 3, 10, 0, tzinfo=UTC)
    assert (middle.cves, middle.date) == (("CVE-2026-0001",), None)
    assert oldest.cves == ()
    assert "First." in oldest.text


@pytest.mark.parametrize(
    ("older", "versions"),
    [(None, ["2.1", "2.0", "1.0"]), ("1.0", ["2.1", "2.0"]), ("2.0", ["2.1"]), ("2.1", []), ("1.5", ["2.1", "2.0"])],
)
def test_only_what_is_newer_than_the_installed_version(tmp_path: Path, older: str | None, versions: list[str]) -> None:
    reading = changelog_cves(deb(tmp_path, Deb("portal", "2.1", changelog=TEXT)), older)
    assert reading.entries is not None
    assert [entry.version for entry in reading.entries] == versions


def test_a_doc_folder_that_is_a_link_says_where_the_changelog_is(tmp_path: Path) -> None:
    reading = changelog_cves(deb(tmp_path, Deb("portal-data", "2.1", link_doc_to="portal")))
    assert (reading.entries, reading.elsewhere) == (None, "portal")


def test_a_package_without_changelog_is_not_taken_for_unchanged(tmp_path: Path) -> None:
    reading = changelog_cves(deb(tmp_path, Deb("bare", "1.0")))
    assert reading.entries is None
    assert reading.elsewhere


def test_a_changelog_bomb_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ChangelogError, match="larger"):
        changelog_cves(deb(tmp_path, Deb("bomb", "1.0", changelog="x" * (17 * 1024 * 1024))))


def test_what_is_no_deb_is_said(tmp_path: Path) -> None:
    path = tmp_path / "broken_1_amd64.deb"
    path.write_bytes(b"!<arch>\nnonsense")
    with pytest.raises(ChangelogError, match="broken_1_amd64"):
        changelog_cves(path)
