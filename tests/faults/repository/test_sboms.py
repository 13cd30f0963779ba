"""Bills of materials in an intake: found where a signed list or the package has them, kept when adopted, the next one's measure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lab import vendor as lab_vendor
from suture.compliance.provenance import provenance_view
from suture.model import PlannedPackage
from suture.settings import PROJECT_ROOT, Settings
from suture.sourcing.intake import IntakeVerdict, repository_of
from suture.sourcing.keyring import load_keyring
from suture.sourcing.sbom import keeping
from suture.store import Store
from suture.store.objects import FolderObjects, open_objects
from tests.faults.repository.builder import Deb
from tests.faults.repository.conftest import Ground, Keys, break_ground, plan_campaign
from tests.fleet_rows import install
from tests.unit.sourcing.sbom.documents import Part, cyclonedx

pytestmark = pytest.mark.database
PARTS = (Part("pkg:pypi/requests@2.31.0", "b" * 64, "PSF"), Part("pkg:npm/%40acme/ledger@1.4.0", "c" * 64, "Acme"))
NEWER = (PARTS[0].moved("pkg:pypi/requests@2.32.0"), PARTS[1])
INSIDE = "usr/share/sbom/portal.cdx.json"


@pytest.fixture
def ground(tmp_path: Path, keys: Keys, published_keyring: Path, store: Store, settings: Settings) -> Ground:
    settings = replace(settings, repository_dir=tmp_path / "repository", policy_dir=tmp_path / "policy")
    made = break_ground(tmp_path, keys, store, settings)
    examination = (PROJECT_ROOT / "include" / "policy" / "examination.yaml").read_text("utf-8")
    head, sbom = examination.split("  sbom: #")  # the others are test_examination.py's business
    (settings.policy_dir / "examination.yaml").write_text(
        head.replace("enabled: true", "enabled: false") + "  sbom: #" + sbom, "utf-8"
    )
    repository_of(settings).ensure(now=made.now - timedelta(minutes=1))
    return made


def portal(version: str, **changes: Any) -> Deb:
    return Deb("portal", version, extra={"Depends": f"portal-data (= {version})"}, payload=version.encode(), **changes)


def bill(package: Deb, parts: tuple[Part, ...] = PARTS, *, purl: str = "pkg:deb/acme/portal", sha256: str = "") -> bytes:
    digest = sha256 or hashlib.sha256(package.build()).hexdigest()
    return cyclonedx("1.6", "json", Part(f"{purl}@{package.version}", digest, "Acme"), parts)


def publish(ground: Ground, package: Deb, document: bytes | None, *, by_hash: bool = False) -> str:
    """The repository with this version, and its SBOM in the signed Release; the SBOM's path in the suite."""
    repository = ground.repository(by_hash=by_hash)
    repository.debs = [package, Deb("portal-data", package.version, architecture="all", source="portal")]
    path = f"main/sbom/{package.filename.rpartition('/')[2]}.cdx.json"
    repository.listed = {} if document is None else {path: document}
    repository.publish(ground.keys.good)
    return path


def next_campaign(ground: Ground, version: str, *, installed: str) -> Ground:
    """Of the next version, an hour later; app1 has `installed`."""
    ground.store._connection.execute("DELETE FROM host_package WHERE host_id = 'app1'")
    ground.store.copy_rows(
        "host_package",
        ["host_id", "package", "architecture", "version", "source_package", "source_version", "dpkg_status"],
        [("app1", name, "amd64", installed, "portal", installed, "ii") for name in ("portal", "portal-data")],
    )
    number = int(ground.campaign[-4:]) + 1
    following = replace(ground, campaign=f"{ground.campaign[:-4]}{number:04}", now=ground.now + timedelta(hours=1))
    plan_campaign(following, version)
    return following


def kinds(verdict: IntakeVerdict, ground: Ground) -> set[str]:
    view = provenance_view(ground.store, ground.campaign)
    return {concern["kind"] for row in view["examinations"] for concern in row["concerns"]}


def kept(ground: Ground) -> list[tuple[str, str]]:
    rows = ground.store._connection.execute("SELECT version, document FROM sbom_lineage ORDER BY lineage_id").fetchall()
    return [(row["version"], row["document"]) for row in rows]


