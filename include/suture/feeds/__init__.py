"""Feeds: what vendors and threat intelligence say, taken in only when it can be trusted to be what it says it is."""

from suture.feeds.contradictions import (
    MEANING,
    Contradiction,
    ContradictionKind,
    contradiction_counts,
    contradictions,
    provenance,
    refresh_contradictions,
)
from suture.feeds.errors import FeedError, FeedFormatError, FeedRefusedError, FeedUnreachableError, StaleFeedError
from suture.feeds.health import FeedHealth, FeedState, feed_health, require_fresh, stale_feeds
from suture.feeds.outcome import FeedOutcome, FeedStatus
from suture.feeds.policies import FeedSource, FeedsPolicy
from suture.feeds.side_by_side import FilesOf, load_side_by_side
from suture.feeds.sync import load_files, sync_all, sync_source

__all__ = [
    "MEANING",
    "Contradiction",
    "ContradictionKind",
    "FeedError",
    "FeedFormatError",
    "FeedHealth",
    "FeedOutcome",
    "FeedRefusedError",
    "FeedSource",
    "FeedState",
    "FeedStatus",
    "FeedUnreachableError",
    "FeedsPolicy",
    "FilesOf",
    "StaleFeedError",
    "contradiction_counts",
    "contradictions",
    "feed_health",
    "load_files",
    "load_side_by_side",
    "provenance",
    "refresh_contradictions",
    "require_fresh",
    "stale_feeds",
    "sync_all",
    "sync_source",
]
