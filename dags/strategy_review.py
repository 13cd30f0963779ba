"""
### Strategy review: at once, by cadence, or on a trigger

**What** Replays the advisories of the warehouse against what each asset group runs, and compares the strategies of
`include/policy/strategy.yaml`: exposure, changes, reboots, QA hours, regressions. The recommendation is kept with its numbers and
as evidence; nothing is changed by it: a strategy comes into force when somebody writes it into the policy.

**When** Weekly, and by hand after a change of `strategy.yaml`.

**Steps** `compare_strategies`

**When it is red** The last line names the policy or the table at fault. A skipped run had nothing to replay yet.

**Owner** vulnerability management
"""

from __future__ import annotations

from airflow.sdk import dag, task

from suture_airflow.stages import strategy


@dag(schedule="@weekly", catchup=False, max_active_runs=1, tags=["suture", "intake"], doc_md=__doc__)
def strategy_review():
    @task(retries=1)
    def compare_strategies():
        return strategy.compare_strategies()

    compare_strategies()


strategy_review()
