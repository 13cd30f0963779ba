"""
### Prove the sources on schedule

**What** Proves every source of sources.yaml by its own pinned keys: apt sources down to their indices, the other kinds (rpm-md, plain
files, TUF, Python, OCI) down to each file. Their files are examined and put on the shelf by digest; hosts are not patched from there.
Says a month before a key ends, and when no successor is pinned.

**When** Every day at 05:20 UTC, and by hand after a change of sources.yaml.

**Steps** `list_sources` reads the policy ▸ `prove`, one task a source: a refused one does not stop the others ▸ `raise_alarms` is red
while a key needs somebody.

**When it is red** `prove`: the last line names the source, the reason and what to do; nothing of it was taken over, what was
adopted before stays. `raise_alarms`: the lines name the keys. The intakes page shows both. `./suture verify repository` repeats a
proof by hand.

**Owner** patch intake
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, chain, dag, task

from suture_airflow.stages import sourcing


@dag(
    schedule=CronTriggerTimetable("20 5 * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    tags=["suture", "intake"],
    doc_md=__doc__,
)
def source_watch():
    @task(retries=2)
    def list_sources():
        return sourcing.watched_sources()

    @task(pool="suture_repository", retries=2, retry_delay=timedelta(minutes=5))
    def prove(name):
        return sourcing.prove_source(name)

    @task(trigger_rule="all_done")
    def raise_alarms():
        return sourcing.raise_alarms()

    chain(prove.expand(name=list_sources()), raise_alarms())


source_watch()
