"""Who signed it: gpgv does the cryptography, this module owns the judgement.

The rules:

1. A clear-signed file is exactly one signed block: a byte before, between or after is refused before gpgv
   sees it.
2. Only the text that gpgv wrote out is parsed further, never the file that carried it.
3. One bad signature refuses the file, however many good ones stand beside it (as apt does).
4. A signature counts when its key is pinned, not revoked, and neither key nor signature had expired at the
   time we judge by. gpgv judges by the machine's clock, so expiry is read from the keyring and judged here; a
   revoked key is revoked at all times.
5. The signature's own digest must be SHA-256, SHA-384 or SHA-512 (RFC 9580 identifiers 8, 9, 10).
6. One signature that counts is enough: archives sign with the old and the new key while they change over.
7. A pin may have a rule for that time: it counts from a day on, or until a day. Before and after it the key is none.
8. Keys too weak to prove anything (RSA below 2048 bits, DSA) are not trusted, pinned or not.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from suture.errors import SutureError
from suture.sourcing.keyring import Keyring
from suture.sourcing.refusal import Refusal, RefusalReason

GPGV_TIMEOUT_S = 60
_STRONG_DIGESTS = {"8": "SHA256", "9": "SHA384", "10": "SHA512"}
_BEGIN = b"-----BEGIN PGP SIGNED MESSAGE-----"
_SIGNATURE = b"-----BEGIN PGP SIGNATURE-----"
_END = b"-----END PGP SIGNATURE-----"
_HASH_HEADER = re.compile(rb"^Hash: [A-Za-z0-9, -]+$")


class SignatureToolError(SutureError):
    """gpgv is missing or does not answer: nothing can be proven."""


@dataclass(frozen=True)
class SignedText:
    """Text that a pinned key signed. key_fingerprint is the primary key's, signing_fingerprint the (sub)key's."""

    text: bytes
    key_fingerprint: str
    signing_fingerprint: str
    key_owner: str
    digest: str
    signed_at: datetime
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Found:
    """One signature as gpgv reports it; valid is None unless the mathematics held."""

    verdict: str
    key_id: str
    owner: str
    valid: tuple[str, ...] | None


def verify_clearsigned(data: bytes, keyring: Keyring, *, at: datetime, subject: str) -> SignedText:
    """The text inside a clear-signed file. Raises Refusal."""
    _refuse_unsigned_text(data, subject)
    with tempfile.TemporaryDirectory(prefix="suture-gpgv-") as folder:
        signed, plain = Path(folder, "signed"), Path(folder, "plain")
        signed.write_bytes(data)
        status = _gpgv(["--output", str(plain), *_keyring_arguments(keyring, Path(folder)), str(signed)])
        text = plain.read_bytes() if plain.exists() else b""
    return _judge(status, text, keyring, at=at, subject=subject)


def verify_detached(data: bytes, signature: bytes, keyring: Keyring, *, at: datetime, subject: str) -> SignedText:
    """`data` itself, proven by a detached signature (armoured or binary). Raises Refusal."""
    if signature.lstrip().startswith(_SIGNATURE) and _END not in signature:
        sentence = f"{subject}: its detached signature breaks off before its end."
        raise Refusal(RefusalReason.TRUNCATED, sentence, subject=subject)
    with tempfile.TemporaryDirectory(prefix="suture-gpgv-") as folder:
        signed, detached = Path(folder, "signed"), Path(folder, "signature")
        signed.write_bytes(data)
        detached.write_bytes(signature)
        status = _gpgv([*_keyring_arguments(keyring, Path(folder)), str(detached), str(signed)])
    return _judge(status, data, keyring, at=at, subject=subject)


def _refuse_unsigned_text(data: bytes, subject: str) -> None:
    def refuse(reason: RefusalReason, sentence: str) -> Refusal:
        return Refusal(reason, f"{subject}: {sentence}", subject=subject)

    if not data.strip():
        raise refuse(RefusalReason.TRUNCATED, "the file is empty.")
    lines = [line.rstrip(b"\r") for line in data.split(b"\n")]
    begins = [n for n, line in enumerate(lines) if line.startswith(_BEGIN)]
    if not begins:
        raise refuse(RefusalReason.SIGNATURE_MISSING, "there is no signature in it.")
    signatures = [n for n, line in enumerate(lines) if line.startswith(_SIGNATURE)]
    ends = [n for n, line in enumerate(lines) if line.startswith(_END)]
    if not ends:
        raise refuse(RefusalReason.TRUNCATED, "it breaks off before the end of its signature.")
    if len(begins) > 1 or len(signatures) != 1 or len(ends) > 1 or not begins[0] < signatures[0] < ends[0]:
        raise refuse(RefusalReason.MALFORMED, "it is not exactly one signed block.")
    if any(line.strip() for line in lines[: begins[0]]) or lines[begins[0]] != _BEGIN:
        raise refuse(RefusalReason.MALFORMED, "text that nobody signed stands before the signed block.")
    if any(line.strip() for line in lines[ends[0] + 1 :]) or lines[ends[0]].rstrip() != _END:
        raise refuse(RefusalReason.MALFORMED, "text that nobody signed stands after the signed block.")
    for line in lines[begins[0] + 1 : signatures[0]]:
        if not line.strip():
            return
        if not _HASH_HEADER.match(line.rstrip()):
            raise refuse(RefusalReason.MALFORMED, "the signed block's header holds more than its digests.")
    raise refuse(RefusalReason.MALFORMED, "the signed block has no text.")


def _keyring_arguments(keyring: Keyring, folder: Path) -> list[str]:
    arguments = ["--homedir", str(folder)]
    for number, data in enumerate(keyring.binary):
        path = folder / f"keyring-{number}.gpg"
        path.write_bytes(data)
        arguments += ["--keyring", str(path)]
    return arguments


def _gpgv(arguments: list[str]) -> list[str]:
    command = ["gpgv", "--quiet", "--ignore-time-conflict", "--status-fd", "1", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, timeout=GPGV_TIMEOUT_S, check=False)
    except FileNotFoundError as error:
        raise SignatureToolError("gpgv is not installed.", remedy="Install the package gpgv.") from error
    except subprocess.TimeoutExpired as error:
        raise SignatureToolError(f"gpgv did not answer within {GPGV_TIMEOUT_S} s.") from error
    prefix = "[GNUPG:] "
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    return [line.removeprefix(prefix) for line in lines if line.startswith(prefix)]


def _judge(status: list[str], text: bytes, keyring: Keyring, *, at: datetime, subject: str) -> SignedText:
    found = _signatures(status)
    if not found:
        raise Refusal(RefusalReason.SIGNATURE_INVALID, f"{subject}: gpgv finds no signature in it.", subject=subject)
    for one in found:
        if one.verdict == "BADSIG":
            sentence = f"{subject}: the signature of key {one.key_id} ({one.owner}) does not match the text."
            raise Refusal(RefusalReason.SIGNATURE_INVALID, sentence, subject=subject)
    refusals: list[Refusal] = []
    for one in found:
        try:
            accepted = _accept(one, text, keyring, at=at, subject=subject)
        except Refusal as refusal:
            refusals.append(refusal)
        else:
            notes = tuple(r.sentence for r in [*refusals, *_others(found, one, text, keyring, at, subject)])
            return SignedText(**{**accepted.__dict__, "notes": notes})
    # The most telling reason: what is wrong with a pinned key says more than that a stranger signed as well.
    refusals.sort(key=lambda refusal: refusal.reason is RefusalReason.KEY_UNTRUSTED)
    raise refusals[0]


def _others(
    found: list[_Found], accepted: _Found, text: bytes, keyring: Keyring, at: datetime, subject: str
) -> list[Refusal]:
    """What is wrong with the signatures after the accepted one: a note for the operator, not a refusal."""
    others: list[Refusal] = []
    for one in found[found.index(accepted) + 1 :]:
        try:
            _accept(one, text, keyring, at=at, subject=subject)
        except Refusal as refusal:
            others.append(refusal)
    return others


def _signatures(status: list[str]) -> list[_Found]:
    """gpgv's status lines (GnuPG doc/DETAILS), one _Found per NEWSIG."""
    found: list[_Found] = []
    verdict, key_id, owner, valid = "", "", "", None
    for line in [*status, "NEWSIG"]:
        keyword, *rest = line.split(" ")
        if keyword == "NEWSIG":
            if verdict:
                found.append(_Found(verdict, key_id, owner, valid))
            verdict, key_id, owner, valid = "", "", "", None
        elif keyword in {"GOODSIG", "BADSIG", "EXPSIG", "EXPKEYSIG", "REVKEYSIG"}:
            verdict, key_id, owner = keyword, rest[0], " ".join(rest[1:])
        elif keyword == "ERRSIG":
            # ERRSIG <keyid> <pkalgo> <hashalgo> <class> <time> <rc> <fpr>; rc 9: no key, 4: unknown algorithm
            verdict, key_id, owner = f"ERRSIG {rest[5]} {rest[2]}", rest[0], "unknown"
        elif keyword == "VALIDSIG":
            valid = tuple(rest)
    return found


