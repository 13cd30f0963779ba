"""Why a source is refused: a closed set of reasons, and the error that carries one of them with a sentence.

Every check of this room ends in adoption or in a Refusal. There is no third way: what cannot be checked is
refused.
"""

from __future__ import annotations

from enum import StrEnum

from suture.errors import SutureError


class RefusalReason(StrEnum):
    """The reasons, in the order in which the chain is walked: reach, read, key, time, identity, content."""

    UNREACHABLE = "unreachable"
    MALFORMED = "malformed"
    TRUNCATED = "truncated"
    SIGNATURE_MISSING = "signature_missing"
    SIGNATURE_INVALID = "signature_invalid"
    KEY_UNTRUSTED = "key_untrusted"
    KEY_EXPIRED = "key_expired"
    KEY_REVOKED = "key_revoked"
    WEAK_HASH = "weak_hash"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    ROLLBACK = "rollback"
    IDENTITY_MISMATCH = "identity_mismatch"
    SIZE_MISMATCH = "size_mismatch"
    HASH_MISMATCH = "hash_mismatch"


NEXT_STEP = {
    RefusalReason.UNREACHABLE: "Check the address and the way to it, then run again; nothing was taken over.",
    RefusalReason.MALFORMED: "Ask the vendor; do not work around it: what cannot be read cannot be proven.",
    RefusalReason.TRUNCATED: "Run again in a few minutes; if it stays, the mirror is damaged: tell its owner.",
    RefusalReason.SIGNATURE_MISSING: "Ask the vendor for a signed Release file; unsigned sources are never adopted.",
    RefusalReason.SIGNATURE_INVALID: "Treat the mirror as compromised until its owner explains the difference.",
    RefusalReason.KEY_UNTRUSTED: "If the vendor announced a new key, pin its fingerprint in sources.yaml after review.",
    RefusalReason.KEY_EXPIRED: "Get the vendor's renewed key over a channel that you trust; replace the keyring.",
    RefusalReason.KEY_REVOKED: "Stop using this source and ask the vendor why the key was revoked.",
    RefusalReason.WEAK_HASH: "Ask the vendor for SHA-256 or SHA-512; MD5 and SHA-1 prove nothing any more.",
    RefusalReason.EXPIRED: "The mirror is stale or frozen: compare with another mirror, or tell its owner.",
    RefusalReason.NOT_YET_VALID: "Check this machine's clock first, then the vendor's.",
    RefusalReason.ROLLBACK: "Someone replays an old state, or the mirror lags: compare with another mirror.",
    RefusalReason.IDENTITY_MISMATCH: "Check suite, codename and origin in sources.yaml against what the vendor says.",
    RefusalReason.SIZE_MISMATCH: "Treat the file as tampered with; run again once, then tell the mirror's owner.",
    RefusalReason.HASH_MISMATCH: "Treat the file as tampered with; run again once, then tell the mirror's owner.",
}


class Refusal(SutureError):
    """A source, or a file of it, that is not proven. `subject` is the file or address that failed."""

    def __init__(self, reason: RefusalReason, sentence: str, *, subject: str) -> None:
        super().__init__(sentence, remedy=NEXT_STEP[reason])
        self.reason = reason
        self.sentence = sentence
        self.subject = subject
        # Only reaching a source may go better next time; every other reason needs a person.
        self.retryable = reason is RefusalReason.UNREACHABLE
