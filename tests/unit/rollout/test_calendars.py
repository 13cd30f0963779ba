"""iCalendar files as windows and freezes: zones, exceptions, both clock changes; and what is refused."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import recurring_ical_events
from hypothesis import given, settings
from hypothesis import strategies as st
from icalendar import Calendar

from suture.model.recurrence import Rule, WindowError, instants
from suture.rollout.calendars import parse_calendar
from suture.rollout.windows import Opening, Refusal, WindowPolicy, next_window

ZURICH = ZoneInfo("Europe/Zurich")
ZONE = """\
BEGIN:VTIMEZONE
TZID:Our Office
BEGIN:STANDARD
DTSTART:19701025T030000
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:19700329T020000
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
END:DAYLIGHT
END:VTIMEZONE
"""


def calendar(*events: str, zones: str = "") -> str:
    body = "".join(f"BEGIN:VEVENT\nUID:{number}\n{event.strip()}\nEND:VEVENT\n" for number, event in enumerate(events))
    text = f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//test//EN\n{zones}{body}END:VCALENDAR\n"
    return text.replace("\n", "\r\n")


def spans(rules: tuple[Rule, ...], after: str, count: int) -> list[tuple[str, str]]:
    start = datetime.fromisoformat(after).replace(tzinfo=UTC)
    found = sorted(span for rule in rules for span in islice(instants(rule, ZURICH, start), count + 5) if span[1] > start)
    return [(f"{one:%m-%d %H:%M}", f"{end:%m-%d %H:%M}") for one, end in found[:count]]


NIGHT = "DTSTART;TZID={}:20260101T023000\nDURATION:PT3H\nRRULE:FREQ=DAILY"


@pytest.mark.parametrize("zone", ["Europe/Zurich", "Our Office", "W. Europe Standard Time"])
def test_both_clock_changes_in_an_iana_zone_and_in_the_files_own(zone: str) -> None:
    rules = parse_calendar(calendar(NIGHT.format(zone), zones=ZONE), ZoneInfo("UTC"))
    assert spans(rules, "2026-03-28T12:00", 2) == [("03-29 01:30", "03-29 04:30"), ("03-30 00:30", "03-30 03:30")]
    assert spans(rules, "2026-10-24T12:00", 2) == [("10-25 00:30", "10-25 03:30"), ("10-26 01:30", "10-26 04:30")]


def test_exdate_rdate_replaced_and_cancelled_occurrences() -> None:
    master = f"""{NIGHT.format("Europe/Zurich")};COUNT=6
