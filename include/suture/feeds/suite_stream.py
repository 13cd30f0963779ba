"""The suites of include/expectations without Great Expectations, a row at a time: for copies that do not fit in memory.

The suite's JSON is the one truth for both. The rules:

1. What an expectation means is what Great Expectations makes of it: a missing value passes, bounds are inclusive, a regular
   expression is searched for (not matched whole).
2. An expectation of a kind that is not known here cannot be checked, so the load fails: nothing is passed unseen.
3. Uniqueness and the number of rows need the whole copy: the caller keeps them, and asks here which apply.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from operator import itemgetter
from typing import Any

from suture.feeds.decoded import Row
from suture.feeds.quality import COLUMNS, DATES, ExpectationsError, Guard, Verdict, shared_expectations, well_shaped

Check = Callable[[Any], bool]
BETWEEN = "expect_column_values_to_be_between"
LENGTH = "expect_column_value_lengths_to_be_between"
_KNOWN_KWARGS = {
    "expect_column_values_to_match_regex": {"column", "regex"},
    "expect_column_values_to_be_in_set": {"column", "value_set"},
    "expect_column_values_to_be_between": {"column", "min_value", "max_value"},
    "expect_column_value_lengths_to_be_between": {"column", "min_value", "max_value"},
    "expect_column_values_to_be_unique": {"column"},
    "expect_table_row_count_to_be_between": {"min_value"},
}


@dataclass(frozen=True)
class SuiteStream:
    """One table's suite. columns: the order of a row's values. unique: why a value may stand once only, by column; kinds:
    which expectation each check is; asks: with which arguments, none for a length of the schema; row_count: why there must
    be a floor of rows, None when the suite asks for none."""

    table: str
    checks: tuple[tuple[int, Check, str, str], ...]
    kinds: tuple[str, ...]
    asks: tuple[Mapping[str, Any], ...]
    unique: Mapping[str, str]
    row_count: str | None

    @classmethod
    def load(cls, table: str, columns: Sequence[str], words: Mapping[str, Any], guard: Guard | None) -> SuiteStream:
        """words: $today and $tomorrow as dates in ISO 8601; guard: the source's own, None: the shared suite alone.
        Raises ExpectationsError for what cannot be checked here."""
        checks, unique, row_count = _lengths(table, columns, guard), {}, None
        kinds = ["" if of_items else LENGTH for of_items in _of_items(table, columns, guard)]
        asks: list[Mapping[str, Any]] = [{}] * len(kinds)
        expectations = guard.expectations.get(table) if guard else shared_expectations(table)
        if not expectations:
            raise ExpectationsError(f"The table {table} has no suite: nothing would be checked.")
        for expectation in expectations:
            kind, kwargs, meta = expectation["type"], expectation["kwargs"], expectation["meta"]
            if set(kwargs) - _KNOWN_KWARGS.get(kind, set()):
                raise ExpectationsError(
                    f"The suite of {table} cannot be run on a stream: {kind} with {sorted(kwargs)}."
                )
            if kind == "expect_table_row_count_to_be_between":
                row_count = meta["why"]
                continue
            if meta["scope"] != "record" or kwargs["column"] not in columns:
                raise ExpectationsError(
                    f"The suite of {table} cannot be run on a stream: {kind} of {kwargs['column']}."
                )
            if kind == "expect_column_values_to_be_unique":
                unique[kwargs["column"]] = meta["why"]
                continue
            said = {name: words.get(v, v) if isinstance(v, str) else v for name, v in kwargs.items()}
            checks.append((columns.index(kwargs["column"]), _check(kind, said), kwargs["column"], meta["why"]))
            kinds.append(kind)
            asks.append({name: value for name, value in said.items() if name != "column"})
        return cls(table, tuple(checks), tuple(kinds), tuple(asks), unique, row_count)

    def faults(self, row: Sequence[Any]) -> list[str]:
        """Why the row is not fit for use; [] when it is."""
        return [
            f"{self.table}.{column} is {_shown(row[index])}: {why}"
            for index, passes, column, why in self.checks
            if row[index] is not None and not passes(row[index])
        ]

    def all_pass(self, rows: Sequence[Sequence[Any]]) -> bool:
        """Whether every row passes, found column by column. Values are hashable."""
        columns = {index for index, _passes, _column, _why in self.checks}
        return self.values_pass({index: set(map(itemgetter(index), rows)) for index in columns})  # most come again and again

    def values_pass(self, values: Mapping[int, set[Any]]) -> bool:
        """Whether rows with these values pass, None left out, by the place of the column: of bounds by the least and the
        greatest value. A column that a check looks at must be there."""
        for (index, passes, _column, _why), kind in zip(self.checks, self.kinds, strict=True):
            found = values[index]
            found.discard(None)
            if not found:
                continue
            if kind == BETWEEN:
                fine = passes(min(found)) and passes(max(found))
            elif kind == LENGTH:
                fine = passes(max(found, key=len)) and passes(min(found, key=len))
            else:
                fine = all(map(passes, found))
            if not fine:
                return False
        return True

    def passes(self, row: Sequence[Any]) -> bool:
        for index, passes, _column, _why in self.checks:  # noqa: SIM110 - a generator costs twice as much here
            if row[index] is not None and not passes(row[index]):
                return False
        return True


def check(
    tables: Mapping[str, list[Row]], *, now: datetime, floor: int, main_table: str, guard: Guard | None = None
) -> Verdict:
    """As `quality.check`, without pandas and Great Expectations in memory."""
    feed_faults: list[str] = []
    bad_records: dict[str, list[str]] = defaultdict(list)
    dates = guard.shape.dates if guard else DATES
    for table, offered in tables.items():
        rows = well_shaped(table, offered, guard, bad_records)
        columns = guard.shape.columns[table] if guard else COLUMNS[table]
        suite = SuiteStream.load(table, columns, words(now), guard)
        if suite.row_count is not None and table == main_table and len(rows) < floor:
            feed_faults.append(f"{table} has {len(rows)} rows, expected at least {floor}: {suite.row_count}")
        for row in rows:
            values = [moment(row.get(name)) if name in dates else row.get(name) for name in columns]
            if faults := suite.faults(values):
                bad_records[row["record_id"]] += faults
        for column, why in suite.unique.items():
            counts = Counter(row[column] for row in rows if row.get(column) is not None)
            for row in rows:
                if counts[row.get(column)] > 1:
                    bad_records[row["record_id"]].append(f"{table}.{column} is {_shown(row[column])}: {why}")
    return Verdict(tuple(feed_faults), {name: tuple(reasons) for name, reasons in bad_records.items()})


def words(now: datetime) -> dict[str, str]:
    """What the suites' $today and $tomorrow stand for."""
    return {"$today": now.date().isoformat(), "$tomorrow": (now + timedelta(days=1)).date().isoformat()}


