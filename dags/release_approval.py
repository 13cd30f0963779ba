"""
### Release approval: two people, one plan

**What** Asks two named people, one after the other, to release a campaign whose patches passed staging.

**When** As soon as `staging_test` has passed for a campaign; one run per campaign (the partition key is its id).

**Steps** `open_release` shows the plan ▸ `first_seat` ▸ `second_seat` ▸ `release` moves the campaign to *approved*.

**Answering** Browse ▸ Required Actions, or the task's own page. Only the people named in `include/policy/approvers.yaml`
can answer; the requester never can, and nobody can take both seats. The tasks wait without a worker slot.

**When it is red** Somebody rejected the release, or nobody answered in time: the campaign is *declined*, and the failed task
says who and why. Nothing was touched. Where an answer "does not count", clear that one task: it asks again.

**Owner** change management
"""

from __future__ import annotations

from airflow.sdk import PartitionedAssetTimetable, dag, task

from suture_airflow.assets import CAMPAIGN_APPROVED, CAMPAIGN_TESTED
from suture_airflow.operators.approval import ReleaseApprovalOperator
from suture_airflow.stages import approval


@dag(
    schedule=PartitionedAssetTimetable(assets=CAMPAIGN_TESTED),
    catchup=False,
    max_active_runs=16,
    tags=["suture", "gate"],
    doc_md=__doc__,
)
def release_approval():
    @task(retries=2)
    def open_release(**context):
        return approval.open_release(context)

    shown = open_release()
    seats = {
        seat: ReleaseApprovalOperator(
            task_id=f"{seat}_seat",
            seat=seat,
            subject="Release {{ dag_run.partition_key }}? (" + seat + " seat)",
            body="{{ ti.xcom_pull(task_ids='open_release')['body'] }}",
            plan_hash="{{ ti.xcom_pull(task_ids='open_release')['plan_hash'] }}",
            retries=2,
        )
        for seat in ("first", "second")
    }

    @task(outlets=[CAMPAIGN_APPROVED], retries=2)
    def release(**context):
        return approval.release(context)

    # Both seats stand before the release: there is no way around either of them.
    shown >> seats["first"] >> seats["second"] >> release()


release_approval()
