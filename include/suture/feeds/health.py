"""How the feeds are: which copy stands, how old it is, what lies in quarantine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

from suture.feeds.errors import StaleFeedError
from suture.feeds.policies import FeedSource, FeedsPolicy
from suture.store import Store
from suture.wording import counted

ARCHIVE_FRESHNESS = timedelta(hours=26)  # sources of sources.yaml sync with the feeds, but have no entry of their own
_OLD = timedelta(hours=72)  # catalogues are silent over a weekend


class FeedState(StrEnum):
    """fresh: well within its goal. quarantined: the last good data is, but what came since was refused. stale: the last
    good data was read longer ago than its goal, or is too old by its own date. never: there is no good data. off: policy
    does not use it."""

    FRESH = "fresh"
    QUARANTINED = "quarantined"
    STALE = "stale"
    NEVER = "never"
    OFF = "off"


@dataclass(frozen=True)
class FeedHealth:
    """One source. well_at: when it was last accepted or seen unchanged, None for never; data_date: what the copy that
    stands says of its own age, None when it does not; dated_snapshot: the date of the copy read
    instead of the live source; age: since well_at, None for never; goal: how old it may become."""

    source: str
    enabled: bool
    required: bool
    stale: bool
    last_status: str | None
    last_reason: str | None
    last_tried_at: datetime | None
    well_at: datetime | None
    accepted_at: datetime | None
    data_date: datetime | None
    dated_snapshot: date | None
    records: int
    quarantined: int
    sentence: str
    state: FeedState
    age: timedelta | None
    goal: timedelta
    format: str | None = None


def feed_health(store: Store, policy: FeedsPolicy, *, now: datetime) -> list[FeedHealth]:
    """Every source of feeds.yaml in its order, then those that the warehouse knows besides (apt archives)."""
    rows = {row["source"]: row for row in store.fetch_all("feed/list_feed_status")}
    known = [_health(source.name, source, rows.get(source.name), now) for source in policy.sources]
    names = {source.name for source in policy.sources}
    return known + [_health(name, None, row, now) for name, row in rows.items() if name not in names]


def stale_feeds(store: Store, policy: FeedsPolicy, *, now: datetime) -> list[FeedHealth]:
    """The required sources that are stale now: while there is one, no urgency is lowered."""
    return [found for found in feed_health(store, policy, now=now) if found.required and found.stale]


def require_fresh(store: Store, policy: FeedsPolicy, *, now: datetime) -> None:
    """Raise StaleFeedError when a required source is stale."""
    stale = stale_feeds(store, policy, now=now)
    if stale:
        raise StaleFeedError(
            " ".join(found.sentence for found in stale),
            remedy="Nothing is planned from stale data: mend the feed, or load a copy with `./suture feed load`.",
        )


def _health(name: str, source: FeedSource | None, row: Mapping[str, Any] | None, now: datetime) -> FeedHealth:
    enabled = source.enabled if source else True
    freshness = source.freshness if source else ARCHIVE_FRESHNESS
    well_at = row["well_at"] if row else None
    data_date = row["data_date"] if row else None
    stale = enabled and (well_at is None or now - well_at > freshness)
    snapshot = source.dated_snapshot if source else None
    limits = [source.max_data_age, None if snapshot else source.data_freshness] if source else []
    if data_date and any(limit is not None and now - data_date > limit for limit in limits):
        stale = enabled
    return FeedHealth(
        source=name,
        enabled=enabled,
        required=source.required if source else False,
        stale=stale,
        last_status=row["status"] if row else None,
        last_reason=row["reason"] if row else None,
        last_tried_at=row["tried_at"] if row else None,
        well_at=well_at,
        accepted_at=row["accepted_at"] if row else None,
        data_date=data_date,
        dated_snapshot=source.dated_snapshot if source else None,
        records=(row["record_count"] or 0) if row else 0,
        quarantined=row["quarantined"] if row else 0,
        sentence=_sentence(name, enabled, row, snapshot, stale, now),
        state=_state(enabled, stale, row),
        age=now - well_at if well_at else None,
        goal=freshness,
        format=source.format if source else None,
    )


def _state(enabled: bool, stale: bool, row: Mapping[str, Any] | None) -> FeedState:
    if not enabled:
        return FeedState.OFF
    if row is None or row["well_at"] is None:
        return FeedState.NEVER
    if stale:
        return FeedState.STALE
    return FeedState.QUARANTINED if row["status"] in ("quarantined", "replayed") else FeedState.FRESH


def _sentence(
    name: str, enabled: bool, row: Mapping[str, Any] | None, snapshot: date | None, stale: bool, now: datetime
) -> str:
    if not enabled:
        off = f"{name} is switched off by policy"
        if row is None or not row["record_count"]:
            return f"{off}."
        return f"{off}; it holds {counted(row['record_count'], 'record')}, well {_age(now - row['well_at'])} ago."
    if row is None or row["well_at"] is None:
        last = f" The last try: {str(row['reason']).rstrip('.')}." if row and row["reason"] else ""
        return f"{name} was never loaded.{last}"
    by_hand = str(row["accepted_url"] or "").startswith("file:")
    origin = f"a dated snapshot of {snapshot.isoformat()}" if snapshot else "from files" if by_hand else "live"
    dated = f", its data of {row['data_date']:%Y-%m-%d}" if row["data_date"] else ""
    if dated and not snapshot and now - row["data_date"] > _OLD:  # a mirror that stands still is read well each day
        dated += f", {_age(now - row['data_date'])} old"
    text = f"{name} ({origin}{dated}): {counted(row['record_count'] or 0, 'record')}, well {_age(now - row['well_at'])} ago"
    if row["status"] not in ("accepted", "unchanged"):
        text += f"; the last try was {row['status']}: {str(row['reason']).rstrip('.')}"
    return text + ("; stale." if stale else ".")


def _age(span: timedelta) -> str:
    hours = span.total_seconds() / 3600
    return (
        f"{hours * 60:.0f} minutes" if hours < 2 else f"{hours:.0f} hours" if hours < 72 else f"{hours / 24:.0f} days"
    )
