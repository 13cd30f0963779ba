"""Attestations: who signed, of which file, by which builder, out of which repository.

samples/slsa.attestation.json is a real PEP 740 attestation (SLSA provenance of pypi_attestations-0.0.19.tar.gz, public, of 4
December 2024, from the test assets of trailofbits/pypi-attestations, Apache-2.0). It is checked by the trusted root that the sigstore
library ships.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import sigstore
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from suture.errors import BadInputError
from suture.sourcing.sbom import envelopes, provenance
from suture.sourcing.sbom.provenance import Trust
from suture.sourcing.sbom.settings import Identity, SbomSettings

REAL = (Path(__file__).parent / "samples" / "slsa.attestation.json").read_bytes()
REAL_SHA256 = "9bb1add04b1b4e182be6b0b80931593f7a291eb49d69b4fd728a5d4cbcdc4bd3"
ROOT = Path(sigstore.__file__).parent / "_store" / "https%3A%2F%2Ftuf-repo-cdn.sigstore.dev" / "trusted_root.json"
REPOSITORY = "https://github.com/trailofbits/pypi-attestations"
RELEASE = Identity(
    f"{REPOSITORY}/.github/workflows/release.yml@refs/tags/v0.0.19", "https://token.actions.githubusercontent.com"
)
DIGESTS = {"sha256": "a" * 64, "sha1": "b" * 40}
BUILDER = "https://builder.acme.example/v1"
SOURCE = "https://git.acme.example/billing"
KEY = ed25519.Ed25519PrivateKey.generate()
OTHER = ec.generate_private_key(ec.SECP256R1())
WANTED = SbomSettings(provenance_required=True, builders=(BUILDER,), source_repositories=(SOURCE,))


def statement(
    version: str = "1", digest: str = "a" * 64, builder: str = BUILDER, source: str = SOURCE
) -> dict[str, Any]:
    subject = [{"name": "billing-2.0.1.whl", "digest": {"sha256": digest}}]
    if version == "0.2":
        predicate: dict[str, Any] = {
            "builder": {"id": builder}, "buildType": "x", "invocation": {"configSource": {"uri": f"git+{source}.git@refs/tags/v2"}},
        }  # fmt: skip
        return {"_type": "https://in-toto.io/Statement/v0.1", "subject": subject, "predicateType": "https://slsa.dev/provenance/v0.2",
                "predicate": predicate}  # fmt: skip
    predicate = {
        "buildDefinition": {
            "buildType": "x",
            "externalParameters": {},
            "resolvedDependencies": [{"uri": f"git+{source}@refs/heads/main"}],
        },
        "runDetails": {"builder": {"id": builder}},
    }
    return {"_type": "https://in-toto.io/Statement/v1", "subject": subject, "predicateType": "https://slsa.dev/provenance/v1",
            "predicate": predicate}  # fmt: skip


def signed(tree: dict[str, Any], key: Any = KEY, payload_type: str = envelopes.PAYLOAD_TYPE) -> bytes:
    payload = json.dumps(tree).encode()
    content = b"DSSEv1 %d %b %d %b" % (len(payload_type), payload_type.encode(), len(payload), payload)
    signature = (
        key.sign(content)
        if isinstance(key, ed25519.Ed25519PrivateKey)
        else key.sign(content, ec.ECDSA(hashes.SHA256()))
    )
    return json.dumps(
        {
            "payloadType": payload_type, "payload": base64.b64encode(payload).decode(),
            "signatures": [{"keyid": "", "sig": base64.b64encode(signature).decode()}],
        }
    ).encode()  # fmt: skip


def asked(
    raw: bytes, trust: Trust | None = None, settings: SbomSettings = WANTED, digests: dict[str, str] = DIGESTS
) -> list[str]:
    by = trust or Trust(keys=(("acme.pem", KEY.public_key()), ("other.pem", OTHER.public_key())))
    return [concern.kind for concern in provenance.check([("a.intoto.jsonl", raw)], digests, by, settings)]


@pytest.mark.parametrize("version", ["0.2", "1"])
@pytest.mark.parametrize("key", [KEY, OTHER], ids=["ed25519", "ecdsa"])
def test_a_signed_statement_of_this_file_by_the_expected_builder_is_accepted(version: str, key: Any) -> None:
    assert asked(signed(statement(version), key)) == []


@pytest.mark.parametrize("version", ["0.2", "1"])
@pytest.mark.parametrize(
    "change",
    [{"digest": "c" * 64}, {"builder": "https://evil.example"}, {"source": "https://git.evil.example/billing"}],
)
def test_another_file_builder_or_source_is_a_mismatch(version: str, change: dict[str, str]) -> None:
    assert asked(signed(statement(version, **change))) == ["provenance_mismatch", "provenance_missing"]


def test_a_signature_by_another_key_or_over_other_bytes_is_invalid() -> None:
    stranger = signed(statement(), ed25519.Ed25519PrivateKey.generate())
    assert asked(stranger) == ["provenance_signature_invalid", "provenance_missing"]
    tree = json.loads(signed(statement()))
    tree["payload"] = base64.b64encode(json.dumps(statement(builder="https://evil.example")).encode()).decode()
    assert asked(json.dumps(tree).encode())[0] == "provenance_signature_invalid"


def test_without_a_key_it_is_unverified_and_does_not_count() -> None:
    assert asked(signed(statement()), Trust()) == ["provenance_unverified", "provenance_missing"]
    assert asked(signed(statement()), Trust(), SbomSettings()) == ["provenance_unverified"]


def test_a_weak_digest_alone_ties_nothing() -> None:
    tree = statement()
    tree["subject"][0]["digest"] = {"sha1": "b" * 40}
    assert asked(signed(tree))[0] == "provenance_mismatch"


def test_a_statement_that_proves_no_build_does_not_satisfy_a_demand_for_one() -> None:
    tree = {**statement(), "predicateType": "https://index.example/attestations/publish/v1", "predicate": None}
    assert asked(signed(tree)) == ["provenance_missing"]
    assert asked(signed(tree), settings=SbomSettings(provenance_required=True)) == []


def test_several_envelopes_one_a_line() -> None:
    raw = b"\n".join((signed(statement("0.2")), signed(statement("1"))))
    assert asked(raw) == []
    assert len(envelopes.read(raw, "x")) == 2


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"[]", b"{}", b"nonsense", b"\xff\xfe", b'{"payload": 1}', b'{"payload":"e30=","payload":"e30="}',
        b'{"payloadType":"application/vnd.in-toto+json","payload":"e30=","signatures":[]}', b'{"messageSignature":{}}',
        b'{"attestation_bundles":{}}', b'{"verification_material":{},"envelope":{}}', signed({"_type": "x"}),
        signed({**statement(), "subject": []}), signed({**statement(), "subject": [{"name": "x"}]}),
        signed(statement(), payload_type="text/plain"), b'{"a":' * 2000 + b"1" + b"}" * 2000,
    ],
)  # fmt: skip
def test_what_is_no_attestation_is_malformed(raw: bytes) -> None:
    assert asked(raw)[0] == "provenance_malformed"


@pytest.mark.parametrize(
    ("trust", "settings", "digest", "kinds"),
    [
        (
            Trust(trusted_root=ROOT, identities=(RELEASE,)),
            SbomSettings(source_repositories=(REPOSITORY,)),
            REAL_SHA256,
            [],
        ),
        (
            Trust(trusted_root=ROOT, identities=(RELEASE,)),
            SbomSettings(source_repositories=("https://github.com/evil/x",)),
            REAL_SHA256,
            ["provenance_mismatch"],
        ),
        (Trust(trusted_root=ROOT, identities=(RELEASE,)), SbomSettings(), "0" * 64, ["provenance_mismatch"]),
        (
            Trust(trusted_root=ROOT, identities=(Identity("x@y.example", RELEASE.issuer),)),
            SbomSettings(),
            REAL_SHA256,
            ["provenance_signature_invalid"],
        ),
        (Trust(trusted_root=ROOT), SbomSettings(), REAL_SHA256, ["provenance_unverified"]),
        (Trust(), SbomSettings(), REAL_SHA256, ["provenance_unverified"]),
    ],
)
def test_a_real_attestation_of_a_python_package(
    trust: Trust, settings: SbomSettings, digest: str, kinds: list[str]
) -> None:
    assert asked(REAL, trust, settings, {"sha256": digest}) == kinds


def test_a_changed_real_attestation_is_invalid() -> None:
    tree = json.loads(REAL)
    payload = base64.b64decode(tree["envelope"]["statement"]).replace(REAL_SHA256.encode(), b"0" * 64)
    tree["envelope"]["statement"] = base64.b64encode(payload).decode()
    trust = Trust(trusted_root=ROOT, identities=(RELEASE,))
    assert asked(json.dumps(tree).encode(), trust, SbomSettings(), {"sha256": "0" * 64}) == [
        "provenance_signature_invalid"
    ]


def test_keys_of_other_kinds_are_refused(tmp_path: Path) -> None:
    public = rsa.generate_private_key(65537, 2048).public_key()
    path = tmp_path / "rsa.pem"
    path.write_bytes(public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(BadInputError, match="no Ed25519 key"):
        provenance.load_keys([path])
    path.write_text("nonsense")
    with pytest.raises(BadInputError, match="no PEM"):
        provenance.load_keys([path])
    bad_root = Trust(trusted_root=path, identities=(RELEASE,))
    with pytest.raises(BadInputError, match="no trusted root"):
        asked(REAL, bad_root)
