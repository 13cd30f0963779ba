"""Documents that two clients could read differently are refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suture.sourcing.kinds import strict_json

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_what_has_one_reading_is_read_as_json_reads_it(document: object) -> None:
    data = json.dumps(document).encode()
    assert strict_json.loads(data) == document


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b'{"layers": [], "layers": [1]}', "'layers' stands twice"),
        (b'{"a": {"b": 1, "c": 2, "b": 1}}', "'b' stands twice"),
        (b'{"size": NaN}', "NaN is no number"),
        (b'{"size": -Infinity}', "-Infinity is no number"),
        (b'{"name": "portal\\u0000.whl"}', r"U\+0000"),
        (b'{"na\\u0000me": 1}', r"U\+0000"),
        (b'[["\\u0000"]]', r"U\+0000"),
        (b"\xef\xbb\xbf{}", ""),
        (b'{"a": "\xff"}', ""),
        (b"9" * 5000, ""),
        (b"<html>", ""),
    ],
)
def test_two_readings_are_refused(data: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why or None):
        strict_json.loads(data)


def test_an_escaped_backslash_before_u0000_is_no_nul() -> None:
    assert strict_json.loads(rb'{"path": "C:\\u0000"}') == {"path": "C:\\u0000"}
