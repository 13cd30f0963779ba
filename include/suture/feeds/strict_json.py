"""Reading JSON from strangers.

The rules, for what parsers let through that must not pass:

1. UTF-8 without a byte order mark; nesting at most 60 deep; numbers finite (no NaN, Infinity, 1e400).
2. No key twice in one object: which of the two counts would depend on the parser.
3. No NUL in any text: PostgreSQL refuses it, others cut the text there.

Documents are split into raw records first, so that one bad record costs that record only. That goes for text that is no text
too: a byte that is not UTF-8 and half of a character (a lone surrogate, which some writers put out) become the NUL of rule 3.
"""

from __future__ import annotations

import json
import math
import re
from contextlib import suppress
from typing import Any, TypeVar

import msgspec

from suture.feeds.errors import FeedFormatError

T = TypeVar("T")
MAX_DEPTH = 60
_BLANKS = re.compile(rb"\s*")
_NUL_ESCAPE = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
# A pair of \uD800 to \uDBFF and \uDC00 to \uDFFF (one character), or one of them alone (none). Read from left to right, with
# every other escape, so that neither a backslash that is itself escaped nor the half of a pair is taken for one.
_HALF = re.compile(rb"(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\[^u])|\\u[dD][89a-fA-F][0-9a-fA-F]{2}")


def decode_document(raw: bytes, kind: type[T], *, where: str) -> T:
    """A whole document into its typed struct, its own top level free of double keys. Raises FeedFormatError."""
    refuse_web_page(raw, where=where)
    try:
        return _whole(raw, kind)
    except (ValueError, RecursionError) as error:
        legible = _legible(raw)
        if legible != raw:
            with suppress(ValueError, RecursionError):
                found = _whole(legible, kind)
                if not _holds_nul(found):  # else it is the document's own text that cannot be read, not a record's
                    return found
        raise FeedFormatError(where, _why(error)) from error


def _whole(raw: bytes, kind: type[T]) -> T:
    _refuse_outer_twins(raw)
    return msgspec.json.decode(raw, type=kind)


def _holds_nul(value: Any) -> bool:
    """Whether a text or key outside of the raw records holds a NUL."""
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_holds_nul(key) or _holds_nul(inner) for key, inner in value.items())
    if isinstance(value, list | tuple):
        return any(map(_holds_nul, value))
    return isinstance(value, msgspec.Struct) and any(_holds_nul(getattr(value, name)) for name in value.__struct_fields__)


def _legible(raw: bytes) -> bytes:
    """The document with what is no character as an escaped NUL, so that it falls into records, and these are refused."""
    text = raw.decode("utf-8", errors="surrogateescape")
    legible = re.sub("[\udc80-\udcff]", r"\\u0000", text).encode("utf-8")
    return _HALF.sub(lambda found: found[1] or rb"\u0000", legible)


def decode_record(raw: bytes, kind: type[T], *, where: str) -> T:
    """One record, strictly. Raises FeedFormatError with the path of the field that is wrong."""
    try:
        refuse_ambiguous(raw)
        return msgspec.json.decode(raw, type=kind)
    except (ValueError, RecursionError) as error:
        raise FeedFormatError(where, _why(error)) from error


def refuse_ambiguous(raw: bytes) -> None:
    """Raise ValueError when the JSON breaks one of the rules above."""
    if b"\x00" in raw or _NUL_ESCAPE.search(raw):
        raise ValueError("a text holds a NUL character, or what is no character at all")
    parsed = json.loads(raw.decode("utf-8"), object_pairs_hook=_pairs, parse_constant=_constant, parse_float=_finite)
    _refuse_depth(parsed)


def refuse_web_page(raw: bytes, *, where: str) -> None:
    """An error page with status 200 is the most common wrong document: say so rather than "invalid character"."""
    blanks = _BLANKS.match(raw)
    first = blanks.end() if blanks else 0
    start = raw[first : first + 512].lower()
    if not start:
        raise FeedFormatError(where, "it is empty")
    if start.startswith((b"<!doctype", b"<html", b"<?xml", b"<head", b"<body")):
        raise FeedFormatError(where, "it is a web page, not the feed")


def _refuse_outer_twins(raw: bytes) -> None:
    outer: list[list[tuple[str, Any]]] = [[]]

    def keep_last(pairs: list[tuple[str, Any]]) -> None:
        outer[0] = pairs  # the hook runs from the inside out: the last call is the outermost object

    json.loads(raw.decode("utf-8"), object_pairs_hook=keep_last)
    _pairs(outer[0])


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _value in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} stands twice in one object")
    return found


def _constant(text: str) -> float:
    raise ValueError(f"{text} is no JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text[:40]} is out of range")
    return number


def _refuse_depth(value: Any) -> None:
    level, depth = [value] if isinstance(value, dict | list) else [], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise ValueError(f"it is nested more than {MAX_DEPTH} deep")
        level = [
            inner
            for item in level
            for inner in (item.values() if isinstance(item, dict) else item)
            if isinstance(inner, dict | list)
        ]


def _why(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    return f"it is not as it should be: {str(error).rstrip('.')}"
