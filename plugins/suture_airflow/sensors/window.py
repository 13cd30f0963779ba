"""The gate of the maintenance window."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException

from suture import evidence
from suture.campaign import fetch_campaign
from suture.campaign.lifecycle import note
from suture.errors import BadInputError
from suture.recovery.backup_proof import BackupPolicy
from suture.rollout.admission import Admission, admit
from suture.settings import Settings
from suture_airflow.clock import utc_now
from suture_airflow.translation import campaign_of, translated
from suture_airflow.triggers.window import WindowTrigger
from suture_airflow.warehouse import open_store

BACKUP_LEAD = "backup_lead"


class MaintenanceWindowSensor(BaseOperator):
    """Wait, without a worker slot, until the campaign's maintenance window is open with enough time left.

    A campaign that fits into no opening is refused with the arithmetic. Woken, the task looks again: when the
    opening was missed, or the rest of it no longer suffices, it waits for the next one. Not a
    BaseSensorOperator: its `soft_fail` and `never_fail` would turn a shut gate into a skip.

    :param campaign_id: the campaign (templated); None: the run's partition key. :param before: `backup_lead`
    waits only until the backups must begin: the policy's lead before the opening.
    """

    template_fields: Sequence[str] = ("campaign_id",)
    ui_color = "#e6f1f2"

    def __init__(self, *, campaign_id: str | None = None, before: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.campaign_id = campaign_id
        self.before = before

    def execute(self, context: Any) -> dict[str, Any]:
        return self._wait_or_go(self.campaign_id or campaign_of(context))

    def resume(self, context: Any, event: Any) -> dict[str, Any]:
        """Woken by the trigger: look again. Any other event than its own fails the task."""
        if not isinstance(event, dict) or event.get("status") != "reached":
            raise AirflowFailException(
                f"The wait for the window ended with {event!r}: the gate stays shut. Clear this task."
            )
        return self._wait_or_go(self.campaign_id or campaign_of(context))

    @translated
    def _wait_or_go(self, campaign_id: str) -> dict[str, Any]:
        lead = self._lead()
        now = utc_now()
        with open_store() as store:
            admission = admit(store, fetch_campaign(store, campaign_id), Settings.load().policy_dir, now)
            self.log.info("%s", admission.sentence)
            wake_at = admission.opening.start - lead
            if lead and now >= wake_at:
                return dict(admission.as_json())
            if not lead and admission.is_open(now):
                evidence.record(
                    store,
                    actor=f"suture:{self.dag_id}",
                    action="window_opened",
                    subject=f"campaign:{campaign_id}",
                    campaign_id=campaign_id,
                    grounds={**admission.as_json(), "sentence": admission.sentence},
                )
                return dict(admission.as_json())
            if not lead:
                note(
                    store,
                    campaign_id,
                    actor=f"suture:{self.dag_id}",
                    action="window_awaited",
                    reason=f"Waits for its maintenance window. {admission.sentence}",
                )
        self._sleep_until(wake_at, admission)
        raise AssertionError("defer() raises")

    def _sleep_until(self, wake_at: datetime, admission: Admission) -> None:
        self.log.info("Waiting until %s for %s.", wake_at.isoformat(), admission.opening.window)
        self.defer(trigger=WindowTrigger(wake_at.isoformat(), admission.campaign_id, admission.opening.window), method_name="resume")

    def _lead(self) -> timedelta:
        if self.before is None:
            return timedelta()
        if self.before != BACKUP_LEAD:
            raise BadInputError(f"before= knows {BACKUP_LEAD!r}, not {self.before!r}.")
        return BackupPolicy.load(Settings.load().policy_dir).lead
