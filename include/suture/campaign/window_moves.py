"""Moving a campaign to an earlier window than its plan names: proposed by a reason, released by a person.

The rules:

1. The plan names a window, and the plan's hash is what people approved. A move does not touch the plan: it stands beside it,
   for exactly that hash, with an answer of its own. So it voids no approval, and adds no way around one.
2. Released is a move only by somebody policy names, and never by the campaign's requester. Silence is no.
3. A campaign whose window is not its plan's goes nowhere without a released move for its plan (require_window). Another plan
   needs another move.
4. A move ends with the campaign's start: what rolls, rolls in the window that it has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from suture import evidence
from suture.campaign.campaigns import Campaign, fetch_campaign
from suture.campaign.lifecycle import CampaignState
from suture.errors import SutureError
from suture.store import Json, Store

RELEASED, REFUSED, LAPSED, PROPOSED = "released", "refused", "lapsed", "proposed"
MOVABLE = (CampaignState.VALIDATED, CampaignState.TESTED, CampaignState.APPROVED)
Row = Mapping[str, Any]


class WindowMoveError(SutureError):
    """A move of a window that does not count. The campaign keeps its window."""


def moves_of(store: Store, campaign_id: str | None = None) -> list[dict[str, Any]]:
    """The moves of one campaign, or of all, newest first."""
    return store.fetch_all("window_move/list_window_moves", {"campaign_id": campaign_id})


def propose_move(
    store: Store, campaign: Campaign, *, to_window: str, reason: str, actor: str, at: datetime, answer_by: datetime
) -> bool:
    """Ask for a move; False when one is open already. Nothing moves yet."""
    with store.transaction():
        row = store.fetch_one(
            "window_move/insert_window_move",
            {
                "campaign_id": campaign.campaign_id,
                "plan_hash": campaign.plan_hash,
                "from_window": campaign.window_name,
                "to_window": to_window,
                "reason": reason,
                "at": at,
                "answer_by": answer_by,
            },
        )
        if row is None:
            return False
        _record(store, campaign, actor, "window_move_proposed", at, to_window=to_window, reason=reason)
    return True


def open_move(store: Store, campaign_id: str) -> Row:
    """The move that waits for an answer. Raises WindowMoveError when there is none."""
    for row in moves_of(store, campaign_id):
        if row["state"] == PROPOSED:
            return row
    raise WindowMoveError(f"No move of {campaign_id} to another window waits for an answer.")


def may_answer(campaign: Campaign, approvers: Sequence[str]) -> tuple[str, ...]:
    """Who may release the move. Raises WindowMoveError when nobody is left."""
    left = tuple(name for name in approvers if name != campaign.requested_by)
    if not left:
        raise WindowMoveError(
            f"Nobody may move {campaign.campaign_id}: its requester ({campaign.requested_by}) is the only approver.",
            remedy="Name another approver in urgency.yaml.",
        )
    return left


def answer_move(
    store: Store,
    campaign_id: str,
    *,
    move_id: int,
    approvers: Sequence[str],
    who: str | None,
    release: bool,
    comment: str | None,
    at: datetime,
) -> str:
    """Record an answer (who=None: nobody answered in time) and, when it is yes, set the campaign's window.

    Returns the move's state. Told again, the same answer does nothing. Raises WindowMoveError when it does not count.
    """
    with store.transaction():
        campaign = fetch_campaign(store, campaign_id)
        row = next((row for row in moves_of(store, campaign_id) if row["move_id"] == move_id), None)
        if row is None:
            raise WindowMoveError(f"{campaign_id} has no move {move_id}.")
        if row["state"] != PROPOSED and row["answered_by"] == who and row["state"] == (RELEASED if release else REFUSED):
            return str(row["state"])
        if who is not None and who not in may_answer(campaign, approvers):
            raise WindowMoveError(f"{who or 'An unknown person'} may not move {campaign_id} to another window.")
        if row["state"] != PROPOSED:
            raise WindowMoveError(f"The move of {campaign_id} was answered before: {row['state']}.")
        state, reason = _outcome(campaign, row, who=who, release=release)
        answered = {"move_id": move_id, "state": state, "reason": reason, "answered_by": who, "comment": comment, "at": at}
        if store.execute("window_move/answer_window_move", answered) != 1:
            raise WindowMoveError(f"The move of {campaign_id} was answered by somebody else meanwhile.")
        if state == RELEASED:
            _move(store, campaign, row, reason, at)
        _record(
            store,
            campaign,
            who or "suture:emergency_lane",
            f"window_move_{state}",
            at,
            to_window=row["to_window"],
            reason=reason,
            comment=comment,
        )
    return state


def require_window(store: Store, campaign: Campaign) -> None:
    """Raises WindowMoveError unless the window that counts is the plan's, or a released move for this plan leads to it."""
    if campaign.window_name == campaign.plan.window_name:
        return
    for row in moves_of(store, campaign.campaign_id):
        if row["state"] == RELEASED and (row["plan_hash"], row["to_window"]) == (
            campaign.plan_hash,
            campaign.window_name,
        ):
            return
    raise WindowMoveError(
        f"{campaign.campaign_id} is set to the window {campaign.window_name!r}, its plan names "
        f"{campaign.plan.window_name!r}, and nobody released that move for this plan.",
        remedy="Give it up and plan it anew, or have the move released in emergency_lane.",
    )


