"""
### Risk scoring: what matters first, and why

**What** Matches installed versions against advisories (Debian's own version order), scores each finding (CVSS with the asset's
criticality, KEV, EPSS, SSVC), gives it priority, deadline and reasons, and groups findings into campaigns by policy.

**When** After each feed sync and each inventory sync, and whenever something became more urgent.

**Steps** `match_findings` ▸ `score_findings` ▸ `watch_acceptances` ends acceptances that no longer hold ▸ `hasten_campaigns` raises
campaigns that became more urgent, and asks in `emergency_lane` to move those that wait too long ▸ `plan_campaigns` hands each
new campaign to `signature_validation` (with its patch train, where `capacity.yaml` enforces them) ▸ `weigh_windows` sets what
waiting for each window costs against its downtime.

**When it is red** The last line names the policy or the table at fault. Nothing is half done: run it again when mended.
A finding without any score is *unscored*, with its own rule in `include/policy/sla.yaml`; it is never taken for harmless.

**Owner** vulnerability management
"""

from __future__ import annotations

from airflow.sdk import chain, dag, task

from suture_airflow.assets import ADVISORIES, CAMPAIGN_PLANNED, HOSTS, URGENCY_CHANGED, WINDOW_MOVE_PROPOSED
from suture_airflow.stages import acceptance, risk


@dag(
    schedule=(ADVISORIES | HOSTS | URGENCY_CHANGED),
    catchup=False,
    max_active_runs=1,
    tags=["suture", "intake"],
    doc_md=__doc__,
)
def risk_scoring():
    @task(retries=2)
    def match_findings():
        return risk.match_findings()

    @task(retries=2)
    def score_findings():
        return risk.score_findings()

    @task(retries=2)
    def watch_acceptances():
        return acceptance.watch()

    @task(outlets=[WINDOW_MOVE_PROPOSED], retries=2)
    def hasten_campaigns(*, outlet_events=None):
        proposed = risk.hasten_campaigns()
        outlet_events[WINDOW_MOVE_PROPOSED].add_partitions(proposed)
        return proposed

    @task(outlets=[CAMPAIGN_PLANNED], retries=2)
    def plan_campaigns(*, outlet_events=None):
        planned = risk.plan_campaigns()
        outlet_events[CAMPAIGN_PLANNED].add_partitions(planned)
        return planned

    @task(retries=1)
    def weigh_windows():
        return risk.weigh_windows()

    # Scored first: a priority that rose voids an acceptance. Opened again before planning: it is planned at once.
    chain(match_findings(), score_findings(), watch_acceptances(), hasten_campaigns(), plan_campaigns(), weigh_windows())


risk_scoring()
