"""The share of advisories that a regression update followed, and how soon."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pytest

from suture.risk.advisory_history import parse_list, read_history
from suture.risk.regressions import DEBIAN_TO_2023, by_year, regression_share, wilson
from tests.conftest import miss

FOLDER = os.environ.get("SUTURE_DEBIAN_LISTS", "")  # data/DSA/list and data/DLA/list of April 2023, as DSA-list and DLA-list
LISTS = [Path(FOLDER) / name for name in ("DSA-list", "DLA-list")]
ENTRIES = """\
[20 Jan 2020] DSA-3-1 curl - security update
[15 Jan 2020] DSA-2-2 expat - security update
[12 Jan 2020] DSA-1-3 nginx - regression update
[09 Jan 2020] DSA-1-2 nginx - regression update
[05 Jan 2020] DSA-2-1 expat - security update
[01 Jan 2020] DSA-1-1 nginx - security update
[01 Dec 2019] DSA-0-1 old - regression of something
"""


def test_counted_are_first_texts_and_the_first_regression_update() -> None:
    history = parse_list(ENTRIES).advisories
    found = regression_share(history)
    assert (found.advisories, found.broken, found.days) == (3, 1, (8,))
    assert found.known_within(7) == 0
    assert found.known_within(8) == 1
    assert found.expected_after(7) == pytest.approx(1 / 3)
    assert found.expected_after(8) == 0
    assert by_year(history) == {2020: (3, 1)}
    assert regression_share(history, since=date(2020, 1, 2)).broken == 0


def test_nothing_is_not_zero() -> None:
    empty = regression_share([])
    assert empty.share is None
    assert empty.interval is None
    assert wilson(0, 0) is None


def test_wilson_interval_of_a_known_case() -> None:
    low, high = wilson(10, 100) or (0, 0)
    assert (round(low, 4), round(high, 4)) == (0.0552, 0.1744)


def test_the_kept_figures_are_those_of_the_real_lists() -> None:
    if not all(path.is_file() for path in LISTS):
        miss("debian-lists", "set SUTURE_DEBIAN_LISTS to a folder with Debian's DSA-list and DLA-list of April 2023")
    real = regression_share(read_history(LISTS).advisories)
    assert (real.advisories, real.broken) == (DEBIAN_TO_2023.advisories, DEBIAN_TO_2023.broken) == (8598, 209)
    for days in (0, 1, 2, 3, 5, 7, 8, 14, 30, 60, 90, 180):
        assert DEBIAN_TO_2023.known_within(days) == pytest.approx(real.known_within(days))
    assert real.known_within(8) == pytest.approx(0.526, abs=0.001)
