"""
### Inventory sync: what really runs

**What** Asks every host of the inventory, over Ansible, for its packages and their state, running and installed kernel, services,
pending reboot and restarts, apt's settings and free space; and looks, within the bounds of components.yaml, for packages of
other ecosystems: rpm's database, Python's dist-info, node_modules, Maven archives. Nothing that it finds is run.

**When** Every hour at minute 37; by hand at any time.

**Steps** `collect_hosts` gathers in one call per host ▸ the *hosts* asset tells risk scoring.

**When it is red** No host at all could be read, or the inventory itself is wrong; the last line says which. A host that cannot be
reached keeps its last state, with its age, and counts as unknown (never as compliant) in reports. *Its components may not be
all* in the log: a bound was reached or a file could not be read; what was known before stands. Raise the bound, or narrow the roots.

**Owner** operations
"""

from __future__ import annotations

from airflow.sdk import CronTriggerTimetable, dag, task

from suture_airflow.assets import HOSTS
from suture_airflow.stages import inventory


@dag(
    schedule=CronTriggerTimetable("37 * * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    tags=["suture", "intake"],
    doc_md=__doc__,
)
def inventory_sync():
    @task(outlets=[HOSTS], pool="suture_ansible", retries=1)
    def collect_hosts(**context):
        return inventory.collect_hosts(context)

    collect_hosts()


inventory_sync()
