"""
### Backup coordination: a restorable state, proven, before the window opens

**What** Backs up every host of an approved campaign with restic, reads the backup back (`check --read-data`), restores it to a
scratch folder and compares. Only that counts as proof.

**When** When a campaign is approved: the run waits until the policy's lead before its maintenance window; one run per campaign.

**Steps** `await_backup_time` (no worker slot) ▸ `back_up_hosts` writes one proof per host.

**When it is red** A host has no proof: its sentence is in the log and on the campaign's page. The rollout's gate
`require_backup` stays shut. Mend the cause, clear `back_up_hosts`.

**Owner** backup
"""

from __future__ import annotations

from airflow.sdk import PartitionedAssetTimetable, dag

from suture_airflow.assets import CAMPAIGN_APPROVED, CAMPAIGN_BACKED_UP
from suture_airflow.operators.ansible import AnsiblePhaseOperator
from suture_airflow.sensors.window import MaintenanceWindowSensor


@dag(
    schedule=PartitionedAssetTimetable(assets=CAMPAIGN_APPROVED),
    catchup=False,
    max_active_runs=4,
    tags=["suture", "gate"],
    doc_md=__doc__,
)
def backup_coordination():
    await_backup_time = MaintenanceWindowSensor(task_id="await_backup_time", before="backup_lead", retries=2)
    back_up_hosts = AnsiblePhaseOperator(
        task_id="back_up_hosts",
        phase="backup",
        ring="production",
        pool="suture_ansible",
        outlets=[CAMPAIGN_BACKED_UP],
        retries=1,
    )
    await_backup_time >> back_up_hosts


backup_coordination()
