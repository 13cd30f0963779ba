"""The examiner over real packages (a wheel-like zip, a .deb), hostile ones too, and what is kept of them."""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import shutil
import subprocess
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from suture.sourcing.examination import PackageFile, SbomFile, Subject
from suture.sourcing.sbom import artifact, keeping
from suture.sourcing.sbom.artifact import Artifact, ArtifactError
from suture.sourcing.sbom.examiner import examine
from suture.sourcing.sbom.settings import SbomSettings
from suture.store.objects import FolderObjects
from tests.conftest import miss
from tests.unit.sourcing.analysis.package import deb, info, tar
from tests.unit.sourcing.sbom.documents import PARTS, Part, cyclonedx, spdx2


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


def test_what_is_listed_is_named_and_compared_with_what_was_accepted(tmp_path: Path) -> None:
    new = wheel(tmp_path, "2.0.1", None)
    objects = FolderObjects(tmp_path / "store")

    def file(raw: bytes, version: str, *, kept: bool = False) -> SbomFile:
        path = tmp_path / hashlib.sha256(raw).hexdigest()
        path.write_bytes(raw)
        return SbomFile("billing.cdx.json", path, path.name, version, kept=kept)

    listed = file(cyclonedx("1.6", "json", Part("pkg:pypi/billing@2.0.1", new.sha256, "Acme"), PARTS), "2.0.1")
    before = file(document("2.0.0", PARTS[:-1]), "2.0.0", kept=True)
    subject = Subject(new, sboms=(listed,), sboms_before=(before,))
    found = examine(subject)
    assert {one.kind for one in found.concerns} == {"component_added"}
    (one,) = found.facts["documents"]
    assert (one["place"], one["before"]["sha256"], one["before"]["accepted"]) == ("listed", before.sha256, True)

    plain, (shipped,) = keeping.shipped(subject, found)
    assert "components" not in plain.facts["documents"][0]
    assert {part["name"] for part in shipped.components} == {"requests", "ledger", "openssl", "tariff"}
    (kept,) = keeping.put(objects, [shipped])
    assert objects.get(kept.object_key) == listed.path.read_bytes()
    assert kept.chain()["before"] == {"version": "2.0.0", "sha256": before.sha256}

    assert kinds(Subject(new, sboms_before=(before,))) == {"sbom_gone"}
    again = file(document("2.0.1"), "2.0.1", kept=True)
    assert "sbom_reissued" in kinds(Subject(new, sboms=(listed,), sboms_before=(again,)))
    same = replace(listed, kept=True)
    assert kinds(Subject(new, sboms=(listed,), sboms_before=(same,))) == {"no_predecessor"}
    broken = file(b"{", "2.0.0", kept=True)
    assert "not_examined" in kinds(Subject(new, sboms=(listed,), sboms_before=(broken,)))


def test_more_sboms_than_are_read_are_a_concern(tmp_path: Path) -> None:
    path = tmp_path / "billing-2.0.1.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(25):
            archive.writestr(f"billing-2.0.1.dist-info/sboms/{number}.cdx.json", document("2.0.1"))
    found = examine(Subject(package(path, "2.0.1")))
    assert found.facts["found"] == 20
    assert [one.subject for one in found.concerns if one.kind == "too_large"] == ["billing-2.0.1.dist-info/sboms/20.cdx.json"]


def test_what_lies_in_a_package_is_kept_as_it_was_examined(tmp_path: Path) -> None:
    raw = document("2.0.1")
    subject = Subject(wheel(tmp_path, "2.0.1", raw))
    _plain, found = keeping.shipped(subject, examine(subject))
    (kept,) = keeping.put(FolderObjects(tmp_path / "store"), found)
    assert (tmp_path / "store" / kept.object_key).read_bytes() == raw
    wheel(tmp_path, "2.0.1", document("2.0.1", PARTS[:1]))
    with pytest.raises(keeping.LineageError, match="not the one that was examined"):
        keeping.put(FolderObjects(tmp_path / "store"), found)


LINKED = b"#!/bin/sh\necho billing\n"


def test_a_deb_is_read_without_dpkg_and_a_hard_link_has_the_hash_of_its_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    path = tmp_path / "billing.deb"
    link = info("./usr/bin/other", tarfile.LNKTYPE, "./usr/bin/billing")
    path.write_bytes(deb(tar([(info("./usr/bin/billing"), LINKED), (link, b"")])))
    digest = {"sha256": hashlib.sha256(LINKED).hexdigest()}
    assert Artifact(path).members(frozenset({"sha256"})) == {"usr/bin/billing": digest, "usr/bin/other": digest}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (tar([(info("./../etc/passwd"), b"x")]), "leads out of the package"),
        (tar([(info("./a"), b"x"), (info("./a"), b"y")]), "there twice"),
        (tar([(info("./a"), b"x")])[:700], "end"),
    ],
)
def test_a_hostile_deb_cannot_be_looked_into_and_is_a_concern(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "billing.deb"
    path.write_bytes(deb(data))
    with pytest.raises(ArtifactError, match=said):
        Artifact(path).members(frozenset({"sha256"}))
    assert kinds(Subject(package(path, "2.0.0-1"))) == {"artifact_unreadable"}


@pytest.mark.parametrize("suffix", [".gz", ".xz"])
def test_a_bomb_ends_before_it_is_inflated(tmp_path: Path, suffix: str) -> None:
    """300 MiB of zeros in a few kilobytes, in a file that nobody wants and that must be passed all the same."""
    plain = tar([(info("./usr/share/zeros"), bytes(300 << 20))])
    data = gzip.compress(plain, 9) if suffix == ".gz" else lzma.compress(plain, preset=0)
    path = tmp_path / "billing.deb"
    path.write_bytes(deb(data, suffix=suffix))
    found = examine(Subject(package(path, "2.0.0-1")))
    assert [one.kind for one in found.concerns] == ["artifact_unreadable"]
    assert "times" in found.concerns[0].sentence or "bomb" in found.concerns[0].sentence, found.concerns[0].sentence


def test_a_tar_that_holds_too_much_is_not_passed_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifact, "MAX_INFLATED_BYTES", 1 << 20)
    path = tmp_path / "billing.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for number in range(2):
            member = tarfile.TarInfo(f"{number}")
            member.size = 700_000
            archive.addfile(member, io.BytesIO(bytes(member.size)))
    with pytest.raises(ArtifactError, match="inflates to more than"):
        list(Artifact(path).read(lambda _name: False, most=10))
