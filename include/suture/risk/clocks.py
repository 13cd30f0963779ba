"""Clocks: how long there is, by each rule that sets a time. The earliest holds.

The rules:

1. What starts a clock is either that the finding was seen on the host (then its time is a span of 24-hour days, and the
   warehouse adds it to each finding's own start), or that the patch was released (then its deadline is one moment for all
   hosts, reckoned here).
2. A month is a calendar month in the organisation's time zone: the same day and wall time of a later month, or that month's
   last day where it has no such day (31 January + 1 month is 28 or 29 February). A wall time that a change to summer time
   skips is taken as the moment an unchanged clock would show it.
3. A clock holds for the asset groups and the severities it names. Severity is by the overall CVSS score on this asset:
   critical from 9.0, high from 7.0, medium from 4.0, low below, for every version of CVSS (2.0 itself has no "Critical").
   What has no score has no known severity, and every clock of its group holds: it may be the worst.
4. PCI DSS 6.3.3 (v4.0: critical and high within one month of release; v4.0.1: critical only, the others by the entity's own
   time frame, which are the deadlines of sla.yaml) may not be written laxer than it is. A rule that is only proposed may be
   kept too, by choice: every reason that names it says that it is proposed.
5. A moment that had passed before the finding was seen cannot be kept any more: the other clocks hold, and the reasons still
   show it.
6. A month-clock whose release nobody dated is counted as 28 days a month from when the finding was seen, and said to be.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any
from zoneinfo import ZoneInfo

from suture.policy import LocatedPolicy
from suture.wording import counted

SEVERITIES = ("low", "medium", "high", "critical")
_FLOORS = ((9.0, "critical"), (7.0, "high"), (4.0, "medium"))
# PCI DSS v4.0 (March 2022) and v4.0.1 (June 2024), requirement 6.3.3: the severities that a month is the most for.
_PCI_SEVERITIES = {"4.0": {"critical", "high"}, "4.0.1": {"critical"}}
_SHORTEST_MONTH = timedelta(days=28)


@dataclass(frozen=True)
class ClockRule:
    """One entry of sla.yaml's clocks. months or days is None; starts: "release" or "seen"."""

    name: str
    version: str
    months: int | None
    days: int | None
    starts: str
    asset_groups: tuple[str, ...]
    severities: frozenset[str]
    time_zone: ZoneInfo

    def holds(self, asset_group: str, score: float | None) -> bool:
        named = any(fnmatchcase(asset_group, pattern) for pattern in self.asset_groups)
        return named and (score is None or severity_of(score) in self.severities)

    def time(self, score: float | None, released_at: datetime | None) -> ClockTime:
        span = f"{counted(self.months, 'calendar month')}" if self.months else counted(self.days or 0, "day")
        what = f"{severity_of(score)} severity" if score is not None else "a severity that nobody knows yet"
        why = f"{span} from {'release' if self.starts == 'release' else 'when it was seen'}, for {what}"
        name = f"{self.name} v{self.version}"
        if self.starts == "seen":
            return ClockTime(name, timedelta(days=self.days or 0), None, why)
        if released_at is None:
            within = _SHORTEST_MONTH * self.months if self.months else timedelta(days=self.days or 0)
            return ClockTime(name, within, None, f"{why}; the release is not dated, so {counted(within.days, 'day')} from now")
        if self.months:
            due = add_months(released_at, self.months, self.time_zone)
        else:
            due = released_at + timedelta(days=self.days or 0)
        return ClockTime(name, None, due, f"{why} ({released_at.astimezone(self.time_zone):%Y-%m-%d})")


@dataclass(frozen=True)
class ClockTime:
    """What one clock gives: a span from when the finding was seen (within), or a moment (due_by); the other is None."""

    name: str
    within: timedelta | None
    due_by: datetime | None
    why: str

    def deadline(self, seen_at: datetime) -> datetime:
        return self.due_by if self.due_by is not None else seen_at + (self.within or timedelta())

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "within_hours": None if self.within is None else self.within.total_seconds() / 3600,
            "due_by": None if self.due_by is None else self.due_by.isoformat(),
            "why": self.why,
        }

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> ClockTime:
        hours, due = found["within_hours"], found["due_by"]
        return cls(
            found["name"],
            None if hours is None else timedelta(hours=hours),
            None if due is None else datetime.fromisoformat(due),
            found["why"],
        )


