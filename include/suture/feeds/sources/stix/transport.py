"""A TAXII 2.1 collection (OASIS TAXII 2.1, 5.4): its objects, page after page.

The rules:

1. The source's url is the collection's `…/collections/<id>/objects/`. It is asked for the TAXII 2.1 media type, and an
   answer of another type is refused: what is not said to be TAXII is not read as TAXII.
2. Pages follow `more` and `next` as they come; a `next` that repeats, one that is missing while there is more, an empty
   page, and more pages than the limit end the sync: half a collection is not taken in.
3. The next sync asks for what was added after X-TAXII-Date-Added-Last of this one (the server's own clock); without that
   header everything is asked for again.
4. All pages are decoded as one bundle, so that an indicator finds its vulnerability on another page.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from suture.feeds.accept import Copy
from suture.feeds.decoded import Decoded
from suture.feeds.errors import FeedFormatError, FeedRefusedError, FeedUnreachableError
from suture.feeds.feed_source import FeedSource
from suture.feeds.fetch import Fetched, Fetcher
from suture.feeds.sources.stix.objects import decode
from suture.feeds.strict_json import decode_document, refuse_web_page
from suture.store import Store

MEDIA_TYPE = "application/taxii+json"
MAX_PAGES, MAX_OBJECTS = 1000, 1_000_000


class Page(msgspec.Struct):
    more: bool = False
    next: str | None = None
    objects: list[msgspec.Raw] = msgspec.field(default_factory=list)


def fetch_collection(
    store: Store,  # noqa: ARG001 - one signature for all transports
    source: FeedSource,
    last: Mapping[str, Any] | None,
    now: datetime,
    sleep: Callable[[float], None],
) -> Copy:
    """One sync of a collection. Raises FeedUnreachableError, FeedRefusedError, FeedFormatError."""
    since = last["data_date"] if last is not None else None
    objects, added_last = _pages(source, since, sleep)
    if added_last is not None and added_last > now:
        raise FeedFormatError(source.name, f"X-TAXII-Date-Added-Last: {added_last:%Y-%m-%d %H:%M} lies in the future")
    raw = b'{"type":"bundle","objects":[' + b",".join(objects) + b"]}"
    found = decode(raw, where=source.name, feed=source.name)
    nothing = not objects or not (found.tables["threat_signal"] or found.rejected)
    decoded = Decoded(
        added_last or since, {} if nothing or not found.tables["threat_signal"] else found.tables, found.rejected,
        0 if nothing or not found.tables["threat_signal"] else len(found.tables["threat_signal"]),
    )  # fmt: skip
    return Copy(
        source=source.name,
        url=source.url,
        decoded=decoded,
        sha256="" if nothing else hashlib.sha256(raw).hexdigest(),
        main_table="threat_signal",
        dated_snapshot=source.dated_snapshot,
        floor=source.min_records,
        max_data_age=source.max_data_age,
        note="the collection has nothing new of use" if nothing else None,
    )


def _pages(
    source: FeedSource, since: datetime | None, sleep: Callable[[float], None]
) -> tuple[list[bytes], datetime | None]:
    """(raw objects of all pages, the latest X-TAXII-Date-Added-Last or None)."""
    objects: list[bytes] = []
    added: list[datetime] = []
    seen: set[str] = set()
    params = {"limit": str(source.page_size)} | ({"added_after": _stamp(since)} if since else {})
    with Fetcher(source, sleep=sleep) as fetcher:
        for number in range(MAX_PAGES):
            if number and source.pause_seconds:
                sleep(source.pause_seconds)
            page, moment = _page(fetcher, source, params, number)
            objects += [bytes(item) for item in page.objects]
            added += [moment] if moment else []
            if len(objects) > MAX_OBJECTS:
                raise FeedRefusedError(f"{source.name}: more than {MAX_OBJECTS} objects.")
            if not page.more:
                return objects, max(added, default=None)
            if not page.next or page.next in seen or not page.objects:
                why = "it says that there is more, and not where" if not page.next else "it goes round in a circle"
                raise FeedFormatError(
                    f"{source.name}, page {number}", why if page.objects else "it is empty, with more"
                )
            seen.add(page.next)
            params = {**params, "next": page.next}
    raise FeedFormatError(source.name, f"it has more than {MAX_PAGES} pages")


def _page(
    fetcher: Fetcher, source: FeedSource, params: Mapping[str, str], number: int
) -> tuple[Page, datetime | None]:  # fmt: skip
    where = f"{source.name}, page {number}"
    answer = fetcher.fetch(source.url, params=params, accept=f"{MEDIA_TYPE};version=2.1")
    if not isinstance(answer, Fetched):
        raise FeedUnreachableError(f"{where}: {source.url} is not there.")
    kind, *options = (part.strip().lower() for part in answer.headers.get("content-type", "").split(";"))
    versions = [option.partition("=")[2] for option in options if option.startswith("version=")]
    if kind != MEDIA_TYPE or versions not in ([], ["2.1"]):
        given = answer.headers.get("content-type", "of no type")[:80]
        raise FeedRefusedError(f"{where}: the answer is {given!r}, not TAXII 2.1.")
    refuse_web_page(answer.content, where=where)
    page = decode_document(answer.content, Page, where=where)
    return page, _moment(answer.headers.get("x-taxii-date-added-last"), where)


def _moment(text: str | None, where: str) -> datetime | None:
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise FeedFormatError(where, f"X-TAXII-Date-Added-Last: {text[:60]!r} is no date") from error
    if found.tzinfo is None:
        raise FeedFormatError(where, f"X-TAXII-Date-Added-Last: {text[:60]!r} has no zone")
    return found


def _stamp(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
