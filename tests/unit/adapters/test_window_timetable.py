"""The timetable of a maintenance window, as the scheduler asks it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pendulum
import pytest
from airflow.timetables.base import DataInterval, TimeRestriction

from suture_airflow.timetables.maintenance_window import MaintenanceWindowTimetable


def asked(
    timetable: MaintenanceWindowTimetable,
    last: tuple[str, str] | None = None,
    earliest: str | None = "2026-03-27T00:00",
    latest: str | None = None,
    catchup: bool = True,
) -> Any:
    def moment(text: str | None) -> Any:
        return None if text is None else pendulum.parse(text, tz="UTC")

    interval = None if last is None else DataInterval(moment(last[0]), moment(last[1]))
    return timetable.next_dagrun_info(
        last_automated_data_interval=interval,
        restriction=TimeRestriction(moment(earliest), moment(latest), catchup),
    )


def test_one_run_for_each_opening_across_the_spring_gap(policy_dir: Path) -> None:
    nightly = MaintenanceWindowTimetable("nightly")
    first = asked(nightly)
    assert first.run_after == first.data_interval.start == datetime(2026, 3, 27, tzinfo=UTC)
    last, starts = first.data_interval, []
    for _ in range(3):
        info = asked(nightly, (last.start.isoformat(), last.end.isoformat()))
        last = info.data_interval
        starts.append(last.start)
        assert last.end - last.start == timedelta(hours=3)
    assert starts == [
        datetime(2026, 3, 28, 0, tzinfo=UTC),
        datetime(2026, 3, 29, 0, tzinfo=UTC),
        datetime(2026, 3, 29, 23, tzinfo=UTC),
    ]


def test_a_window_without_gaps_has_one_run_for_each_opening(policy_dir: Path) -> None:
    info = asked(MaintenanceWindowTimetable("always"), ("2026-03-27T00:00", "2026-03-28T00:00"))
    assert info.data_interval.start == datetime(2026, 3, 28, tzinfo=UTC)
    assert info.data_interval.end == datetime(2026, 3, 29, tzinfo=UTC)


def test_without_catchup_the_past_is_left_alone(policy_dir: Path) -> None:
    info = asked(MaintenanceWindowTimetable("always"), ("2026-03-27T00:00", "2026-03-28T00:00"), catchup=False)
    assert info.data_interval.end > datetime.now(UTC)


def test_bounds(policy_dir: Path) -> None:
    nightly = MaintenanceWindowTimetable("nightly")
    assert asked(nightly, earliest=None) is None
    assert asked(nightly, earliest="2026-03-27T12:00", latest="2026-03-27T18:00") is None


@pytest.mark.parametrize("text", ["windows: [", "windows: []"])
def test_a_bad_policy_plans_no_run_and_does_not_raise(
    policy_dir: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    (policy_dir / "windows.yaml").write_text(text)
    assert asked(MaintenanceWindowTimetable("nightly")) is None
    assert asked(MaintenanceWindowTimetable("no_such_window")) is None


def test_survives_serialisation() -> None:
    timetable = MaintenanceWindowTimetable("sunday")
    again = MaintenanceWindowTimetable.deserialize(timetable.serialize())
    assert again.serialize() == {"window": "sunday"}
    assert "sunday" in again.summary
