"""The rollback's form: only what was confirmed is done, typed text stays text, and a second run does not stop the first."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from suture.campaign import CampaignState, fetch_campaign, move
from suture.store import Json, Store
from suture_airflow.stages import recovery

from .conftest import CAMPAIGN

SYNTAX = ("{{ 7*7 }}", "{{ lookup('pipe', 'touch {0}') }}", "$(touch {0})", "`touch {0}`; touch {0}", "{% raw %}<b>")


@pytest.fixture
def halted(released: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A rollout that was halted after its canary had been patched."""
    campaign = fetch_campaign(released, CAMPAIGN)
    columns = ("campaign_id", "host_id", "phase", "plan_hash", "status", "token", "report", "started_at", "finished_at")
    report = {
        "way_back": {"replaced": {"acme-portal": {"version": "1.0.0"}}, "added": []},
        "changes": {"acme-portal": {}},
    }
    at = datetime.now(UTC)
    released.copy_rows(
        "host_step", columns, [(CAMPAIGN, "app1", "patch", campaign.plan_hash, "done", 1, Json(report), at, at)]
    )
    for here, there in (
        (CampaignState.APPROVED, CampaignState.ROLLING_OUT),
        (CampaignState.ROLLING_OUT, CampaignState.HALTED),
    ):
        move(released, CAMPAIGN, expected=here, to=there, actor="test", reason="test")
    monkeypatch.setattr(recovery, "failed_tasks", lambda _context: ["accept_request"])
    return released


def run(run_id: str = "rollback__1", **form: Any) -> dict[str, Any]:
    return {
        "params": {"campaign": CAMPAIGN, "confirm": CAMPAIGN, "reason": "it hurts", **form},
        "dag_run": SimpleNamespace(run_id=run_id, triggering_user_name="nils"),
    }


@pytest.mark.parametrize("confirm", [None, "", "SUT-2026-0002", *SYNTAX])
def test_what_was_not_confirmed_is_not_done(halted: Store, confirm: str | None) -> None:
    with pytest.raises(AirflowFailException, match="nothing was touched"):
        recovery.accept_request(run(confirm=confirm))
    assert fetch_campaign(halted, CAMPAIGN).state is CampaignState.HALTED


@pytest.mark.parametrize("text", SYNTAX)
def test_a_reason_is_kept_as_it_was_typed(halted: Store, tmp_path: Path, text: str) -> None:
    canary = tmp_path / "canary"
    reason = text.replace("{0}", str(canary))
    recovery.accept_request(run(reason=reason))
    assert fetch_campaign(halted, CAMPAIGN).state_reason == f"Rollback of 1 host: {reason}"
    told = halted.fetch_all("evidence/list_evidence", {"campaign_id": CAMPAIGN})[-1]
    assert told["actor"] == "nils"
    assert told["grounds"]["reason"] == f"Rollback of 1 host: {reason}"
    assert not canary.exists()


def test_a_second_run_is_refused_and_does_not_stop_the_first(halted: Store, actions: Callable[[], list[str]]) -> None:
    recovery.accept_request(run("first"))
    with pytest.raises(AirflowFailException, match="is rolling_back"):
        recovery.accept_request(run("second"))
    with pytest.raises(AirflowSkipException, match="another run"):
        recovery.stop(run("second"))
    assert fetch_campaign(halted, CAMPAIGN).state is CampaignState.ROLLING_BACK
    moves = actions().count("campaign_moved")
    recovery.accept_request(run("first"))  # its task was killed after the move, and is tried again
    assert actions().count("campaign_moved") == moves
    assert "fail" in recovery.stop(run("first"))
    assert fetch_campaign(halted, CAMPAIGN).state is CampaignState.HALTED
