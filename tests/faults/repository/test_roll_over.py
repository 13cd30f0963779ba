"""A vendor's key changes over (F16): the overlap works without a stop, the unknown is refused, the alarm comes in time."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from suture.sourcing import Adoption, AptSource, Refusal, RefusalReason, verify_repository
from suture.sourcing.keyring import PinRule
from suture.sourcing.seen import NothingSeen
from suture.sourcing.transport import FolderTransport
from tests.faults.repository.builder import SUITE, Key, Repository, good_repository
from tests.faults.repository.conftest import ROLL_OVER, Pair

R = RefusalReason
NOW = ROLL_OVER


def signed_by(root: Path, *keys: Key, at: datetime = NOW) -> Repository:
    """An InRelease whose one signature block holds a signature of each key."""
    repository = good_repository(root, at)
    if len(keys) == 1:
        return repository.publish(keys[0])
    made = min(at, NOW)  # an expired key signs no more; what it signed together with the new one stays as it is
    repository.publish(keys[0], signed_at=made)
    repository.inrelease.write_bytes(Key.sign_together(keys, repository.release_text().encode(), made))
    return repository


def prove(repository: Repository, keyring: Path, *pins: str, at: datetime = NOW, **rules: PinRule) -> Adoption:
    source = AptSource(
        "vendor", str(repository.root), SUITE, (keyring,), frozenset(pins),
        pin_rules=dict(zip(pins, rules.values(), strict=False)),
    )  # fmt: skip
    return verify_repository(source, FolderTransport(repository.root), at=at, seen=NothingSeen())


def refused(repository: Repository, keyring: Path, *pins: str, at: datetime = NOW, **rules: PinRule) -> Refusal:
    with pytest.raises(Refusal) as found:
        prove(repository, keyring, *pins, at=at, **rules)
    return found.value


def test_the_alarm_comes_thirty_days_before_the_end_and_names_who_follows(tmp_path: Path, pair: Pair) -> None:
    end = NOW + timedelta(days=20)
    early = end - timedelta(days=31)
    assert prove(signed_by(tmp_path / "a", pair.old, at=early), pair.both, *pair.pins, at=early).alarms == ()

    found = prove(signed_by(tmp_path / "b", pair.old), pair.both, *pair.pins)
    assert len(found.alarms) == 1
    assert f"{end:%Y-%m-%d}" in found.alarms[0]
    assert f"its successor {pair.pins[1]} is pinned" in found.alarms[0]
    assert found.key_ends_at == end
    assert found.chain()["alarms"] == list(found.alarms)

    alone = prove(signed_by(tmp_path / "c", pair.old), pair.only_old, pair.pins[0])
    assert "pin its successor" in alone.alarms[0]
    assert prove(signed_by(tmp_path / "d", pair.new), pair.both, *pair.pins).alarms == ()


def test_a_pin_that_no_keyring_holds_is_an_alarm(tmp_path: Path, pair: Pair) -> None:
    found = prove(signed_by(tmp_path / "a", pair.old), pair.only_old, *pair.pins)
    assert any(pair.pins[1] in alarm and "no keyring" in alarm for alarm in found.alarms)


@pytest.mark.parametrize("order", ["old first", "new first"])
def test_both_signatures_are_adopted_by_whoever_knows_one_of_them(tmp_path: Path, pair: Pair, order: str) -> None:
    keys = (pair.old, pair.new) if order == "old first" else (pair.new, pair.old)
    repository = signed_by(tmp_path / "a", *keys)
    assert prove(repository, pair.only_old, pair.pins[0]).signed.key_fingerprint == pair.pins[0]
    assert prove(repository, pair.both, pair.pins[1]).signed.key_fingerprint == pair.pins[1]
    assert prove(repository, pair.both, *pair.pins)
    after = NOW + timedelta(days=21)  # the old one has expired: the new one carries on alone
    later = signed_by(tmp_path / "b", *keys, at=after - timedelta(hours=3))
    assert prove(later, pair.both, *pair.pins, at=after).signed.key_fingerprint == pair.pins[1]
    assert refused(later, pair.only_old, pair.pins[0], at=after).reason is R.KEY_EXPIRED


def test_signed_only_by_the_new_key_is_refused_until_it_is_pinned(tmp_path: Path, pair: Pair) -> None:
    repository = signed_by(tmp_path / "a", pair.new)
    assert refused(repository, pair.only_old, pair.pins[0]).reason is R.KEY_UNTRUSTED
    assert refused(repository, pair.both, pair.pins[0]).reason is R.KEY_UNTRUSTED
    assert prove(repository, pair.both, *pair.pins)


def test_a_pin_counts_from_its_day_until_its_day(tmp_path: Path, pair: Pair) -> None:
    old, new = signed_by(tmp_path / "old", pair.old), signed_by(tmp_path / "new", pair.new)
    retired = PinRule(accept_until=NOW - timedelta(days=1))
    awaited = PinRule(accept_from=NOW + timedelta(days=1))
    assert refused(old, pair.both, *pair.pins, old=retired).reason is R.KEY_EXPIRED
    assert refused(new, pair.both, *pair.pins, old=PinRule(), new=awaited).reason is R.KEY_UNTRUSTED
    ending = prove(old, pair.both, *pair.pins, old=PinRule(accept_until=NOW + timedelta(days=3)))
    assert ending.key_ends_at == NOW + timedelta(days=3)
    assert "3 days from now" in ending.alarms[0]
