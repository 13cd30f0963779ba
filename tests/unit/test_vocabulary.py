"""The words that all rooms share."""

from __future__ import annotations

import pytest

from suture.feeds.outside_text import names_a_cve
from suture.model import is_cve_id


@pytest.mark.parametrize("text", ["CVE-1999-0001", "CVE-2026-1234567", "CVE-2026-" + "1" * 19])
def test_a_cve_id_is_known(text: str) -> None:
    assert is_cve_id(text)


@pytest.mark.parametrize(
    "text",
    ["", "CVE-2026-123", "cve-2026-1234", "CVE-2026-1234\n", " CVE-2026-1234", "CVE-2026-\u0661\u0662\u0663\u0664",
     "CVE-\uff12\uff10\uff12\uff16-1234", "CVE-2026-1234,CVE-2026-1235", "CVE-2026-" + "1" * 20, "GHSA-m2qf-hxjv-5gpq"],
)  # fmt: skip
def test_what_is_none_is_not(text: str) -> None:
    assert not is_cve_id(text)


@pytest.mark.parametrize(
    ("text", "named", "written"),
    [
        ("CVE-2024-3094", True, True), ("cve-2024-3094", True, False), ("CVE-2124-3094", False, True),
        ("CVE-2024-3094 ", False, False), ("see CVE-2024-3094", False, False), ("CVE-2024-3094\n", False, False),
    ],
)  # fmt: skip
def test_what_a_source_means_by_an_id_is_not_how_it_is_written(text: str, named: bool, written: bool) -> None:
    assert (names_a_cve(text), is_cve_id(text)) == (named, written)
