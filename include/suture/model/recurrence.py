"""One opening rule of a maintenance window: DTSTART, RRULE and duration (RFC 5545), turned into instants.

Recurrence is reckoned in local time; a start that the spring change skips is read with the offset before the
gap, one that comes twice in autumn is the first (RFC 5545, 3.3.5). Rules more frequent than daily must be in
UTC: in local time they would lose or repeat an hour twice a year.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dateutil.rrule import rrule, rrulestr
from dateutil.tz import resolve_imaginary
from icalendar import vDuration

from suture.errors import BadInputError

MAX_DURATION = timedelta(days=31)
MAX_COUNT = 10_000
_REORDER_MARGIN = timedelta(hours=26)  # a time zone can skip a whole day (Samoa, 2011-12-30)
_LONGEST_GAP = timedelta(days=41 * 366)  # a Sunday that is 29 February: 28 years apart, 40 across the year 2100
_STEPS_LOOKED_AT = 100_000  # of a rule by the hour or minute: at least 69 days, while its parts repeat each week
_END = datetime(9999, 12, 31)  # noqa: DTZ001 - local times have no zone here; datetime can tell no later year
_FREQUENCIES = ("SECONDLY", "MINUTELY", "HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY")
_STEPS = {
    "MINUTELY": timedelta(minutes=1),
    "HOURLY": timedelta(hours=1),
    "DAILY": timedelta(days=1),
    "WEEKLY": timedelta(weeks=1),
}
_SUB_DAILY_PARTS = {"FREQ", "INTERVAL", "BYDAY", "BYHOUR", "BYMINUTE", "COUNT", "UNTIL"}


class WindowError(BadInputError):
    """A window that cannot be used: unknown name, bad rule, bad time zone, a moment without one."""


@dataclass(frozen=True)
class Rule:
    """Opens at `first` (naive, in the window's zone) and then as `rule` says (an RRULE; None: once).

    except_: local starts that are left out (EXDATE); except_instants: the same, in UTC. duration is absolute time, unless
    nominal: whole days, from local midnight to local midnight. zone None: the window's.
    """

    first: datetime
    rule: str | None
    duration: timedelta
    except_: frozenset[datetime] = frozenset()
    except_instants: frozenset[datetime] = frozenset()
    zone: tzinfo | None = None
    nominal: bool = False

    def local_starts(self, after: datetime) -> Iterator[datetime]:
        """Local starts at or after `after` (naive), ascending; may be endless."""
        starts: Iterable[datetime] = (self.first,)
        if self.rule is not None:
            starts = _begun_near(self.rule, self.first, after)
        return (start for start in starts if start >= after and start not in self.except_)


def instants(rule: Rule, zone: tzinfo, after: datetime) -> Iterator[tuple[datetime, datetime]]:
    """[start, end) in UTC, ascending, from the last ones that may still be open at `after` (aware).

    Local order and UTC order differ around a gap (02:30 becomes 03:30, after 03:00), so a small heap puts
    them right.
    """
    zone = rule.zone or zone
    local_after = after.astimezone(zone).replace(tzinfo=None) - rule.duration - _REORDER_MARGIN
    waiting: list[tuple[datetime, datetime]] = []
    for local in rule.local_starts(local_after):
        start = local_instant(local, zone)
        end = local_instant(local + rule.duration, zone) if rule.nominal else start + rule.duration
        if start not in rule.except_instants and start < end:
            heapq.heappush(waiting, (start, end))
        while waiting and waiting[0][0] <= start - _REORDER_MARGIN:
            yield heapq.heappop(waiting)
    while waiting:
        yield heapq.heappop(waiting)


def local_instant(local: datetime, zone: tzinfo) -> datetime:
    """A naive local time as UTC: skipped times move forward by the gap, doubled ones are the first."""
    aware = local.replace(tzinfo=zone, fold=0)
    if not isinstance(zone, ZoneInfo):  # a VTIMEZONE's zone reads a skipped time with the offset after the gap
        aware = resolve_imaginary(aware)
    return aware.astimezone(UTC)


def aware_utc(moment: datetime, what: str) -> datetime:
    """The moment in UTC. Raises WindowError when it has no time zone: a guess would open the wrong hour."""
    if moment.tzinfo is None:
        raise WindowError(f"{what} must have a time zone (for example {moment.isoformat()}Z).")
    utc = moment.astimezone(UTC)
    # A plain datetime: pendulum's, which Airflow hands in, cannot be divided by a timedelta.
    return datetime.combine(utc.date(), utc.time(), UTC)


def time_zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise WindowError(
            f"{name!r} is not a time zone of the IANA database.", remedy="Use a name such as Europe/Zurich or UTC."
        ) from error


def parse_local(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise WindowError(f"{text!r} is not a local time such as 2026-01-31T22:00: {error}.") from error


def parse_duration(text: str) -> timedelta:
    try:
        duration: timedelta = vDuration.from_ical(text)  # type: ignore[no-untyped-call]
    except ValueError as error:
        raise WindowError(f"{text!r} is not an ISO 8601 duration such as PT3H.") from error
    if not timedelta() < duration <= MAX_DURATION:
        raise WindowError(f"A window lasts more than nothing and at most {MAX_DURATION.days} days, not {text}.")
    return duration


def parse_rule(text: str, first: datetime, zone: tzinfo) -> str:
    """The rule as this module runs it: checked, in capitals (3.1: case does not count), its UNTIL in local time. Raises
    WindowError."""
    text = text.upper()
    parts = _parts(text)
    frequency = parts.get("FREQ", "")
    if frequency not in _FREQUENCIES:
        raise WindowError(f"{text!r} is not an RRULE: its FREQ must be one of {', '.join(_FREQUENCIES[1:])}.")
    if frequency == "SECONDLY":
        raise WindowError(f"{text!r}: a window does not open every second.")
    if frequency in ("MINUTELY", "HOURLY"):
        name = getattr(zone, "key", str(zone))
        if name not in ("UTC", "Etc/UTC"):
            raise WindowError(
                f"{text!r} in {name}: rules more frequent than daily must be in UTC, where no hour is missing.",
                remedy="Set time_zone: UTC, or use FREQ=DAILY;BYHOUR=….",
            )
        foreign = sorted(set(parts) - _SUB_DAILY_PARTS)
        if foreign:
            raise WindowError(f"{text!r}: a rule more frequent than daily knows no {foreign[0]}.")
    if int(parts.get("COUNT", "1")) > MAX_COUNT:
        raise WindowError(f"{text!r}: COUNT is at most {MAX_COUNT}.")
    until = parts.get("UNTIL", "")
    if until.endswith("Z"):  # RFC 5545 demands UTC here; the recurrence itself runs in local time
        try:
            local = datetime.strptime(until, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).astimezone(zone)
        except (ValueError, OverflowError) as error:
            raise WindowError(f"{text!r}: UNTIL is no moment: {error}.") from error
        text = text.replace(until, local.strftime("%Y%m%dT%H%M%S"))
    _require_occurrence(text, first)
    return text


def _require_occurrence(text: str, first: datetime) -> None:
    """Raise WindowError for a rule that names no moment at all, such as 30 February: dateutil would look for it until the year
    9999 each time that the window is asked for (14 s for a daily rule), or find out only then that it cannot."""
    parts = _parts(text)
    span = _LONGEST_GAP
    if parts["FREQ"] in ("MINUTELY", "HOURLY"):
        span = min(span, _STEPS[parts["FREQ"]] * int(parts.get("INTERVAL", "1")) * _STEPS_LOOKED_AT)
    until = first + min(span, _END - first)
    rule = _recurrence(text, first)
    try:
        if "UNTIL" in parts:
            until = min(until, datetime.fromisoformat(parts["UNTIL"]))
        bounded = rule.replace(until=until, count=None)
        found = next(iter(bounded), None)
    except (ValueError, OverflowError) as error:
        raise WindowError(f"{text!r} is not a usable RRULE (RFC 5545): {error}.") from error
    if found is None:
        raise WindowError(f"{text!r} from {first:%Y-%m-%d %H:%M} on names no moment: the window would never open.")


def _parts(text: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in text.split(";")]
    if any(not (name and equals and value) for name, equals, value in pairs):
        raise WindowError(f"{text!r} is not an RRULE such as FREQ=WEEKLY;BYDAY=SU.")
    parts = {name: value for name, _, value in pairs}
    if len(parts) < len(pairs):
        raise WindowError(f"{text!r} names a part twice.")
    for name in ("COUNT", "INTERVAL"):
        if not re.fullmatch(r"[1-9][0-9]{0,5}", parts.get(name, "1")):
            raise WindowError(f"{text!r}: {name} must be a whole number from 1 on.")
    if not re.fullmatch(r"\d{8}(T\d{6}Z?)?", parts.get("UNTIL", "20260101")):
        raise WindowError(f"{text!r}: UNTIL must look like 20261231T225959Z.")
    return parts


def _begun_near(text: str, first: datetime, after: datetime) -> Iterable[datetime]:
    """The rule's local starts, begun near `after` where that changes nothing.

    These rules are evaluated period by period, so moving DTSTART by whole INTERVALs leaves every later start
    as it was; without it a five-minute rule that began last year costs 0.1 s for each question. COUNT counts
    from DTSTART, and BYSETPOS within a period that a new DTSTART might cut: with these, the long way.
    """
    parts = _parts(text)
    step = _STEPS.get(parts["FREQ"])
    if step is not None and after > first and not parts.keys() & {"COUNT", "BYSETPOS"}:
        stride = step * int(parts.get("INTERVAL", "1"))
        first += stride * max((after - first) // stride - 1, 0)
    return _recurrence(text, first)


def _recurrence(text: str, first: datetime) -> rrule:
    try:
        rule = rrulestr(text, dtstart=first)
    except (ValueError, TypeError) as error:
        raise WindowError(f"{text!r} is not a usable RRULE (RFC 5545): {error}.") from error
    assert isinstance(rule, rrule), text
    return rule
