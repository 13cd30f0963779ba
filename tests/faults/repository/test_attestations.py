"""Attestations in an intake: fetched from where policy says, judged, kept when adopted, shown; a missing or wrong one refuses."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from suture.compliance.provenance import provenance_view
from suture.errors import BadInputError
from suture.settings import PROJECT_ROOT, Settings
from suture.sourcing.intake import repository_of
from suture.store import Store
from suture.store.objects import open_objects
from tests.faults.repository.builder import Deb, Repository
from tests.faults.repository.conftest import Ground, Keys, break_ground
from tests.faults.repository.server import serving
from tests.unit.sourcing.analysis.test_provenance import pem
from tests.unit.sourcing.sbom.test_provenance import BUILDER, SOURCE, signed, statement

pytestmark = pytest.mark.database
SUFFIX = ".intoto.jsonl"


@pytest.fixture
def ground(tmp_path: Path, keys: Keys, published_keyring: Path, store: Store, settings: Settings) -> Ground:
    settings = replace(settings, repository_dir=tmp_path / "repository", policy_dir=tmp_path / "policy")
    made = break_ground(tmp_path, keys, store, settings)
    repository_of(settings).ensure(now=made.now - timedelta(minutes=1))
    return made


def expect(ground: Ground, given: str, *, enabled: bool = True, **changes: Any) -> None:
    """Policy of the source; of the examiners only that of attestations runs."""
    folder = ground.settings.policy_dir
    path = folder / "sources.yaml"
    document = yaml.safe_load(path.read_text("utf-8"))
    stated = {"given": given, "keys": [str(pem(folder))], "builders": [BUILDER], "source_repositories": [SOURCE], **changes}
    document["sources"][0]["attestations"] = stated
    path.write_text(yaml.safe_dump(document), "utf-8")
    head, own = (PROJECT_ROOT / "include" / "policy" / "examination.yaml").read_text("utf-8").split("  provenance: #")
    text = head.replace("enabled: true", "enabled: false") + "  provenance: #" + own
    (folder / "examination.yaml").write_text(text if enabled else text.replace("enabled: true", "enabled: false"), "utf-8")


def publish(ground: Ground) -> Repository:
    repository = ground.repository()
    repository.debs = [
        Deb("portal", "2.0", extra={"Depends": "portal-data (= 2.0)"}),
        Deb("portal-data", "2.0", architecture="all", source="portal"),
    ]
    return repository.publish(ground.keys.good)


def attest(ground: Ground, deb: Deb, **said: str) -> bytes:
    """Beside the package in the pool; what is said otherwise than it is."""
    raw = signed(statement(digest=hashlib.sha256(deb.build()).hexdigest()) if not said else statement(**said))
    (ground.root / f"{deb.filename}{SUFFIX}").write_bytes(raw)
    return raw


def test_a_proven_attestation_is_kept_is_evidence_and_is_shown(ground: Ground) -> None:
    expect(ground, "required")
    repository = publish(ground)
    raws = {deb.name: attest(ground, deb) for deb in repository.debs}
    verdict = ground.intake()
    assert verdict.adopted, verdict.sentence
    said = {one["package"]: one for one in verdict.chain["examination"]["attestations"]}
    assert set(said) == {"portal", "portal-data"}
    digest = hashlib.sha256(raws["portal"]).hexdigest()
    assert (said["portal"]["sha256"], said["portal"]["proven"], said["portal"]["required"]) == (digest, True, True)
    (one,) = said["portal"]["attestations"]
    assert (one["signed_by"], one["builder"], one["sources"], one["wrong"]) == (
        "Ed25519PrivateKey.pem", BUILDER, [SOURCE], [],
    )  # fmt: skip
    assert open_objects(ground.settings.store_url).get(f"attestations/{digest}") == raws["portal"]
    evidence = ground.store.fetch_all("evidence/list_evidence", {"campaign_id": ground.campaign})[-1]
    assert evidence["grounds"]["chain"]["examination"]["attestations"] == verdict.chain["examination"]["attestations"]
    shown = {row["package"]: row for row in provenance_view(ground.store, ground.campaign)["attestations"]}
    assert shown["portal"]["object"] == said["portal"]["object"]
    assert (shown["portal"]["proven"], shown["portal"]["concerns"]) == (True, [])


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (None, "provenance_missing"),
        ({"digest": "c" * 64}, "provenance_mismatch"),
        ({"builder": "https://evil.example"}, "provenance_mismatch"),
    ],
)
def test_a_package_whose_demanded_attestation_is_missing_or_wrong_is_refused(
    ground: Ground, said: dict[str, str] | None, reason: str
) -> None:
    expect(ground, "required")
    portal, data = publish(ground).debs
    attest(ground, data)
    if said is not None:
        digest = hashlib.sha256(portal.build()).hexdigest()
        attest(ground, portal, **{"digest": digest, **said})
    before = ground.public_digest()
    verdict = ground.intake()
    assert (verdict.adopted, verdict.reason) == (False, reason), verdict.sentence
    assert "portal 2.0" in verdict.sentence
    assert verdict.next_step
    assert ground.public_digest() == before
    assert open_objects(ground.settings.store_url).keys("attestations") == []
    shown = {row["package"]: row for row in provenance_view(ground.store, ground.campaign)["attestations"]}
    assert shown["portal"]["action"] == "refuse"
    assert not shown["portal"]["proven"]
    assert shown["portal-data"]["proven"], "the other one is shown as it is"


def test_where_one_is_optional_none_is_noted_and_a_wrong_one_is_refused(ground: Ground) -> None:
    expect(ground, "optional")
    portal, _data = publish(ground).debs
    verdict = ground.intake()
    assert verdict.adopted, verdict.sentence
    shown = provenance_view(ground.store, ground.campaign)["attestations"]
    assert {concern["kind"] for row in shown for concern in row["concerns"]} == {"provenance_absent"}
    attest(ground, portal, digest="c" * 64)
    assert ground.intake().reason == "provenance_mismatch"


def test_a_template_says_where_they_lie_and_a_server_that_breaks_off_is_no_missing_one(ground: Ground) -> None:
    repository = publish(ground)
    (ground.root / "attestations").mkdir()
    for deb in repository.debs:
        raw = attest(ground, deb)
        (ground.root / f"{deb.filename}{SUFFIX}").unlink()
        (ground.root / "attestations" / f"{deb.name}-{deb.version}.json").write_bytes(raw)
    with serving(ground.root, {"portal-2.0.json": "error"}) as (url, _requests):
        ground.point_at(url)
        expect(ground, "optional", at="attestations/{package}-{version}.json")
        verdict = ground.intake()
        assert (verdict.reason, verdict.retryable) == ("unreachable", True), verdict.sentence
    ground.point_at(str(ground.root))
    expect(ground, "required", at="attestations/{package}-{version}.json")
    assert ground.intake().adopted


def test_an_examiner_that_is_switched_off_does_not_wave_them_through(ground: Ground) -> None:
    expect(ground, "required", enabled=False)
    publish(ground)
    with pytest.raises(BadInputError, match="switched off"):
        ground.intake()
