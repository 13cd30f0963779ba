"""The form that plans a stopped campaign again: a name, a reason, a state that allows it; typed text stays text."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from suture.campaign import CampaignState, fetch_campaign, move
from suture.store import Store
from suture_airflow.stages.replan import give_up_requested

from .conftest import CAMPAIGN

pytestmark = pytest.mark.database


def form(**values: Any) -> dict[str, Any]:
    return {
        "params": {"campaign": CAMPAIGN, "reason": "the second seat is back", **values},
        "dag_run": SimpleNamespace(run_id="manual__1", triggering_user_name="olga"),
    }


@pytest.fixture
def declined(released: Store) -> Store:
    move(
        released, CAMPAIGN, expected=CampaignState.APPROVED, to=CampaignState.DECLINED, actor="test", reason="test"
    )
    return released


def test_a_declined_campaign_is_given_up_by_who_asked(declined: Store) -> None:
    assert give_up_requested(form(reason="{{ 7*7 }} <b>")) == CAMPAIGN
    campaign = fetch_campaign(declined, CAMPAIGN)
    assert campaign.state is CampaignState.SUPERSEDED
    assert campaign.state_reason == "Given up to be planned anew: {{ 7*7 }} <b>"
    told = declined.fetch_all("evidence/list_evidence", {"campaign_id": CAMPAIGN})
    assert told[-1]["actor"] == "olga"
    assert give_up_requested(form()) == CAMPAIGN  # a killed task tried again
    assert len(declined.fetch_all("evidence/list_evidence", {"campaign_id": CAMPAIGN})) == len(told)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"campaign": None}, "No campaign is named"),
        ({"reason": "   "}, "No reason is given"),
        ({"campaign": "SUT-1999-0001"}, "no campaign"),
    ],
)
def test_what_the_form_lacks_is_said_and_nothing_is_changed(declined: Store, values: Any, why: str) -> None:
    with pytest.raises(AirflowFailException, match=why):
        give_up_requested(form(**values))
    assert fetch_campaign(declined, CAMPAIGN).state is CampaignState.DECLINED


def test_a_campaign_under_way_is_not_given_up(released: Store) -> None:
    with pytest.raises(AirflowFailException, match="is approved: only a campaign that waits for a person"):
        give_up_requested(form())
    assert fetch_campaign(released, CAMPAIGN).state is CampaignState.APPROVED
