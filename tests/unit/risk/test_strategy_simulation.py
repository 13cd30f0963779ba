"""The replay, against figures reckoned by hand, and what must hold for any history."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suture.errors import BadInputError
from suture.model.history import AdvisoryKind, HistoricAdvisory
from suture.risk.advisory_history import parse_list
from suture.risk.strategy import StrategyPolicy
from suture.risk.strategy_chart import chart_data, comparison_svg, panel_svgs
from suture.risk.strategy_simulation import Outcome, Scene, _sentence, compare
from suture.settings import PROJECT_ROOT

POLICY = StrategyPolicy.load(PROJECT_ROOT / "include" / "policy")
# Cut-offs of `weekly` in January 2020 are the Tuesdays 7, 14, 21, 28; it rolls out two days later.
HISTORY = parse_list("""\
[20 Jan 2020] DSA-3-1 curl - security update
\t{CVE-2020-0003}
[13 Jan 2020] DSA-2-2 nginx - regression update
[10 Jan 2020] DSA-2-1 nginx - security update
\t{CVE-2020-0002}
[05 Jan 2020] DSA-1-1 linux - security update
\t{CVE-2020-0001}
[04 Jan 2020] DSA-9-1 unrelated - security update
""").advisories
SCENE = Scene("web", {"linux": 4, "nginx": 2, "curl": 3}, {"CVE-2020-0003": date(2020, 1, 22)}, {"CVE-2020-0002": 0.3})


def outcome(name: str, scene: Scene = SCENE) -> Outcome:
    (found,) = compare(HISTORY, scene, POLICY, strategies=[POLICY.named(name)]).outcomes
    return found


def test_at_once_meets_the_regression_and_changes_most() -> None:
    found = outcome("at_once")
    assert (found.exposure_days, found.changes, found.package_updates) == (0, 4, 4)
    assert (found.reboots, found.regressions_met) == (4, 1)
    assert found.qa_hours == 4 * 1.5 + 4 * 0.5


def test_weekly_by_hand() -> None:
    found = outcome("weekly")
    # linux: 5 → 9 (4 days, 4 hosts); nginx: 10 → 16 (6 days, 2 hosts), after its regression update of the 13th;
    # curl: 20 → cut-off 21 → 23, but KEV names it on the 22nd: 2 days, 3 hosts.
    assert found.exposure_days == 4 * 4 + 6 * 2 + 2 * 3
    assert found.exploited_exposure_days == 2 * 3
    assert (found.changes, found.package_updates, found.regressions_met) == (3, 3, 0)
    assert (found.median_wait_days, found.longest_wait_days) == (4.0, 6)


def test_a_trigger_on_epss_brings_the_fix_forward() -> None:
    assert outcome("monthly").exposure_days > outcome("monthly_and_triggers").exposure_days
    # nginx goes at once on EPSS 0.3, and meets its regression.
    assert outcome("monthly_and_triggers").regressions_met == 1


def test_a_newer_fix_takes_the_older_one_along() -> None:
    later = HistoricAdvisory("DSA-4-1", date(2020, 1, 6), "linux", AdvisoryKind.SECURITY, ("CVE-2020-0009",))
    scene = Scene("web", {"linux": 1}, {"CVE-2020-0009": date(2020, 1, 6)}, {})
    (found,) = compare([*HISTORY, later], scene, POLICY, strategies=[POLICY.named("monthly")]).outcomes
    assert (found.changes, found.exposure_days) == (1, 1)  # the fix of the 5th is in the version of the 6th


def test_reactive_takes_everything_along_when_it_touches_the_group() -> None:
    found = outcome("on_exploit")
    # EPSS sends nginx on the 10th, and linux goes along; its regression update waits for KEV on the 22nd, with curl.
    assert (found.changes, found.package_updates) == (2, 4)
    assert found.exposure_days == 5 * 4 + 0 + 2 * 3


def test_the_recommendation_follows_the_prices_and_says_when_it_hangs_on_them() -> None:
    found = compare(HISTORY, SCENE, POLICY)
    assert [one.total for one in found.outcomes] == sorted(one.total for one in found.outcomes)
    assert found.recommended == found.outcomes[0].strategy
    assert found.recommended in found.sentence
    assert found.robust == (set(found.sensitivity.values()) == {found.recommended})
    assert ("hangs on the price" in found.sentence) is not found.robust
    for one in found.outcomes:
        assert one.total == pytest.approx(sum(one.costs.values()), abs=0.11)
    json.dumps(found.as_json())


def test_a_group_that_nothing_concerns_is_refused() -> None:
    with pytest.raises(BadInputError, match="No advisory of this history concerns web"):
        compare(HISTORY, Scene("web", {"bash": 1}, {}, {}), POLICY)
    with pytest.raises(BadInputError, match="No advisory"):
        compare(HISTORY, Scene("web", {"nginx": 1}, {}, {}, codename="bookworm"), POLICY)


ENTRIES = st.lists(
    st.builds(
        lambda number, days, package, kind: HistoricAdvisory(
            f"DSA-{number}-1", date(2020, 1, 1) + timedelta(days=days), package, kind, (f"CVE-2020-{number}",)
        ),
        st.integers(1, 500),
        st.integers(0, 400),
        st.sampled_from(["linux", "nginx", "curl"]),
        st.sampled_from([AdvisoryKind.SECURITY, AdvisoryKind.SECURITY, AdvisoryKind.REGRESSION]),
    ),
    min_size=1,
    max_size=30,
)


@given(history=ENTRIES, known=st.dictionaries(st.integers(1, 500), st.integers(0, 400), max_size=8))
def test_for_any_history(history: list[HistoricAdvisory], known: dict[int, int]) -> None:
    exploited = {f"CVE-2020-{number}": date(2020, 1, 1) + timedelta(days=days) for number, days in known.items()}
    found = compare(history, Scene("web", {"linux": 4, "nginx": 2, "curl": 3}, exploited, {}), POLICY)
    (at_once,) = (one for one in found.outcomes if one.strategy == "at_once")
    assert at_once.exposure_days == 0
    for one in found.outcomes:
        assert at_once.package_updates >= one.package_updates >= one.changes >= 1
        assert 0 <= one.exploited_exposure_days <= one.exposure_days
        assert one.regressions_expected <= at_once.regressions_expected
        assert one.longest_wait_days <= 90


def test_the_chart_is_well_formed_and_escapes_what_it_shows() -> None:
    found = compare(HISTORY, SCENE, POLICY).as_json()
    hostile = '<script>alert(1)</script>"&\x00\x1b'
    found["group"] = hostile
    found["outcomes"][1]["strategy"] = hostile
    svg = comparison_svg(found)
    root = ET.fromstring(svg)
    assert root.tag.endswith("svg")
    assert "<script" not in svg
    assert "currentColor" in svg
    assert "#" not in svg.replace("&#", "")  # no colour of its own: light and dark are the page's
    bars = [element for element in root.iter() if element.get("class") in ("bar", "bar recommended")]
    assert len(bars) == 6 * len(found["outcomes"])
    assert sum(1 for bar in bars if bar.get("class") == "bar recommended") == 6


def test_a_page_gets_a_chart_for_each_figure_and_no_figure_lies_off_its_edge() -> None:
    found = compare(HISTORY, SCENE, POLICY).as_json()
    found["group"] = "<b>&"
    found["outcomes"][0]["exposure_days"] = found["outcomes"][0]["total"] = 1_234_567_890  # ten thousand hosts, a year, monthly
    panels = [ET.fromstring(svg) for svg in panel_svgs(found)]
    assert len(panels) == 6
    for panel in panels:
        width = float(panel.get("viewBox", "").split()[2])
        for text in panel.iter("{http://www.w3.org/2000/svg}text"):
            # A digit of 11 pixels is 0.64 em wide in the widest usual face (DejaVu Sans), a comma half of that.
            length = sum(3.5 if letter in ",." else 7.04 for letter in text.text or "") if text.get("text-anchor") != "end" else 0
            assert float(text.get("x", "0")) + length <= width, text.text
    assert "monthly and triggers" in panel_svgs(found)[0]
    assert [ET.fromstring(svg).tag for svg in panel_svgs({})] == ["{http://www.w3.org/2000/svg}svg"]


def test_the_sentence_counts_in_words_that_fit() -> None:
    found = compare(HISTORY, SCENE, POLICY)
    best, other = found.outcomes[0], found.outcomes[1]
    one = replace(best, exposure_days=1, changes=1, reboots=2, total=100.0)
    told = {
        price: _sentence("web", [one, replace(other, total=price)], True, {}) for price in (100.0, 100.4, 103.0)
    }  # fmt: skip
    assert "(1 host-day of exposure, 1 change, 2 reboots," in told[100.0]
    assert f"next is {other.strategy} at the same price" in told[100.0]
    assert "with less than 1 % more" in told[100.4]
    assert "with 3 % more" in told[103.0]


def test_the_chart_of_nothing_says_so() -> None:
    ET.fromstring(comparison_svg({}))
    assert "No strategy was compared" in comparison_svg({})
    assert chart_data({})[0]["bars"] == []
