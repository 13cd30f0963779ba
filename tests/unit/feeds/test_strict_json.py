"""The rules for JSON from strangers, each at its edge."""

from __future__ import annotations

from typing import Any

import pytest

from suture.feeds.errors import FeedFormatError
from suture.feeds.strict_json import MAX_DEPTH, decode_document, decode_record, refuse_ambiguous


@pytest.mark.parametrize(("opens", "closes"), [("[", "]"), ('{"a":', "}")])
def test_nesting_ends_at_its_limit(opens: str, closes: str) -> None:
    def nested(depth: int) -> bytes:
        return (opens * depth + "1" + closes * depth).encode()

    refuse_ambiguous(nested(MAX_DEPTH))
    with pytest.raises(FeedFormatError, match=f"nested more than {MAX_DEPTH} deep"):
        decode_record(nested(MAX_DEPTH + 1), Any, where="r")


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b'{"a": {"b": 1, "b": 2}}', "'b' stands twice"),
        (b'{"a": NaN}', "no JSON number"), (b'{"a": -Infinity}', "no JSON number"), (b'{"a": 1e400}', "out of range"),
        (b'{"a": "x\\u0000"}', "NUL"), (b'{"a": "\x00"}', "NUL"), (b'\xef\xbb\xbf{"a": 1}', "BOM"), (b'{"a": "\xff"}', "utf-8"),
        (b'{"a": 1', "delimiter"),
    ],
)  # fmt: skip
def test_what_parsers_let_through_is_refused_in_a_record(raw: bytes, why: str) -> None:
    with pytest.raises(FeedFormatError, match=f"(?i){why}"):
        decode_record(raw, Any, where="r")


def test_a_document_may_not_say_its_own_keys_twice() -> None:
    with pytest.raises(FeedFormatError, match="'count' stands twice"):
        decode_document(b'{"count": 1, "records": [], "count": 2}', dict, where="d")
