"""
### Rollback: bring the hosts back

**At three in the morning** Trigger this DAG with the campaign's id. Fill in `campaign` (e.g. SUT-2026-0001), type the same id
into `confirm`, give a `reason`. The campaign's page (menu *Suture*) shows the blast radius first: hosts, packages, versions.

**What** Takes every host that a campaign touched back to the versions it ran before.

**When** By hand, or started by a rollout that was halted by a judge's *fail* or a failed verification.

**Steps** `accept_request` checks the form, moves the campaign to *rolling back* and prints the blast radius ▸ `fence_hosts` (drained
and cut off from clients) ▸ `restore_hosts` in dependency order ▸ `check_data` ▸ `release_hosts` ▸ `conclude` retires the version:
it is never offered again ▸ `leave_quarantine` (a hotfix's hosts forget the quarantine repository).

**When it is red** The campaign is *halted* again and the hosts stay fenced: no client reaches a host in doubt. The last line says
which host and why. Mend it, then trigger this DAG again: hosts that are done are not repeated. Only `leave_quarantine` is red:
the campaign is rolled back all the same, and `vendor_case_watch` tries the named hosts again.

**Owner** the engineer on call
"""

from __future__ import annotations

from airflow.sdk import Param, PartitionedAtRuntime, chain, dag, task

from suture_airflow.assets import CAMPAIGN_ROLLED_BACK
from suture_airflow.form import campaign_field, reason_field
from suture_airflow.operators.ansible import AnsiblePhaseOperator
from suture_airflow.stages import recovery


@dag(
    schedule=PartitionedAtRuntime(),
    catchup=False,
    max_active_runs=4,
    tags=["suture", "recovery"],
    doc_md=__doc__,
    params={
        "campaign": campaign_field("The campaign to roll back, e.g. SUT-2026-0001. Its page shows which hosts it touched."),
        "confirm": Param(
            None,
            type=["null", "string"],
            title="Type the campaign's id again",
            description="Only to be sure: every host of the campaign is drained and put back.",
        ),
        "reason": reason_field("Reason", "For the incident's record."),
    },
)
def rollback():
    @task(retries=2)
    def accept_request(**context):
        return recovery.accept_request(context)

    def phase(task_id: str, name: str, ring: str = "touched") -> AnsiblePhaseOperator:
        return AnsiblePhaseOperator(
            task_id=task_id,
            phase=name,
            ring=ring,
            campaign_id="{{ params.campaign }}",
            pool="suture_ansible",
            retries=1,
        )

    @task(outlets=[CAMPAIGN_ROLLED_BACK], retries=2)
    def conclude(*, outlet_events=None, **context):
        campaign_id = recovery.conclude(context)
        outlet_events[CAMPAIGN_ROLLED_BACK].add_partitions([campaign_id])
        return campaign_id

    @task(trigger_rule="one_failed", retries=2)
    def stop(**context):
        return recovery.stop(context)

    accepted = accept_request()
    steps = [
        phase("fence_hosts", "fence"),
        phase("restore_hosts", "restore"),
        phase("check_data", "data_check"),
        phase("release_hosts", "release"),
    ]
    # A host is released only behind its data check; whatever fails leaves it fenced.
    chain(accepted, *steps, conclude(), phase("leave_quarantine", "leave_quarantine", "quarantined"))
    [accepted, *steps] >> stop()


rollback()
