"""Matching: which advisory is open on which host.

The rules:

1. An advisory is open on a host while any installed binary package of its source package comes from a source version
   older than the fixed one, in exact Debian order. A package that is removed but not purged is not installed; one that
   is half-configured is.
2. An advisory for one distribution release says nothing about another; one that names none is for all.
3. Distinct (source package, version) pairs are compared once, in SQL by their sort key, and fanned out to hosts
   (store/fan_out.py).
4. A finding closes when the host no longer shows it, and opens again, with its clock anew, when it comes back. An
   accepted risk stays accepted while it is open. A withdrawn advisory withdraws its findings.
5. A version that is no Debian version matches nothing and is reported: uncertain is not the same as safe.

6. Once everything was matched, only what changed since is looked at: hosts whose packages or release changed, and
   advisories that are new, changed or withdrawn. The findings are then as a run over everything would leave them.

What matching finds is not yet scored: until it is, the policy's rule for the unscored holds. Where `decide` is given
(risk/scoring.py: `Decider`), new findings get their decision in the same write.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from suture import evidence
from suture.inventory.debian_version import BadVersionError, sort_key
from suture.model import Priority
from suture.store import Json, Store
from suture.store.fan_out import Changes, Decide, Scope, Unscored, fan_out

_KEYS_AT_ONCE = 10_000
_LOCK_KEY = 0x5075_6D61  # any constant: two matchings wait for one another
_PART = 0.3  # of the hosts: where more changed, a run over everything is no slower


@dataclass(frozen=True)
class MatchCounts:
    """What one matching changed. unreadable: hosts' source versions that are no Debian versions."""

    new: int
    reopened: int
    updated: int
    fixed: int
    withdrawn: int
    unreadable: int

    @property
    def sentence(self) -> str:
        text = (
            f"{self.new} findings new, {self.reopened} opened again, {self.updated} with another installed version, "
            f"{self.fixed} fixed, {self.withdrawn} withdrawn."
        )
        return text + (f" {self.unreadable} versions could not be read and match nothing." if self.unreadable else "")


def match_all(
    store: Store,
    *,
    now: datetime,
    unscored_priority: Priority,
    unscored_deadline: timedelta,
    decide: Decide | None = None,
    whole: bool = False,
    actor: str = "suture:risk_scoring",
) -> MatchCounts:
    """Bring the findings to what hosts and advisories say now, with evidence when anything changed.

    whole: look at everything, also where only a part changed.
    """
    started = time.monotonic()
    with store.transaction():
        store.execute("matching/lock_matching", {"key": _LOCK_KEY})
        scopes = _scopes(store, whole=whole)
        changes = Changes()
        for scope in scopes:
            fill_version_keys(store, scope)
            changes += fan_out(
                store, scope, unscored=Unscored(unscored_priority.value, now + unscored_deadline), now=now, decide=decide
            )
        counts = _closed_with_evidence(store, changes, actor=actor, now=now)
        if scopes:
            _note_run(store, scopes, changes, seconds=time.monotonic() - started, now=now)
    return counts


def match_hosts(
    store: Store,
    host_ids: Sequence[str],
    *,
    now: datetime,
    unscored_priority: Priority,
    unscored_deadline: timedelta,
    decide: Decide | None = None,
    actor: str = "suture:risk_scoring",
) -> MatchCounts:
    """Match some hosts only, as after a patch or for one host's page. Their marks stay for the next `match_all`."""
    scope = Scope(host_ids=tuple(host_ids))
    unscored = Unscored(unscored_priority.value, now + unscored_deadline)
    with store.transaction():
        store.execute("matching/lock_matching", {"key": _LOCK_KEY})
        fill_version_keys(store, scope)
        changes = fan_out(store, scope, unscored=unscored, now=now, decide=decide)
        return _closed_with_evidence(store, changes, actor=actor, now=now)


def _scopes(store: Store, *, whole: bool) -> list[Scope]:
    """What has to be looked at. The marks are taken before anything is read: what comes in later leaves new ones."""
    hosts = [row["host_id"] for row in store.fetch_all("matching/take_host_changes")]
    advisories = [row["advisory_id"] for row in store.fetch_all("matching/take_advisory_changes")]
    standing = store.fetch_one("matching/fetch_standing") or {"matched_whole": False, "hosts": 0}
    if whole or not standing["matched_whole"] or len(hosts) > _PART * standing["hosts"]:
        return [Scope()]
    scopes = []
    if hosts:
        scopes.append(Scope(host_ids=hosts))
    if advisories:
        scopes.append(Scope(advisory_ids=advisories))
    return scopes


def _closed_with_evidence(store: Store, changes: Changes, *, actor: str, now: datetime) -> MatchCounts:
    unreadable = store.fetch_all("finding/list_unreadable_versions")
    counts = MatchCounts(
        new=changes.new,
        reopened=changes.reopened,
        updated=changes.updated,
        fixed=changes.fixed,
        withdrawn=changes.withdrawn,
        unreadable=len(unreadable),
    )
    if changes.new or changes.reopened or changes.updated or changes.fixed or changes.withdrawn:
        evidence.record(
            store,
            actor=actor,
            action="findings_matched",
            subject="findings:all",
            grounds={**asdict(counts), "unreadable_versions": [row["version"] for row in unreadable[:50]]},
            at=now,
        )
    return counts


def _note_run(store: Store, scopes: Sequence[Scope], changes: Changes, *, seconds: float, now: datetime) -> None:
    whole = scopes == [Scope()]
    advisories = [len(scope.advisory_ids) for scope in scopes if scope.advisory_ids is not None]
    store.execute(
        "matching/insert_match_run",
        {
            "scope": "all" if whole else "changes",
            "engine": "sql",
            "hosts": changes.hosts,
            "advisories": None if whole else sum(advisories),
            "seconds": round(seconds, 3),
            "matched_at": now,
        },
    )


def fill_version_keys(store: Store, scope: Scope | None = None) -> int:
    """Give every version that hosts or advisories (of a scope) name its sort key; how many were new."""
    if scope is None or scope == Scope():
        rows = store.fetch_all("finding/list_unkeyed_versions")
    else:
        part = {"host_ids": list(scope.host_ids or ()), "advisory_ids": list(scope.advisory_ids or ())}
        rows = store.fetch_all("finding/list_unkeyed_versions_of", part)
    fresh = [row["version"] for row in rows]
    for start in range(0, len(fresh), _KEYS_AT_ONCE):
        keyed = [_key_row(version) for version in fresh[start : start + _KEYS_AT_ONCE]]
        store.execute("finding/insert_version_keys", {"rows": Json(keyed)})
    return len(fresh)


def _key_row(version: str) -> dict[str, str | None]:
    try:
        return {"version": version, "sort_key_hex": sort_key(version).hex(), "error": None}
    except BadVersionError as error:
        return {"version": version, "sort_key_hex": None, "error": error.message}
