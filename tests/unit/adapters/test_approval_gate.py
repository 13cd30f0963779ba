"""The gate of the two releases: silence is no, a stranger's answer does not count, and text stays text."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.standard.operators import hitl
from airflow.sdk.exceptions import AirflowFailException, TaskAwaitingInput

from suture.campaign import CampaignState, create_campaign, fetch_campaign, move
from suture.model import CampaignPlan, PlannedPackage, Priority
from suture.store import Store
from suture_airflow.operators.approval import ReleaseApprovalOperator

from .conftest import CAMPAIGN, RINGS, add_hosts

TIMEOUT = {"error": "The response timeout has passed without a response.", "error_type": "timeout"}


@pytest.fixture
def tested(store: Store, warehouse: str) -> Store:
    """A campaign that waits for its releases."""
    package = PlannedPackage("acme-portal", "amd64", "1.0.1", "acme-portal", "1.0.1", sha256="0" * 64)
    plan = CampaignPlan("web", "vendor", "nightly", RINGS, (package,), service="portal")
    add_hosts(store)
    create_campaign(
        store,
        campaign_id=CAMPAIGN,
        title="acme-portal 1.0.1",
        requested_by="olga",
        priority=Priority.SCHEDULED,
        deadline=datetime(2026, 12, 1, tzinfo=UTC),
        plan=plan,
        reasons=["test"],
    )
    for expected, to in (
        (CampaignState.PLANNED, CampaignState.VALIDATED),
        (CampaignState.VALIDATED, CampaignState.TESTED),
    ):
        move(store, CAMPAIGN, expected=expected, to=to, actor="test", reason="test")
    return store


def seat(store: Store, name: str = "first") -> ReleaseApprovalOperator:
    plan_hash = fetch_campaign(store, CAMPAIGN).plan_hash
    return ReleaseApprovalOperator(task_id=f"{name}_seat", seat=name, subject="s", body="b", plan_hash=plan_hash)


def answer(who: str, option: str = "Approve", **form: Any) -> dict[str, Any]:
    return {
        "chosen_options": [option],
        "params_input": form,
        "responded_at": datetime.now(UTC),
        "responded_by_user": {"id": who, "name": who},
        "timedout": False,
    }


def test_only_the_seats_people_are_asked_and_nobody_is_the_default(
    tested: Store, context: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(hitl, "upsert_hitl_detail", lambda **question: asked.append(question))
    context["task_instance"] = SimpleNamespace(id="1")
    with pytest.raises(TaskAwaitingInput) as waits:
        seat(tested).execute(context)
    assert [user["id"] for user in asked[0]["assigned_users"]] == ["vera", "amir"]
    assert asked[0]["defaults"] is None
    assert waits.value.timeout is not None


def test_no_answer_in_time_declines(tested: Store, context: Any, actions: Callable[[], list[str]]) -> None:
    with pytest.raises(AirflowFailException, match="silence is no"):
        seat(tested).execute_complete(context, TIMEOUT)
    found = fetch_campaign(tested, CAMPAIGN)
    assert found.state is CampaignState.DECLINED
    assert "first seat answered in time" in found.state_reason
    assert actions()[-1] == "campaign_moved"
    assert "release_approved" not in actions()


def test_a_rejection_declines(tested: Store, context: Any) -> None:
    with pytest.raises(AirflowFailException, match="amir rejected"):
        seat(tested).execute_complete(context, answer("amir", "Reject"))
    assert fetch_campaign(tested, CAMPAIGN).state is CampaignState.DECLINED


@pytest.mark.parametrize(("who", "why"), [("olga", "requested"), ("rosa", "no approver"), ("", "no approver")])
def test_an_answer_that_came_past_the_screen_does_not_count(
    tested: Store, context: Any, actions: Callable[[], list[str]], who: str, why: str
) -> None:
    """Airflow lets only the assigned answer; should that ever fail, the domain refuses, too."""
    with pytest.raises(AirflowFailException, match=why):
        seat(tested).execute_complete(context, answer(who))
    assert fetch_campaign(tested, CAMPAIGN).state is CampaignState.TESTED
    assert actions()[-1] == "approval_refused"


def test_one_person_does_not_take_both_seats(tested: Store, context: Any) -> None:
    assert seat(tested).execute_complete(context, answer("vera")) == {"approver": "vera", "seat": "first"}
    with pytest.raises(AirflowFailException, match="already decided"):
        seat(tested, "second").execute_complete(context, answer("vera"))


@pytest.mark.parametrize(
    "text", ["{{ lookup('pipe', 'touch {0}') }}", "$(touch {0})", "`touch {0}`; touch {0}", "{{ 7*7 }}"]
)
def test_a_comment_is_kept_as_it_was_typed(tested: Store, context: Any, tmp_path: Path, text: str) -> None:
    canary = tmp_path / "canary"
    comment = text.replace("{0}", str(canary))
    seat(tested).execute_complete(context, answer("vera", comment=comment))
    rows = tested.fetch_all("approval/list_approvals", {"campaign_id": CAMPAIGN})
    assert [row["comment"] for row in rows] == [comment]
    told = tested.fetch_all("evidence/list_evidence", {"campaign_id": CAMPAIGN})[-1]
    assert told["grounds"]["comment"] == comment
    assert not canary.exists()


@pytest.mark.parametrize(
    ("typed", "kept"),
    [("a\0b", "a\N{REPLACEMENT CHARACTER}b"), ({"a": 1}, "{'a': 1}"), ("x" * 9000, "x" * 2000), (None, None)],
)
def test_no_comment_loses_the_answer(tested: Store, context: Any, typed: Any, kept: str | None) -> None:
    seat(tested).execute_complete(context, answer("vera", comment=typed))
    rows = tested.fetch_all("approval/list_approvals", {"campaign_id": CAMPAIGN})
    assert [row["comment"] for row in rows] == [kept]
