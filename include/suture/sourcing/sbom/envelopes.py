"""Attestations as they are shipped, and the statement inside each.

Read are DSSE envelopes (also one per line: .intoto.jsonl), sigstore bundles, and PEP 740 attestations and provenance objects. What
is read here is not yet believed: provenance.py asks who signed.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf import json_format
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement as InTotoStatement

from suture.sourcing.sbom.model import UnreadableSbomError
from suture.sourcing.sbom.text import shown
from suture.sourcing.sbom.trees import read_json

PAYLOAD_TYPE = "application/vnd.in-toto+json"
MAX_BYTES = 16 * 1024 * 1024
MAX_ENVELOPES = 100
_TYPES = ("https://in-toto.io/Statement/v0.1", "https://in-toto.io/Statement/v1")


class AttestationError(Exception):
    """An attestation that cannot be read. Its text is the reason."""


@dataclass(frozen=True)
class Statement:
    """subjects: (name, algorithm → hex) each. predicate: as it stands."""

    subjects: tuple[tuple[str, Mapping[str, str]], ...]
    predicate_type: str
    predicate: Mapping[str, Any]


@dataclass(frozen=True)
class Envelope:
    """payload: the signed bytes. signatures: (keyid, signature). bundle: a sigstore bundle's JSON, None for a bare envelope."""

    payload_type: str
    payload: bytes
    signatures: tuple[tuple[str, bytes], ...]
    bundle: str | None
    statement: Statement

    @property
    def signed_bytes(self) -> bytes:
        """DSSE's pre-authentication encoding, which binds the type to the payload."""
        kind = self.payload_type.encode()
        return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(self.payload), self.payload)


def read(raw: bytes, name: str) -> list[Envelope]:
    """All envelopes of a file. Raises AttestationError."""
    if len(raw) > MAX_BYTES:
        raise AttestationError(f"it has more than {MAX_BYTES} bytes")
    try:
        text = raw.decode("utf-8")
        trees = [read_json(part, name) for part in _parts(text)]
    except UnicodeDecodeError as error:
        raise AttestationError("it is not UTF-8") from error
    except UnreadableSbomError as error:
        raise AttestationError(error.message.rstrip(".")) from error
    found = [envelope for tree in trees for envelope in _envelopes(tree)]
    if not found:
        raise AttestationError("it holds no attestation")
    return found


def _parts(text: str) -> list[str]:
    """One document, or one a line."""
    lines = [line for line in text.splitlines() if line.strip()]
    if (
        len(lines) > 1
        and len(lines) <= MAX_ENVELOPES
        and all(line.startswith("{") and line.rstrip().endswith("}") for line in lines)
    ):
        return lines
    return [text]


def _envelopes(tree: Any) -> Iterator[Envelope]:
    if not isinstance(tree, dict):
        raise AttestationError("it is no JSON object")
    if "attestation_bundles" in tree:  # PEP 740, what an index serves
        for bundle in _list(tree["attestation_bundles"]):
            for attestation in _list(bundle.get("attestations")):
                yield _pep740(attestation)
    elif "verification_material" in tree:
        yield _pep740(tree)
    elif "dsseEnvelope" in tree:
        yield _dsse(tree["dsseEnvelope"], bundle=json.dumps(tree))
    elif "messageSignature" in tree:
        raise AttestationError("it signs a file alone and says nothing of where it comes from")
    elif "payload" in tree:
        yield _dsse(tree, bundle=None)
    else:
        raise AttestationError("it is no DSSE envelope, sigstore bundle or PEP 740 attestation")


def _pep740(tree: Mapping[str, Any]) -> Envelope:
    """PEP 740 has a sigstore bundle's parts under other names; it is put together again for sigstore's own check."""
    try:
        envelope, material = tree["envelope"], tree["verification_material"]
        dsse = {
            "payload": envelope["statement"], "payloadType": PAYLOAD_TYPE, "signatures": [{"sig": envelope["signature"]}]
        }  # fmt: skip
        bundle = {
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {
                "certificate": {"rawBytes": material["certificate"]},
                "tlogEntries": material["transparency_entries"],
            },
            "dsseEnvelope": dsse,
        }
    except (KeyError, TypeError) as error:
        raise AttestationError(f"it is no PEP 740 attestation: {error} is missing") from error
    return _dsse(dsse, bundle=json.dumps(bundle))


def _dsse(tree: Any, *, bundle: str | None) -> Envelope:
    try:
        payload_type, signatures = tree["payloadType"], tree["signatures"]
        payload = _base64(tree["payload"])
        found = tuple((str(one.get("keyid", "")), _base64(one["sig"])) for one in signatures)
    except (KeyError, TypeError, AttributeError) as error:
        raise AttestationError(f"it is no DSSE envelope: {error}") from error
    if payload_type != PAYLOAD_TYPE:
        raise AttestationError(f"its payload is {shown(str(payload_type), 60)!r}, not an in-toto statement")
    if not found:
        raise AttestationError("it has no signature")
    return Envelope(payload_type, payload, found, bundle, statement(payload))


def statement(payload: bytes) -> Statement:
    """Raises AttestationError."""
    try:
        tree = read_json(payload.decode("utf-8"), "the statement")
    except (UnicodeDecodeError, UnreadableSbomError) as error:
        raise AttestationError(f"its statement cannot be read: {error}") from error
    if not isinstance(tree, dict) or tree.get("_type") not in _TYPES:
        raise AttestationError("its payload is no in-toto statement of version 0.1 or 1")
    # The library knows version 1 alone; 0.1 differs in its type's name.
    try:
        message = json_format.ParseDict(
            {**tree, "_type": _TYPES[1]}, statement_pb2.Statement(), ignore_unknown_fields=True
        )
        checked = InTotoStatement.copy_from_pb(message)
        if checked.pb.predicate or tree.get("predicate"):
            checked.validate()
        elif not checked.pb.subject:
            raise ValueError("At least one subject required")
    except (json_format.ParseError, ValueError) as error:
        raise AttestationError(f"its statement breaks the rules of in-toto: {shown(str(error), 200)}") from error
    subjects = tuple(
        (str(one.name), {str(key).lower().replace("-", ""): str(value).lower() for key, value in one.digest.items()})
        for one in checked.pb.subject
    )
    predicate = tree.get("predicate") or {}
    return Statement(subjects, str(tree.get("predicateType", "")), predicate if isinstance(predicate, dict) else {})


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list) or len(value) > MAX_ENVELOPES:
        raise AttestationError(f"a list of at most {MAX_ENVELOPES} is expected")
    return value


def _base64(value: Any) -> bytes:
    try:
        return base64.b64decode(str(value), validate=True)
    except (binascii.Error, ValueError) as error:
        raise AttestationError("what should be base64 is none") from error
