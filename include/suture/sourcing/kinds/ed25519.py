"""Signatures of minisign and OpenBSD's signify: Ed25519, a key a line, no web of anything.

Both formats as their tools write them. A public key is base64 of 2 bytes "Ed", 8 bytes key id, 32 bytes key. A signature
is 2 bytes algorithm ("Ed": over the file; "ED", minisign only: over the file's BLAKE2b-512), 8 bytes key id, 64 bytes
signature. minisign adds a trusted comment (with the time, and the file's name), signed together with the signature.

Neither format lets a key expire or be revoked: policy's pin alone says from when until when a key counts, and a key that its
owner gave up is taken out of policy.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from suture.errors import BadInputError
from suture.sourcing.keyring import ALARM_BEFORE, PinRule, ending
from suture.sourcing.refusal import Refusal, RefusalReason

_TRUSTED = "trusted comment: "
_TIMESTAMP = re.compile(r"(?:^|\t)timestamp:(\d{1,12})(?:\t|$)")
_FILE = re.compile(r"(?:^|\t)file:([^\t]+)(?:\t|$)")


@dataclass(frozen=True)
class PublicKey:
    """key_id: 16 hexadecimal digits, as minisign shows them (little endian). rule: from when until when it counts."""

    raw_id: bytes
    key: bytes
    rule: PinRule = field(default_factory=PinRule)

    @property
    def key_id(self) -> str:
        return self.raw_id[::-1].hex().upper()


@dataclass(frozen=True)
class Verified:
    """signed_at: None for signify, which has no time. file: the name that was signed with it; None: not said."""

    key_id: str
    signed_at: datetime | None
    file: str | None


def read_public_keys(lines: Sequence[str], rules: Mapping[str, PinRule] | None = None) -> tuple[PublicKey, ...]:
    """rules: by line, for keys that count for a time only. Raises BadInputError for a line that is no public key, or two of one id."""
    keys = tuple(_public_key(line, (rules or {}).get(line, PinRule())) for line in lines)
    if len({key.raw_id for key in keys}) != len(keys):
        raise BadInputError("Two public keys of one source have the same key id: one of them is pinned twice.")
    return keys


def alarms(keys: Sequence[PublicKey], key_id: str, *, at: datetime) -> tuple[str, ...]:
    """What somebody must do before the key that signed this time stops counting; as Keyring.alarms."""
    ends = {key.key_id: key.rule.accept_until for key in keys}
    end = ends[key_id]
    if end is None or end - at > ALARM_BEFORE:
        return ()
    enough = max(end, at + ALARM_BEFORE)
    heirs = [other for other, until in ends.items() if other != key_id and (until is None or until > enough)]
    return (ending(key_id, end, heirs, at=at),)


def _public_key(line: str, rule: PinRule) -> PublicKey:
    try:
        raw = base64.b64decode(line, validate=True)
    except binascii.Error as error:
        raise BadInputError(f"{line!r} is no public key of minisign or signify: {error}.") from error
    if len(raw) != 42 or raw[:2] != b"Ed":
        raise BadInputError(f"{line!r} is no public key of minisign or signify.")
    return PublicKey(raw[2:10], raw[10:], rule)


def verify(
    data: bytes, signature: bytes, keys: Sequence[PublicKey], *, is_minisign: bool, at: datetime, subject: str
) -> Verified:
    """Raises Refusal: SIGNATURE_MISSING, TRUNCATED, MALFORMED, KEY_UNTRUSTED, KEY_EXPIRED, SIGNATURE_INVALID."""
    lines = _lines(signature, subject, wanted=4 if is_minisign else 2)
    raw = _base64(lines[1], 74, subject)
    algorithm, raw_id, value = raw[:2], raw[2:10], raw[10:]
    if algorithm != b"Ed" and not (is_minisign and algorithm == b"ED"):
        raise _refusal(RefusalReason.MALFORMED, subject, f"its signature is of an unknown algorithm, {algorithm!r}")
    key = next((one for one in keys if one.raw_id == raw_id), None)
    if key is None:
        shown = raw_id[::-1].hex().upper()
        raise _refusal(RefusalReason.KEY_UNTRUSTED, subject, f"it is signed by key {shown}, which is not pinned")
    _check_rule(key, at, subject)
    message = hashlib.blake2b(data).digest() if algorithm == b"ED" else data
    _check(key, value, message, subject, "the signature does not match the file")
    if not is_minisign:
        return Verified(key.key_id, None, None)
    if not lines[2].startswith(_TRUSTED):
        raise _refusal(RefusalReason.MALFORMED, subject, "its signature has no trusted comment")
    comment = lines[2].removeprefix(_TRUSTED)
    _check(key, _base64(lines[3], 64, subject), value + comment.encode(), subject, "the trusted comment was changed")
    time, file = _TIMESTAMP.search(comment), _FILE.search(comment)
    return Verified(key.key_id, datetime.fromtimestamp(int(time[1]), UTC) if time else None, file[1] if file else None)


def _check_rule(key: PublicKey, at: datetime, subject: str) -> None:
    rule = key.rule
    if rule.accept_from is not None and at < rule.accept_from:
        why = f"it is signed by key {key.key_id}, which policy accepts from {rule.accept_from:%Y-%m-%d} on only"
        raise _refusal(RefusalReason.KEY_UNTRUSTED, subject, why)
    if rule.accept_until is not None and at >= rule.accept_until:
        why = f"it is signed by key {key.key_id}, which policy accepted until {rule.accept_until:%Y-%m-%d}"
        raise _refusal(RefusalReason.KEY_EXPIRED, subject, why)


def _lines(signature: bytes, subject: str, *, wanted: int) -> list[str]:
    if not signature.strip():
        raise _refusal(RefusalReason.SIGNATURE_MISSING, subject, "its signature is empty")
    try:
        lines = [line.rstrip("\r") for line in signature.decode("utf-8").rstrip("\n").split("\n")]
    except UnicodeDecodeError as error:
        raise _refusal(RefusalReason.MALFORMED, subject, "its signature is not text") from error
    if not lines[0].startswith("untrusted comment: "):
        raise _refusal(RefusalReason.SIGNATURE_MISSING, subject, "what stands beside it is no signature")
    if len(lines) < wanted:
        raise _refusal(RefusalReason.TRUNCATED, subject, "its signature breaks off before its end")
    if len(lines) > wanted:
        raise _refusal(RefusalReason.MALFORMED, subject, "text that nobody signed stands after the signature")
    return lines


def _base64(line: str, length: int, subject: str) -> bytes:
    try:
        raw = base64.b64decode(line, validate=True)
    except binascii.Error as error:
        raise _refusal(RefusalReason.MALFORMED, subject, "its signature is not base64") from error
    if len(raw) != length:
        raise _refusal(RefusalReason.TRUNCATED, subject, "its signature has the wrong length")
    return raw


def _check(key: PublicKey, signature: bytes, message: bytes, subject: str, otherwise: str) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(key.key).verify(signature, message)
    except (InvalidSignature, ValueError) as error:
        raise _refusal(RefusalReason.SIGNATURE_INVALID, subject, otherwise) from error


def _refusal(reason: RefusalReason, subject: str, why: str) -> Refusal:
    return Refusal(reason, f"{subject}: {why}.", subject=subject)
