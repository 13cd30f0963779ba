"""One look of the judge: read the metrics since the hosts came back, and weigh them.

A look keeps nothing: it reads everything since the start anew, so that a restarted triggerer, a cleared task and the
command on the shell all see the same and conclude the same.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

from suture.rollout.judge import Judgement, Trial, judge
from suture.rollout.judge_rules import JudgeRules
from suture.telemetry import Series, TrafficQueries, observe


class RangeSource(Protocol):
    def range(self, query: str, start: datetime, end: datetime, step: timedelta) -> list[Series]: ...


def look(source: RangeSource, rules: JudgeRules, trial: Trial, at: datetime) -> Judgement:
    """Judge a trial by what the source knows at `at`. An unreachable source is a missing proof, not an exception."""
    seen = observe(
        source,
        traffic_queries(rules),
        frozenset(trial.canary + trial.control),
        trial.since,
        max(at, trial.since),
        step=timedelta(seconds=rules.look_seconds),
    )
    return judge(trial, seen, rules, at)


def traffic_queries(rules: JudgeRules) -> TrafficQueries:
    return TrafficQueries(
        host_label=rules.host_label,
        measures={measure.name: (measure.requests, measure.bad) for measure in rules.measures},
        healthy=rules.healthy,
        latency=rules.latency.mean_seconds if rules.latency else None,
    )
