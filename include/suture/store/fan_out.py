"""Fan-out: what advisories and hosts say now, brought into `finding`.

The rules:

1. A scope is all hosts and all advisories, some hosts with all advisories, or some advisories on all hosts. Inside its
   scope a run leaves the findings as a run over everything would.
2. Distinct (source package, version, release) are compared once; what hosts have of a source package (a holding, kept in
   holdings.py) is resolved once, and what it comes to on a kind of asset is made once (an outcome).
3. Groups of hosts that have a holding alike are compared with the shared findings that stand, as a whole. Only those that
   differ are opened and compared host by host. Groups, and hosts of a scope, are taken in chunks, so that the time of a
   statement stays bounded however large the fleet is. All chunks are one transaction.
4. A row that is already right is not written.
5. `decide`, where given, is called before findings are written: new ones then get their decision at once and are not
   written twice.
6. A scope of few advisories, on hosts that are one chunk, fills the templates of the work tables in place of making some, and
   empties them before it ends. The planner knows nothing of them (or something old), so that more than some rows are counted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime

from suture.store.connection import Row, Store

CHUNK_HOSTS = 1_024  # of a scope of hosts; as a block of shared_finding has
CHUNK_BLOCKS = 16  # of groups
FEW = 200  # advisories
ANALYZED = 500  # rows in a template: fewer are joined as well without knowing how many they are
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


@dataclass(frozen=True)
class _Plan:
    """hosts looked at, in how many chunks; in_place: the templates are filled, and no work tables are made."""

    hosts: int
    chunks: int
    in_place: bool


def fan_out(store: Store, scope: Scope, *, unscored: Unscored, now: datetime, decide: Decide | None = None) -> Changes:
    """Match one scope in SQL. advisory_pair and holdings must be up to date. Runs in the caller's transaction, or in one of
    its own."""
    with store.transaction():
        plan = _prepare(store, scope)
        _outcomes(store, scope, plan, unscored, now, decide)
        outlook = store.fetch_one("matching/fetch_outlook", {"of_advisories": scope.advisory_ids is not None})
        assert outlook is not None
        inherits, known = outlook["inherits"], outlook["stands"]
        changes = Changes(hosts=plan.hosts)
        if known:
            store.execute("matching/open_standing_work")
        for chunk in range(plan.chunks):
            stands = _fill(store, scope, plan, chunk, known=known)
            changes += _merge(store, unscored, now, stands=stands, inherits=inherits)
        if scope == Scope():
            store.fetch_one("matching/analyze_tables")
        if plan.in_place:
            store.execute("matching/close_work")
    return changes


def _prepare(store: Store, scope: Scope) -> _Plan:
    """Open the work tables and fill scope and pairs."""
    if scope.host_ids is not None:
        store.execute("matching/open_work", {"in_place": False})
        hosts = store.execute(
            "matching/fill_scope", {"host_ids": list(scope.host_ids), "chunk_hosts": CHUNK_HOSTS}
        )
        plan = _Plan(hosts, -(-hosts // CHUNK_HOSTS), in_place=False)
    else:
        found = store.fetch_one("matching/fetch_blocks") or {"hosts": 0, "last_block": -1}
        chunks = found["last_block"] // CHUNK_BLOCKS + 1
        few = scope.advisory_ids is not None and len(scope.advisory_ids) <= FEW
        plan = _Plan(found["hosts"], chunks, in_place=few and chunks <= 1)
        store.execute("matching/open_work", {"in_place": plan.in_place})
    if scope == Scope():
        store.fetch_one("matching/analyze_tables")
    if scope.advisory_ids is not None:
        pairs = store.execute("matching/fill_advisory_pairs", {"advisory_ids": list(scope.advisory_ids)})
    else:
        store.execute("matching/analyze_inputs")
        pairs = store.execute("matching/fill_pairs" if scope.host_ids is None else "matching/fill_host_pairs")
        store.execute("matching/fill_affected")
    if pairs > ANALYZED or not plan.in_place:
        store.execute("matching/analyze_inputs")
    return plan


def _outcomes(
    store: Store, scope: Scope, plan: _Plan, unscored: Unscored, now: datetime, decide: Decide | None
) -> None:  # fmt: skip
    """What holdings come to, and on each kind of asset that has them: does not grow with hosts."""
    of_hosts = scope.host_ids is not None
    found = store.execute("matching/fill_found", {"of_hosts": of_hosts})
    if not found:
        return
    places = store.execute("matching/fill_places_of_hosts" if of_hosts else "matching/fill_places")
    if plan.in_place and max(found, places) > ANALYZED:
        store.execute("matching/analyze_found")
    if decide is not None:
        decide(store.fetch_all("decision/list_share_groups"))
    outcome = {"priority": unscored.priority, "deadline": unscored.deadline, "now": now}
    store.execute("matching/fill_outcomes", {**outcome, "decided": decide is not None})
    store.execute("matching/analyze_outcomes")


def _fill(store: Store, scope: Scope, plan: _Plan, chunk: int, *, known: bool) -> bool:
    """What the chunk's hosts show (work_group, work_shown) beside the findings that they have (work_standing); whether they
    have any. What is settled is in neither. known: some may have one."""
    if chunk:
        store.execute("matching/empty_chunk")
        if known:
            store.execute("matching/empty_standing")
    if scope.host_ids is not None:
        store.execute("matching/fill_shown_of_hosts", {"chunk": chunk})
        stands = store.execute("matching/fill_standing_of_hosts", {"chunk": chunk}) > 0
    else:
        blocks = {"first_block": chunk * CHUNK_BLOCKS, "last_block": (chunk + 1) * CHUNK_BLOCKS - 1}
        part = {**blocks, "of_advisories": scope.advisory_ids is not None}
        if known:
            store.execute("matching/fill_settled", part)
        groups = store.execute("matching/fill_groups", blocks)
        if plan.in_place and groups > ANALYZED:
            store.execute("matching/analyze_groups")
        stands = known and store.execute("matching/fill_standing", part) > 0
        if stands:
            store.execute("matching/open_groups")
    if stands:
        store.execute("matching/analyze_chunk")
    return stands


def _merge(store: Store, unscored: Unscored, now: datetime, *, stands: bool, inherits: bool) -> Changes:
    heirs = store.execute("matching/fill_heirs") if inherits and stands else 0
    made = store.fetch_one("matching/insert_new_findings", {"now": now})
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
