"""Watches the warehouse until every host of a campaign has its proof of backup."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from suture.errors import SutureError
from suture.recovery.backup_proof import ProofOfBackup, proof_for_campaign
from suture_airflow.clock import utc_now
from suture_airflow.warehouse import open_store


class BackupProofTrigger(BaseTrigger):
    """Fires `{"status": "complete" | "timeout" | "error", "sentence": …}`. The task proves it again by itself.

    The warehouse is asked in a thread: the triggerer's event loop serves every other trigger too. A warehouse
    that does not answer is asked again until the time is up.
    """

    def __init__(
        self, campaign_id: str, hosts: list[str], max_age_seconds: float, give_up_at: str, poll_seconds: float
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.campaign_id = campaign_id
        self.hosts = hosts
        self.max_age_seconds = max_age_seconds
        self.give_up_at = give_up_at
        self.poll_seconds = poll_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        names = ("campaign_id", "hosts", "max_age_seconds", "give_up_at", "poll_seconds")
        return ("suture_airflow.triggers.backup.BackupProofTrigger", {name: getattr(self, name) for name in names})

    async def run(self) -> AsyncIterator[TriggerEvent]:
        give_up_at = datetime.fromisoformat(self.give_up_at)
        sentence = "The backups were never looked at."
        while True:
            try:
                proof = await asyncio.to_thread(self._prove)
                sentence = proof.sentence
                if proof.complete:
                    yield TriggerEvent({"status": "complete", "sentence": sentence})  # type: ignore[no-untyped-call]
                    return
            except SutureError as error:
                if not error.retryable:
                    yield TriggerEvent({"status": "error", "sentence": str(error)})  # type: ignore[no-untyped-call]
                    return
                sentence = str(error)
            if utc_now() >= give_up_at:
                yield TriggerEvent({"status": "timeout", "sentence": sentence})  # type: ignore[no-untyped-call]
                return
            self.log.info("%s", sentence)
            await asyncio.sleep(self.poll_seconds)

    def _prove(self) -> ProofOfBackup:
        max_age = timedelta(seconds=self.max_age_seconds)
        with open_store() as store:
            return proof_for_campaign(store, self.campaign_id, self.hosts, utc_now(), max_age)
