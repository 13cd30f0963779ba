"""Matching on files, and the verbs match and vercmp as a user calls them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from suture.command.main import main
from suture.errors import BadInputError
from suture.inventory.installed_files import read_installed

STATUS = """Package: nginx-common
Status: install ok installed
Source: nginx
Version: 1.22.1-9+deb12u9

Package: libgcc-s1
Status: install ok installed
Source: gcc-12 (12.2.0-14)
Version: 12.2.0-14+b1

Package: gone
Status: deinstall ok config-files
Version: 1.0

Package: half
Status: install ok half-configured
Version: 2.0
"""


def test_the_status_file_gives_source_packages_and_leaves_out_what_is_removed() -> None:
    found = {p.package: p for p in read_installed(STATUS, where="status").packages}
    assert set(found) == {"nginx-common", "libgcc-s1", "half"}
    assert (found["nginx-common"].source_package, found["nginx-common"].source_version) == ("nginx", "1.22.1-9+deb12u9")
    assert (found["libgcc-s1"].source_package, found["libgcc-s1"].source_version) == ("gcc-12", "12.2.0-14")


@pytest.mark.parametrize("text", ["one\ttwo\tthree\n", "Package: x\nStatus: install ok installed\n", "just words\n"])
def test_other_forms_are_refused_with_their_place(text: str) -> None:
    with pytest.raises(BadInputError, match=r"packages(, line 1|: stanza 1)"):
        read_installed(text, where="packages")


def run(tmp_path: Path, packages: str, advisories: str, *options: str) -> int:
    (tmp_path / "packages").write_text(packages, "utf-8")
    (tmp_path / "advisories").write_text(advisories, "utf-8")
    return main(
        ["match", "--packages", str(tmp_path / "packages"), "--advisories", str(tmp_path / "advisories"), *options]
    )


def test_match_prints_what_is_open(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    advisories = "nginx\t1.22.1-9+deb12u11\tCVE-2023-44487\ngcc-12\t12.2.0-14\nhalf\t2.0.1\ngone\t9\n"
    assert run(tmp_path, STATUS, advisories, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [(f["source_package"], f["packages"], f["cves"]) for f in found["findings"]] == [
        ("nginx", ["nginx-common"], ["CVE-2023-44487"]),
        ("half", ["half"], []),
    ]
    assert run(tmp_path, STATUS, "nginx\t1.0\n") == 1


def test_match_does_not_call_the_uncertain_safe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, "nginx\t{{7*7}}\n", "nginx\t1.0\n") == 2
    assert "not compared" in capsys.readouterr().err
    assert run(tmp_path, "nginx\t1.0\n", "nginx\tnot a version\n") == 2
    assert run(tmp_path, "nginx\t1.0\n", '{"advisories": [{"id": "X-1"}]}') == 2


def test_vercmp(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["vercmp", "deb", "1.0~rc1", "1.0"]) == 0
    assert capsys.readouterr().out == "<\n"
    pairs = tmp_path / "pairs"
    pairs.write_text("1:0\t2\n1.0\t1.00\nx y\n1\t2\n", "utf-8")
    assert main(["vercmp", "deb", "--batch", str(pairs)]) == 2
    out, err = capsys.readouterr()
    assert out.split() == [">", "=", "error", "<"]
    assert "line 3" in err
