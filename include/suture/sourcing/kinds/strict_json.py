"""JSON without two readings: what clients could read in different ways is refused, not chosen.

Refused beside what is no JSON: a key twice in one object (one client takes the first, another the last), NaN and Infinity, numbers
and nesting beyond what Python reads, a byte-order mark, U+0000 in a text.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, NoReturn


def loads(data: bytes) -> Any:
    """The document. Raises ValueError (with the reason), RecursionError."""
    found = json.loads(data.decode("utf-8"), object_pairs_hook=_object, parse_constant=_constant)
    if b"\\u0000" in data and _has_nul(found):
        raise ValueError("a text holds U+0000")
    return found


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        twice, _count = Counter(name for name, _value in pairs).most_common(1)[0]
        raise ValueError(f"the key {twice[:60]!r} stands twice")
    return made


def _constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


def _has_nul(found: Any) -> bool:
    left = [found]
    while left:
        one = left.pop()
        if isinstance(one, str) and "\x00" in one:
            return True
        if isinstance(one, dict):
            left += [*one.keys(), *one.values()]
        elif isinstance(one, list):
            left += one
    return False
