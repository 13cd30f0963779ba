"""
### Waive the staging tests of a group that has no mirror

**What** Lets one campaign, with exactly the plan that it has, go on without staging tests, because its asset group has no staging
hosts and parity.yaml says why (without_mirror). Your name and reason are kept as evidence and shown to those who release it.

**When** By hand, when a campaign waits in *validated* for it. Who may: the group's `waivers` in parity.yaml, never the requester.

**Steps** `waive` checks the form, the policy and the person, and writes the waiver; then `staging_test` runs for the campaign, and
records that nothing was tested, and who answers for it.

**When it is red** The last line says why: no such campaign, no reason, not yours to give, or a group that has staging hosts (their
tests cannot be waived). Nothing was changed.

**Owner** quality assurance
"""

from __future__ import annotations

from airflow.sdk import dag, task

from suture_airflow.assets import PARITY_WAIVED
from suture_airflow.form import campaign_field, reason_field
from suture_airflow.stages import staging


@dag(
    schedule=None,
    catchup=False,
    tags=["suture", "gate"],
    doc_md=__doc__,
    params={
        "campaign": campaign_field("The campaign that waits for a waiver, e.g. SUT-2026-0001."),
        "reason": reason_field("Why it may go on untested", "Kept as evidence with your name; the approvers read it."),
    },
)
def parity_waiver():
    @task(outlets=[PARITY_WAIVED], retries=2)
    def waive(*, outlet_events=None, **context):
        campaign_id = staging.waive(context)
        outlet_events[PARITY_WAIVED].add_partitions([campaign_id] if campaign_id else [])

    waive()


parity_waiver()
