"""A seat of the release gate, as a human task in Airflow's Required Actions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from airflow.providers.standard.exceptions import HITLTimeoutError
from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk.exceptions import AirflowFailException

from suture.campaign import CampaignState, fetch_campaign, move
from suture.campaign.approvals import APPROVE, REJECT, ApprovalError, Gate, decide, eligible
from suture.errors import SutureError
from suture.settings import Settings
from suture.store import Store
from suture_airflow.translation import campaign_of
from suture_airflow.warehouse import open_store

OPTIONS = {"Approve": APPROVE, "Reject": REJECT}
COMMENT_LENGTH = 2000


class ReleaseApprovalOperator(HITLOperator):
    """Ask the people of one seat to release a campaign's plan, and record what they say.

    The task waits without a worker slot. Who may answer is read from policy when the question is asked: never the
    requester, never somebody who sits in the other seat. A rejection, or no answer in time, declines the campaign.

    :param seat: the seat's name in approvers.yaml (`first`, `second`).
    :param plan_hash: the hash of the plan that the question shows (templated).
    """

    template_fields: Sequence[str] = ("plan_hash", "subject", "body")

    def __init__(self, *, seat: str, plan_hash: str, **kwargs: Any) -> None:
        kwargs.setdefault("options", list(OPTIONS))
        kwargs.setdefault("response_timeout", timedelta(days=1))
        super().__init__(**kwargs)
        self.seat = seat
        self.plan_hash = plan_hash

    def execute(self, context: Any) -> Any:
        campaign_id = campaign_of(context)
        gate = Gate.load(Settings.load().policy_dir)
        try:
            with open_store() as store:
                people = eligible(store, fetch_campaign(store, campaign_id), gate, self.seat)
        except ApprovalError as error:
            self._decline(campaign_id, str(error))
        self.assigned_users = [{"id": name, "name": name} for name in people]
        self.response_timeout = gate.timeout
        self.log.info("Waiting for %s (%s seat) until %s from now.", " or ".join(people), self.seat, gate.timeout)
        return super().execute(context)

    def execute_complete(self, context: Any, event: dict[str, Any]) -> Any:
        campaign_id = campaign_of(context)
        try:
            answer = super().execute_complete(context, event)
        except HITLTimeoutError:
            self._decline(campaign_id, f"Nobody of the {self.seat} seat answered in time: silence is no.")
        approver = str((answer["responded_by_user"] or {}).get("id") or "unknown")
        decision = OPTIONS[answer["chosen_options"][0]]
        gate = Gate.load(Settings.load().policy_dir)
        try:
            with open_store() as store:
                decide(
                    store,
                    campaign_id=campaign_id,
                    gate=gate,
                    seat_name=self.seat,
                    approver=approver,
                    decision=decision,
                    plan_hash=self.plan_hash,
                    comment=_comment(answer["params_input"]),
                )
        except SutureError as error:
            if isinstance(error, ApprovalError):
                raise AirflowFailException(f"{error} The answer does not count; clear this task to ask again.") from error
            raise
        if decision == REJECT:
            self._decline(campaign_id, f"{approver} rejected the release.")
        self.log.info("%s approved for the %s seat.", approver, self.seat)
        return {"approver": approver, "seat": self.seat}

    def _decline(self, campaign_id: str, why: str) -> None:
        with open_store() as store:
            decline(store, campaign_id, why)
        raise AirflowFailException(f"{campaign_id} is declined: {why} To try again, plan it anew.")


def _comment(form: Any) -> str | None:
    """What was typed. The API lets any JSON through; a text that PostgreSQL refuses must not lose the answer."""
    said = (form or {}).get("comment")
    return None if said is None else str(said).replace("\0", "\N{REPLACEMENT CHARACTER}")[:COMMENT_LENGTH]


def decline(store: Store, campaign_id: str, why: str) -> None:
    """Move a tested campaign to declined."""
    move(
        store,
        campaign_id,
        expected=CampaignState.TESTED,
        to=CampaignState.DECLINED,
        actor="suture:release_approval",
        reason=why,
    )
