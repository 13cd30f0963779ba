"""
### Canary rollout: one host, a judge, then ring by ring

**What** Patches an approved campaign's production hosts: first the canary, then the rings, each host drained at the load balancer
before it is touched. After each ring a judge compares its hosts with those not yet patched and says pass, fail or inconclusive.

**When** When a campaign is approved: the run waits for its maintenance window; one run per campaign. Once more when a person has
judged a ring by hand (`manual_judgement`): finished hosts are left alone.

**Steps** `await_window` ▸ `require_backup` (a fresh, verified backup of every host) ▸ `start_rollout` ▸ for the canary and each
ring: `patch_…` ▸ `verify_…` ▸ `judge_…` ▸ `conclude` ▸ `mirror_to_staging` (of the pair, what plays a patched role follows
production) ▸ `leave_quarantine` (a hotfix's hosts forget the quarantine repository; other campaigns have no such host).
`start_rollout` also looks whether production gets the very files that staging was tested with. Waiting tasks hold no worker slot.

**When it is red** Find the first red task; its last line says what happened, to which host, and what to do next. If hosts were
already being changed the campaign is *halted* (`halt`): nothing more is touched. A judge's *fail*, or a failed verification, starts
the `rollback` DAG by itself; *inconclusive* and everything else waits for a person: mend it and take the rollout up again (clear
`await_window` with Downstream); or trigger `manual_judgement`, where the judge can never see more; or trigger `rollback`. After
`conclude` the campaign is verified whatever follows: hosts that `leave_quarantine` names are tried again by `vendor_case_watch`.

**Owner** operations; at night the engineer on call
"""

from __future__ import annotations

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import PartitionedAssetTimetable, chain, dag, task

from suture_airflow.assets import CAMPAIGN_APPROVED, CAMPAIGN_VERIFIED, RING_JUDGED_BY_HAND
from suture_airflow.operators.ansible import AnsiblePhaseOperator
from suture_airflow.sensors.backup import BackupProofSensor
from suture_airflow.sensors.judge import JudgeSensor
from suture_airflow.sensors.window import MaintenanceWindowSensor
from suture_airflow.stages import rollout

RINGS = ("canary", "ring_1", "ring_2", "ring_3")


@dag(
    schedule=PartitionedAssetTimetable(assets=CAMPAIGN_APPROVED | RING_JUDGED_BY_HAND),
    catchup=False,
    max_active_runs=4,
    tags=["suture", "rollout"],
    doc_md=__doc__,
)
def canary_rollout():
    await_window = MaintenanceWindowSensor(task_id="await_window", retries=2)
    require_backup = BackupProofSensor(task_id="require_backup", retries=2)

    @task(retries=2)
    def start_rollout(**context):
        return rollout.start(context)

    @task(outlets=[CAMPAIGN_VERIFIED], retries=2)
    def conclude(**context):
        return rollout.conclude(context)

    @task(trigger_rule="one_failed", retries=2)
    def halt(**context):
        return rollout.halt(context)

    @task.short_circuit(retries=2)
    def decide_rollback(halted):
        return rollout.rolls_back(halted)

    start_rollback = TriggerDagRunOperator(
        task_id="start_rollback",
        trigger_dag_id="rollback",
        trigger_run_id="rollback__{{ dag_run.partition_key }}__{{ ti.start_date.strftime('%Y%m%dT%H%M%S') }}",
        conf={
            "campaign": "{{ dag_run.partition_key }}",
            "confirm": "{{ dag_run.partition_key }}",
            "reason": "{{ ti.xcom_pull(task_ids='halt')['reason'] }}",
        },
        fail_when_dag_is_paused=True,
        retries=2,  # a second run of the same rollback is refused, and does not stop the first
    )

    def ring_steps(ring: str):
        return [
            AnsiblePhaseOperator(task_id=f"patch_{ring}", phase="patch", ring=ring, pool="suture_ansible", retries=1),
            AnsiblePhaseOperator(task_id=f"verify_{ring}", phase="verify", ring=ring, pool="suture_ansible", retries=1),
            JudgeSensor(task_id=f"judge_{ring}", ring=ring, retries=2),
        ]

    started = start_rollout()
    steps = [step for ring in RINGS for step in ring_steps(ring)]
    # One chain: no ring is reached around the window, the backup's proof, or the judge of the ring before it.
    chain(await_window, require_backup, started, *steps, concluded := conclude())
    # The staging pair follows production; whatever becomes of that, the campaign is verified.
    mirror_to_staging = AnsiblePhaseOperator(
        task_id="mirror_to_staging", phase="patch_mirror", ring="followers", pool="suture_staging", retries=1
    )
    # Behind the mirror, which still installs from there.
    concluded >> mirror_to_staging >> AnsiblePhaseOperator(
        task_id="leave_quarantine", phase="leave_quarantine", ring="quarantined", pool="suture_ansible", retries=1
    )
    # Whatever fails once hosts are being changed, halts; only a fail of judge or verification rolls back by itself.
    halted = halt()
    [started, *steps] >> halted
    decide_rollback(halted) >> start_rollback


canary_rollout()
