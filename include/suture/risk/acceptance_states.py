"""The states of a risk acceptance, the lawful moves between them, and the one way to make a move.

The rules:

1. An acceptance is in exactly one state; LAWFUL is the whole table. Nothing leaves an end: an extension is a new request.
2. A move is a compare-and-set that names the state it leaves, and it writes its evidence in the same transaction.
3. `active` says that it was signed, never that it still holds: that is asked of the facts (acceptance_fault) each time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from suture import evidence
from suture.errors import SutureError
from suture.store import Json, Store


class AcceptanceState(StrEnum):
    REQUESTED = "requested"
    ACTIVE = "active"
    REJECTED = "rejected"
    EXPIRED = "expired"
    VOIDED = "voided"
    SUPERSEDED = "superseded"


_S = AcceptanceState
MEANING: Mapping[AcceptanceState, str] = {
    _S.REQUESTED: "It was asked for; nobody's findings are accepted yet.",
    _S.ACTIVE: "The quorum signed it; it holds as long as no fact speaks against it.",
    _S.REJECTED: "A signer said no, or nobody answered in time: silence is no.",
    _S.EXPIRED: "Its time is over; its findings are open again and their clock started anew.",
    _S.VOIDED: "The facts that it rested on changed; its findings are open again and their clock started anew.",
    _S.SUPERSEDED: "A newer acceptance covers all that it covered.",
}
LAWFUL: Mapping[AcceptanceState, frozenset[AcceptanceState]] = {
    _S.REQUESTED: frozenset({_S.ACTIVE, _S.REJECTED, _S.VOIDED}),
    _S.ACTIVE: frozenset({_S.EXPIRED, _S.VOIDED, _S.SUPERSEDED}),
    _S.REJECTED: frozenset(),
    _S.EXPIRED: frozenset(),
    _S.VOIDED: frozenset(),
    _S.SUPERSEDED: frozenset(),
}
FIRST_STATE = _S.REQUESTED
TERMINAL = frozenset({_S.REJECTED, _S.EXPIRED, _S.VOIDED, _S.SUPERSEDED})


class AcceptanceError(SutureError):
    """A request, vote or move that does not count. Nothing is accepted by it."""


class StaleAcceptanceError(AcceptanceError):
    """The acceptance is no longer in the state that the move was to leave."""


def move_acceptance(
    store: Store,
    acceptance_id: str,
    *,
    expected: AcceptanceState,
    to: AcceptanceState,
    actor: str,
    reason: str,
    at: datetime,
    faults: Sequence[Mapping[str, Any]] = (),
    grounds: Mapping[str, Any] | None = None,
) -> int:
    """Move an acceptance; the number of the evidence record that says so.

    faults: what speaks against it, kept with its end. Raises AcceptanceError for a move that is not lawful,
    StaleAcceptanceError when it is in another state.
    """
    if to not in LAWFUL[expected]:
        lawful = ", ".join(sorted(LAWFUL[expected])) or "nothing"
        raise AcceptanceError(f"{acceptance_id} cannot move from {expected} to {to}.", remedy=f"Lawful: {lawful}.")
    kept = [dict(fault) for fault in faults]
    with store.transaction():
        moved = store.fetch_one(
            "acceptance/move_acceptance",
            {
                "acceptance_id": acceptance_id,
                "expected_state": expected.value,
                "to_state": to.value,
                "reason": reason,
                "signed_at": at if to is _S.ACTIVE else None,
                "ended_at": at if to in TERMINAL else None,
                "ended_grounds": Json(kept),
                "at": at,
            },
        )
        if moved is None:
            raise StaleAcceptanceError(_why_stale(store, acceptance_id, expected, to))
        return evidence.record(
            store,
            actor=actor,
            action="acceptance_moved",
            subject=f"acceptance:{acceptance_id}",
            grounds={"from": expected.value, "to": to.value, "reason": reason, "faults": kept, **(grounds or {})},
            at=at,
        )


def _why_stale(store: Store, acceptance_id: str, expected: AcceptanceState, to: AcceptanceState) -> str:
    row = store.fetch_one("acceptance/fetch_acceptance", {"acceptance_id": acceptance_id})
    if row is None:
        return f"There is no acceptance {acceptance_id!r}."
    return f"{acceptance_id} is {row['state']}, not {expected}: it was not moved to {to}. ({row['state_reason']})"
