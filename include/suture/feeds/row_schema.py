"""Whether rows have the shape that their source's schema.json promises.

The rules:

1. schema.json is JSON Schema 2020-12 of one document: table → list of rows.
2. Its rows are flat, or hold lists of what is flat, and so the keywords below are compiled to one test a column: 240,000
   EPSS rows in a second, where a general validator takes minutes. A schema with any other keyword is checked by jsonschema
   itself, only slower.
3. A row that does not fit is named with its table, column and reason. The others pass.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from suture.feeds.decoded import Row
from suture.policy.json_schema import Draft202012Validator

Check = Callable[[Any], str | None]  # a value → why it does not fit, None when it does
_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "null": lambda value: value is None,
}
_SAID = frozenset({"description", "title", "$comment"})


class _OtherKeywordError(Exception):
    """The schema uses what is not compiled here."""


class RowSchema:
    """A compiled schema.json. `columns` by table, in the schema's order; `dates` and `numbers`: columns of that kind;
    `lengths` by table: column → (how long its text may be, False), or (how long each text of its list may be, True)."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        tables = schema["properties"]
        self.columns: dict[str, tuple[str, ...]] = {}
        self.dates: set[str] = set()
        self.numbers: set[str] = set()
        self.lengths: dict[str, dict[str, tuple[int, bool]]] = {}
        self._checks: dict[str, Callable[[Row], Iterator[str]]] = {}
        for table, described in tables.items():
            items = described["items"]
            self.columns[table] = tuple(items["properties"])
            self.lengths[table] = dict(_lengths(items["properties"]))
            for column, wanted in items["properties"].items():
                self.dates |= {column} if wanted.get("format") in ("date", "date-time") else set()
                self.numbers |= {column} if {"number", "integer"} & set(_listed(wanted.get("type"))) else set()
            self._checks[table] = _row_check(items, schema)

    def faults(self, table: str, rows: Sequence[Row]) -> Iterator[tuple[Row, str]]:
        """The rows that do not fit, each with every reason. A table that the schema does not know fits nothing."""
        check = self._checks.get(table)
        for row in rows:
            reasons = list(check(row)) if check else ["the source's schema.json knows no such table"]
            if reasons:
                yield row, "; ".join(f"{table}.{reason}" if check else f"{table}: {reason}" for reason in reasons)


def _lengths(columns: Mapping[str, Any]) -> Iterator[tuple[str, tuple[int, bool]]]:
    for column, wanted in columns.items():
        if "maxLength" in wanted:
            yield column, (wanted["maxLength"], False)
        elif "maxLength" in wanted.get("items", {}):
            yield column, (wanted["items"]["maxLength"], True)


def _row_check(items: Mapping[str, Any], schema: Mapping[str, Any]) -> Callable[[Row], Iterator[str]]:
    try:
        return _compiled_row(items)
    except _OtherKeywordError:
        whole = Draft202012Validator(
            {**items, "$defs": schema.get("$defs", {})}, format_checker=Draft202012Validator.FORMAT_CHECKER
        )

    def slow(row: Row) -> Iterator[str]:
        for error in whole.iter_errors(row):
            yield f"{error.json_path.removeprefix('$').removeprefix('.')} {error.message[:200]}"

    return slow


def _compiled_row(items: Mapping[str, Any]) -> Callable[[Row], Iterator[str]]:
    if set(items) - _SAID - {"type", "properties", "required", "additionalProperties"}:
        raise _OtherKeywordError
    if items.get("additionalProperties") is not False:
        raise _OtherKeywordError
    checks = {column: _compiled(wanted) for column, wanted in items["properties"].items()}
    required = tuple(items.get("required", ()))

    def fast(row: Row) -> Iterator[str]:
        if not isinstance(row, dict):
            yield f"{row!r:.80} is no object"
            return
        for column in required:
            if column not in row:
                yield f"{column} is missing"
        for column, value in row.items():
            check = checks.get(column)
            why = check(value) if check else "is a column that the schema does not know"
            if why:
                yield f"{column} {why}"

    return fast


def _compiled(wanted: Mapping[str, Any]) -> Check:
    tests = [test for keyword, limit in wanted.items() for test in _tests(keyword, limit)]

    def check(value: Any) -> str | None:
        for test in tests:
            why = test(value)
            if why:
                return f"is {repr(value)[:80]}: {why}"
        return None

    return check


def _tests(keyword: str, limit: Any) -> Iterator[Check]:
    """The test of one keyword. As in JSON Schema, a keyword for texts says nothing of other types."""
    if keyword in _SAID:
        return
    if keyword == "type":
        names = _listed(limit)
        kinds = [_TYPES[name] for name in names]
        yield lambda value: None if any(kind(value) for kind in kinds) else f"not {' or '.join(names)}"
    elif keyword == "enum":
        yield lambda value: None if value in limit else f"none of {', '.join(map(str, limit))}"
    elif keyword == "pattern":
        pattern = re.compile(limit)
        yield lambda value: f"not like {limit}" if isinstance(value, str) and not pattern.search(value) else None
    elif keyword == "format" and limit in ("date", "date-time"):
        parse = date.fromisoformat if limit == "date" else datetime.fromisoformat
        yield lambda value: None if not isinstance(value, str) or _parses(parse, value) else f"no {limit}"
    elif keyword == "maxLength":
        yield lambda value: f"longer than {limit} characters" if isinstance(value, str) and len(value) > limit else None
    elif keyword == "minLength":
        yield lambda value: f"shorter than {limit}" if isinstance(value, str) and len(value) < limit else None
    elif keyword == "minimum":
        yield lambda value: f"less than {limit}" if _TYPES["number"](value) and not value >= limit else None
    elif keyword == "maximum":
        yield lambda value: f"more than {limit}" if _TYPES["number"](value) and not value <= limit else None
    elif keyword == "items" and "properties" in limit:
        faults = _compiled_row(limit)
        yield lambda value: next((why for item in value for why in faults(item)), None) if isinstance(value, list) else None
    elif keyword == "items" and isinstance(limit, Mapping):
        inner = _compiled(limit)
        yield lambda value: next(filter(None, map(inner, value)), None) if isinstance(value, list) else None
    else:
        raise _OtherKeywordError


def _parses(parse: Callable[[str], object], value: str) -> bool:
    try:
        parse(value)
    except ValueError:
        return False
    return True


def _listed(kind: Any) -> list[str]:
    return [] if kind is None else [kind] if isinstance(kind, str) else list(kind)
