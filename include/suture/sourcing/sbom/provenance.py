"""Where does the artefact come from, and who says so?

The rules:

1. An attestation counts when its signature was checked: by a pinned key (Ed25519, ECDSA on P-256, P-384, P-521), or by sigstore
   with a trusted root and a pinned identity. One that could not be checked is said to be unverified; one whose check
   failed is refused.
2. Its subject's digest must be the artefact's. An attestation of another file is a mismatch, however well signed.
3. Of SLSA provenance (0.2, 1) the builder and the source repository must be those that policy names, where it names any.
   Other predicates (PyPI's publish attestation) prove the file, not the build.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from suture.errors import BadInputError
from suture.sourcing.examination import Concern
from suture.sourcing.sbom.artifact import STRONG
from suture.sourcing.sbom.envelopes import AttestationError, Envelope, Statement, read
from suture.sourcing.sbom.settings import Identity, SbomSettings
from suture.sourcing.sbom.text import shown

SLSA = {"https://slsa.dev/provenance/v0.2": "0.2", "https://slsa.dev/provenance/v1": "1"}
Key = ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey
_CURVE_HASHES: Mapping[str, hashes.HashAlgorithm] = {
    "secp256r1": hashes.SHA256(), "secp384r1": hashes.SHA384(), "secp521r1": hashes.SHA512()
}  # fmt: skip


@dataclass(frozen=True)
class Origin:
    """What SLSA provenance says. '' where it says nothing. sources: repositories, without git+ and @revision."""

    builder: str
    sources: tuple[str, ...]


@dataclass(frozen=True)
class Proof:
    """Who signed. by: a key's file or a certificate's identity; '' where the signature was not checked, then `why` says why."""

    by: str
    why: str = ""


@dataclass(frozen=True)
class Trust:
    """By what signatures are checked. trusted_root: sigstore's, as a file; None: sigstore's signatures are not checked."""

    keys: tuple[tuple[str, Key], ...] = ()
    trusted_root: Path | None = None
    identities: tuple[Identity, ...] = ()


@dataclass(frozen=True)
class Judged:
    """One attestation. envelope: None where its file cannot be read. by: who signed it, '' where that was not checked or is wrong."""

    name: str
    envelope: Envelope | None
    by: str
    concerns: tuple[Concern, ...]


class _Invalid(Exception):
    """A signature that is checked and wrong."""


def load_keys(paths: Iterable[Path]) -> tuple[tuple[str, Key], ...]:
    """PEM public keys. Raises BadInputError for a file that holds none, or one of another kind."""
    found = []
    for path in paths:
        try:
            key = serialization.load_pem_public_key(path.read_bytes())
        except OSError as error:
            raise BadInputError(f"The key {path} cannot be read: {error.strerror}.") from error
        except Exception as error:  # cryptography's errors for bad PEM are of many kinds
            raise BadInputError(f"{path} holds no PEM public key.") from error
        if isinstance(key, ed25519.Ed25519PublicKey) or (
            isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVE_HASHES
        ):
            found.append((path.name, key))
        else:
            raise BadInputError(f"{path} is no Ed25519 key and no ECDSA key on P-256, P-384 or P-521.")
    return tuple(found)


def check(
    attestations: Iterable[tuple[str, bytes]], digests: Mapping[str, str], trust: Trust, settings: SbomSettings
) -> Iterator[Concern]:
    """attestations: (name, bytes) of files. digests: algorithm → hex of the artefact; empty: nothing to compare with."""
    judged = list(judge(attestations, digests, trust, settings))
    for one in judged:
        yield from one.concerns
    if settings.provenance_required and not any(proves(one, settings) for one in judged):
        yield Concern("provenance_missing", "", "Policy demands proven provenance, and no attestation gives it.")


def judge(
    attestations: Iterable[tuple[str, bytes]], digests: Mapping[str, str], trust: Trust, settings: SbomSettings
) -> Iterator[Judged]:
    """Each attestation of each file, as `check` has them. Raises BadInputError for a trusted root that is none."""
    for name, raw in attestations:
        try:
            envelopes = read(raw, name)
        except AttestationError as error:
            why = f"The attestation {shown(name)} cannot be read: {error}."
            yield Judged(name, None, "", (Concern("provenance_malformed", name, why),))
            continue
        for envelope in envelopes:
            yield _one(name, envelope, digests, trust, settings)


def proves(judged: Judged, settings: SbomSettings) -> bool:
    """Whether it gives what a policy demands that demands one."""
    if judged.envelope is None or judged.concerns:
        return False
    return judged.envelope.statement.predicate_type in SLSA or not _wants_origin(settings)


def _wants_origin(settings: SbomSettings) -> bool:
    return bool(settings.builders or settings.source_repositories)


def _one(
    name: str, envelope: Envelope, digests: Mapping[str, str], trust: Trust, settings: SbomSettings
) -> Judged:
    try:
        proof = _proof(envelope, trust)
    except _Invalid as error:
        sentence = f"The signature of the attestation {shown(name)} is not by whom it should be: {error}."
        return Judged(name, envelope, "", (Concern("provenance_signature_invalid", name, sentence),))
    return Judged(name, envelope, proof.by, tuple(_concerns(name, envelope.statement, proof, digests, settings)))


def _concerns(
    name: str, statement: Statement, proof: Proof, digests: Mapping[str, str], settings: SbomSettings
) -> Iterator[Concern]:
    mismatch = _subject_mismatch(statement, digests)
    if mismatch:
        yield Concern("provenance_mismatch", name, f"The attestation {shown(name)} {mismatch}.", details(statement))
    if statement.predicate_type in SLSA:
        found = origin(statement)
        for what, said, wanted in (
            ("builder", (found.builder,), settings.builders),
            ("source repository", found.sources, tuple(map(plain_repository, settings.source_repositories))),
        ):
            if wanted and not set(said) & set(wanted):
                named = shown(", ".join(said)) or "nobody"
                sentence = f"The attestation {shown(name)} names the {what} {named!r}, which policy does not expect."
                yield Concern("provenance_mismatch", name, sentence, {**details(statement), "expected": list(wanted)})
    if not proof.by:
        yield Concern(
            "provenance_unverified",
            name,
            f"The signature of the attestation {shown(name)} was not checked: {proof.why}.",
        )


def _subject_mismatch(statement: Statement, digests: Mapping[str, str]) -> str:
    """'' when a strong digest of a subject is the artefact's, and no digest of that subject contradicts."""
    if not digests:
        return "cannot be tied to a file: there is no artefact and the SBOM gives no hash"
    for _name, given in statement.subjects:
        common = {algorithm for algorithm in given if algorithm in digests}
        if common & set(STRONG) and all(given[algorithm] == digests[algorithm] for algorithm in common):
            return ""
    names = ", ".join(shown(subject, 60) for subject, _given in statement.subjects[:3])
    return f"is of another file ({names}): no digest of its subjects is the artefact's"


