"""Holding on to the leases of a batch while Ansible works, also through a restart of the warehouse.

While the warehouse does not answer, nobody can be granted a lease either. So an outage does not stop a run until the
leases would have expired; whoever comes later is kept from the hosts by the token that they remember.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from suture.store import Store, StoreUnavailableError, leases
from suture.store.leases import Lease, LeaseLostError

RENEW_SECONDS = 15.0
OUTAGE_SECONDS = leases.TIME_TO_LIVE.total_seconds() - 10.0  # so long after the last renewal the lease surely holds
POLL_SECONDS = 1.0


class HeldLeases:
    def __init__(self, store: Store, held: Sequence[Lease], log: Callable[[str], None]) -> None:
        self._store = store
        self._held = held
        self._log = log
        self._held_at = time.monotonic()
        self._next_renewal = 0.0
        self._waits = False

    def renew(self) -> None:
        """To be called often; renews when it is time. Raises LeaseLostError; StoreUnavailableError only when the
        warehouse has been away for so long that the leases may have expired.
        """
        now = time.monotonic()
        if now < self._next_renewal:
            return
        try:
            leases.renew(self._store, self._held)
        except StoreUnavailableError as error:
            if now - self._held_at >= OUTAGE_SECONDS:
                raise
            if not self._waits:
                self._log(f"{error} The leases still hold: the run goes on, and asks again.")
            self._waits = True
            return
        self._held_at, self._next_renewal, self._waits = now, now + RENEW_SECONDS, False

    def await_store(self) -> None:
        """Wait for a warehouse that is restarting: what the hosts have told is to be recorded.

        Raises StoreUnavailableError when it does not come back. A lease that was lost meanwhile is no hindrance: what
        is recorded under it does not count.
        """
        deadline = time.monotonic() + OUTAGE_SECONDS
        while True:
            try:
                leases.renew(self._store, self._held)
            except LeaseLostError:
                return
            except StoreUnavailableError:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(POLL_SECONDS)
            else:
                return

    def give_back(self) -> None:
        try:
            leases.release(self._store, self._held)
        except StoreUnavailableError:
            self._log("The leases could not be given back: they expire by themselves.")
