"""
### Feed sync: what vendors and threat intelligence say

**What** Reads threat intelligence (KEV, EPSS, signals), the patch sources' own archives (which source version fixes which CVE),
the vendors' advisories, CVE records and whatever else feeds.yaml switches on into the warehouse.

**When** Every hour at minute 7; by hand at any time (it is safe to repeat).

**Steps** Two ways side by side. Threats: `list_threat_feeds` ▸ `sync_threats`, once for each, side by side ▸ `watch_threats`
compares them with what was last seen and tells risk scoring what became more urgent (skipped when nothing did): no advisory
source is waited for. Advisories: `list_advisory_sources` ▸ `sync_advisories`, one after the other ▸ `list_record_feeds` ▸
`sync_records` asks for the CVEs that are named now ▸ `watch_records` looks again, since records say what is exploited too.
At the end `publish_advisories` tells risk scoring. `refresh_repository` signs the internal repository anew before its
short validity ends.

**When it is red** The task's last line says which source, what was wrong with it and since when its data is old. What failed
is quarantined; the last good data stands and its age shows on the Suture page. A feed that cannot be reached never lowers an
urgency. A source that is slow ends after its `sync_seconds` (feeds.yaml), and the next sync goes on from there. `./suture feed
status` shows the same; `./suture feed load SOURCE FILE` loads a copy by hand.

**Owner** vulnerability management
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, dag, task

from suture_airflow.assets import ADVISORIES, URGENCY_CHANGED
from suture_airflow.stages import feeds, urgency

# The last resort behind each source's own sync_seconds: what hangs must not keep the next hour's run from starting.
AT_MOST = timedelta(minutes=45)
NAME = "{{ task.op_kwargs['source'] }}"


@dag(
    schedule=CronTriggerTimetable("7 * * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    tags=["suture", "intake"],
    doc_md=__doc__,
)
def feed_sync():
    @task(retries=3)
    def list_threat_feeds():
        return feeds.threat_feeds()

    @task(retries=1, execution_timeout=AT_MOST, map_index_template=NAME)
    def sync_threats(source: str):
        return feeds.sync_feed(source)

    # It runs whatever became of the feeds: each one's good data counts, and a look can only raise.
    @task(outlets=[URGENCY_CHANGED], trigger_rule="all_done", retries=2)
    def watch_threats():
        return urgency.watch()

    @task(retries=3)
    def list_advisory_sources():
        return feeds.advisory_sources()

    # One after the other: they write the same tables. A red one keeps none of the others.
    @task(retries=2, execution_timeout=AT_MOST, max_active_tis_per_dagrun=1, map_index_template=NAME)
    def sync_advisories(source: str):
        return feeds.sync_feed(source)

    # CVEs of the advisories that did come are asked for, whatever became of the others.
    @task(trigger_rule="all_done", retries=3)
    def list_record_feeds():
        return feeds.record_feeds()

    @task(retries=1, execution_timeout=AT_MOST, map_index_template=NAME)
    def sync_records(source: str):
        return feeds.sync_feed(source)

    @task(outlets=[URGENCY_CHANGED], trigger_rule="all_done", retries=2)
    def watch_records():
        return urgency.watch()

    # One feed that is down must not keep the others' news from risk scoring; its own task is red.
    @task(outlets=[ADVISORIES], trigger_rule="all_done", retries=1)
    def publish_advisories():
        return feeds.freshness()

    @task(pool="suture_repository", retries=1)
    def refresh_repository():
        return feeds.refresh_repository()

    threats_watched = watch_threats()
    records_watched = watch_records()
    listed = list_record_feeds()
    sync_threats.expand(source=list_threat_feeds()) >> threats_watched
    sync_advisories.expand(source=list_advisory_sources()) >> listed
    # Both looks before the end: the run that risk scoring answers with knows all of this sync.
    sync_records.expand(source=listed) >> records_watched
    [threats_watched, records_watched] >> publish_advisories()
    refresh_repository()


feed_sync()
