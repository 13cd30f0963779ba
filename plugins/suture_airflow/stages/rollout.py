"""The rollout's own moves: start, conclude, halt."""

from __future__ import annotations

from typing import Any

from airflow.sdk.exceptions import AirflowSkipException

from suture.campaign import CampaignState, fetch_campaign, move
from suture.campaign.approvals import Gate, require_release
from suture.recovery import incident
from suture.recovery.incident import calls_for_incident
from suture.rollout.trials import latest_verdict
from suture.settings import Settings
from suture_airflow.clock import utc_now
from suture_airflow.stages.recovery import count_impact
from suture_airflow.translation import campaign_of, failed_tasks, translated
from suture_airflow.warehouse import open_store

ACTOR = "suture:canary_rollout"


@translated
def start(context: Any) -> str:
    """Move an approved campaign to rolling out, once its release still holds for exactly this plan."""
    with open_store() as store:
        campaign = fetch_campaign(store, campaign_of(context))
        if campaign.state is CampaignState.ROLLING_OUT:
            return campaign.plan_hash  # a cleared task: the rollout goes on
        approvers = require_release(store, campaign, Gate.load(Settings.load().policy_dir))
        expected = CampaignState.HALTED if campaign.state is CampaignState.HALTED else CampaignState.APPROVED
        move(
            store,
            campaign.campaign_id,
            expected=expected,
            to=CampaignState.ROLLING_OUT,
            actor=ACTOR,
            reason=f"The window is open, every host has a proven backup, released by {' and '.join(approvers)}.",
            grounds={"plan_hash": campaign.plan_hash, "approvers": approvers},
        )
        return campaign.plan_hash


@translated
def conclude(context: Any) -> None:
    """Every ring was patched, verified and judged: verified."""
    with open_store() as store:
        campaign = fetch_campaign(store, campaign_of(context))
        hosts = len(campaign.plan.production_hosts)
        move(
            store,
            campaign.campaign_id,
            expected=CampaignState.ROLLING_OUT,
            to=CampaignState.VERIFIED,
            actor=ACTOR,
            reason=f"All {hosts} hosts were patched, verified and judged.",
            grounds={"plan_hash": campaign.plan_hash},
        )


@translated
def halt(context: Any) -> dict[str, Any]:
    """Stop a rollout in which a task failed; whether the rollback is to start by itself, and why.

    Skipped when the rollout had not begun: the campaign then waits as it is.
    """
    campaign_id = campaign_of(context)
    with open_store() as store:
        campaign = fetch_campaign(store, campaign_id)
        if campaign.state is not CampaignState.ROLLING_OUT:
            raise AirflowSkipException(f"{campaign_id} is {campaign.state}: there is no rollout to halt.")
        why, is_incident = _why_halted(store, campaign_id, failed_tasks(context))
        if is_incident:
            now = utc_now()
            impact = count_impact(store, Settings.load(), campaign, now)
            incident.declare(store, campaign, cause=why, impact=impact, declared_by=ACTOR, at=now)
        move(
            store,
            campaign_id,
            expected=CampaignState.ROLLING_OUT,
            to=CampaignState.HALTED,
            actor=ACTOR,
            reason=why,
            grounds={"plan_hash": campaign.plan_hash, "incident": is_incident},
        )
    return {"reason": why, "rolls_back": is_incident}


def rolls_back(halted: dict[str, Any]) -> bool:
    """Whether a halted rollout is rolled back by itself: only on a judge's fail or a failed verification."""
    return bool(halted["rolls_back"])


def _why_halted(store: Any, campaign_id: str, failed: list[str]) -> tuple[str, bool]:
    judged = next((name for name in failed if name.startswith("judge_")), None)
    if judged is not None:
        found = latest_verdict(store, campaign_id)
        if found is not None:
            verdict, row = found
            why = f"The judge of {row['ring']} says {verdict}: {row['reason']}"
            return why, calls_for_incident(verdict=verdict, verification_failed=False)
    verified = next((name for name in failed if name.startswith("verify_")), None)
    if verified is not None:
        return f"The verification of {verified.removeprefix('verify_')} failed; see its task's log.", True
    return f"The rollout stopped at {', '.join(failed) or 'a task that failed'}; see its log. A person decides.", False

