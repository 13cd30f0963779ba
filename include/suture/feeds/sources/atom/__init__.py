"""Release feeds in Atom (RFC 4287) or RSS: which release came when, and which CVEs its text names.

The rules:

1. feedparser reads bytes that were fetched by our own rules; it is given a stream, never an address, and so asks nobody.
2. A document type or an entity declaration is refused before any parser sees it (XML entity expansion). A document that
   is not well-formed, or is no feed, is refused whole: half a feed may be half an entry.
3. An entry without an id and without a link is left out; so is one with neither title nor text. A link counts when it is
   https with a host and no user name; others are dropped, and the entry stands.
4. Text is kept without markup. A CVE id in it is a mention.
"""

from __future__ import annotations

import calendar
import io
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from suture.feeds.decoded import Decoded, Rejected, Row, iso
from suture.feeds.errors import FeedFormatError
from suture.feeds.format import FeedFormat
from suture.feeds.markup import text_of_html
from suture.feeds.outside_text import EXCERPT, cve_ids, line, paragraph, web_address
from suture.feeds.vendor_rows import without_twins

TABLES = ("notice",)
MAX_ENTRIES = 50_000
_DECLARATION = re.compile(rb"<!\s*(?:DOCTYPE|ENTITY)", re.IGNORECASE)


def decode(raw: bytes, *, where: str, feed: str = "atom", **_options: object) -> Decoded:
    """Rows of notice; record ids are entries' ids. Raises FeedFormatError."""
    found = _parsed(raw, where)
    title = line(text_of_html(str(found.feed.get("title", ""))), 300) or feed
    rows: list[Row] = []
    rejected: list[Rejected] = []
    for number, entry in enumerate(found.entries):
        try:
            rows.append(_row(entry, title, feed))
        except (ValueError, TypeError, OverflowError) as error:
            name = str(entry.get("id") or f"entry {number}")[:200].replace("\x00", "�")
            rejected.append(Rejected(name, f"{where}, entry {number}: {error}."))
    return Decoded(None, without_twins({"notice": rows}), rejected, records=len(found.entries))


def _parsed(raw: bytes, where: str) -> Any:
    import feedparser  # type: ignore[import-untyped]

    start = raw[:1024].lstrip().lower()
    if not start:
        raise FeedFormatError(where, "it is empty")
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        raise FeedFormatError(where, "it is a web page, not the feed")
    if b"\x00" in raw:
        raise FeedFormatError(where, "it holds a NUL character, or is not in UTF-8")
    if _DECLARATION.search(raw):
        raise FeedFormatError(where, "it declares a document type or entities, which are not read")
    found = feedparser.parse(io.BytesIO(raw), sanitize_html=True, resolve_relative_uris=False)
    if found.bozo and not isinstance(found.bozo_exception, feedparser.CharacterEncodingOverride):
        raise FeedFormatError(where, f"it is not well-formed: {str(found.bozo_exception)[:200]}")
    if not found.version:
        raise FeedFormatError(where, "it is neither Atom nor RSS")
    if len(found.entries) > MAX_ENTRIES:
        raise FeedFormatError(where, f"it holds {len(found.entries)} entries, more than the {MAX_ENTRIES} allowed")
    return found


def _row(entry: Mapping[str, Any], title: str, feed: str) -> Row:
    link = web_address(entry.get("link"))
    name = line(str(entry.get("id") or link or ""), 500)
    if not name:
        raise ValueError("id: it has neither an id nor a link that counts")
    bodies = [str(part.get("value", "")) for part in entry.get("content", [])] or [str(entry.get("summary", ""))]
    text = text_of_html("\n".join(bodies))
    subject = line(text_of_html(str(entry.get("title", ""))), 500)
    if not subject and not text.strip():
        raise ValueError("title: it has neither a title nor a text")
    moment = _moment(entry.get("updated_parsed") or entry.get("published_parsed"))
    return {
        "record_id": name,
        "source": feed,
        "message_id": name,
        "list": title,
        "sender": line(str(entry.get("author", "")), 300) or None,
        "subject": subject,
        "dated_at": iso(moment),
        "in_reply_to": None,
        "cve_ids": cve_ids([subject, text]),
        "url": link,
        "excerpt": paragraph(text, EXCERPT),
    }


def _moment(parts: Any) -> datetime | None:
    """feedparser's time in UTC; None when there is none."""
    if parts is None:
        return None
    try:
        return datetime.fromtimestamp(calendar.timegm(parts), UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise ValueError("updated: it is no time") from error


FORMAT = FeedFormat(name="atom", decode=decode, tables=TABLES, complete=False, main_table="notice")
