"""Sources as the warehouse holds them: what was seen of each, which intakes were decided, what is retired."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from suture.store.connection import Row, Store


@dataclass(frozen=True)
class SourceState:
    """The newest Release that was adopted of one suite of a source."""

    source: str
    suite: str
    release_date: datetime
    release_sha256: str
    inrelease_sha256: str
    key_fingerprint: str
    seen_at: datetime


@dataclass(frozen=True)
class RetiredVersion:
    """A source version that was rolled back and is never offered again. asset_group '*': to nobody."""

    source_package: str
    source_version: str
    asset_group: str
    campaign_id: str | None
    reason: str
    retired_at: datetime


def fetch_source_state(store: Store, source: str, suite: str) -> SourceState | None:
    """None: nothing of it was ever adopted."""
    row = store.fetch_one("source_state/fetch_source_state", {"source": source, "suite": suite})
    return SourceState(**row) if row else None


def list_source_states(store: Store) -> list[SourceState]:
    return [SourceState(**row) for row in store.fetch_all("source_state/list_source_states")]


def save_source_state(store: Store, state: SourceState) -> None:
    """Remember it, unless a newer one is remembered already."""
    store.execute("source_state/upsert_source_state", state.__dict__)


def record_intake(
    store: Store,
    *,
    campaign_id: str | None,
    source: str,
    adopted: bool,
    reason: str | None,
    sentence: str,
    snapshot_ref: str | None,
    chain: Mapping[str, Any],
    decided_at: datetime,
) -> int:
    """Write an intake's verdict; its number. reason and snapshot_ref: None when adopted and refused, respectively."""
    row = store.fetch_one(
        "intake/insert_intake",
        {
            "campaign_id": campaign_id,
            "source": source,
            "verdict": "adopted" if adopted else "refused",
            "reason": reason,
            "sentence": sentence,
            "snapshot_ref": snapshot_ref,
            "chain": dict(chain),
            "decided_at": decided_at,
        },
    )
    assert row is not None
    return int(row["intake_id"])


def list_intakes(store: Store, *, campaign_id: str | None = None, limit: int = 100) -> list[Row]:
    """Newest first; of one campaign, or of all (None)."""
    return store.fetch_all("intake/list_intakes", {"campaign_id": campaign_id, "max_rows": limit})


def retire_version(
    store: Store,
    *,
    source_package: str,
    source_version: str,
    campaign_id: str | None,
    reason: str,
    retired_at: datetime,
    asset_group: str = "*",
) -> bool:
    """Never offer this version again, to the asset group or (by '*') to nobody. False: it was retired before."""
    return bool(
        store.execute(
            "retired_version/insert_retired_version",
            {
                "source_package": source_package,
                "source_version": source_version,
                "asset_group": asset_group,
                "campaign_id": campaign_id,
                "reason": reason,
                "retired_at": retired_at,
            },
        )
    )


def list_retired_versions(store: Store, *, asset_group: str = "*") -> list[RetiredVersion]:
    """Those that hold for one asset group, or all ('*')."""
    rows = store.fetch_all("retired_version/list_retired_versions", {"asset_group": asset_group})
    return [RetiredVersion(**row) for row in rows]


def installed_on_campaign_hosts(store: Store, campaign_id: str) -> list[Row]:
    """host_id, package, architecture, version of everything installed on a campaign's hosts, as last collected."""
    return store.fetch_all("campaign/list_campaign_installed_packages", {"campaign_id": campaign_id})


def last_source_intake(store: Store, source: str) -> Row | None:
    """The newest intake of a source outside campaigns; None: it was never taken in on schedule."""
    return store.fetch_one("intake/fetch_last_source_intake", {"source": source})


def was_adopted(store: Store, source: str) -> bool:
    """Whether anything of it was ever taken in on schedule, whatever came after."""
    return store.fetch_one("intake/fetch_source_adopted", {"source": source}) is not None


def save_source_proof(store: Store, row: Mapping[str, Any]) -> None:
    """How a source is now; never over a later judgement."""
    store.execute("source_proof/upsert_source_proof", row)


def list_source_proofs(store: Store) -> list[Row]:
    """Every source that was proven on schedule: refused ones first, then those with alarms."""
    return store.fetch_all("source_proof/list_source_proofs")
