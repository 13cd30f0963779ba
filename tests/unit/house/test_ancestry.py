"""No way around a gate: whoever reaches a host has passed everything that protects it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from suture.campaign.approvals import Gate
from suture.risk.acceptance_policy import MOST_SEATS
from suture.settings import PROJECT_ROOT

RINGS = ("canary", "ring_1", "ring_2", "ring_3")
Tasks = Mapping[str, Mapping[str, Any]]


def reachable(tasks: Tasks, *, without: Iterable[str]) -> set[str]:
    """Every task that a run can reach from its roots when the tasks `without` never succeed."""
    closed = set(without)
    downstream = {name for task in tasks.values() for name in task["downstream"]}
    frontier = [name for name in tasks if name not in downstream and name not in closed]
    seen = set(frontier)
    while frontier:
        for name in tasks[frontier.pop()]["downstream"]:
            if name not in seen and name not in closed:
                seen.add(name)
                frontier.append(name)
    return seen


@pytest.fixture
def rollout(airflow_view: dict[str, Any]) -> Tasks:
    assert "canary_rollout" in airflow_view["dags"], "there is no canary_rollout: nothing was checked"
    tasks: Tasks = airflow_view["dags"]["canary_rollout"]["tasks"]
    return tasks


def gates_before(ring: str) -> list[str]:
    before = RINGS[: RINGS.index(ring)]
    earlier = [f"{step}_{other}" for other in before for step in ("patch", "verify", "judge")]
    return ["await_window", "require_backup", "start_rollout", *earlier]


def givers(airflow_view: dict[str, Any], asset: str) -> set[str]:
    """The DAGs that have a task which can hand on this asset."""
    return {
        dag_id
        for dag_id, dag in airflow_view["dags"].items()
        if any(asset in task["outlets"] for task in dag["tasks"].values())
    }


@pytest.mark.parametrize("ring", RINGS)
def test_no_ring_is_patched_around_a_gate(rollout: Tasks, ring: str) -> None:
    assert f"patch_{ring}" in reachable(rollout, without=())
    for gate in gates_before(ring):
        assert gate in rollout
        assert f"patch_{ring}" not in reachable(rollout, without=[gate]), f"patch_{ring} is reached around {gate}"


@pytest.mark.parametrize("ring", RINGS)
def test_what_protects_a_host_runs_only_on_success(rollout: Tasks, ring: str) -> None:
    for step in (f"patch_{ring}", f"verify_{ring}", f"judge_{ring}", *gates_before(ring)):
        assert rollout[step]["trigger_rule"] == "all_success", step


def test_the_campaign_is_verified_only_after_every_judge(rollout: Tasks) -> None:
    gates = [*gates_before("ring_3"), "patch_ring_3", "verify_ring_3", "judge_ring_3"]
    (conclusion,) = [name for name, task in rollout.items() if "campaign_verified" in task["outlets"]]
    assert rollout[conclusion]["trigger_rule"] == "all_success"
    for gate in gates:
        assert conclusion not in reachable(rollout, without=[gate])


def test_a_rollout_starts_only_from_the_approval(airflow_view: dict[str, Any]) -> None:
    rollout = airflow_view["dags"]["canary_rollout"]
    assert rollout["timetable"].startswith("PartitionedAsset")
    assert "campaign_approved" in rollout["assets"]
    givers = [
        (dag_id, name)
        for dag_id, dag in airflow_view["dags"].items()
        for name, task in dag["tasks"].items()
        if "campaign_approved" in task["outlets"]
    ]
    assert givers == [("release_approval", "release")]


def test_a_release_needs_every_seat_of_the_gate(airflow_view: dict[str, Any]) -> None:
    tasks = airflow_view["dags"]["release_approval"]["tasks"]
    seats = [f"{seat.name}_seat" for seat in Gate.load(PROJECT_ROOT / "include" / "policy").seats]
    assert len(seats) == 2
    for seat in seats:
        assert tasks[seat]["type"] == "ReleaseApprovalOperator"
        assert "release" not in reachable(tasks, without=[seat])
    assert tasks["release"]["trigger_rule"] == "all_success"


def test_a_risk_is_accepted_only_behind_every_seat(airflow_view: dict[str, Any]) -> None:
    tasks = airflow_view["dags"]["risk_acceptance"]["tasks"]
    seats = [f"seat_{number}" for number in range(1, MOST_SEATS + 1)]
    for step in ("open_request", *seats):
        assert "conclude" not in reachable(tasks, without=[step])
        assert tasks[step]["trigger_rule"] == "all_success"
    assert {tasks[seat]["type"] for seat in seats} == {"AcceptanceSeatOperator"}
    assert tasks["conclude"]["trigger_rule"] == "all_success"


def test_what_became_urgent_is_scored_and_planned_behind_the_watch(airflow_view: dict[str, Any]) -> None:
    scoring = airflow_view["dags"]["risk_scoring"]
    assert "urgency_changed" in scoring["assets"]
    for step in ("score_findings", "watch_acceptances", "hasten_campaigns"):
        assert "plan_campaigns" not in reachable(scoring["tasks"], without=[step])
    assert givers(airflow_view, "urgency_changed") == {"feed_sync", "risk_acceptance_watch"}
    lane = airflow_view["dags"]["emergency_lane"]
    assert lane["assets"] == ["window_move_proposed"]
    assert lane["tasks"]["answer"]["type"] == "WindowMoveOperator"


STAGES = {
    "signature_validation": ("campaign_planned", "campaign_validated"),
    "staging_test": ("campaign_validated", "campaign_tested"),
    "release_approval": ("campaign_tested", "campaign_approved"),
    "canary_rollout": ("campaign_approved", "campaign_verified"),
}


def test_only_a_persons_waiver_starts_a_staging_test_without_a_validation(airflow_view: dict[str, Any]) -> None:
    assert set(airflow_view["dags"]["staging_test"]["assets"]) == {"campaign_validated", "parity_waived"}
    assert givers(airflow_view, "parity_waived") == {"parity_waiver"}
    assert airflow_view["dags"]["parity_waiver"]["assets"] == []


def test_only_a_release_or_a_judgement_by_hand_starts_a_rollout(airflow_view: dict[str, Any]) -> None:
    assert set(airflow_view["dags"]["canary_rollout"]["assets"]) == {"campaign_approved", "ring_judged_by_hand"}
    assert givers(airflow_view, "ring_judged_by_hand") == {"manual_judgement"}
    assert airflow_view["dags"]["manual_judgement"]["assets"] == []


@pytest.mark.parametrize("stage", STAGES)
def test_each_stage_starts_from_the_one_before_and_hands_on(airflow_view: dict[str, Any], stage: str) -> None:
    asked, given = STAGES[stage]
    dag = airflow_view["dags"][stage]
    assert asked in dag["assets"]
    assert [name for name, task in dag["tasks"].items() if given in task["outlets"]]
    elsewhere = [
        dag_id
        for dag_id, other in airflow_view["dags"].items()
        if dag_id != stage and any(given in task["outlets"] for task in other["tasks"].values())
    ]
    assert elsewhere == [], f"{given} is also given by {elsewhere}"


def test_the_guard_would_see_a_way_around() -> None:
    """The same search on a graph with a hole in it."""
    tasks: Tasks = {
        "window": {"downstream": ["patch_a"]},
        "patch_a": {"downstream": ["judge_a", "patch_b"]},
        "judge_a": {"downstream": ["patch_b"]},
        "patch_b": {"downstream": []},
    }
    assert "patch_b" in reachable(tasks, without=["judge_a"])
    assert "patch_b" not in reachable(tasks, without=["patch_a"])


def test_no_threat_waits_for_an_advisory_source(airflow_view: dict[str, Any]) -> None:
    tasks: Tasks = airflow_view["dags"]["feed_sync"]["tasks"]
    slow = ("list_advisory_sources", "sync_advisories", "sync_records")
    assert set(slow) <= set(tasks)
    assert {"sync_threats", "watch_threats"} <= reachable(tasks, without=slow)
    assert {name for name, task in tasks.items() if "watch_threats" in task["downstream"]} == {"sync_threats"}
    assert tasks["watch_threats"]["trigger_rule"] == "all_done"  # one feed that is down holds up no other's news
    assert "urgency_changed" in tasks["watch_threats"]["outlets"]
    # CVE records say what is exploited too, and come last: they are looked at as well.
    assert tasks["sync_records"]["downstream"] == ["watch_records"]
    assert "urgency_changed" in tasks["watch_records"]["outlets"]
