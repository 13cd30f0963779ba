"""Staging tables: rows go in by COPY, then one MERGE a table writes only what differs.

A staging table is temporary and belongs to one transaction, so loads do not wait for one another, nothing of it is logged,
and a load that is killed leaves nothing. Its statements are include/sql/queries/feed/create_stage_<table>.sql and
merge_<table>.sql. Feeds are synced side by side, and some write the same table: who merges holds its lock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from suture.feeds.decoded import Row
from suture.store import Store

TABLES: Mapping[str, Mapping[str, str]] = {
    "kev": {
        "cve_id": "text", "date_added": "date", "due_date": "date", "known_ransomware": "bool", "name": "text",
        "record_sha256": "text",
    },
    "epss": {
        "cve_id": "text", "probability": "float8", "percentile": "float8", "score_date": "date", "model_version": "text",
    },
    "cve": {
        "cve_id": "text", "state": "text", "title": "text", "cwe_ids": "text[]", "published_at": "timestamptz",
        "modified_at": "timestamptz", "source": "text", "record_kev": "bool", "record_kev_added": "date",
        "record_sha256": "text",
    },
    "cve_score": {
        "cve_id": "text", "source": "text", "cvss_version": "text", "vector": "text", "base_score": "numeric",
        "severity": "text", "dated_at": "timestamptz",
    },
    "cve_ssvc": {
        "cve_id": "text", "exploitation": "text", "automatable": "text", "technical_impact": "text",
        "dated_at": "timestamptz", "source": "text",
    },
    "cve_product": {
        "cve_id": "text", "place": "int2", "source": "text", "vendor": "text", "products": "json",
    },
}  # fmt: skip
OF_RECORD = frozenset({"cve_product"})  # their row in `cve` names the copy that they are from
SCORED = ("cve", "cve_score")  # what replacing a scorer's word looks at


def create(store: Store, tables: Iterable[str]) -> None:
    """Make the staging tables of this transaction."""
    for table in tables:
        store.execute(f"feed/create_stage_{table}")


def fill(store: Store, table: str, rows: Sequence[Row]) -> None:
    """Make one and put JSON rows (dates in ISO 8601) into it. Missing values are NULL."""
    create(store, (table,))
    columns = TABLES[table]
    values = ([_plain(row.get(column), kind) for column, kind in columns.items()] for row in rows)
    store.copy_rows(f"stage_{table}", tuple(columns), values)


def stream(store: Store, table: str, rows: Iterable[Sequence[Any]]) -> int:
    """Put rows with values of the columns' own types into one that is there; how many."""
    return store.copy_binary(f"stage_{table}", TABLES[table], rows)


def put(store: Store, table: str, parts: Iterable[bytes], *, staged: bool, csv: bool = False) -> int:
    """Put packed rows (`packed`), or lines of CSV, into a table's staging table, or into the table itself; how many."""
    columns = tuple(TABLES[table])
    if not staged and table not in OF_RECORD:
        columns = (*columns, "snapshot_id")
    return (store.copy_csv if csv else store.copy_packed)(f"stage_{table}" if staged else table, columns, parts)


def lock(store: Store, tables: Iterable[str]) -> None:
    """Wait for other writers of these tables, and hold others off until the transaction ends; always in one order."""
    for table in sorted(tables):
        store.fetch_one("feed/lock_feed_table", {"table": table})


def merge(store: Store, table: str, snapshot_id: int | None) -> int:
    """Write what differs; how many rows."""
    return store.execute(f"feed/merge_{table}", {"snapshot_id": snapshot_id})


def text_array(values: Iterable[str]) -> str:
    """A text array as PostgreSQL writes it, each value quoted."""
    return "{" + ",".join('"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for value in values) + "}"


def _plain(value: Any, kind: str) -> Any:
    if kind == "json":
        return msgspec.json.encode(value).decode()  # as the bulk load writes it: it is compared as text
    return text_array(value) if isinstance(value, list) else value
