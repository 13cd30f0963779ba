"""
### Vendor case watch: a hotfix is a guest

**What** Follows the campaigns of hotfixes, takes in a second offer after a refused one, and replaces a hotfix by the vendor's regular
release as soon as that is offered; then the hotfix is retired for good.

**When** Every ten minutes; by hand at any time (it is safe to repeat).

**Steps** `follow_cases` hands the campaigns that it planned to signature_validation; skipped when there are none. Beside it
`find_guests` ▸ `leave_quarantine`, once for each hotfix campaign that has ended: hosts that still have the quarantine's address in
their apt source lose it; skipped when there are none.

**When it is red** `follow_cases`: a vendor's repository or desk could not be reached or read; the last line says which case. The
others were followed. `leave_quarantine`: its last line names the hosts and why; they are tried again in ten minutes, and stand in
the case (`./suture case show CASE`) until they have left.

**Owner** on-call
"""

from __future__ import annotations

from airflow.sdk import CronTriggerTimetable, dag, task

from suture_airflow.assets import CAMPAIGN_PLANNED
from suture_airflow.operators.ansible import AnsiblePhaseOperator
from suture_airflow.stages import cases


@dag(
    schedule=CronTriggerTimetable("*/10 * * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    tags=["suture", "intake"],
    doc_md=__doc__,
)
def vendor_case_watch():
    @task(outlets=[CAMPAIGN_PLANNED], retries=2)
    def follow_cases(*, outlet_events=None):
        planned = cases.watch()
        outlet_events[CAMPAIGN_PLANNED].add_partitions(planned)
        return planned

    @task(retries=2)
    def find_guests():
        return cases.campaigns_in_quarantine()

    follow_cases()
    AnsiblePhaseOperator.partial(
        task_id="leave_quarantine", phase="leave_quarantine", ring="quarantined", pool="suture_ansible", retries=1
    ).expand(campaign_id=find_guests())


vendor_case_watch()
