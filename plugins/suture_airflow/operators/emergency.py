"""The question whether a campaign moves to an earlier window, as a human task in Airflow's Required Actions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from airflow.providers.standard.exceptions import HITLTimeoutError
from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk.exceptions import AirflowFailException

from suture.campaign import fetch_campaign
from suture.campaign.window_moves import RELEASED, WindowMoveError, answer_move, may_answer
from suture.risk.urgency_policy import UrgencyPolicy
from suture.settings import Settings
from suture_airflow.clock import utc_now
from suture_airflow.operators.approval import _comment
from suture_airflow.translation import campaign_of
from suture_airflow.warehouse import open_store

OPTIONS = {"Move it": True, "Keep its window": False}


class WindowMoveOperator(HITLOperator):
    """Ask a person whether a campaign moves to an earlier window, and do what they say.

    The task waits without a worker slot. Who may answer is read from policy when the question is asked, never the
    campaign's requester. No, or no answer in time, keeps the window.

    :param move_id: the move that the question shows (templated).
    """

    template_fields: Sequence[str] = ("move_id", "subject", "body")

    def __init__(self, *, move_id: str, **kwargs: Any) -> None:
        kwargs.setdefault("options", list(OPTIONS))
        kwargs.setdefault("response_timeout", timedelta(hours=4))
        super().__init__(**kwargs)
        self.move_id = move_id

    def execute(self, context: Any) -> Any:
        policy = UrgencyPolicy.load(Settings.load().policy_dir)
        try:
            with open_store() as store:
                people = may_answer(fetch_campaign(store, campaign_of(context)), policy.approvers)
        except WindowMoveError as error:
            raise AirflowFailException(str(error)) from error
        self.assigned_users = [{"id": name, "name": name} for name in people]
        self.response_timeout = policy.answer_within
        return super().execute(context)

    def execute_complete(self, context: Any, event: dict[str, Any]) -> Any:
        try:
            answer = super().execute_complete(context, event)
        except HITLTimeoutError as error:
            self._answer(context, who=None, release=False, comment=None)
            raise AirflowFailException("Nobody answered in time: the campaign keeps its window.") from error
        who = str((answer["responded_by_user"] or {}).get("id") or "unknown")
        release = OPTIONS[answer["chosen_options"][0]]
        state = self._answer(context, who=who, release=release, comment=_comment(answer["params_input"]))
        if release and state != RELEASED:
            raise AirflowFailException("The campaign changed meanwhile: the move lapsed, and it keeps its window.")
        self.log.info("%s: %s.", who, state)
        return {"state": state, "who": who}

    def _answer(self, context: Any, *, who: str | None, release: bool, comment: str | None) -> str:
        try:
            with open_store() as store:
                return answer_move(
                    store,
                    campaign_of(context),
                    move_id=int(self.move_id),
                    approvers=UrgencyPolicy.load(Settings.load().policy_dir).approvers,
                    who=who,
                    release=release,
                    comment=comment,
                    at=utc_now(),
                )
        except WindowMoveError as error:
            raise AirflowFailException(f"{error} The answer does not count; clear this task to ask again.") from error
