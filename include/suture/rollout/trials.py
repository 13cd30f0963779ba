"""Trials: which hosts of a campaign a judge compares, since when; and the record of what it said.

A ring is judged from the moment its last host was patched and back in service, plus the policy's time to
settle: requests from before prove nothing about the new version. Judging again (a cleared task) goes on with
the same trial from the same start, which the judge's tests allow; mending a ring means patching it anew,
which starts a new one.

A ring's control is the rest of its campaign (rings.control_hosts). A campaign narrowed to hosts that are all in one ring, as a
hotfix may be, is compared with the hosts of its group that it leaves alone, as long as they serve.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from suture import evidence
from suture.campaign import Campaign
from suture.errors import SutureError
from suture.model import Ring, Verdict
from suture.rollout.judge import Judgement, Trial
from suture.rollout.judge_rules import JudgeRules
from suture.rollout.rings import control_hosts
from suture.store import Json, Store

PATCH_PHASE = "patch"


class TrialError(SutureError):
    """A ring that cannot be judged because it was not patched."""


def trial_of_ring(store: Store, campaign: Campaign, ring: Ring, rules: JudgeRules, now: datetime) -> Trial | None:
    """The trial of a ring, or None when the ring holds no host.

    Raises TrialError when a host of the ring has no finished patch step under this plan: a judge that compares
    unpatched hosts with unpatched hosts would pass anything.
    """
    hosts = campaign.plan.hosts(ring)
    if not hosts:
        return None
    finished = require_patched(store, campaign, ring)
    since = max(finished[host] for host in hosts) + rules.settle
    control = control_hosts(campaign.plan, ring) or _left_alone(store, campaign)
    return Trial(hosts, control, since, max(now, since) + rules.longest)


def require_patched(store: Store, campaign: Campaign, ring: Ring) -> dict[str, datetime]:
    """When each host was patched under this plan. Raises TrialError when one of the ring was not."""
    finished = _patched(store, campaign)
    unpatched = [host for host in campaign.plan.hosts(ring) if host not in finished]
    if unpatched:
        raise TrialError(
            f"{campaign.campaign_id}: {', '.join(unpatched)} of {ring} was not patched under this plan;"
            " there is nothing to judge.",
            remedy=f"Clear the task that patches {ring}.",
        )
    return finished


def patched_at(store: Store, campaign: Campaign, ring: Ring) -> datetime | None:
    """When the ring's last host was patched under this plan; None when none was."""
    finished = _patched(store, campaign)
    return max((finished[host] for host in campaign.plan.hosts(ring) if host in finished), default=None)


def _patched(store: Store, campaign: Campaign) -> dict[str, datetime]:
    rows = store.fetch_all(
        "host_step/list_finished_steps",
        {"campaign_id": campaign.campaign_id, "plan_hash": campaign.plan_hash, "phase": PATCH_PHASE},
    )
    return {row["host_id"]: row["finished_at"] for row in rows}


def _left_alone(store: Store, campaign: Campaign) -> tuple[str, ...]:
    """Production hosts of the campaign's group that serve and are none of its own; () when the group has no other."""
    rows = store.fetch_all("host/list_group_availability", {"asset_group": campaign.plan.asset_group})
    own = set(campaign.plan.production_hosts)
    return tuple(row["host_id"] for row in rows if row["out_because"] is None and row["host_id"] not in own)


def record_judgement(
    store: Store, campaign_id: str, ring: Ring, judgement: Judgement, *, started_at: datetime, actor: str
) -> int:
    """Write a final judgement with its evidence, in one transaction; the verdict's number."""
    assert judgement.verdict is not None, "only a final judgement is recorded"
    with store.transaction():
        row = store.fetch_one(
            "verdict/insert_verdict",
            {
                "campaign_id": campaign_id,
                "ring": ring.value,
                "verdict": judgement.verdict.value,
                "reason": judgement.reason,
                "measures": Json(dict(judgement.measures)),
                "started_at": started_at,
                "judged_at": judgement.judged_at,
            },
        )
        assert row is not None
        evidence.record(
            store,
            actor=actor,
            action="ring_judged",
            subject=f"campaign:{campaign_id}",
            campaign_id=campaign_id,
            grounds={"ring": ring.value, "verdict_id": row["verdict_id"], **judgement.as_json()},
        )
    return int(row["verdict_id"])


def latest_verdict(store: Store, campaign_id: str, ring: Ring | None = None) -> tuple[Verdict, dict[str, Any]] | None:
    """The newest verdict of a campaign (or of one ring) with its row; None when nothing was judged."""
    row = store.fetch_one(
        "verdict/fetch_latest_verdict", {"campaign_id": campaign_id, "ring": ring.value if ring else None}
    )
    return None if row is None else (Verdict(row["verdict"]), row)
