"""Sigstore bundles, verified offline: sigstore does the cryptography, from a trusted root that policy names.

The rules:

1. The certificate chains to the trusted root and was valid when the log took the entry in; the log's promise, inclusion
   proof and checkpoint hold; the certificate's own log has seen it (SCT). All of that is sigstore's verifier, without
   network: the trusted root is a file.
2. The signer is who policy says: issuer, and subject, repository or workflow as the certificate has them.
3. The entry is not from the future of the time we judge by.
4. What is signed is an in-toto statement with one subject of the file's name (where it has one) and its SHA-256.

Not proven here: that the log shows everybody the same (that is for monitors), and that the trusted root is still current.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from cryptography.hazmat import asn1
from cryptography.x509 import Certificate, ExtensionNotFound
from sigstore.errors import CertValidationError, MetadataError, VerificationError
from sigstore.errors import Error as SigstoreError
from sigstore.models import Bundle, InvalidBundle, TrustedRoot
from sigstore.verify import Verifier, policy

from suture.errors import BadInputError
from suture.sourcing.kinds import strict_json
from suture.sourcing.kinds.result import MAX_FUTURE, malformed, stamp
from suture.sourcing.refusal import Refusal, RefusalReason

MAX_BUNDLE_BYTES = 8 * 1024 * 1024
IN_TOTO = "application/vnd.in-toto+json"
_BUILD_CONFIG_OID = policy.OIDCBuildConfigURI.oid


@dataclass(frozen=True)
class Identity:
    """Who must have signed. workflow: its path in the repository; the ref may be any."""

    issuer: str
    subject: str | None = None
    repository: str | None = None
    workflow: str | None = None

    def __post_init__(self) -> None:
        if not (self.subject or self.repository):
            raise BadInputError(
                "An identity is an issuer with a subject or a repository: an issuer alone vouches for all."
            )
        if self.workflow and not self.repository:
            raise BadInputError("A workflow is one of a repository: give that too.")


@dataclass(frozen=True)
class Attestation:
    """A statement that holds. signer: what the certificate says; logged_at: when the log took it in."""

    predicate_type: str
    signer: str
    logged_at: datetime
    log_index: int

    def chain(self) -> dict[str, Any]:
        return {
            "predicate_type": self.predicate_type,
            "signer": self.signer,
            "logged_at": self.logged_at.isoformat(),
            "log_index": self.log_index,
        }


class _WrongSigner(VerificationError):
    """The signature holds, and is somebody else's."""


