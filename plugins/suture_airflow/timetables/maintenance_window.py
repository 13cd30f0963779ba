"""Runs at the start of each opening of a maintenance window; the data interval is the opening."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pendulum
from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction, Timetable

from suture.errors import SutureError
from suture.rollout.windows import Opening, WindowPolicy
from suture.settings import Settings

log = logging.getLogger(__name__)


class MaintenanceWindowTimetable(Timetable):
    """One run for each opening of the window `window` of windows.yaml.

    The policy is read when the scheduler asks, never at import. A policy that cannot be used stops only the
    DAGs of this timetable: they get no run, and the log says why. Without catch-up an opening under way still
    gets its run; with it, so do all since the start date.
    """

    def __init__(self, window: str) -> None:
        self.window = window
        self.description = f"At the start of each opening of the maintenance window {window!r} (windows.yaml)"

    @property
    def summary(self) -> str:
        return f"window {self.window}"

    def serialize(self) -> dict[str, Any]:
        return {"window": self.window}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> MaintenanceWindowTimetable:
        return cls(**data)

    def infer_manual_data_interval(self, *, run_after: pendulum.DateTime) -> DataInterval:
        return DataInterval.exact(run_after)

    def next_dagrun_info(
        self, *, last_automated_data_interval: DataInterval | None, restriction: TimeRestriction
    ) -> DagRunInfo | None:
        last = last_automated_data_interval
        if last is None and restriction.earliest is None:
            return None
        after: datetime | None = datetime.now(UTC)
        if restriction.catchup:
            after = last.start if last is not None else restriction.earliest
        elif restriction.earliest is not None:
            after = max(datetime.now(UTC), restriction.earliest)
        assert after is not None
        opening = self._opening_after(after, None if last is None else last.start)
        if opening is None or (restriction.latest is not None and opening.start > restriction.latest):
            return None
        start, end = pendulum.instance(opening.start), pendulum.instance(opening.end)
        return DagRunInfo(run_after=start, data_interval=DataInterval(start, end))

    def _opening_after(self, after: datetime, last_start: datetime | None) -> Opening | None:
        """The first opening that ends after `after` and starts later than the last run's; None: no more,
        or no policy.
        """
        try:
            window = WindowPolicy.load(Settings.load().policy_dir).window(self.window)
            for opening in window.openings(after, join=timedelta()):
                if last_start is None or opening.start > last_start:
                    return opening
        except SutureError as error:
            log.error("No run is planned: %s", error)
        return None
