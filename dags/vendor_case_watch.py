"""
### Vendor case watch: a hotfix is a guest

**What** Follows the campaigns of hotfixes, takes in a second offer after a refused one, and replaces a hotfix by the vendor's regular
release as soon as that is offered; then the hotfix is retired for good.

**When** Every ten minutes; by hand at any time (it is safe to repeat).

**Steps** `follow_cases` hands the campaigns that it planned to signature_validation; skipped when there are none.

**When it is red** A vendor's repository or desk could not be reached or read; the last line says which case. The others were followed.

**Owner** on-call
"""

from __future__ import annotations

from airflow.sdk import CronTriggerTimetable, dag, task

from suture_airflow.assets import CAMPAIGN_PLANNED
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

    follow_cases()


vendor_case_watch()
