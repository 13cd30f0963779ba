"""One source of feeds.yaml, typed. It stands apart from the policy's reading: formats with transports of their own need it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path


@dataclass(frozen=True)
class FeedSource:
    """One source. dated_snapshot: the date of the copy that is read in place of the live endpoint; None: it is live.

    max_data_age (older data is refused), data_freshness (it is taken, and the feed is stale), advisory_source, codename: None
    where policy says nothing. allowed_hosts holds the url's own host too.
    allowed_networks: private networks (CIDR) that its hosts may lie in; max_total_bytes: of a folder or archive, inflated;
    key_environment, key_header: where its key is read from and goes to, None: it has none; sync_seconds: how long one sync
    of it may take in all.
    """

    name: str
    format: str
    transport: str
    url: str
    allowed_hosts: frozenset[str]
    lab: bool
    dated_snapshot: date | None
    required: bool
    enabled: bool
    timeout_seconds: float
    total_seconds: float
    max_bytes: int
    retries: int
    retry_wait_seconds: float
    max_retry_wait_seconds: float
    max_shrink_share: float
    min_records: int
    freshness: timedelta
    max_data_age: timedelta | None
    page_size: int
    pause_seconds: float
    first_days: int
    refresh: timedelta
    max_requests: int
    advisory_source: str | None
    suite: str
    codename: str | None
    connect_seconds: float = 10.0
    sync_seconds: float = 1200.0
    max_total_bytes: int = 0
    max_files: int = 500_000
    allowed_networks: tuple[str, ...] = ()
    try_again_statuses: frozenset[int] = frozenset()
    pages_keep: timedelta = timedelta(hours=24)
    key_environment: str | None = None
    key_header: str | None = None
    pause_seconds_with_key: float | None = None
    keyrings: tuple[Path, ...] = ()  # keys that sign the documents; relative paths lie beside the policy
    fingerprints: frozenset[str] = frozenset()  # the pinned ones among them
    data_freshness: timedelta | None = None
    unsigned: bool = False  # policy says that documents without a signature are good enough

    def with_url(self, url: str) -> FeedSource:
        return replace(self, url=url)
