"""Backups: what was taken of which host, and whether it was proven."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from suture.store.connection import Store


def record_backup(store: Store, *, campaign_id: str, host_id: str, backup: Mapping[str, Any]) -> None:
    """Note a verified backup, as the host's report gives it (times in ISO 8601)."""
    details = {name: value for name, value in backup.items() if name not in _COLUMNS}
    store.execute(
        "backup/insert_backup",
        {
            "campaign_id": campaign_id,
            "host_id": host_id,
            "tool": backup["tool"],
            "repository": backup["repository"],
            "snapshot_ref": backup["snapshot_ref"],
            "size_bytes": backup["size_bytes"],
            "details": details,
            **{name: datetime.fromisoformat(backup[name]) for name in ("taken_at", "checked_at", "restored_at")},
        },
    )


_COLUMNS = frozenset({"tool", "repository", "snapshot_ref", "taken_at", "checked_at", "restored_at", "size_bytes"})
