"""One step of a campaign on the hosts of a ring, through Ansible."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from airflow.sdk import BaseOperator

from suture.campaign import fetch_campaign
from suture.runner import Runner
from suture.runner.inventory import Inventory
from suture.runner.phases import PhaseOutcome, run_phase
from suture.runner.quarantine import leavers
from suture.settings import Settings
from suture.staging.mirror import followers
from suture.staging.parity_policy import ParityPolicy
from suture_airflow.translation import campaign_of, translated
from suture_airflow.warehouse import open_store

FOLLOWERS = "followers"
QUARANTINED = "quarantined"


class AnsiblePhaseOperator(BaseOperator):
    """Run a step (patch, verify, backup, fence, restore …) on a ring's hosts, under leases, once a host.

    A retry takes up where the try before ended: hosts that have finished are not touched again. A task that is
    killed or times out ends everything it started here; what a host has begun ends there by itself, and an older
    try's token is refused by the host.

    :param phase: the step's name, a key of `suture.runner.phases.STEPS` (templated).
    :param ring: the ring whose hosts are meant; `touched`: those on which a patch was begun; `followers`: the staging hosts
        whose role the campaign patched in production; `quarantined`: those that still know the quarantine of a campaign that has
        ended (templated).
    :param campaign_id: the campaign; default: the DAG run's partition key (templated).
    :param timeout: how long one batch of hosts may take.
    """

    template_fields: Sequence[str] = ("phase", "ring", "campaign_id")
    ui_color = "#e8f1ee"

    def __init__(
        self,
        *,
        phase: str,
        ring: str,
        campaign_id: str | None = None,
        timeout: timedelta = timedelta(hours=1),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.phase = phase
        self.ring = ring
        self.campaign_id = campaign_id
        self.timeout = timeout
        self._runner: Runner | None = None

    def execute(self, context: Any) -> dict[str, Any]:
        outcome = translated(self._run)(context)
        self.log.info("%s.", outcome.sentence)
        if not (outcome.done or outcome.already_done):
            # Not a skip: that would carry on to every ring behind this one.
            self.log.info("%s has no host for %s.", self.ring, self.phase)
        return {
            "done": sorted(outcome.done),
            "already_done": sorted(outcome.already_done),
            "seconds": outcome.duration_seconds,
        }

    def on_kill(self) -> None:
        if self._runner is not None:
            self.log.warning("Stopping: everything that this task started here is ended.")
            self._runner.stop()

    def _run(self, context: Any) -> PhaseOutcome:
        # Imported here: the scheduler parses this module often, and ansible-runner is a second of imports.
        from suture.runner.ansible import AnsibleRunner

        settings = Settings.load()
        self._runner = AnsibleRunner(settings.inventory_path)
        task = context["ti"]
        campaign_id = self.campaign_id or campaign_of(context)
        with open_store() as store:
            hosts = None
            if self.ring == FOLLOWERS:
                rules, inventory = ParityPolicy.load(settings.policy_dir), Inventory.load(settings.inventory_path)
                hosts = followers(rules, inventory, fetch_campaign(store, campaign_id).plan)
            elif self.ring == QUARANTINED:
                hosts = leavers(store, fetch_campaign(store, campaign_id))
            return run_phase(
                store,
                self._runner,
                settings,
                campaign_id=campaign_id,
                step=self.phase,
                ring=self.ring,
                hosts=hosts,
                actor=f"suture:{task.dag_id}",
                holder=f"{task.dag_id}/{task.run_id}/{task.task_id}/{task.map_index}/try {task.try_number}",
                log=self.log.info,
                timeout=self.timeout,
            ).require_ok()
