"""Steps: what was done to which host for which plan, so that a second try does not repeat what the first has finished.

A step is known by campaign, host, step name and plan hash. `done` is kept; `running`, `failed` and `unknown` are
tried again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from suture.store.connection import Store


class StepStatus(StrEnum):
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class HostStep:
    """error is None unless it failed; finished_at is None while it runs (or when its runner was killed)."""

    host_id: str
    step: str
    status: StepStatus
    token: int
    report: Mapping[str, Any]
    error: str | None
    started_at: datetime
    finished_at: datetime | None


def list_steps(store: Store, campaign_id: str, plan_hash: str, *, step: str | None = None) -> list[HostStep]:
    """Every step of a plan (or those of one name), in order of their start."""
    rows = store.fetch_all("host_step/list_host_steps", {"campaign_id": campaign_id, "plan_hash": plan_hash})
    return [
        HostStep(
            host_id=row["host_id"],
            step=row["phase"],
            status=StepStatus(row["status"]),
            token=row["token"],
            report=row["report"],
            error=row["error"],
            started_at=row["started_at"],
            finished_at=row["finished_at"],
        )
        for row in rows
        if step is None or row["phase"] == step
    ]


def begin(store: Store, *, campaign_id: str, host_id: str, step: str, plan_hash: str, token: int) -> bool:
    """Note that a step begins. False: it is done already, or a newer try has it."""
    values = {"campaign_id": campaign_id, "host_id": host_id, "phase": step, "plan_hash": plan_hash, "token": token}
    return store.execute("host_step/begin_host_step", values) == 1


def finish(
    store: Store,
    *,
    campaign_id: str,
    host_id: str,
    step: str,
    plan_hash: str,
    token: int,
    status: StepStatus,
    report: Mapping[str, Any] | None = None,
    error: str | None = None,
) -> bool:
    """Note how a step ended. False: a newer try has taken it over, and what this one saw is not noted."""
    values = {
        "campaign_id": campaign_id,
        "host_id": host_id,
        "phase": step,
        "plan_hash": plan_hash,
        "token": token,
        "status": status.value,
        "report": dict(report or {}),
        "error": error,
    }
    return store.execute("host_step/finish_host_step", values) == 1


def reopen(
    store: Store, *, campaign_id: str, plan_hash: str, host_ids: Sequence[str], steps: Sequence[str], reason: str
) -> int:
    """Done steps that are true no more (their hosts were rolled back): they may be done again; how many."""
    values = {
        "campaign_id": campaign_id,
        "plan_hash": plan_hash,
        "host_ids": list(host_ids),
        "phases": list(steps),
        "reason": reason,
    }
    return store.execute("host_step/reopen_host_steps", values)
