"""The quality gate: what a source's schema and Great Expectations suites say of every table that it fills.

The suite of a table is include/expectations/<table>.json, where all sources of that table share it, and what the source's
own suite.json adds. The rules:

1. An expectation of scope `feed` that fails quarantines the whole copy: the last good data stands.
2. One of scope `record` quarantines the records that fail it, in all tables, each with the reason; the others pass.
3. A row that has not the shape of the source's schema.json is left out before the suites see it.
4. In a suite, `$floor` is the least number of rows that is plausible (from policy and the copy accepted last),
   `$today` and `$tomorrow` are dates by the clock that is passed in.
"""

from __future__ import annotations

import json
import logging
import math
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Protocol

from suture.errors import SutureError
from suture.feeds.decoded import Row
from suture.feeds.row_schema import RowSchema
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
    "cve_product": ("record_id", "cve_id", "place", "source", "vendor", "products"),
    "advisory": (
        "record_id", "advisory_id", "source", "suite", "ecosystem", "source_package", "fixed_version", "codename",
        "title", "urgency", "published_at", "withdrawn_at", "details",
    ),
    "advisory_cve": ("record_id", "advisory_id", "cve_id", "relation"),
    "advisory_range": (
        "record_id", "advisory_id", "range_key", "source", "ecosystem", "package", "codename", "module", "kind",
        "introduced", "fixed", "last_affected", "limit_before", "versions", "state", "cve_ids",
    ),
    "advisory_alias": ("record_id", "advisory_id", "alias", "relation"),
    "advisory_revision": (
        "record_id", "source", "revision_id", "first_id", "revision", "is_regression", "package", "title", "dated",
        "cve_ids", "fixes",
    ),
    "vex_statement": (
        "record_id", "source", "statement_key", "document_id", "author", "vulnerability", "product", "subcomponent",
        "ecosystem", "package", "version", "codename", "status", "justification", "impact", "action", "dated_at",
    ),
    "threat_signal": (
        "record_id", "source", "signal_id", "kind", "name", "cve_ids", "pattern", "pattern_type", "labels",
        "source_ref", "relation", "target_ref", "sighted_count", "confidence", "valid_from", "valid_until",
        "created_at", "modified_at", "revoked",
    ),
    "notice": (
        "record_id", "source", "message_id", "list", "sender", "subject", "dated_at", "in_reply_to", "cve_ids", "url",
        "excerpt",
    ),
    "advisory_package": ("record_id", "advisory_id", "package", "version", "architecture"),
}  # fmt: skip


_NUMBERS = frozenset({"probability", "percentile", "base_score", "revision", "confidence"})
DATES = frozenset({
    "date_added", "due_date", "score_date", "published_at", "modified_at", "withdrawn_at", "dated_at", "dated",
    "created_at", "valid_from", "valid_until",
})  # fmt: skip


class ExpectationsError(SutureError):
    """A suite itself cannot be run."""


@dataclass(frozen=True)
class Guard:
    """What a source's rows are held against: expectations by table (Great Expectations' JSON), and their shape."""

    expectations: Mapping[str, Sequence[Mapping[str, Any]]]
    shape: RowSchema


@dataclass(frozen=True)
class Verdict:
    """feed_faults: why the whole copy is refused (() when it is not); bad_records: record id → the reasons."""

    feed_faults: tuple[str, ...]
    bad_records: Mapping[str, tuple[str, ...]]


class Checker(Protocol):
    """What runs the suites: Great Expectations (`check`), or a stream of rows where it does not fit in memory."""

    def __call__(
        self, tables: Mapping[str, list[Row]], *, now: datetime, floor: int, main_table: str, guard: Guard | None = None
    ) -> Verdict: ...


def floor_of(previous_count: int | None, max_shrink_share: float, min_records: int) -> int:
    """The least number of records that a new copy must have."""
    if previous_count is None:
        return min_records
    return max(min_records, math.ceil(previous_count * (1 - max_shrink_share)))


def check(
    tables: Mapping[str, list[Row]], *, now: datetime, floor: int, main_table: str, guard: Guard | None = None
) -> Verdict:
    """Check every row's shape, then run every table's suite. Only the main table's number of rows is held against `floor`.

    guard: the source's own; None: the shared suites alone (advisories read out of an apt archive).
    """
    feed_faults: list[str] = []
    bad_records: dict[str, list[str]] = defaultdict(list)
    for table, offered in tables.items():
        rows = well_shaped(table, offered, guard, bad_records)
        words = {
            "$floor": floor if table == main_table else 0,
            "$today": now.date().isoformat(),
            "$tomorrow": (now + timedelta(days=1)).date().isoformat(),
        }
        for result in _results(table, rows, words, guard):
            meta = result["meta"]
            if meta["scope"] == "feed":
                feed_faults.append(f"{table} has {len(rows)} rows, expected at least {words['$floor']}: {meta['why']}")
                continue
            for record_id, value in result["failed"]:
                bad_records[record_id].append(f"{table}.{result['column']} is {_shown(value)}: {meta['why']}")
    return Verdict(tuple(feed_faults), {name: tuple(reasons) for name, reasons in bad_records.items()})


def well_shaped(table: str, rows: list[Row], guard: Guard | None, bad_records: dict[str, list[str]]) -> list[Row]:
    """The rows that have the shape of the source's schema; the others go to bad_records (record id → reasons)."""
    if guard is None:
        return rows
    misshapen = set()
    for row, reason in guard.shape.faults(table, rows):
        misshapen.add(id(row))
        bad_records[str(row.get("record_id"))].append(reason)
    return [row for row in rows if id(row) not in misshapen] if misshapen else rows


@cache
def shared_expectations(table: str) -> tuple[Mapping[str, Any], ...]:
    """What is expected of a table whoever fills it; () where no such file is."""
    path = SUITES / f"{table}.json"
    return tuple(json.loads(path.read_text("utf-8"))["expectations"]) if path.is_file() else ()


def _results(table: str, rows: list[Row], words: Mapping[str, Any], guard: Guard | None) -> list[dict[str, Any]]:
    """The expectations that failed: meta, column, and for each failing row (record id, value)."""
    known = guard.expectations.get(table) if guard else shared_expectations(table)
    if not known:
        raise ExpectationsError(f"The table {table} has no suite: nothing would be checked.")
    expectations = [
        {
            **expectation,
            "kwargs": {
                name: words.get(value, value) if isinstance(value, str) else value
                for name, value in expectation["kwargs"].items()
            },
        }
        for expectation in known
    ]
    found = []
    for result in _validate(table, rows, expectations, guard):
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


def _series(pd: Any, column: str, rows: list[Row], dates: Set[str], numbers: Set[str]) -> Any:
    if column in dates:
        return pd.Series([_seconds(row.get(column)) for row in rows], dtype="float64")
    if column in numbers:
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


def _validate(table: str, rows: list[Row], expectations: list[dict[str, Any]], guard: Guard | None) -> list[Any]:
    gx = _great_expectations()
    import pandas as pd

    # Column by column: pandas would turn None into NaN, and so a missing text into a number.
    columns = guard.shape.columns[table] if guard else COLUMNS[table]
    dates = guard.shape.dates if guard else DATES
    numbers = guard.shape.numbers if guard else _NUMBERS
    frame = pd.DataFrame({column: _series(pd, column, rows, dates, numbers) for column in columns})
    for expectation in expectations:
        if expectation["kwargs"].get("column") in dates:
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
