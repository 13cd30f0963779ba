"""
### Plan a stopped campaign again

**What** Ends a campaign that is *rejected*, *test failed* or *declined*, so that its findings are planned anew: with a new number,
new proofs and new approvals.

**When** By hand, once the cause is mended: trigger this DAG with the campaign's id and what was mended.

**Steps** `give_up` checks the form and moves the campaign to *superseded*, with your name and the reason as evidence ▸
`plan_anew` starts `risk_scoring`, which plans its findings.

**When it is red** The last line says why: no such campaign, no reason, or a state from which nothing is given up (one that rolls is
halted instead; a halted one is rolled back or taken up again). Nothing was changed.

**Owner** operations
"""

from __future__ import annotations

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import chain, dag, task

from suture_airflow.form import campaign_field, reason_field
from suture_airflow.stages import replan


@dag(
    schedule=None,
    catchup=False,
    tags=["suture", "planning"],
    doc_md=__doc__,
    params={
        "campaign": campaign_field("The stopped campaign to plan again, e.g. SUT-2026-0001."),
        "reason": reason_field("What was mended", "Kept as evidence with your name."),
    },
)
def campaign_replan():
    @task(retries=2)
    def give_up(**context):
        return replan.give_up_requested(context)

    plan_anew = TriggerDagRunOperator(task_id="plan_anew", trigger_dag_id="risk_scoring", retries=2)
    chain(give_up(), plan_anew)


campaign_replan()
