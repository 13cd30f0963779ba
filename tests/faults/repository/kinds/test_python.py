"""Python packages: pinned digests and PEP 740 attestations, from a folder and a simple index; each attack with its reason."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from suture.errors import BadInputError
from suture.sourcing import Refusal, RefusalReason
from suture.sourcing.kinds import KindAdoption, Request
from suture.sourcing.kinds.attested import Attester, Identity
from suture.sourcing.kinds.python_index import Project, PythonSource
from suture.sourcing.transport import FolderTransport
from tests.faults.repository.kinds.sigstore_world import ISSUER, NOW, REPOSITORY, WORKFLOW, World, as_pep740

R = RefusalReason
FILE = "portal-1.0-py3-none-any.whl"
DATA = b"wheel " * 300
DIGEST = hashlib.sha256(DATA).hexdigest()
IDENTITY = Identity(ISSUER, repository=REPOSITORY, workflow=WORKFLOW)


@dataclass
class Index:
    """A folder in the form of a simple index, with one attested wheel."""

    root: Path
    world: World = field(default_factory=World)
    trusted: World | None = None
    data: bytes = DATA

    def publish(self, *, page: Callable[[dict[str, Any]], object] | None = None, **attested: Any) -> Index:
        folder = self.root / "portal"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FILE).write_bytes(self.data)
        digest = hashlib.sha256(self.data).hexdigest()
        bundle = self.world.attest(attested.pop("name", FILE), attested.pop("sha256", digest), **attested)
        (folder / f"{FILE}.provenance").write_text(json.dumps(as_pep740(bundle)))
        entry = {
            "filename": FILE,
            "url": FILE,
            "hashes": {"sha256": digest},
            "size": len(self.data),
            "provenance": f"{FILE}.provenance",
        }
        document: dict[str, Any] = {"meta": {"api-version": "1.3"}, "name": "portal", "files": [entry]}
        if page is not None:
            page(document)
        (folder / "index.json").write_text(json.dumps(document))
        return self

    @property
    def wheel(self) -> Path:
        return self.root / "portal" / FILE

    @property
    def provenance(self) -> Path:
        return self.root / "portal" / f"{FILE}.provenance"

    def prove(
        self, *, hashes: tuple[str, ...] = (), identity: Identity | None = IDENTITY, at: Any = NOW
    ) -> KindAdoption:
        root = (self.trusted or self.world).trusted_root(self.root / "trusted_root.json")
        attester = Attester(root, identity) if identity else None
        source = PythonSource("vendor", str(self.root), (Project("Portal", "1.0", hashes),), attester)
        return source.prove(FolderTransport(self.root), Request(at + timedelta(minutes=1)))


@pytest.fixture
def index(tmp_path: Path) -> Index:
    return Index(tmp_path / "index")


def refused(prove: Callable[[], object]) -> Refusal:
    with pytest.raises(Refusal) as found:
        prove()
    return found.value


def test_an_attested_file_is_proven(index: Index) -> None:
    found = index.publish().prove()
    assert [(f.path, f.name, f.version, f.sha256) for f in found.files] == [(FILE, "Portal", "1.0", DIGEST)]
    attestation = found.chain()["attestations"][FILE]
    assert attestation["signer"] == f"{REPOSITORY}/{WORKFLOW}"
    assert attestation["logged_at"] == NOW.isoformat()
    assert "withholds" in found.not_proven[0]


def test_a_pinned_digest_is_enough_and_a_wrong_one_refuses(index: Index) -> None:
    index.publish(page=lambda p: p["files"][0].pop("provenance"))
    assert len(index.prove(hashes=(DIGEST,), identity=None).files) == 1
    assert refused(lambda: index.prove(hashes=("0" * 64,), identity=None)).reason is R.HASH_MISMATCH
    with pytest.raises(BadInputError):
        index.prove(identity=None)


def test_a_trusted_root_that_is_none_is_bad_input(index: Index, tmp_path: Path) -> None:
    (tmp_path / "root.json").write_text("{}")
    attester = Attester(tmp_path / "root.json", IDENTITY)
    source = PythonSource("vendor", str(index.publish().root), (Project("portal", "1.0"),), attester)
    with pytest.raises(BadInputError):
        source.prove(FolderTransport(index.root), Request(NOW))


def strangers_sigstore(index: Index) -> None:
    index.trusted = World()
    index.publish()


def half_strangers_sigstore(index: Index) -> None:
    """The right authorities, another transparency log: a certificate that was stolen, used without a trace."""
    index.trusted = World(authority=index.world.authority, certificates=index.world.certificates)
    index.publish()


def _edit_provenance(change: Callable[[dict[str, Any]], object]) -> Callable[[Index], None]:
    def attack(index: Index) -> None:
        index.publish()
        document = json.loads(index.provenance.read_bytes())
        change(document["attestation_bundles"][0]["attestations"][0])
        index.provenance.write_text(json.dumps(document))

    return attack


def another_signature(one: dict[str, Any]) -> None:
    other = World().attest(FILE, DIGEST)
    one["envelope"]["signature"] = other["dsseEnvelope"]["signatures"][0]["sig"]


def another_statement(one: dict[str, Any]) -> None:
    other = World().attest(FILE, "0" * 64)
    one["envelope"]["statement"] = other["dsseEnvelope"]["payload"]


def another_time(one: dict[str, Any]) -> None:
    one["verification_material"]["transparency_entries"][0]["integratedTime"] = str(int(NOW.timestamp()) + 60)


def no_checkpoint(one: dict[str, Any]) -> None:
    del one["verification_material"]["transparency_entries"][0]["inclusionProof"]["checkpoint"]


ATTACKS: list[tuple[str, Callable[[Index], object], RefusalReason]] = [
    ("another repository", lambda i: i.publish(repository="https://forge.test/thief/portal"), R.IDENTITY_MISMATCH),
    ("another workflow", lambda i: i.publish(workflow=".forge/workflows/test.yml"), R.IDENTITY_MISMATCH),
    ("another issuer", lambda i: i.publish(issuer="https://thief.test"), R.IDENTITY_MISMATCH),
    ("another file's name", lambda i: i.publish(name="other-1.0-py3-none-any.whl"), R.IDENTITY_MISMATCH),
    ("another file's digest", lambda i: i.publish(sha256="0" * 64), R.HASH_MISMATCH),
    ("certificate over before use", lambda i: i.publish(logged_at=NOW + timedelta(hours=1)), R.KEY_EXPIRED),
    ("certificate not in its log", lambda i: i.publish(logged=False), R.SIGNATURE_INVALID),
    ("stranger's authority", strangers_sigstore, R.KEY_UNTRUSTED),
    ("stranger's log", half_strangers_sigstore, R.SIGNATURE_INVALID),
    ("from the future", lambda i: i.publish(at=NOW + timedelta(hours=2)), R.NOT_YET_VALID),
    ("another signature", _edit_provenance(another_signature), R.SIGNATURE_INVALID),
    ("another statement", _edit_provenance(another_statement), R.SIGNATURE_INVALID),
    ("another time", _edit_provenance(another_time), R.SIGNATURE_INVALID),
    ("no checkpoint", _edit_provenance(no_checkpoint), R.MALFORMED),
    ("no certificate", _edit_provenance(lambda one: one["verification_material"].pop("certificate")), R.MALFORMED),
    ("no provenance", lambda i: i.publish(page=lambda p: p["files"][0].update(provenance=None)), R.SIGNATURE_MISSING),
    ("empty provenance", lambda i: i.publish().provenance.write_text('{"attestation_bundles": []}'), R.SIGNATURE_MISSING),
    ("missing provenance", lambda i: i.publish().provenance.unlink(), R.UNREACHABLE),
    ("swapped file", lambda i: i.publish().wheel.write_bytes(DATA[:-1] + b"!"), R.HASH_MISMATCH),
    ("cut file", lambda i: i.publish().wheel.write_bytes(DATA[:-1]), R.TRUNCATED),
    ("longer file", lambda i: i.publish().wheel.write_bytes(DATA + b"!"), R.SIZE_MISMATCH),
    ("weak", lambda i: i.publish(page=lambda p: p["files"][0].update(hashes={"md5": "0" * 32})), R.WEAK_HASH),
    ("elsewhere", lambda i: i.publish(page=lambda p: p["files"][0].update(url="https://thief.test/x.whl")), R.MALFORMED),
    ("outside", lambda i: i.publish(page=lambda p: p["files"][0].update(url="%2e%2e/%2e%2e/etc/passwd")), R.MALFORMED),
    ("name with a path", lambda i: i.publish(page=lambda p: p["files"][0].update(filename="../x.whl")), R.MALFORMED),
    ("another page", lambda i: i.publish(page=lambda p: p.update(name="portals")), R.IDENTITY_MISMATCH),
    ("another version", lambda i: i.publish(page=lambda p: p["files"][0].update(filename=FILE.replace("1.0", "1.1"))), R.UNREACHABLE),
    ("no files", lambda i: i.publish(page=lambda p: p.update(files="x")), R.MALFORMED),
    ("no json", lambda i: (i.publish().root / "portal/index.json").write_text("<html>"), R.MALFORMED),
]  # fmt: skip


@pytest.mark.parametrize(("attack", "reason"), [pytest.param(a, r, id=n) for n, a, r in ATTACKS])
def test_an_attack_is_refused_with_its_reason(
    index: Index, attack: Callable[[Index], object], reason: RefusalReason
) -> None:
    attack(index)
    found = refused(index.prove)
    assert found.reason is reason, found.sentence
