"""A seat of a risk acceptance, as a human task in Airflow's Required Actions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from airflow.providers.standard.exceptions import HITLTimeoutError
from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk.exceptions import AirflowFailException

from suture.errors import SutureError
from suture.risk.acceptance_policy import AcceptancePolicy
from suture.risk.acceptance_signing import ACCEPT, REJECT, reject, seat_opens, vote
from suture.risk.acceptance_states import AcceptanceError
from suture.settings import Settings
from suture_airflow.clock import utc_now
from suture_airflow.operators.approval import _comment
from suture_airflow.warehouse import open_store

OPTIONS = {"Accept the risk": ACCEPT, "Reject": REJECT}


class AcceptanceSeatOperator(HITLOperator):
    """Ask the people of one seat to sign a risk acceptance, and record what they say.

    The task waits without a worker slot. Who may answer is read from policy when the question is asked: never the
    requester, never somebody who voted. A seat that the quorum does not need is over at once. A rejection, or no answer
    in time, ends the request.

    :param seat: 1, 2 or 3. :param acceptance_id, terms_hash: what the question shows (templated).
    """

    template_fields: Sequence[str] = ("acceptance_id", "terms_hash", "subject", "body")

    def __init__(self, *, seat: int, acceptance_id: str, terms_hash: str, **kwargs: Any) -> None:
        kwargs.setdefault("options", list(OPTIONS))
        kwargs.setdefault("response_timeout", timedelta(days=2))
        super().__init__(**kwargs)
        self.seat = seat
        self.acceptance_id = acceptance_id
        self.terms_hash = terms_hash

    def execute(self, context: Any) -> Any:
        policy = AcceptancePolicy.load(Settings.load().policy_dir)
        try:
            with open_store() as store:
                people = seat_opens(store, policy, self.acceptance_id, self.seat, now=utc_now())
        except AcceptanceError as error:
            raise AirflowFailException(str(error)) from error
        if not people:
            self.log.info("The quorum of %s needs no seat %d.", self.acceptance_id, self.seat)
            return {"seat": self.seat, "needed": False}
        self.assigned_users = [{"id": name, "name": name} for name in people]
        self.response_timeout = policy.answer_within
        self.log.info("Waiting for %s (seat %d).", " or ".join(people), self.seat)
        return super().execute(context)

    def execute_complete(self, context: Any, event: dict[str, Any]) -> Any:
        now = utc_now()
        try:
            answer = super().execute_complete(context, event)
        except HITLTimeoutError as error:
            why = f"Nobody of seat {self.seat} answered in time: silence is no."
            with open_store() as store:
                reject(store, self.acceptance_id, actor="suture:risk_acceptance", reason=why, now=now)
            raise AirflowFailException(f"{self.acceptance_id} is rejected: {why}") from error
        voter = str((answer["responded_by_user"] or {}).get("id") or "unknown")
        decision = OPTIONS[answer["chosen_options"][0]]
        try:
            with open_store() as store:
                vote(
                    store,
                    AcceptancePolicy.load(Settings.load().policy_dir),
                    acceptance_id=self.acceptance_id,
                    seat=self.seat,
                    voter=voter,
                    decision=decision,
                    terms_hash=self.terms_hash,
                    comment=_comment(answer["params_input"]),
                    now=now,
                )
        except SutureError as error:
            if isinstance(error, AcceptanceError):
                raise AirflowFailException(f"{error} The answer does not count; clear this task to ask again.") from error
            raise
        if decision == REJECT:
            raise AirflowFailException(f"{self.acceptance_id} is rejected by {voter}. Its findings stay open.")
        self.log.info("%s signed seat %d.", voter, self.seat)
        return {"seat": self.seat, "needed": True, "voter": voter}
