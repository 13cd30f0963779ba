"""source_watch's own function against real repositories of every kind over HTTP: adopted by digest, refused with a reason, alarms."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from airflow.sdk.exceptions import AirflowFailException

from suture.evidence import verify_rows
from suture.settings import PROJECT_ROOT, Settings
from suture.sourcing import watch
from suture.store import Store, sources
from suture_airflow.stages import sourcing
from suture_airflow.stages.sourcing import SourceUnreachableError
from tests.faults.repository.builder import SUITE, Key, good_repository
from tests.faults.repository.conftest import Keys
from tests.faults.repository.kinds.sigstore_world import ISSUER, REPOSITORY, WORKFLOW
from tests.faults.repository.kinds.test_oci import Layout, registry
from tests.faults.repository.kinds.test_plain import Vendor as PlainVendor
from tests.faults.repository.kinds.test_python import Index
from tests.faults.repository.kinds.test_rpm_md import Packages, packages  # noqa: F401 - a fixture
from tests.faults.repository.kinds.test_rpm_md import Vendor as RpmVendor
from tests.faults.repository.kinds.test_tuf import Vendor as TufVendor
from tests.faults.repository.server import serving
from tests.unit.sourcing.analysis.test_provenance import pem
from tests.unit.sourcing.sbom.test_provenance import signed, statement

pytestmark = pytest.mark.database
AT = datetime(2026, 6, 1, 12, 5, tzinfo=UTC)  # when the builders' worlds are valid
SIGNER = {"identity": {"issuer": ISSUER, "repository": REPOSITORY, "workflow": WORKFLOW}}


class Clock(datetime):
    """The stage's clock; a test moves it."""

    at = AT

    @classmethod
    def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
        assert tz is UTC
        return cls.at


class Site:
    """An installation whose policy has the sources that a test names."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self.settings, self.store = settings, store

    def policy(self, *entries: dict[str, Any]) -> None:
        folder = self.settings.policy_dir
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "sources.yaml").write_text(yaml.safe_dump(json.loads(json.dumps({"sources": entries}))), "utf-8")
        examination = PROJECT_ROOT / "include" / "policy" / "examination.yaml"
        (folder / "examination.yaml").write_text(examination.read_text("utf-8"), "utf-8")

    def proof(self, name: str = "vendor") -> dict[str, Any]:
        return next(row for row in sources.list_source_proofs(self.store) if row["source"] == name)

    def intakes(self) -> list[dict[str, Any]]:
        return sources.list_intakes(self.store)

    @property
    def shelf(self) -> Any:
        return watch.shelf_of(self.settings)

    def shelved(self) -> set[str]:
        return {path.name for path in (self.shelf.root / "sha256").rglob("*") if path.is_file()}


@pytest.fixture
def site(store: Store, warehouse_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setenv("SUTURE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("SUTURE_POLICY_DIR", str(tmp_path / "policy"))
    monkeypatch.setenv("SUTURE_WAREHOUSE_URL", warehouse_url)
    monkeypatch.delenv("AIRFLOW_CONN_SUTURE_WAREHOUSE", raising=False)
    monkeypatch.setattr(sourcing, "datetime", Clock)
    Clock.at = AT
    return Site(Settings.load(), store)


@contextmanager
def world(kind: str, folder: Path, keys: Keys, rpms: Packages) -> Iterator[tuple[dict[str, Any], Path, list[bytes]]]:
    """A repository of the kind on loopback: (its entry of sources.yaml, a file of it to spoil, what must be on the shelf)."""
    pins = list(keys.pins[:1])
    if kind == "plain":
        vendor = PlainVendor(folder, keys).publish()
        with serving(folder) as (url, _):
            entry = {"checksums": "SHA256SUMS", "keyrings": [str(keys.keyring)], "fingerprints": pins, "address": url}
            yield entry, folder / "agent.bin", [(vendor.root / n).read_bytes() for n in ("agent.bin", "notes.txt")]
    elif kind == "rpm-md":
        rpm = RpmVendor(folder, keys, rpms, now=AT - timedelta(minutes=5)).publish(at=AT - timedelta(minutes=5))
        with serving(folder) as (url, _):
            entry = {"keyrings": [str(keys.keyring)], "fingerprints": pins, "address": url, "max_age_days": 3650}
            yield entry, rpm.package, [rpm.package.read_bytes()]
    elif kind == "tuf":
        tuf = TufVendor(folder).publish()
        with serving(tuf.root) as (url, _):
            yield {"root": str(tuf.pinned), "address": url}, tuf.target_path, [tuf.data]
    elif kind == "python":
        index = Index(folder, data=real_wheel()).publish()
        root = index.world.trusted_root(folder / "trusted_root.json")
        with serving(folder) as (url, _):
            projects = [{"name": "portal", "version": "1.0"}]
            entry = {"projects": projects, "trusted_root": str(root), "address": url, **SIGNER}
            yield entry, index.wheel, [index.wheel.read_bytes()]
    else:
        layout = Layout(folder).publish()
        root = layout.world.trusted_root(folder / "trusted_root.json")
        with registry(layout, wants_token=True) as (url, _):
            entry = {"repository": "vendor/portal", "digest": layout.digest, "trusted_root": str(root), "address": url}
            blobs = [layout.path(a, p).read_bytes() for a in ("amd64", "arm64") for p in ("config", "layer")]
            yield {**entry, **SIGNER}, layout.path("amd64", "layer"), blobs


def real_wheel() -> bytes:
    """One that can be searched for bills of materials."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("portal/__init__.py", "")
        archive.writestr("portal-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: portal\nVersion: 1.0\n")
    return buffer.getvalue()


