"""
### Feed sync: what vendors and threat intelligence say

**What** Reads the patch sources' own archives (which source version fixes which CVE), the vendors' advisories, CVE records,
NVD, KEV, EPSS and whatever else feeds.yaml switches on into the warehouse.

**When** Every hour at minute 7; by hand at any time (it is safe to repeat).

**Steps** `sync_advisories` reads the archives and vendor advisories, so that the CVEs in question are known ▸ `list_feeds`
reads from policy which others there are ▸ `sync_feed`, once for each, side by side ▸ `watch_threats` compares them with what was
last seen and tells risk scoring what became more urgent (skipped when nothing did) ▸ `publish_advisories` tells risk scoring.
`refresh_repository` signs the internal repository anew before its short validity ends.

**When it is red** The task's last line says which source, what was wrong with it and since when its data is old. What failed
is quarantined; the last good data stands and its age shows on the Suture page. A feed that cannot be reached never lowers an
urgency. `./suture feed status` shows the same; `./suture feed load SOURCE FILE` loads a copy by hand.

**Owner** vulnerability management
"""

from __future__ import annotations

from airflow.sdk import CronTriggerTimetable, dag, task

from suture_airflow.assets import ADVISORIES, URGENCY_CHANGED
from suture_airflow.stages import feeds, urgency


@dag(
    schedule=CronTriggerTimetable("7 * * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    tags=["suture", "intake"],
    doc_md=__doc__,
)
def feed_sync():
    @task(retries=2)
    def sync_advisories():
        return feeds.sync_advisories()

    # Threat intelligence does not wait for an archive that is down: its task is red, this one runs.
    @task(trigger_rule="all_done", retries=1)
    def list_feeds():
        return feeds.threat_feeds()

    @task(retries=1, map_index_template="{{ task.op_kwargs['source'] }}")
    def sync_feed(source: str):
        return feeds.sync_feed(source)

    # It runs whatever became of the feeds: each one's good data counts, and a look can only raise.
    @task(outlets=[URGENCY_CHANGED], trigger_rule="all_done", retries=2)
    def watch_threats():
        return urgency.watch()

    # One feed that is down must not keep the others' news from risk scoring; its own task is red.
    @task(outlets=[ADVISORIES], trigger_rule="all_done", retries=1)
    def publish_advisories():
        return feeds.freshness()

    @task(pool="suture_repository", retries=1)
    def refresh_repository():
        return feeds.refresh_repository()

    listed = list_feeds()
    sync_advisories() >> listed
    sync_feed.expand(source=listed) >> watch_threats() >> publish_advisories()
    refresh_repository()


feed_sync()
