"""The gate of the backup: no proof, no patch."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred

from suture.campaign import fetch_campaign
from suture.store import Store, StoreUnavailableError
from suture_airflow.sensors.backup import BackupProofSensor
from suture_airflow.triggers import backup as trigger_module
from suture_airflow.triggers.backup import BackupProofTrigger
from suture_airflow.warehouse import open_store

from .conftest import CAMPAIGN, add_backup

HOSTS = ("app1", "app2", "app3", "app4")


def gate() -> BackupProofSensor:
    return BackupProofSensor(task_id="require_backup")


def minutes_ago(minutes: float) -> datetime:
    return datetime.now(UTC) - timedelta(minutes=minutes)


def trigger(seconds: float = 60.0) -> BackupProofTrigger:
    give_up_at = (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
    return BackupProofTrigger(CAMPAIGN, list(HOSTS), 3600.0, give_up_at, 0.05)


def fired(trigger: BackupProofTrigger) -> Any:
    path, kwargs = trigger.serialize()
    assert path == f"{BackupProofTrigger.__module__}.{BackupProofTrigger.__qualname__}"

    async def first() -> Any:
        async for event in BackupProofTrigger(**kwargs).run():
            return event.payload
        return None

    return asyncio.run(first())


def test_proof_of_every_host_opens_the_gate(released: Store, context: Any, actions: Callable[[], list[str]]) -> None:
    for host in HOSTS:
        add_backup(released, host, minutes_ago(10))
    assert gate().execute(context) == {"hosts": 4}
    assert actions()[-1] == "backup_proven"
    assert fired(trigger())["status"] == "complete"


def test_waits_for_a_missing_proof(released: Store, context: Any) -> None:
    with pytest.raises(TaskDeferred) as deferred:
        gate().execute(context)
    waits = deferred.value.trigger
    assert isinstance(waits, BackupProofTrigger)
    assert waits.hosts == list(HOSTS)
    assert waits.max_age_seconds == 240 * 60


@pytest.mark.parametrize(
    "event", [{"status": "timeout", "sentence": "s"}, {"status": "complete"}, {"status": "error"}, None]
)
def test_woken_without_proof_it_stops_whatever_the_event_says(
    released: Store, context: Any, actions: Callable[[], list[str]], event: Any
) -> None:
    for host in HOSTS[:2]:
        add_backup(released, host, minutes_ago(10))
    add_backup(released, "app3", minutes_ago(10), restored=False)
    with pytest.raises(AirflowFailException) as stopped:
        gate().resume(context, event)
    assert "2 of 4 hosts have no proof of backup" in str(stopped.value)
    assert "was never restored and compared" in str(stopped.value)
    assert "app4: no backup was taken" in str(stopped.value)
    assert "clear its back_up_hosts" in str(stopped.value)
    assert actions()[-1] == "backup_missing"
    assert "app4" in fetch_campaign(released, CAMPAIGN).state_reason


def test_woken_with_proof_it_goes_on(released: Store, context: Any) -> None:
    for host in HOSTS:
        add_backup(released, host, minutes_ago(1))
    assert gate().resume(context, {"status": "complete", "sentence": "s"}) == {"hosts": 4}


def test_the_trigger_gives_up_in_time_and_says_what_is_missing(released: Store) -> None:
    event = fired(trigger(seconds=0.2))
    assert event["status"] == "timeout"
    assert "app1: no backup was taken" in event["sentence"]


def test_the_trigger_outlasts_a_restart_of_the_warehouse(released: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for host in HOSTS:
        add_backup(released, host, minutes_ago(1))
    calls = iter(range(3))

    def flaky() -> Store:
        if next(calls, None) is not None:
            raise StoreUnavailableError("restarting")
        return open_store()

    monkeypatch.setattr(trigger_module, "open_store", flaky)
    assert fired(trigger())["status"] == "complete"


def test_the_trigger_leaves_the_event_loop_to_others(released: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the warehouse is asked, the loop goes on: the warehouse answers when it has seen the loop do so."""
    loop_went_on = threading.Event()
    seen: list[bool] = []

    def slow() -> Store:
        seen.append(loop_went_on.wait(30))
        return open_store()

    monkeypatch.setattr(trigger_module, "open_store", slow)

    async def both() -> None:
        async def beat() -> None:
            for _ in range(10):
                await asyncio.sleep(0.01)
            loop_went_on.set()

        heart = asyncio.create_task(beat())
        async for _ in trigger(seconds=0).run():
            break
        await heart

    asyncio.run(both())
    assert seen == [True]


def test_a_bad_policy_keeps_the_gate_shut(released: Store, context: Any, policy_dir: Path) -> None:
    (policy_dir / "backup.yaml").unlink()
    with pytest.raises(Exception, match=r"backup\.yaml"):
        gate().execute(context)