def test_a_listed_sbom_is_proven_examined_kept_and_shown(ground: Ground) -> None:
    package = portal("2.0")
    document = bill(package)
    publish(ground, package, document)
    verdict = ground.intake()
    assert verdict.adopted, verdict.sentence
    assert kinds(verdict, ground) == {"no_predecessor"}
    (said,) = verdict.chain["examination"]["sboms"]
    assert said["sha256"] == hashlib.sha256(document).hexdigest()
    assert (said["place"], said["is_of"], said["components"], said["before"]) == ("listed", "pkg:deb/acme/portal", 2, None)
    assert open_objects(ground.settings.store_url).get(f"sboms/{said['sha256']}") == document
    (shown,) = provenance_view(ground.store, ground.campaign)["sboms"]
    assert shown["object"] == said["object"]
    assert (shown["package"], shown["action"], shown["document"]["sha256"]) == ("portal", "note", said["sha256"])
    (row,) = ground.store._connection.execute("SELECT package, components FROM sbom_document").fetchall()
    assert row["package"] == "pkg:deb/acme/portal"
    assert {part["purl"] for part in row["components"]} == {part.purl for part in PARTS}


@pytest.fixture
def second(ground: Ground) -> Ground:
    """2.0 came with its SBOM and was adopted; a campaign wants 2.1."""
    package = portal("2.0")
    publish(ground, package, bill(package))
    assert ground.intake().adopted
    return next_campaign(ground, "2.1", installed="2.0")


def test_the_next_version_is_compared_with_the_one_that_was_accepted(second: Ground) -> None:
    package = portal("2.1")
    publish(second, package, bill(package, NEWER), by_hash=True)
    verdict = second.intake()
    assert verdict.adopted, verdict.sentence
    assert kinds(verdict, second) == {"component_changed"}
    (said,) = verdict.chain["examination"]["sboms"]
    assert said["before"]["version"] == "2.0"
    (shown,) = provenance_view(second.store, second.campaign)["sboms"]
    assert shown["difference"]["upgraded"] == ["pkg:pypi/requests 2.31.0 → 2.32.0"]
    assert [version for version, _document in kept(second)] == ["2.0", "2.1"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"parts": (PARTS[0].moved("pkg:pypi/requests@2.30.0"), PARTS[1])}, "downgraded"),
        ({"parts": (PARTS[0], replace(PARTS[1], sha256="d" * 64))}, "same_version_other_hash"),
        ({"parts": (PARTS[0], PARTS[1].moved("pkg:npm/ledger@9.0.0"))}, "namespace_changed"),
        ({"purl": "pkg:deb/mallory/portal"}, "namespace_changed"),
        ({"sha256": "e" * 64}, "hash_mismatch"),
    ],
)
def test_what_does_not_follow_from_the_accepted_one_is_refused_and_is_not_kept(
    second: Ground, change: dict[str, Any], reason: str
) -> None:
    package, digest = portal("2.1"), second.public_digest()
    publish(second, package, bill(package, **change))
    verdict = second.intake()
    assert (verdict.adopted, verdict.reason) == (False, reason), verdict.sentence
    assert second.public_digest() == digest
    assert [version for version, _document in kept(second)] == ["2.0"]
    (shown,) = provenance_view(second.store, second.campaign)["sboms"]
    assert (shown["action"], shown["object"]) == ("refuse", None)


def test_who_stops_to_ship_one_is_noticed(second: Ground) -> None:
    publish(second, portal("2.1"), None)
    verdict = second.intake()
    assert verdict.adopted, verdict.sentence
    (concern,) = verdict.chain["examination"]["concerns"]
    assert (concern["kind"], concern["action"]) == ("sbom_gone", "review")


def test_the_same_version_again_has_the_sbom_that_was_accepted(ground: Ground) -> None:
    package = portal("2.0")
    publish(ground, package, bill(package))
    assert ground.intake().adopted
    again = next_campaign(ground, "2.0", installed="1.0")
    assert again.intake().adopted
    assert kinds(again.intake(), again) == {"no_predecessor"}
    publish(again, package, bill(package, NEWER))
    assert "sbom_reissued" in kinds(again.intake(), again)


def test_a_kept_one_that_was_changed_stops_the_intake_and_nothing_is_adopted(second: Ground) -> None:
    objects = open_objects(second.settings.store_url)
    assert isinstance(objects, FolderObjects)
    (key,) = objects.keys("sboms")
    path = objects.root / key
    path.chmod(0o600)
    path.write_bytes(b"{}")
    package, digest = portal("2.1"), second.public_digest()
    publish(second, package, bill(package, NEWER))
    with pytest.raises(keeping.LineageError, match=r"portal 2.0 at .* was changed after it was accepted"):
        second.intake()
    assert second.public_digest() == digest


@contextmanager
def tampered(ground: Ground, path: str, data: bytes | None) -> Iterator[None]:
    target = ground.root / "dists" / "stable" / path
    if data is None:
        target.unlink()
    else:
        target.write_bytes(data)
    yield