KINDS = ("plain", "rpm-md", "tuf", "python", "oci")


@pytest.mark.parametrize("kind", KINDS)
def test_a_source_is_proven_over_http_adopted_by_digest_and_refused_once_it_is_spoilt(
    site: Site, tmp_path: Path, keys: Keys, published_keyring: Path, packages: Packages, kind: str  # noqa: F811
) -> None:
    assert published_keyring
    with world(kind, tmp_path / "vendor", keys, packages) as (entry, victim, expected):
        site.policy({"name": "vendor", "kind": kind, **entry})
        assert sourcing.watched_sources() == ["vendor"]
        assert "adopted" in sourcing.prove_source("vendor")
        digests = {hashlib.sha256(data).hexdigest() for data in expected}
        assert site.shelved() == digests
        assert all((site.shelf.path_of(digest).stat().st_mode & 0o777) == 0o444 for digest in digests)
        (intake,) = site.intakes()
        assert (intake["verdict"], intake["campaign_id"], intake["chain"]["deployed"]) == ("adopted", None, False)
        reference = intake["snapshot_ref"].removeprefix("shelf:")
        assert site.shelf.damaged("vendor", reference) == []
        assert intake["chain"]["examination"]["examined"]["sbom"] == len(intake["chain"]["files"])
        assert list((site.shelf.root / "work").iterdir()) == []

        assert "adopted" in sourcing.prove_source("vendor")  # nothing new: no second intake
        assert len(site.intakes()) == 1

        victim.write_bytes(victim.read_bytes()[:-1] + b"~")
        with pytest.raises(AirflowFailException, match=r"hash_mismatch|malformed|signature_invalid"):
            sourcing.prove_source("vendor")
        refused, _adopted = site.intakes()
        assert refused["verdict"] == "refused"
        assert refused["snapshot_ref"] is None
        proof = site.proof()
        assert (proof["verdict"], bool(proof["next_step"]), proof["kind"]) == ("refused", True, kind)
        assert site.shelved() == digests  # what was adopted before stays, and nothing came to it
        assert site.shelf.damaged("vendor", reference) == []
    actions = [row["action"] for row in site.store.fetch_all("evidence/list_evidence", {"campaign_id": None})]
    assert actions == ["source_adopted", "source_refused"]
    assert verify_rows(site.store.fetch_all("evidence/list_evidence", {"campaign_id": None})) == []
    with pytest.raises(SourceUnreachableError):  # the server is gone: tried again
        sourcing.prove_source("vendor")


@pytest.mark.parametrize(("kind", "own"), zip(KINDS, ("agent*", "portal*", "agent*", "portal", "vendor/portal"), strict=True))
def test_what_a_source_may_not_ship_refuses_it_and_reaches_no_shelf(
    site: Site, tmp_path: Path, keys: Keys, published_keyring: Path, packages: Packages, kind: str, own: str  # noqa: F811
) -> None:
    assert published_keyring
    with world(kind, tmp_path / "vendor", keys, packages) as (entry, _victim, expected):
        source = {"name": "vendor", "kind": kind, **entry}
        site.policy({**source, "ships": {"packages": ["openssl", "lib*"]}})
        with pytest.raises(AirflowFailException, match="policy does not let it ship that"):
            sourcing.prove_source("vendor")
        assert site.shelved() == set()
        assert site.proof()["reason"] == site.intakes()[0]["reason"] == "out_of_scope"
        site.policy({**source, "ships": {"packages": [own, "notes.txt"]}})
        assert "adopted" in sourcing.prove_source("vendor")
        assert len(site.shelved()) == len(expected)


