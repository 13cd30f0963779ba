"""The examiner of attestations, and what policy says of a source's: signed by real keys and by a sigstore of our own."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from suture.errors import BadInputError
from suture.policy import PolicyError
from suture.settings import PROJECT_ROOT
from suture.sourcing import Refusal, RefusalReason
from suture.sourcing.analysis import provenance
from suture.sourcing.analysis.pool import examine_all
from suture.sourcing.attestations import AttestationPolicy, fetch, fitting, read_attestations
from suture.sourcing.examination import Action, PackageFile, Subject, load_policy
from suture.sourcing.examining_files import fetch_attestations
from suture.sourcing.kinds import KindAdoption, ProvenFile
from suture.sourcing.source import load_entry, load_source
from suture.sourcing.transport import FolderTransport
from tests.faults.repository.kinds.sigstore_world import ISSUER, World
from tests.unit.sourcing.sbom.test_provenance import BUILDER, KEY, OTHER, SOURCE, signed, statement

DATA = b"a package" * 100
SHA256 = hashlib.sha256(DATA).hexdigest()
PATH = "pool/main/p/portal/portal_2.0_amd64.deb"
GOOD = signed(statement(digest=SHA256))


def pem(folder: Path, key: Any = KEY) -> Path:
    path = folder / f"{type(key).__name__}.pem"
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    path.write_bytes(key.public_key().public_bytes(serialization.Encoding.PEM, form))
    return path


@pytest.fixture
def policy(tmp_path: Path) -> AttestationPolicy:
    return AttestationPolicy(required=True, keys=(pem(tmp_path),), builders=(BUILDER,), source_repositories=(SOURCE,))


def subject(tmp_path: Path, policy: AttestationPolicy, raw: bytes | None) -> Subject:
    """The package in a source, with what lies beside it, as an intake has it."""
    root = tmp_path / "source"
    (root / PATH).parent.mkdir(parents=True, exist_ok=True)
    (root / PATH).write_bytes(DATA)
    beside = root / f"{PATH}.intoto.jsonl"
    beside.unlink(missing_ok=True)
    if raw is not None:
        beside.write_bytes(raw)
    folder = tmp_path / "fetched"
    folder.mkdir(exist_ok=True)
    attested = fetch(
        policy, FolderTransport(root), folder, path=PATH, package="portal", version="2.0", sha256=SHA256
    )
    return Subject(PackageFile(root / PATH, "portal", "2.0", "amd64", SHA256), attested=attested)


def kinds(found: Sequence[Any]) -> list[str]:
    return [concern.kind for concern in found]


def test_a_proven_attestation_says_who_built_the_package_out_of_what(tmp_path: Path, policy: AttestationPolicy) -> None:
    found = provenance.examine(subject(tmp_path, policy, GOOD))
    assert found.concerns == ()
    assert found.facts["proven"]
    (said,) = found.facts["attestations"]
    assert (said["signed_by"], said["builder"], said["sources"]) == ("Ed25519PrivateKey.pem", BUILDER, [SOURCE])
    assert found.facts["file"]["sha256"] == hashlib.sha256(GOOD).hexdigest()


WRONG: list[tuple[str, bytes, str]] = [
    ("another file", signed(statement(digest="c" * 64)), "provenance_mismatch"),
    ("another builder", signed(statement(digest=SHA256, builder="https://evil.example")), "provenance_mismatch"),
    ("another repository", signed(statement(digest=SHA256, source="https://evil.example/x")), "provenance_mismatch"),
    ("another's key", signed(statement(digest=SHA256), OTHER), "provenance_signature_invalid"),
    ("edited", GOOD.replace(b'"payload": "e', b'"payload": "f'), "provenance_malformed"),
    ("a page", b"<html>Please log in</html>", "provenance_malformed"),
    ("empty", b"", "provenance_malformed"),
]


@pytest.mark.parametrize(("raw", "kind"), [pytest.param(raw, kind, id=name) for name, raw, kind in WRONG])
@pytest.mark.parametrize("required", [True, False], ids=["required", "optional"])
def test_a_wrong_one_is_refused_whether_or_not_one_is_demanded(
    tmp_path: Path, policy: AttestationPolicy, raw: bytes, kind: str, required: bool
) -> None:
    found = provenance.examine(subject(tmp_path, replace(policy, required=required), raw))
    assert kinds(found.concerns) == [kind, *(["provenance_missing"] if required else [])]
    assert not found.facts["proven"]
    actions = load_policy(PROJECT_ROOT / "include" / "policy").actions
    assert actions.sternest([found]) is Action.REFUSE


def test_a_missing_one_is_refused_where_it_is_demanded_and_noted_where_not(
    tmp_path: Path, policy: AttestationPolicy
) -> None:
    actions = load_policy(PROJECT_ROOT / "include" / "policy").actions
    demanded = provenance.examine(subject(tmp_path, policy, None))
    assert kinds(demanded.concerns) == ["provenance_missing"]
    assert f"{PATH}.intoto.jsonl, and there is none" in demanded.concerns[0].sentence
    assert actions.sternest([demanded]) is Action.REFUSE
    optional = provenance.examine(subject(tmp_path, replace(policy, required=False), None))
    assert kinds(optional.concerns) == ["provenance_absent"]
    assert actions.sternest([optional]) is Action.NOTE


def test_a_statement_without_provenance_does_not_do_where_a_builder_is_demanded(
    tmp_path: Path, policy: AttestationPolicy
) -> None:
    tree = {**statement(digest=SHA256), "predicateType": "https://index.example/publish/v1", "predicate": None}
    assert kinds(provenance.examine(subject(tmp_path, policy, signed(tree))).concerns) == ["provenance_missing"]


def test_a_sigstore_bundle_counts_by_its_identity_alone(tmp_path: Path) -> None:
    world = World()
    root = world.trusted_root(tmp_path / "trusted_root.json")
    bundle = world.attest("portal_2.0_amd64.deb", SHA256)
    identity = signer(bundle)
    policy = AttestationPolicy(required=True, trusted_root=root, identities=((identity, ISSUER),))
    found = provenance.examine(subject(tmp_path, policy, json.dumps(bundle).encode()))
    assert found.concerns == ()
    assert found.facts["attestations"][0]["signed_by"] == identity
    stranger = replace(policy, identities=(("https://forge.test/mallory/x", ISSUER),))
    found = provenance.examine(subject(tmp_path, stranger, json.dumps(bundle).encode()))
    assert kinds(found.concerns) == ["provenance_signature_invalid", "provenance_missing"]
    bare = provenance.examine(subject(tmp_path, policy, GOOD))  # signed by a key, and policy gives none
    assert kinds(bare.concerns) == ["provenance_unverified", "provenance_missing"]


def signer(bundle: dict[str, Any]) -> str:
    """The subject of a bundle's certificate."""
    raw = base64.b64decode(bundle["verificationMaterial"]["certificate"]["rawBytes"])
    names = x509.load_der_x509_certificate(raw).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return str(next(iter(names.value)).value)


