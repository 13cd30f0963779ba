"""
### Staging test: forward, back, and forward again

**What** Compares the staging pair with production (below the floor of parity.yaml nothing tested there counts), patches it and
tests it: each remediation test must fail before and pass after, each function test must pass throughout; production's own
requests, masked, are replayed before and after, and no route may answer worse; then rolls the patch back, tests, patches
again, tests.

**When** As soon as a campaign's packages are validated; one run per campaign. One campaign at a time holds the pair. Once more
when a person has waived the tests of a group that has no staging hosts (`parity_waiver`).

**Steps** `prepare_staging` ▸ `measure_parity` ▸ `test_before` ▸ `replay_before` ▸ `patch_staging` ▸ `test_after` ▸ `replay_after` ▸
`roll_back_staging` ▸ `test_rolled_back` ▸ `patch_again` ▸ `test_forward_again` ▸ `mirror_production` takes the pair back to what
production runs ▸ `conclude` moves the campaign to *tested* with the measured durations.

**When it is red** The campaign is *test_failed* (`give_up` says why). `measure_parity`: the last line names what differs; the
campaign's page lists all of it, `./suture parity GROUP` measures anew; make the pair like production or declare the difference
in parity.yaml. `replay_after`: the routes that became worse are named. The JUnit results are kept; the campaign's page links to them.
The pair is taken back to what production runs (`mirror_after_failure`), so that the next campaign finds a true mirror.
An asset group without staging hosts must stand in parity.yaml under without_mirror, and each of its campaigns needs a person's
waiver: until then it stays *validated* and says so. Nothing is tested then, and the release says that.

**Owner** quality assurance
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import PartitionedAssetTimetable, chain, dag, task

from suture_airflow.assets import CAMPAIGN_TESTED, CAMPAIGN_VALIDATED, PARITY_WAIVED
from suture_airflow.operators.ansible import AnsiblePhaseOperator
from suture_airflow.stages import staging


def patch(task_id: str, phase: str) -> AnsiblePhaseOperator:
    return AnsiblePhaseOperator(task_id=task_id, phase=phase, ring="staging", pool="suture_staging", retries=1)


@dag(
    schedule=PartitionedAssetTimetable(assets=CAMPAIGN_VALIDATED | PARITY_WAIVED),
    catchup=False,
    max_active_runs=1,
    tags=["suture", "gate"],
    doc_md=__doc__,
)
def staging_test():
    @task(pool="suture_staging", retries=1)
    def run_tests(stage: str, **context):
        return staging.run_tests(context, stage)

    @task(pool="suture_staging", retries=1)
    def measure_parity(**context):
        return staging.measure_parity(context)

    @task(pool="suture_staging", retries=2, retry_delay=timedelta(minutes=1))
    def replay(stage: str, **context):
        return staging.replay_traffic(context, stage)

    @task(outlets=[CAMPAIGN_TESTED], retries=2)
    def conclude(**context):
        return staging.conclude(context)

    @task(trigger_rule="one_failed", retries=2)
    def give_up(**context):
        return staging.give_up(context)

    steps = [
        patch("prepare_staging", "prepare"),
        measure_parity(),  # what is tested on a pair that is not like production proves nothing
        run_tests.override(task_id="test_before")("before"),
        replay.override(task_id="replay_before")("before"),
        patch("patch_staging", "patch"),
        run_tests.override(task_id="test_after")("after"),
        replay.override(task_id="replay_after")("after"),
        patch("roll_back_staging", "restore"),
        run_tests.override(task_id="test_rolled_back")("rolled_back"),
        patch("patch_again", "patch_again"),
        run_tests.override(task_id="test_forward_again")("forward_again"),
    ]
    # The pair mirrors production again before the campaign goes on; so too when the test has failed.
    chain(*steps, patch("mirror_production", "restore_mirror"), conclude())
    steps >> give_up() >> patch("mirror_after_failure", "restore_mirror")


staging_test()
