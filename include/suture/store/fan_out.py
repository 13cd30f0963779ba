"""Fan-out: what advisories and hosts say now, brought into `finding`.

The rules:

1. A scope is all hosts and all advisories, some hosts with all advisories, or some advisories on all hosts. Inside its
   scope a run leaves the findings as a run over everything would.
2. Distinct (source package, version, release) are compared once; what hosts have of a source package (a situation) is
   resolved once, and what it comes to on a kind of asset is made once (an outcome). Hosts are taken in chunks, so that
   memory and the time of a statement stay bounded however large the fleet is; what the chunks share is kept. All chunks
   are one transaction.
3. A row that is already right is not written.
4. `decide`, where given, is called for each chunk with what is new in it, before its findings are written: new findings
   then get their decision at once and are not written twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime

from suture.store.connection import Row, Store

CHUNK_HOSTS = 1_024  # as a block of shared_finding has
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
        hosts = _prepare(store, scope)
        heirs = store.fetch_one("matching/count_heirs")
        inherits = bool(heirs and heirs["pairs"])
        changes = Changes(hosts=hosts)
        for chunk in range(-(-hosts // _chunk(scope))):
            _fill(store, scope, chunk, unscored, now, decide)
            changes += _merge(store, unscored, now, inherits=inherits)
        if scope == Scope():
            store.fetch_one("matching/analyze_tables")
    return changes


def _prepare(store: Store, scope: Scope) -> int:
    """Open the work tables and fill scope and pairs; how many hosts there are."""
    store.execute("matching/open_work")
    if scope == Scope():
        store.fetch_one("matching/analyze_tables")
    host_ids = None if scope.host_ids is None else list(scope.host_ids)
    store.execute("matching/number_hosts", {"host_ids": host_ids})
    store.execute("matching/fill_kinds", {"host_ids": host_ids})
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
    store.execute("matching/fill_affected")
    store.execute("matching/analyze_inputs")
    return hosts


def _chunk(scope: Scope) -> int:
    """A few advisories are few rows on any number of hosts: one chunk up to a hundred thousand."""
    return CHUNK_HOSTS if scope.advisory_ids is None else 100_000


def _fill(store: Store, scope: Scope, chunk: int, unscored: Unscored, now: datetime, decide: Decide | None) -> None:
    """What the chunk's hosts show (work_held with work_outcome), and the findings that they have (work_standing)."""
    part = {"chunk": chunk}
    store.execute("matching/empty_chunk")
    before = store.fetch_one("matching/fetch_known")
    known = {"known": before["situations"] if before else 0}
    of_advisories = scope.advisory_ids is not None
    store.execute("matching/fill_held_of_advisories" if of_advisories else "matching/fill_held", {**part, **known})
    if store.execute("matching/fill_found", known) + store.execute("matching/fill_places", part):
        if decide is not None:
            decide(store.fetch_all("decision/list_share_groups", part))
        outcome = {"priority": unscored.priority, "deadline": unscored.deadline, "now": now}
        store.execute("matching/fill_outcomes", {**part, **outcome, "decided": decide is not None})
    store.execute("matching/fill_standing_of_advisories" if of_advisories else "matching/fill_standing", part)
    store.execute("matching/analyze_chunk")


def _merge(store: Store, unscored: Unscored, now: datetime, *, inherits: bool) -> Changes:
    standing = store.fetch_one("matching/count_standing")
    stands = bool(standing and standing["stands"])
    heirs = store.execute("matching/fill_heirs") if inherits and stands else 0
    made = store.fetch_one("matching/insert_new_findings" if stands else "matching/insert_first_findings", {"now": now})
    new = int(made["findings"]) if made else 0
    if heirs:
        store.execute("matching/fill_touched_heirs")
        store.fetch_one("matching/single_out_touched")
        store.execute("matching/pass_on_clocks")
    if not stands:
        return Changes(new=new)
    if store.execute("matching/fill_touched"):
        store.fetch_one("matching/single_out_touched")
    again = {"priority": unscored.priority, "deadline": unscored.deadline, "now": now}
    touched = store.fetch_one("matching/update_matched_findings", again) or {}
    closed = store.fetch_one("matching/close_unmatched_findings", {"now": now}) or {}
    return Changes(new=new, **touched, **closed)
