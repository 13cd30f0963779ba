"""Making and reading campaigns. Their moves are in lifecycle.py."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from suture import evidence
from suture.campaign.lifecycle import FIRST_STATE, CampaignState, LifecycleError, StaleMoveError, move
from suture.errors import BadInputError
from suture.model import CampaignPlan, PlannedPackage, Priority, Ring
from suture.store import Json, Store

GIVEN_UP_FROM = frozenset({CampaignState.REJECTED, CampaignState.TEST_FAILED, CampaignState.DECLINED})


@dataclass(frozen=True)
class Campaign:
    """A campaign as the warehouse holds it. deadline is None only where no finding has one."""

    campaign_id: str
    title: str
    state: CampaignState
    state_reason: str
    revision: int
    requested_by: str
    priority: Priority
    deadline: datetime | None
    window_name: str
    plan: CampaignPlan
    plan_hash: str
    reasons: Sequence[Any]
    created_at: datetime
    updated_at: datetime


def next_campaign_id(store: Store, *, at: datetime) -> str:
    """The next free id of that year (UTC), e.g. SUT-2026-0001; a transaction that is undone gives its number back."""
    year = at.astimezone(UTC).year
    number = store.fetch_one("campaign/next_campaign_number", {"year": year})
    assert number is not None
    return f"SUT-{year}-{number['last_number']:04d}"


def create_campaign(
    store: Store,
    *,
    campaign_id: str,
    title: str,
    requested_by: str,
    priority: Priority,
    deadline: datetime | None,
    plan: CampaignPlan,
    reasons: Sequence[str],
    finding_ids: Iterable[int] = (),
    actor: str = "suture:risk_scoring",
    at: datetime | None = None,
) -> None:
    """Write a planned campaign with its hosts, packages, findings and evidence, in one transaction."""
    at = at or datetime.now(UTC)
    if not plan.production_hosts:
        raise BadInputError(f"{campaign_id} selects no production host: an empty selector means none, never all.")
    if not plan.packages:
        raise BadInputError(f"{campaign_id} has no package to install.")
    with store.transaction():
        store.execute(
            "campaign/insert_campaign",
            {
                "campaign_id": campaign_id,
                "title": title,
                "state": FIRST_STATE.value,
                "state_reason": "Planned by policy.",
                "source": plan.source,
                "asset_group": plan.asset_group,
                "requested_by": requested_by,
                "priority": priority.value,
                "deadline": deadline,
                "window_name": plan.window_name,
                "plan": Json(plan.as_json()),
                "plan_hash": plan.hash,
                "reasons": Json(list(reasons)),
                "at": at,
            },
        )
        for ring in Ring:
            for host_id in plan.hosts(ring):
                store.execute(
                    "campaign/insert_campaign_host",
                    {"campaign_id": campaign_id, "host_id": host_id, "ring": ring.value},
                )
        _write_packages(store, campaign_id, plan.packages)
        store.fetch_one("finding/single_out_findings", {"finding_ids": list(finding_ids)})
        store.execute("campaign/link_campaign_findings", {"campaign_id": campaign_id, "finding_ids": list(finding_ids)})
        evidence.record(
            store,
            actor=actor,
            action="campaign_planned",
            subject=f"campaign:{campaign_id}",
            campaign_id=campaign_id,
            grounds={"requested_by": requested_by, "plan_hash": plan.hash, "reasons": list(reasons)},
            at=at,
        )


def fetch_campaign(store: Store, campaign_id: str) -> Campaign:
    """One campaign. Raises LifecycleError when there is none of that name."""
    row = store.fetch_one("campaign/fetch_campaign", {"campaign_id": campaign_id})
    if row is None:
        raise LifecycleError(
            f"There is no campaign {campaign_id!r}.", remedy="`./suture campaign list` shows all there are."
        )
    return campaign_from_row(row)


def campaign_from_row(row: Mapping[str, Any]) -> Campaign:
    return Campaign(
        campaign_id=row["campaign_id"],
        title=row["title"],
        state=CampaignState(row["state"]),
        state_reason=row["state_reason"],
        revision=row["revision"],
        requested_by=row["requested_by"],
        priority=Priority(row["priority"]),
        deadline=row["deadline"],
        window_name=row["window_name"],
        plan=CampaignPlan.from_json(row["plan"]),
        plan_hash=row["plan_hash"],
        reasons=row["reasons"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def pin_packages(store: Store, campaign_id: str, packages: Sequence[PlannedPackage], *, actor: str) -> str:
    """Replace a planned campaign's packages by proven ones (each with its SHA-256); the new plan hash.

    Only before approval: a campaign past `planned` is refused with StaleMoveError.
    """
    missing = [package.package for package in packages if not package.sha256]
    if missing:
        raise BadInputError(f"{campaign_id}: no SHA-256 for {', '.join(missing)}; only proven packages are pinned.")
    with store.transaction():
        campaign = fetch_campaign(store, campaign_id)
        if campaign.state is not CampaignState.PLANNED:
            raise StaleMoveError(f"{campaign_id} is {campaign.state}; packages are pinned while it is planned.")
        plan = replace(campaign.plan, packages=tuple(packages))
        if plan.hash == campaign.plan_hash:
            return plan.hash
        updated = store.execute(
            "campaign/update_campaign_plan",
            {
                "campaign_id": campaign_id,
                "plan": Json(plan.as_json()),
                "plan_hash": plan.hash,
                "expected_hash": campaign.plan_hash,
                "at": datetime.now(UTC),
            },
        )
        if updated != 1:
            raise StaleMoveError(f"{campaign_id}'s plan was changed by somebody else meanwhile.")
        store.execute("campaign/delete_campaign_packages", {"campaign_id": campaign_id})
        _write_packages(store, campaign_id, packages)
        evidence.record(
            store,
            actor=actor,
            action="plan_pinned",
            subject=f"campaign:{campaign_id}",
            campaign_id=campaign_id,
            grounds={"plan_hash_before": campaign.plan_hash, "plan_hash": plan.hash, "packages": len(packages)},
        )
    return plan.hash


def give_up(store: Store, campaign_id: str, *, actor: str, reason: str) -> None:
    """End a campaign that waits for a person (rejected, test failed, declined), so that its findings are planned anew.

    Raises LifecycleError for a campaign in any other state: one that is under way is not given up, it is halted.
    """
    campaign = fetch_campaign(store, campaign_id)
    if campaign.state not in GIVEN_UP_FROM:
        raise LifecycleError(
            f"{campaign_id} is {campaign.state}: only a campaign that waits for a person is planned anew.",
            remedy=f"That is: {', '.join(sorted(GIVEN_UP_FROM))}.",
        )
    move(
        store,
        campaign_id,
        expected=campaign.state,
        to=CampaignState.SUPERSEDED,
        actor=actor,
        reason=f"Given up to be planned anew: {reason}",
    )


def _write_packages(store: Store, campaign_id: str, packages: Iterable[PlannedPackage]) -> None:
    store.execute_many(
        "campaign/upsert_campaign_package",
        [{"campaign_id": campaign_id, **package.as_json()} for package in packages],
    )
