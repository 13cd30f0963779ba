"""The judge's rules, each by the case that it exists for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from suture.errors import BadInputError
from suture.model import Verdict
from suture.model.traffic import Observations, ObservedMeasure, RequestCounts, TrafficStep
from suture.rollout.judge import Judgement, Trial, judge
from suture.rollout.judge_rules import JudgePolicy, JudgeRules, LatencyRule, MeasureRule
from suture.settings import PROJECT_ROOT

START = datetime(2026, 11, 23, 22, 0, tzinfo=UTC)
CONTROL = ("app2", "app3", "app4")
TRIAL = Trial(("app1",), CONTROL, START, START + timedelta(seconds=600))
RULES = JudgeRules("portal", (MeasureRule("errors", "r", "b", 0.02),), stale_seconds=10)
STEP = timedelta(seconds=2)


def at(seconds: int) -> datetime:
    return START + timedelta(seconds=seconds)


def steady(
    seconds: int, *, per_step: int = 24, bad: dict[str, int] | None = None, hosts: Iterable[str] = ()
) -> ObservedMeasure:
    """Traffic in steps of two seconds; `bad` gives how many of each step's requests were bad, by host."""
    steps = [
        TrafficStep(
            at(second),
            at(second) + STEP,
            {h: RequestCounts(per_step, (bad or {}).get(h, 0)) for h in (hosts or ("app1", *CONTROL))},
        )
        for second in range(0, seconds, 2)
    ]
    return ObservedMeasure(tuple(steps))


def seen(measure: ObservedMeasure, **more: object) -> Observations:
    return Observations({"errors": measure}, **more)  # type: ignore[arg-type]


def look(measure: ObservedMeasure, seconds: int, rules: JudgeRules = RULES, **more: object) -> Judgement:
    return judge(TRIAL, seen(measure, **more), rules, at(seconds))


def test_no_errors_pass_once_enough_was_seen() -> None:
    early = look(steady(20), 20)
    assert early.verdict is None
    assert "only 20 s of at least 30 s" in early.reason
    passed = look(steady(60), 60)
    assert passed.verdict is Verdict.PASS
    assert "errors 0 of 720 against 0 of 2160" in passed.reason
    assert passed.measures["compared"]["errors"]["increase_at_most"] < 0.02


def test_five_per_cent_errors_fail_with_the_figures() -> None:
    failed = look(steady(20, bad={"app1": 1}), 20)
    assert failed.verdict is Verdict.FAIL
    assert "app1 had 10 bad of 240 requests (4.17 %)" in failed.reason
    assert "0 bad of 720 requests" in failed.reason
    assert "roll the campaign back" in failed.next_step


def test_errors_in_both_groups_alike_never_fail() -> None:
    both = look(steady(120, bad=dict.fromkeys(("app1", *CONTROL), 2)), 120)
    assert both.verdict is not Verdict.FAIL


def test_one_bad_host_of_three_is_found() -> None:
    trial = Trial(("app1", "app2", "app3"), ("app4",), START, at(600))
    failed = judge(trial, seen(steady(60, bad={"app3": 1})), RULES, at(60))
    assert failed.verdict is Verdict.FAIL
    assert "app3 had" in failed.reason


@pytest.mark.parametrize(
    ("measure", "says"),
    [
        (ObservedMeasure(), "no usable metrics of app1, app2, app3 and app4"),
        (steady(600, per_step=0), "app1 answered 0 of at least 150 requests"),
        (steady(600, hosts=CONTROL), "no usable metrics of app1"),
        (steady(600, hosts=("app1",)), "no usable metrics of app2, app3 and app4"),
        (steady(500), "the metrics end 1 min 40 s ago"),
        (steady(600, bad=dict.fromkeys(("app1", *CONTROL), 8)), "control hosts themselves are ill"),
    ],
)
def test_what_is_missing_is_inconclusive_at_the_deadline_and_never_a_pass(measure: ObservedMeasure, says: str) -> None:
    before = look(measure, 590)
    assert before.verdict is not Verdict.PASS
    final = look(measure, 600)
    assert final.verdict is Verdict.INCONCLUSIVE
    assert says in final.reason
    assert "take the rollout up again" in final.next_step


