from __future__ import annotations

from datetime import timedelta

import pytest

from suture.store import Store, leases
from suture.store.leases import LeaseHeldError, LeaseLostError

pytestmark = pytest.mark.database
SOON = timedelta(milliseconds=150)


def take(store: Store, holder: str, **rest: timedelta) -> leases.Lease:
    return leases.acquire(store, "app1", holder=holder, campaign_id=None, **rest)


def test_a_second_holder_is_refused_and_told_who_has_it(store: Store) -> None:
    take(store, "first")
    with pytest.raises(LeaseHeldError, match="first until"):
        take(store, "second")


def test_a_second_holder_waits_until_the_lease_expires_and_gets_a_higher_token(store: Store) -> None:
    first = take(store, "first", time_to_live=SOON)
    second = leases.acquire(
        store,
        "app1",
        holder="second",
        campaign_id=None,
        wait=timedelta(seconds=5),
        sleep=lambda _: __import__("time").sleep(0.02),
    )
    assert second.token > first.token
    with pytest.raises(LeaseLostError):
        leases.require(store, first)
    with pytest.raises(LeaseLostError, match="app1"):
        leases.renew(store, [first])
    leases.require(store, second)


def test_a_late_release_does_not_take_the_new_holders_lease(store: Store) -> None:
    first = take(store, "first", time_to_live=timedelta(0))
    second = take(store, "second")
    leases.release(store, [first])
    leases.require(store, second)


def test_renewing_holds_on(store: Store) -> None:
    lease = take(store, "first", time_to_live=SOON)
    leases.renew(store, [lease])
    with pytest.raises(LeaseHeldError):
        take(store, "second", wait=SOON * 2)


def test_all_or_none(store: Store) -> None:
    take(store, "other")
    with pytest.raises(LeaseHeldError):
        leases.acquire_all(store, ["app0", "app1", "app2"], holder="me", campaign_id=None)
    for host in ("app0", "app2"):
        leases.acquire(store, host, holder="somebody", campaign_id=None)


def test_tokens_grow_beyond_what_a_host_remembers(store: Store) -> None:
    leases.advance_tokens(store, 5000)
    assert take(store, "first").token > 5000
    leases.advance_tokens(store, 17)
    assert leases.acquire(store, "app2", holder="x", campaign_id=None).token > 5001
