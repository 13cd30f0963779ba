"""Maintenance windows: what opens when, what fits, and what is refused."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr
from hypothesis import given, settings
from hypothesis import strategies as st

from suture.model.recurrence import Rule, WindowError, instants, parse_rule, time_zone
from suture.rollout.windows import MaintenanceWindow, Opening, Refusal, WindowPolicy, next_window
from suture.settings import PROJECT_ROOT


def policy(
    *openings: dict[str, Any], zone: str = "Europe/Zurich", freezes: list[dict[str, Any]] | None = None
) -> WindowPolicy:
    data: dict[str, Any] = {"windows": [{"name": "w", "time_zone": zone, "openings": list(openings)}]}
    return WindowPolicy.from_data({**data, "freezes": freezes or []})


def window(*openings: dict[str, Any], **kwargs: Any) -> MaintenanceWindow:
    return policy(*openings, **kwargs).window("w")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def spans(window: MaintenanceWindow, after: str, count: int, **kwargs: Any) -> list[tuple[str, str]]:
    found = islice(window.openings(utc(after), **kwargs), count)
    return [(f"{o.start:%m-%d %H:%M}", f"{o.end:%m-%d %H:%M}") for o in found]


NIGHT = {"first": "2026-01-01T02:30", "rule": "FREQ=DAILY", "duration": "PT3H"}


def test_spring_gap_moves_forward_and_keeps_absolute_duration() -> None:
    # 2026-03-29 02:30 does not exist in Zurich: it becomes 03:30 CEST = 01:30 UTC, and lasts three real hours.
    assert spans(window(NIGHT), "2026-03-28T12:00", 2) == [
        ("03-29 01:30", "03-29 04:30"),
        ("03-30 00:30", "03-30 03:30"),
    ]


def test_autumn_takes_the_first_occurrence() -> None:
    # 2026-10-25 02:30 comes twice in Zurich: the first is CEST (00:30 UTC), and three real hours end at 03:30 UTC.
    assert spans(window(NIGHT), "2026-10-24T12:00", 1) == [("10-25 00:30", "10-25 03:30")]


def test_overnight_window_and_utc_plus_13() -> None:
    # Auckland in January is UTC+13: 22:00 local on the 5th is 09:00 UTC of the 5th.
    nightly = window({"first": "2026-01-05T22:00", "rule": "FREQ=DAILY", "duration": "PT6H"}, zone="Pacific/Auckland")
    assert spans(nightly, "2026-01-05T14:59", 2) == [("01-05 09:00", "01-05 15:00"), ("01-06 09:00", "01-06 15:00")]


def test_several_rules_one_window_joined_where_they_overlap() -> None:
    both = window(
        {"first": "2026-01-04T02:00", "rule": "FREQ=WEEKLY;BYDAY=SU", "duration": "PT2H"},
        {"first": "2026-01-04T03:00", "rule": "FREQ=WEEKLY;BYDAY=SU", "duration": "PT3H"},
        {"first": "2026-01-13T22:00", "rule": "FREQ=MONTHLY;BYDAY=2TU", "duration": "PT1H"},
        zone="UTC",
    )
    assert spans(both, "2026-01-03T00:00", 3) == [
        ("01-04 02:00", "01-04 06:00"),
        ("01-11 02:00", "01-11 06:00"),
        ("01-13 22:00", "01-13 23:00"),
    ]


def test_exdate_and_freeze_take_time_out() -> None:
    frozen = window(
        {**NIGHT, "first": "2026-01-01T22:00", "duration": "PT8H", "except": ["2026-01-03T22:00"]},
        zone="UTC",
        freezes=[
            {"name": "f", "from": "2026-01-02T00:00", "until": "2026-01-02T02:00", "time_zone": "UTC", "reason": "r"}
        ],
    )
    assert spans(frozen, "2026-01-01T12:00", 4) == [
        ("01-01 22:00", "01-02 00:00"),  # the freeze cuts the night in two
        ("01-02 02:00", "01-02 06:00"),
        ("01-02 22:00", "01-03 06:00"),
        ("01-04 22:00", "01-05 06:00"),  # the 3rd is left out
    ]


def test_freeze_of_another_window_does_not_count() -> None:
    data = {
        "windows": [{"name": n, "time_zone": "UTC", "openings": [NIGHT]} for n in ("w", "other")],
        "freezes": [
            {
                "name": "f",
                "from": "2026-01-01T00:00",
                "until": "2027-01-01T00:00",
                "time_zone": "UTC",
                "windows": ["other"],
                "reason": "r",
            }
        ],
    }
    found = WindowPolicy.from_data(data)
    assert next(found.window("w").openings(utc("2026-02-01T00:00"))).start == utc("2026-02-01T02:30")
    assert next(found.window("other").openings(utc("2026-02-01T00:00"))).start == utc("2027-01-01T02:30")


def test_open_window_counts_with_what_remains() -> None:
    night = policy(NIGHT, zone="UTC")
    open_now = next_window(night, "w", utc("2026-05-01T03:00"), timedelta(hours=2, minutes=30))
    assert isinstance(open_now, Opening)
    assert open_now.start == utc("2026-05-01T02:30")
    assert open_now.is_open(utc("2026-05-01T03:00"))
    too_late = next_window(night, "w", utc("2026-05-01T03:01"), timedelta(hours=2, minutes=30))
    assert isinstance(too_late, Opening)
    assert too_late.start == utc("2026-05-02T02:30")


def test_work_that_fits_nowhere_is_refused_with_the_arithmetic() -> None:
    refused = next_window(policy(NIGHT), "w", utc("2026-05-01T12:00"), timedelta(hours=5))
    assert isinstance(refused, Refusal)
    assert "needs 5 h 00 min" in refused.sentence
    assert "has 3 h 00 min" in refused.sentence
    assert "2 h 00 min too little" in refused.sentence
    assert "Split the campaign" in refused.remedy


def test_window_that_never_opens_again_is_refused() -> None:
    once = policy({"first": "2026-01-01T02:00", "duration": "PT3H"})
    refused = next_window(once, "w", utc("2026-05-01T12:00"), timedelta(hours=1))
    assert isinstance(refused, Refusal)
    assert "does not open" in refused.sentence


def test_window_without_a_gap_is_open_as_long_as_needed() -> None:
    always = policy({"first": "2026-01-01T00:00", "rule": "FREQ=DAILY", "duration": "PT24H"}, zone="UTC")
    found = next_window(always, "w", utc("2026-05-01T23:59"), timedelta(hours=40))
    assert isinstance(found, Opening)
    assert found.is_open(utc("2026-05-01T23:59"))
    assert found.remaining(utc("2026-05-01T23:59")) >= timedelta(hours=40)
    assert found.continues


def test_windows_with_gaps_are_not_joined() -> None:
    every_ten = window(
        {"first": "2026-01-01T00:00", "rule": "FREQ=HOURLY;BYMINUTE=0,10,20,30,40,50", "duration": "PT8M"}, zone="UTC"
    )
    assert spans(every_ten, "2026-05-01T12:09", 2) == [("05-01 12:10", "05-01 12:18"), ("05-01 12:20", "05-01 12:28")]


def test_frequent_rule_answers_in_milliseconds() -> None:
    rule = "FREQ=HOURLY;BYMINUTE=0,5,10,15,20,25,30,35,40,45,50,55"
    found = policy({"first": "2016-01-01T00:00", "rule": rule, "duration": "PT4M"}, zone="UTC")
    begun = time.process_time()
    answer = next_window(found, "w", utc("2026-05-01T12:02"), timedelta(minutes=4))
    assert time.process_time() - begun < 0.1
    assert isinstance(answer, Opening)
    assert answer.start == utc("2026-05-01T12:05")


@settings(deadline=None, max_examples=60)
@given(
    frequency=st.sampled_from(["DAILY", "WEEKLY", "HOURLY", "MINUTELY"]),
    interval=st.integers(1, 50),
    days=st.integers(0, 12),
    minutes=st.integers(0, 1439),
    by=st.sampled_from(["", ";BYDAY=MO,TH,SU", ";BYHOUR=1,13", ";BYMINUTE=0,30"]),
)
def test_starting_near_changes_nothing(frequency: str, interval: int, days: int, minutes: int, by: str) -> None:
    first = datetime(2026, 1, 1, 1, 30)
    after = first + timedelta(days=days, minutes=minutes)
    text = f"FREQ={frequency};INTERVAL={interval}{by}"
    try:
        reference = rrulestr(text, dtstart=first)
    except ValueError:
        return
    expected = list(islice((s for s in reference.xafter(after, count=6, inc=True)), 5))
    found = list(islice(Rule(first, text, timedelta(hours=1)).local_starts(after), 5))
    assert found == expected


@settings(deadline=None, max_examples=60)
@given(days=st.integers(0, 700), zone=st.sampled_from(["Europe/Zurich", "America/New_York", "Australia/Lord_Howe"]))
def test_instants_ascend_and_last_exactly_as_long_as_said(days: int, zone: str) -> None:
    rule = Rule(datetime(2026, 1, 1, 1, 30), "FREQ=DAILY;BYHOUR=1,2,3", timedelta(minutes=45))
    after = utc("2026-01-01T00:00") + timedelta(days=days)
    found = list(islice(instants(rule, time_zone(zone), after), 20))
    assert found == sorted(found)
    assert {end - start for start, end in found} == {timedelta(minutes=45)}


def test_until_in_utc_is_honoured_in_local_time() -> None:
    zone = time_zone("Europe/Zurich")
    text = parse_rule("FREQ=DAILY;UNTIL=20260103T003000Z", datetime(2026, 1, 1, 1, 30), zone)
    rule = Rule(datetime(2026, 1, 1, 1, 30), text, timedelta(hours=1))
    assert [s.day for s in rule.local_starts(datetime(2026, 1, 1))] == [1, 2, 3]


@pytest.mark.parametrize(
    ("opening", "zone", "says"),
    [
        ({"rule": "FREQ=FORTNIGHTLY"}, "UTC", "FORTNIGHTLY"),
        ({"rule": "FREQ=HOURLY"}, "Europe/Zurich", "must be in UTC"),
        ({"rule": "FREQ=MINUTELY;BYMONTHDAY=30"}, "UTC", "BYMONTHDAY"),
        ({"rule": "FREQ=SECONDLY"}, "UTC", "second"),
        ({"rule": "BYDAY=MO"}, "UTC", "RRULE"),
        ({"rule": "FREQ=DAILY;FREQ=DAILY"}, "UTC", "twice"),
        ({"rule": "FREQ=DAILY;INTERVAL=0"}, "UTC", "INTERVAL"),
        ({"rule": "RRULE:FREQ=DAILY"}, "UTC", "FREQ"),
        ({"rule": "freq=minutely"}, "Europe/Zurich", "must be in UTC"),
        ({"rule": "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30"}, "Europe/Zurich", "never open"),
        ({"rule": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"}, "Europe/Zurich", "never open"),
        ({"rule": "FREQ=WEEKLY;BYMONTH=13"}, "Europe/Zurich", "never open"),
        ({"rule": "FREQ=DAILY;UNTIL=20251231"}, "UTC", "never open"),
        ({"rule": "FREQ=DAILY;UNTIL=20261399"}, "UTC", "RRULE"),
        ({"rule": "FREQ=DAILY;UNTIL=20261399T000000Z"}, "UTC", "UNTIL is no moment"),
        ({"rule": "FREQ=MINUTELY;BYHOUR=25"}, "UTC", "RRULE"),
        ({"rule": "FREQ=HOURLY;INTERVAL=24;BYHOUR=5"}, "UTC", "RRULE"),
        ({"duration": "PT0S"}, "UTC", "nothing"),
        ({"duration": "P40D"}, "UTC", "31 days"),
        ({"first": "2026-02-30T00:00"}, "UTC", "2026-02-30"),
        ({}, "Mars/Olympus", "time zone"),
    ],
)
def test_bad_windows_are_refused_by_name(opening: dict[str, str], zone: str, says: str) -> None:
    with pytest.raises(WindowError, match=says) as caught:
        window({**NIGHT, **opening}, zone=zone)
    assert "window 'w'" in str(caught.value)


def test_a_rule_in_small_letters_is_the_rule() -> None:
    small = window({**NIGHT, "rule": "freq=weekly;byday=su"})
    assert spans(small, "2026-12-24T00:00", 2) == [("12-27 01:30", "12-27 04:30"), ("01-03 01:30", "01-03 04:30")]


@pytest.mark.parametrize(
    ("rule", "hours", "opens"),
    [
        # Zurich is UTC+1 at both ends of the year; 2026 has a week 53, from 28 December to 3 January.
        ("FREQ=DAILY", 6, ["12-30 22:00", "12-31 22:00", "01-01 22:00"]),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=TH", 6, ["12-31 22:00", "01-14 22:00", "01-28 22:00"]),
        ("FREQ=MONTHLY;BYMONTHDAY=-1", 6, ["12-31 22:00", "01-31 22:00", "02-28 22:00"]),
        ("FREQ=MONTHLY;BYDAY=1FR", 6, ["01-01 22:00", "02-05 22:00", "03-05 22:00"]),
        ("FREQ=MONTHLY;BYMONTHDAY=31", 6, ["12-31 22:00", "01-31 22:00", "03-31 21:00"]),
        ("FREQ=YEARLY;BYYEARDAY=-1", 6, ["12-31 22:00", "12-31 22:00"]),
        ("FREQ=YEARLY;BYWEEKNO=53;BYDAY=SU", 6, ["01-03 22:00"]),
        ("FREQ=DAILY;UNTIL=20261231T220000Z", 6, ["12-30 22:00", "12-31 22:00"]),
        ("FREQ=DAILY;UNTIL=20261231T215959Z", 6, ["12-30 22:00"]),
    ],
)
def test_the_turn_of_the_year(rule: str, hours: int, opens: list[str]) -> None:
    found = window({"first": "2026-01-01T23:00", "rule": rule, "duration": f"PT{hours}H"})
    begun = [start for start, _end in spans(found, "2026-12-30T12:00", len(opens))]
    assert begun == opens
    if opens[-1] == "12-30 22:00" or rule.endswith("220000Z"):
        assert spans(found, "2026-12-30T12:00", 9) == spans(found, "2026-12-30T12:00", len(opens))
    # An opening of New Year's Eve is under way in the new year.
    if "12-31 22:00" in opens:
        under_way = found.open_at(utc("2027-01-01T03:59"))
        assert under_way is not None
        assert under_way.remaining(utc("2027-01-01T03:59")) == timedelta(minutes=1)
        assert found.open_at(utc("2027-01-01T04:00")) is None


@pytest.mark.parametrize(
    ("begins", "ends", "frozen"),
    [
        ("2026-10-25T01:00", "2026-10-25T02:30", ("10-24 23:00", "10-25 01:30")),  # until 02:30 for the second time
        ("2026-10-25T02:30", "2026-10-25T05:00", ("10-25 00:30", "10-25 04:00")),  # from 02:30 for the first time
        ("2026-03-29T01:00", "2026-03-29T02:30", ("03-29 00:00", "03-29 01:30")),  # there is no 02:30: 03:30, not 01:30
        ("2026-03-29T02:30", "2026-03-29T05:00", ("03-29 00:30", "03-29 03:00")),  # 01:30, not 03:30
        ("2026-12-31T23:00", "2027-01-01T01:00", ("12-31 22:00", "01-01 00:00")),
    ],
)
def test_a_freeze_in_the_night_of_a_clock_change_is_the_longer_one(begins: str, ends: str, frozen: tuple[str, str]) -> None:
    found = window(
        {"first": "2026-01-01T00:00", "rule": "FREQ=DAILY", "duration": "PT24H"},
        zone="UTC",
        freezes=[{"name": "f", "from": begins, "until": ends, "time_zone": "Europe/Zurich", "reason": "r"}],
    )
    day = utc(f"{begins[:10]}T00:00") - timedelta(days=1)
    before, after = islice(found.openings(day, join=timedelta(days=5)), 2)
    assert (f"{before.end:%m-%d %H:%M}", f"{after.start:%m-%d %H:%M}") == frozen


def test_unknown_window_and_naive_time_are_refused() -> None:
    with pytest.raises(WindowError, match="no maintenance window 'x'"):
        policy(NIGHT).window("x")
    with pytest.raises(WindowError, match="time zone"):
        next_window(policy(NIGHT), "w", datetime(2026, 1, 1), timedelta(hours=1))


def test_the_projects_own_windows_load_and_open() -> None:
    own = WindowPolicy.load(PROJECT_ROOT / "include" / "policy")
    assert own.broken == {}
    for name in own.windows:
        found = next_window(own, name, utc("2026-11-23T22:00"), timedelta(hours=1))
        assert isinstance(found, Opening), name


def test_one_bad_file_is_reported_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "windows.yaml").write_text(
        "windows:\n  - name: w\n    time_zone: UTC\n    openings:\n      - {first: '2026-01-01T00:00', last: x}\n"
    )
    with pytest.raises(Exception, match=r"windows.yaml:5: .*no key 'last'"):
        WindowPolicy.load(tmp_path)


def test_one_bad_window_never_stops_the_others() -> None:
    data = {
        "windows": [
            {"name": "good", "time_zone": "UTC", "openings": [NIGHT]},
            {"name": "bad_rule", "time_zone": "UTC", "openings": [{**NIGHT, "rule": "FREQ=NEVER"}]},
            {"name": "bad_file", "time_zone": "UTC", "calendar": {"file": "missing.ics"}},
            {"name": "bad_freeze", "time_zone": "UTC", "openings": [NIGHT]},
        ],
        "freezes": [
            {"name": "f", "from": "2026-02-01T00:00", "until": "2026-01-01T00:00", "time_zone": "UTC",
             "windows": ["bad_freeze"], "reason": "r"},
        ],
    }  # fmt: skip
    found = WindowPolicy.from_data(data)
    assert set(found.windows) == {"good"}
    assert set(found.broken) == {"bad_rule", "bad_file", "bad_freeze"}
    assert isinstance(next_window(found, "good", utc("2026-01-05T00:00"), timedelta(hours=1)), Opening)
    for name, says in (("bad_rule", "NEVER"), ("bad_file", "missing.ics cannot be read"), ("bad_freeze", "ends .* before")):
        with pytest.raises(WindowError, match=says):
            next_window(found, name, utc("2026-01-05T00:00"), timedelta(hours=1))


def test_a_bad_freeze_of_all_windows_closes_them_all() -> None:
    freeze = {"name": "f", "from": "2026-02-01T00:00", "until": "2026-01-01T00:00", "time_zone": "UTC", "reason": "r"}
    found = policy(NIGHT, freezes=[freeze])
    assert found.windows == {}
    with pytest.raises(WindowError, match="freeze 'f'"):
        found.window("w")


ZONES = ["Pacific/Tongatapu", "Pacific/Apia", "Australia/Lord_Howe", "Europe/Zurich", "America/New_York",
         "America/St_Johns", "Pacific/Chatham", "Asia/Kathmandu", "UTC"]  # fmt: skip


@settings(deadline=None, max_examples=150)
@given(
    zone=st.sampled_from(ZONES),
    hour=st.integers(0, 23),
    minute=st.sampled_from([0, 15, 30, 45]),
    hours=st.integers(1, 23),
    day=st.integers(0, 720),
)
def test_every_day_opens_once_in_every_zone(zone: str, hour: int, minute: int, hours: int, day: int) -> None:
    """Overnight windows, gaps of an hour and of Lord Howe's half, repeated hours, UTC+13: one start a local day."""
    first = datetime(2026, 1, 1, hour, minute)
    daily = window({"first": first.isoformat(timespec="minutes"), "rule": "FREQ=DAILY", "duration": f"PT{hours}H"}, zone=zone)
    after = utc("2026-01-02T00:00") + timedelta(days=day)
    found = list(islice(daily.openings(after, join=timedelta()), 30))
    local = ZoneInfo(zone)
    starts = [opening.start for opening in found]
    assert starts == sorted(set(starts))
    days = [start.astimezone(local).date() for start in starts]
    assert [later - earlier for earlier, later in pairwise(days)] == [timedelta(days=1)] * 29
    for opening in found:
        assert opening.duration == timedelta(hours=hours) or opening.continues
        wall = opening.start.astimezone(local)
        asked = datetime.combine(wall.date(), first.time(), local)
        skipped = asked.astimezone(UTC).astimezone(local).replace(tzinfo=None) != asked.replace(tzinfo=None)
        assert skipped or (wall.hour, wall.minute) == (hour, minute)
        assert wall.fold == 0 or skipped  # of two, the first
