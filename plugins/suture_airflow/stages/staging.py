"""The staging test's own tasks; its patching and restoring are AnsiblePhaseOperators."""

from __future__ import annotations

from typing import Any

from airflow.sdk.exceptions import AirflowSkipException

from suture.campaign import CampaignState, fetch_campaign, move
from suture.model import Ring
from suture.settings import Settings
from suture.staging.test_plan import run_test_plan
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
        told = ", ".join(f"{step.replace('_', ' ')} {taken:.0f} s" for step, taken in seconds.items())
        move(
            store,
            campaign.campaign_id,
            expected=CampaignState.VALIDATED,
            to=CampaignState.TESTED,
            actor=ACTOR,
            reason=f"Staging went forward, back and forward again ({told}).",
            grounds={"seconds": seconds, "plan_hash": campaign.plan_hash},
        )
    return seconds


@translated
def give_up(context: Any) -> str:
    """A step failed: test_failed, with what failed."""
    campaign_id = campaign_of(context)
    with open_store() as store:
        campaign = fetch_campaign(store, campaign_id)
        if campaign.state is not CampaignState.VALIDATED:
            raise AirflowSkipException(f"{campaign_id} is {campaign.state}: there is no staging test to give up.")
        why = f"The staging test failed at {', '.join(failed_tasks(context)) or 'a task'}; see its log."
        move(
            store,
            campaign_id,
            expected=CampaignState.VALIDATED,
            to=CampaignState.TEST_FAILED,
            actor=ACTOR,
            reason=why,
        )
    return why