def _accept(one: _Found, text: bytes, keyring: Keyring, *, at: datetime, subject: str) -> SignedText:
    def refuse(reason: RefusalReason, sentence: str) -> Refusal:
        return Refusal(reason, f"{subject}: {sentence}", subject=subject)

    if one.verdict.startswith("ERRSIG"):
        _name, code, digest = one.verdict.split(" ")
        if code != "9" and digest not in _STRONG_DIGESTS:
            raise refuse(RefusalReason.WEAK_HASH, f"the signature of key {one.key_id} uses a digest that is too weak.")
        if code != "9":
            raise refuse(RefusalReason.SIGNATURE_INVALID, f"the signature of key {one.key_id} cannot be checked.")
        raise refuse(RefusalReason.KEY_UNTRUSTED, f"it is signed by key {one.key_id}, which is not in the keyring.")
    if one.valid is None or len(one.valid) < 10:
        raise refuse(RefusalReason.SIGNATURE_INVALID, f"the signature of key {one.key_id} is not valid.")
    signing, signed_epoch, expires_epoch, digest, primary = (
        one.valid[0], one.valid[2], one.valid[3], one.valid[7], one.valid[9],
    )  # fmt: skip
    name = f"key {primary} ({one.owner})"
    if not keyring.trusts(primary, signing):
        raise refuse(RefusalReason.KEY_UNTRUSTED, f"it is signed by {name}, which is not pinned for this source.")
    if one.verdict == "REVKEYSIG" or keyring.revoked(primary, signing):
        raise refuse(RefusalReason.KEY_REVOKED, f"it is signed by {name}, which its owner has revoked.")
    if keyring.weak(primary, signing):
        raise refuse(RefusalReason.KEY_UNTRUSTED, f"it is signed by {name}, a key too weak to prove anything.")
    rule = keyring.rule(primary, signing)
    if rule.accept_from is not None and at < rule.accept_from:
        sentence = f"it is signed by {name}, which policy accepts from {_day(rule.accept_from)} on only."
        raise refuse(RefusalReason.KEY_UNTRUSTED, sentence)
    if rule.accept_until is not None and at >= rule.accept_until:
        sentence = f"it is signed by {name}, which policy accepted until {_day(rule.accept_until)}."
        raise refuse(RefusalReason.KEY_EXPIRED, sentence)
    expiry = keyring.expires_at(primary, signing)
    if expiry is not None and expiry <= at:
        raise refuse(RefusalReason.KEY_EXPIRED, f"it is signed by {name}, which expired on {_day(expiry)}.")
    if digest not in _STRONG_DIGESTS:
        raise refuse(RefusalReason.WEAK_HASH, f"the signature of {name} uses a digest that is too weak.")
    if expires_epoch != "0" and _time(expires_epoch) <= at:
        raise refuse(RefusalReason.EXPIRED, f"the signature of {name} expired on {_day(_time(expires_epoch))}.")
    return SignedText(text, primary, signing, one.owner, _STRONG_DIGESTS[digest], _time(signed_epoch))


def _time(value: str) -> datetime:
    """Seconds since 1970, or ISO 8601 basic (GnuPG writes either)."""
    if "T" in value:
        return datetime.strptime(value, "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    return datetime.fromtimestamp(int(value), UTC)


def _day(when: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M} UTC"
