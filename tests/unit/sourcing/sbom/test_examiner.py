"""The examiner over real packages (a wheel-like zip, a .deb), and the lineage store over a real warehouse."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from suture.sourcing.examination import PackageFile, Subject
from suture.sourcing.sbom import keeping
from suture.sourcing.sbom.checks import Question
from suture.sourcing.sbom.examiner import examine
from suture.sourcing.sbom.reading import read_bytes
from suture.sourcing.sbom.settings import SbomSettings
from suture.store import Store
from suture.store.objects import FolderObjects
from tests.conftest import miss
from tests.unit.sourcing.sbom.documents import PARTS, Part, cyclonedx, spdx2

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def package(path: Path, version: str, name: str = "billing") -> PackageFile:
    return PackageFile(path, name, version, "all", hashlib.sha256(path.read_bytes()).hexdigest())


def wheel(
    folder: Path, version: str, document: bytes | None, place: str = "billing-{}.dist-info/sboms/bom.cdx.json"
) -> PackageFile:
    folder.mkdir(exist_ok=True)
    path = folder / f"billing-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("billing/__init__.py", b"")
        if document is not None:
            archive.writestr(place.format(version), document)
    return package(path, version)


def document(version: str, parts: tuple[Part, ...] = PARTS) -> bytes:
    return cyclonedx("1.6", "json", Part(f"pkg:pypi/billing@{version}", supplier="Acme"), parts)


def kinds(subject: Subject, settings: SbomSettings | None = None) -> set[str]:
    return {concern.kind for concern in examine(subject, settings).concerns}


def test_none_is_a_fact_unless_policy_demands_one(tmp_path: Path) -> None:
    subject = Subject(wheel(tmp_path, "2.0.0", None))
    found = examine(subject)
    assert (found.concerns, found.facts) == ((), {"documents": [], "found": 0})
    assert kinds(subject, SbomSettings(required=True)) == {"sbom_missing"}


def test_a_shipped_sbom_is_found_and_compared_with_that_of_the_old_package(tmp_path: Path) -> None:
    old = wheel(tmp_path / "old", "2.0.0", document("2.0.0"))
    new = wheel(tmp_path / "new", "2.0.1", document("2.0.1"))
    found = examine(Subject(new, old))
    assert (found.concerns, found.against, found.facts["found"]) == ((), "2.0.0", 1)
    assert "version_not_newer" in kinds(Subject(old, new))
    swapped = wheel(
        tmp_path / "swapped", "2.0.1", document("2.0.1", (PARTS[0], PARTS[1].moved("pkg:npm/ledger@9.0.0"), *PARTS[2:]))
    )
    assert "namespace_changed" in kinds(Subject(swapped, old))


def test_an_sbom_of_something_else_is_named(tmp_path: Path) -> None:
    assert "identity_mismatch" in kinds(Subject(wheel(tmp_path, "2.0.1", document("2.0.0"))))


def test_a_hostile_sbom_in_a_package_is_a_concern_not_a_crash(tmp_path: Path) -> None:
    assert kinds(Subject(wheel(tmp_path, "2.0.1", b"{"))) == {"malformed"}


def test_an_sbom_beside_the_package_gives_its_hash(tmp_path: Path) -> None:
    new = wheel(tmp_path, "2.0.1", None)
    beside = Path(f"{new.path}.cdx.xml")
    beside.write_bytes(cyclonedx("1.5", "xml", Part("pkg:pypi/billing@2.0.1", new.sha256), PARTS))
    assert kinds(Subject(new)) == {"no_predecessor"}
    beside.write_bytes(cyclonedx("1.5", "xml", Part("pkg:pypi/billing@2.0.1", "0" * 64), PARTS))
    assert "hash_mismatch" in kinds(Subject(new))


def test_the_files_of_a_deb_are_compared(tmp_path: Path) -> None:
    if shutil.which("dpkg-deb") is None:
        miss("dpkg", "dpkg-deb is not installed")
    content = b"#!/bin/sh\necho billing\n"
    for sha1, wanted in ((hashlib.sha1(content).hexdigest(), set()), ("0" * 40, {"hash_mismatch"})):
        tree = tmp_path / sha1
        (tree / "DEBIAN").mkdir(parents=True)
        (tree / "DEBIAN" / "control").write_text(
            "Package: billing\nVersion: 2.0.0-1\nArchitecture: all\nMaintainer: A <a@b.example>\nDescription: x\n"
        )
        (tree / "usr" / "bin").mkdir(parents=True)
        (tree / "usr" / "bin" / "billing").write_bytes(content)
        (tree / "usr" / "share" / "sbom").mkdir(parents=True)
        raw = spdx2("2.3", "tag-value", Part("pkg:deb/debian/billing@2.0.0-1"), (), (("usr/bin/billing", sha1),))
        (tree / "usr" / "share" / "sbom" / "billing.spdx").write_bytes(raw)
        path = tmp_path / f"{sha1}.deb"
        subprocess.run(["dpkg-deb", "--root-owner-group", "-b", str(tree), str(path)], check=True, capture_output=True)
        assert kinds(Subject(package(path, "2.0.0-1"))) == wanted | {"no_predecessor"}


def test_what_was_accepted_is_what_the_next_is_compared_with(store: Store, tmp_path: Path) -> None:
    objects = FolderObjects(tmp_path / "store")
    first, second = document("2.0.0"), document("2.0.1")

    def asked(raw: bytes) -> set[str]:
        found = keeping.compare_with_last(store, objects, read_bytes(raw, "bom"), Question(), SbomSettings())
        return {concern.kind for concern in found}

    assert asked(first) == {"no_predecessor"}
    for number, raw in enumerate((first, second, second)):
        keeping.keep(
            store, objects, read_bytes(raw, "bom"), raw, accepted_at=NOW + timedelta(hours=number), accepted_by="olga"
        )
    kept = keeping.last_kept(store, "pkg:pypi/billing")
    assert kept is not None
    assert (kept.version, kept.accepted_at) == ("2.0.1", NOW + timedelta(hours=1))
    assert asked(first) == {"version_not_newer"}
    assert asked(document("2.0.2")) == set()
    confused = cyclonedx("1.6", "json", Part("pkg:npm/billing@99.0.0"), PARTS)
    assert asked(confused) == {"namespace_changed", "supplier_changed"}
    assert keeping.packages_with(store, "pkg:pypi/requests@2.31.0") == [
        {"package": "pkg:pypi/billing", "version": "2.0.1"}
    ]
    assert keeping.packages_with(store, "pkg:pypi/requests@9") == []


def test_a_kept_sbom_that_was_changed_is_not_believed(store: Store, tmp_path: Path) -> None:
    objects = FolderObjects(tmp_path / "store")
    raw = document("2.0.0")
    kept = keeping.keep(store, objects, read_bytes(raw, "bom"), raw, accepted_at=NOW, accepted_by="olga")
    (tmp_path / "store" / kept.object_key).chmod(0o600)
    (tmp_path / "store" / kept.object_key).write_bytes(document("1.0.0"))
    with pytest.raises(keeping.LineageError, match="was changed after"):
        keeping.compare_with_last(store, objects, read_bytes(document("2.0.1"), "bom"), Question(), SbomSettings())


def test_a_document_about_nothing_is_not_kept(store: Store, tmp_path: Path) -> None:
    raw = b'{"bomFormat":"CycloneDX","specVersion":"1.5","version":1}'
    with pytest.raises(keeping.LineageError, match="no lineage"):
        keeping.keep(store, FolderObjects(tmp_path), read_bytes(raw, "bom"), raw, accepted_at=NOW, accepted_by="olga")
