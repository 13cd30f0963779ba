"""Text from strangers, made fit to be kept and shown.

The rules:

1. A NUL is refused: PostgreSQL does not take it, others cut the text there.
2. Other control characters, and those that turn the direction of writing (Unicode TR 36), become spaces or go. A line
   break and a tab stay only where the text may have lines.
3. What is too long is cut, and says so by its last character. Nothing in it is ever evaluated, whatever it looks like.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

_CONTROL = re.compile(r"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_DIRECTION = re.compile("[\u061c\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_BREAKS = re.compile(r"[ \t\r\n]+")
CVE_ID = re.compile(r"(?<![A-Za-z0-9-])CVE-(?:19|20)[0-9]{2}-[0-9]{4,19}(?![0-9])", re.IGNORECASE)
_MAX_URL = 2000
EXCERPT = 4000  # characters of a message or an entry that are kept


def line(text: str, limit: int = 500) -> str:
    """The text as one line of at most `limit` characters. Raises ValueError for a NUL."""
    return _cut(_BREAKS.sub(" ", _plain(text)).strip(), limit)


def paragraph(text: str, limit: int = 2000) -> str:
    """The text with its line breaks, at most `limit` characters. Raises ValueError for a NUL."""
    return _cut(_plain(text.replace("\r\n", "\n").replace("\r", "\n")).strip(), limit)


def cve_ids(texts: Iterable[str]) -> list[str]:
    """The CVE ids that the texts name, each once, in upper case and in order."""
    return sorted({found.upper() for text in texts for found in CVE_ID.findall(text)})


def names_a_cve(text: str) -> bool:
    """Whether a source means a CVE by this text, in any letter case, of a year from 1900 to 2099, and nothing around it. Put it
    in upper case to keep it; whether a text is an id as CVE records write it, of any year, is model.is_cve_id."""
    return CVE_ID.fullmatch(text) is not None


def web_address(text: str | None) -> str | None:
    """The address if it may be shown as a link: https, a host, no user name, no blanks; else None."""
    if not text or len(text) > _MAX_URL or not text.isprintable() or any(char in text for char in " <>\"'`\\"):
        return None
    try:
        parts = urlsplit(text)
        harmless = (
            parts.scheme == "https" and bool(parts.hostname) and parts.username is None and parts.password is None
        )
    except ValueError:
        return None
    return text if harmless else None


def _plain(text: str) -> str:
    if "\x00" in text:
        raise ValueError("a text holds a NUL character")
    return _DIRECTION.sub("", _CONTROL.sub(" ", text))


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
