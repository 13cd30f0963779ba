"""Decisions as the warehouse keeps them: one row for all findings of one advisory on one kind of asset.

A decision with another outcome (priority, score, time, due date) is a new row, and the old one is superseded: findings
that may not be lowered stay with it. The same outcome on other grounds is written into the row, so that a new day's EPSS
costs as many writes as there are decisions, not as there are findings. What a closed finding was decided on stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import Any

import msgspec

from suture.store.connection import Store

_COLUMNS = (
    "advisory_id",
    "asset_group",
    "criticality",
    "exposure",
    "priority",
    "priority_rank",
    "score",
    "within_hours",
    "due_dates",
    "reasons",
    "grounds_digest",
)


@dataclass(frozen=True)
class Settled:
    """given: decisions handed in; restated: ids of those that keep their outcome and give new reasons."""

    given: int = 0
    fresh: int = 0
    restated: tuple[int, ...] = field(default=())


def settle(store: Store, rows: Iterable[Mapping[str, Any]], *, now: datetime, first: bool = False) -> Settled:
    """Make these decisions the current ones. rows: as table work_decision; they are streamed, not kept.

    first: nothing was decided on any of them before, so that there is nothing to compare them with."""
    remaining = iter(rows)
    one = next(remaining, None)
    if one is None:
        return Settled()
    values = map(_values, chain((one,), remaining))
    if first:
        given = store.copy_rows("decision", (*_COLUMNS, "decided_at"), ([*row, now] for row in values))
        return Settled(given, given)
    with store.transaction():
        store.execute("decision/open_work")
        given = store.copy_rows("work_decision", _COLUMNS, values)
        store.execute("decision/analyze_work")
        store.execute("decision/keep_decisions_of_closed_findings", {"now": now})
        restated = store.fetch_all("decision/update_decision_reasons", {"now": now})
        store.execute("decision/supersede_decisions", {"now": now})
        fresh = store.execute("decision/insert_decisions", {"now": now})
    return Settled(given, fresh, tuple(row["decision_id"] for row in restated))


def _values(row: Mapping[str, Any]) -> list[Any]:
    """Reasons are some kilobytes of JSON each: encoded here, since json.dumps took a fifth of the time of deciding."""
    return [msgspec.json.encode(row[name]).decode() if name == "reasons" else row[name] for name in _COLUMNS]


def findings_on(store: Store, decision_ids: Iterable[int]) -> int:
    """How many scored open findings rest on these decisions."""
    wanted = list(decision_ids)
    row = store.fetch_one("decision/count_decided_findings", {"decision_ids": wanted}) if wanted else None
    return int(row["findings"]) if row else 0
