"""The quality gate: a Great Expectations suite for each table that a feed fills (include/expectations/<table>.json).

The rules:

1. An expectation of scope `feed` that fails quarantines the whole copy: the last good data stands.
2. One of scope `record` quarantines the records that fail it, in all tables, each with the reason; the others pass.
3. In a suite, `$floor` is the least number of rows that is plausible (from policy and the copy accepted last),
   `$today` and `$tomorrow` are dates by the clock that is passed in.
"""

from __future__ import annotations

import json
import logging
import math
import os
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Protocol

from suture.errors import SutureError
from suture.feeds.decoded import Row
from suture.settings import PROJECT_ROOT

SUITES = PROJECT_ROOT / "include" / "expectations"
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "kev": ("record_id", "cve_id", "date_added", "due_date", "known_ransomware", "name"),
    "epss": ("record_id", "cve_id", "probability", "percentile", "score_date", "model_version"),
    "cve": ("record_id", "cve_id", "state", "title", "cwe_ids", "published_at", "modified_at", "source"),
    "cve_score": (
        "record_id", "cve_id", "source", "cvss_version", "vector", "base_score", "severity", "dated_at",
    ),
    "cve_ssvc": (
        "record_id", "cve_id", "exploitation", "automatable", "technical_impact", "dated_at", "source",
    ),
    "advisory": (
        "record_id", "advisory_id", "source", "suite", "source_package", "fixed_version", "codename", "title",
        "urgency", "published_at", "withdrawn_at", "details",
    ),
    "advisory_cve": ("record_id", "advisory_id", "cve_id", "relation"),
    "advisory_package": ("record_id", "advisory_id", "package", "version", "architecture"),
}  # fmt: skip
MAIN_TABLE: Mapping[str, str] = {"kev": "kev", "epss": "epss", "cve5": "cve", "nvd": "cve", "osv": "advisory"}


_NUMBERS = frozenset({"probability", "percentile", "base_score"})
DATES = frozenset({"date_added", "due_date", "score_date", "published_at", "modified_at", "withdrawn_at", "dated_at"})


class ExpectationsError(SutureError):
    """A suite itself cannot be run."""


@dataclass(frozen=True)
class Verdict:
    """feed_faults: why the whole copy is refused (() when it is not); bad_records: record id → the reasons."""

    feed_faults: tuple[str, ...]
    bad_records: Mapping[str, tuple[str, ...]]


class Checker(Protocol):
    """What runs the suites: Great Expectations (`check`), or a stream of rows where it does not fit in memory."""

    def __call__(self, tables: Mapping[str, list[Row]], *, now: datetime, floor: int, main_table: str) -> Verdict: ...


def floor_of(previous_count: int | None, max_shrink_share: float, min_records: int) -> int:
    """The least number of records that a new copy must have."""
    if previous_count is None:
        return min_records
    return max(min_records, math.ceil(previous_count * (1 - max_shrink_share)))


def check(tables: Mapping[str, list[Row]], *, now: datetime, floor: int, main_table: str) -> Verdict:
    """Run every table's suite. Only the main table's number of rows is held against `floor`."""
    feed_faults: list[str] = []
    bad_records: dict[str, list[str]] = defaultdict(list)
    for table, rows in tables.items():
        words = {
            "$floor": floor if table == main_table else 0,
            "$today": now.date().isoformat(),
            "$tomorrow": (now + timedelta(days=1)).date().isoformat(),
        }
        for result in _results(table, rows, words):
            meta = result["meta"]
            if meta["scope"] == "feed":
                feed_faults.append(f"{table} has {len(rows)} rows, expected at least {words['$floor']}: {meta['why']}")
                continue
            for record_id, value in result["failed"]:
                bad_records[record_id].append(f"{table}.{result['column']} is {_shown(value)}: {meta['why']}")
    return Verdict(tuple(feed_faults), {name: tuple(reasons) for name, reasons in bad_records.items()})


@cache
def suite_text(table: str) -> str:
    path = SUITES / f"{table}.json"
    if not path.is_file():
        raise ExpectationsError(f"The table {table} has no suite: {path} is missing.")
    return path.read_text("utf-8")


def _results(table: str, rows: list[Row], words: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The expectations that failed: meta, column, and for each failing row (record id, value)."""
    expectations = json.loads(suite_text(table))["expectations"]
    for expectation in expectations:
        expectation["kwargs"] = {
            name: words.get(value, value) if isinstance(value, str) else value
            for name, value in expectation["kwargs"].items()
        }
    found = []
    for result in _validate(table, rows, expectations):
        _refuse_broken(table, result)
        if result.success:
            continue
        config = result.expectation_config
        column = config.kwargs.get("column")
        indices = (result.result or {}).get("unexpected_index_list") or []
        found.append(
            {
                "meta": config.meta,
                "column": column,
                "failed": [(rows[index]["record_id"], rows[index].get(column)) for index in map(_row_number, indices)],
            }
        )
    return found


def _series(pd: Any, column: str, rows: list[Row]) -> Any:
    if column in DATES:
        return pd.Series([_seconds(row.get(column)) for row in rows], dtype="float64")
    if column in _NUMBERS:
        return pd.Series([row.get(column) for row in rows], dtype="float64")
    return pd.Series([row.get(column) for row in rows], dtype=object)


def _refuse_broken(table: str, result: Any) -> None:
    """An expectation that could not be evaluated has checked nothing: that is no pass."""
    info = result.exception_info or {}
    for found in (info, *info.values()):
        if isinstance(found, dict) and found.get("raised_exception"):
            what = f"{result.expectation_config.type} of {result.expectation_config.kwargs.get('column')}"
            raise ExpectationsError(f"The suite of {table} cannot be run: {what}: {found.get('exception_message')}")


def _seconds(moment: str | None) -> float:
    """A date or time in ISO 8601 as seconds since 1970 (the suites compare numbers); NaN for None."""
    if moment is None:
        return math.nan
    found = datetime.fromisoformat(moment)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _validate(table: str, rows: list[Row], expectations: list[dict[str, Any]]) -> list[Any]:
    gx = _great_expectations()
    import pandas as pd

    # Column by column: pandas would turn None into NaN, and so a missing text into a number.
    frame = pd.DataFrame({column: _series(pd, column, rows) for column in COLUMNS[table]})
    for expectation in expectations:
        if expectation["kwargs"].get("column") in DATES:
            for bound in {"min_value", "max_value"} & set(expectation["kwargs"]):
                expectation["kwargs"][bound] = _seconds(expectation["kwargs"][bound])
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    asset = context.data_sources.add_pandas("feed").add_dataframe_asset(table)
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch(batch_parameters={"dataframe": frame})
    suite = gx.ExpectationSuite(name=table, expectations=expectations)
    outcome = batch.validate(suite, result_format={"result_format": "COMPLETE"})
    return list(outcome.results)


def _great_expectations() -> Any:
    """Imported late (seconds, and hundreds of log lines under Airflow), and without its telemetry."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    import great_expectations

    return great_expectations


def _row_number(index: Any) -> int:
    return int(next(iter(index.values()))) if isinstance(index, dict) else int(index)


def _shown(value: Any) -> str:
    return repr(value)[:120]
