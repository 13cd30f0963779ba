"""One is not many."""

from __future__ import annotations

import pytest

from suture.wording import counted


@pytest.mark.parametrize(
    ("number", "words", "said"),
    [
        (0, ("host",), "0 hosts"), (1, ("host",), "1 host"), (2, ("host",), "2 hosts"), (12_345, ("host",), "12,345 hosts"),
        (1, ("advisory",), "1 advisory"), (3, ("advisory",), "3 advisories"), (3, ("day",), "3 days"),
        (1, ("finding is", "findings are"), "1 finding is"), (2, ("finding is", "findings are"), "2 findings are"),
    ],
)  # fmt: skip
def test_the_noun_fits_the_number(number: int, words: tuple[str, ...], said: str) -> None:
    assert counted(number, *words) == said


def test_columns_stand_below_one_another() -> None:
    assert [counted(number, "record", width=6) for number in (1, 1200)] == ["     1 record", " 1,200 records"]
