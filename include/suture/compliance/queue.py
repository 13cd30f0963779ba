"""The queue of campaigns and the list of open findings, as pages show them. Reads, never writes.

Both are cut to what a page can hold, and say so: a reader must not take the first page for the whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from suture.campaign import CampaignState
from suture.campaign.guidance import next_step
from suture.compliance.document import as_json
from suture.compliance.overview import OVER
from suture.model import Priority
from suture.store import Store

MOST_CAMPAIGNS = 200
FINDINGS_A_PAGE = 100
MOST_PAGES = 200
CONDITIONS: Mapping[str, str] = {
    "held": "on hold on the host: nobody installs the fix",
    "half_configured": "dpkg has not finished with the package",
    "phased": "the fix reaches only a part of the hosts yet",
    "reboot_pending": "the fix is installed, the old kernel still runs: reboot",
    "service_restart_pending": "the fix is installed, a service still runs the old files: restart it",
}
Json = dict[str, Any]


def campaign_queue(store: Store, *, now: datetime, most: int = MOST_CAMPAIGNS) -> Json:
    """Campaigns that are not over, most urgent first, then by deadline: {"campaigns": [...], "more": whether some are left out}.

    Each: `why` (the first reason in one sentence, None when none was kept), `other_reasons`, `overdue`, `next_step`.
    """
    over = [state.value for state in OVER]
    rows = store.fetch_all("campaign/list_live_campaigns", {"over": over, "most": most + 1})
    return {"campaigns": [_queued(row, now) for row in rows[:most]], "more": len(rows) > most}


def open_findings(
    store: Store, *, now: datetime, priority: Priority | None = None, asset_group: str | None = None, page: int = 1
) -> Json:
    """One page of the open findings (of a priority, of an asset group), most urgent first, then by deadline.

    {"findings": [...], "more": whether there is a next page, "last": whether this is the last page that is shown}.
    """
    rows = store.fetch_all(
        "finding/list_open_findings",
        {
            "priorities": [one.value for one in Priority] if priority is None else [priority.value],
            "asset_group": asset_group,
            "rows": FINDINGS_A_PAGE + 1,
            "skipped": (page - 1) * FINDINGS_A_PAGE,
            "through": page * FINDINGS_A_PAGE + 1,
        },
    )
    found: list[Json] = as_json([{**row, "overdue": row["deadline"] < now} for row in rows[:FINDINGS_A_PAGE]])
    return {"findings": found, "more": len(rows) > FINDINGS_A_PAGE, "last": page >= MOST_PAGES}


def _queued(row: Mapping[str, Any], now: datetime) -> Json:
    reasons = _sentences(row["reasons"])
    shown: Json = as_json(
        {
            **{name: value for name, value in row.items() if name != "reasons"},
            "why": reasons[0] if reasons else None,
            "other_reasons": reasons[1:],
            "overdue": row["deadline"] is not None and row["deadline"] < now,
            "next_step": next_step(CampaignState(row["state"]), row["state_reason"]),
        }
    )
    return shown


def _sentences(reasons: Sequence[Any]) -> list[str]:
    return [str(reason.get("sentence", reason)) if isinstance(reason, Mapping) else str(reason) for reason in reasons]
