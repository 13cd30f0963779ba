"""Wakes a task when a moment has come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from suture.campaign import fetch_campaign
from suture.errors import SutureError
from suture_airflow.clock import utc_now
from suture_airflow.warehouse import open_store

_LONGEST_SLEEP_SECONDS = 30.0  # so that a clock set right meanwhile is noticed


class WindowTrigger(BaseTrigger):
    """Fires `{"status": "reached", "moment": …}` once `moment` (ISO 8601, with time zone) is past, or sooner when the
    campaign's window is no longer `window`: it was moved to an earlier one.

    It says only that; whether the window is then really open is for the task to check. A warehouse that does not answer
    is asked again: the moment comes all the same.
    """

    def __init__(self, moment: str, campaign_id: str | None = None, window: str | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.moment = moment
        self.campaign_id = campaign_id
        self.window = window

    def serialize(self) -> tuple[str, dict[str, Any]]:
        names = ("moment", "campaign_id", "window")
        return ("suture_airflow.triggers.window.WindowTrigger", {name: getattr(self, name) for name in names})

    async def run(self) -> AsyncIterator[TriggerEvent]:
        moment = datetime.fromisoformat(self.moment)
        while (left := (moment - utc_now()).total_seconds()) > 0:
            await asyncio.sleep(min(left, _LONGEST_SLEEP_SECONDS))
            if await asyncio.to_thread(self._was_moved):
                break
        yield TriggerEvent({"status": "reached", "moment": self.moment})  # type: ignore[no-untyped-call]

    def _was_moved(self) -> bool:
        if self.campaign_id is None:
            return False
        try:
            with open_store() as store:
                return fetch_campaign(store, self.campaign_id).window_name != self.window
        except SutureError as error:
            self.log.warning("The window of %s could not be looked at: %s", self.campaign_id, error)
            return False
