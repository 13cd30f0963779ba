"""The staging test's own tasks; its patching and restoring are AnsiblePhaseOperators."""

from __future__ import annotations

from typing import Any

from airflow.sdk.exceptions import AirflowSkipException

from suture.campaign import Campaign, CampaignState, fetch_campaign, move
from suture.model import Ring
from suture.settings import Settings
from suture.sourcing.intake import repository_for
from suture.staging import gate
from suture.staging.test_plan import run_test_plan
from suture.staging.traffic import replay_stage
from suture.store import Store
from suture_airflow.clock import utc_now
from suture_airflow.translation import campaign_of, failed_tasks, moved_before, translated
from suture_airflow.warehouse import open_store

ACTOR = "suture:staging_test"


@translated
def run_tests(context: Any, stage: str) -> str:
    """Ask the test plan's questions of the staging pair; what came of it, in a sentence."""
    with open_store() as store:
        campaign = fetch_campaign(store, campaign_of(context))
        outcome = run_test_plan(
            store, Settings.load(), campaign, stage, campaign.plan.hosts(Ring.STAGING), log=print
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
            reason=f"Staging went forward, back and forward again ({told}).",
            grounds={"seconds": seconds, "plan_hash": campaign.plan_hash, **proof},
        )
    return seconds


def _proof(store: Store, campaign: Campaign) -> dict[str, Any]:
    """What the tests rest on. Raises where parity or the replay is missing, or the snapshot is not the one that was held."""
    published = repository_for(Settings.load(), campaign.plan).state(now=utc_now())
    return gate.require_counted(store, campaign, snapshot=published.snapshot, offered=published.packages)


@translated
def give_up(context: Any) -> str:
    """A step failed: test_failed, with what failed."""
    campaign_id = campaign_of(context)
    with open_store() as store:
        campaign = fetch_campaign(store, campaign_id)
        if campaign.state is not CampaignState.VALIDATED:
            raise AirflowSkipException(f"{campaign_id} is {campaign.state}: there is no staging test to give up.")
        failed = failed_tasks(context)
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