@pytest.mark.parametrize("kind", ["plain", "rpm-md", "tuf"])
def test_the_attestations_that_policy_demands_are_judged_of_each_file(
    site: Site, tmp_path: Path, keys: Keys, published_keyring: Path, packages: Packages, kind: str  # noqa: F811
) -> None:
    assert published_keyring
    at = "targets/{path}.att" if kind == "tuf" else "{path}.att"
    with world(kind, tmp_path / "vendor", keys, packages) as (entry, victim, expected):
        stated = {"given": "required", "at": at, "keys": [str(pem(tmp_path))]}
        site.policy({"name": "vendor", "kind": kind, "attestations": stated, **entry})
        with pytest.raises(AirflowFailException, match="must come with a proven attestation"):
            sourcing.prove_source("vendor")
        assert (site.proof()["reason"], site.shelved()) == ("provenance_missing", set())
        folder = tmp_path / "vendor"
        root = {"tuf": folder / "repository" / "targets" / "agents"}.get(kind, victim.parent)
        names = {"plain": ["agent.bin", "notes.txt"], "tuf": ["agent.bin"]}.get(kind, [victim.name])
        for name, data in zip(names, expected, strict=True):
            (root / f"{name}.att").write_bytes(signed(statement(digest=hashlib.sha256(data).hexdigest())))
        assert "adopted" in sourcing.prove_source("vendor")
        said = site.intakes()[0]["chain"]["examination"]["attestations"]
        assert [one["proven"] for one in said] == [True] * len(expected)
        assert all(one["object"] for one in said)
        (root / f"{names[0]}.att").write_bytes(signed(statement()))  # of another file
        with pytest.raises(AirflowFailException, match="is of another file"):
            sourcing.prove_source("vendor")
        assert site.proof()["reason"] == "provenance_mismatch"


def test_an_apt_source_is_proven_down_to_its_indices_and_raises_the_alarm_of_its_key(site: Site, tmp_path: Path) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    Clock.at = now
    key = Key(tmp_path / "key", owner="Vendor").make(made_at=now - timedelta(days=300), lifetime="320d")
    fingerprint = key.ensure()
    (tmp_path / "vendor.gpg").write_bytes(key.public_key())
    good_repository(tmp_path / "vendor", now).publish(key)
    with serving(tmp_path / "vendor") as (url, _):
        site.policy(
            {"name": "vendor", "kind": "apt", "address": url, "suite": SUITE, "components": ["main"],
             "keyrings": [str(tmp_path / "vendor.gpg")], "fingerprints": [fingerprint]}
        )  # fmt: skip
        told = sourcing.prove_source("vendor")
    assert told.startswith("ALARM: Key")
    proof = site.proof()
    assert (proof["verdict"], site.intakes()) == ("proven", [])
    assert "20 days from now; no other pinned key outlives it" in proof["alarms"][0] or "19 days" in proof["alarms"][0]
    with pytest.raises(AirflowFailException, match="pin its successor"):
        sourcing.raise_alarms()


def test_an_alarm_of_another_kind_is_kept_raised_and_does_not_refuse(
    site: Site, tmp_path: Path, keys: Keys, published_keyring: Path
) -> None:
    assert published_keyring
    PlainVendor(tmp_path / "vendor", keys).publish()
    with serving(tmp_path / "vendor") as (url, _):
        entry = {"name": "vendor", "kind": "plain", "address": url, "checksums": "SHA256SUMS"}
        pins: list[Any] = [{"key": keys.pins[0], "accept_until": "2026-06-20"}]
        site.policy({**entry, "keyrings": [str(keys.keyring)], "fingerprints": pins})
        assert "ALARM" in sourcing.prove_source("vendor")
        with pytest.raises(AirflowFailException, match="vendor: Key"):
            sourcing.raise_alarms()
        assert site.proof()["verdict"] == "adopted"
        site.policy({**entry, "keyrings": [str(keys.keyring)], "fingerprints": [keys.pins[0]]})
        sourcing.prove_source("vendor")  # the pin was renewed: news, and the alarm is over
    assert "needs anybody" in sourcing.raise_alarms()
    assert len(site.intakes()) == 2


