"""Leases: the right to change a host, held by one try of one task at a time.

The rules:

1. A host has at most one lease that has not expired. The warehouse's own clock decides, not the worker's.
2. Each grant has a token from one sequence: it only grows. A later holder always has the higher token.
3. The host remembers the highest token that it has seen and refuses every lower one (playbook role `lease`): a
   holder that lost its lease without knowing can still talk, and is not listened to.
4. A lease is renewed while its holder works, and expires by itself when the holder is gone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from suture.errors import SutureError
from suture.store.connection import Store

TIME_TO_LIVE = timedelta(seconds=60)
POLL_SECONDS = 1.0


class LeaseError(SutureError):
    """The lease that a change needs is not there."""


class LeaseHeldError(LeaseError):
    """Somebody else holds the host. Trying again later may help."""

    retryable = True


class LeaseLostError(LeaseError):
    """Another holder was granted the host meanwhile: whoever hears this must stop."""


@dataclass(frozen=True)
class Lease:
    host_id: str
    holder: str
    token: int
    expires_at: datetime


def acquire(
    store: Store,
    host_id: str,
    *,
    holder: str,
    campaign_id: str | None,
    time_to_live: timedelta = TIME_TO_LIVE,
    wait: timedelta = timedelta(0),
    sleep: Callable[[float], None] = time.sleep,
) -> Lease:
    """The lease of a host, waited for at most `wait`. Raises LeaseHeldError, naming who holds it and until when."""
    deadline = time.monotonic() + wait.total_seconds()
    while True:
        row = store.fetch_one(
            "lease/acquire_lease",
            {"host_id": host_id, "holder": holder, "campaign_id": campaign_id, "time_to_live": time_to_live},
        )
        if row is not None:
            return Lease(host_id, holder, int(row["token"]), row["expires_at"])
        if time.monotonic() >= deadline:
            break
        sleep(POLL_SECONDS)
    held = store.fetch_one("lease/fetch_lease", {"host_id": host_id})
    by = f"{held['holder']} until {held['expires_at']:%H:%M:%S} UTC" if held else "somebody else"
    raise LeaseHeldError(
        f"{host_id} is being changed by {by}.",
        remedy="Two changes never touch one host at once; this one is tried again when the lease has expired.",
    )


def acquire_all(
    store: Store,
    host_ids: Sequence[str],
    *,
    holder: str,
    campaign_id: str | None,
    time_to_live: timedelta = TIME_TO_LIVE,
    wait: timedelta = timedelta(0),
) -> dict[str, Lease]:
    """Every host's lease or none: what was granted before one was refused is given back. In order of name, so that two
    who want the same hosts do not wait for one another."""
    granted: dict[str, Lease] = {}
    try:
        for host_id in sorted(host_ids):
            granted[host_id] = acquire(
                store, host_id, holder=holder, campaign_id=campaign_id, time_to_live=time_to_live, wait=wait
            )
            if len(granted) > 1 and wait:
                renew(store, list(granted.values()), time_to_live=time_to_live)
    except SutureError:
        release(store, list(granted.values()))
        raise
    return granted


def renew(store: Store, leases: Sequence[Lease], *, time_to_live: timedelta = TIME_TO_LIVE) -> None:
    """Hold on to leases. Raises LeaseLostError when somebody else was granted one of them."""
    rows = store.fetch_all(
        "lease/renew_leases",
        {
            "host_ids": [lease.host_id for lease in leases],
            "tokens": [lease.token for lease in leases],
            "time_to_live": time_to_live,
        },
    )
    lost = sorted({lease.host_id for lease in leases} - {row["host_id"] for row in rows})
    if lost:
        raise LeaseLostError(
            f"The lease of {', '.join(lost)} was granted to somebody else: this try stops.",
            remedy="Nothing to do: the newer try goes on, and the hosts refuse this one.",
        )


def release(store: Store, leases: Sequence[Lease]) -> None:
    """Give leases back. One that was lost meanwhile is left to its new holder."""
    for lease in leases:
        store.execute("lease/release_lease", {"host_id": lease.host_id, "token": lease.token})


def require(store: Store, lease: Lease) -> None:
    """Raises LeaseLostError unless the lease is the newest for its host and has not expired."""
    row = store.fetch_one("lease/fetch_lease", {"host_id": lease.host_id})
    if row is None or row["token"] != lease.token or not row["held"]:
        raise LeaseLostError(f"The lease of {lease.host_id} with token {lease.token} does not hold any more.")


def advance_tokens(store: Store, token: int) -> None:
    """From now on grant only tokens above `token`: a host remembers more than a warehouse that was set up anew."""
    store.fetch_one("lease/advance_lease_token", {"token": token})
