"""The gate of the backup: no host is touched without proof that it can be brought back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException

from suture import evidence
from suture.campaign import fetch_campaign
from suture.campaign.lifecycle import note
from suture.recovery.backup_proof import BackupPolicy, ProofOfBackup, proof_for_campaign
from suture.settings import Settings
from suture_airflow.clock import utc_now
from suture_airflow.translation import campaign_of, translated
from suture_airflow.triggers.backup import BackupProofTrigger
from suture_airflow.warehouse import open_store

_REMEDY = (
    "Look at the run of backup_coordination for this campaign, mend the cause, clear its back_up_hosts, then this task."
)


class BackupProofSensor(BaseOperator):
    """Wait, without a worker slot, until every production host of the campaign has its proof of backup; else stop.

    :param campaign_id: the campaign (templated); None: the run's partition key.
    """

    template_fields: Sequence[str] = ("campaign_id",)
    ui_color = "#e6f1f2"

    def __init__(self, *, campaign_id: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.campaign_id = campaign_id

    def execute(self, context: Any) -> dict[str, Any]:
        policy = BackupPolicy.load(Settings.load().policy_dir)
        campaign_id, hosts, proof = self._prove(context, policy)
        if proof.complete:
            return self._pass(campaign_id, proof)
        now = utc_now()
        self.log.info("%s Waiting until %s.", proof.sentence, (now + policy.wait).isoformat())
        self.defer(
            trigger=BackupProofTrigger(
                campaign_id=campaign_id,
                hosts=hosts,
                max_age_seconds=policy.max_age.total_seconds(),
                give_up_at=(now + policy.wait).isoformat(),
                poll_seconds=policy.poll_seconds,
            ),
            method_name="resume",
        )
        raise AssertionError("defer() raises")

    def resume(self, context: Any, event: Any) -> dict[str, Any]:
        """Woken by the trigger: prove it here and now, whatever the event says."""
        campaign_id, _, proof = self._prove(context, BackupPolicy.load(Settings.load().policy_dir))
        if proof.complete:
            return self._pass(campaign_id, proof)
        if isinstance(event, dict) and event.get("status") == "error":
            self.log.error("The watch ended with an error: %s", event.get("sentence"))
        self._refuse(campaign_id, proof)
        raise AirflowFailException(f"{campaign_id}: {proof.sentence} {_REMEDY}")

    @translated
    def _prove(self, context: Any, policy: BackupPolicy) -> tuple[str, list[str], ProofOfBackup]:
        campaign_id = self.campaign_id or campaign_of(context)
        with open_store() as store:
            hosts = list(fetch_campaign(store, campaign_id).plan.production_hosts)
            return campaign_id, hosts, proof_for_campaign(store, campaign_id, hosts, utc_now(), policy.max_age)

    @translated
    def _pass(self, campaign_id: str, proof: ProofOfBackup) -> dict[str, Any]:
        grounds = {
            "backups": dict(proof.proven),
            "patch_start": proof.patch_start.isoformat(),
            "sentence": proof.sentence,
        }
        with open_store() as store:
            evidence.record(
                store,
                actor=f"suture:{self.dag_id}",
                action="backup_proven",
                subject=f"campaign:{campaign_id}",
                campaign_id=campaign_id,
                grounds=grounds,
            )
        self.log.info("%s", proof.sentence)
        return {"hosts": len(proof.proven)}

    @translated
    def _refuse(self, campaign_id: str, proof: ProofOfBackup) -> None:
        with open_store() as store:
            note(store, campaign_id, actor=f"suture:{self.dag_id}", action="backup_missing", reason=proof.sentence)
