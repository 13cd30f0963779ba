"""Matching: which advisory is open on which host.

The rules:

1. An advisory is open on a host while any installed component of its package is a version that was decided affected
   (pairs.py, deciding.py): for Debian in exact Debian order, by source package. A package that is removed but not purged
   is not installed; one that is half-configured is.
2. An advisory for one distribution release says nothing about another; one that names none is for all.
3. Distinct (ecosystem, package, version, release) pairs are decided once, and fanned out to hosts in SQL.
4. A finding closes when the host no longer shows it, and opens again, with its clock anew, when it comes back: after a
   downgrade, or when the advisory's range moved and the host's version is in it again. An accepted risk stays accepted
   while it is open. `fixed` is what the host changed; what closes without a change on the host (the advisory withdrawn,
   a range moved, an excuse, another advisory that says the same) is `withdrawn`.
5. Nothing closes while the fix is half installed, or while the kernel that runs is not known to be the new one. A
   finding that takes another one's place (the same vulnerability, a newer fix) takes its clock.
6. A version that is no version matches nothing and is reported: uncertain is not the same as safe.

What matching finds is not yet scored: until it is, the policy's rule for the unscored holds.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from suture import evidence
from suture.inventory.pairs import decide_pairs
from suture.model import Priority
from suture.store import Json, Store


@dataclass(frozen=True)
class MatchCounts:
    """What one matching changed. unreadable: hosts' versions that no order can read."""

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
    with store.transaction():
        pairs = decide_pairs(store, now=now)
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
                grounds={
                    **asdict(counts),
                    "unreadable_versions": [row["version"] for row in unreadable[:50]],
                    "not_compared": list(pairs.uncertain[:50]),
                },
                at=now,
            )
    return counts


def _counted(touched: list[dict[str, Any]], closed: list[dict[str, Any]], unreadable: int) -> MatchCounts:
    new = sum(row["is_new"] for row in touched)
    reopened = sum(row["is_reopened"] and not row["is_new"] for row in touched)
    withdrawn = sum(row["status"] == "withdrawn" for row in closed)
    fixed = sum(row["status"] == "fixed" for row in closed)
    return MatchCounts(
        new=new,
        reopened=reopened,
        updated=len(touched) - new - reopened,
        fixed=fixed,
        withdrawn=withdrawn,
        unreadable=unreadable,
    )
