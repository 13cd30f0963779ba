"""Risk acceptances as pages, reports and the command show them. Reads, never writes.

Whether one holds is asked of the facts at the moment of reading: `active` in the table is not enough. An acceptance that
expired a minute ago, or that a new KEV entry contradicts, is shown as not valid before any DAG has run.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from suture.compliance.document import as_json
from suture.errors import BadInputError
from suture.store import Store

Json = dict[str, Any]
_MOST_FINDINGS = 1000
_ENDED = {
    "rejected": "It was rejected.",
    "expired": "It expired.",
    "voided": "It was voided.",
    "superseded": "A newer acceptance took its place.",
}


def acceptance_list(store: Store, *, now: datetime, state: str | None = None) -> list[Json]:
    """Every acceptance (of a state), newest first: `valid` with `why_not` from the facts of `now`, days left, counts."""
    faults = _faults(store, None, now)
    rows = store.fetch_all("acceptance/list_acceptances", {"acceptance_id": None, "state": state})
    return [_shown(row, faults[row["acceptance_id"]], now) for row in rows]


def acceptance_view(store: Store, acceptance_id: str, *, now: datetime) -> Json:
    """One acceptance with its votes and covered findings (at most a thousand; `findings` counts all).

    Raises BadInputError when there is none of that name.
    """
    row = store.fetch_one("acceptance/list_acceptances", {"acceptance_id": acceptance_id, "state": None})
    if row is None:
        raise BadInputError(
            f"There is no acceptance {acceptance_id!r}.", remedy="`./suture acceptance list` shows all there are."
        )
    covered = store.fetch_all(
        "acceptance/list_covered_findings", {"acceptance_id": acceptance_id, "max_rows": _MOST_FINDINGS}
    )
    votes = store.fetch_all("acceptance/list_votes", {"acceptance_id": acceptance_id})
    found: Json = as_json({"votes": votes, "covered": covered})
    return {**_shown(row, _faults(store, acceptance_id, now)[acceptance_id], now), **found}


def _faults(store: Store, acceptance_id: str | None, now: datetime) -> Mapping[str, list[Json]]:
    found: dict[str, list[Json]] = defaultdict(list)
    for row in store.fetch_all("acceptance/list_acceptance_faults", {"acceptance_id": acceptance_id, "at": now}):
        found[row["acceptance_id"]].append({key: row[key] for key in ("kind", "subject", "detail")})
    return found


def _shown(row: Mapping[str, Any], faults: list[Json], now: datetime) -> Json:
    if row["state"] == "active":
        why_not = " ".join(fault["detail"] for fault in faults[:3]) or None
    elif row["state"] == "requested":
        why_not = "Nobody has signed all of it yet."
    else:
        why_not = f"{_ENDED[row['state']]} {row['state_reason']}"
    left = (row["expires_at"] - now).total_seconds() / 86400
    shown: Json = as_json(
        {
            **row,
            "valid": why_not is None,
            "why_not": why_not,
            "faults": faults,
            "days_left": round(left, 1) if why_not is None else 0.0,
            "review_due": why_not is None and row["review_on"] <= now.date(),
            "age_days": round((now - row["requested_at"]).total_seconds() / 86400, 1),
        }
    )
    return shown