def test_unreadable_metrics_are_inconclusive() -> None:
    final = look(steady(600), 600, problems=("http://p:9090 cannot be reached (ConnectionError)",))
    assert final.verdict is Verdict.INCONCLUSIVE
    assert "cannot be reached" in final.reason


def test_no_control_host_is_inconclusive_at_once() -> None:
    alone = Trial(("app1",), (), START, at(600))
    assert judge(alone, seen(steady(60)), RULES, at(60)).verdict is Verdict.INCONCLUSIVE
    # A host shown to be worse still needs somebody to be worse than: errors alone are no comparison.
    assert judge(alone, seen(steady(60, bad={"app1": 20})), RULES, at(60)).verdict is Verdict.INCONCLUSIVE


def test_a_starved_canary_does_not_pass() -> None:
    thin = tuple(TrafficStep(s.start, s.end, {**s.counts, "app1": RequestCounts(5)}) for s in steady(200).steps)
    starved = look(ObservedMeasure(thin), 200)
    assert starved.verdict is None
    assert "app1 got less than 30.0 % of a control host's traffic" in starved.reason


def test_health_guard() -> None:
    rules = replace(RULES, healthy="up", unhealthy_seconds=10)
    up = tuple((at(s), True) for s in range(0, 61, 2))
    assert look(steady(60), 60, rules, health={"app1": up}).verdict is Verdict.PASS
    unknown = look(steady(60), 60, rules, health={})
    assert unknown.verdict is None
    assert "not known whether app1 is up" in unknown.reason
    blink = (*up[:-3], (at(58), False), (at(60), False))
    assert look(steady(60), 60, rules, health={"app1": blink}).verdict is None
    down = tuple((at(s), s < 48) for s in range(0, 61, 2))
    failed = look(steady(60), 60, rules, health={"app1": down})
    assert failed.verdict is Verdict.FAIL
    assert "app1 has been down for 12 s" in failed.reason


def test_latency_guard() -> None:
    rules = replace(RULES, latency=LatencyRule("l", 3.0, 0.1, 10))
    moments = [at(s) for s in range(0, 61, 2)]
    usual = {host: tuple((m, 0.02) for m in moments) for host in CONTROL}
    quick = {**usual, "app1": tuple((m, 0.05) for m in moments)}
    assert look(steady(60), 60, rules, latency=quick).verdict is Verdict.PASS
    slow = {**usual, "app1": tuple((m, 0.4) for m in moments)}
    failed = look(steady(60), 60, rules, latency=slow)
    assert failed.verdict is Verdict.FAIL
    assert "app1 needs 0.400 s a request, the control hosts 0.020 s" in failed.reason
    briefly = {**usual, "app1": tuple((m, 0.4 if m > at(56) else 0.02) for m in moments)}
    assert look(steady(60), 60, rules, latency=briefly).verdict is None
    assert look(steady(60), 60, rules, latency=usual).verdict is None  # its latency is not known


def test_alpha_is_shared_out_among_measures() -> None:
    two = replace(RULES, measures=(*RULES.measures, MeasureRule("slow", "r", "s", 0.02)))
    judged = judge(TRIAL, Observations({"errors": steady(60), "slow": steady(60)}), two, at(60))
    assert judged.verdict is Verdict.PASS
    assert judged.measures["compared"]["errors"]["limit_one_to"] == pytest.approx(40)


def test_a_trial_needs_a_patched_host_and_disjoint_groups() -> None:
    with pytest.raises(BadInputError, match="at least one patched host"):
        Trial((), CONTROL, START, at(1))
    with pytest.raises(BadInputError, match="app2"):
        Trial(("app2",), CONTROL, START, at(1))


def test_rules_survive_serialisation_and_the_projects_own_load() -> None:
    own = JudgePolicy.load(PROJECT_ROOT / "include" / "policy").for_service("portal")
    assert JudgeRules.from_json(own.as_json()) == own
    with pytest.raises(BadInputError, match="No service is named"):
        JudgePolicy.load(PROJECT_ROOT / "include" / "policy").for_service(None)
