"""Whose signature an rpm package carries: its header cut out of the file, and handed to gpgv with the signature inside.

An rpm file is a lead (96 bytes), a signature header (padded to 8 bytes), the header, and the payload. The signature is over
the header's own bytes; the header holds the payload's SHA-256. Numbers of tags: rpm's rpmtag.h. Header and payload together
are the file, so nothing in it is left unproven. That `rpmkeys --checksig` says the same is tested.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

from suture.sourcing.keyring import Keyring
from suture.sourcing.kinds.result import malformed, mismatch
from suture.sourcing.refusal import Refusal, RefusalReason
from suture.sourcing.signature import SignedText, verify_detached
from suture.sourcing.transport import CHUNK_BYTES

MAX_HEADER_BYTES = 64 * 1024 * 1024
MAX_TAGS = 65536
_LEAD_BYTES, _LEAD_MAGIC = 96, b"\xed\xab\xee\xdb"
_MAGIC = b"\x8e\xad\xe8\x01"
_HEADER_SIGNATURES = (268, 267)  # RSAHEADER (also EdDSA, for rpm's history's sake), DSAHEADER
_NAME, _VERSION, _RELEASE, _ARCHITECTURE = 1000, 1001, 1002, 1022
_PAYLOAD_DIGEST, _PAYLOAD_DIGEST_ALGORITHM, _SHA256 = 5092, 5093, 8
_INT32, _STRING, _BINARY, _STRINGS, _I18N = 4, 6, 7, 8, 9


@dataclass(frozen=True)
class Header:
    """raw: the bytes from the magic number to the end. entries: tag → (type, offset, count)."""

    raw: bytes
    entries: Mapping[int, tuple[int, int, int]]
    store: bytes

    def text(self, tag: int) -> str | None:
        kind, offset, _count = self.entries.get(tag, (0, 0, 0))
        if kind not in {_STRING, _STRINGS, _I18N}:
            return None
        return self.store[offset : self.store.index(b"\x00", offset)].decode("utf-8", "replace")

    def binary(self, tag: int) -> bytes | None:
        kind, offset, size = self.entries.get(tag, (0, 0, 0))
        return self.store[offset : offset + size] if kind == _BINARY else None

    def number(self, tag: int) -> int | None:
        kind, offset, size = self.entries.get(tag, (0, 0, 0))
        return int(struct.unpack_from(">I", self.store, offset)[0]) if kind == _INT32 and size else None


@dataclass(frozen=True)
class SignedPackage:
    """What the signed header calls itself, and who signed it."""

    name: str
    version: str
    release: str
    architecture: str
    signed: SignedText


def verify_package(file: BinaryIO, keyring: Keyring, *, at: datetime, subject: str) -> SignedPackage:
    """Raises Refusal: MALFORMED, TRUNCATED, SIGNATURE_MISSING, HASH_MISMATCH, WEAK_HASH, and those of signatures."""
    file.seek(0)
    lead = file.read(_LEAD_BYTES)
    if not lead.startswith(_LEAD_MAGIC):
        raise malformed(subject, "it is no rpm package")
    signatures = _header(file, subject)
    file.seek(-len(signatures.raw) % 8, 1)
    header = _header(file, subject)
    signature = next((found for tag in _HEADER_SIGNATURES if (found := signatures.binary(tag))), None)
    if signature is None:
        sentence = f"{subject} carries no signature over its header."
        raise Refusal(RefusalReason.SIGNATURE_MISSING, sentence, subject=subject)
    signed = verify_detached(header.raw, signature, keyring, at=at, subject=subject)
    _check_payload(file, header, subject)
    words = [header.text(tag) for tag in (_NAME, _VERSION, _RELEASE, _ARCHITECTURE)]
    if None in words:
        raise malformed(subject, "its header has no name, version, release or architecture")
    name, version, release, architecture = (word or "" for word in words)
    return SignedPackage(name, version, release, architecture, signed)


def _header(file: BinaryIO, subject: str) -> Header:
    intro = file.read(16)
    if len(intro) < 16:
        raise Refusal(RefusalReason.TRUNCATED, f"{subject} ends inside a header.", subject=subject)
    magic, _reserved, count, size = struct.unpack(">4s4sII", intro)
    if magic != _MAGIC or count > MAX_TAGS or size > MAX_HEADER_BYTES:
        raise malformed(subject, "it holds no rpm header where one should be")
    index, store = file.read(16 * count), file.read(size)
    if len(index) < 16 * count or len(store) < size:
        raise Refusal(RefusalReason.TRUNCATED, f"{subject} ends inside a header.", subject=subject)
    entries: dict[int, tuple[int, int, int]] = {}
    for tag, kind, offset, number in struct.iter_unpack(">IIiI", index):
        if tag in entries or not 0 <= offset <= size or (kind == _BINARY and offset + number > size):
            raise malformed(subject, f"its header gives tag {tag} twice, or outside the header")
        if kind in {_STRING, _STRINGS, _I18N} and b"\x00" not in store[offset:]:
            raise malformed(subject, f"the text of tag {tag} has no end")
        if kind == _INT32 and offset + 4 * number > size:
            raise malformed(subject, f"tag {tag} lies outside the header")
        entries[tag] = (kind, offset, number)
    return Header(intro + index + store, entries, store)


def _check_payload(file: BinaryIO, header: Header, subject: str) -> None:
    listed = header.text(_PAYLOAD_DIGEST)
    if listed is None or header.number(_PAYLOAD_DIGEST_ALGORITHM) != _SHA256:
        sentence = f"The signed header of {subject} holds no SHA-256 of the payload (rpm before 4.14)."
        raise Refusal(RefusalReason.WEAK_HASH, sentence, subject=subject)
    hasher = hashlib.sha256()
    while chunk := file.read(CHUNK_BYTES):
        hasher.update(chunk)
    found = hasher.hexdigest()
    if found != listed.lower():
        raise mismatch(f"{subject} (payload)", "SHA256", found, listed)
