"""The vendor: reproducible packages, a repository whose signature and hashes hold, advisories for what it published."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lab import vendor
from lab.errors import LabError

AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def test_packages_are_reproducible(tmp_path: Path) -> None:
    release = vendor.RELEASES["1.0.2"]
    first = vendor.build_package(release, tmp_path / "a").read_bytes()
    assert vendor.build_package(release, tmp_path / "b").read_bytes() == first


def test_each_release_is_a_program_of_its_own(tmp_path: Path) -> None:
    programs = {}
    for version, release in vendor.RELEASES.items():
        package = vendor.build_package(release, tmp_path)
        subprocess.run(["dpkg-deb", "-x", str(package), str(tmp_path / version)], check=True)
        source = (tmp_path / version / "usr/lib/acme-portal/portal.py").read_text("utf-8")
        compile(source, version, "exec")
        assert "@" + "VERSION" not in source
        programs[version] = source.replace(version, "")
    assert programs["1.0.3"] == programs["1.0.1+hotfix1"]  # the regular release is what the hotfix was
    assert len(set(programs.values())) == len(vendor.RELEASES) - 1


def test_the_repository_is_signed_and_its_hashes_hold(tmp_path: Path) -> None:
    public = vendor.publish(tmp_path / "vendor", tmp_path / "secrets", ["1.0.0", "1.0.1"], at=AT)
    suite = public / "dists" / "stable"
    command = ["gpgv", "--keyring", str(tmp_path / "vendor" / "keyring.gpg"), str(suite / "InRelease")]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    release = (suite / "Release").read_text("utf-8")
    assert "Date: Mon, 23 Nov 2026 12:00:00 UTC\nValid-Until: Mon, 07 Dec 2026 12:00:00 UTC\n" in release
    for name, value in {"Origin": "ACME Lab Vendor", "Label": "ACME Security", "Codename": "stable"}.items():
        assert f"{name}: {value}\n" in release
    listed = re.findall(r"^ ([0-9a-f]{64}) +(\d+) (\S+)$", release, re.MULTILINE)
    assert {name for _, _, name in listed} >= {"main/binary-all/Packages", "main/binary-all/Packages.gz"}
    for digest, size, name in listed:
        if name != "Release":
            data = (suite / name).read_bytes()
            assert (hashlib.sha256(data).hexdigest(), len(data)) == (digest, int(size))
    index = (suite / "main/binary-all/Packages").read_text("utf-8")
    assert re.findall(r"^Version: (.*)$", index, re.MULTILINE) == ["1.0.0", "1.0.1"]
    for name, digest in zip(
        re.findall(r"^Filename: (.*)$", index, re.M), re.findall(r"^SHA256: (.*)$", index, re.M), strict=True
    ):
        assert hashlib.sha256((public / name).read_bytes()).hexdigest() == digest


def test_publishing_again_keeps_the_key_and_replaces_the_rest(tmp_path: Path) -> None:
    folder, secrets = tmp_path / "vendor", tmp_path / "secrets"
    vendor.publish(folder, secrets, ["1.0.0"], at=AT)
    key = (folder / "keyring.gpg").read_bytes()
    assert json.loads((folder / "public/advisories.json").read_text())["advisories"] == []
    public = vendor.publish(folder, secrets, ["1.0.0", "1.0.2"], at=AT)
    assert (folder / "keyring.gpg").read_bytes() == key
    advisories = json.loads((public / "advisories.json").read_text())["advisories"]
    assert [advisory["id"] for advisory in advisories] == ["LABSA-2026-0002"]
    assert len([path for path in folder.glob("public.*") if path.is_dir()]) == 1
    assert (secrets / "vendor-signing-key.asc").stat().st_mode & 0o777 == 0o600


def test_a_version_that_the_vendor_does_not_have(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"9\.9"):
        vendor.publish(tmp_path / "vendor", tmp_path / "secrets", ["9.9"])
    assert not (tmp_path / "vendor" / "public").exists()
