"""What stands beside a source's decoder in its folder: config.yaml, schema.json, suite.json, page.md.

The rules:

1. All four are there, and each is what it should be, or no row of the source is used (BrokenSourceError).
2. schema.json describes exactly the tables of the format, with a `version`; suite.json names each of them.
3. A table's suite is what include/expectations/<table>.json says of that table for all sources, where there is such a
   file, and then what the source's suite.json adds. A table without any expectation is not guarded, and so refused.
4. config.yaml is the source's default entry of feeds.yaml, without its name, checked as feeds.yaml is. It alone is read
   with feeds.yaml, of every source (`default_entry`): the schemas of all of them would take a third of a second.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from suture import policy
from suture.feeds.format import FeedFormat
from suture.feeds.quality import Guard, shared_expectations
from suture.feeds.row_schema import RowSchema
from suture.feeds.sources import FOLDERS, FORMATS, BrokenSourceError
from suture.policy import PolicyError
from suture.policy.json_schema import Draft202012Validator, SchemaError

FILES = ("config.yaml", "schema.json", "suite.json", "page.md")
# What feeds.yaml must say for all sources; config.yaml is checked as an entry beneath it.
_DEFAULTS = {
    "enabled": True, "timeout_seconds": 1, "total_seconds": 1, "max_bytes": 1, "retries": 0, "retry_wait_seconds": 0,
    "max_retry_wait_seconds": 0, "max_shrink_share": 0, "min_records": 0, "freshness_hours": 1,
}  # fmt: skip


@dataclass(frozen=True)
class SourcePlugin:
    """A source's folder, read. config: its default entry of feeds.yaml; schema: of its rows; page: Markdown."""

    format: FeedFormat
    folder: Path
    config: Mapping[str, Any]
    schema: Mapping[str, Any]
    guard: Guard
    page: str


def plugin_of(name: str) -> SourcePlugin:
    """The plug-in of a format. Raises BrokenSourceError."""
    if name not in FORMATS:
        raise BrokenSourceError(f"There is no feed format {name!r}; there are {', '.join(sorted(FORMATS))}.")
    return _loaded(name, FOLDERS[name])


@cache
def default_entry(name: str) -> Mapping[str, Any]:
    """What feeds.yaml need not say of a source of this format. Raises BrokenSourceError; KeyError for an unknown format."""
    return _config(name, _text(name, FOLDERS[name], "config.yaml"))


@cache
def _loaded(name: str, folder: Path) -> SourcePlugin:
    return load_plugin(FORMATS[name], folder)


def load_plugin(found: FeedFormat, folder: Path) -> SourcePlugin:
    """Read and check a source's folder. Raises BrokenSourceError with what is missing or wrong."""
    texts = {name: _text(found.name, folder, name) for name in FILES}
    if not texts["page.md"].strip():
        raise BrokenSourceError(
            f"The source {found.name} has an empty page.md: its page in the docs would say nothing."
        )
    schema = _schema(found, texts["schema.json"])
    return SourcePlugin(
        format=found,
        folder=folder,
        config=_config(found.name, texts["config.yaml"]),
        schema=schema,
        guard=Guard(_expectations(found, texts["suite.json"]), RowSchema(schema)),
        page=texts["page.md"],
    )


def _text(source: str, folder: Path, name: str) -> str:
    try:
        return (folder / name).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BrokenSourceError(f"The source {source} has no {name} that can be read: {error}.") from error


def _schema(found: FeedFormat, text: str) -> Mapping[str, Any]:
    schema = _json(found.name, "schema.json", text)
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise BrokenSourceError(f"The source {found.name}: schema.json is no JSON Schema: {error.message}.") from error
    tables = schema.get("properties")
    if not isinstance(tables, dict) or set(tables) != set(found.tables):
        raise BrokenSourceError(
            f"The source {found.name}: schema.json describes {', '.join(sorted(tables or ())) or 'no table'}, "
            f"the format gives {', '.join(sorted(found.tables))}."
        )
    if not isinstance(schema.get("version"), str):
        raise BrokenSourceError(f"The source {found.name}: schema.json has no `version`.")
    for table, rows in tables.items():
        if not (isinstance(rows.get("items"), dict) and rows["items"].get("properties")):
            raise BrokenSourceError(f"The source {found.name}: schema.json does not say what a row of {table} is.")
    return schema


def _expectations(found: FeedFormat, text: str) -> Mapping[str, tuple[dict[str, Any], ...]]:
    suite = _json(found.name, "suite.json", text)
    own = suite.get("tables")
    if not isinstance(own, dict) or set(own) != set(found.tables):
        raise BrokenSourceError(
            f"The source {found.name}: suite.json must name the tables {', '.join(sorted(found.tables))}, and no other."
        )
    joined = {table: (*shared_expectations(table), *own[table]) for table in found.tables}
    bare = sorted(table for table, expectations in joined.items() if not expectations)
    if bare:
        raise BrokenSourceError(
            f"The source {found.name}: nothing is expected of {', '.join(bare)}: it is not guarded."
        )
    return joined


def _config(name: str, text: str) -> Mapping[str, Any]:
    try:
        entry = yaml.safe_load(text)
        if not isinstance(entry, dict) or {"name", "format", "enabled"} & set(entry):
            raise BrokenSourceError(
                f"The source {name}: config.yaml must be a mapping without name, format and enabled: feeds.yaml says those."
            )
        whole = {"defaults": _DEFAULTS, "sources": [{"name": "checked", "format": name, **entry}]}
        checked = policy.load_text(yaml.safe_dump(whole), "feeds", name=f"{name}/config.yaml")
    except (yaml.YAMLError, PolicyError) as error:
        raise BrokenSourceError(f"The source {name}: config.yaml cannot be used: {error}") from error
    return {key: value for key, value in checked["sources"][0].items() if key not in ("name", "format")}


def _json(name: str, file: str, text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise BrokenSourceError(f"The source {name}: {file} is not JSON: {error}.") from error
    if not isinstance(found, dict):
        raise BrokenSourceError(f"The source {name}: {file} must be an object.")
    return found
