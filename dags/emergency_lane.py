"""
### Emergency lane: may this campaign go earlier?

**What** Asks one named person whether a campaign that became more urgent moves from its maintenance window to an earlier one.

**When** `risk_scoring` proposes a move: a CVE that the campaign mends was added to KEV, is exploited, or jumped in EPSS, and its
window opens too late. One run per campaign (the partition key is its id).

**Steps** `open_question` shows the reason and the plan ▸ `answer` waits in Required Actions.

**Answering** Browse ▸ Required Actions; the people of `include/policy/urgency.yaml`, never the campaign's requester. The plan and its
approvals stay as they are; yes only lets it start in the other window. A rollout that already waits wakes within a minute.

**When it is red** Nobody answered in time, or the campaign changed: it keeps its window. It is asked again when something new is
reported. To ask again now, plan it anew or clear the task while the move is open.

**Owner** change management
"""

from __future__ import annotations

from airflow.sdk import PartitionedAssetTimetable, dag, task

from suture_airflow.assets import WINDOW_MOVE_PROPOSED
from suture_airflow.operators.emergency import WindowMoveOperator
from suture_airflow.stages import urgency


@dag(
    schedule=PartitionedAssetTimetable(assets=WINDOW_MOVE_PROPOSED),
    catchup=False,
    max_active_runs=16,
    tags=["suture", "gate"],
    doc_md=__doc__,
)
def emergency_lane():
    @task(retries=2)
    def open_question(**context):
        return urgency.open_question(context)

    answer = WindowMoveOperator(
        task_id="answer",
        move_id="{{ ti.xcom_pull(task_ids='open_question')['move_id'] }}",
        subject="Move {{ dag_run.partition_key }} to an earlier window?",
        body="{{ ti.xcom_pull(task_ids='open_question')['body'] }}",
        retries=2,
    )
    open_question() >> answer


emergency_lane()
