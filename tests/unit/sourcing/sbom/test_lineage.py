"""The three proofs (substituted hash, dependency confusion, a step back), and what else changes between two SBOMs."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from suture.settings import PROJECT_ROOT
from suture.sourcing.examination import Actions, Concern, Examination, load_policy
from suture.sourcing.sbom import checks
from suture.sourcing.sbom.artifact import Artifact, ArtifactError
from suture.sourcing.sbom.checks import Question
from suture.sourcing.sbom.kinds import KINDS, REASONS
from suture.sourcing.sbom.lineage import difference
from suture.sourcing.sbom.model import Hash, Sbom
from suture.sourcing.sbom.reading import read_bytes
from suture.sourcing.sbom.settings import SbomSettings
from tests.unit.sourcing.sbom.documents import PARTS, ROOT, Part, cyclonedx, spdx2

POLICY = load_policy(PROJECT_ROOT / "include" / "policy")
SETTINGS = SbomSettings.read(POLICY.settings("sbom"), PROJECT_ROOT / "include" / "policy")
NEXT = Part("pkg:pypi/billing@2.0.1", "1" * 64, "Acme", "MIT")
REQUESTS, LEDGER, OPENSSL, TARIFF = PARTS


def sbom(root: Part = ROOT, parts: tuple[Part, ...] = PARTS) -> Sbom:
    return read_bytes(cyclonedx("1.6", "json", root, parts), "bom")


def against(new: Sbom, old: Sbom | None = None, settings: SbomSettings = SETTINGS) -> dict[str, Concern]:
    found = checks.concerns(new, Question(old=old or sbom()), settings)
    return {concern.kind: concern for concern in found}


def reason(concerns: dict[str, Concern], actions: Actions = POLICY.actions) -> str | None:
    refused = checks.refusal(Examination("sbom", "x", "1", "", None, tuple(concerns.values())), actions)
    return refused.kind if refused else None


def test_the_ordinary_next_version_is_accepted() -> None:
    newer = (
        REQUESTS.moved("pkg:pypi/requests@2.32.0"),
        LEDGER,
        OPENSSL.moved("pkg:deb/debian/openssl@3.0.16-1~deb12u1?arch=amd64"),
        TARIFF,
    )
    found = against(sbom(NEXT, newer))
    assert reason(found) is None
    assert list(found) == ["component_changed"]
    assert found["component_changed"].details["count"] == 2


def test_a_component_of_the_same_version_with_another_hash_is_refused() -> None:
    found = against(sbom(NEXT, (replace(REQUESTS, sha256="9" * 64), LEDGER, OPENSSL, TARIFF)))
    assert reason(found) == "same_version_other_hash"
    assert "requests" in found["same_version_other_hash"].sentence


@pytest.mark.parametrize(
    ("old", "purl"),
    [
        (LEDGER, "pkg:npm/ledger@99.0.0"),
        (LEDGER, "pkg:npm/%40acne/ledger@1.4.1"),
        (LEDGER, "pkg:pypi/ledger@1.4.1"),
        (TARIFF, "pkg:maven/org.acme.public/tariff@1.3"),
    ],
)
def test_dependency_confusion_is_refused(old: Part, purl: str) -> None:
    parts = (*(part for part in PARTS if part is not old), old.moved(purl))
    found = against(sbom(NEXT, parts))
    assert reason(found) == "namespace_changed"
    assert found["namespace_changed"].details["before"] == old.purl.partition("@1")[0]


def test_a_root_from_another_namespace_is_refused() -> None:
    old = sbom(Part("pkg:npm/%40acme/billing@1.0.0"), ())
    assert reason(against(sbom(Part("pkg:npm/billing@1.0.1"), ()), old)) == "namespace_changed"
    assert reason(against(sbom(Part("pkg:npm/%40acme/shipping@1.0.1"), ()), old)) == "name_changed"


def test_a_move_that_policy_knows_is_let_through() -> None:
    moves = frozenset({("pkg:maven/com.acme/tariff", "pkg:maven/org.acme/tariff")})
    parts = (REQUESTS, LEDGER, OPENSSL, TARIFF.moved("pkg:maven/org.acme/tariff@1.3"))
    assert reason(against(sbom(NEXT, parts))) == "namespace_changed"
    assert reason(against(sbom(NEXT, parts), settings=replace(SETTINGS, moves=moves))) is None


def test_another_repository_of_the_same_name_is_refused() -> None:
    old = sbom(parts=(LEDGER.moved("pkg:npm/%40acme/ledger@1.4.0?repository_url=https://npm.acme.example"),))
    assert reason(against(sbom(NEXT, (LEDGER.moved("pkg:npm/%40acme/ledger@1.4.1"),)), old)) == "repository_changed"


def test_a_change_of_distribution_is_one_concern() -> None:
    old = sbom(parts=tuple(Part(f"pkg:deb/debian/lib{name}@1.0-1") for name in "abcdefgh"))
    new = sbom(NEXT, tuple(Part(f"pkg:deb/ubuntu/lib{name}@1.0-1") for name in "abcdefgh"))
    found = [one for one in checks.concerns(new, Question(old=old), SETTINGS) if one.kind == "namespace_changed"]
    assert [one.details["count"] for one in found] == [8]


@pytest.mark.parametrize(
    ("before", "now", "newer"),
    [
        ("pkg:pypi/billing@2.0.0", "pkg:pypi/billing@2.0.0rc1", False),
        ("pkg:pypi/billing@2.0", "pkg:pypi/billing@2.0.0", False),
        ("pkg:pypi/billing@1.9", "pkg:pypi/billing@1.10", True),
        ("pkg:npm/b@1.0.0-beta.2", "pkg:npm/b@1.0.0-beta.11", True),
        ("pkg:npm/b@1.0.0", "pkg:npm/b@1.0.0-beta.11", False),
        ("pkg:deb/debian/b@1.0-1", "pkg:deb/debian/b@1.0~rc1-1", False),
        ("pkg:deb/debian/b@1:1.0-1", "pkg:deb/debian/b@2.0-1", False),
        ("pkg:maven/a/b@1.0-alpha-1", "pkg:maven/a/b@1.0", True),
        ("pkg:maven/a/b@1.0", "pkg:maven/a/b@1.0-SNAPSHOT", False),
        ("pkg:rpm/redhat/b@1.0-2?epoch=1", "pkg:rpm/redhat/b@2.0-1", False),
        ("pkg:golang/g.com/a/b@v1.2.0", "pkg:golang/g.com/a/b@v1.10.0", True),
        ("pkg:gem/b@1.9", "pkg:gem/b@1.10", True),
        ("pkg:generic/b@1.10", "pkg:generic/b@1.9", False),
    ],
)
def test_newer_is_what_the_ecosystem_says(before: str, now: str, newer: bool) -> None:
    found = against(sbom(Part(now), ()), sbom(Part(before), ()))
    assert reason(found) == (None if newer else "version_not_newer")


def test_versions_without_an_order_are_for_people_to_judge() -> None:
    found = against(sbom(Part("pkg:generic/b@blue"), ()), sbom(Part("pkg:generic/b@green"), ()))
    assert (reason(found), "version_incomparable" in found) == (None, True)


def test_a_component_that_went_back_is_refused() -> None:
    found = against(sbom(NEXT, (REQUESTS.moved("pkg:pypi/requests@2.30.0"), LEDGER, OPENSSL, TARIFF)))
    assert reason(found) == "downgraded"


def test_a_step_back_beside_the_purl_is_seen_too() -> None:
    raw = cyclonedx("1.6", "json", NEXT).decode().replace('"version": "2.31.0"', '"version": "2.30.0"')
    assert reason(against(read_bytes(raw.encode(), "bom"))) == "downgraded"


def test_supplier_and_licence_are_shown() -> None:
    new = sbom(
        replace(NEXT, supplier="Evil", licence="GPL-2.0-only"),
        (replace(REQUESTS, supplier="Nobody"), LEDGER, OPENSSL, TARIFF),
    )
    found = [one.kind for one in checks.concerns(new, Question(old=sbom()), SETTINGS)]
    assert sorted(found) == ["licence_changed", "supplier_changed", "supplier_changed"]


def test_added_and_removed_are_listed() -> None:
    changes = difference(sbom(), sbom(NEXT, (REQUESTS, LEDGER, OPENSSL, Part("pkg:pypi/idna@3.7"))))
    assert ([one.name for one in changes.added], [one.name for one in changes.removed]) == (["idna"], ["tariff"])
    assert changes.as_dict()["counts"] == {
        "added": 1, "removed": 1, "upgraded": 0, "downgraded": 0, "unordered": 0, "rehashed": 0, "moved": 0, "relocated": 0,
        "resupplied": 0, "relicensed": 0,
    }  # fmt: skip


def test_one_package_in_two_versions_is_paired_by_version_first() -> None:
    old = sbom(parts=(Part("pkg:npm/ms@2.0.0"), Part("pkg:npm/ms@1.0.0")))
    new = sbom(NEXT, (Part("pkg:npm/ms@1.0.0"), Part("pkg:npm/ms@2.1.0")))
    changes = difference(old, new)
    assert ([pair.sentence for pair in changes.upgraded], changes.downgraded) == (["pkg:npm/ms 2.0.0 → 2.1.0"], ())


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def tarred(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"./{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


FILES = {"billing/a.py": b"print(1)\n", "billing/b.py": b"print(2)\n"}


@pytest.mark.parametrize(
    ("name", "make"), [("billing-2.0.1-py3-none-any.whl", zipped), ("billing-2.0.1.tar.gz", tarred)]
)
def test_hashes_are_those_of_the_artefact_and_of_the_files_in_it(
    tmp_path: Path, name: str, make: Callable[[Path, dict[str, bytes]], Path]
) -> None:
    path = make(tmp_path / name, FILES)
    listed = tuple((inner, hashlib.sha1(content).hexdigest()) for inner, content in FILES.items())
    right = replace(NEXT, sha256=hashlib.sha256(path.read_bytes()).hexdigest())

    def asked(root: Part, files: tuple[tuple[str, str], ...]) -> dict[str, Concern]:
        document = read_bytes(spdx2("2.3", "json", root, PARTS, files), "bom")
        found = checks.concerns(document, Question(old=sbom(), artifact=Artifact(path)), SETTINGS)
        return {concern.kind: concern for concern in found}

    assert reason(asked(right, listed)) is None
    assert not {"hash_missing", "file_missing", "file_unlisted"} & set(asked(right, listed))
    substituted = asked(replace(right, sha256="0" * 64), listed)
    assert (reason(substituted), substituted["hash_mismatch"].subject) == ("hash_mismatch", name)
    inside = asked(right, (listed[0], (listed[1][0], "0" * 40)))
    assert (reason(inside), inside["hash_mismatch"].subject) == ("hash_mismatch", "billing/b.py")
    assert asked(right, listed[:1])["file_unlisted"].details["paths"] == ["billing/b.py"]
    assert asked(right, (*listed, ("billing/c.py", "0" * 40)))["file_missing"].details["paths"] == ["billing/c.py"]
    assert "hash_missing" in asked(replace(right, sha256=""), ())


def test_a_weak_hash_alone_ties_nothing(tmp_path: Path) -> None:
    path = tmp_path / "billing.bin"
    path.write_bytes(b"x")
    document = sbom(NEXT)
    assert document.root is not None
    root = replace(document.root, hashes=(Hash("md5", hashlib.md5(b"x").hexdigest()),))
    found = {
        one.kind for one in checks.concerns(replace(document, root=root), Question(artifact=Artifact(path)), SETTINGS)
    }
    assert "hash_weak" in found
    assert "hash_mismatch" not in found


def test_a_broken_archive_is_said_to_be_one(tmp_path: Path) -> None:
    path = tmp_path / "billing.whl"
    path.write_bytes(zipped(tmp_path / "good.whl", FILES).read_bytes()[:60])
    with pytest.raises(ArtifactError, match="no sound archive"):
        Artifact(path).members(frozenset({"sha1"}))


def test_every_kind_has_its_action_and_every_action_its_kind() -> None:
    assert set(POLICY.document["examiners"]["sbom"]["actions"]) == set(KINDS)
    assert set(REASONS) <= set(KINDS)