def lapse_overdue(store: Store, *, at: datetime) -> list[str]:
    """End the moves that nobody answered in time (their run may have died); the campaigns."""
    overdue = [row for row in moves_of(store) if row["state"] == PROPOSED and row["answer_by"] < at]
    for row in overdue:
        answer_move(
            store,
            row["campaign_id"],
            move_id=row["move_id"],
            approvers=(),
            who=None,
            release=False,
            comment=None,
            at=at,
        )
    return [row["campaign_id"] for row in overdue]


def place_planned(store: Store, campaign_id: str, *, window: str, reason: str, actor: str, at: datetime) -> str:
    """Write another window into the plan of a campaign that was planned this moment and shown to nobody; the new hash.

    To be called in the transaction that planned it. Raises WindowMoveError for a campaign past `planned`.
    """
    with store.transaction():
        campaign = fetch_campaign(store, campaign_id)
        plan = replace(campaign.plan, window_name=window)
        placed = store.execute(
            "campaign/place_campaign_window",
            {
                "campaign_id": campaign_id,
                "new_window": window,
                "new_plan": Json(plan.as_json()),
                "plan_hash": plan.hash,
                "expected_hash": campaign.plan_hash,
                "at": at,
            },
        )
        if placed != 1:
            raise WindowMoveError(f"{campaign_id} is {campaign.state}: the window of its plan stands.")
        grounds = {"to_window": window, "reason": reason, "plan_hash_after": plan.hash}
        _record(store, campaign, actor, "window_placed", at, **grounds)
    return plan.hash


def _outcome(campaign: Campaign, row: Row, *, who: str | None, release: bool) -> tuple[str, str]:
    if who is None:
        return LAPSED, f"Nobody answered by {row['answer_by']:%Y-%m-%d %H:%M} UTC: it keeps its window."
    if not release:
        return REFUSED, f"{who} keeps it in the window {row['from_window']!r}."
    if campaign.plan_hash != row["plan_hash"]:
        return LAPSED, "Its plan changed after the move was proposed."
    if campaign.state not in MOVABLE or campaign.window_name != row["from_window"]:
        return LAPSED, f"It is {campaign.state} in the window {campaign.window_name!r} by now."
    return RELEASED, f"{who} moved it from the window {row['from_window']!r} to {row['to_window']!r}. {row['reason']}"


def _move(store: Store, campaign: Campaign, row: Row, reason: str, at: datetime) -> None:
    moved = store.execute(
        "campaign/move_campaign_window",
        {
            "campaign_id": campaign.campaign_id,
            "plan_hash": row["plan_hash"],
            "from_window": row["from_window"],
            "to_window": row["to_window"],
            "reason": reason,
            "states": [state.value for state in MOVABLE],
            "at": at,
        },
    )
    if moved != 1:
        raise WindowMoveError(f"{campaign.campaign_id} changed while the answer was written; ask again.")


def _record(store: Store, campaign: Campaign, actor: str, action: str, at: datetime, **grounds: Any) -> None:
    evidence.record(
        store,
        actor=actor,
        action=action,
        subject=f"campaign:{campaign.campaign_id}",
        campaign_id=campaign.campaign_id,
        grounds={"plan_hash": campaign.plan_hash, "from_window": campaign.window_name, **grounds},
        at=at,
    )