def test_a_worker_of_the_pool_says_the_same(tmp_path: Path, policy: AttestationPolicy) -> None:
    """What policy says of the source reaches the process in which the package is examined."""
    asked = [subject(tmp_path, policy, GOOD), replace(subject(tmp_path, policy, GOOD), attested=None)]
    good, unasked = examine_all(asked, [provenance.examine], workers=1)
    assert (good.examiner, good.concerns, good.facts["proven"]) == ("provenance", (), True)
    assert (unasked.concerns, unasked.facts) == ((), {})


# -- what policy says ---------------------------------------------------------------------------------------------------


def source_policy(tmp_path: Path, attestations: Any) -> AttestationPolicy | None:
    entry = {
        "name": "vendor", "kind": "apt", "address": "/x", "suite": "stable", "keyrings": ["k.gpg"], "fingerprints": ["A" * 40],
    } | ({} if attestations is None else {"attestations": attestations})  # fmt: skip
    (tmp_path / "sources.yaml").write_text(yaml.safe_dump({"sources": [entry]}))
    read = read_attestations(load_entry(tmp_path, "vendor"), tmp_path)
    assert load_source(tmp_path, "vendor").attestations == read
    return read


def test_policy_says_where_they_lie_and_who_may_sign(tmp_path: Path) -> None:
    assert source_policy(tmp_path, None) is None
    found = source_policy(tmp_path, {"given": "optional", "keys": ["keys/a.pem"], "at": "att/{package}/{version}/{sha256}.json"})
    assert found is not None
    assert (found.required, found.keys) == (False, (tmp_path / "keys/a.pem",))
    place = found.place(path=PATH, package="portal", version="2.0", sha256=SHA256)
    assert place == f"att/portal/2.0/{SHA256}.json"
    beside = AttestationPolicy(required=True, at="{folder}/sigs/{file}.sigstore.json")
    assert beside.place(path=PATH, package="portal", version="2.0", sha256=SHA256).endswith(
        "p/portal/sigs/portal_2.0_amd64.deb.sigstore.json"
    )
    top = beside.place(path="agent.bin", package="", version="", sha256=SHA256)
    assert top == "sigs/agent.bin.sigstore.json"


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ({"keys": ["a.pem"]}, "given"),
        ({"given": "sometimes", "keys": ["a.pem"]}, "given"),
        ({"given": "required", "keys": ["a.pem"], "at": "{passwd}"}, "at"),
        ({"given": "required", "keys": ["a.pem"], "at": "{path.__class__}"}, "at"),
        ({"given": "required", "keys": ["a.pem"], "suffix": ".x"}, "suffix"),
        ({"given": "required"}, "nobody who may sign"),
        ({"given": "required", "trusted_root": "r.json"}, "go together"),
        ({"given": "required", "identities": [{"subject": "x", "issuer": "https://y"}]}, "go together"),
    ],
)
def test_a_policy_that_could_prove_nothing_is_refused(tmp_path: Path, stated: dict[str, Any], said: str) -> None:
    with pytest.raises((PolicyError, BadInputError), match=said):
        source_policy(tmp_path, stated)


