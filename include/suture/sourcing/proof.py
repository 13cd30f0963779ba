"""Proving a file by a detached OpenPGP signature and pinned keys: what other rooms may ask of this one.

The judgement is signature.py's own: one bad signature refuses the file, a key counts when it is pinned, neither revoked
nor expired, and the digest is SHA-256 or stronger.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path

from suture.sourcing.keyring import Keyring, load_keyring
from suture.sourcing.refusal import Refusal
from suture.sourcing.signature import SignatureToolError, verify_detached

__all__ = ["DetachedProof", "Refusal", "SignatureToolError"]


class DetachedProof:
    """Keyring files read once, for as many files as there are to prove."""

    def __init__(self, keyrings: Sequence[Path], fingerprints: Collection[str]) -> None:
        """Raises BadInputError for a keyring that cannot be read. fingerprints: the pins; empty: every key is trusted."""
        self._keyring: Keyring = load_keyring(keyrings, fingerprints)

    def require(self, data: bytes, signature: bytes, *, at: datetime, subject: str) -> str:
        """The fingerprint of the pinned key that signed `data`. Raises Refusal, SignatureToolError."""
        return verify_detached(data, signature, self._keyring, at=at, subject=subject).key_fingerprint
