"""
### Risk acceptance watch: what no longer holds, ends

**What** Ends acceptances that expired, that nobody answered, or against which a fact speaks; opens their findings again with a new
clock and starts planning for them. `risk_scoring` does the same after each sync; this DAG is for the hours in which nothing syncs.

**When** Every hour at minute 37; by hand at any time (it is safe to repeat).

**Steps** `end_what_no_longer_holds`, skipped when nothing was opened again, tells `risk_scoring` otherwise.

**When it is red** The warehouse did not answer, or a policy cannot be read; the last line says which. Nothing is half done.
Reports and `./suture acceptance` show an expired acceptance as expired all the same: they ask the facts, not this DAG.

**Owner** the risk owner
"""

from __future__ import annotations

from airflow.sdk import CronTriggerTimetable, dag, task

from suture_airflow.assets import URGENCY_CHANGED
from suture_airflow.stages import acceptance


@dag(
    schedule=CronTriggerTimetable("37 * * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    tags=["suture", "intake"],
    doc_md=__doc__,
)
def risk_acceptance_watch():
    @task(outlets=[URGENCY_CHANGED], retries=2)
    def end_what_no_longer_holds():
        return acceptance.watch_or_skip()

    end_what_no_longer_holds()


risk_acceptance_watch()