def origin(statement: Statement) -> Origin:
    """Builder and sources of SLSA provenance."""
    tree = statement.predicate
    if SLSA.get(statement.predicate_type) == "0.2":
        builder = _at(tree, "builder", "id")
        sources = [
            _at(tree, "invocation", "configSource", "uri"),
            *(_at(one, "uri") for one in _items(tree, "materials")),
        ]
    else:
        builder = _at(tree, "runDetails", "builder", "id")
        definition = tree.get("buildDefinition")
        sources = [
            _at(definition, "externalParameters", "workflow", "repository"),
            _at(definition, "externalParameters", "source", "uri"),
            _at(definition, "externalParameters", "source"),
            *(_at(one, "uri") for one in _items(definition, "resolvedDependencies")),
        ]
    plain = dict.fromkeys(plain_repository(one) for one in sources if one)
    return Origin(builder, tuple(plain))


def plain_repository(address: str) -> str:
    """https://host/owner/name: without git+, user, @revision, .git, trailing slash and letter case of the host."""
    text = address.removeprefix("git+")
    scheme, mark, rest = text.partition("://")
    if not mark:
        return text
    host, _slash, path = rest.partition("/")
    path = re.sub(r"\.git$", "", path.partition("#")[0].partition("@")[0].rstrip("/"))
    return f"{scheme.lower()}://{host.rpartition('@')[2].lower()}/{path}"