def test_one_that_is_switched_off_is_left_alone(site: Site, tmp_path: Path, keys: Keys) -> None:
    entry = {"kind": "plain", "address": "http://127.0.0.1:9", "checksums": "S", "keyrings": [str(keys.keyring)]}
    entry["fingerprints"] = [keys.pins[0]]
    site.policy({"name": "on", **entry}, {"name": "off", "enabled": False, **entry})
    assert sourcing.watched_sources() == ["on"]


def test_a_memory_that_is_gone_refuses_instead_of_starting_anew(
    site: Site, tmp_path: Path, keys: Keys, published_keyring: Path
) -> None:
    assert published_keyring
    vendor = PlainVendor(tmp_path / "vendor", keys).publish(at=AT - timedelta(hours=2))
    with serving(vendor.root) as (url, _):
        site.policy({"name": "vendor", "kind": "plain", "address": url, "checksums": "SHA256SUMS",
                     "keyrings": [str(keys.keyring)], "fingerprints": [keys.pins[0]]})  # fmt: skip
        sourcing.prove_source("vendor")
        vendor.publish(at=AT - timedelta(hours=3), text=f"# of yesterday\n{vendor.listed()}")
        with pytest.raises(AirflowFailException, match="rollback"):
            sourcing.prove_source("vendor")
        for path in (site.shelf.root / "seen" / "vendor").iterdir():
            path.unlink()
        (site.shelf.root / "seen" / "vendor").rmdir()
        with pytest.raises(AirflowFailException, match="a replay could not be told"):
            sourcing.prove_source("vendor")
    assert site.proof()["reason"] == watch.BAD_INPUT


def test_what_policy_refuses_inside_a_file_reaches_no_shelf(
    site: Site, tmp_path: Path, keys: Keys, published_keyring: Path
) -> None:
    """A well-signed release whose bill of materials is of other bytes."""
    assert published_keyring
    folder = tmp_path / "vendor"
    folder.mkdir()
    bom = {
        "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
        "metadata": {"component": {"type": "application", "name": "agent", "version": "1.0", "bom-ref": "a",
                                   "hashes": [{"alg": "SHA-256", "content": "0" * 64}]}},
        "components": [],
    }  # fmt: skip
    (folder / "agent.bin").write_bytes(b"agent")
    (folder / "agent.bin.cdx.json").write_text(json.dumps(bom))
    listed = "".join(f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.name}\n" for p in sorted(folder.iterdir()))
    (folder / "SHA256SUMS").write_text(listed)
    (folder / "SHA256SUMS.asc").write_bytes(keys.good.sign_at(listed.encode(), AT)[1])
    with serving(folder) as (url, _):
        site.policy({"name": "vendor", "kind": "plain", "address": url, "checksums": "SHA256SUMS",
                     "keyrings": [str(keys.keyring)], "fingerprints": [keys.pins[0]]})  # fmt: skip
        with pytest.raises(AirflowFailException, match="vendor is refused"):
            sourcing.prove_source("vendor")
    assert site.shelved() == set()
    assert site.intakes()[0]["reason"] == "hash_mismatch"


def test_a_damaged_file_of_the_shelf_is_seen_and_healed_by_the_next_proof(
    site: Site, tmp_path: Path, keys: Keys, published_keyring: Path
) -> None:
    assert published_keyring
    vendor = PlainVendor(tmp_path / "vendor", keys).publish()
    with serving(vendor.root) as (url, _):
        site.policy({"name": "vendor", "kind": "plain", "address": url, "checksums": "SHA256SUMS",
                     "keyrings": [str(keys.keyring)], "fingerprints": [keys.pins[0]]})  # fmt: skip
        sourcing.prove_source("vendor")
        reference = site.intakes()[0]["snapshot_ref"].removeprefix("shelf:")
        path = site.shelf.path_of(hashlib.sha256(b"notes").hexdigest())
        path.chmod(0o644)
        path.write_bytes(b"n0tes")
        assert site.shelf.damaged("vendor", reference) == ["notes.txt"]
        assert site.shelf.holds("vendor", reference)  # of the right size still
        sourcing.prove_source("vendor")
        assert site.shelf.damaged("vendor", reference) == []


