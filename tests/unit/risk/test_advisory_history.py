"""Debian's advisory lists: real entries, dirt, and hostile text. The excerpts are from the security tracker's data/DSA/list."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from suture.errors import BadInputError
from suture.model.history import AdvisoryKind
from suture.risk.advisory_history import parse_list, read_history

LIST = """\
[17 Mar 2023] DSA-5356-2 sox - regression update
\t[bullseye] - sox 14.4.2+git20190427-2+deb11u2
[23 Feb 2023] DSA-5356-1 sox - security update
\t{CVE-2019-13590 CVE-2021-3643}
\t[bullseye] - sox 14.4.2+git20190427-2+deb11u1
[18 Apr 2018] DSA-4205-1 jessie end-of-life
\tNOTE: end of security support for jessie
[15 Mar 2010] DSA-2015-1 drbd8 linux-modules-extra-2.6 - privilege escalation
\t{CAN-2010-0747}
\t[lenny] - drbd8 8.0.14-2+lenny1
\t[lenny] - linux-modules-extra-2.6 <end-of-life>
[01 Jan 2019] DLA-1-1 tzdata - new timezone database
"""


def test_entries_kinds_and_fixed_versions() -> None:
    found = parse_list(LIST)
    assert found.left_out == ()
    regression, first, end, drbd, modules, zones = found.advisories
    assert (regression.kind, regression.revision, regression.revision_of) == (AdvisoryKind.REGRESSION, 2, "DSA-5356-1")
    assert regression.family == first.family == first.advisory_id == "DSA-5356-1"
    assert first.published == date(2023, 2, 23)
    assert first.cves == ("CVE-2019-13590", "CVE-2021-3643")
    assert first.fixed == (("bullseye", "14.4.2+git20190427-2+deb11u1"),)
    assert (end.kind, end.source_package) == (AdvisoryKind.OTHER, "")
    assert (drbd.advisory_id, drbd.cves) == ("DSA-2015-1", ("CVE-2010-0747",))
    assert drbd.codenames == {"lenny"}
    assert (modules.source_package, modules.fixed) == ("linux-modules-extra-2.6", ())
    assert zones.kind is AdvisoryKind.OTHER


@pytest.mark.parametrize(
    "line",
    [
        "[31 Feb 2020] DSA-1-1 nginx - security update",
        "[01 Xyz 2020] DSA-1-1 nginx - security update",
        "[01 Jan 2020] nginx - security update",
        "<html><title>503</title>",
        "[" * 30_000,
    ],
)
def test_what_is_no_entry_is_left_out_with_its_line_and_the_rest_stands(line: str) -> None:
    found = parse_list(f"{line}\n{LIST}", name="DSA-list")
    assert len(found.advisories) == 6
    (left,) = found.left_out
    assert (left.file, left.line) == ("DSA-list", 1)
    assert len(left.text) <= 80


def test_hostile_text_is_data() -> None:
    found = parse_list("[01 Jan 2020] DSA-9-1 nginx - {{7*7}} <script>\x1b[31m'; DROP TABLE host\n\t{CVE-2020-1111; x}\n")
    (entry,) = found.advisories
    assert "\x1b" not in entry.title
    assert entry.cves == ("CVE-2020-1111",)


def test_nul_missing_and_empty_files_are_refused(tmp_path: Path) -> None:
    for name, text, why in (("nul", "a\x00b", "NUL"), ("html", "<html>", "holds no advisory")):
        (tmp_path / name).write_text(text)
        with pytest.raises(BadInputError, match=why):
            read_history([tmp_path / name])
    with pytest.raises(BadInputError, match="cannot be read"):
        read_history([tmp_path / "none"])


def test_the_same_file_twice_counts_once(tmp_path: Path) -> None:
    (tmp_path / "list").write_text(LIST)
    found = read_history([tmp_path / "list", tmp_path / "list"])
    assert len(found.advisories) == 6
    assert [entry.published for entry in found.advisories] == sorted(entry.published for entry in found.advisories)
