"""Mailing lists' archives (RFC 4155, "default" mbox): who wrote what when, and which CVEs it names.

The rules:

1. A message begins with a line `From ` at the start or after an empty line. A message that is too large, has too many
   parts, or cannot be taken apart costs that message, with its number.
2. Headers are decoded (RFC 2047) and made one line each; a date that cannot be read, or lies in the future, is none. A
   message without a Message-ID gets one from its content, so that it is not taken in twice.
3. The text is the first text/plain part, else the text of the first text/html part without its markup. Attachments are
   never opened. An unknown charset is read as Latin-1, every byte of which is a character.
4. An archive says nothing of its own age: any sender could put a date into it that would make later copies look old.
5. Nobody has proven who wrote it: sender and text are what the message says. A CVE id in it is a mention.
"""

from __future__ import annotations

import email
import hashlib
import re
from datetime import UTC, datetime
from email.errors import HeaderParseError
from email.header import Header, decode_header
from email.message import Message
from email.policy import compat32
from email.utils import parsedate_to_datetime

from suture.feeds.decoded import Decoded, Rejected, Row, iso, kept
from suture.feeds.errors import FeedFormatError
from suture.feeds.format import FeedFormat
from suture.feeds.markup import text_of_html
from suture.feeds.outside_text import EXCERPT, cve_ids, line, paragraph, web_address
from suture.feeds.vendor_rows import without_twins

TABLES = ("notice",)
MAX_MESSAGES, MAX_MESSAGE_BYTES, MAX_PARTS, MAX_HEADERS = 200_000, 4 * 1024 * 1024, 200, 500
MAX_NESTED = 50
_MULTIPART = re.compile(rb"multipart/", re.IGNORECASE)
_FROM = re.compile(rb"^From [^\r\n]*\r?\n", re.MULTILINE)
_QUOTED_FROM = re.compile(rb"^>(>*From )", re.MULTILINE)
_BRACKETED = re.compile(r"<([^<>\s]{1,400})>")


def decode(raw: bytes, *, where: str, feed: str = "mbox", **_options: object) -> Decoded:
    """Rows of notice; record ids are Message-IDs. Raises FeedFormatError for what is no mbox."""
    if not raw.startswith(b"From "):
        raise FeedFormatError(
            where, "it is empty" if not raw.strip() else "it is no mbox: it does not begin with `From `"
        )
    messages = _split(raw)
    if len(messages) > MAX_MESSAGES:
        raise FeedFormatError(where, f"it holds {len(messages)} messages, more than the {MAX_MESSAGES} allowed")
    rows: list[Row] = []
    rejected: list[Rejected] = []
    for number, content in enumerate(messages):
        try:
            rows.append(_row(content, feed))
        except (ValueError, RecursionError, LookupError, TypeError, AttributeError, HeaderParseError) as error:
            # The email package raises all of these on hostile headers (Python 3.11 to 3.13).
            why = "it is nested too deep" if isinstance(error, RecursionError) else str(error)
            rejected.append(Rejected(f"message {number}", f"{where}, message {number}: {why}.", kept(content)))
    return Decoded(None, without_twins({"notice": rows}), rejected, records=len(messages))


def _split(raw: bytes) -> list[bytes]:
    starts = [
        found for found in _FROM.finditer(raw)
        if found.start() == 0 or raw[: found.start()].endswith((b"\n\n", b"\r\n\r\n"))
    ]  # fmt: skip
    ends = [found.start() for found in starts[1:]] + [len(raw)]
    return [raw[start.end() : end] for start, end in zip(starts, ends, strict=True)]


def _row(content: bytes, feed: str) -> Row:
    if len(content) > MAX_MESSAGE_BYTES:
        raise ValueError(f"it is larger than {MAX_MESSAGE_BYTES} bytes")
    if b"\x00" in content:
        raise ValueError("it holds a NUL character")
    if len(_MULTIPART.findall(content)) > MAX_NESTED:
        # The email package needs seconds for some thousands of parts within parts (measured with Python 3.11).
        raise ValueError(f"it has more than {MAX_NESTED} parts of parts")
    message = email.message_from_bytes(_QUOTED_FROM.sub(rb"\1", content), policy=compat32)
    if len(message.keys()) > MAX_HEADERS:
        raise ValueError(f"it has more than {MAX_HEADERS} headers")
    if not message.keys():
        raise ValueError("it has no headers")
    text = _text(message)
    subject = _header(message, "Subject", 500)
    found = _BRACKETED.search(_header(message, "Message-ID", 500))
    name = line(found[1], 400) if found else f"sha256-{hashlib.sha256(content).hexdigest()[:32]}"
    answered = _BRACKETED.search(_header(message, "In-Reply-To", 500))
    listed = _header(message, "List-Id", 300)
    return {
        "record_id": name,
        "source": feed,
        "message_id": name,
        "list": (_BRACKETED.search(listed) or [listed, listed])[1] or feed,
        "sender": _header(message, "From", 300) or None,
        "subject": subject,
        "dated_at": iso(_date(_header(message, "Date", 100))),
        "in_reply_to": line(answered[1], 400) if answered else None,
        "cve_ids": cve_ids([subject, text]),
        "url": web_address(_header(message, "Archived-At", 500).strip("<>")),
        "excerpt": paragraph(text, EXCERPT),
    }


def _header(message: Message, name: str, limit: int) -> str:
    """The first header of that name, decoded, on one line; '' when there is none."""
    value = message.get(name)
    if value is None:
        return ""
    words = []
    # A header with raw bytes comes as a Header object, whose charset is then unknown-8bit.
    for word, charset in decode_header(value if isinstance(value, Header) else str(value)[:20_000]):
        words.append(word if isinstance(word, str) else _characters(word, charset))
    return line("".join(words), limit)


def _characters(content: bytes, charset: str | None) -> str:
    try:
        return content.decode("utf-8" if charset in (None, "unknown-8bit") else str(charset))
    except (LookupError, ValueError):
        return content.decode("latin-1")


def _date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _text(message: Message) -> str:
    web = None
    if sum(1 for _part in message.walk()) > MAX_PARTS:
        raise ValueError(f"it has more than {MAX_PARTS} parts")
    for part in message.walk():
        kind = part.get_content_type()
        if part.is_multipart() or kind not in ("text/plain", "text/html") or part.get_filename():
            continue
        payload = part.get_payload(decode=True)
        if not isinstance(payload, bytes):
            continue
        text = _characters(payload, part.get_content_charset())
        if kind == "text/plain":
            return text
        web = web if web is not None else text_of_html(text)
    return web or ""


FORMAT = FeedFormat(name="mbox", decode=decode, tables=TABLES, complete=False, main_table="notice")
