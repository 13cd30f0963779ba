"""The staging test's own tasks; its patching and restoring are AnsiblePhaseOperators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.sdk.exceptions import AirflowSkipException

from suture.campaign import Campaign, CampaignState, fetch_campaign, move
from suture.campaign.lifecycle import note
from suture.errors import SutureError
from suture.model import Ring
from suture.settings import Settings
from suture.sourcing.intake import repository_for
from suture.staging import gate
from suture.staging.test_plan import run_test_plan
from suture.staging.traffic import replay_stage
from suture.staging.waiver import WaiverMissingError, grant
from suture.store import Store, parity
from suture_airflow.clock import utc_now
from suture_airflow.translation import campaign_in_form, campaign_of, failed_tasks, moved_before, translated
from suture_airflow.warehouse import open_store

ACTOR = "suture:staging_test"


@translated
def run_tests(context: Any, stage: str) -> str:
    """Ask the test plan's questions of the staging pair; what came of it, in a sentence."""
    settings = Settings.load()
    with open_store() as store:
        campaign = fetch_campaign(store, campaign_of(context))
        if gate.is_waived(store, settings, campaign):
            return _told(f"{stage}: nothing is tested, {campaign.plan.asset_group} has no mirror.")
        outcome = run_test_plan(
            store, settings, campaign, stage, campaign.plan.hosts(Ring.STAGING), log=print
        ).require_passed()
    print(outcome.sentence)
    return outcome.sentence


@translated
def measure_parity(context: Any) -> str:
    """Compare the pair with production and write down the snapshot that it holds; below the floor the tests do not count."""
    from suture.runner.ansible import AnsibleRunner  # a second of imports, which the scheduler need not pay

    settings = Settings.load()
    with open_store() as store:
        campaign = fetch_campaign(store, campaign_of(context))
        published = repository_for(settings, campaign.plan).state(now=utc_now())
        if gate.is_waived(store, settings, campaign):
            snapshot, offered = published.snapshot, published.packages
            return _told(gate.write_waived(store, settings, campaign, snapshot=snapshot, offered=offered, now=utc_now))
        found = gate.measure_campaign(
            store,
            AnsibleRunner(settings.inventory_path),
            settings,
            campaign,
            snapshot=published.snapshot,
            offered=published.packages,
            now=utc_now,
            log=print,
        )
        for one in found.differences:
            print(
                f"{'declared: ' if one.declared else ''}{one.sentence}{f' ({one.declared})' if one.declared else ''}."
            )
        return found.require_passed().sentence


@translated
def replay_traffic(context: Any, stage: str) -> str:
    """Replay production's requests on staging; after the patch no route may answer worse. What came of it, in a sentence."""
    from suture.runner.ansible import AnsibleRunner

    settings = Settings.load()
    with open_store() as store:
        campaign = fetch_campaign(store, campaign_of(context))
        if gate.is_waived(store, settings, campaign):
            return _told(f"{stage}: nothing is replayed, {campaign.plan.asset_group} has no mirror.")
        runner = AnsibleRunner(settings.inventory_path)
        outcome = replay_stage(store, runner, settings, campaign, stage, log=print).require_passed()
    print(outcome.sentence)
    return outcome.sentence


@translated
def conclude(context: Any) -> dict[str, float]:
    """Forward, back and forward again all held: tested. The measured seconds, by step."""
    with open_store() as store:
        campaign = fetch_campaign(store, campaign_of(context))
        seconds = {
            row["step"]: float(row["seconds"])
            for row in store.fetch_all("host_step/list_step_durations", {"campaign_id": campaign.campaign_id})
        }
        if moved_before(campaign, CampaignState.TESTED):
            return seconds
        proof = _proof(store, campaign) if campaign.state is CampaignState.VALIDATED else {}
        told = ", ".join(f"{step.replace('_', ' ')} {taken:.0f} s" for step, taken in seconds.items())
        move(
            store,
            campaign.campaign_id,
            expected=CampaignState.VALIDATED,
            to=CampaignState.TESTED,
            actor=ACTOR,
            reason=_how_tested(proof, told),
            grounds={"seconds": seconds, "plan_hash": campaign.plan_hash, **proof},
        )
    return seconds


def _told(sentence: str) -> str:
    print(sentence)
    return sentence


def _how_tested(proof: Mapping[str, Any], told: str) -> str:
    """For the people who release it: what was not tested must not read as if it had been."""
    if proof.get("tested_on_staging", True):
        return f"Staging went forward, back and forward again ({told})."
    return (
        f"NOT tested on staging, which this asset group does not have ({proof['policy']}); waived by {proof['waived_by']}:"
        f" {proof['waiver']}"
    )


def _proof(store: Store, campaign: Campaign) -> dict[str, Any]:
    """What the tests rest on. Raises where parity or the replay is missing, or the snapshot is not the one that was held."""
    settings = Settings.load()
    published = repository_for(settings, campaign.plan).state(now=utc_now())
    return gate.require_counted(store, settings, campaign, snapshot=published.snapshot, offered=published.packages)


def _waits_for_waiver(store: Store, campaign: Campaign) -> str | None:
    """What it waits for; None when a waiver is not what it lacks."""
    try:
        gate.is_waived(store, Settings.load(), campaign)
    except WaiverMissingError as missing:
        return str(missing)
    except SutureError:  # policy says nothing of the group, or cannot be read: that is no waiting
        return None
    return None


@translated
def give_up(context: Any) -> str:
    """A step failed: test_failed, with what failed. A campaign that only lacks a person's waiver waits as it is; so does one that
    was waived while this run was under way: the run that the waiver starts tests it."""
    campaign_id = campaign_of(context)
    with open_store() as store:
        campaign = fetch_campaign(store, campaign_id)
        if campaign.state is not CampaignState.VALIDATED:
            raise AirflowSkipException(f"{campaign_id} is {campaign.state}: there is no staging test to give up.")
        failed = failed_tasks(context)
        if (waits := _waits_for_waiver(store, campaign)) is not None:
            note(store, campaign_id, actor=ACTOR, action="waiver_awaited", reason=waits)
            raise AirflowSkipException(waits)
        waiver = parity.waiver_of(store, campaign_id, campaign.plan_hash)
        began_at = getattr(context["dag_run"], "start_date", None)
        if waiver is not None and began_at is not None and waiver["waived_at"] >= began_at:
            raise AirflowSkipException(f"{waiver['waived_by']} waived the tests meanwhile: another run goes on with it.")
        told = gate.why_not(store, campaign) if {"measure_parity", "replay_after"} & set(failed) else None
        why = f"The staging test failed at {', '.join(failed) or 'a task'}{f': {told}' if told else '; see its log'}."
        move(
            store,
            campaign_id,
            expected=CampaignState.VALIDATED,
            to=CampaignState.TEST_FAILED,
            actor=ACTOR,
            reason=why,
        )
    return why


@translated
def waive(context: Any) -> str:
    """Check the form and write the waiver; the campaign's id, or "" while it is not validated (its own test will find it)."""
    params, run = context["params"], context["dag_run"]
    campaign_id = campaign_in_form(params, "parity_waiver")
    with open_store() as store:
        campaign = fetch_campaign(store, campaign_id)
        who = getattr(run, "triggering_user_name", None)
        grant(store, Settings.load(), campaign, who=who, reason=str(params.get("reason") or ""), at=utc_now())
        print(f"{who} waived the staging tests of {campaign_id}.")
        return campaign_id if campaign.state is CampaignState.VALIDATED else ""
