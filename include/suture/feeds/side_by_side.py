"""Several feeds loaded from files at once: the first one here, the others one after another in a process of their own.

The rules:

1. Each copy is taken in or refused by itself, in its own transaction, as if it had been loaded alone. Where the sources
   contradict one another is looked for after each; whichever is written last sees the others.
2. The other process is a fork. So there is none where another thread runs or where there is but one processor; then all
   are loaded here, one after another.
3. Nothing is begun while one of the paths is not there. When the first copy fails, the other process is given a moment and
   ended: what it had not finished leaves nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from suture.errors import BadInputError
from suture.feeds import bulk
from suture.feeds.feed_source import FeedSource
from suture.feeds.forks import beside
from suture.feeds.outcome import FeedOutcome
from suture.feeds.sync import load_files
from suture.store import Store


@dataclass(frozen=True)
class FilesOf:
    """A copy of one feed: where it lies."""

    source: FeedSource
    paths: tuple[Path, ...]


def load_side_by_side(
    warehouse: str, copies: Sequence[FilesOf], *, now: datetime, report: bulk.Report | None = None
) -> list[FeedOutcome]:
    """Load each copy by `load_files`; the outcomes in order. warehouse: its DSN. report: is told how far the first one is.

    The first should be the largest. Raises as `load_files` does, and HelperError when the other process failed."""
    for copy in copies:
        for path in copy.paths:
            if not path.exists():
                raise BadInputError(f"{path} cannot be read: there is no such file.")

    def load(some: Sequence[FilesOf], told: bulk.Report | None = None) -> list[FeedOutcome]:
        with Store.connect(warehouse) as store:
            return [load_files(store, copy.source, copy.paths, now=now, report=told) for copy in some]

    first, others = beside(lambda: load(copies[:1], report), load, copies[1:])
    return first + others
