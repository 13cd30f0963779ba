"""A judgement by hand: a named person lets a rollout go on behind a ring of which the judge could show nothing.

The rules:

1. Only an *inconclusive* verdict can be judged by hand, the last one of the ring that halted the campaign. A *fail* stands: the
   way from there is the rollback.
2. The people are named in judge.yaml (`manual_judgement`), and it is never the campaign's requester. Where none are named,
   nobody may.
3. The word holds for this plan and this ring as it was patched then; the ring patched anew, or another plan, needs another. It
   counts only while policy names the person.
4. The judge looks all the same, each time. If it then says fail, it is fail; a pass needs no word.
5. No verdict is changed: the record says inconclusive, who judged, and why, and the report shows both.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from suture import evidence, policy
from suture.campaign import Campaign, CampaignState
from suture.errors import BadInputError, SutureError
from suture.model import Ring, Verdict
from suture.rollout.trials import latest_verdict, patched_at
from suture.store import Store

ACTOR = "suture:canary_rollout"


class ManualJudgementError(SutureError):
    """A judgement by hand that does not count. Nothing was changed."""


def people(policy_dir: Path) -> tuple[str, ...]:
    """Who may judge by hand, as judge.yaml says; () where it says nothing. Raises PolicyError for its form."""
    said = policy.load(policy_dir / "judge.yaml", "judge").get("manual_judgement")
    return tuple(said["people"]) if said else ()


def judge_by_hand(
    store: Store, policy_dir: Path, campaign: Campaign, *, who: str | None, reason: str, at: datetime
) -> Ring:
    """Write a person's word on the ring that halted the campaign, and which ring that is. Told again, it does nothing.

    Raises ManualJudgementError (not theirs to give, nothing inconclusive), BadInputError (no reason).
    """
    name, reason = campaign.campaign_id, " ".join(reason.split())
    if not reason:
        raise BadInputError(
            f"No reason is given for letting {name} go on: nothing was changed.",
            remedy="Say what you looked at on the patched hosts, and what you saw; it stands in the report with your name.",
        )
    named = people(policy_dir)
    if who is None or who not in named or who == campaign.requested_by:
        raise ManualJudgementError(
            f"{who or 'An unknown person'} may not judge {name} by hand.",
            remedy=f"Ask {' or '.join(one for one in named if one != campaign.requested_by) or 'for somebody to be named'}"
            " (manual_judgement in judge.yaml), or roll the campaign back.",
        )
    with store.transaction():
        ring, verdict = _inconclusive(store, campaign)
        known = _last(store, campaign, ring)
        if known is not None and known["verdict_id"] == verdict["verdict_id"]:
            if known["judged_by"] == who:
                return ring
            raise ManualJudgementError(f"{known['judged_by']} has judged {ring} of {name} before.", remedy=_TAKE_UP)
        if campaign.state is not CampaignState.HALTED:
            raise ManualJudgementError(
                f"{name} is {campaign.state}, not halted: there is nothing to judge by hand.", remedy=campaign.state_reason
            )
        _write(store, campaign, ring, verdict["verdict_id"], judged_by=who, reason=reason, judged_at=at)
        evidence.record(
            store,
            actor=who,
            action="ring_judged_by_hand",
            subject=f"campaign:{name}",
            campaign_id=name,
            grounds={
                "plan_hash": campaign.plan_hash,
                "ring": ring.value,
                "verdict_id": verdict["verdict_id"],
                "sentence": f"{ring}, of which the judge could show nothing, may be followed: {reason}",
            },
            at=at,
        )
    return ring


def follow(store: Store, policy_dir: Path, campaign: Campaign, ring: Ring, verdict_id: int) -> dict[str, Any] | None:
    """The word on which a rollout follows a ring with this inconclusive verdict, written down for it; None: there is none."""
    patched = patched_at(store, campaign, ring)
    with store.transaction():
        row = _last(store, campaign, ring)
        if row is None or patched is None or row["judged_at"] < patched:
            return None
        if row["judged_by"] not in people(policy_dir) or row["judged_by"] == campaign.requested_by:
            return None
        if row["verdict_id"] != verdict_id:  # the judge has looked again since
            _write(store, campaign, ring, verdict_id, **{key: row[key] for key in ("judged_by", "reason", "judged_at")})
        evidence.record(
            store,
            actor=ACTOR,
            action="ring_followed_by_word",
            subject=f"campaign:{campaign.campaign_id}",
            campaign_id=campaign.campaign_id,
            grounds={
                "plan_hash": campaign.plan_hash,
                "ring": ring.value,
                "verdict_id": verdict_id,
                "judged_by": row["judged_by"],
                "sentence": f"{ring} is followed on the word of {row['judged_by']}; the judge could show nothing.",
            },
        )
    return row


def words_of(store: Store, campaign: Campaign) -> list[tuple[str, str]]:
    """(ring, who) for each ring of this plan that a person's word, and no pass, let through; in the order of the rings."""
    found: list[tuple[str, str]] = []
    for ring in Ring:
        word, judged = _last(store, campaign, ring), latest_verdict(store, campaign.campaign_id, ring)
        if word is not None and judged is not None and judged[1]["verdict_id"] == word["verdict_id"]:
            found.append((ring.value, word["judged_by"]))
    return found


_TAKE_UP = "If it still waits, clear await_window of its canary_rollout, with Downstream."


def _write(
    store: Store, campaign: Campaign, ring: Ring, verdict_id: int, *, judged_by: str, reason: str, judged_at: datetime
) -> None:
    store.execute(
        "manual_judgement/insert_manual_judgement",
        {
            "campaign_id": campaign.campaign_id,
            "plan_hash": campaign.plan_hash,
            "ring": ring.value,
            "verdict_id": verdict_id,
            "judged_by": judged_by,
            "reason": reason,
            "judged_at": judged_at,
        },
    )


def _last(store: Store, campaign: Campaign, ring: Ring) -> dict[str, Any] | None:
    return store.fetch_one(
        "manual_judgement/fetch_manual_judgement",
        {"campaign_id": campaign.campaign_id, "plan_hash": campaign.plan_hash, "ring": ring.value},
    )


def _inconclusive(store: Store, campaign: Campaign) -> tuple[Ring, dict[str, Any]]:
    """The campaign's last verdict, which must be inconclusive."""
    found = latest_verdict(store, campaign.campaign_id)
    if found is None:
        raise ManualJudgementError(
            f"No ring of {campaign.campaign_id} was judged yet: there is nothing to judge by hand.",
            remedy=f"It is {campaign.state}: {campaign.state_reason}",
        )
    verdict, row = found
    if verdict is not Verdict.INCONCLUSIVE:
        raise ManualJudgementError(
            f"The judge said {verdict} of {row['ring']} of {campaign.campaign_id}: nobody judges that by hand.",
            remedy="A fail is rolled back." if verdict is Verdict.FAIL else f"{campaign.state}: {campaign.state_reason}",
        )
    return Ring(row["ring"]), row
