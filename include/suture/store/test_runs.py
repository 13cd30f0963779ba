"""Results of test plans, one row for each stage and host. `failures` counts the cases that ended otherwise than
expected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from suture.store.connection import Row, Store


def write_test_runs(store: Store, rows: Sequence[Mapping[str, Any]]) -> None:
    store.execute_many("test_run/insert_test_run", rows)


def list_test_runs(store: Store, campaign_id: str) -> list[Row]:
    """Every run of a campaign's test plan, oldest first."""
    return store.fetch_all("test_run/list_campaign_tests", {"campaign_id": campaign_id})