def _proof(envelope: Envelope, trust: Trust) -> Proof:
    """Raises _Invalid."""
    if envelope.bundle is not None and trust.trusted_root is not None:
        return _by_sigstore(envelope.bundle, envelope.payload, trust)
    if trust.keys:
        for name, key in trust.keys:
            if any(_signed(key, signature, envelope.signed_bytes) for _keyid, signature in envelope.signatures):
                return Proof(name)
        raise _Invalid(f"none of the {len(trust.keys)} pinned keys made it")
    return Proof("", "no trusted root of sigstore was given" if envelope.bundle else "no key was given")


def _signed(key: Key, signature: bytes, content: bytes) -> bool:
    try:
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, content)
        else:
            key.verify(signature, content, ec.ECDSA(_CURVE_HASHES[key.curve.name]))
    except InvalidSignature:
        return False
    return True


def _by_sigstore(bundle: str, payload: bytes, trust: Trust) -> Proof:
    """Certificate, transparency log and identity, as the sigstore library checks them; nothing is fetched."""
    from sigstore.errors import Error, VerificationError
    from sigstore.models import Bundle, TrustedRoot
    from sigstore.verify import Verifier, policy

    assert trust.trusted_root is not None
    logging.getLogger("sigstore").setLevel(logging.ERROR)  # it warns of a missing identity, which is said below
    try:
        verifier = Verifier(trusted_root=TrustedRoot.from_file(str(trust.trusted_root)))
    except Exception as error:  # the library's models raise their own kinds
        raise BadInputError(
            f"{trust.trusted_root} is no trusted root of sigstore: {str(error).splitlines()[0]}."
        ) from error
    # Certificates name the issuer by the older extension, the newer one, or both.
    wanted = policy.AnyOf([
        policy.AllOf([
            policy.AnyOf([policy.OIDCIssuerV2(one.issuer), policy.OIDCIssuer(one.issuer)]),
            policy.Identity(identity=one.subject),
        ])
        for one in trust.identities
    ])
    try:
        found = Bundle.from_json(bundle)
        _kind, signed = verifier.verify_dsse(found, wanted if trust.identities else policy.UnsafeNoOp())
    except (VerificationError, Error) as error:
        raise _Invalid(shown(str(error), 300)) from error
    except Exception as error:
        raise _Invalid(f"the bundle cannot be read: {shown(str(error), 200)}") from error
    if signed != payload:
        raise _Invalid("the signed payload is not the one that was read")
    names = _certificate_names(found.signing_certificate)
    if not trust.identities:
        return Proof("", f"it is by {shown(names)}, and policy pins no identity")
    return Proof(names)


def _certificate_names(certificate: Any) -> str:
    from cryptography import x509

    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ""
    return ", ".join(str(one.value) for one in names)


def details(statement: Statement) -> dict[str, Any]:
    """What it says, for records: bounded, JSON values."""
    found = origin(statement) if statement.predicate_type in SLSA else Origin("", ())
    return {
        "predicate_type": shown(statement.predicate_type), "builder": shown(found.builder),
        "sources": [shown(one) for one in found.sources[:5]],
        "subjects": [{"name": shown(name), "digest": dict(digest)} for name, digest in statement.subjects[:5]],
    }  # fmt: skip


def _at(tree: Any, *keys: str) -> str:
    for key in keys:
        if not isinstance(tree, dict):
            return ""
        tree = tree.get(key)
    return tree if isinstance(tree, str) else ""


def _items(tree: Any, key: str) -> list[Any]:
    found = tree.get(key) if isinstance(tree, dict) else None
    return found[:1000] if isinstance(found, list) else []
