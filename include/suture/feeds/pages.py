"""Paged feeds: the pages of a span of modification dates, one after the other.

The rules:

1. Each page is kept in the warehouse as soon as it was read and found whole. A run that breaks off (a crash, a server that
   stops answering) goes on at the page after the last one kept, for the same span, while those are not too old.
2. The pages go when the whole is accepted or refused. They also go when the number of results changes between two pages,
   or a page is not the one asked for: what was read before and after is not one copy.
3. The span ends at the server's own clock or ours, whichever is earlier, and the next one begins some minutes before that
   end: nothing that changed while we were reading is missed.
"""

from __future__ import annotations

import hashlib
import os
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from suture.errors import BadInputError
from suture.feeds.decoded import Decoded, merged
from suture.feeds.errors import FeedFormatError, FeedUnreachableError
from suture.feeds.feed_source import FeedSource
from suture.feeds.fetch import BudgetSpentError, Fetched, Fetcher
from suture.store import Store

MAX_PAGES = 1000
_MAX_WINDOW = timedelta(days=120)  # the longest span that NVD's API answers
_OVERLAP = timedelta(minutes=10)
_KEY = re.compile(r"[A-Za-z0-9._~+/=-]{8,200}", re.ASCII)

Decode = Callable[[bytes, str], Decoded]


@dataclass(frozen=True)
class Window:
    """The span of modification dates that is asked for."""

    start: datetime
    end: datetime


@dataclass
class _Run:
    """One reading of a span: the pages so far, how many results they hold, and their digests."""

    window: Window
    pages: list[Decoded]
    digest: Any
    read: int = 0

    @property
    def whole(self) -> bool:
        return bool(self.pages) and self.read >= (self.pages[0].total or 0)

    def add(self, source: FeedSource, page: Decoded, sha256: str) -> None:
        """Raises FeedFormatError for a page that does not continue this run."""
        if page.start is not None and page.start != self.read:
            raise FeedFormatError(source.name, f"asked for the page at {self.read}, the one at {page.start} came")
        if self.pages and page.total != self.pages[0].total:
            raise FeedFormatError(
                source.name, f"the total changed from {self.pages[0].total} to {page.total} between pages"
            )
        if not page.records and (page.total or 0) > self.read:
            raise FeedFormatError(
                source.name, f"page {len(self.pages)} is empty, but {self.read} of {page.total} results came"
            )
        self.pages.append(page)
        self.digest.update(sha256.encode())
        self.read += page.records


def read_pages(
    store: Store,
    source: FeedSource,
    *,
    since: datetime | None,
    now: datetime,
    sleep: Callable[[float], None],
    decode: Decode,
    tables: tuple[str, ...],
) -> tuple[Decoded, str]:
    """All pages of what changed since, as one, and the digest of them. since: None for the first run.

    Raises FeedUnreachableError, FeedRefusedError, FeedFormatError; rule 2 says when the pages so far are kept.
    """
    run = _kept_run(store, source, now, decode)
    if run is None:
        forget_pages(store, source)
        run = _Run(_window(source, since, now), [], hashlib.sha256())
    key = api_key(source)
    pause = source.pause_seconds_with_key if key and source.pause_seconds_with_key is not None else source.pause_seconds
    with Fetcher(source, sleep=sleep, key=key) as fetcher:
        while not run.whole:
            if len(run.pages) >= MAX_PAGES:
                raise FeedFormatError(source.name, f"it has more than {MAX_PAGES} pages")
            if fetcher.time_is_up:
                raise BudgetSpentError(
                    f"{source.name}: its {source.sync_seconds:g} s for one sync are over after {run.read} results. The next "
                    "sync goes on from there."
                )
            if run.pages:
                sleep(pause)
            content, sha256 = _page(fetcher, source, run)
            page = decode(content, f"{source.name}, page at {run.read}")
            try:
                run.add(source, page, sha256)
            except FeedFormatError:
                forget_pages(store, source)
                raise
            _keep(store, source, run, content, sha256, now)
    found = merged(run.pages, tables)
    dates = [page.data_date for page in run.pages if page.data_date]
    return replace(found, data_date=min([run.window.end, *dates[:1]])), run.digest.hexdigest()


def forget_pages(store: Store, source: FeedSource) -> None:
    """The whole is accepted or refused: its pages go."""
    store.execute("feed_page/delete_feed_pages", {"source": source.name})


def api_key(source: FeedSource, environment: Mapping[str, str] | None = None) -> str | None:
    """The key of the source's API from the environment, None where there is none. It never stands in a message."""
    if source.key_environment is None or source.key_header is None:
        return None
    key = (os.environ if environment is None else environment).get(source.key_environment, "").strip()
    if not key:
        return None
    if not _KEY.fullmatch(key):
        raise BadInputError(f"{source.key_environment} is no key: it must be 8 to 200 letters, digits or ._~+/=-.")
    return key


def _window(source: FeedSource, since: datetime | None, now: datetime) -> Window:
    start = since - _OVERLAP if since else now - timedelta(days=source.first_days)
    return Window(start, min(now, start + _MAX_WINDOW))


def _page(fetcher: Fetcher, source: FeedSource, run: _Run) -> tuple[bytes, str]:
    params = {
        "resultsPerPage": str(source.page_size),
        "startIndex": str(run.read),
        "lastModStartDate": run.window.start.astimezone(UTC).isoformat(timespec="milliseconds"),
        "lastModEndDate": run.window.end.astimezone(UTC).isoformat(timespec="milliseconds"),
    }
    answer = fetcher.fetch(source.url, params=params)
    if not isinstance(answer, Fetched):
        raise FeedUnreachableError(f"{source.name}: {source.url} gives no page at {run.read}.")
    return answer.content, answer.sha256


def _keep(store: Store, source: FeedSource, run: _Run, content: bytes, sha256: str, now: datetime) -> None:
    store.execute(
        "feed_page/insert_feed_page",
        {
            "source": source.name,
            "start_index": run.read - run.pages[-1].records,
            "url": source.url,
            "page_size": source.page_size,
            "window_start": run.window.start,
            "window_end": run.window.end,
            "content": zlib.compress(content, 1),
            "content_sha256": sha256,
            "fetched_at": now,
        },
    )


def _kept_run(store: Store, source: FeedSource, now: datetime, decode: Decode) -> _Run | None:
    """What a run that broke off has left, as far as it is whole and of one span; None when that is nothing."""
    rows = store.fetch_all(
        "feed_page/list_feed_pages",
        {
            "source": source.name,
            "url": source.url,
            "page_size": source.page_size,
            "newer_than": now - source.pages_keep,
        },
    )
    if not rows:
        return None
    run = _Run(Window(rows[0]["window_start"], rows[0]["window_end"]), [], hashlib.sha256())
    for row in rows:
        if (row["window_start"], row["window_end"]) != (run.window.start, run.window.end):
            break
        if row["start_index"] != run.read:
            break
        content = zlib.decompress(bytes(row["content"]))
        if hashlib.sha256(content).hexdigest() != row["content_sha256"]:
            break
        try:
            run.add(source, decode(content, f"{source.name}, kept page at {run.read}"), row["content_sha256"])
        except FeedFormatError:
            return None
        if run.whole:
            break
    return run if run.pages else None
