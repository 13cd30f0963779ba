"""Watching acceptances: what no longer holds ends, and its findings are open again with a new clock.

The rules:

1. What speaks against an acceptance is asked of the facts (acceptance_fault in the warehouse), never of a flag.
2. Only expired: expired. Anything else (KEV, exploitation, a risen priority, a widened scope, an altered record, nothing
   left to cover): voided, with every reason kept.
3. A request whose facts change before it is signed is voided; one whose time to answer is over is rejected.
4. A finding is open again when no signed acceptance covers it; its clock starts at that moment.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from suture import evidence
from suture.risk.acceptance_states import AcceptanceState, StaleAcceptanceError, move_acceptance
from suture.risk.policies import RiskPolicy
from suture.store import Json, Store
from suture.wording import counted

_S = AcceptanceState
_TOLD = 3  # reasons in the sentence; all are in the record
_KEPT = 200  # reasons in the record: a group of a thousand new hosts is one reason, told by its first two hundred
Fault = Mapping[str, Any]


@dataclass(frozen=True)
class WatchCounts:
    """ended: acceptance id → its new state; reopened: findings that are open again."""

    ended: Mapping[str, AcceptanceState]
    reopened: int

    @property
    def sentence(self) -> str:
        ended = ", ".join(f"{name} {state}" for name, state in sorted(self.ended.items())) or "none"
        return f"Acceptances that ended now: {ended}. {counted(self.reopened, 'finding is', 'findings are')} open again."


def watch_acceptances(
    store: Store, policy: RiskPolicy, *, now: datetime, actor: str = "suture:risk_scoring"
) -> WatchCounts:
    """End what no longer holds, and open its findings again."""
    faults: dict[str, list[Fault]] = defaultdict(list)
    for fault in store.fetch_all("acceptance/list_acceptance_faults", {"acceptance_id": None, "at": now}):
        faults[fault["acceptance_id"]].append({key: fault[key] for key in ("kind", "subject", "detail")})
    ended: dict[str, AcceptanceState] = {}
    with store.transaction():
        for row in store.fetch_all("acceptance/list_overdue_requests", {"at": now}):
            reason = f"Nobody answered by {row['answer_by']:%Y-%m-%d %H:%M} UTC: silence is no."
            _end(store, ended, row["acceptance_id"], _S.REQUESTED, _S.REJECTED, reason, (), actor, now)
        for acceptance_id, found in sorted(faults.items()):
            state = _state_of(store, acceptance_id)
            if state not in (_S.REQUESTED, _S.ACTIVE):
                continue
            only_time = {fault["kind"] for fault in found} == {"expired"}
            to = _S.EXPIRED if only_time and state is _S.ACTIVE else _S.VOIDED
            _end(store, ended, acceptance_id, state, to, _sentence(found), found[:_KEPT], actor, now)
        reopened = _reopen(store, policy, actor=actor, now=now)
    return WatchCounts(ended, reopened)


def _end(
    store: Store,
    ended: dict[str, AcceptanceState],
    acceptance_id: str,
    expected: AcceptanceState,
    to: AcceptanceState,
    reason: str,
    faults: Sequence[Fault],
    actor: str,
    now: datetime,
) -> None:
    try:
        move_acceptance(
            store, acceptance_id, expected=expected, to=to, actor=actor, reason=reason, faults=faults, at=now
        )
        ended[acceptance_id] = to
    except StaleAcceptanceError:  # somebody moved it meanwhile: the next look decides
        return


def _reopen(store: Store, policy: RiskPolicy, *, actor: str, now: datetime) -> int:
    rows = store.fetch_all(
        "acceptance/reopen_findings",
        {
            "now": now,
            "hours": Json({word.value: span.total_seconds() / 3600 for word, span in policy.deadlines.items()}),
            "unscored_hours": policy.unscored_deadline.total_seconds() / 3600,
        },
    )
    if rows:
        evidence.record(
            store,
            actor=actor,
            action="findings_reopened",
            subject="findings:accepted",
            grounds={
                "findings": len(rows),
                "reason": "No acceptance covers them any more; their clock starts now.",
                "first": [[row["host_id"], row["advisory_id"]] for row in rows[:_KEPT]],
            },
            at=now,
        )
    return len(rows)


def _state_of(store: Store, acceptance_id: str) -> AcceptanceState:
    row = store.fetch_one("acceptance/fetch_acceptance", {"acceptance_id": acceptance_id})
    assert row is not None
    return AcceptanceState(row["state"])


def _sentence(faults: Sequence[Fault]) -> str:
    more = f" And {len(faults) - _TOLD} more reasons." if len(faults) > _TOLD else ""
    return " ".join(str(fault["detail"]) for fault in faults[:_TOLD]) + more
