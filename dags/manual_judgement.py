"""
### Judge a ring by hand, where the judge could show nothing

**What** Lets one halted rollout, with exactly the plan that it has, go on behind a ring that the judge called *inconclusive*: a group
of one host, a service without metrics, a night without traffic. Your name and reason are kept as evidence and stand in the report.
The verdict stays *inconclusive*; a *fail* cannot be judged by hand.

**When** By hand, when a campaign is *halted* for it. Who may: the people under `manual_judgement` in judge.yaml, never the requester.

**Steps** `judge_by_hand` checks the form, the verdict and the person, and writes the word down; then `canary_rollout` runs once more
for the campaign: window, backup and release are asked again, finished hosts are left alone, and the judge looks once more. If it
then says *fail*, that counts, not the word.

**When it is red** The last line says why: no such campaign, no reason, not yours to judge, not halted, or not inconclusive. Nothing
was changed.

**Owner** operations; at night the engineer on call asks one of the people named
"""

from __future__ import annotations

from airflow.sdk import dag, task

from suture_airflow.assets import RING_JUDGED_BY_HAND
from suture_airflow.form import campaign_field, reason_field
from suture_airflow.stages import rollout


@dag(
    schedule=None,
    catchup=False,
    tags=["suture", "gate", "rollout"],
    doc_md=__doc__,
    params={
        "campaign": campaign_field("The halted campaign whose last ring is inconclusive, e.g. SUT-2026-0001."),
        "reason": reason_field(
            "What you looked at, and what you saw", "On the patched hosts. Kept as evidence with your name; it stands in the report."
        ),
    },
)
def manual_judgement():
    @task(outlets=[RING_JUDGED_BY_HAND], retries=2)
    def judge_by_hand(*, outlet_events=None, **context):
        campaign_id = rollout.judge_by_hand(context)
        outlet_events[RING_JUDGED_BY_HAND].add_partitions([campaign_id])

    judge_by_hand()


manual_judgement()
