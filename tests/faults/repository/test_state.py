"""What depends on what was before: replays, key roll-over, retired versions, an adoption that fails half-way."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from suture.settings import Settings
from suture.sourcing import RefusalReason
from suture.sourcing.intake import repository_of
from suture.sourcing.intake_refusal import IntakeReason
from suture.sourcing.internal import InternalRepository, InternalRepositoryError
from suture.sourcing.retirement import retire
from suture.sourcing.signing import SigningError, SigningKey
from suture.store import Store, sources
from tests.faults.repository.builder import RELEASE_DATE, Deb
from tests.faults.repository.conftest import Ground, Keys, break_ground
from tests.faults.repository.test_attacks import one_armour

pytestmark = pytest.mark.database


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty internal repository with its key: made once, copied by each test."""
    root = tmp_path_factory.mktemp("template") / "repository"
    InternalRepository(root).ensure(now=datetime.now(UTC) - timedelta(minutes=1))
    return root


@pytest.fixture
def own(
    tmp_path: Path, keys: Keys, published_keyring: Path, template: Path, store: Store, settings: Settings
) -> Ground:
    """A ground whose warehouse and internal repository this test may change."""
    shutil.copytree(template, tmp_path / "repository", symlinks=True)
    settings = replace(settings, repository_dir=tmp_path / "repository", policy_dir=tmp_path / "policy")
    return break_ground(tmp_path, keys, store, settings)


def test_an_older_state_is_a_rollback_although_it_is_well_signed(own: Ground) -> None:
    older = own.repository(fields={"Date": (own.now - timedelta(hours=5)).strftime(RELEASE_DATE)})
    older.publish(own.keys.good)
    saved = own.root.parent / "saved"
    shutil.copytree(own.root, saved)
    own.good()
    assert own.intake().adopted
    before = own.public_digest()

    shutil.rmtree(own.root)
    shutil.copytree(saved, own.root)
    verdict = own.intake()

    assert verdict.reason == RefusalReason.ROLLBACK
    assert own.public_digest() == before
    assert sources.fetch_source_state(own.store, own.source, "stable").release_date == own.now - timedelta(hours=1)  # type: ignore[union-attr]


def test_the_same_state_again_is_fine_and_changes_nothing(own: Ground) -> None:
    own.good()
    first = own.intake()
    before = own.public_digest()
    second = own.intake()
    assert (first.adopted, second.adopted, second.snapshot) == (True, True, first.snapshot)
    assert own.public_digest() == before


def test_another_text_with_the_date_of_a_known_one_is_a_rollback(own: Ground) -> None:
    own.good()
    assert own.intake().adopted
    own.repository(fields={"Description": "another"}).publish(own.keys.good)
    assert own.intake().reason == RefusalReason.ROLLBACK


def test_a_refused_release_is_not_remembered(own: Ground) -> None:
    """Else an attacker's broken newer state would make us refuse the vendor's own."""
    newer = own.repository(fields={"Date": own.now.strftime(RELEASE_DATE)})
    newer.publish(own.keys.good)
    newer.deb_path().unlink()
    assert own.intake().reason == RefusalReason.UNREACHABLE
    own.good()
    assert own.intake().adopted


def test_while_keys_change_over_one_good_signature_is_enough(own: Ground) -> None:
    r = own.good()
    inline, old = own.keys.expired.sign_at(r.release_text().encode(), datetime(2020, 1, 10))
    del inline
    r.inrelease.unlink()
    good = (r.dist / "Release.gpg").read_bytes()
    (r.dist / "Release.gpg").write_bytes(one_armour(old, good))
    verdict = own.intake()
    assert verdict.adopted, verdict.sentence
    assert any("expired" in note for note in verdict.chain["signature_notes"])


def test_a_key_that_expires_later_is_judged_by_the_clock_given(own: Ground) -> None:
    own.good()
    assert own.intake(at=own.now + timedelta(days=7)).reason == RefusalReason.EXPIRED
    assert own.intake(at=own.now - timedelta(days=1)).reason == RefusalReason.NOT_YET_VALID


