"""staging_test's own tasks, one after the other on a simulated fleet, to the rollout's start: no campaign starts untested."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from suture.campaign import CampaignState, fetch_campaign
from suture.campaign.approvals import APPROVE, Gate, decide
from suture.campaign.guidance import dag_of, next_step, waits_for_people
from suture.runner.simulator import FleetSimulator
from suture.settings import Settings
from suture.staging import traffic
from suture.store import Store, parity
from suture_airflow.stages import replan, rollout, staging
from tests.unit.staging.mirrored import (
    CAMPAIGN,
    EDGE,
    FLOW,
    Entry,
    Offered,
    Published,
    add_campaign,
    ignore_time,
    make_fleet,
    set_moved,
    write_inventory,
)

pytestmark = pytest.mark.database
_S = CampaignState


@pytest.fixture
def published() -> Published:
    return Published()


@pytest.fixture
def fleet(warehouse: str, tmp_path: Path, published: Published, monkeypatch: pytest.MonkeyPatch) -> FleetSimulator:
    """The stages' runner, inventory, internal repository and tunnel are of this fleet; everything else is real."""
    assert warehouse
    made = make_fleet()
    monkeypatch.setenv("SUTURE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("SUTURE_INVENTORY", str(write_inventory(tmp_path / "hosts.yaml")))
    monkeypatch.setenv("SUTURE_STORE_URL", (tmp_path / "objects").as_uri())
    monkeypatch.setattr("suture.runner.ansible.AnsibleRunner", lambda _path: made)
    monkeypatch.setattr(staging, "repository_for", lambda *_: published)
    monkeypatch.setattr(rollout, "repository_for", lambda *_: published)
    monkeypatch.setattr(traffic, "tunnel", Entry().tunnel)
    ignore_time(monkeypatch)
    return made


def of(campaign_id: str, *failed: str) -> dict[str, Any]:
    states = {"run": dict.fromkeys(failed, "failed")}
    ti = SimpleNamespace(dag_id="staging_test", run_id="run", get_task_states=lambda **_: states)
    return {"dag_run": SimpleNamespace(partition_key=campaign_id), "ti": ti}


def form(campaign_id: str | None, reason: str = "a second balancer is on order", who: str = "vera") -> dict[str, Any]:
    return {
        "params": {"campaign": campaign_id, "reason": reason},
        "dag_run": SimpleNamespace(run_id="manual__1", triggering_user_name=who),
    }


def release(store: Store, campaign_id: str) -> None:
    set_moved(store, campaign_id, _S.APPROVED)
    gate = Gate.load(Settings.load().policy_dir)
    plan_hash = fetch_campaign(store, campaign_id).plan_hash
    for seat, who in (("first", "vera"), ("second", "amir")):
        decide(store, campaign_id=campaign_id, gate=gate, seat_name=seat, approver=who, decision=APPROVE, plan_hash=plan_hash)


def test_a_campaign_is_measured_replayed_concluded_and_starts(store: Store, fleet: FleetSimulator) -> None:
    add_campaign(store)
    assert "Parity 100.00 of 100" in staging.measure_parity(of(CAMPAIGN))
    for stage in ("before", "after"):
        assert "80 recorded requests" in staging.replay_traffic(of(CAMPAIGN), stage)
    staging.conclude(of(CAMPAIGN))
    assert fetch_campaign(store, CAMPAIGN).state is _S.TESTED
    release(store, CAMPAIGN)
    rollout.start(of(CAMPAIGN))
    assert fetch_campaign(store, CAMPAIGN).state is _S.ROLLING_OUT
    assert fleet.fleet["stg-db1"].phases[0] == "parity"
    moved = store.fetch_all("evidence/list_evidence", {"campaign_id": CAMPAIGN})[-1]
    assert moved["grounds"]["parity"] == 100


def test_an_unlike_pair_fails_the_test_with_what_differs(store: Store, fleet: FleetSimulator) -> None:
    add_campaign(store)
    fleet.fleet["stg-app1"].cut_off = {FLOW}
    with pytest.raises(AirflowFailException, match=r"stg-app1 does not reach the flow app to db"):
        staging.measure_parity(of(CAMPAIGN))
    with pytest.raises(AirflowFailException, match="do not count"):
        staging.conclude(of(CAMPAIGN))
    assert FLOW in staging.give_up(of(CAMPAIGN, "measure_parity"))
    assert fetch_campaign(store, CAMPAIGN).state is _S.TEST_FAILED


@pytest.mark.parametrize("missing", ["parity", "replay"])
def test_a_released_campaign_without_its_record_does_not_start_and_can_be_planned_anew(
    store: Store, fleet: FleetSimulator, missing: str
) -> None:
    assert fleet.fleet
    add_campaign(store)
    if missing == "replay":
        staging.measure_parity(of(CAMPAIGN))
    set_moved(store, CAMPAIGN, _S.TESTED)
    release(store, CAMPAIGN)
    with pytest.raises(AirflowFailException, match="its staging tests do not count"):
        rollout.start(of(CAMPAIGN))
    declined = fetch_campaign(store, CAMPAIGN)
    assert declined.state is _S.DECLINED  # campaign_replan takes it from there
    assert "do not count" in declined.state_reason


def edit_snapshot(published: Published) -> None:
    published.packages.append(Offered("other", "1", "amd64", "c" * 64))


def swap_file(published: Published) -> None:
    published.snapshot, published.packages[0] = "s-2", Offered(sha256="d" * 64)


def withdraw_file(published: Published) -> None:
    published.snapshot, published.packages = "s-2", []


@pytest.mark.parametrize(
    ("change", "why"),
    [(edit_snapshot, "never changes"), (swap_file, "as it was validated"), (withdraw_file, "does not offer")],
)
def test_a_released_campaign_whose_snapshot_changed_is_declined_and_planned_anew(
    store: Store, fleet: FleetSimulator, published: Published, change: Callable[[Published], None], why: str
) -> None:
    assert fleet.fleet
    add_campaign(store)
    staging.measure_parity(of(CAMPAIGN))
    for stage in ("before", "after"):
        staging.replay_traffic(of(CAMPAIGN), stage)
    staging.conclude(of(CAMPAIGN))
    release(store, CAMPAIGN)
    change(published)
    with pytest.raises(AirflowFailException, match=why):
        rollout.start(of(CAMPAIGN))
    declined = fetch_campaign(store, CAMPAIGN)
    assert declined.state is _S.DECLINED
    assert why in declined.state_reason
    asked = {"campaign": CAMPAIGN, "reason": "the internal repository is restored"}
    replan.give_up_requested({"params": asked, "dag_run": form(CAMPAIGN)["dag_run"]})
    assert fetch_campaign(store, CAMPAIGN).state is _S.SUPERSEDED


def test_a_halted_campaign_without_a_record_stays_halted(store: Store, fleet: FleetSimulator) -> None:
    assert fleet.fleet
    add_campaign(store)
    set_moved(store, CAMPAIGN, _S.TESTED)
    release(store, CAMPAIGN)
    set_moved(store, CAMPAIGN, _S.ROLLING_OUT, _S.HALTED)
    with pytest.raises(AirflowFailException, match="was not measured"):
        rollout.start(of(CAMPAIGN))
    assert fetch_campaign(store, CAMPAIGN).state is _S.HALTED


def test_without_a_mirror_a_campaign_waits_for_a_person_and_its_record_says_untested(
    store: Store, fleet: FleetSimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    add_campaign(store, EDGE, group="edge")
    calls: list[Callable[[], Any]] = [
        lambda: staging.measure_parity(of(EDGE)),
        lambda: staging.run_tests(of(EDGE), "before"),
        lambda: staging.replay_traffic(of(EDGE), "before"),
        lambda: staging.conclude(of(EDGE)),
    ]
    for call in calls:
        with pytest.raises(AirflowFailException):
            call()
    with pytest.raises(AirflowSkipException, match="nobody has waived them"):
        staging.give_up(of(EDGE, "measure_parity"))
    waiting = fetch_campaign(store, EDGE)
    assert waiting.state is _S.VALIDATED
    assert "parity_waiver" in waiting.state_reason
    assert waits_for_people(waiting.state, waiting.state_reason)
    assert "`parity_waiver`" in next_step(waiting.state, waiting.state_reason)
    assert dag_of(waiting.state, waiting.state_reason) == "parity_waiver"

    assert staging.waive(form(EDGE)) == EDGE  # which starts staging_test once more
    assert staging.waive(form(EDGE)) == EDGE  # a task tried again
    assert "Waived by vera" in staging.measure_parity(of(EDGE))
    for stage in ("before", "after"):
        assert "has no mirror" in staging.run_tests(of(EDGE), stage)
        assert "has no mirror" in staging.replay_traffic(of(EDGE), stage)
    staging.conclude(of(EDGE))
    tested = fetch_campaign(store, EDGE)
    assert tested.state is _S.TESTED
    assert dag_of(tested.state, tested.state_reason) == "release_approval"
    assert tested.state_reason.startswith("NOT tested on staging")
    assert "waived by vera: a second balancer is on order" in tested.state_reason
    release(store, EDGE)
    rollout.start(of(EDGE))
    assert fetch_campaign(store, EDGE).state is _S.ROLLING_OUT
    assert fleet.fleet["lb1"].phases == []  # nothing was asked of the only host on the way
    assert "untested" not in capsys.readouterr().err


def test_a_waiver_given_while_a_run_fails_for_want_of_it_is_left_to_the_run_that_it_starts(
    store: Store, fleet: FleetSimulator
) -> None:
    assert fleet.fleet
    add_campaign(store, EDGE, group="edge")
    failing = of(EDGE, "measure_parity")
    failing["dag_run"].start_date = datetime.now(UTC)
    with pytest.raises(AirflowFailException):
        staging.measure_parity(failing)
    assert staging.waive(form(EDGE)) == EDGE
    with pytest.raises(AirflowSkipException, match="vera waived the tests meanwhile"):
        staging.give_up(failing)
    assert fetch_campaign(store, EDGE).state is _S.VALIDATED
    later = of(EDGE, "measure_parity")  # a run that began with the waiver, and failed for another reason
    later["dag_run"].start_date = datetime.now(UTC)
    staging.give_up(later)
    assert fetch_campaign(store, EDGE).state is _S.TEST_FAILED


def test_a_waiver_before_validation_starts_nothing_yet(store: Store, fleet: FleetSimulator) -> None:
    assert fleet.fleet
    edge = add_campaign(store, EDGE, group="edge", state=_S.PLANNED)
    assert staging.waive(form(EDGE)) == ""
    assert parity.waiver_of(store, EDGE, edge.plan_hash) is not None


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"campaign_id": None}, "No campaign is named"),
        ({"campaign_id": "SUT-1999-0001"}, "no campaign"),
        ({"campaign_id": EDGE, "reason": " "}, "No reason is given"),
        ({"campaign_id": EDGE, "who": "mallory"}, "mallory may not waive"),
        ({"campaign_id": CAMPAIGN}, "has staging hosts"),
    ],
)
def test_what_the_form_lacks_is_said(store: Store, fleet: FleetSimulator, values: dict[str, Any], why: str) -> None:
    assert fleet.fleet
    add_campaign(store)
    edge = add_campaign(store, EDGE, group="edge")
    with pytest.raises(AirflowFailException, match=why):
        staging.waive(form(**values))
    assert parity.waiver_of(store, EDGE, edge.plan_hash) is None
