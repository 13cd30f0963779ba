"""Downtime against exposure: which window to take. Policy: exposure.yaml.

The rules:

1. EPSS is a probability for the next 30 days (FIRST, EPSS v4): a day's hazard is 1 - (1 - p)^(1/30). Where a CVE is in KEV or is
   known to be exploited, the day's hazard is at least the policy's floor. No EPSS is not zero: the policy's assumption counts.
2. The expected cost of waiting d days is impact x (1 - (1 - hazard)^d): the group is exploited once, not once a host.
3. Downtime costs hosts x minutes a host x the window's price of a minute x the criticality's factor. Minutes are measured where
   they were, otherwise estimated.
4. `earliest_where_waiting_costs_more`: the earliest window that fits for which the waiting since the campaign was planned, up
   to the next chance after it, costs more than the downtime in it. (The rule of ski rental: it never costs more than twice what
   hindsight would have chosen.) Where none does, the last one before the deadline.
   `cheapest_total`: the lowest sum of waiting from now until the window, and downtime in it.
5. A window that starts after the deadline is taken only where no earlier one fits, and that is said.
6. Where waiting for the first window alone costs more than patching outside all windows, that is said: a person decides.

What it cannot see: EPSS speaks of exploitation anywhere, not of this group; impact and minutes are the organisation's estimates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from suture import policy
from suture.errors import BadInputError
from suture.model import Criticality, Exposure
from suture.model.candidate import Candidates, CandidateWindow

EPSS_DAYS = 30
_DAY = timedelta(days=1)
EARLIEST, CHEAPEST = "earliest_where_waiting_costs_more", "cheapest_total"


@dataclass(frozen=True)
class ExposurePolicy:
    rule: str
    steer: bool
    candidates: int
    floor: float
    unknown_epss: float
    combine: str
    impact: Mapping[Criticality, float]
    exposure_factor: Mapping[Exposure, float]
    minutes_per_host: float
    cost_default: float
    cost_outside: float
    cost_by_window: Mapping[str, float]
    criticality_factor: Mapping[Criticality, float]
    behind_load_balancer: float

    @classmethod
    def load(cls, policy_dir: Path) -> ExposurePolicy:
        """Read exposure.yaml. Raises PolicyError."""
        found = policy.load(policy_dir / "exposure.yaml", "exposure")
        hazard, impact, downtime = found["hazard"], found["impact"], found["downtime"]
        return cls(
            rule=found["rule"],
            steer=found["steer"],
            candidates=found["candidates"],
            floor=hazard["active_exploitation_daily_floor"],
            unknown_epss=hazard["unknown_epss"],
            combine=hazard["combine"],
            impact={Criticality(word): cost for word, cost in impact["by_criticality"].items()},
            exposure_factor={Exposure(word): share for word, share in impact["exposure_factor"].items()},
            minutes_per_host=downtime["minutes_per_host"],
            cost_default=downtime["cost_per_minute"]["default"],
            cost_outside=downtime["cost_per_minute"]["outside_windows"],
            cost_by_window=downtime["cost_per_minute"]["windows"],
            criticality_factor={Criticality(word): factor for word, factor in downtime["criticality_factor"].items()},
            behind_load_balancer=downtime["behind_load_balancer"],
        )


@dataclass(frozen=True)
class Stakes:
    """What a campaign is about. epss: of its CVEs that have one, 0 to 1. exploited: a CVE in KEV or actively exploited, or None."""

    criticality: Criticality
    exposure: Exposure
    hosts: int
    epss: tuple[float, ...] = ()
    exploited: str | None = None
    minutes_per_host: float | None = None  # measured; None: the policy's estimate
    load_balanced: bool = False


@dataclass(frozen=True)
class Weighed:
    """One window's figures. waiting_cost: up to its start, from now; passing_cost: up to the next chance, since the campaign
    was planned, if this one passes; total: waiting_cost + downtime_cost.
    """

    candidate: CandidateWindow
    days: float
    waiting_cost: float
    passing_cost: float
    downtime_cost: float
    after_deadline: bool

    @property
    def total(self) -> float:
        return self.waiting_cost + self.downtime_cost

    def as_json(self) -> dict[str, Any]:
        return {
            **self.candidate.as_json(),
            "days": round(self.days, 3),
            "waiting_cost": round(self.waiting_cost, 2),
            "passing_cost": round(self.passing_cost, 2),
            "downtime_cost": round(self.downtime_cost, 2),
            "total": round(self.total, 2),
            "after_deadline": self.after_deadline,
        }


@dataclass(frozen=True)
class Choice:
    """chosen: None when nothing fits (refused). sentence: the choice with its arithmetic. now_is_cheaper: see rule 6."""

    chosen: CandidateWindow | None
    sentence: str
    refused: bool
    now_is_cheaper: bool
    windows: tuple[Weighed, ...]
    arithmetic: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        return {
            "chosen": self.chosen.as_json() if self.chosen else None,
            "sentence": self.sentence,
            "refused": self.refused,
            "now_is_cheaper": self.now_is_cheaper,
            "windows": [weighed.as_json() for weighed in self.windows],
            "arithmetic": dict(self.arithmetic),
        }


def daily_hazard(probability: float) -> float:
    """1 - (1 - p)^(1/30): the chance of one day, from a 30-day probability. Raises BadInputError outside 0 to 1."""
    if not 0 <= probability <= 1:
        raise BadInputError(f"An EPSS probability is from 0 to 1, not {probability}.")
    return float(1 - (1 - probability) ** (1 / EPSS_DAYS))


def expected_loss(hazard: float, days: float, impact: float) -> float:
    """impact x (1 - (1 - hazard)^days); 0 for no time at all."""
    return float(impact * (1 - (1 - hazard) ** max(days, 0.0))) if days > 0 else 0.0


def hazard_of(stakes: Stakes, rules: ExposurePolicy) -> tuple[float, str]:
    """(a day's hazard, how it came about)"""
    for probability in stakes.epss:
        daily_hazard(probability)  # refuses what is no probability
    if not stakes.epss:
        p, told = rules.unknown_epss, f"no EPSS is known: {rules.unknown_epss:.3f} is assumed"
    elif rules.combine == "highest":
        p, told = max(stakes.epss), f"the highest EPSS of the CVEs ({len(stakes.epss)} known) is {max(stakes.epss):.3f}"
    else:
        left = 1.0
        for probability in stakes.epss:
            left *= 1 - probability
        p, told = 1 - left, f"{len(stakes.epss)} CVEs taken as independent give {1 - left:.3f}"
    hazard = daily_hazard(p)
    told += f" in {EPSS_DAYS} days, {hazard:.5f} a day"
    if stakes.exploited is not None and hazard < rules.floor:
        return rules.floor, f"{told}; {stakes.exploited} is exploited: at least {rules.floor:.5f} a day"
    return hazard, told


def weigh(
    candidates: Candidates, stakes: Stakes, rules: ExposurePolicy, *, now: datetime, since: datetime, deadline: datetime | None
) -> Choice:
    """The choice by the policy's rule. since: when the campaign was planned (now, where it is only asked about)."""
    hazard, told = hazard_of(stakes, rules)
    impact = rules.impact[stakes.criticality] * rules.exposure_factor[stakes.exposure]
    minutes = stakes.minutes_per_host or rules.minutes_per_host
    weighed = _weighed(candidates.windows, stakes, rules, hazard, impact, minutes, now, since, deadline)
    outside = _downtime(stakes, rules, minutes, rules.cost_outside)
    arithmetic = {
        "rule": rules.rule,
        "hazard_per_day": hazard,
        "hazard": told,
        "impact": impact,
        "hosts": stakes.hosts,
        "minutes_per_host": minutes,
        "minutes_measured": stakes.minutes_per_host is not None,
        "load_balanced": stakes.load_balanced,
        "now": now.isoformat(),
        "since": since.isoformat(),
        "deadline": deadline.isoformat() if deadline else None,
        "cost_now_outside_windows": round(outside, 2),
    }
    fitting = [one for one in weighed if one.candidate.fits]
    if not fitting:
        why = candidates.refusal or "No opening of its window fits."
        return Choice(None, why, True, False, tuple(weighed), arithmetic)
    chosen, why = _choose(fitting, rules.rule)
    cheaper = fitting[0].waiting_cost > outside
    if cheaper:
        why += (
            f" Waiting even for the first window ({fitting[0].waiting_cost:,.0f}) costs more than patching outside all windows now"
            f" ({outside:,.0f}): consider the emergency lane."
        )
    return Choice(chosen.candidate, why, False, cheaper, tuple(weighed), arithmetic)


def _weighed(
    windows: Sequence[CandidateWindow],
    stakes: Stakes,
    rules: ExposurePolicy,
    hazard: float,
    impact: float,
    minutes: float,
    now: datetime,
    since: datetime,
    deadline: datetime | None,
) -> list[Weighed]:
    fitting = [window for window in windows if window.fits]
    found = []
    for window in windows:
        later = next((other.start for other in fitting if other.start > window.start), None)
        if later is None:  # beyond what was looked at: as far again as from the one before, a day at least
            earlier = max((other.start for other in fitting if other.start < window.start), default=now)
            later = window.start + max(window.start - earlier, _DAY)
        price = rules.cost_by_window.get(window.window, rules.cost_default)
        found.append(
            Weighed(
                candidate=window,
                days=(window.start - now) / _DAY,
                waiting_cost=expected_loss(hazard, (window.start - now) / _DAY, impact),
                passing_cost=expected_loss(hazard, (later - min(since, now)) / _DAY, impact),
                downtime_cost=_downtime(stakes, rules, minutes, price),
                after_deadline=deadline is not None and window.start > deadline,
            )
        )
    return found


def _downtime(stakes: Stakes, rules: ExposurePolicy, minutes: float, price: float) -> float:
    factor = rules.criticality_factor[stakes.criticality] * (rules.behind_load_balancer if stakes.load_balanced else 1.0)
    return stakes.hosts * minutes * price * factor


def _choose(fitting: Sequence[Weighed], rule: str) -> tuple[Weighed, str]:
    in_time = [one for one in fitting if not one.after_deadline]
    if not in_time:
        first = fitting[0]
        return first, f"{first.candidate.spoken}: no window before the deadline fits; this is the first one after it."
    if rule == CHEAPEST:
        best = min(in_time, key=lambda one: (one.total, one.candidate.start))
        return best, (
            f"{best.candidate.spoken}: waiting until then costs {best.waiting_cost:,.0f} and the downtime {best.downtime_cost:,.0f},"
            f" together the least of {len(in_time)} windows."
        )
    for one in in_time:
        if one.passing_cost > one.downtime_cost:
            return one, (
                f"{one.candidate.spoken}: letting it pass would bring the cost of waiting to {one.passing_cost:,.0f},"
                f" and its downtime costs {one.downtime_cost:,.0f}."
            )
    last = in_time[-1]
    return last, (
        f"{last.candidate.spoken}: downtime ({last.downtime_cost:,.0f}) costs more than waiting ({last.passing_cost:,.0f})"
        f" in each of {len(in_time)} windows; this is the last of them{' before the deadline' if len(in_time) < len(fitting) else ''}."
    )


def with_measured(stakes: Stakes, seconds: float | None) -> Stakes:
    """The stakes with the measured time a host; None leaves the estimate."""
    return replace(stakes, minutes_per_host=seconds / 60) if seconds else stakes