def severity_of(score: float) -> str:
    """low, medium, high or critical, by the overall score (rule 3)."""
    return next((word for floor, word in _FLOORS if score >= floor), "low")


def add_months(moment: datetime, months: int, zone: ZoneInfo) -> datetime:
    """The moment `months` calendar months after an aware moment, reckoned in a time zone; UTC. Rule 2."""
    local = moment.astimezone(zone)
    year, month = divmod(local.year * 12 + local.month - 1 + months, 12)
    day = min(local.day, calendar.monthrange(year, month + 1)[1])
    return local.replace(year=year, month=month + 1, day=day).astimezone(UTC)


def earliest(clocks: Iterable[ClockTime], seen_at: datetime) -> ClockTime:
    """The clock that holds for a finding seen then (rule 5). Raises ValueError when there is none."""
    found = [clock for clock in clocks if clock.due_by is None or clock.due_by > seen_at]
    return min(found, key=lambda clock: clock.deadline(seen_at))


def distinct(clocks: Iterable[ClockTime]) -> tuple[ClockTime, ...]:
    """One clock a name, the earliest of those of that name; spans before moments, the earliest first."""
    kept: dict[tuple[str, bool], ClockTime] = {}
    for clock in sorted(clocks, key=_order):
        kept.setdefault((clock.name, clock.due_by is None), clock)
    return tuple(kept.values())


def holder(clocks: Sequence[Mapping[str, Any]], deadline: datetime) -> str:
    """Which clock gave a stored finding's deadline, from its reasons' `clocks`; "" when they name none.

    A moment gives exactly itself; otherwise the shortest span gave it, from whenever the finding's own time began.
    """
    found = [ClockTime.from_json(clock) for clock in clocks]
    exact = next((clock for clock in found if clock.due_by == deadline), None)
    spans = sorted((clock for clock in found if clock.within is not None), key=_order)
    chosen = exact or next(iter(spans), None)
    return f"{chosen.name}: {chosen.why}" if chosen else ""


def load_clocks(sla: LocatedPolicy, zone: ZoneInfo, mistakes: list[str]) -> tuple[ClockRule, ...]:
    """The clocks of sla.yaml that are enabled. Appends to `mistakes` what no schema sees."""
    rules = []
    for number, entry in enumerate(sla.value.get("clocks", ())):
        place = sla.place("clocks", number)
        within, starts = entry["within"], entry["starts"]
        marked = entry["status"] != "proposed" or "proposed" in entry["version"]
        if "months" in within and starts != "release":
            mistakes.append(f"{place}: months are counted from release; from when a finding was seen, give days.")
        mistakes += _pci_mistakes(place, entry)
        if entry["enabled"]:
            rules.append(
                ClockRule(
                    name=entry["standard"],
                    version=entry["version"] if marked else f"{entry['version']} (proposed)",
                    months=within.get("months"),
                    days=within.get("days"),
                    starts=starts,
                    asset_groups=tuple(entry["asset_groups"]),
                    severities=frozenset(entry["severities"]),
                    time_zone=zone,
                )
            )
    return tuple(rules)


def _pci_mistakes(place: str, entry: Mapping[str, Any]) -> list[str]:
    if entry["standard"] != "PCI DSS 6.3.3":
        return []
    version, within = entry["version"], entry["within"]
    if version not in _PCI_SEVERITIES:
        return [f"{place}: PCI DSS 6.3.3 is known in the versions {', '.join(_PCI_SEVERITIES)}, not {version!r}."]
    mistakes = []
    missing = _PCI_SEVERITIES[version] - set(entry["severities"])
    if missing:
        mistakes.append(f"{place}: PCI DSS 6.3.3 v{version} also covers the severity {', '.join(sorted(missing))}.")
    if entry["starts"] != "release" or within.get("months", 1) > 1 or within.get("days", 1) > _SHORTEST_MONTH.days:
        mistakes.append(f"{place}: PCI DSS 6.3.3 v{version} gives one month from release at most.")
    return mistakes


def _order(clock: ClockTime) -> tuple[bool, timedelta, datetime, str]:
    return (
        clock.within is None,
        clock.within or timedelta(),
        clock.due_by or datetime.max.replace(tzinfo=UTC),
        clock.name,
    )
