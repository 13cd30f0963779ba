"""Weighing every campaign that is not yet rolling out: its choice is kept, and is evidence when it changes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from suture import evidence
from suture.campaign import Campaign, CampaignState, fetch_campaign
from suture.errors import SutureError
from suture.model.assets import AssetRegister
from suture.model.candidate import Candidates
from suture.risk.exposure_cost import Choice, ExposurePolicy, Stakes, weigh, with_measured
from suture.store import Json, Store
from suture.wording import counted

BEFORE_ROLLOUT = (CampaignState.PLANNED, CampaignState.VALIDATED, CampaignState.TESTED, CampaignState.APPROVED)
_ACTOR = "suture:risk_scoring"


@dataclass(frozen=True)
class Weighing:
    """What one run did. failed: {campaign: why it could not be weighed}; the others stand."""

    choices: Mapping[str, Choice]
    failed: Mapping[str, str]

    @property
    def sentence(self) -> str:
        refused = sum(1 for choice in self.choices.values() if choice.refused)
        told = (
            f"{counted(len(self.choices), 'campaign')} weighed, {counted(refused, 'fits', 'fit')} no window, "
            f"{len(self.failed)} could not be weighed"
        )
        return f"{told}{': ' + '; '.join(f'{name}: {why}' for name, why in self.failed.items()) if self.failed else ''}."


def weigh_campaigns(
    store: Store,
    rules: ExposurePolicy,
    register: AssetRegister,
    candidates_of: Callable[[Campaign, datetime], Candidates],
    *,
    now: datetime,
    actor: str = _ACTOR,
) -> Weighing:
    """Weigh each campaign and keep the choice. A window that cannot be used stops only its own campaigns."""
    states = [state.value for state in BEFORE_ROLLOUT]
    cves: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in store.fetch_all("window_choice/list_campaign_cves", {"states": states}):
        cves[row["campaign_id"]].append(row)
    measured = {row["asset_group"]: row["seconds"] for row in store.fetch_all("window_choice/list_patch_seconds")}
    choices, failed = {}, {}
    for row in store.fetch_all("campaign/list_campaigns", {"state": None}):
        if row["state"] not in states:
            continue
        campaign = fetch_campaign(store, row["campaign_id"])
        try:
            stakes = stakes_of(campaign, register, cves[campaign.campaign_id])
            choice = weigh(
                candidates_of(campaign, now),
                with_measured(stakes, measured.get(campaign.plan.asset_group)),
                rules,
                now=now,
                since=campaign.created_at,
                deadline=campaign.deadline,
            )
        except SutureError as error:
            if error.retryable:
                raise
            failed[campaign.campaign_id] = str(error)
            continue
        _keep(store, campaign, choice, rules.steer, now=now, actor=actor)
        choices[campaign.campaign_id] = choice
    return Weighing(choices, failed)


def stakes_of(campaign: Campaign, register: AssetRegister, cves: Sequence[Mapping[str, Any]]) -> Stakes:
    """What a campaign is about. Raises BadInputError for an asset group that the register does not know."""
    group = register.group(campaign.plan.asset_group)
    return Stakes(
        criticality=group.criticality,
        exposure=group.exposure,
        hosts=len(campaign.plan.production_hosts),
        epss=tuple(row["probability"] for row in cves if row["probability"] is not None),
        exploited=next((row["cve_id"] for row in cves if row["exploited"]), None),
        load_balanced=group.load_balancer is not None,
    )


def window_choices(store: Store) -> list[dict[str, Any]]:
    """For the page: each campaign before its rollout with its chosen window, the sentence and the whole arithmetic."""
    rows = store.fetch_all("window_choice/list_window_choices", {"states": [state.value for state in BEFORE_ROLLOUT]})
    return [
        {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()} for row in rows
    ]


def _keep(store: Store, campaign: Campaign, choice: Choice, steers: bool, *, now: datetime, actor: str) -> None:
    before = store.fetch_one("window_choice/fetch_window_choice", {"campaign_id": campaign.campaign_id})
    start = choice.chosen.start if choice.chosen else None
    with store.transaction():
        store.execute(
            "window_choice/upsert_window_choice",
            {
                "campaign_id": campaign.campaign_id,
                "window_name": campaign.window_name,
                "chosen_start": start,
                "chosen_end": choice.chosen.end if choice.chosen else None,
                "refused": choice.refused,
                "steers": steers,
                "sentence": choice.sentence,
                "arithmetic": Json(choice.as_json()),
                "weighed_at": now,
            },
        )
        if before is None or not _same(before, choice, now):
            evidence.record(
                store,
                actor=actor,
                action="window_weighed",
                subject=f"campaign:{campaign.campaign_id}",
                campaign_id=campaign.campaign_id,
                grounds={"sentence": choice.sentence, "refused": choice.refused, "arithmetic": dict(choice.arithmetic),
                         "chosen": choice.chosen.as_json() if choice.chosen else None},
                at=now,
            )  # fmt: skip


def _same(before: Mapping[str, Any], choice: Choice, now: datetime) -> bool:
    """The same opening as before (one that is under way starts anew each time it is looked at)."""
    start, end = before["chosen_start"], before["chosen_end"]
    if choice.chosen is None or end is None:
        return bool(choice.refused == before["refused"] and choice.chosen is None and end is None)
    return bool(end == choice.chosen.end and (start <= now < end or start == choice.chosen.start))
