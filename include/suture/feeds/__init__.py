"""Feeds: what vendors and threat intelligence say, taken in only when it can be trusted to be what it says it is."""

from suture.feeds.errors import FeedError, FeedFormatError, FeedRefusedError, FeedUnreachableError, StaleFeedError
from suture.feeds.health import FeedHealth, feed_health, require_fresh, stale_feeds
from suture.feeds.outcome import FeedOutcome, FeedStatus
from suture.feeds.policies import FeedSource, FeedsPolicy
from suture.feeds.sync import load_files, sync_all, sync_source

__all__ = [
    "FeedError",
    "FeedFormatError",
    "FeedHealth",
    "FeedOutcome",
    "FeedRefusedError",
    "FeedSource",
    "FeedStatus",
    "FeedUnreachableError",
    "FeedsPolicy",
    "StaleFeedError",
    "feed_health",
    "load_files",
    "require_fresh",
    "stale_feeds",
    "sync_all",
    "sync_source",
]
