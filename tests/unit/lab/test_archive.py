"""The machine's apt sources, in both styles."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import archive
from lab.errors import MachineUnfitError

OS_RELEASE = 'ID=debian\nVERSION_CODENAME="trixie"\n'


def machine(folder: Path, sources: str = "", one_line: str = "", os_release: str = OS_RELEASE) -> archive.Archive:
    (folder / "sources.list.d").mkdir()
    (folder / "sources.list.d" / "a.sources").write_text(sources)
    (folder / "sources.list").write_text(one_line)
    (folder / "os-release").write_text(os_release)
    return archive.read(folder, folder / "os-release")


def test_deb822_with_comments_and_several_suites(tmp_path: Path) -> None:
    found = machine(
        tmp_path,
        "Types: deb deb-src\n# a comment\nURIs: http://archive.invalid/debian/\nSuites: trixie trixie-updates\n"
        "Components: main contrib\nSigned-By: /usr/share/keyrings/x.gpg\n\n"
        "Types: deb\nURIs: http://security.invalid/debian\nSuites: trixie-security\nComponents: main\n",
    )
    assert found.main == archive.Source(
        "http://archive.invalid/debian", "trixie", ("main", "contrib"), "/usr/share/keyrings/x.gpg"
    )
    assert found.security is not None
    assert found.security.suite == "trixie-security"
    assert found.allowed_hosts == {"archive.invalid", "security.invalid"}


def test_one_line_style_of_ubuntu(tmp_path: Path) -> None:
    found = machine(
        tmp_path,
        one_line="# deb http://old.invalid noble main\n"
        "deb [arch=amd64 signed-by=/k.gpg] http://ubuntu.invalid/ubuntu noble main universe # end\n"
        "deb-src http://ubuntu.invalid/ubuntu noble main\n"
        "deb https://ubuntu.invalid/ubuntu noble-security main\n",
        os_release="ID=ubuntu\nVERSION_CODENAME=noble\n",
    )
    assert (found.distribution, found.main.suite, found.main.signed_by) == ("ubuntu", "noble", "/k.gpg")
    assert found.security is not None
    assert found.security.uri == "https://ubuntu.invalid/ubuntu"


def test_mirror_lists_of_cloud_images(tmp_path: Path) -> None:
    (tmp_path / "mirrors").write_text("# first\nhttp://mirror.invalid/debian priority:1\n")
    found = machine(tmp_path, f"Types: deb\nURIs: mirror+file:{tmp_path}/mirrors\nSuites: trixie\nComponents: main\n")
    assert found.main.uri == "http://mirror.invalid/debian"
    assert found.security is None


def test_disabled_sources_and_embedded_keys(tmp_path: Path) -> None:
    with pytest.raises(MachineUnfitError, match="trixie"):
        machine(
            tmp_path,
            "Types: deb\nEnabled: no\nURIs: http://a.invalid\nSuites: trixie\nComponents: main\nSigned-By:\n -----BEGIN",
        )


def test_only_third_party_sources_are_no_archive(tmp_path: Path) -> None:
    with pytest.raises(MachineUnfitError, match="name no suite"):
        machine(tmp_path, one_line="deb https://tool.invalid/apt stable main\n")