class _Expected:
    """Sigstore's policy interface over our Identity."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        checks: list[policy.VerificationPolicy] = [
            policy.AnyOf([policy.OIDCIssuerV2(identity.issuer), policy.OIDCIssuer(identity.issuer)])
        ]
        if identity.subject:
            checks.append(policy.Identity(identity=identity.subject))
        if identity.repository:
            checks.append(policy.OIDCSourceRepositoryURI(identity.repository))
        self._all = policy.AllOf(checks)

    def verify(self, cert: Certificate) -> None:
        try:
            self._all.verify(cert)
        except (VerificationError, ValueError) as error:
            raise _WrongSigner(str(error)) from error
        if self._identity.workflow:
            wanted = f"{self._identity.repository}/{self._identity.workflow}@"
            try:
                extension: Any = cert.extensions.get_extension_for_oid(_BUILD_CONFIG_OID).value
                found = asn1.decode_der(str, extension.value)
            except (ExtensionNotFound, ValueError) as error:
                raise _WrongSigner("the certificate names no workflow") from error
            if not found.startswith(wanted):
                raise _WrongSigner(f"the certificate names the workflow {found!r}")


@dataclass(frozen=True)
class Attester:
    """trusted_root: Sigstore's trusted_root.json, or an organisation's own. Raises BadInputError for one that is none."""

    trusted_root: Path
    identity: Identity

    @cached_property
    def _verifier(self) -> Verifier:
        try:
            return Verifier(trusted_root=TrustedRoot.from_file(str(self.trusted_root)))
        except (OSError, ValueError, SigstoreError) as error:
            raise BadInputError(f"The trusted root {self.trusted_root} cannot be used: {error}.") from error

    def require(self, raw: bytes, sha256: str, *, name: str | None, at: datetime, subject: str) -> Attestation:
        """What the bundle says of the file of that digest (and name). Raises Refusal, BadInputError."""
        verifier, bundle = self._verifier, self._bundle(raw, subject)
        entry = bundle.log_entry._inner
        logged_at = datetime.fromtimestamp(entry.integrated_time or 0, UTC)
        try:
            payload_type, payload = verifier.verify_dsse(bundle, _Expected(self.identity))
        except _WrongSigner as error:
            raise _refusal(RefusalReason.IDENTITY_MISMATCH, subject, f"another one has signed it: {error}") from error
        except CertValidationError as error:
            cert = bundle.signing_certificate
            is_over = not cert.not_valid_before_utc <= logged_at <= cert.not_valid_after_utc
            reason = RefusalReason.KEY_EXPIRED if is_over else RefusalReason.KEY_UNTRUSTED
            why = "was not valid when it was used" if is_over else "is of no authority that we trust"
            raise _refusal(reason, subject, f"the signer's certificate {why}") from error
        except (VerificationError, MetadataError) as error:
            raise _refusal(
                RefusalReason.SIGNATURE_INVALID, subject, f"its attestation does not hold: {error}"
            ) from error
        except (ValueError, TypeError) as error:
            raise malformed(subject, f"its attestation: {error}") from error
        if entry.integrated_time and logged_at > at + MAX_FUTURE:
            why = f"its attestation is of {stamp(logged_at)}, later than {stamp(at)}"
            raise _refusal(RefusalReason.NOT_YET_VALID, subject, why)
        statement = _statement(payload_type, payload, subject)
        _require_subject(statement, sha256, name, subject)
        signer = self.identity.subject or f"{self.identity.repository}/{self.identity.workflow or ''}"
        return Attestation(str(statement.get("predicateType", "")), signer, logged_at, int(entry.log_index))

    @staticmethod
    def _bundle(raw: bytes, subject: str) -> Bundle:
        try:
            return Bundle.from_json(raw)
        except (InvalidBundle, ValueError, RecursionError) as error:
            raise malformed(subject, f"its attestation is no sigstore bundle: {error}") from error


def _statement(payload_type: str, payload: bytes, subject: str) -> Mapping[str, Any]:
    if payload_type != IN_TOTO:
        raise malformed(subject, f"its attestation holds {payload_type!r}, no in-toto statement")
    try:
        found = strict_json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise malformed(subject, f"its statement is no JSON: {error}") from error
    if not isinstance(found, dict) or not str(found.get("_type", "")).startswith("https://in-toto.io/Statement/"):
        raise malformed(subject, "its attestation holds no in-toto statement")
    return found


def _require_subject(statement: Mapping[str, Any], sha256: str, name: str | None, subject: str) -> None:
    subjects = statement.get("subject")
    if not isinstance(subjects, list) or len(subjects) != 1 or not isinstance(subjects[0], dict):
        raise malformed(subject, "its statement is not about exactly one thing")
    said = subjects[0]
    digest = said.get("digest")
    if not isinstance(digest, dict) or not isinstance(digest.get("sha256"), str):
        raise _refusal(RefusalReason.WEAK_HASH, subject, "its statement names no SHA-256")
    if digest["sha256"].lower() != sha256:
        why = f"its SHA-256 is {sha256[:16]}…, the statement is about {digest['sha256'][:16]}…"
        raise _refusal(RefusalReason.HASH_MISMATCH, subject, why)
    if name is not None and said.get("name") != name:
        raise _refusal(RefusalReason.IDENTITY_MISMATCH, subject, f"its statement is about {said.get('name')!r}")


def read_attester(entry: Mapping[str, Any], policy_dir: Path) -> Attester | None:
    """From an entry's trusted_root and identity; None where it has neither. Raises BadInputError for one of the two."""
    root, identity = entry.get("trusted_root"), entry.get("identity")
    if root is None and identity is None:
        return None
    if root is None or identity is None or "issuer" not in identity:
        raise BadInputError(f"{entry['name']}: trusted_root and an identity with its issuer go together.")
    return Attester(policy_dir / root, Identity(**identity))


def _refusal(reason: RefusalReason, subject: str, why: str) -> Refusal:
    return Refusal(reason, f"{subject}: {why.rstrip('.')}.", subject=subject)
