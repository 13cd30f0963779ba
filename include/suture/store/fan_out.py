"""Fan-out: what advisories and hosts say now, brought into `finding`.

The rules:

1. A scope is all hosts and all advisories, some hosts with all advisories, or some advisories on all hosts. Inside its
   scope a run leaves the findings as a run over everything would.
2. Distinct (source package, version, release) are compared once; hosts are taken in chunks, so that memory and the time
   of a statement stay bounded however large the fleet is. All chunks are one transaction.
3. A row that is already right is not written.
4. `decide`, where given, is called for each chunk before its findings are written: new findings then get their
   decision at once and are not written twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime
from typing import Any

from suture.store.connection import Row, Store

CHUNK_HOSTS = 1_000
Decide = Callable[[Sequence[Row]], object]  # (advisory_id, asset_group, criticality, exposure) rows → decisions written


@dataclass(frozen=True)
class Scope:
    """host_ids, advisory_ids: None is all of them. Not both at once: two runs do that."""

    host_ids: Sequence[str] | None = None
    advisory_ids: Sequence[str] | None = None


@dataclass(frozen=True)
class Unscored:
    """What a finding gets that nobody decided on yet."""

    priority: str
    deadline: datetime


@dataclass(frozen=True)
class Changes:
    """Findings new, opened again, with another installed version, fixed, withdrawn; kept: not closed, since the fix is
    half installed or not running; hosts looked at."""

    new: int = 0
    reopened: int = 0
    updated: int = 0
    fixed: int = 0
    withdrawn: int = 0
    kept: int = 0
    hosts: int = 0

    def __add__(self, other: Changes) -> Changes:
        return Changes(*(one + two for one, two in zip(astuple(self), astuple(other), strict=True)))


def fan_out(store: Store, scope: Scope, *, unscored: Unscored, now: datetime, decide: Decide | None = None) -> Changes:
    """Match one scope in SQL. advisory_pair must be up to date. Runs in the caller's transaction, or in one of its own."""
    with store.transaction():
        hosts, chunks = _prepare(store, scope)
        changes = Changes(hosts=hosts)
        for chunk in range(chunks):
            store.execute("matching/empty_share")
            found = store.execute("matching/fill_share", {"chunk": chunk})
            store.execute("matching/analyze_share")
            if decide is not None and found:
                decide(store.fetch_all("decision/list_share_groups"))
            changes += _merge(store, scope, found, chunk, unscored, now, decided=decide is not None)
    return changes


def _prepare(store: Store, scope: Scope) -> tuple[int, int]:
    """Open the work tables and fill scope and pairs: (hosts, chunks)."""
    store.execute("matching/open_work")
    host_ids = None if scope.host_ids is None else list(scope.host_ids)
    hosts = store.execute("matching/fill_scope", {"host_ids": host_ids, "chunk_hosts": _chunk(scope)})
    if scope.advisory_ids is not None:
        store.execute("matching/fill_advisories", {"advisory_ids": list(scope.advisory_ids)})
    store.execute("matching/analyze_inputs")
    if scope.advisory_ids is not None:
        store.execute("matching/fill_advisory_pairs")
    elif scope.host_ids is not None:
        store.execute("matching/fill_host_pairs")
    else:
        store.execute("matching/fill_pairs")
    store.execute("matching/analyze_inputs")
    return hosts, -(-hosts // _chunk(scope))


def _chunk(scope: Scope) -> int:
    """A few advisories are few rows on any number of hosts: one chunk up to a hundred thousand."""
    return CHUNK_HOSTS if scope.advisory_ids is None else 100_000


def _merge(
    store: Store, scope: Scope, found: int, chunk: int, unscored: Unscored, now: datetime, *, decided: bool
) -> Changes:
    unscored_values: dict[str, Any] = {"priority": unscored.priority, "deadline": unscored.deadline, "now": now}
    touched: Row | None = None
    new = 0
    if found:
        new = store.execute("matching/insert_new_findings", {**unscored_values, "decided": decided})
        if new < found:
            touched = store.fetch_one("matching/update_matched_findings", unscored_values)
    part = {"chunk": chunk, "now": now}
    if scope.advisory_ids is None:
        closed = store.fetch_one("matching/close_unmatched_findings", part) or {}
    else:
        closed = store.fetch_one("matching/close_unmatched_findings_of_advisories", part) or {}
    return Changes(new=new, **(touched or {}), **closed)
