"""A Sigstore of our own, in memory: certificate authority, certificate log, transparency log, and the trusted root of all three.

Everything is real: X.509 certificates with embedded SCTs (RFC 6962), entries with inclusion proof, checkpoint and signed
promise, DSSE envelopes. Only the keys are ours, so nothing here needs the network.
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import rfc8785
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
ISSUER = "https://issuer.test"
REPOSITORY = "https://forge.test/vendor/portal"
WORKFLOW = ".forge/workflows/release.yml"
SCT_LIST = ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
FULCIO = "1.3.6.1.4.1.57264.1."


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _spki(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _log_id(key: ec.EllipticCurvePrivateKey) -> bytes:
    return hashlib.sha256(_spki(key)).digest()


def _sign(key: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
    return key.sign(data, ec.ECDSA(hashes.SHA256()))


def _utf8(text: str) -> bytes:
    """DER UTF8String; long form from 128 bytes on."""
    data = text.encode()
    length = bytes([len(data)]) if len(data) < 128 else bytes([0x81, len(data)])
    return b"\x0c" + length + data


@dataclass
class World:
    """authority signs certificates, certificates logs them, entries logs signatures."""

    authority: ec.EllipticCurvePrivateKey = field(default_factory=_key)
    certificates: ec.EllipticCurvePrivateKey = field(default_factory=_key)
    entries: ec.EllipticCurvePrivateKey = field(default_factory=_key)

    def __post_init__(self) -> None:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority.test")])
        self._name = name
        self.root = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self.authority.public_key())
            .serial_number(1)
            .not_valid_before(NOW - timedelta(days=3650))
            .not_valid_after(NOW + timedelta(days=3650))
            .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
            .add_extension(_usage(sign=False), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.authority.public_key()), critical=False)
            .sign(self.authority, hashes.SHA256())
        )

    def trusted_root(self, path: Path) -> Path:
        start = {"start": (NOW - timedelta(days=3650)).strftime("%Y-%m-%dT%H:%M:%SZ")}

        def log(key: ec.EllipticCurvePrivateKey) -> dict[str, Any]:
            return {
                "baseUrl": "https://log.test",
                "hashAlgorithm": "SHA2_256",
                "publicKey": {"rawBytes": b64(_spki(key)), "keyDetails": "PKIX_ECDSA_P256_SHA_256", "validFor": start},
                "logId": {"keyId": b64(_log_id(key))},
            }

        authority = {
            "subject": {"organization": "test", "commonName": "authority.test"},
            "uri": "https://authority.test",
            "certChain": {"certificates": [{"rawBytes": b64(self.root.public_bytes(serialization.Encoding.DER))}]},
            "validFor": start,
        }
        document = {
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [log(self.entries)],
            "certificateAuthorities": [authority],
            "ctlogs": [log(self.certificates)],
        }
        path.write_text(json.dumps(document))
        return path

    def certificate(
        self,
        key: ec.EllipticCurvePrivateKey,
        *,
        at: datetime = NOW,
        issuer: str = ISSUER,
        repository: str = REPOSITORY,
        workflow: str = WORKFLOW,
        logged: bool = True,
    ) -> x509.Certificate:
        """Ten minutes long, as Fulcio's are, for a workflow of a repository."""
        uri = f"{repository}/{workflow}@refs/tags/v1"
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(at - timedelta(minutes=1))
            .not_valid_after(at + timedelta(minutes=9))
            .add_extension(_usage(sign=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.authority.public_key()), critical=False
            )
            .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)]), critical=True)
        )
        for number, text in ((8, issuer), (12, repository), (18, uri)):
            oid = ObjectIdentifier(f"{FULCIO}{number}")
            builder = builder.add_extension(x509.UnrecognizedExtension(oid, _utf8(text)), critical=False)
        plain = builder.sign(self.authority, hashes.SHA256())
        if not logged:
            return plain
        promise = x509.UnrecognizedExtension(SCT_LIST, self._sct_list(plain.tbs_certificate_bytes, at))
        return builder.add_extension(promise, critical=False).sign(self.authority, hashes.SHA256())

    def _sct_list(self, tbs: bytes, at: datetime) -> bytes:
        """RFC 6962, 3.2 and 3.3: a promise over the certificate as it is without the promise."""
        stamp = int(at.timestamp() * 1000)
        signed = struct.pack("!BBQH", 0, 0, stamp, 1) + _log_id(self.authority)
        signed += len(tbs).to_bytes(3, "big") + tbs + b"\x00\x00"
        signature = _sign(self.certificates, signed)
        sct = struct.pack("!B32sQH", 0, _log_id(self.certificates), stamp, 0)
        sct += b"\x04\x03" + struct.pack("!H", len(signature)) + signature  # SHA-256, ECDSA
        listed = struct.pack("!H", len(sct)) + sct
        inner = struct.pack("!H", len(listed)) + listed
        length = bytes([len(inner)]) if len(inner) < 128 else bytes([0x81, len(inner)])
        return b"\x04" + length + inner

    def attest(
        self, name: str, sha256: str, *, at: datetime = NOW, logged_at: datetime | None = None, **certificate: Any
    ) -> dict[str, Any]:
        """A sigstore bundle: an in-toto statement over one file, signed and logged."""
        statement = {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": name, "digest": {"sha256": sha256}}],
            "predicateType": "https://slsa.dev/provenance/v1",
            "predicate": {},
        }
        payload = json.dumps(statement).encode()
        key = _key()
        leaf = self.certificate(key, at=at, **certificate)
        kind = b"application/vnd.in-toto+json"
        pae = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
        signature = _sign(key, pae)
        return {
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {
                "certificate": {"rawBytes": b64(leaf.public_bytes(serialization.Encoding.DER))},
                "tlogEntries": [self._entry(payload, signature, leaf, logged_at or at)],
            },
            "dsseEnvelope": {
                "payload": b64(payload),
                "payloadType": kind.decode(),
                "signatures": [{"sig": b64(signature)}],
            },
        }

    def _entry(self, payload: bytes, signature: bytes, leaf: x509.Certificate, at: datetime) -> dict[str, Any]:
        body = rfc8785.dumps(
            {
                "apiVersion": "0.0.1",
                "kind": "dsse",
                "spec": {
                    "envelopeHash": {"algorithm": "sha256", "value": "0" * 64},
                    "payloadHash": {"algorithm": "sha256", "value": hashlib.sha256(payload).hexdigest()},
                    "signatures": [
                        {"signature": b64(signature), "verifier": b64(leaf.public_bytes(serialization.Encoding.PEM))}
                    ],
                },
            }
        )
        root = hashlib.sha256(b"\x00" + body).digest()  # of a log with this one entry
        note = f"log.test\n1\n{b64(root)}\n"
        seal = b64(_log_id(self.entries)[:4] + _sign(self.entries, note.encode()))
        seconds = int(at.timestamp())
        promise = {"body": b64(body), "integratedTime": seconds, "logID": _log_id(self.entries).hex(), "logIndex": 0}
        return {
            "logIndex": "0",
            "logId": {"keyId": b64(_log_id(self.entries))},
            "kindVersion": {"kind": "dsse", "version": "0.0.1"},
            "integratedTime": str(seconds),
            "inclusionPromise": {"signedEntryTimestamp": b64(_sign(self.entries, rfc8785.dumps(promise)))},
            "inclusionProof": {
                "logIndex": "0",
                "rootHash": b64(root),
                "treeSize": "1",
                "hashes": [],
                "checkpoint": {"envelope": f"{note}\n— log.test {seal}\n"},
            },
            "canonicalizedBody": b64(body),
        }


def _usage(*, sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=sign, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=not sign, crl_sign=not sign, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def as_pep740(bundle: dict[str, Any]) -> dict[str, Any]:
    """The same attestation as an index's provenance has it."""
    return {
        "version": 1,
        "attestation_bundles": [
            {
                "publisher": {"kind": "test"},
                "attestations": [
                    {
                        "version": 1,
                        "verification_material": {
                            "certificate": bundle["verificationMaterial"]["certificate"]["rawBytes"],
                            "transparency_entries": bundle["verificationMaterial"]["tlogEntries"],
                        },
                        "envelope": {
                            "statement": bundle["dsseEnvelope"]["payload"],
                            "signature": bundle["dsseEnvelope"]["signatures"][0]["sig"],
                        },
                    }
                ],
            }
        ],
    }
