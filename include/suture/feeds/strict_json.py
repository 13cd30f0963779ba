"""Reading JSON from strangers.

The rules, for what parsers let through that must not pass:

1. UTF-8 without a byte order mark; nesting at most 60 deep; numbers finite (no NaN, Infinity, 1e400).
2. No key twice in one object: which of the two counts would depend on the parser.
3. No NUL in any text: PostgreSQL refuses it, others cut the text there.

Documents are split into raw records first, so that one bad record costs that record only.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, TypeVar

import msgspec

from suture.feeds.errors import FeedFormatError

T = TypeVar("T")
MAX_DEPTH = 60
_NUL_ESCAPE = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


def decode_document(raw: bytes, kind: type[T], *, where: str) -> T:
    """A whole document into its typed struct, its own top level free of double keys. Raises FeedFormatError."""
    refuse_web_page(raw, where=where)
    try:
        _refuse_outer_twins(raw)
        return msgspec.json.decode(raw, type=kind)
    except (ValueError, RecursionError) as error:
        raise FeedFormatError(where, _why(error)) from error


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
        raise ValueError("a text holds a NUL character")
    parsed = json.loads(raw.decode("utf-8"), object_pairs_hook=_pairs, parse_constant=_constant, parse_float=_finite)
    _refuse_depth(parsed)


def refuse_web_page(raw: bytes, *, where: str) -> None:
    """An error page with status 200 is the most common wrong document: say so rather than "invalid character"."""
    start = raw[:512].lstrip().lower()
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
