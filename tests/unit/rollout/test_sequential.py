"""The judge's arithmetic: valid at every look, and quick enough to be of use. Seeds are fixed."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import nchypergeom_fisher  # type: ignore[import-untyped]

from suture.model.traffic import RequestCounts
from suture.rollout.sequential import ODDS_RATIOS, ExcessEvidence, difference_bounds, mean_log, shown_below

ROLLOUTS, LOOKS, ALPHA = 1000, 100, 0.05


def draw(rng: np.random.Generator, mean: float, rate: float) -> RequestCounts:
    requests = int(rng.poisson(mean))
    return RequestCounts(requests, int(rng.binomial(requests, rate)))


def reaches(evidence: ExcessEvidence, alpha: float = ALPHA) -> bool:
    return evidence.log_value >= math.log(1 / alpha)


def test_a_step_is_the_ratio_of_the_two_hypergeometric_probabilities() -> None:
    canary, control = RequestCounts(40, 5), RequestCounts(160, 3)
    evidence = ExcessEvidence()
    evidence.add(canary, control)
    at = [nchypergeom_fisher.pmf(5, 200, 8, 40, odds) for odds in (1.0, *ODDS_RATIOS)]
    expected = sum(p / at[0] for p in at[1:]) / len(ODDS_RATIOS)
    assert math.exp(evidence.log_value) == pytest.approx(expected, rel=1e-9)


def test_false_alarms_stay_below_alpha_under_a_hundred_looks_while_rates_wander() -> None:
    rng = np.random.default_rng(20261123)
    alarms = 0
    for _ in range(ROLLOUTS):
        evidence = ExcessEvidence()
        base = rng.uniform(0.001, 0.05)
        for look in range(LOOKS):
            rate = min(base * (8 if 30 <= look < 40 else 1), 0.4)  # an outage that hits both groups
            evidence.add(draw(rng, 24, rate), draw(rng, 120, rate))
            if reaches(evidence):
                alarms += 1
                break
    assert alarms / ROLLOUTS <= ALPHA


def test_a_fixed_level_test_would_have_condemned_many_of_them() -> None:
    # Why all this: the same streams, judged at every look by a z-test at 5 %, one-sided.
    rng = np.random.default_rng(20261123)
    alarms = 0
    for _ in range(300):
        canary, control = RequestCounts(), RequestCounts()
        for _look in range(LOOKS):
            canary, control = canary + draw(rng, 24, 0.02), control + draw(rng, 120, 0.02)
            pooled = (canary + control).share or 0.0
            spread = math.sqrt(max(pooled * (1 - pooled), 1e-9) * (1 / canary.requests + 1 / control.requests))
            if ((canary.share or 0) - (control.share or 0)) / spread > 1.645:
                alarms += 1
                break
    assert alarms / 300 > 0.2


def test_five_per_cent_errors_are_found_within_a_minute() -> None:
    rng = np.random.default_rng(5)
    seconds = []
    for _ in range(300):
        evidence = ExcessEvidence()
        look = 0
        while look < LOOKS:
            look += 1
            evidence.add(draw(rng, 24, 0.05), draw(rng, 120, 0.0))  # 12 requests a second and host, looked at every 2 s
            if reaches(evidence):
                break
        seconds.append(2 * look)
    assert np.median(seconds) <= 12
    assert max(seconds) < 60


def test_no_errors_pass_within_a_minute_and_a_half() -> None:
    for margin, within_seconds in ((0.02, 35), (0.01, 75)):
        needed = next(
            second
            for second in range(1, 600)
            if difference_bounds(RequestCounts(12 * second, 0), RequestCounts(60 * second, 0), ALPHA)[1] < margin
        )
        assert needed <= within_seconds


def test_a_canary_worse_by_the_margin_hardly_ever_passes() -> None:
    rng = np.random.default_rng(7)
    passes = 0
    for _ in range(200):
        canary, control = RequestCounts(), RequestCounts()
        for _look in range(LOOKS):
            canary, control = canary + draw(rng, 24, 0.025), control + draw(rng, 120, 0.005)
            if shown_below(canary, control, 0.02, ALPHA):
                passes += 1
                break
    assert passes / 200 <= ALPHA


def test_bounds_hold_the_observed_difference_and_mirror_each_other() -> None:
    canary, control = RequestCounts(900, 45), RequestCounts(4500, 9)
    low, high = difference_bounds(canary, control, ALPHA)
    assert low < 0.05 - 0.002 < high
    assert low > 0
    assert shown_below(canary, control, high + 1e-6, ALPHA)
    assert not shown_below(canary, control, high - 1e-6, ALPHA)
    assert difference_bounds(control, canary, ALPHA) == pytest.approx((-high, -low))


def test_nothing_seen_proves_nothing() -> None:
    evidence = ExcessEvidence()
    for canary, control in (
        (RequestCounts(), RequestCounts(500, 3)),
        (RequestCounts(500, 400), RequestCounts()),  # errors without a control are not a comparison
        (RequestCounts(100, 0), RequestCounts(500, 0)),
    ):
        evidence.add(canary, control)
    assert evidence.log_value == pytest.approx(0.0)
    assert difference_bounds(RequestCounts(), RequestCounts(10, 0), ALPHA) == (-1.0, 1.0)


def test_all_bad_and_large_counts_stay_finite() -> None:
    evidence = ExcessEvidence()
    evidence.add(RequestCounts(20_000, 20_000), RequestCounts(100_000, 10))
    assert math.isfinite(evidence.log_value)
    assert reaches(evidence, 1e-9)
    low, high = difference_bounds(RequestCounts(50, 50), RequestCounts(50, 0), ALPHA)
    assert 0.5 < low < high <= 1.0


def test_better_than_the_control_is_no_evidence() -> None:
    evidence = ExcessEvidence()
    evidence.add(RequestCounts(1000, 0), RequestCounts(5000, 200))
    assert evidence.log_value < 0


def test_mean_of_evidence() -> None:
    assert mean_log([math.log(1.0), math.log(39.0)]) == pytest.approx(math.log(20.0))
