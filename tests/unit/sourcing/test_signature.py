"""The judgement over gpgv's verdicts, where the attack lab does not reach: what gpgv says is taken word by word."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from suture.sourcing import Refusal, RefusalReason
from suture.sourcing.keyring import Key, Keyring, _parse_listing
from suture.sourcing.signature import _judge

PRIMARY, SUB = "A" * 40, "B" * 40
SIGNED = datetime(2026, 11, 1, tzinfo=UTC)
AT = datetime(2026, 11, 20, tzinfo=UTC)
KEY = Key(PRIMARY, PRIMARY, "Vendor", SIGNED, None, revoked=False)
RING = Keyring({PRIMARY: KEY, SUB: replace(KEY, fingerprint=SUB)}, frozenset({PRIMARY}), ())


def status(verdict: str = "GOODSIG", *, digest: str = "8", expires: str = "0") -> list[str]:
    signed = int(SIGNED.timestamp())
    valid = f"VALIDSIG {SUB} 2026-11-01 {signed} {expires} 4 0 1 {digest} 01 {PRIMARY}"
    return ["NEWSIG", f"{verdict} {SUB[-16:]} Vendor", valid]


def judge(lines: list[str], ring: Keyring = RING) -> str:
    try:
        return _judge(lines, b"text", ring, at=AT, subject="InRelease").key_fingerprint
    except Refusal as refusal:
        return refusal.reason.value


def with_key(fingerprint: str, **changes: object) -> Keyring:
    return replace(RING, keys={**RING.keys, fingerprint: replace(RING.keys[fingerprint], **changes)})  # type: ignore[arg-type]


def test_a_good_signature_counts() -> None:
    assert judge(status()) == PRIMARY
    assert judge(status(), replace(RING, pins=frozenset({SUB}))) == PRIMARY
    assert judge(status(), replace(RING, pins=frozenset())) == PRIMARY


@pytest.mark.parametrize("who", [PRIMARY, SUB])
def test_an_expired_primary_or_subkey_does_not(who: str) -> None:
    assert judge(status(), with_key(who, expires_at=AT)) == RefusalReason.KEY_EXPIRED
    assert judge(status(), with_key(who, expires_at=AT + timedelta(seconds=1))) == PRIMARY


@pytest.mark.parametrize("who", [PRIMARY, SUB])
def test_a_revoked_primary_or_subkey_does_not(who: str) -> None:
    assert judge(status(), with_key(who, revoked=True)) == RefusalReason.KEY_REVOKED


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], RefusalReason.SIGNATURE_INVALID),
        (status("REVKEYSIG"), RefusalReason.KEY_REVOKED),
        (status(digest="2"), RefusalReason.WEAK_HASH),
        (status(digest="1"), RefusalReason.WEAK_HASH),
        (status(digest="11"), RefusalReason.WEAK_HASH),
        (status("EXPSIG", expires=str(int(AT.timestamp()))), RefusalReason.EXPIRED),
        (status()[:2], RefusalReason.SIGNATURE_INVALID),
        (["NEWSIG", "BADSIG 0123456789ABCDEF Vendor"], RefusalReason.SIGNATURE_INVALID),
        ([*status(), "NEWSIG", "BADSIG 0123456789ABCDEF Other"], RefusalReason.SIGNATURE_INVALID),
        (["NEWSIG", "ERRSIG 0123456789ABCDEF 1 8 01 1793491200 9 -"], RefusalReason.KEY_UNTRUSTED),
        (["NEWSIG", "ERRSIG 0123456789ABCDEF 1 1 01 1793491200 5 -"], RefusalReason.WEAK_HASH),
        ([*status(), "NEWSIG", "ERRSIG 0123456789ABCDEF 1 8 01 1793491200 9 -"], PRIMARY),
        (["NEWSIG", "ERRSIG 0123456789ABCDEF 1 8 01 1793491200 9 -", *status()], PRIMARY),
    ],
)
def test_gpgvs_words(lines: list[str], expected: str) -> None:
    assert judge(lines) == expected


def test_a_key_that_is_not_pinned_is_untrusted() -> None:
    assert judge(status(), replace(RING, pins=frozenset({"C" * 40}))) == RefusalReason.KEY_UNTRUSTED


def test_what_is_wrong_with_a_pinned_key_is_told_before_a_stranger() -> None:
    stranger = ["NEWSIG", "ERRSIG 0123456789ABCDEF 1 8 01 1793491200 9 -"]
    assert judge([*stranger, *status()], with_key(SUB, revoked=True)) == RefusalReason.KEY_REVOKED


def test_gpgs_listing_is_read() -> None:
    listing = (
        "pub:r:255:22:AAAA:1700000000:::-:::sc::::::23::0:\n"
        f"fpr:::::::::{PRIMARY}:\n"
        "uid:-::::1700000000::X::Vendor <v@vendor.test>::::::::::0:\n"
        "sub:-:255:22:BBBB:1700000000:1800000000:::::s::::::23:\n"
        f"fpr:::::::::{SUB}:\n"
    )
    keys = _parse_listing(listing)
    assert keys[PRIMARY].owner == "Vendor <v@vendor.test>"
    assert keys[SUB].primary == PRIMARY
    assert keys[SUB].revoked  # with its primary
    assert keys[SUB].expires_at == datetime.fromtimestamp(1_800_000_000, UTC)
    assert keys[PRIMARY].expires_at is None
