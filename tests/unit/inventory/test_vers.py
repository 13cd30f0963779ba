"""vers: the specification's rules, each with a text that breaks it; and a range that means what its spans mean."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suture.errors import BadInputError
from suture.inventory.spans import Span, holds
from suture.inventory.vers import BadRangeError, parse
from suture.inventory.versions import ORDERS


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("vers:deb/>=1|<2", ["1", "1.9", "2~rc1"], ["0.9", "2", "2-1"]),
        ("vers:npm/1.2.3|>=2.0.0|<5.0.0", ["1.2.3", "2.0.0", "4.9.9"], ["1.2.4", "5.0.0", "2.0.0-rc.1"]),
        ("vers:pypi/>=2.0|<2.11.3|>=3.0|<3.0.3", ["2.0", "3.0.2"], ["2.11.3", "3.0.3", "1.0", "3.0.dev1"]),
        ("vers:pypi/*", ["0", "99"], []),
        ("vers:rpm/<1%3A2.0-1.el9", ["2.0-5", "1:1.9-9"], ["1:2.0-1.el9", "2:0-0"]),
        ("vers:maven/>1.0|!=1.5|<=2.0", ["1.1", "2.0", "1.5.1"], ["1.0", "1.5", "2.0.1"]),
        ("vers:npm/!=1.0.0", ["0.9.0", "2.0.0"], ["1.0.0"]),
        ("vers:deb/<=1.0|>=3", ["0.5", "1.0", "3", "4"], ["1.1", "2"]),
        ("vers:deb/=1.0", ["1.0", "1.00", "0:1.0-0"], ["1.0-1"]),
        ("vers:pypi/>=1.0|1.5|<2", ["1.0", "1.5", "1.7"], ["2"]),
    ],
)
def test_what_is_in_a_range(text: str, inside: list[str], outside: list[str]) -> None:
    found = parse(text)
    assert [version for version in inside if version not in found] == []
    assert [version for version in outside if version in found] == []
    assert parse(str(found)) == found


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not vers:"), ("vers:", "not vers:"), ("vers:deb/", "not vers:"), ("VERS:deb/1", "not vers:"),
        ("vers:Deb/1", "not vers:"), ("deb/>=1", "not vers:"), ("vers:cargo/1.0.0", "'cargo' is not matched"),
        ("vers:deb/>= 1", "blank"), ("vers:deb/1\x00", "control"), ("vers:deb/１", "outside ASCII"),
        ("vers:deb/1||2", "empty"), ("vers:deb/|1", "empty"), ("vers:deb/1|", "empty"), ("vers:deb/>=", "'=' is not"),
        ("vers:deb/*|1", "stands beside"), ("vers:deb/>=*", "stands beside"), ("vers:deb/2|1", "not sorted"),
        ("vers:deb/1|1.0-0|1", "not sorted|stands twice"), ("vers:deb/>=1|<1", "stands twice"),
        ("vers:deb/1.0|1.00", "stands twice"), ("vers:deb/>=1|>2", "lower bounds"), ("vers:deb/<1|<=2", "upper bounds"),
        ("vers:npm/>=1.0", "MAJOR.MINOR.PATCH"), ("vers:deb/%FF", "UTF-8"), ("vers:deb/%00", "may not stand there"),
        ("vers:pypi/~=1.0", "PEP 440"),
    ],
)  # fmt: skip
def test_what_is_no_range_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(BadRangeError, match=why):
        parse(text)


@pytest.mark.parametrize("text", ["vers:deb/" + "9" * 10**6, "vers:deb/" + "|".join(map(str, range(5000))), "|" * 10**6])
def test_absurd_lengths_are_refused_in_no_time(text: str) -> None:
    started = time.process_time()
    with pytest.raises(BadRangeError, match="more than"):
        parse(text)
    assert time.process_time() - started < 2


def test_a_range_becomes_spans_where_spans_can_say_it() -> None:
    assert parse("vers:pypi/>=2.0|<2.11.3|>=3.0|<=3.0.2").spans() == [
        Span(introduced="2.0", fixed="2.11.3"), Span(introduced="3.0", last_affected="3.0.2"),
    ]  # fmt: skip
    assert parse("vers:deb/<2|3").spans() == [Span(fixed="2"), Span(versions=("3",))]
    assert parse("vers:deb/*").spans() == [Span()]
    for text in ("vers:deb/>1", "vers:deb/!=1"):
        with pytest.raises(BadInputError, match="cannot say"):
            parse(text).spans()


_numbers = st.lists(st.integers(0, 30), min_size=1, max_size=8, unique=True).map(sorted)


@settings(max_examples=200, deadline=None)
@given(_numbers, st.booleans(), st.integers(0, 31))
def test_a_range_holds_what_its_spans_hold(bounds: list[int], starts_low: bool, version: int) -> None:
    signs = [">=", "<"] if starts_low else ["<", ">="]
    text = "vers:deb/" + "|".join(f"{signs[n % 2]}{bound}" for n, bound in enumerate(bounds))
    found = parse(text)
    by_spans = any(holds(ORDERS["deb"], str(version), span) for span in found.spans())
    assert (str(version) in found) == by_spans
