"""The review of strategies: history replayed for each asset group, the comparison kept."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.sdk.exceptions import AirflowSkipException

from suture.risk.strategy_review import comparison_groups, review_strategies
from suture.settings import Settings
from suture_airflow.translation import translated
from suture_airflow.warehouse import open_store


@translated
def compare_strategies() -> str:
    """What is recommended for each group, in a line. Nothing to replay yet skips."""
    with open_store() as store:
        found = review_strategies(store, Settings.load().policy_dir, now=datetime.now(UTC))
    if not found:
        raise AirflowSkipException("No advisory in the warehouse concerns a host: there is nothing to compare yet.")
    for comparison in found:
        print(comparison.sentence)  # Airflow's task log takes standard output
    return comparison_groups(found)