@pytest.mark.parametrize(("data", "reason"), [(b"x", "truncated"), (None, "unreachable")])
def test_a_listed_sbom_must_be_there_and_be_what_is_listed(ground: Ground, data: bytes | None, reason: str) -> None:
    package = portal("2.0")
    path = publish(ground, package, bill(package))
    with tampered(ground, path, data):
        verdict = ground.intake()
    assert (verdict.adopted, verdict.reason) == (False, reason), verdict.sentence
    assert path in verdict.sentence


def test_one_with_a_byte_changed_is_refused(ground: Ground) -> None:
    package = portal("2.0")
    document = bill(package)
    path = publish(ground, package, document)
    with tampered(ground, path, document.replace(b"2.31.0", b"2.31.1")):
        assert ground.intake().reason == "hash_mismatch"


def test_what_no_signed_list_names_is_not_looked_at(ground: Ground) -> None:
    package = portal("2.0")
    publish(ground, package, None)
    (ground.root / f"{package.filename}.cdx.json").write_bytes(bill(package, sha256="e" * 64))
    verdict = ground.intake()
    assert verdict.adopted, verdict.sentence
    assert (kinds(verdict, ground), verdict.chain["examination"]["sboms"]) == (set(), [])


def test_one_inside_the_package_is_found_and_kept_and_the_old_packages_is_its_measure(ground: Ground) -> None:
    old = portal("1.0", files={INSIDE: cyclonedx("1.6", "json", Part("pkg:deb/acme/portal@1.0"), PARTS)})
    document = cyclonedx("1.6", "json", Part("pkg:deb/acme/portal@2.0"), NEWER)
    publish(ground, portal("2.0", files={INSIDE: document}), None)
    repository = ground.repository()
    repository.debs = [
        old, portal("2.0", files={INSIDE: document}),
        *(Deb("portal-data", version, architecture="all", source="portal") for version in ("1.0", "2.0")),
    ]  # fmt: skip
    repository.publish(ground.keys.good)
    following = next_campaign(ground, "2.0", installed="1.0")
    verdict = following.intake()
    assert verdict.adopted, verdict.sentence
    assert kinds(verdict, following) == {"component_changed"}
    assert kept(following) == [("2.0", INSIDE)]
    (said,) = verdict.chain["examination"]["sboms"]
    assert said["before"]["version"] == "1.0"
    assert open_objects(ground.settings.store_url).get(f"sboms/{said['sha256']}") == document


def test_the_labs_vendor_ships_sboms_that_hold_and_follow_one_another(ground: Ground, tmp_path: Path) -> None:
    """As the practice fleet has it: 1.0.1 is good, 1.0.2 is bad under traffic only, and both pass their intake."""
    policy = PROJECT_ROOT / "include" / "policy" / "examination.yaml"
    (ground.settings.policy_dir / "examination.yaml").write_bytes(policy.read_bytes())  # every examiner
    vendor, found = tmp_path / "lab", []
    for number, (installed, version) in enumerate((("1.0.0", "1.0.1"), ("1.0.1", "1.0.2"))):
        at = ground.now + timedelta(seconds=number)  # two states of one date would be a replay
        public = lab_vendor.publish(vendor / "vendor", vendor / "secrets", [installed, version], at=at)
        keyring = vendor / "vendor" / "keyring.gpg"
        document = {
            "sources": [{
                "name": ground.source, "kind": "apt", "address": str(public), "suite": "stable", "components": ["main"],
                "keyrings": [str(keyring)], "fingerprints": sorted(load_keyring([keyring]).keys),
            }]
        }  # fmt: skip
        (ground.settings.policy_dir / "sources.yaml").write_text(json.dumps(document), "utf-8")
        campaign = replace(ground, campaign=f"SUT-2027-000{number}", now=at)
        ground.store._connection.execute("DELETE FROM host_package WHERE host_id = 'app1'")
        install(ground.store, "app1", "acme-portal", installed)
        for package in ("python3", "python3-psycopg2", "adduser"):
            install(ground.store, "app1", package, "3.11")
        plan_campaign(campaign, version, (PlannedPackage("acme-portal", "all", version, "acme-portal", version),))
        verdict = campaign.intake()
        assert verdict.adopted, verdict.sentence
        assert "no concerns to review" in verdict.sentence
        (said,) = verdict.chain["examination"]["sboms"]
        found.append((said["is_of"], said["before"]["version"], said["place"]))
        (shown,) = provenance_view(ground.store, campaign.campaign)["sboms"]
        assert {one["kind"] for one in shown["concerns"]} <= {"component_added", "component_changed"}
        assert shown["counts"]["files"] == 5
        assert shown["before"]["accepted"] is (number == 1)  # 1.0.0 was never taken in: the source lists its SBOM
    assert found == [("pkg:deb/acme/acme-portal", "1.0.0", "listed"), ("pkg:deb/acme/acme-portal", "1.0.1", "listed")]
