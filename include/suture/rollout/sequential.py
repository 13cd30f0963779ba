"""Two streams of requests compared under continuous looking: the arithmetic of the judge.

A test at a fixed level, looked at a hundred times, condemns two good rollouts in five. These stay valid at
every look:

**Is the canary worse?** (`ExcessEvidence`) An e-process: under "the canary's odds of a bad request are at
most the control's" its expectation never exceeds 1, so by Ville's inequality the probability that it *ever*
reaches 1/alpha is at most alpha, whenever and however often one looks. In each step, given the number K of
bad requests among both groups, the canary's share of them is hypergeometric if the groups are alike, and
Fisher's noncentral hypergeometric with odds ratio w if they are not; the factor of the step is the ratio of
the two probabilities, and the e-process is the mean of the products over a few w > 1. Conditioning on K takes
the level of errors out: an outage that hits both groups proves nothing, rates may rise and fall from step to
step, and the groups may differ in size. For odds ratios below 1 the factor's expectation is smaller still
(monotone likelihood ratio), so the one-sided null is covered.

**Is it no worse than allowed?** (`difference_bounds`) A confidence sequence for p(canary) - p(control): all
differences d that universal inference does not reject, that is, for which the mixture likelihood of the data
stands to the best likelihood among rates with that difference in less than 1/alpha. The mixture has half its
weight on equal rates and half on independent ones, with a prior of nine tenths Beta(1, 100) and one tenth
Beta(1, 1); it only moves speed, not validity.

Sources: Turner, Ly & Grünwald, "Generic E-variables for exact sequential k-sample tests that allow for
optional stopping" (2022, arXiv 2106.02693); Howard, Ramdas, McAuliffe & Sekhon, "Time-uniform, nonparametric,
nonasymptotic confidence sequences" (Ann. Statist. 2021); Waudby-Smith & Ramdas, "Estimating means of bounded
random variables by betting" (JRSS-B 2024); Wasserman, Ramdas & Balakrishnan, "Universal inference" (PNAS
2020).

What it assumes: requests of one host within one step are exchangeable. A single cause that spoils many
requests of one host at once (one stuck connection pool) counts as many pieces of evidence; a good host with
such bursts may be stopped.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from suture.model.traffic import RequestCounts

ODDS_RATIOS = (1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0)
_PRIORS = ((0.9, 1.0, 100.0), (0.1, 1.0, 1.0))  # weight, a, b: most services are well, some are not
_LOG_ODDS = np.log(np.array(ODDS_RATIOS))


class ExcessEvidence:
    """Evidence that one group has more bad requests than another; feed it step by step, in any number of steps."""

    def __init__(self) -> None:
        self._log_products = np.zeros(len(ODDS_RATIOS))

    def add(self, canary: RequestCounts, control: RequestCounts) -> None:
        """Take in one step. A step in which one group had no request, or neither a bad one, says nothing."""
        bad = canary.bad + control.bad
        if not (bad and canary.requests and control.requests):
            return
        lowest, highest = max(0, bad - control.requests), min(canary.requests, bad)
        j = np.arange(lowest, highest, dtype=float)
        ratios = np.log((canary.requests - j) * (bad - j)) - np.log((j + 1) * (control.requests - bad + j + 1))
        log_weights = np.concatenate(([0.0], np.cumsum(ratios)))
        log_weights -= _log_sum(log_weights)  # the hypergeometric probabilities of lowest … highest
        counts = np.arange(lowest, highest + 1, dtype=float)
        exponents = log_weights + np.multiply.outer(_LOG_ODDS, counts)
        tops = exponents.max(axis=1)
        log_means = tops + np.log(np.exp(exponents - tops[:, None]).sum(axis=1))
        self._log_products += canary.bad * _LOG_ODDS - log_means

    @property
    def log_value(self) -> float:
        """Natural logarithm of the e-process: 0 is no evidence, log(20) is 1:20."""
        return _log_sum(self._log_products) - math.log(len(ODDS_RATIOS))


def mean_log(log_values: list[float]) -> float:
    """The logarithm of the mean of e-values given by their logarithms: itself an e-value."""
    return _log_sum(np.array(log_values)) - math.log(len(log_values))


def difference_bounds(canary: RequestCounts, control: RequestCounts, alpha: float) -> tuple[float, float]:
    """Bounds on p(canary) - p(control), each missed with probability at most alpha over all looks together.

    Without requests on either side: (-1, 1).
    """
    if not (canary.requests and control.requests):
        return -1.0, 1.0
    return -_upper_bound(control, canary, alpha), _upper_bound(canary, control, alpha)


def shown_below(canary: RequestCounts, control: RequestCounts, increase: float, alpha: float) -> bool:
    """Whether p(canary) - p(control) < increase is shown: the upper bound lies below it. One evaluation, no search."""
    if not (canary.requests and control.requests):
        return False
    observed = canary.bad / canary.requests - control.bad / control.requests
    limit = _log_mixture(canary, control) - math.log(1 / alpha)
    return observed < increase and _best_log_likelihood(canary, control, increase) <= limit


def _upper_bound(one: RequestCounts, other: RequestCounts, alpha: float) -> float:
    limit = _log_mixture(one, other) - math.log(1 / alpha)
    observed = one.bad / one.requests - other.bad / other.requests

    def rejected(difference: float) -> bool:
        return _best_log_likelihood(one, other, difference) <= limit

    return _smallest(rejected, observed, 1.0)


def _log_mixture(one: RequestCounts, other: RequestCounts) -> float:
    equal = _log_beta_mixture(one + other)
    apart = _log_beta_mixture(one) + _log_beta_mixture(other)
    return _log_sum(np.array([equal, apart])) - math.log(2)


def _log_beta_mixture(counts: RequestCounts) -> float:
    good = counts.requests - counts.bad
    logs = [math.log(weight) + _log_beta(a + counts.bad, b + good) - _log_beta(a, b) for weight, a, b in _PRIORS]
    return _log_sum(np.array(logs))


def _best_log_likelihood(one: RequestCounts, other: RequestCounts, difference: float) -> float:
    """The greatest log-likelihood among rates with p(one) - p(other) = difference (concave: found by its
    slope).
    """
    low, high = max(0.0, -difference), min(1.0, 1.0 - difference)

    def falling(p: float) -> bool:
        q = p + difference
        slope = _part(one.bad, q) - _part(one.requests - one.bad, 1 - q)
        return slope + _part(other.bad, p) - _part(other.requests - other.bad, 1 - p) <= 0

    p = _smallest(falling, low, high)
    return _log_likelihood(one, p + difference) + _log_likelihood(other, p)


def _part(count: int, probability: float) -> float:
    return count / max(probability, 1e-300) if count else 0.0


def _log_likelihood(counts: RequestCounts, p: float) -> float:
    good = counts.requests - counts.bad
    return _times_log(counts.bad, p) + _times_log(good, 1 - p)


def _times_log(count: int, probability: float) -> float:
    if not count:
        return 0.0
    return count * math.log(probability) if probability > 0 else -math.inf


def _smallest(holds: Callable[[float], bool], low: float, high: float) -> float:
    """The smallest value in [low, high] for which a condition holds that, once true, stays true (high if
    never).
    """
    if holds(low):
        return low
    while high - low > 1e-12:
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _log_sum(logs: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
    top = float(logs.max())
    return top + math.log(float(np.exp(logs - top).sum()))
