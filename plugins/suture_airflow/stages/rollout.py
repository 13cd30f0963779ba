"""The rollout's own moves: start, conclude, halt."""

from __future__ import annotations

from typing import Any

from airflow.sdk.exceptions import AirflowSkipException

from suture.campaign import Campaign, CampaignState, fetch_campaign, move
from suture.campaign.approvals import ApprovalError, Gate, require_release
from suture.campaign.window_moves import require_window
from suture.model import Ring
from suture.recovery import incident
from suture.recovery.incident import calls_for_incident
from suture.rollout import manual_judgement
from suture.rollout.trials import latest_verdict
from suture.settings import Settings
from suture.sourcing.intake import repository_for
from suture.staging import gate
from suture.staging.parity import ParityError
from suture.staging.snapshot import SnapshotChangedError
from suture.staging.traffic_replay import TrafficError
from suture.store import Store
from suture.store.steps import StepStatus, list_steps
from suture_airflow.clock import utc_now
from suture_airflow.stages.recovery import count_impact
from suture_airflow.translation import campaign_in_form, campaign_of, failed_tasks, moved_before, translated
from suture_airflow.warehouse import open_store

ACTOR = "suture:canary_rollout"


@translated
def start(context: Any) -> str:
    """Move an approved campaign to rolling out, once its release still holds for exactly this plan."""
    with open_store() as store:
        campaign = fetch_campaign(store, campaign_of(context))
        if campaign.state is CampaignState.ROLLING_OUT:
            return campaign.plan_hash  # a cleared task: the rollout goes on
        try:
            approvers = require_release(store, campaign, Gate.load(Settings.load().policy_dir))
        except ApprovalError as error:
            if campaign.state is CampaignState.APPROVED:
                _decline(store, campaign.campaign_id, str(error))
            raise
        require_window(store, campaign)
        tested = _require_tested(store, campaign)
        expected = CampaignState.HALTED if campaign.state is CampaignState.HALTED else CampaignState.APPROVED
        move(
            store,
            campaign.campaign_id,
            expected=expected,
            to=CampaignState.ROLLING_OUT,
            actor=ACTOR,
            reason=f"The window is open, every host has a proven backup, released by {' and '.join(approvers)}.",
            grounds={"plan_hash": campaign.plan_hash, "approvers": approvers, **tested},
        )
        return campaign.plan_hash


def _require_tested(store: Store, campaign: Campaign) -> dict[str, Any]:
    """What the staging tests rest on. One whose tests do not count is declined, so that it can be planned anew.

    Raises ParityError, TrafficError; SnapshotChangedError when production would get other files than staging was tested with.
    """
    settings = Settings.load()
    published = repository_for(settings, campaign.plan).state(now=utc_now())
    try:
        found = gate.require_counted(
            store, settings, campaign, snapshot=published.snapshot, offered=published.packages
        )
    except (ParityError, TrafficError, SnapshotChangedError) as error:
        if campaign.state is CampaignState.APPROVED:
            _decline(store, campaign.campaign_id, str(error))
        raise
    print(found["snapshot_check"])
    return found


@translated
def conclude(context: Any) -> None:
    """Every ring was patched, verified and judged: verified."""
    with open_store() as store:
        campaign = fetch_campaign(store, campaign_of(context))
        if moved_before(campaign, CampaignState.VERIFIED):
            return
        hosts = len(campaign.plan.production_hosts)
        by_hand = manual_judgement.words_of(store, campaign)
        told = f"; by hand: {', '.join(f'{ring} by {who}' for ring, who in by_hand)}" if by_hand else ""
        move(
            store,
            campaign.campaign_id,
            expected=CampaignState.ROLLING_OUT,
            to=CampaignState.VERIFIED,
            actor=ACTOR,
            reason=f"{'The host was' if hosts == 1 else f'All {hosts} hosts were'} patched, verified and judged{told}.",
            grounds={"plan_hash": campaign.plan_hash, **({"judged_by_hand": dict(by_hand)} if by_hand else {})},
        )


@translated
def halt(context: Any) -> dict[str, Any]:
    """Stop a rollout in which a task failed; whether the rollback is to start by itself, and why.

    Skipped when the rollout had not begun: the campaign then waits as it is.
    """
    campaign_id = campaign_of(context)
    with open_store() as store:
        campaign = fetch_campaign(store, campaign_id)
        if campaign.state is CampaignState.HALTED:  # an earlier try of this task got so far
            known = store.fetch_one("incident/fetch_campaign_incident", {"campaign_id": campaign_id})
            return {"reason": campaign.state_reason, "rolls_back": known is not None}
        if campaign.state is not CampaignState.ROLLING_OUT:
            raise AirflowSkipException(f"{campaign_id} is {campaign.state}: there is no rollout to halt.")
        why, is_incident = _why_halted(store, campaign, failed_tasks(context))
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


@translated
def judge_by_hand(context: Any) -> str:
    """Check the form and write down a person's word on the ring that halted a campaign; the campaign's id."""
    params, run = context["params"], context["dag_run"]
    campaign_id = campaign_in_form(params, "manual_judgement")
    with open_store() as store:
        campaign = fetch_campaign(store, campaign_id)
        who = getattr(run, "triggering_user_name", None)
        reason = str(params.get("reason") or "")
        ring = manual_judgement.judge_by_hand(
            store, Settings.load().policy_dir, campaign, who=who, reason=reason, at=utc_now()
        )
    print(f"{who} judged {ring} of {campaign_id} by hand: canary_rollout takes it up again.")
    return campaign_id


def rolls_back(halted: dict[str, Any]) -> bool:
    """Whether a halted rollout is rolled back by itself: only on a judge's fail or a failed verification."""
    return bool(halted["rolls_back"])


def _why_halted(store: Store, campaign: Campaign, failed: list[str]) -> tuple[str, bool]:
    """The sentence, and whether it is an incident: a judge's fail, or a host that was asked and did not verify."""
    judged = next((name.removeprefix("judge_") for name in failed if name.startswith("judge_")), None)
    found = latest_verdict(store, campaign.campaign_id, Ring(judged)) if judged else None
    if found is not None:
        verdict, row = found
        why = f"The judge of {judged} says {verdict}: {row['reason']}"
        return why, calls_for_incident(verdict=verdict, verification_failed=False)
    verified = next((name for name in failed if name.startswith("verify_")), None)
    if verified is not None:
        broken = [
            step
            for step in list_steps(store, campaign.campaign_id, campaign.plan_hash, step="verify")
            if step.status is StepStatus.FAILED
        ]
        if broken:
            told = "; ".join(f"{step.host_id}: {step.error}" for step in broken)
            return f"The verification of {verified.removeprefix('verify_')} failed. {told}", True
    return f"The rollout stopped at {', '.join(failed) or 'a task that failed'}; see its log. A person decides.", False


def _decline(store: Store, campaign_id: str, why: str) -> None:
    move(
        store,
        campaign_id,
        expected=CampaignState.APPROVED,
        to=CampaignState.DECLINED,
        actor=ACTOR,
        reason=f"The release does not hold: {why}",
    )
