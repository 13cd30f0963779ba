"""Freezes: times in which nothing runs, whatever the windows say; a stated span, or the events of a calendar."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from suture.model.recurrence import Rule, WindowError, instants, local_instant, parse_local, time_zone
from suture.rollout.calendars import read_calendar

LONGEST_FREEZE = timedelta(days=400)
Span = tuple[datetime, datetime]


@dataclass(frozen=True)
class Freeze:
    """Nothing runs in [start, end), aware UTC. windows is None when it closes all of them."""

    name: str
    start: datetime
    end: datetime
    windows: frozenset[str] | None
    reason: str

    def taken_out_of(self, part: Span) -> Iterator[Span]:
        """What this freeze leaves of [start, end): none, one or two pieces."""
        start, end = part
        if end <= self.start or start >= self.end:
            yield part
            return
        if start < self.start:
            yield (start, self.start)
        if end > self.end:
            yield (self.end, end)


@dataclass(frozen=True)
class FreezeCalendar:
    """As a freeze, from the events of a calendar: each of them closes the windows."""

    name: str
    rules: tuple[Rule, ...]
    zone: ZoneInfo
    windows: frozenset[str] | None
    reason: str

    def within(self, start: datetime, end: datetime) -> Iterator[Freeze]:
        """The freezes that overlap [start, end), aware UTC."""
        for rule in self.rules:
            for frozen_from, frozen_until in instants(rule, self.zone, start):
                if frozen_from >= end:
                    break
                if frozen_until > start:
                    yield Freeze(self.name, frozen_from, frozen_until, self.windows, self.reason)


def require_known(entry: Mapping[str, Any], names: Sequence[str]) -> None:
    """Raises WindowError when a freeze of the policy names a window that there is not."""
    unknown = sorted(set(entry.get("windows", ())) - set(names))
    if unknown:
        raise WindowError(f"windows.yaml, freeze {entry['name']!r}: there is no window {unknown[0]!r}.")


def parse_freeze(entry: Mapping[str, Any], folder: Path) -> Freeze | FreezeCalendar:
    """A freeze of the policy; calendars lie in `folder`. Raises WindowError."""
    where = f"windows.yaml, freeze {entry['name']!r}"
    windows = frozenset(entry["windows"]) if "windows" in entry else None
    try:
        zone = time_zone(entry["time_zone"])
        if "calendar" in entry:
            calendar = entry["calendar"]
            rules = read_calendar(
                folder / calendar["file"], zone, category=calendar.get("category"), longest=LONGEST_FREEZE
            )
            return FreezeCalendar(entry["name"], rules, zone, windows, entry["reason"])
        # A time that comes twice, or never, in the night of a clock change: the reading that freezes longer.
        start = min(_readings(entry["from"], zone))
        end = max(_readings(entry["until"], zone))
    except WindowError as error:
        raise WindowError(f"{where}: {error.message}", remedy=error.remedy) from error
    if end <= start:
        raise WindowError(f"{where}: it ends ({entry['until']}) before it starts ({entry['from']}).")
    return Freeze(entry["name"], start, end, windows, entry["reason"])


def _readings(text: str, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """What a local time may mean, in UTC: twice the same but in the night of a clock change."""
    local = parse_local(text)
    return local_instant(local, zone), local.replace(tzinfo=zone, fold=1).astimezone(UTC)
