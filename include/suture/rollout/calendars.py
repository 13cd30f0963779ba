"""iCalendar files (RFC 5545) as the openings of a window, or as freezes.

The rules:

1. Each VEVENT is an opening (or a freeze): DTSTART with DTEND or DURATION, RRULE, RDATE, EXDATE. A time without a zone is in the
   zone of the window. A TZID is the IANA zone of that name, otherwise the file's own VTIMEZONE; one that is neither is refused.
2. All-day events last from local midnight to local midnight, so 23 or 25 hours when the clocks change. All others last their
   exact time (RFC 5545, 3.8.5.3), as windows do.
3. A RECURRENCE-ID replaces that one occurrence; STATUS:CANCELLED takes an event, or that occurrence, away.
4. The file is refused as a whole where any event of it cannot be read: an exception that got lost would open a door.
   What this module does not know is refused too (EXRULE, RANGE=THISANDFUTURE, several RRULEs, an EXDATE that is a day).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from icalendar import Calendar

from suture.model.recurrence import MAX_DURATION, Rule, WindowError, local_instant, parse_rule

MAX_BYTES = 1024 * 1024
MAX_EVENTS = 1000
_DAY = timedelta(days=1)


def read_calendar(
    path: Path, zone: ZoneInfo, *, category: str | None = None, longest: timedelta = MAX_DURATION
) -> tuple[Rule, ...]:
    """The rules of an .ics file. zone: for times without one. category: only events with that CATEGORIES word.

    Raises WindowError, naming the file, the event and the field, for what cannot be used, and for a file without any event.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise WindowError(f"{path.name}: larger than {MAX_BYTES} bytes, which no calendar of windows is.")
        text = path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise WindowError(f"{path.name} cannot be read: {error}.", remedy="Put the .ics file beside windows.yaml.") from error
    return parse_calendar(text, zone, name=path.name, category=category, longest=longest)


def parse_calendar(
    text: str, zone: ZoneInfo, *, name: str = "<text>", category: str | None = None, longest: timedelta = MAX_DURATION
) -> tuple[Rule, ...]:
    """As read_calendar(), from text."""
    events = _events(text, name)
    if category is not None:
        events = [event for event in events if category in _categories(event)]
    if not events:
        wanted = f" of the category {category!r}" if category else ""
        raise WindowError(f"{name} holds no event{wanted}: a calendar without one opens nothing and freezes nothing.")
    rules: list[Rule] = []
    for uid, same in _by_uid(events).items():
        try:
            rules.extend(_rules(same, zone, longest))
        except WindowError as error:
            raise WindowError(f"{name}, event {uid!r}: {error.message}", remedy=error.remedy) from error
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            raise WindowError(f"{name}, event {uid!r}: cannot be read: {error}.") from error
    return tuple(rules)


def _events(text: str, name: str) -> list[Any]:
    if "\x00" in text:
        raise WindowError(f"{name} holds a NUL character: it is not an iCalendar file.")
    if text.count("BEGIN:") > 4 * MAX_EVENTS:
        raise WindowError(f"{name} holds more than {MAX_EVENTS} events.")
    try:
        calendars = Calendar.from_ical(text, multiple=True)
    except (ValueError, KeyError, IndexError, RecursionError) as error:
        raise WindowError(f"{name} is not an iCalendar file (RFC 5545): {error}.") from error
    if not calendars or any(calendar.name != "VCALENDAR" for calendar in calendars):
        raise WindowError(f"{name} is not an iCalendar file (RFC 5545): no VCALENDAR.")
    for component in (part for calendar in calendars for part in calendar.walk()):
        for field, why in getattr(component, "errors", ()):
            raise WindowError(f"{name}: the field {field} of a {component.name} cannot be read: {why}.")
    events = [event for calendar in calendars for event in calendar.walk("VEVENT")]
    if len(events) > MAX_EVENTS:
        raise WindowError(f"{name} holds more than {MAX_EVENTS} events.")
    return events


