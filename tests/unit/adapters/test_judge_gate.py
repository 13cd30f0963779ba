"""The gate of the judge: only a pass opens it, and every verdict is on record."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred

from suture.model import Ring, Verdict
from suture.rollout.judge import Judgement, Trial
from suture.rollout.judge_rules import JudgeRules, MeasureRule
from suture.rollout.trials import latest_verdict
from suture.store import Store
from suture_airflow.sensors.judge import JudgeSensor
from suture_airflow.triggers.judge import JudgeTrigger

from ..telemetry.conftest import FakePrometheus, prometheus_api
from .conftest import CAMPAIGN, add_step

__all__ = ["prometheus_api"]
PATCHED = datetime(2026, 11, 24, 0, 10, tzinfo=UTC)
STARTED = PATCHED.isoformat()


def gate(ring: str = "canary") -> JudgeSensor:
    return JudgeSensor(task_id=f"judge_{ring}", ring=ring)


def judged(verdict: Verdict | None) -> dict[str, Any]:
    judgement = Judgement(verdict, "the reason", "the next step", {"compared": {}}, PATCHED)
    return {"status": "judged", "judgement": judgement.as_json()}


def test_watches_from_the_patch_on(released: Store, context: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUTURE_PROMETHEUS_URL", "http://127.0.0.1:9999")
    add_step(released, "app1", PATCHED)
    with pytest.raises(TaskDeferred) as deferred:
        gate().execute(context)
    trigger = deferred.value.trigger
    assert isinstance(trigger, JudgeTrigger)
    trial = Trial.from_json(trigger.trial)
    assert trial.canary == ("app1",)
    assert trial.control == ("app2", "app3", "app4")
    assert trial.since == PATCHED + timedelta(seconds=5)
    assert trial.deadline > trial.since
    assert trigger.prometheus_url == "http://127.0.0.1:9999"
    assert set(deferred.value.kwargs or {}) == {"started_at"}


def test_an_unpatched_ring_is_not_judged(released: Store, context: Any) -> None:
    add_step(released, "app2", PATCHED)
    with pytest.raises(AirflowFailException, match="app3 of ring_1 was not patched under this plan"):
        gate("ring_1").execute(context)


def test_an_empty_ring_says_so_and_lets_through(released: Store, context: Any) -> None:
    assert gate("ring_2").execute(context) == {"ring": "ring_2", "verdict": None}
    assert latest_verdict(released, CAMPAIGN) is None


def test_pass_opens_and_is_recorded(released: Store, context: Any, actions: Callable[[], list[str]]) -> None:
    result = gate().resume(context, judged(Verdict.PASS), started_at=STARTED)
    assert result["verdict"] == "pass"
    found = latest_verdict(released, CAMPAIGN, Ring.CANARY)
    assert found is not None
    assert (found[0], found[1]["reason"]) == (Verdict.PASS, "the reason")
    assert found[1]["verdict_id"] == result["verdict_id"]
    assert actions()[-1] == "ring_judged"


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.INCONCLUSIVE])
def test_fail_and_inconclusive_stop_for_good(released: Store, context: Any, verdict: Verdict) -> None:
    with pytest.raises(AirflowFailException, match=f"{verdict.value}: the reason the next step"):
        gate().resume(context, judged(verdict), started_at=STARTED)
    found = latest_verdict(released, CAMPAIGN)
    assert found is not None
    assert found[0] is verdict


@pytest.mark.parametrize(
    "event",
    [
        None,
        "pass",
        {},
        {"status": "error", "message": "KeyError: 'x'"},
        {"status": "judged"},
        {"status": "judged", "judgement": {"verdict": "pass"}},
        {"status": "judged", "judgement": {"verdict": "perhaps"}},
        judged(None),
    ],
)
def test_what_is_not_a_judgement_is_inconclusive(released: Store, context: Any, event: Any) -> None:
    with pytest.raises(AirflowFailException, match="inconclusive: The judge itself failed"):
        gate().resume(context, event, started_at=STARTED)
    found = latest_verdict(released, CAMPAIGN)
    assert found is not None
    assert found[0] is Verdict.INCONCLUSIVE


def test_a_service_without_a_judge_stops(released: Store, context: Any, policy_dir: Path) -> None:
    add_step(released, "app1", PATCHED)
    text = (policy_dir / "judge.yaml").read_text().replace("service: portal", "service: other")
    (policy_dir / "judge.yaml").write_text(text)
    with pytest.raises(AirflowFailException, match="No judge knows the service 'portal'"):
        gate().execute(context)


RULES = JudgeRules("portal", (MeasureRule("errors", "r", "b", 0.02),), look_seconds=1, max_seconds=1)


def fired(url: str, rules: dict[str, Any], trial: dict[str, Any]) -> Any:
    path, kwargs = JudgeTrigger(url, rules, trial).serialize()
    assert path == f"{JudgeTrigger.__module__}.{JudgeTrigger.__qualname__}"

    async def first() -> Any:
        async for event in JudgeTrigger(**kwargs).run():
            return event.payload
        return None

    return asyncio.run(first())


def trial(seconds: int = 60) -> Trial:
    now = datetime.now(UTC)
    return Trial(("app1",), ("app2", "app3"), now - timedelta(seconds=seconds), now + timedelta(seconds=1))


def serve(api: FakePrometheus, bad_of_app1: float) -> None:
    now = datetime.now(UTC).timestamp()

    def counters(**per_second: float) -> list[dict[str, Any]]:
        return [
            {"metric": {"server": host}, "values": [[now - 60 + s, str(round(rate * s))] for s in range(0, 61, 2)]}
            for host, rate in per_second.items()
        ]

    api.says("r", counters(app1=12, app2=12, app3=12))
    api.says("b", counters(app1=bad_of_app1, app2=0, app3=0))


@pytest.mark.parametrize(("bad", "verdict"), [(0.0, "pass"), (0.6, "fail")])
def test_the_trigger_judges_what_prometheus_says(prometheus_api: FakePrometheus, bad: float, verdict: str) -> None:
    serve(prometheus_api, bad)
    event = fired(prometheus_api.url, RULES.as_json(), trial().as_json())
    assert event["status"] == "judged"
    assert event["judgement"]["verdict"] == verdict


def test_the_trigger_ends_inconclusive_at_the_deadline_without_prometheus() -> None:
    event = fired("http://127.0.0.1:9", RULES.as_json(), trial().as_json())
    assert event["judgement"]["verdict"] == "inconclusive"
    assert "cannot be reached" in event["judgement"]["reason"]


def test_a_broken_trigger_ends_the_wait_without_a_verdict() -> None:
    event = fired("gopher://x", RULES.as_json(), trial().as_json())
    assert event["status"] == "error"
    event = fired("http://127.0.0.1:9", {"service": "x"}, trial().as_json())
    assert event["status"] == "error"
    assert "KeyError" in event["message"]


def test_rules_and_trial_travel_as_json() -> None:
    import json

    rules = replace(RULES, healthy="up")
    assert JudgeRules.from_json(json.loads(json.dumps(rules.as_json()))) == rules
    asked = trial()
    assert Trial.from_json(json.loads(json.dumps(asked.as_json()))) == asked
