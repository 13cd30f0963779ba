from __future__ import annotations

from pathlib import Path

import pytest

from suture.errors import BadInputError
from suture.sourcing.machine import address_of_suite, machine_sources

DEB822 = """# a comment
Types: deb deb-src
# another
URIs: http://one.test/debian http://two.test/debian
Suites: stable stable-updates
Components: main contrib
Signed-By: /usr/share/keyrings/vendor.gpg

Enabled: no
Types: deb
URIs: http://disabled.test/
Suites: stable
Components: main

Types: deb-src
URIs: http://sources.test/
Suites: stable
Components: main
"""
ONE_LINE = """# deb http://commented.test/ stable main
deb [arch=amd64 signed-by=/etc/apt/keyrings/v.gpg] http://line.test/apt stable-security main # why
deb-src http://line.test/apt stable-security main
deb http://flat.test/ ./
"""


@pytest.fixture
def apt_folder(tmp_path: Path) -> Path:
    (tmp_path / "sources.list").write_text(ONE_LINE)
    parts = tmp_path / "sources.list.d"
    parts.mkdir()
    (parts / "vendor.sources").write_text(DEB822)
    (parts / "off.list.disabled").write_text("deb http://off.test/ stable main\n")
    return tmp_path


def test_both_formats_are_read_in_apts_order(apt_folder: Path) -> None:
    found = [(s.uri, s.suite, s.components) for s in machine_sources(apt_folder)]
    assert found == [
        ("http://line.test/apt", "stable-security", ("main",)),
        ("http://flat.test/", "./", ()),
        ("http://one.test/debian", "stable", ("main", "contrib")),
        ("http://one.test/debian", "stable-updates", ("main", "contrib")),
        ("http://two.test/debian", "stable", ("main", "contrib")),
        ("http://two.test/debian", "stable-updates", ("main", "contrib")),
    ]


def test_signed_by_is_honoured(apt_folder: Path) -> None:
    found = {s.uri: s.signed_by for s in machine_sources(apt_folder)}
    assert found["http://line.test/apt"] == "/etc/apt/keyrings/v.gpg"
    assert found["http://one.test/debian"] == "/usr/share/keyrings/vendor.gpg"
    assert found["http://flat.test/"] is None


def test_the_address_of_a_suite(apt_folder: Path) -> None:
    assert address_of_suite("stable", folder=apt_folder) == "http://one.test/debian"
    with pytest.raises(BadInputError, match="stable-security"):
        address_of_suite("testing", folder=apt_folder)


def test_a_machine_without_apt_has_no_sources(tmp_path: Path) -> None:
    assert machine_sources(tmp_path / "none") == []
