"""The rollback's own tasks; fencing, restoring and releasing are AnsiblePhaseOperators."""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

from airflow.sdk.exceptions import AirflowSkipException

from suture.campaign import Campaign, CampaignState, fetch_campaign, move
from suture.errors import BadInputError, SutureError
from suture.model.traffic import ServiceImpact
from suture.recovery import incident
from suture.recovery.incident import IncidentStatus
from suture.recovery.rollback_plan import rollback_plan_of
from suture.rollout.judge_rules import JudgePolicy
from suture.settings import Settings
from suture.sourcing.retirement import retire
from suture.store import Store
from suture.store.steps import list_steps
from suture.telemetry import Prometheus, impact_from_counters, impact_from_log
from suture.wording import counted
from suture_airflow.clock import utc_now
from suture_airflow.translation import campaign_in_form, failed_tasks, moved_before, translated
from suture_airflow.warehouse import open_store

ACTOR = "suture:rollback"
_MAY_BE_ROLLED_BACK = (CampaignState.HALTED, CampaignState.VERIFIED, CampaignState.CLOSED)


@translated
def accept_request(context: Any) -> str:
    """Check the form, stop a rollout that still runs, move to rolling back; the blast radius, as Markdown."""
    settings, now = Settings.load(), utc_now()
    campaign_id, reason = _form(context["params"])
    who = getattr(context["dag_run"], "triggering_user_name", None) or ACTOR
    with open_store() as store:
        campaign = fetch_campaign(store, campaign_id)
        plan = rollback_plan_of(store, campaign, settings.policy_dir)
        print(plan.blast_radius)
        if campaign.state is CampaignState.ROLLING_BACK and _is_ours(store, campaign_id, context):
            return plan.blast_radius  # an earlier try of this task got so far
        if campaign.state is CampaignState.ROLLING_OUT:
            move(
                store,
                campaign_id,
                expected=CampaignState.ROLLING_OUT,
                to=CampaignState.HALTED,
                actor=who,
                reason=f"Stopped for a rollback: {reason}",
            )
            campaign = fetch_campaign(store, campaign_id)
        if campaign.state not in _MAY_BE_ROLLED_BACK:
            raise BadInputError(
                f"{campaign_id} is {campaign.state}: there is nothing of it on production hosts to roll back.",
                remedy=f"Lawful from {', '.join(_MAY_BE_ROLLED_BACK)}.",
            )
        if not plan.hosts:
            raise BadInputError(f"{campaign_id} has touched no production host: there is nothing to roll back.")
        incident.declare(
            store,
            campaign,
            cause=reason,
            impact=count_impact(store, settings, campaign, now),
            declared_by=who,
            at=now,
        )
        move(
            store,
            campaign_id,
            expected=campaign.state,
            to=CampaignState.ROLLING_BACK,
            actor=who,
            reason=f"Rollback of {counted(len(plan.hosts), 'host')}: {reason}",
            grounds={"plan": plan.as_json(), "plan_hash": campaign.plan_hash, "run": context["dag_run"].run_id},
        )
    return plan.blast_radius


@translated
def conclude(context: Any) -> str:
    """Every touched host is back and in service: rolled back, its versions retired, the incident contained."""
    settings, now = Settings.load(), utc_now()
    campaign_id, reason = _form(context["params"])
    with open_store() as store:
        campaign = fetch_campaign(store, campaign_id)
        if moved_before(campaign, CampaignState.ROLLED_BACK):
            return campaign_id
        plan = rollback_plan_of(store, campaign, settings.policy_dir)
        for source_package, source_version in plan.retired:
            retire(
                store,
                settings,
                source_package=source_package,
                source_version=source_version,
                campaign_id=campaign_id,
                reason=f"Rolled back: {reason}",
                actor=ACTOR,
                now=now,
            )
        impact = count_impact(store, settings, campaign, now)
        incident.update(store, campaign_id, status=IncidentStatus.CONTAINED, impact=impact, actor=ACTOR, at=now)
        move(
            store,
            campaign_id,
            expected=CampaignState.ROLLING_BACK,
            to=CampaignState.ROLLED_BACK,
            actor=ACTOR,
            reason=f"{_run_again(len(plan.hosts))}. {incident.impact_sentence(impact)}",
            grounds={"retired": [list(pair) for pair in plan.retired], "plan_hash": campaign.plan_hash},
        )
    return campaign_id


@translated
def stop(context: Any) -> str:
    """A step of the rollback failed: halted again; its hosts stay fenced."""
    campaign_id, _reason = _form(context["params"])
    with open_store() as store:
        campaign = fetch_campaign(store, campaign_id)
        if campaign.state is not CampaignState.ROLLING_BACK:
            raise AirflowSkipException(f"{campaign_id} is {campaign.state}: there is no rollback to stop.")
        if not _is_ours(store, campaign_id, context):
            raise AirflowSkipException(f"{campaign_id} is rolled back by another run, which goes on.")
        why = f"The rollback failed at {', '.join(failed_tasks(context)) or 'a task'}; its hosts stay fenced. See its log."
        move(
            store,
            campaign_id,
            expected=CampaignState.ROLLING_BACK,
            to=CampaignState.HALTED,
            actor=ACTOR,
            reason=why,
        )
    return why


def _run_again(hosts: int) -> str:
    return counted(hosts, "host runs what it ran before", "hosts run what they ran before")


def _is_ours(store: Store, campaign_id: str, context: Any) -> bool:
    """Whether the rollback under way was begun by this run: a second one that is refused must not stop the first."""
    rows = store.fetch_all("evidence/list_evidence", {"campaign_id": campaign_id})
    begun = [row["grounds"] for row in rows if row["action"] == "campaign_moved"]
    begun = [grounds for grounds in begun if grounds["to"] == CampaignState.ROLLING_BACK.value]
    return bool(begun) and begun[-1].get("run") == context["dag_run"].run_id


def count_impact(store: Store, settings: Settings, campaign: Campaign, until: datetime) -> ServiceImpact | None:
    """Requests since the first production host was touched: by the clients' own record where there is one, else by the
    load balancer's counters. None when neither can say."""
    begun = [
        step.started_at
        for step in list_steps(store, campaign.campaign_id, campaign.plan_hash, step="patch")
        if step.host_id in campaign.plan.production_hosts
    ]
    if not begun:
        return None
    try:
        record = _clients_record(settings)
        if record is not None:
            return impact_from_log([record.with_name(f"{record.stem}.old{record.suffix}"), record], min(begun), until)
        policy = JudgePolicy.load(settings.policy_dir)
        rules = policy.for_service(campaign.plan.service)
        return impact_from_counters(
            Prometheus(os.environ.get("SUTURE_PROMETHEUS_URL") or policy.prometheus_url),
            host_label=rules.host_label,
            requests=rules.measures[0].requests,
            bad=rules.measures[0].bad,
            servers=campaign.plan.production_hosts,
            since=min(begun),
            until=until,
        )
    except SutureError as error:
        print(f"The impact could not be counted: {error}")
        return None


def _clients_record(settings: Settings) -> Path | None:
    described = settings.home / "lab" / "lab.json"
    if not described.exists():
        return None
    record = Path(json.loads(described.read_text("utf-8"))["load_log"])
    return record if record.exists() else None


def _form(params: Any) -> tuple[str, str]:
    campaign_id, confirm = campaign_in_form(params, "rollback"), params.get("confirm")
    if confirm != campaign_id:
        raise BadInputError(f"{confirm!r} was typed to confirm, the campaign is {campaign_id!r}: nothing was touched.")
    return campaign_id, str(params.get("reason") or "").strip() or "no reason was given"
