"""What a change of urgency does to campaigns that are not rolling yet.

The rules:

1. A campaign that carries an open finding of a CVE that became more urgent gets the most urgent priority and the earliest
   deadline of its findings, and the reason. It is only ever raised.
2. Its window is too late when it opens after the deadline, or later than policy lets this priority wait. Then the first
   lane of policy is looked for that is for this priority and opens in time; failing that, the earliest one.
3. planned: nothing was proven or approved yet. It is superseded, and planned anew in that lane in the same transaction,
   once the feeds are fresh enough to plan at all.
   validated, tested, approved: a move is proposed, for its plan as it is; a person releases it (campaign/window_moves.py).
   It is asked once for a change; a refusal stands until something new is reported.
4. A campaign that waits for a person, or that rolls, keeps its window.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from suture import evidence
from suture.campaign import Campaign, CampaignState, StaleMoveError, fetch_campaign, move
from suture.campaign.window_moves import LAPSED, MOVABLE, lapse_overdue, moves_of, place_planned, propose_move
from suture.model import Priority
from suture.risk.urgency_policy import UrgencyPolicy
from suture.store import Json, Store

# (campaign, window's name) → when the campaign could start there, aware UTC; None: it fits into no opening.
Opens = Callable[[Campaign, str], datetime | None]
_S = CampaignState
_NOT_ROLLING = (*MOVABLE, _S.PLANNED, _S.REJECTED, _S.TEST_FAILED, _S.DECLINED)
_TOLD = 3


@dataclass(frozen=True)
class HastenCounts:
    """Campaign ids: raised (priority or deadline), proposed (a move waits for an answer)."""

    raised: tuple[str, ...]
    proposed: tuple[str, ...]


def hasten_campaigns(
    store: Store, policy: UrgencyPolicy, *, opens: Opens, now: datetime, actor: str = "suture:risk_scoring"
) -> HastenCounts:
    """Raise what became more urgent, and propose an earlier window for what is past planning."""
    raised, proposed = [], []
    lapse_overdue(store, at=now)
    for row in _hastened(store, policy, now, _NOT_ROLLING):
        campaign = fetch_campaign(store, row["campaign_id"])
        if _raise(store, campaign, row, actor=actor, now=now):
            raised.append(campaign.campaign_id)
            campaign = fetch_campaign(store, row["campaign_id"])
        lane = earlier_lane(campaign, policy, opens, now) if campaign.state in MOVABLE else None
        if lane is None or _asked_before(store, campaign, lane, row["changed_at"]):
            continue
        answer_by = now + policy.answer_within
        reason = _reason(row["reasons"])
        if propose_move(store, campaign, to_window=lane, reason=reason, actor=actor, at=now, answer_by=answer_by):
            proposed.append(campaign.campaign_id)
    return HastenCounts(tuple(raised), tuple(proposed))


def plan_in_lanes(
    store: Store,
    policy: UrgencyPolicy,
    plan: Callable[[], list[str]],
    *,
    opens: Opens,
    now: datetime,
    actor: str = "suture:risk_scoring",
) -> list[str]:
    """Plan (by `plan`, which gives the new campaigns' ids), with what became urgent placed in its lane; the new ids.

    One transaction: nobody sees a campaign before it stands in its window.
    """
    with store.transaction():
        for row in _hastened(store, policy, now, (_S.PLANNED,)):
            campaign = fetch_campaign(store, row["campaign_id"])
            lane = earlier_lane(campaign, policy, opens, now)
            if lane is not None:
                _give_up(store, campaign, lane, _reason(row["reasons"]), actor=actor, now=now)
        planned = plan()
        for row in _hastened(store, policy, now, (_S.PLANNED,)):
            if row["campaign_id"] in planned:
                campaign = fetch_campaign(store, row["campaign_id"])
                lane = earlier_lane(campaign, policy, opens, now)
                reason = _reason(row["reasons"])
                if lane is not None:
                    place_planned(store, campaign.campaign_id, window=lane, reason=reason, actor=actor, at=now)
                _raise(store, fetch_campaign(store, row["campaign_id"]), row, actor=actor, now=now, told_only=True)
    return planned


def _hastened(
    store: Store, policy: UrgencyPolicy, now: datetime, states: Sequence[CampaignState]
) -> list[dict[str, Any]]:
    asked = {"since": now - policy.recent, "states": [state.value for state in states]}
    return store.fetch_all("campaign/list_hastened_campaigns", asked)


def earlier_lane(campaign: Campaign, policy: UrgencyPolicy, opens: Opens, now: datetime) -> str | None:
    """The lane that this campaign is to move to; None when its own window opens in time, or no lane opens earlier."""
    if campaign.priority not in policy.longest_wait:
        return None
    limit = now + policy.longest_wait[campaign.priority]
    if campaign.deadline is not None and campaign.deadline > now:
        limit = min(limit, campaign.deadline)
    own = opens(campaign, campaign.window_name)
    if own is not None and own <= limit:
        return None
    found: list[tuple[datetime, str]] = []
    for lane in policy.lanes:
        if campaign.priority not in lane.priorities or lane.window == campaign.window_name:
            continue
        start = opens(campaign, lane.window)
        if start is None or (own is not None and start >= own):
            continue
        if start <= limit:
            return lane.window
        found.append((start, lane.window))
    return min(found)[1] if found else None


def _raise(
    store: Store,
    campaign: Campaign,
    row: Mapping[str, Any],
    *,
    actor: str,
    now: datetime,
    told_only: bool = False,
) -> bool:
    """Whether it was raised. told_only: also where only the reasons are new (a campaign planned this moment)."""
    priority = min(Priority(row["priority"]), campaign.priority, key=lambda found: found.rank)
    earlier = campaign.deadline is None or row["deadline"] < campaign.deadline
    if priority is campaign.priority and not earlier and not told_only:
        return False
    reasons = [reason for reason in row["reasons"] if reason not in campaign.reasons]
    with store.transaction():
        changed = store.execute(
            "campaign/raise_campaign",
            {
                "campaign_id": campaign.campaign_id,
                "priority": priority.value,
                "deadline": row["deadline"],
                "reasons": Json(reasons),
                "states": [state.value for state in _NOT_ROLLING],
                "at": now,
            },
        )
        if changed != 1:  # it began to roll meanwhile
            return False
        evidence.record(
            store,
            actor=actor,
            action="campaign_hastened",
            subject=f"campaign:{campaign.campaign_id}",
            campaign_id=campaign.campaign_id,
            grounds={
                "priority_before": campaign.priority.value,
                "priority": priority.value,
                "deadline_before": campaign.deadline.isoformat() if campaign.deadline else None,
                "deadline": row["deadline"].isoformat(),
                "reasons": row["reasons"],
                "plan_hash": campaign.plan_hash,
            },
            at=now,
        )
    return True


def _give_up(store: Store, campaign: Campaign, lane: str, reason: str, *, actor: str, now: datetime) -> None:
    try:
        move(
            store,
            campaign.campaign_id,
            expected=_S.PLANNED,
            to=_S.SUPERSEDED,
            actor=actor,
            reason=f"Planned anew for the window {lane!r} instead of {campaign.window_name!r}. {reason}",
            grounds={"to_window": lane},
            at=now,
        )
    except StaleMoveError:  # it moved on meanwhile: the next run proposes a move
        return


def _asked_before(store: Store, campaign: Campaign, lane: str, changed_at: datetime) -> bool:
    """Whether this was asked since the newest change: not again then, whatever the answer was."""
    return any(
        row["plan_hash"] == campaign.plan_hash and row["to_window"] == lane and row["proposed_at"] >= changed_at
        for row in moves_of(store, campaign.campaign_id)
        if row["state"] != LAPSED or row["answered_by"] is None
    )


def _reason(reasons: Sequence[str]) -> str:
    more = f" And {len(reasons) - _TOLD} more changes." if len(reasons) > _TOLD else ""
    return " ".join(reasons[:_TOLD]) + more
