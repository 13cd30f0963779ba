"""The fleet's risk at a glance: open findings by priority and asset group. Reads some hundred rows, whatever the fleet.

Each statement that writes findings adds what it changed, so the numbers are of now; `as_of` is when they were last scored.
Times are exact to the hour.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from suture.model import Priority
from suture.store import Store


@dataclass(frozen=True)
class RiskCount:
    """Findings: open, of these overdue (to the hour) and without_score (no CVSS score: fewer are in the decision's state
    `unscored`, of which nothing is known at all), and accepted. Times None: nothing is open."""

    open: int = 0
    overdue: int = 0
    without_score: int = 0
    accepted: int = 0
    oldest_at: datetime | None = None
    next_deadline: datetime | None = None


@dataclass(frozen=True)
class RiskOverview:
    """as_of None: nothing was ever scored, and the counts say nothing."""

    as_of: datetime | None
    total: RiskCount
    by_priority: Mapping[Priority, RiskCount]
    by_group: Mapping[str, RiskCount]
    by_group_and_priority: Mapping[tuple[str, Priority], RiskCount]


def risk_overview(store: Store, *, now: datetime) -> RiskOverview:
    """Open findings by priority, by asset group and by both."""
    rows = store.fetch_all("risk/list_risk_summary", {"now": now})
    groups = sorted({row["asset_group"] for row in rows})
    return RiskOverview(
        as_of=max((row["summed_at"] for row in rows), default=None),
        total=_sum(rows),
        by_priority={one: _sum(row for row in rows if row["priority"] == one.value) for one in Priority},
        by_group={name: _sum(row for row in rows if row["asset_group"] == name) for name in groups},
        by_group_and_priority={(row["asset_group"], Priority(row["priority"])): _sum([row]) for row in rows},
    )


def _sum(rows: Iterable[Mapping[str, Any]]) -> RiskCount:
    found = list(rows)
    return RiskCount(
        **{name: sum(row[name] or 0 for row in found) for name in ("open", "overdue", "without_score", "accepted")},
        oldest_at=min((row["oldest_at"] for row in found if row["oldest_at"]), default=None),
        next_deadline=min((row["next_deadline"] for row in found if row["next_deadline"]), default=None),
    )
