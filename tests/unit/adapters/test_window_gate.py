"""The gate of the maintenance window: it waits, looks again when woken, and refuses what does not fit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred

from suture.campaign import CampaignState, fetch_campaign, move
from suture.store import Store
from suture_airflow.sensors import window as module
from suture_airflow.sensors.window import MaintenanceWindowSensor
from suture_airflow.triggers.window import WindowTrigger

from .conftest import CAMPAIGN, add_step

# The window `nightly` opens at 01:00 in Zurich: 00:00 UTC in November, for three hours.
Clock = Callable[[str], None]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    def set_to(text: str) -> None:
        monkeypatch.setattr(module, "utc_now", lambda: datetime.fromisoformat(text).replace(tzinfo=UTC))

    return set_to


def gate(**kwargs: Any) -> MaintenanceWindowSensor:
    return MaintenanceWindowSensor(task_id="await_window", **kwargs)


def test_waits_and_says_until_when(
    released: Store, context: Any, clock: Clock, actions: Callable[[], list[str]]
) -> None:
    clock("2026-11-23T22:00")
    with pytest.raises(TaskDeferred) as deferred:
        gate().execute(context)
    trigger = deferred.value.trigger
    assert isinstance(trigger, WindowTrigger)
    assert trigger.moment == "2026-11-24T00:00:00+00:00"
    assert deferred.value.method_name == "resume"
    campaign = fetch_campaign(released, CAMPAIGN)
    assert "needs 1 h 32 min of the window 'nightly'" in campaign.state_reason  # 4 hosts, 3 rings, the reserve
    assert "Tue 2026-11-24 01:00 CET (2026-11-24 00:00 UTC)" in campaign.state_reason
    assert actions()[-1] == "window_awaited"


def test_an_open_window_with_room_lets_it_through(
    released: Store, context: Any, clock: Clock, actions: Callable[[], list[str]]
) -> None:
    clock("2026-11-24T00:30")
    opened = gate().execute(context)
    assert opened["window"] == "nightly"
    assert opened["needed_seconds"] == 92 * 60
    assert actions()[-1] == "window_opened"


def test_woken_in_time_it_goes_on_and_woken_late_it_waits_for_the_next(
    released: Store, context: Any, clock: Clock
) -> None:
    event = {"status": "reached", "moment": "2026-11-24T00:00:00+00:00"}
    clock("2026-11-24T00:00:01")
    assert gate().resume(context, event)["start"] == "2026-11-24T00:00:00+00:00"
    clock("2026-11-24T01:30")  # open still, but too little is left: the triggerer was down
    with pytest.raises(TaskDeferred) as deferred:
        gate().resume(context, event)
    assert deferred.value.trigger.moment == "2026-11-25T00:00:00+00:00"


@pytest.mark.parametrize("event", [None, {}, {"status": "error"}, "reached"])
def test_any_other_event_keeps_the_gate_shut(released: Store, context: Any, clock: Clock, event: Any) -> None:
    clock("2026-11-24T00:30")
    with pytest.raises(AirflowFailException, match="the gate stays shut"):
        gate().resume(context, event)


def test_what_staging_measured_counts(released: Store, context: Any, clock: Clock) -> None:
    clock("2026-11-24T00:30")
    add_step(released, "stg-app1", datetime(2026, 11, 23, 12, tzinfo=UTC), took=timedelta(minutes=50))
    with pytest.raises(AirflowFailException, match=r"needs 4 h 20 min; .* has 3 h 00 min .*: 1 h 20 min too little"):
        gate().execute(context)


def test_backups_begin_the_lead_before_the_window(released: Store, context: Any, clock: Clock) -> None:
    clock("2026-11-23T22:00")
    with pytest.raises(TaskDeferred) as deferred:
        gate(before="backup_lead").execute(context)
    assert deferred.value.trigger.moment == "2026-11-23T23:00:00+00:00"
    clock("2026-11-23T23:00")
    assert gate(before="backup_lead").execute(context)["start"] == "2026-11-24T00:00:00+00:00"
    with pytest.raises(AirflowFailException, match="backup_lead"):
        gate(before="lunch").execute(context)


def test_a_superseded_campaign_does_not_start(released: Store, context: Any, clock: Clock) -> None:
    clock("2026-11-24T00:30")
    move(released, CAMPAIGN, expected=CampaignState.APPROVED, to=CampaignState.SUPERSEDED, actor="test", reason="newer")
    with pytest.raises(AirflowFailException, match="is superseded: nothing of it is rolled out"):
        gate().execute(context)


def test_a_late_window_says_that_the_deadline_is_missed(released: Store, context: Any, clock: Clock) -> None:
    clock("2026-12-02T12:00")
    with pytest.raises(TaskDeferred):
        gate().execute(context)
    assert "after its deadline, 2026-12-01 00:00 UTC" in fetch_campaign(released, CAMPAIGN).state_reason


def test_a_bad_policy_keeps_the_gate_shut(released: Store, context: Any, clock: Clock, policy_dir: Path) -> None:
    clock("2026-11-24T00:30")
    (policy_dir / "windows.yaml").write_text("windows: []\n")
    with pytest.raises(AirflowFailException, match=r"windows\.yaml"):
        gate().execute(context)


def test_no_campaign_no_start(released: Store, clock: Clock) -> None:
    from types import SimpleNamespace

    with pytest.raises(AirflowFailException, match="no partition key"):
        gate().execute({"dag_run": SimpleNamespace(partition_key=None)})


def test_the_trigger_fires_when_the_moment_has_come() -> None:
    soon = (datetime.now(UTC) + timedelta(seconds=0.3)).isoformat()
    path, kwargs = WindowTrigger(soon).serialize()
    assert path == f"{WindowTrigger.__module__}.{WindowTrigger.__qualname__}"

    async def first() -> Any:
        async for event in WindowTrigger(**kwargs).run():
            return event.payload
        return None

    assert asyncio.run(first()) == {"status": "reached", "moment": soon}
    assert datetime.now(UTC) >= datetime.fromisoformat(soon)
