"""The form and the seats of a risk acceptance, and the emergency lane's question: who may, and that silence is no."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.standard.operators import hitl
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException, TaskAwaitingInput

from suture.campaign import fetch_campaign
from suture.campaign.window_moves import moves_of, propose_move
from suture.risk.acceptance_signing import fetch_acceptance
from suture.store import Store
from suture_airflow.operators.acceptance import AcceptanceSeatOperator
from suture_airflow.operators.emergency import WindowMoveOperator
from suture_airflow.stages import acceptance, urgency
from tests.unit.risk.acceptances import CONTROL, NGINX, WHY, add_fleet, add_kev, score, statuses

from .conftest import CAMPAIGN

TIMEOUT = {"error": "The response timeout has passed without a response.", "error_type": "timeout"}


@pytest.fixture
def fleet(store: Store, warehouse: str) -> Store:
    add_fleet(store)
    score(store, datetime.now(UTC))
    return store


def form(user: str | None = "olga", **other: Any) -> dict[str, Any]:
    today = datetime.now(UTC).date()
    params = {
        "source_packages": ["nginx"],
        "asset_groups": ["web"],
        "justification": WHY,
        "compensating_control": CONTROL,
        "residual_risk": "high",
        "expires_on": (today + timedelta(days=20)).isoformat(),
        "review_on": (today + timedelta(days=10)).isoformat(),
        **other,
    }
    return {"params": params, "dag_run": SimpleNamespace(run_id="manual__1", triggering_user_name=user)}


def seat(opened: dict[str, str], number: int) -> AcceptanceSeatOperator:
    return AcceptanceSeatOperator(
        task_id=f"seat_{number}",
        seat=number,
        acceptance_id=opened["acceptance_id"],
        terms_hash=opened["terms_hash"],
        subject="s",
        body="b",
    )


def answer(who: str, option: str = "Accept the risk", **typed: Any) -> dict[str, Any]:
    return {
        "chosen_options": [option],
        "params_input": typed,
        "responded_at": datetime.now(UTC),
        "responded_by_user": {"id": who, "name": who},
        "timedout": False,
    }


def asked(operator: Any, monkeypatch: pytest.MonkeyPatch, context: dict[str, Any]) -> list[str]:
    questions: list[dict[str, Any]] = []
    monkeypatch.setattr(hitl, "upsert_hitl_detail", lambda **question: questions.append(question))
    with pytest.raises(TaskAwaitingInput) as waits:
        operator.execute({**context, "task_instance": SimpleNamespace(id="1")})
    assert waits.value.timeout is not None
    assert questions[0]["defaults"] is None
    return [user["id"] for user in questions[0]["assigned_users"]]


def test_the_quorum_is_asked_seat_by_seat_and_then_it_holds(fleet: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = acceptance.open_request(form(requested_by="rosa"))  # a field of that name is not read
    assert fetch_acceptance(fleet, opened["acceptance_id"])["requested_by"] == "olga"
    assert asked(seat(opened, 1), monkeypatch, {}) == ["rosa"]
    with pytest.raises(AirflowFailException, match="may not sign"):
        seat(opened, 1).execute_complete({}, answer("olga"))
    seat(opened, 1).execute_complete({}, answer("rosa"))
    with pytest.raises(AirflowFailException, match="has not signed"):
        acceptance.conclude(opened["acceptance_id"])
    assert asked(seat(opened, 2), monkeypatch, {}) == ["amir"]
    seat(opened, 2).execute_complete({}, answer("amir", comment="{{ 7*7 }}\0"))
    assert seat(opened, 3).execute({}) == {"seat": 3, "needed": False}
    assert "is active" in acceptance.conclude(opened["acceptance_id"])
    assert "is active" in acceptance.conclude(opened["acceptance_id"])
    assert statuses(fleet)["app1", "nginx"] == "accepted"


@pytest.mark.parametrize("user", [None, ""])
def test_a_run_that_nobody_started_asks_nothing(fleet: Store, user: str | None) -> None:
    with pytest.raises(AirflowFailException, match="no requester"):
        acceptance.open_request(form(user))


def test_silence_and_no_are_no(fleet: Store) -> None:
    for number, (event, why) in enumerate([(TIMEOUT, "silence is no"), (answer("rosa", "Reject"), "rejected by rosa")]):
        context = form()
        context["dag_run"].run_id = f"manual__{number}"
        opened = acceptance.open_request(context)
        with pytest.raises(AirflowFailException, match=why):
            seat(opened, 1).execute_complete({}, event)
        assert fetch_acceptance(fleet, opened["acceptance_id"])["state"] == "rejected"
        with pytest.raises(AirflowFailException, match="is rejected"):
            acceptance.conclude(opened["acceptance_id"])
    assert set(statuses(fleet).values()) == {"open"}


def test_the_watches_are_skipped_when_there_is_nothing_to_tell(fleet: Store) -> None:
    with pytest.raises(AirflowSkipException):
        urgency.watch()
    with pytest.raises(AirflowSkipException):
        acceptance.watch_or_skip()
    add_kev(fleet, NGINX, datetime.now(UTC).date())
    assert "catalogue of exploited" in urgency.watch()[0]
    fleet._connection.execute("UPDATE finding SET status = 'accepted' WHERE source_package = 'nginx'")
    assert "3 findings are open again" in acceptance.watch_or_skip()


def test_the_emergency_lane_asks_everybody_but_the_requester(
    released: Store, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    at = datetime.now(UTC)
    campaign = fetch_campaign(released, CAMPAIGN)
    propose_move(released, campaign, to_window="emergency", reason="KEV.", actor="test", at=at, answer_by=at)
    question = urgency.open_question(context)
    assert "`nightly`" in question["body"]
    operator = WindowMoveOperator(task_id="answer", move_id=question["move_id"], subject="s", body="b")
    assert asked(operator, monkeypatch, context) == ["amir", "vera", "rosa"]
    with pytest.raises(AirflowFailException, match="may not move"):
        operator.execute_complete(context, answer("olga", "Move it"))
    assert operator.execute_complete(context, answer("rosa", "Move it")) == {"state": "released", "who": "rosa"}
    assert fetch_campaign(released, CAMPAIGN).window_name == "emergency"


def test_nobody_answers_the_emergency_lane(released: Store, context: dict[str, Any]) -> None:
    at = datetime.now(UTC)
    campaign = fetch_campaign(released, CAMPAIGN)
    propose_move(released, campaign, to_window="emergency", reason="KEV.", actor="test", at=at, answer_by=at)
    move_id = moves_of(released, CAMPAIGN)[0]["move_id"]
    with pytest.raises(AirflowFailException, match="keeps its window"):
        WindowMoveOperator(task_id="answer", move_id=move_id, subject="s", body="b").execute_complete(context, TIMEOUT)
    assert moves_of(released, CAMPAIGN)[0]["state"] == "lapsed"
    assert fetch_campaign(released, CAMPAIGN).window_name == "nightly"