def test_a_retired_version_is_never_offered_again(own: Ground) -> None:
    own.good()
    assert own.intake().adopted
    public = own.settings.repository_dir / "public"
    assert len(list(public.rglob("*.deb"))) == 2

    snapshot = retire(
        own.store,
        own.settings,
        source_package="portal",
        source_version="2.0",
        campaign_id=own.campaign,
        reason="5 % of requests failed.",
        actor="suture:test",
        now=own.now,
    )

    assert snapshot is not None
    assert list(public.rglob("*.deb")) == []
    verdict = own.intake()
    assert verdict.reason == IntakeReason.VERSION_RETIRED
    assert "5 % of requests failed." in verdict.sentence
    assert list(public.rglob("*.deb")) == []


def test_a_version_that_the_source_does_not_offer_is_refused(own: Ground) -> None:
    r = own.repository()
    r.debs[0] = Deb("portal", "3.0")
    r.publish(own.keys.good)
    verdict = own.intake()
    assert verdict.reason == IntakeReason.VERSION_MISSING
    assert "3.0" in verdict.sentence


@pytest.mark.parametrize("breaks", ["sign", "promote", "verify", "aptly"])
def test_an_adoption_that_fails_half_way_leaves_the_public_folder_as_it_was(
    own: Ground, monkeypatch: pytest.MonkeyPatch, breaks: str
) -> None:
    from suture.sourcing import internal
    from suture.sourcing.aptly import Aptly, AptlyError

    own.good()
    repository = repository_of(own.settings)
    repository.ensure(now=own.now)
    before = own.public_digest()

    def fail(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    if breaks == "sign":
        monkeypatch.setattr(SigningKey, "sign", lambda *a: (_ for _ in ()).throw(SigningError("no agent")))
    elif breaks == "promote":
        monkeypatch.setattr("suture.sourcing.publishing.shutil.copytree", fail)
    elif breaks == "verify":
        monkeypatch.setattr(internal, "_require", lambda *a: (_ for _ in ()).throw(InternalRepositoryError("differs")))
    else:
        monkeypatch.setattr(
            Aptly, "merged_snapshot", lambda *a: (_ for _ in ()).throw(AptlyError("database is locked"))
        )
    with pytest.raises((SigningError, InternalRepositoryError, AptlyError, OSError)):
        own.intake()
    assert own.public_digest() == before
    assert own.store.fetch_all("intake/list_intakes", {"campaign_id": own.campaign, "max_rows": 10}) == []

    monkeypatch.undo()
    assert own.intake().adopted  # and it is not stuck


def test_evidence_holds_the_whole_chain(own: Ground) -> None:
    own.good()
    verdict = own.intake()
    rows = own.store.fetch_all("evidence/list_evidence", {"campaign_id": own.campaign})
    grounds = next(row["grounds"] for row in rows if row["action"] == "intake_adopted")
    chain = grounds["chain"]
    assert chain["key_fingerprint"] == own.keys.pins[0]
    assert len(chain["inrelease_sha256"]) == 64
    assert chain["date"].startswith(f"{own.now - timedelta(hours=1):%Y-%m-%dT%H}")
    assert [index["path"] for index in chain["indices"]] == ["main/binary-amd64/Packages.xz"]
    assert {file["sha256"] for file in chain["files"]} == {package.sha256 for package in verdict.packages}


@pytest.mark.parametrize(
    ("scope", "said"), [("{packages: [nginx, port-*]}", "packages of portal"), ("{groups: [db]}", "to web")]
)
def test_a_source_ships_only_what_policy_lets_it_ship_to_whom(own: Ground, scope: str, said: str) -> None:
    """Else a vendor's repository could replace any library of the distribution by listing a newer one."""
    own.good()
    own.point_at(str(own.root), ships=scope)
    before = own.public_digest()
    verdict = own.intake()
    assert (verdict.adopted, verdict.reason) == (False, IntakeReason.OUT_OF_SCOPE)
    assert said in verdict.sentence
    assert own.public_digest() == before
    own.point_at(str(own.root), ships="{packages: [port*], groups: [web]}")
    assert own.intake().adopted
