"""The lifecycle of a campaign: its states, the lawful moves between them, and the one way to make a move.

The rules:

1. A campaign is in exactly one state. LAWFUL below is the whole table; what it does not list cannot happen.
2. A move is a compare-and-set: it names the state it leaves. Who comes second gets StaleMoveError and must look again.
3. A move and its evidence are one transaction: there is no state without its record, and no record without its state.
4. Nothing leaves a terminal state, except that a rollback may still be started for a campaign that was closed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from suture import evidence
from suture.errors import SutureError
from suture.store import Store


class CampaignState(StrEnum):
    PLANNED = "planned"
    VALIDATED = "validated"
    REJECTED = "rejected"
    TESTED = "tested"
    TEST_FAILED = "test_failed"
    APPROVED = "approved"
    DECLINED = "declined"
    ROLLING_OUT = "rolling_out"
    HALTED = "halted"
    VERIFIED = "verified"
    CLOSED = "closed"
    ROLLING_BACK = "rolling_back"
    ROLLED_BACK = "rolled_back"
    SUPERSEDED = "superseded"


MEANING: Mapping[CampaignState, str] = {
    CampaignState.PLANNED: "Risk scoring grouped findings into this campaign; nothing was fetched yet.",
    CampaignState.VALIDATED: "Every package was proven from the pinned key down and stands in the internal repository.",
    CampaignState.REJECTED: "The source failed a proof; nothing was adopted. Mend the source, then trigger `campaign_replan`.",
    CampaignState.TESTED: "The staging pair was patched, tested, rolled back and patched again.",
    CampaignState.TEST_FAILED: "A test on staging failed. Read its report, mend the cause, then trigger `campaign_replan`.",
    CampaignState.APPROVED: "Two named people released exactly this plan. It waits for its maintenance window.",
    CampaignState.DECLINED: "The release was rejected, or not answered in time: silence is no. To try again: `campaign_replan`.",
    CampaignState.ROLLING_OUT: "Hosts are being patched, ring by ring, each ring judged before the next.",
    CampaignState.HALTED: "A gate stopped the rollout. Nothing moves until a person or the rollback acts.",
    CampaignState.VERIFIED: "Every host was verified after its patch; the report is due.",
    CampaignState.CLOSED: "The report was written from evidence; the findings are fixed.",
    CampaignState.ROLLING_BACK: "Hosts are being fenced and restored in dependency order.",
    CampaignState.ROLLED_BACK: "The hosts run what they ran before; the version is never offered again.",
    CampaignState.SUPERSEDED: "It was given up: a newer campaign takes its findings.",
}

_S = CampaignState
LAWFUL: Mapping[CampaignState, frozenset[CampaignState]] = {
    _S.PLANNED: frozenset({_S.VALIDATED, _S.REJECTED, _S.SUPERSEDED}),
    _S.VALIDATED: frozenset({_S.TESTED, _S.TEST_FAILED, _S.SUPERSEDED}),
    _S.REJECTED: frozenset({_S.SUPERSEDED}),
    _S.TESTED: frozenset({_S.APPROVED, _S.DECLINED, _S.SUPERSEDED}),
    _S.TEST_FAILED: frozenset({_S.SUPERSEDED}),
    _S.APPROVED: frozenset({_S.ROLLING_OUT, _S.DECLINED, _S.SUPERSEDED}),
    _S.DECLINED: frozenset({_S.SUPERSEDED}),
    _S.ROLLING_OUT: frozenset({_S.HALTED, _S.VERIFIED}),
    _S.HALTED: frozenset({_S.ROLLING_OUT, _S.ROLLING_BACK}),
    _S.VERIFIED: frozenset({_S.CLOSED, _S.ROLLING_BACK}),
    _S.CLOSED: frozenset({_S.ROLLING_BACK}),
    _S.ROLLING_BACK: frozenset({_S.ROLLED_BACK, _S.HALTED}),
    _S.ROLLED_BACK: frozenset(),
    _S.SUPERSEDED: frozenset(),
}
FIRST_STATE = CampaignState.PLANNED
TERMINAL = frozenset({_S.ROLLED_BACK, _S.SUPERSEDED, _S.CLOSED})


class LifecycleError(SutureError):
    """A move that the lifecycle does not know."""


class StaleMoveError(LifecycleError):
    """The campaign is no longer (or not yet) in the state that the move was to leave."""


def move(
    store: Store,
    campaign_id: str,
    *,
    expected: CampaignState,
    to: CampaignState,
    actor: str,
    reason: str,
    grounds: Mapping[str, Any] | None = None,
    at: datetime | None = None,
) -> int:
    """Move a campaign from `expected` to `to`; the number of the evidence record that says so.

    Raises LifecycleError for a move that is not lawful, StaleMoveError when the campaign is in another state.
    """
    if to not in LAWFUL[expected]:
        lawful = ", ".join(sorted(LAWFUL[expected])) or "nothing"
        raise LifecycleError(f"{campaign_id} cannot move from {expected} to {to}.", remedy=f"Lawful: {lawful}.")
    at = at or datetime.now(UTC)
    with store.transaction():
        moved = store.fetch_one(
            "campaign/move_campaign",
            {
                "campaign_id": campaign_id,
                "expected_state": expected.value,
                "to_state": to.value,
                "reason": reason,
                "at": at,
            },
        )
        if moved is None:
            raise StaleMoveError(_why_stale(store, campaign_id, expected, to))
        return evidence.record(
            store,
            actor=actor,
            action="campaign_moved",
            subject=f"campaign:{campaign_id}",
            campaign_id=campaign_id,
            grounds={"from": expected.value, "to": to.value, "reason": reason, **(grounds or {})},
            at=at,
        )


def _why_stale(store: Store, campaign_id: str, expected: CampaignState, to: CampaignState) -> str:
    row = store.fetch_one("campaign/fetch_campaign", {"campaign_id": campaign_id})
    if row is None:
        return f"There is no campaign {campaign_id}."
    return f"{campaign_id} is {row['state']}, not {expected}: it was not moved to {to}. ({row['state_reason']})"


def note(store: Store, campaign_id: str, *, actor: str, action: str, reason: str) -> int:
    """Say on the campaign why it waits, without moving it (a shut gate); the evidence record's number."""
    with store.transaction():
        store.execute("campaign/note_campaign", {"campaign_id": campaign_id, "reason": reason, "at": datetime.now(UTC)})
        return evidence.record(
            store,
            actor=actor,
            action=action,
            subject=f"campaign:{campaign_id}",
            campaign_id=campaign_id,
            grounds={"reason": reason},
        )
