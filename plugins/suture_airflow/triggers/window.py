"""Wakes a task when a moment has come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from suture_airflow.clock import utc_now

_LONGEST_SLEEP_SECONDS = 30.0  # so that a clock set right meanwhile is noticed


class WindowTrigger(BaseTrigger):
    """Fires `{"status": "reached", "moment": …}` once `moment` (ISO 8601, with time zone) is past.

    It says only that; whether the window is then really open is for the task to check.
    """

    def __init__(self, moment: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.moment = moment

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return ("suture_airflow.triggers.window.WindowTrigger", {"moment": self.moment})

    async def run(self) -> AsyncIterator[TriggerEvent]:
        moment = datetime.fromisoformat(self.moment)
        while (left := (moment - utc_now()).total_seconds()) > 0:
            await asyncio.sleep(min(left, _LONGEST_SLEEP_SECONDS))
        yield TriggerEvent({"status": "reached", "moment": self.moment})  # type: ignore[no-untyped-call]
