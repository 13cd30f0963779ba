"""Matching: which advisory is open on which host.

The rules:

1. An advisory is open on a host while any installed binary package of its source package comes from a source version
   older than the fixed one, in exact Debian order. A package that is removed but not purged is not installed; one that
   is half-configured is.
2. An advisory for one distribution release says nothing about another; one that names none is for all.
3. Distinct (source package, version) pairs are compared once, in SQL by their sort key, and fanned out to hosts.
4. A finding closes when the host no longer shows it, and opens again, with its clock anew, when it comes back. An
   accepted risk stays accepted while it is open. A withdrawn advisory withdraws its findings.
5. A version that is no Debian version matches nothing and is reported: uncertain is not the same as safe.

What matching finds is not yet scored: until it is, the policy's rule for the unscored holds.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from suture import evidence
from suture.inventory.debian_version import BadVersionError, sort_key
from suture.model import Priority
from suture.store import Json, Store

_KEYS_AT_ONCE = 10_000


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
    actor: str = "suture:risk_scoring",
) -> MatchCounts:
    """Bring the findings to what hosts and advisories say now, with evidence when anything changed."""
    fill_version_keys(store)
    with store.transaction():
        touched = store.fetch_all(
            "finding/upsert_matched_findings",
            {
                "priority": unscored_priority.value,
                "deadline": now + unscored_deadline,
                "reasons": Json(
                    {"state": "unscored", "sentence": "Matched, not scored yet.", "inputs": [], "cves": []}
                ),
                "now": now,
            },
        )
        closed = store.fetch_all("finding/close_unmatched_findings", {"now": now})
        unreadable = store.fetch_all("finding/list_unreadable_versions")
        counts = _counted(touched, closed, len(unreadable))
        if touched or closed:
            evidence.record(
                store,
                actor=actor,
                action="findings_matched",
                subject="findings:all",
                grounds={**asdict(counts), "unreadable_versions": [row["version"] for row in unreadable[:50]]},
                at=now,
            )
    return counts


def fill_version_keys(store: Store) -> int:
    """Give every version that hosts or advisories name its sort key; how many were new."""
    fresh = [row["version"] for row in store.fetch_all("finding/list_unkeyed_versions")]
    for start in range(0, len(fresh), _KEYS_AT_ONCE):
        rows = [_key_row(version) for version in fresh[start : start + _KEYS_AT_ONCE]]
        store.execute("finding/insert_version_keys", {"rows": Json(rows)})
    return len(fresh)


def _key_row(version: str) -> dict[str, str | None]:
    try:
        return {"version": version, "sort_key_hex": sort_key(version).hex(), "error": None}
    except BadVersionError as error:
        return {"version": version, "sort_key_hex": None, "error": error.message}


def _counted(touched: list[dict[str, Any]], closed: list[dict[str, Any]], unreadable: int) -> MatchCounts:
    new = sum(row["is_new"] for row in touched)
    reopened = sum(row["is_reopened"] and not row["is_new"] for row in touched)
    withdrawn = sum(row["status"] == "withdrawn" for row in closed)
    return MatchCounts(
        new=new,
        reopened=reopened,
        updated=len(touched) - new - reopened,
        fixed=len(closed) - withdrawn,
        withdrawn=withdrawn,
        unreadable=unreadable,
    )