def _by_uid(events: Iterable[Any]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = defaultdict(list)
    for number, event in enumerate(events, 1):
        found[str(event.get("UID") or f"number {number}")].append(event)
    return found


def _rules(events: Sequence[Any], zone: ZoneInfo, longest: timedelta) -> Iterator[Rule]:
    """One UID's events: the one that recurs, and those that replace single occurrences."""
    replaced: set[datetime] = set()
    for event in events:
        if "RECURRENCE-ID" in event:
            if "RANGE" in event["RECURRENCE-ID"].params:
                raise WindowError("RECURRENCE-ID with RANGE is not understood: split the event in two.")
            replaced.add(_instant(event["RECURRENCE-ID"], zone))
    for event in events:
        cancelled = str(event.get("STATUS", "")).upper() == "CANCELLED"
        if cancelled:
            continue
        for rule in _event_rules(event, zone, longest):
            gone = rule.except_instants | (frozenset() if "RECURRENCE-ID" in event else frozenset(replaced))
            yield replace(rule, except_instants=gone)


def _event_rules(event: Any, zone: ZoneInfo, longest: timedelta) -> Iterator[Rule]:
    if "EXRULE" in event:
        raise WindowError("EXRULE is not understood (RFC 5545 withdrew it): use EXDATE.")
    if "DTSTART" not in event:
        raise WindowError("DTSTART is missing.")
    if isinstance(event.get("RRULE"), list):
        raise WindowError("there is more than one RRULE: make it several events.")
    start = event["DTSTART"]
    own = _zone(start, zone)
    whole_days = not isinstance(start.dt, datetime)
    first = _local(start.dt)
    duration = _duration(event, zone, whole_days=whole_days, longest=longest)
    gone = frozenset(_exceptions(event, zone, whole_days=whole_days))
    text = parse_rule(event["RRULE"].to_ical().decode(), first, own) if "RRULE" in event else None
    if text is not None and next(Rule(first, text, duration).local_starts(first), None) != first:
        raise WindowError("its RRULE does not name its own DTSTART: readers differ on whether that one counts (3.8.5.3).")
    yield Rule(first, text, duration, zone=own, nominal=whole_days, except_instants=gone)
    for moment, span in _more_dates(event):
        local = _local(moment)
        yield Rule(local, None, span or duration, zone=_moment_zone(moment, own), nominal=whole_days, except_instants=gone)


def _duration(event: Any, zone: ZoneInfo, *, whole_days: bool, longest: timedelta) -> timedelta:
    start = event["DTSTART"]
    if "DTEND" in event and "DURATION" in event:
        raise WindowError("both DTEND and DURATION are given.")
    if "DTEND" in event:
        end = event["DTEND"]
        if isinstance(end.dt, datetime) == whole_days:
            raise WindowError("DTSTART and DTEND must both be days, or both be times.")
        span: timedelta = end.dt - start.dt if whole_days else _instant(end, zone) - _instant(start, zone)
    elif "DURATION" in event:
        span = event["DURATION"].dt
    elif whole_days:
        span = _DAY
    else:
        raise WindowError("it has neither DTEND nor DURATION: it would last nothing.")
    if not timedelta() < span <= longest:
        raise WindowError(f"it lasts {span}: more than nothing and at most {longest.days} days are allowed.")
    if whole_days and span % _DAY:
        raise WindowError(f"an event of whole days lasts whole days, not {span}.")
    return span


def _exceptions(event: Any, zone: ZoneInfo, *, whole_days: bool) -> Iterator[datetime]:
    for entry in _listed(event.get("EXDATE")):
        for moment in entry.dts:
            if isinstance(moment.dt, datetime) == whole_days:
                raise WindowError("an EXDATE must be a day where DTSTART is one, and a time where DTSTART is one.")
            yield _at(moment.dt, _zone_named(entry, moment.dt, zone))


def _more_dates(event: Any) -> Iterator[tuple[Any, timedelta | None]]:
    """RDATE: (start, its own length; None: the event's)."""
    whole_days = not isinstance(event["DTSTART"].dt, datetime)
    for entry in _listed(event.get("RDATE")):
        for moment in entry.dts:
            value, span = moment.dt, None
            if isinstance(value, tuple):
                value, end = value
                span = end if isinstance(end, timedelta) else _at(end, end.tzinfo or UTC) - _at(value, value.tzinfo or UTC)
                if not timedelta() < span <= MAX_DURATION:
                    raise WindowError(f"an RDATE lasts {span}: more than nothing and at most {MAX_DURATION.days} days.")
            if isinstance(value, datetime) == whole_days:
                raise WindowError("an RDATE must be a day where DTSTART is one, and a time where DTSTART is one.")
            _zone_named(entry, value, ZoneInfo("UTC"))
            yield value, span


def _instant(field: Any, zone: ZoneInfo) -> datetime:
    return _at(field.dt, _zone(field, zone))


def _at(moment: date, zone: tzinfo) -> datetime:
    return local_instant(_local(moment), zone)


def _local(moment: date) -> datetime:
    """Without its zone; a day is its midnight."""
    return moment.replace(tzinfo=None) if isinstance(moment, datetime) else datetime.combine(moment, time())


def _zone(field: Any, zone: ZoneInfo) -> tzinfo:
    return _zone_named(field, field.dt, zone)


def _zone_named(field: Any, moment: Any, zone: ZoneInfo) -> tzinfo:
    named = field.params.get("TZID") if hasattr(field, "params") else None
    found = getattr(moment, "tzinfo", None)
    if named is not None and isinstance(moment, datetime) and found is None:
        raise WindowError(
            f"the TZID {str(named)!r} is no zone of the IANA database, and the file has no VTIMEZONE of that name.",
            remedy="Use a name such as Europe/Zurich.",
        )
    return _moment_zone(moment, zone)


def _moment_zone(moment: Any, zone: tzinfo) -> tzinfo:
    found: tzinfo | None = getattr(moment, "tzinfo", None)
    if found is None:
        return zone
    return ZoneInfo("UTC") if found is UTC else found


def _categories(event: Any) -> set[str]:
    return {str(word) for entry in _listed(event.get("CATEGORIES")) for word in entry.cats}


def _listed(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]
