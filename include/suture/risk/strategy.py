"""Strategy: when an asset group takes up a fix. Policy: strategy.yaml.

The rules:

1. `at_once`: as soon as the fix is known and has soaked. `proactive`: what is published up to a cut-off (an RFC 5545 rule)
   goes together, `soak_days` later. `reactive`: on a trigger, or when a fix is `backstop_days` old; what else is
   open in the group then goes along. `both`: proactive,
   and a trigger ends the wait.
2. Whatever the mode, a finding that is in KEV, actively exploited, or of priority `immediate` does not wait. So a KEV entry
   re-plans at the next run what waited for a month's end. (Were it otherwise, a cadence could hide an emergency.)
3. A wait never outlives a deadline: it ends `lead_days` before the finding is due.
4. What is not known cannot trigger, and cannot hold back either: a fix without a date counts from when it was first seen.
5. A group that the policy does not name has the default strategy. A name that does not exist is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from suture import policy
from suture.errors import BadInputError
from suture.model import Priority
from suture.model.recurrence import Rule, WindowError, instants, parse_local, parse_rule, time_zone
from suture.wording import counted


class Mode(StrEnum):
    AT_ONCE = "at_once"
    PROACTIVE = "proactive"
    REACTIVE = "reactive"
    BOTH = "both"


@dataclass(frozen=True)
class Signs:
    """What is known of an advisory on a group's hosts. None: not known.

    epss: the highest of its CVEs, 0 to 1. kev_cve: the CVE that is in KEV. deadline: of the most urgent finding.
    """

    published: datetime
    priority: Priority
    kev_cve: str | None = None
    exploited_cve: str | None = None
    epss: float | None = None
    deadline: datetime | None = None


@dataclass(frozen=True)
class Readiness:
    """ready: plan it now. until: when the wait ends at the latest (None: ready). reason: a clause for a sentence."""

    ready: bool
    reason: str
    until: datetime | None = None


@dataclass(frozen=True)
class Cadence:
    """Cut-offs: the starts of an RFC 5545 rule, in UTC."""

    rule: Rule
    zone: ZoneInfo

    def cut_offs(self, after: datetime) -> Iterator[datetime]:
        """Cut-offs at or after `after` (aware), ascending; ends when the rule ends."""
        return (start for start, _end in instants(self.rule, self.zone, after) if start >= after)


@dataclass(frozen=True)
class Strategy:
    """One strategy. cadence is None for at_once and reactive; backstop is None except for reactive; epss_trigger None: no trigger."""

    name: str
    mode: Mode
    cadence: Cadence | None
    soak: timedelta
    epss_trigger: float | None
    backstop: timedelta | None

    def trigger(self, signs: Signs) -> str | None:
        """Why this does not wait, as a clause; None: nothing says so."""
        if signs.kev_cve is not None:
            return f"{signs.kev_cve} is in CISA's catalogue of exploited vulnerabilities"
        if signs.exploited_cve is not None:
            return f"{signs.exploited_cve} is actively exploited"
        if signs.priority is Priority.IMMEDIATE:
            return "its priority is immediate"
        floor = self.epss_trigger
        if floor is not None and signs.epss is not None and signs.epss >= floor:
            return f"EPSS gives {signs.epss:.2f}, and {floor:.2f} is enough"
        return None

    def release(self, published: datetime) -> datetime | None:
        """When a fix of that time goes without a trigger; None: the cadence has ended, nothing holds it to a date."""
        if self.cadence is not None:
            cut_off = next(self.cadence.cut_offs(published), None)
            return None if cut_off is None else cut_off + self.soak
        if self.mode is Mode.REACTIVE:
            assert self.backstop is not None
            return published + self.backstop
        return published + self.soak

    def readiness(self, signs: Signs, now: datetime, lead: timedelta) -> Readiness:
        """Whether to plan now, or until when to wait, with the reason."""
        due = self.release(signs.published)
        if due is None or due <= now:
            return Readiness(True, self._released(due))
        cause = self.trigger(signs)
        if cause is not None:
            return Readiness(True, f"strategy {self.name} does not wait: {cause}")
        until, why = due, self._waits(due)
        if signs.deadline is not None and signs.deadline - lead < due:
            until, why = signs.deadline - lead, f"its deadline is {signs.deadline:%Y-%m-%d}, before the next date of {self.name}"
        if until <= now:
            return Readiness(True, f"strategy {self.name} does not wait: {why}")
        return Readiness(False, f"strategy {self.name} waits until {until:%Y-%m-%d %H:%M} UTC: {why}", until)

    @property
    def may_wait(self) -> bool:
        return not (self.mode is Mode.AT_ONCE and not self.soak)

    def _released(self, due: datetime | None) -> str:
        if self.mode is Mode.AT_ONCE:
            soaked = f" after {counted(self.soak.days, 'day')}" if self.soak else ""
            return f"strategy {self.name} plans at once{soaked}"
        if due is None:
            return f"strategy {self.name} has no date left: planned at once"
        return f"strategy {self.name}: its date was {due:%Y-%m-%d}"

    def _waits(self, due: datetime) -> str:
        if self.cadence is not None:
            return f"cut-off {due - self.soak:%Y-%m-%d} and {counted(self.soak.days, 'day')} of soak"
        if self.mode is Mode.REACTIVE:
            return "no trigger holds"
        return f"{counted(self.soak.days, 'day')} of soak"


@dataclass(frozen=True)
class Prices:
    """Points for one of each; only ratios matter."""

    exposure_day: float
    exploited_exposure_day: float
    change: float
    reboot: float
    qa_hour: float
    regression: float


@dataclass(frozen=True)
class SimulationPolicy:
    prices: Prices
    qa_hours_per_campaign: float
    qa_hours_per_package: float
    reboot_packages: tuple[str, ...]


@dataclass(frozen=True)
class StrategyPolicy:
    strategies: tuple[Strategy, ...]
    groups: Mapping[str, str]
    default: str
    lead: timedelta
    simulation: SimulationPolicy

    @classmethod
    def load(cls, policy_dir: Path) -> StrategyPolicy:
        """Read strategy.yaml. Raises PolicyError for its form, BadInputError for what does not fit together."""
        return cls.from_data(policy.load(policy_dir / "strategy.yaml", "strategy"))

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> StrategyPolicy:
        strategies = tuple(_strategy(entry) for entry in data["strategies"])
        names = [strategy.name for strategy in strategies]
        for name in names:
            if names.count(name) > 1:
                raise BadInputError(f"strategy.yaml names the strategy {name!r} twice.")
        for where, name in [("default", data["default"]), *data["groups"].items()]:
            if name not in names:
                raise BadInputError(
                    f"strategy.yaml gives {where} the strategy {name!r}, which it does not describe.",
                    remedy=f"It describes {', '.join(names)}.",
                )
        simulation = data["simulation"]
        return cls(
            strategies=strategies,
            groups=data["groups"],
            default=data["default"],
            lead=timedelta(days=data["lead_days"]),
            simulation=SimulationPolicy(
                prices=Prices(**{name: float(price) for name, price in simulation["prices"].items()}),
                qa_hours_per_campaign=simulation["qa_hours_per_campaign"],
                qa_hours_per_package=simulation["qa_hours_per_package"],
                reboot_packages=tuple(simulation["reboot_packages"]),
            ),
        )

    def of(self, asset_group: str) -> Strategy:
        return self._by_name[self.groups.get(asset_group, self.default)]

    def named(self, name: str) -> Strategy:
        """Raises BadInputError for a name that the policy does not describe."""
        if name not in self._by_name:
            raise BadInputError(f"There is no strategy {name!r}; strategy.yaml describes {', '.join(self._by_name)}.")
        return self._by_name[name]

    @property
    def anything_may_wait(self) -> bool:
        return any(self._by_name[name].may_wait for name in {self.default, *self.groups.values()})

    @cached_property
    def _by_name(self) -> dict[str, Strategy]:
        return {strategy.name: strategy for strategy in self.strategies}


def _strategy(entry: Mapping[str, Any]) -> Strategy:
    name, mode = entry["name"], Mode(entry["mode"])
    cadenced = mode in (Mode.PROACTIVE, Mode.BOTH)
    if cadenced != ("cadence" in entry):
        raise BadInputError(f"strategy.yaml, {name!r}: {mode} {'needs a' if cadenced else 'knows no'} cadence.")
    if (mode is Mode.REACTIVE) != ("backstop_days" in entry):
        wants = "needs" if mode is Mode.REACTIVE else "knows no"
        raise BadInputError(f"strategy.yaml, {name!r}: {mode} {wants} backstop_days.")
    if "triggers" not in entry and mode in (Mode.REACTIVE, Mode.BOTH):
        raise BadInputError(f"strategy.yaml, {name!r}: {mode} needs triggers.")
    if "triggers" in entry and mode is Mode.PROACTIVE:
        raise BadInputError(f"strategy.yaml, {name!r}: proactive knows no triggers; the mode both does.")
    return Strategy(
        name=name,
        mode=mode,
        cadence=_cadence(name, entry["cadence"]) if cadenced else None,
        soak=timedelta(days=entry.get("soak_days", 0)),
        epss_trigger=entry["triggers"]["epss_at_least"] if "triggers" in entry else None,
        backstop=timedelta(days=entry["backstop_days"]) if mode is Mode.REACTIVE else None,
    )


def _cadence(name: str, entry: Mapping[str, str]) -> Cadence:
    try:
        zone, first = time_zone(entry["time_zone"]), parse_local(entry["first"])
        return Cadence(Rule(first, parse_rule(entry["rule"], first, zone), timedelta(minutes=1)), zone)
    except WindowError as error:
        raise WindowError(f"strategy.yaml, {name!r}: {error.message}", remedy=error.remedy) from error


def start_of_day(day: Any) -> datetime:
    """A vendor's day as a moment: its first, in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
