"""
### Signature validation: nothing unproven enters

**What** Proves a campaign's packages from the pinned key down to each file, then adopts them into the internal repository, the
only one that hosts install from.

**When** As soon as a campaign is planned; one run per campaign (the partition key is its id).

**Steps** `validate_sources`: signature by a pinned key, dates, no step back in time, expected suite and origin, hash chain from
InRelease over the index to each package file, dependency closure; then one atomic promotion, signed by Suture's own key.

**When it is red** The campaign is *rejected*; the last line says which proof failed, for which source, and what to do. Nothing was
adopted: the internal repository is what it was. `./suture verify repository` repeats the proof by hand.

**Owner** patch intake
"""

from __future__ import annotations

from airflow.sdk import PartitionedAssetTimetable, dag, task

from suture_airflow.assets import CAMPAIGN_PLANNED, CAMPAIGN_VALIDATED
from suture_airflow.stages import sourcing


@dag(
    schedule=PartitionedAssetTimetable(assets=CAMPAIGN_PLANNED),
    catchup=False,
    max_active_runs=4,
    tags=["suture", "gate"],
    doc_md=__doc__,
)
def signature_validation():
    @task(outlets=[CAMPAIGN_VALIDATED], pool="suture_repository", retries=2)
    def validate_sources(**context):
        return sourcing.validate_sources(context)

    validate_sources()


signature_validation()
