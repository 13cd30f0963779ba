"""
### Compliance reporting: the auditor's proof

**What** Writes a campaign's report (HTML, CSV, JSON) from evidence: coverage with its denominators, versions before and after,
verification, approvals, verdicts, exceptions, incident. Anchors the evidence chain's head, and closes a verified campaign.

**When** When a campaign was verified or rolled back; one run per campaign.

**Steps** `refresh_hosts` asks the hosts once more and closes the findings that are fixed ▸ `write_report` ▸ `close_campaign`.

**When it is red** The evidence does not support the report, or the evidence chain is damaged: the last line says which record. Run
`./suture evidence verify`. Nothing is closed on a damaged chain.

**Owner** compliance
"""

from __future__ import annotations

from airflow.sdk import PartitionedAssetTimetable, dag, task

from suture_airflow.assets import CAMPAIGN_REPORTED, CAMPAIGN_ROLLED_BACK, CAMPAIGN_VERIFIED
from suture_airflow.stages import compliance


@dag(
    schedule=PartitionedAssetTimetable(assets=CAMPAIGN_VERIFIED | CAMPAIGN_ROLLED_BACK),
    catchup=False,
    max_active_runs=4,
    tags=["suture", "report"],
    doc_md=__doc__,
)
def compliance_reporting():
    @task(pool="suture_ansible", retries=2)
    def refresh_hosts(**context):
        return compliance.refresh_hosts(context)

    @task(retries=2)
    def write_report(**context):
        return compliance.write_report(context)

    @task(outlets=[CAMPAIGN_REPORTED], retries=2)
    def close_campaign(**context):
        return compliance.close_campaign(context)

    # What hosts say now, before anything is said of them: findings that are fixed close, and are not planned again.
    refresh_hosts() >> write_report() >> close_campaign()


compliance_reporting()