def moment(text: str | None) -> datetime | None:
    """A date or time in ISO 8601, in UTC where it names no zone."""
    if text is None:
        return None
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _check(kind: str, kwargs: Mapping[str, Any]) -> Check:
    if kind == "expect_column_values_to_match_regex":
        search = re.compile(kwargs["regex"]).search
        return lambda value: search(value) is not None
    if kind == "expect_column_values_to_be_in_set":
        return frozenset(kwargs["value_set"]).__contains__
    low, high = _bound(kwargs.get("min_value")), _bound(kwargs.get("max_value"))
    if kind == "expect_column_value_lengths_to_be_between":
        return lambda value: (low is None or low <= len(value)) and (high is None or len(value) <= high)
    if isinstance(low, datetime) or isinstance(high, datetime):
        within = _within(low, high)
        return lambda value: within(value if isinstance(value, datetime) else datetime.combine(value, time(), UTC))
    return _within(low, high)


def _within(low: Any, high: Any) -> Check:
    if low is not None and high is not None:
        return lambda value: bool(low <= value <= high)
    return lambda value: bool((low is None or low <= value) and (high is None or value <= high))


def _lengths(table: str, columns: Sequence[str], guard: Guard | None) -> list[tuple[int, Check, str, str]]:
    """The lengths that the source's schema.json allows; all else of a row's shape, its typed reader sees to."""
    allowed = guard.shape.lengths[table] if guard else {}
    return [
        (columns.index(column), _no_item_longer(limit) if of_items else _not_longer(limit), column,
         f"longer than {limit} characters")
        for column, (limit, of_items) in allowed.items()
        if column in columns
    ]  # fmt: skip


def _of_items(table: str, columns: Sequence[str], guard: Guard | None) -> list[bool]:
    """For each of `_lengths`, whether it is of the items of a list."""
    allowed = guard.shape.lengths[table] if guard else {}
    return [of_items for column, (_limit, of_items) in allowed.items() if column in columns]


def _not_longer(limit: int) -> Check:
    return lambda value: len(value) <= limit


def _no_item_longer(limit: int) -> Check:
    return lambda value: all(len(item) <= limit for item in value)


def _bound(value: Any) -> Any:
    """A date in a suite is its first moment in UTC, as in the gate that uses Great Expectations."""
    return moment(value) if isinstance(value, str) else value


def _shown(value: Any) -> str:
    return repr(value.isoformat() if isinstance(value, datetime) else value)[:120]