@pytest.mark.parametrize("version", ["../../etc/passwd", "/../x", "2.0/../../.."])
def test_what_a_source_says_of_a_file_does_not_lead_out_of_its_address(version: str) -> None:
    policy = AttestationPolicy(required=True, at="att/{version}")
    with pytest.raises(Refusal) as found:
        policy.place(path=PATH, package="portal", version=version, sha256=SHA256)
    assert found.value.reason is RefusalReason.MALFORMED


def test_a_huge_one_is_cut_off(tmp_path: Path, policy: AttestationPolicy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("suture.sourcing.attestations.MAX_BYTES", 1000)
    with pytest.raises(Refusal) as found:
        subject(tmp_path, policy, b"x" * 1001)
    assert found.value.reason is RefusalReason.SIZE_MISMATCH


def test_an_attestation_that_the_list_names_beside_its_file_needs_none_of_its_own(
    tmp_path: Path, policy: AttestationPolicy
) -> None:
    names = ("agent.bin", "agent.bin.intoto.jsonl", "bare.bin")
    for name in names[:2]:
        (tmp_path / name).write_bytes(GOOD)
    files = tuple(ProvenFile(name, 1, SHA256) for name in names)
    adoption = KindAdoption("vendor", "plain", "x", datetime.now(UTC), "s", files, len(files), {})
    found = fetch_attestations(policy, FolderTransport(tmp_path), adoption, tmp_path / "fetched")
    assert {path: attested.file is not None for path, attested in found.items()} == {"agent.bin": True, "bare.bin": False}
    assert fetch_attestations(None, FolderTransport(tmp_path), adoption, tmp_path / "none") == {}


def test_where_policy_expects_them_the_examiner_must_run_and_the_keys_be_there(policy: AttestationPolicy) -> None:
    chosen = {"sbom": provenance.examine, "provenance": provenance.examine}
    assert list(fitting(chosen, None, "vendor")) == ["sbom"]
    assert list(fitting(chosen, policy, "vendor")) == ["sbom", "provenance"]
    with pytest.raises(BadInputError, match="switched off"):
        fitting({"sbom": provenance.examine}, policy, "vendor")
    with pytest.raises(BadInputError, match="cannot be read"):
        fitting(chosen, replace(policy, keys=(Path("/nowhere.pem"),)), "vendor")
