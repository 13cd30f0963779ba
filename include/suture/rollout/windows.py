"""Maintenance windows: when hosts may be touched.

The rules:

1. A window has openings; each is a DTSTART in the window's time zone, an RRULE (RFC 5545) and a duration. The
   window is open whenever one of them is; openings that touch or overlap are one.
2. Recurrence is reckoned in local time. A start that the spring change skips is read with the offset before
   the gap (02:30 becomes 03:30); a start that comes twice in autumn is the first one (RFC 5545, 3.3.5). An
   end is start plus *absolute* duration: three hours stay three hours. Rules more frequent than daily must be
   in UTC.
3. A freeze takes its time out of every window that it names, also from the middle of an opening.
4. Work fits when an opening has at least the needed time left: an opening under way counts with what remains
   of it.
5. A window may be an iCalendar file instead of rules, or both (calendars.py); so may a freeze.
6. A window that cannot be used (a bad rule, zone or file, or a freeze of it that is bad) is closed, and says why when it is
   asked for. The other windows stand.
7. Work that fits nowhere within the horizon is refused, with the arithmetic. Nothing defaults to open.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from suture import policy
from suture.model.recurrence import (
    Rule,
    WindowError,
    aware_utc,
    instants,
    parse_duration,
    parse_local,
    parse_rule,
    time_zone,
)
from suture.rollout.calendars import read_calendar
from suture.rollout.freezes import Freeze, FreezeCalendar, parse_freeze, require_known
from suture.rollout.wording import spoken

HORIZON = timedelta(days=400)
MAX_OPENINGS_LOOKED_AT = 5_000
JOINED_AT_LEAST = timedelta(hours=24)  # openings without a gap are joined up to here, or to the needed time


@dataclass(frozen=True)
class Opening:
    """One time in which the window is open: [start, end), aware UTC.

    continues: the window stays open after `end`; it was joined only as far as anybody asked.
    """

    window: str
    time_zone: str
    start: datetime
    end: datetime
    continues: bool = False

    @property
    def duration(self) -> timedelta:
        return self.end - self.start

    def remaining(self, at: datetime) -> timedelta:
        """Time left for work that starts at `at` or at the opening, whichever is later (0: over)."""
        return max(self.end - max(at, self.start), timedelta())

    def is_open(self, at: datetime) -> bool:
        return self.start <= at < self.end

    def as_json(self) -> dict[str, Any]:
        zone = ZoneInfo(self.time_zone)
        return {
            "window": self.window,
            "time_zone": self.time_zone,
            "start": self.start.isoformat(),
            "end": self.end.isoformat(),
            "local_start": self.start.astimezone(zone).isoformat(),
            "local_end": self.end.astimezone(zone).isoformat(),
            "duration_seconds": int(self.duration.total_seconds()),
            "continues": self.continues,
        }


@dataclass(frozen=True)
class Refusal:
    """Why work cannot be given a window: a sentence with the arithmetic, and what to do next."""

    sentence: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.sentence} {self.remedy}"


@dataclass(frozen=True)
class MaintenanceWindow:
    name: str
    time_zone: str
    rules: tuple[Rule, ...]
    freezes: tuple[Freeze | FreezeCalendar, ...] = ()
    description: str = ""

    def openings(self, after: datetime, *, join: timedelta = JOINED_AT_LEAST) -> Iterator[Opening]:
        """Openings that end after `after`, ascending, freezes taken out, joined where there is no gap between them.

        Joining stops once an opening has at least `join` left (a window that never closes would never end);
        the part after that is the next opening. Raises WindowError for a naive `after`.
        """
        after = aware_utc(after, "after")
        current: Opening | None = None
        for start, end in self._unfrozen(after):
            if current is not None and start <= current.end:
                if current.remaining(after) < join:
                    current = self._opening(current.start, max(current.end, end))
                    continue
                if end <= current.end:
                    continue
                yield self._opening(current.start, current.end, continues=True)
                start = current.end  # an overlap belongs to the earlier part
            elif current is not None:
                yield current
            current = self._opening(start, end)
        if current is not None:
            yield current

    def open_at(self, at: datetime) -> Opening | None:
        """The opening under way at `at`, or None."""
        first = next(self.openings(at), None)
        return first if first is not None and first.is_open(aware_utc(at, "at")) else None

    def _opening(self, start: datetime, end: datetime, *, continues: bool = False) -> Opening:
        return Opening(self.name, self.time_zone, start, end, continues)

    def _unfrozen(self, after: datetime) -> Iterator[tuple[datetime, datetime]]:
        streams = [instants(rule, ZoneInfo(self.time_zone), after) for rule in self.rules]
        for whole in heapq.merge(*streams):
            parts = [whole]
            for freeze in self._freezes(*whole):
                parts = [piece for part in parts for piece in freeze.taken_out_of(part)]
            yield from (part for part in parts if part[1] > after)

    def _freezes(self, start: datetime, end: datetime) -> Iterator[Freeze]:
        for freeze in self.freezes:
            if isinstance(freeze, Freeze):
                yield freeze
            else:
                yield from freeze.within(start, end)


@dataclass(frozen=True)
class WindowPolicy:
    """windows: those that can be used. broken: the others, each with what is wrong with it; it is closed."""

    windows: Mapping[str, MaintenanceWindow]
    broken: Mapping[str, WindowError] = field(default_factory=dict)

    @classmethod
    def load(cls, policy_dir: Path) -> WindowPolicy:
        """Read windows.yaml and the calendars beside it.

        Raises PolicyError for its form, WindowError where names do not fit together; what is wrong with one window alone is kept
        in `broken`.
        """
        return cls.from_data(policy.load(policy_dir / "windows.yaml", "windows"), policy_dir)

    @classmethod
    def from_data(cls, data: Mapping[str, Any], folder: Path = Path()) -> WindowPolicy:
        names = [entry["name"] for entry in data["windows"]]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise WindowError(f"windows.yaml names the window {twice[0]!r} twice.")
        broken: dict[str, WindowError] = {}
        freezes: list[Freeze | FreezeCalendar] = []
        for entry in data.get("freezes", ()):
            require_known(entry, names)
            try:
                freezes.append(parse_freeze(entry, folder))
            except WindowError as error:  # what a bad freeze would have closed stays closed
                broken.update(dict.fromkeys(entry.get("windows", names), error))
        windows = {}
        for entry in data["windows"]:
            try:
                windows[entry["name"]] = _window(entry, freezes, folder)
            except WindowError as error:
                broken[entry["name"]] = error
        return cls({name: found for name, found in windows.items() if name not in broken}, broken)

    def window(self, name: str) -> MaintenanceWindow:
        """The window of that name. Raises WindowError when there is none, or when it cannot be used."""
        if name in self.broken:
            error = self.broken[name]
            raise WindowError(error.message, remedy=error.remedy) from error
        found = self.windows.get(name)
        if found is None:
            known = ", ".join(sorted({*self.windows, *self.broken}))
            raise WindowError(
                f"There is no maintenance window {name!r}; windows.yaml knows {known}.",
                remedy="Name one of these, or add the window to windows.yaml.",
            )
        return found


def next_window(
    policy: WindowPolicy, name: str, at: datetime, needed: timedelta, *, horizon: timedelta = HORIZON
) -> Opening | Refusal:
    """The first opening, from `at` on, with at least `needed` left; or the refusal that says why there is none."""
    window = policy.window(name)
    at = aware_utc(at, "at")
    if needed <= timedelta():
        raise WindowError(f"The needed time must be more than nothing, not {needed}.")
    longest: Opening | None = None
    looked_at = 0
    for opening in islice(window.openings(at, join=max(needed, JOINED_AT_LEAST)), MAX_OPENINGS_LOOKED_AT):
        if opening.start > at + horizon:
            break
        if opening.remaining(at) >= needed:
            return opening
        looked_at += 1
        if longest is None or opening.remaining(at) > longest.remaining(at):
            longest = opening
    return _refusal(window, at, needed, horizon, longest, looked_at)


def _refusal(
    window: MaintenanceWindow, at: datetime, needed: timedelta, horizon: timedelta, longest: Opening | None, count: int
) -> Refusal:
    until = (at + horizon).date()
    if longest is None:
        return Refusal(
            f"The window {window.name!r} does not open between {at:%Y-%m-%d %H:%M} UTC and {until}.",
            "Its rule has ended, or freezes cover it: mend windows.yaml, or give the group another window.",
        )
    left = longest.remaining(at)
    return Refusal(
        f"The work needs {spoken(needed)}; the longest of the next {count} openings of {window.name!r} has"
        f" {spoken(left)} ({longest.start:%Y-%m-%d %H:%M} to {longest.end:%H:%M} UTC):"
        f" {spoken(needed - left)} too little.",
        "Split the campaign, raise its max_unavailable, or agree on a longer window in windows.yaml.",
    )


def _window(entry: Mapping[str, Any], freezes: list[Freeze | FreezeCalendar], folder: Path) -> MaintenanceWindow:
    name = entry["name"]
    try:
        zone = time_zone(entry["time_zone"])
        rules = tuple(_rule(opening, zone) for opening in entry.get("openings", ()))
        if "calendar" in entry:
            calendar = entry["calendar"]
            rules += read_calendar(folder / calendar["file"], zone, category=calendar.get("category"))
    except WindowError as error:
        raise WindowError(f"windows.yaml, window {name!r}: {error.message}", remedy=error.remedy) from error
    return MaintenanceWindow(
        name=name,
        time_zone=entry["time_zone"],
        rules=rules,
        freezes=tuple(freeze for freeze in freezes if freeze.windows is None or name in freeze.windows),
        description=entry.get("description", ""),
    )


def _rule(opening: Mapping[str, Any], zone: ZoneInfo) -> Rule:
    first = parse_local(opening["first"])
    return Rule(
        first=first,
        rule=parse_rule(opening["rule"], first, zone) if "rule" in opening else None,
        duration=parse_duration(opening["duration"]),
        except_=frozenset(parse_local(text) for text in opening.get("except", ())),
    )
