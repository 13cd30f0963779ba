"""
### Staging test: forward, back, and forward again

**What** Patches the staging pair that mirrors production, and tests it: each remediation test must fail before and pass after,
each function test must pass throughout; then rolls the patch back, tests, patches again, tests.

**When** As soon as a campaign's packages are validated; one run per campaign. One campaign at a time holds the pair.

**Steps** `test_before` ▸ `patch_staging` ▸ `test_after` ▸ `roll_back_staging` ▸ `test_rolled_back` ▸ `patch_again` ▸
`test_forward_again` ▸ `mirror_production` takes the pair back to what production runs ▸ `conclude` moves the campaign to
*tested* with the measured durations.

**When it is red** The campaign is *test_failed* (`give_up` says why). The JUnit results are kept; the campaign's page links to them.
The pair is taken back to what production runs (`mirror_after_failure`), so that the next campaign finds a true mirror.

**Owner** quality assurance
"""

from __future__ import annotations

from airflow.sdk import PartitionedAssetTimetable, chain, dag, task

from suture_airflow.assets import CAMPAIGN_TESTED, CAMPAIGN_VALIDATED
from suture_airflow.operators.ansible import AnsiblePhaseOperator
from suture_airflow.stages import staging


def patch(task_id: str, phase: str) -> AnsiblePhaseOperator:
    return AnsiblePhaseOperator(task_id=task_id, phase=phase, ring="staging", pool="suture_staging", retries=1)


@dag(
    schedule=PartitionedAssetTimetable(assets=CAMPAIGN_VALIDATED),
    catchup=False,
    max_active_runs=1,
    tags=["suture", "gate"],
    doc_md=__doc__,
)
def staging_test():
    @task(pool="suture_staging", retries=1)
    def run_tests(stage: str, **context):
        return staging.run_tests(context, stage)

    @task(outlets=[CAMPAIGN_TESTED], retries=2)
    def conclude(**context):
        return staging.conclude(context)

    @task(trigger_rule="one_failed", retries=2)
    def give_up(**context):
        return staging.give_up(context)

    steps = [
        patch("prepare_staging", "prepare"),
        run_tests.override(task_id="test_before")("before"),
        patch("patch_staging", "patch"),
        run_tests.override(task_id="test_after")("after"),
        patch("roll_back_staging", "restore"),
        run_tests.override(task_id="test_rolled_back")("rolled_back"),
        patch("patch_again", "patch_again"),
        run_tests.override(task_id="test_forward_again")("forward_again"),
    ]
    # The pair mirrors production again before the campaign goes on; so too when the test has failed.
    chain(*steps, patch("mirror_production", "restore_mirror"), conclude())
    steps >> give_up() >> patch("mirror_after_failure", "restore_mirror")


staging_test()
