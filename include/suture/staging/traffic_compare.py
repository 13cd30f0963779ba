"""Whether any route answers worse after the patch than before it, by the same requests.

The rules:

1. A route is a method and a path. Its answers are counted by class (2xx … 5xx, none). It is worse when the share of a class
   other than 2xx rose by more than the policy allows, and that is no chance: Fisher's exact test, one-sided.
2. It is slower when its median rose by more than the policy's share and by more than its milliseconds, and that is no chance:
   the Mann-Whitney test, one-sided. By how much later this machine itself sent (the median of the lags) is not the server's.
3. A route that was answered before and has no answers now was not tested: worse.
4. Machines have bad moments: what is found must be found again in a second replay (confirmed()).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from scipy.stats import fisher_exact, mannwhitneyu  # type: ignore[import-untyped]  # scipy has no types

from suture.staging.parity_policy import Worse
from suture.staging.traffic_replay import Answer

GOOD = "2xx"
KINDS = ("1xx", "3xx", "4xx", "5xx", "none")


@dataclass(frozen=True)
class Decline:
    """One thing that became worse. measure: a class of answers, or `latency`."""

    route: str
    measure: str
    sentence: str


def summary(answers: Sequence[Answer]) -> list[dict[str, Any]]:
    """By route: {route, requests, answers: {class: count}, p50_ms, p95_ms, p99_ms}, the most asked first."""
    by_route = _by_route(answers)
    rows = []
    for route, own in sorted(by_route.items(), key=lambda pair: (-len(pair[1]), pair[0])):
        latencies = sorted(one.latency_ms for one in own)
        rows.append(
            {
                "route": route,
                "requests": len(own),
                "answers": dict(sorted(Counter(one.kind for one in own).items())),
                **{f"p{percent}_ms": quantile(latencies, percent / 100) for percent in (50, 95, 99)},
            }
        )
    return rows


def declines(before: Sequence[Answer], after: Sequence[Answer], rules: Worse) -> tuple[Decline, ...]:
    """What became worse, route by route."""
    earlier, later = _by_route(before), _by_route(after)
    found: list[Decline] = []
    for route, own in sorted(earlier.items()):
        now = later.get(route, [])
        if not now:
            found.append(Decline(route, "missing", f"{route} was not asked again after the patch"))
            continue
        found += _answers(route, own, now, rules)
        found += _latency(route, own, now, rules)
    return tuple(found)


def confirmed(first: Sequence[Decline], second: Sequence[Decline]) -> tuple[Decline, ...]:
    """What both replays show."""
    again = {(one.route, one.measure) for one in second}
    return tuple(one for one in first if (one.route, one.measure) in again)


def quantile(ordered: Sequence[float], share: float) -> float:
    """The nearest-rank quantile of ordered values (at least one)."""
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered) + 0.5) - 1))]


def _median(values: Sequence[float]) -> float:
    return quantile(sorted(values), 0.5)


def _by_route(answers: Sequence[Answer]) -> dict[str, list[Answer]]:
    found: dict[str, list[Answer]] = {}
    for one in answers:
        found.setdefault(one.route, []).append(one)
    return found


def _answers(route: str, before: Sequence[Answer], after: Sequence[Answer], rules: Worse) -> list[Decline]:
    found = []
    for kind in KINDS:
        old, new = (sum(1 for one in answers if one.kind == kind) for answers in (before, after))
        rise = new / len(after) - old / len(before)
        if rise <= rules.failed_share:
            continue
        table = [[new, len(after) - new], [old, len(before) - old]]
        probability = float(fisher_exact(table, alternative="greater").pvalue)
        if probability < rules.false_alarm:
            told = f"{new} of {len(after)} answers of {route} are {kind}, before the patch {old} of {len(before)}"
            found.append(Decline(route, kind, told))
    return found


def _latency(route: str, before: Sequence[Answer], after: Sequence[Answer], rules: Worse) -> list[Decline]:
    old, new = ([one.latency_ms for one in answers if one.kind != "none"] for answers in (before, after))
    if not old or not new:
        return []  # the classes of the answers say it
    was, now = _median(old), _median(new)
    own = max(0.0, _median([one.lag_ms for one in after]) - _median([one.lag_ms for one in before]))
    if now - own - was <= rules.slower_ms or now - own <= was * (1 + rules.slower_share):
        return []
    probability = float(mannwhitneyu(new, old, alternative="greater").pvalue)
    if probability >= rules.false_alarm:
        return []
    return [Decline(route, "latency", f"{route} takes {now:.1f} ms at the median, before the patch {was:.1f} ms")]
