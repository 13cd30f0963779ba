"""What became more urgent, and the moves to earlier windows, as pages and the command show them. Reads, never writes."""

from __future__ import annotations

from typing import Any

from suture.campaign.window_moves import moves_of
from suture.compliance.document import as_json
from suture.store import Store

Json = dict[str, Any]


def urgency_feed(store: Store, *, limit: int = 200, cve_id: str | None = None) -> list[Json]:
    """The newest changes first: CVE, kind, before and after, source, reason, findings and hosts then, campaigns now."""
    found: list[Json] = as_json(
        store.fetch_all("threat/list_urgency_changes", {"max_rows": limit, "cve_id": cve_id})
    )
    return found


def window_moves(store: Store, campaign_id: str | None = None) -> list[Json]:
    """Proposed, released, refused and lapsed moves of campaigns to earlier windows, newest first."""
    found: list[Json] = as_json(moves_of(store, campaign_id))
    return found