EXDATE;TZID=Europe/Zurich:20260102T023000
EXDATE:20260103T013000Z
RDATE;TZID=Europe/Zurich:20260110T100000
RDATE;VALUE=PERIOD;TZID=Europe/Zurich:20260111T100000/PT1H"""
    moved = "RECURRENCE-ID;TZID=Europe/Zurich:20260104T023000\nDTSTART;TZID=Europe/Zurich:20260104T120000\nDURATION:PT1H"
    gone = "RECURRENCE-ID;TZID=Europe/Zurich:20260105T023000\nDTSTART;TZID=Europe/Zurich:20260105T023000\nSTATUS:CANCELLED"
    text = calendar(master, moved, gone).replace("UID:1", "UID:0").replace("UID:2", "UID:0")
    assert spans(parse_calendar(text, ZURICH), "2026-01-01T00:00", 9) == [
        ("01-01 01:30", "01-01 04:30"),
        ("01-04 11:00", "01-04 12:00"),
        ("01-06 01:30", "01-06 04:30"),
        ("01-10 09:00", "01-10 12:00"),
        ("01-11 09:00", "01-11 10:00"),
    ]


def test_whole_days_follow_the_clock_and_floating_times_the_window() -> None:
    days = parse_calendar(calendar("DTSTART;VALUE=DATE:20260329\nDTEND;VALUE=DATE:20260330"), ZURICH)
    assert spans(days, "2026-03-28T00:00", 1) == [("03-28 23:00", "03-29 22:00")]  # 23 hours
    floating = parse_calendar(calendar("DTSTART:20260701T100000\nDTEND:20260701T110000"), ZURICH)
    assert spans(floating, "2026-07-01T00:00", 1) == [("07-01 08:00", "07-01 09:00")]


def test_only_the_category_asked_for() -> None:
    text = calendar(f"{NIGHT.format('UTC')}\nCATEGORIES:patch,other", "DTSTART:20260101T100000Z\nDURATION:PT1H")
    assert len(parse_calendar(text, ZURICH, category="patch")) == 1
    with pytest.raises(WindowError, match="no event of the category 'none'"):
        parse_calendar(text, ZURICH, category="none")


@pytest.mark.parametrize(
    ("event", "why"),
    [
        ("DTSTART;TZID=No Such:20260101T023000\nDURATION:PT1H", "'No Such' is no zone"),
        ("DTSTART:20260101T023000Z", "neither DTEND nor DURATION"),
        ("DURATION:PT1H", "DTSTART"),
        ("DTSTART:20260101T023000Z\nDTEND:20260101T013000Z", "more than nothing"),
        ("DTSTART:20260101T023000Z\nDURATION:P40D", "31 days"),
        ("DTSTART:20260101T023000Z\nDURATION:PT1H\nDTEND:20260101T043000Z", "both DTEND and DURATION"),
        ("DTSTART:20260101T023000Z\nDURATION:PT1H\nRRULE:FREQ=SECONDLY", "second"),
        ("DTSTART:20260101T023000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY\nRRULE:FREQ=WEEKLY", "more than one RRULE"),
        ("DTSTART:20260101T023000Z\nDURATION:PT1H\nEXRULE:FREQ=WEEKLY", "EXRULE"),
        ("DTSTART:20260101T023000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY\nEXDATE;VALUE=DATE:20260102", "EXDATE must be"),
        ("DTSTART:20260101T023000Z\nDTEND;VALUE=DATE:20260102", "both be days, or both be times"),
        ("RECURRENCE-ID;RANGE=THISANDFUTURE:20260101T023000Z\nDTSTART:20260101T023000Z\nDURATION:PT1H", "RANGE"),
        ("DTSTART:20260101T023000Z\nDURATION:PT1H\nRRULE:FREQ=WEEKLY;BYDAY=SU", "does not name its own DTSTART"),
        ("DTSTART:yesterday\nDURATION:PT1H", "DTSTART"),
        ("DTSTART:20260101T023000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=99999999", "COUNT"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_event(event: str, why: str) -> None:
    with pytest.raises(WindowError, match=why) as caught:
        parse_calendar(calendar(NIGHT.format("UTC"), event), ZURICH, name="team.ics")
    assert "team.ics" in str(caught.value)


@pytest.mark.parametrize("text", ["", "<html>503</html>", "BEGIN:VCALENDAR\r\n", calendar(), "a\x00b", calendar(*["X:1"] * 1001)])
def test_what_is_no_calendar_is_refused(text: str) -> None:
    with pytest.raises(WindowError):
        parse_calendar(text, ZURICH)


@settings(deadline=None, max_examples=60)
@given(
    zone=st.sampled_from(["Europe/Zurich", "America/New_York", "Pacific/Tongatapu", "Pacific/Auckland", "UTC"]),
    rule=st.sampled_from(["FREQ=DAILY", "FREQ=WEEKLY;BYDAY=TU,SU", "FREQ=MONTHLY;BYDAY=2TU", "FREQ=MONTHLY;BYMONTHDAY=-1"]),
    hour=st.integers(4, 23),  # not in a gap or a repeated hour, where the oracle has its own opinion
    hours=st.integers(1, 20),
    left_out=st.sets(st.integers(0, 60), max_size=5),
    begin=st.integers(0, 500),
)
def test_as_an_independent_reader_has_it(
    zone: str, rule: str, hour: int, hours: int, left_out: set[int], begin: int
) -> None:
    exdates = "".join(
        f"\nEXDATE;TZID={zone}:{datetime(2026, 1, 1, hour) + timedelta(days=days):%Y%m%dT%H%M%S}" for days in sorted(left_out)
    )
    # DTSTART itself is an occurrence for RFC 5545's readers also where the rule does not name it: start from one that it names.
    text = calendar(f"DTSTART;TZID={zone}:{_first(rule, hour):%Y%m%dT%H%M%S}\nDURATION:PT{hours}H\nRRULE:{rule}{exdates}")
    start = datetime(2026, 2, 1, tzinfo=UTC) + timedelta(days=begin)
    end = start + timedelta(days=70)
    oracle = sorted(
        event["DTSTART"].dt.astimezone(UTC) for event in recurring_ical_events.of(Calendar.from_ical(text)).between(start, end)
    )
    (own,) = parse_calendar(text, ZURICH)
    found = []
    for one, until in instants(own, ZURICH, start):
        if one >= end:
            break
        if until > start:
            found.append(one)
    assert found == [moment for moment in oracle if moment + timedelta(hours=hours) > start and moment < end]


def _first(rule: str, hour: int) -> datetime:
    days: dict[str, date] = {
        "FREQ=DAILY": date(2026, 1, 1),
        "FREQ=WEEKLY;BYDAY=TU,SU": date(2026, 1, 4),
        "FREQ=MONTHLY;BYDAY=2TU": date(2026, 1, 13),
        "FREQ=MONTHLY;BYMONTHDAY=-1": date(2026, 1, 31),
    }
    return datetime.combine(days[rule], datetime.min.time()) + timedelta(hours=hour)


def policy(folder: Path, window: dict[str, Any], *freezes: dict[str, Any]) -> WindowPolicy:
    (folder / "windows.yaml").write_text(
        json.dumps({"windows": [{"name": "w", "time_zone": "Europe/Zurich", **window}], "freezes": list(freezes)})
    )
    return WindowPolicy.load(folder)


def test_a_window_and_a_freeze_from_files(tmp_path: Path) -> None:
    (tmp_path / "nights.ics").write_text(calendar(NIGHT.format("Europe/Zurich")))
    (tmp_path / "month-end.ics").write_text(
        calendar("DTSTART;VALUE=DATE:20260131\nRRULE:FREQ=MONTHLY;BYMONTHDAY=-1\nSUMMARY:closing")
    )
    freeze = {"name": "closing", "calendar": {"file": "month-end.ics"}, "time_zone": "Europe/Zurich", "reason": "closing"}
    found = policy(tmp_path, {"calendar": {"file": "nights.ics"}}, freeze)
    at = datetime(2026, 2, 27, 12, tzinfo=UTC)
    opening = next_window(found, "w", at, timedelta(hours=3))
    assert isinstance(opening, Opening)
    assert opening.start == datetime(2026, 3, 1, 1, 30, tzinfo=UTC)  # the night of 28 February is closed
    refused = next_window(found, "w", at, timedelta(hours=4))
    assert isinstance(refused, Refusal)
    assert "1 h 00 min too little" in refused.sentence


def test_openings_and_a_calendar_together(tmp_path: Path) -> None:
    (tmp_path / "extra.ics").write_text(calendar("DTSTART:20260103T120000Z\nDURATION:PT2H"))
    opening = {"first": "2026-01-01T10:00", "duration": "PT1H"}
    found = policy(tmp_path, {"openings": [opening], "calendar": {"file": "extra.ics"}}).window("w")
    assert [one.start.day for one in found.openings(datetime(2025, 12, 31, tzinfo=UTC))] == [1, 3]


@pytest.mark.parametrize("file", ["../windows.ics", "/etc/passwd", "a/b.ics", "windows.yaml"])
def test_a_calendar_lies_beside_the_policy(tmp_path: Path, file: str) -> None:
    with pytest.raises(Exception, match=r"windows\.yaml:1: .*calendar"):
        policy(tmp_path, {"calendar": {"file": file}})
