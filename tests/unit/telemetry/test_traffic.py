"""From counters to steps: gaps, resets, NaN and missing hosts are never zeros."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from suture.model.traffic import Observations, RequestCounts
from suture.telemetry import PrometheusError, Sample, Series, TrafficQueries, observe

AT = datetime(2026, 11, 23, 22, 0, tzinfo=UTC)
STEP = timedelta(seconds=2)
NAN = float("nan")
QUERIES = TrafficQueries("server", {"errors": ("requests", "bad")}, healthy="up", latency="mean")
Values = list[float | None]


class Source:
    """A Prometheus in memory: query → host → values, one a step (None: no sample)."""

    def __init__(self, **series: dict[str, Values]) -> None:
        self.series = series
        self.steps: list[timedelta] = []

    def range(self, query: str, start: datetime, end: datetime, step: timedelta) -> list[Series]:
        self.steps.append(step)
        if query not in self.series:
            raise PrometheusError(f"no {query}")
        return [
            Series({"server": host}, tuple(Sample(AT + i * STEP, v) for i, v in enumerate(values) if v is not None))
            for host, values in self.series[query].items()
        ]


def seen(requests: dict[str, Values], bad: dict[str, Values], **more: dict[str, Values]) -> Observations:
    source = Source(requests=requests, bad=bad, **{"up": {}, "mean": {}, **more})
    return observe(source, QUERIES, {"a", "b"}, AT, AT + timedelta(minutes=1), step=STEP)


def counted(observations: Observations, host: str) -> list[tuple[int, int] | None]:
    steps = observations.measures["errors"].steps
    return [(c.requests, c.bad) if (c := step.counts.get(host)) else None for step in steps]


def test_steps_are_differences_of_the_same_hosts_samples() -> None:
    found = seen({"a": [100, 110, 130], "b": [7, 7, 9], "stranger": [1, 2, 3]}, {"a": [3, 3, 5], "b": [0, 0, 1]})
    assert counted(found, "a") == [(10, 0), (20, 2)]
    assert counted(found, "b") == [(0, 0), (2, 1)]
    assert found.measures["errors"].hosts() == {"a", "b"}
    assert found.measures["errors"].last_at == AT + 2 * STEP
    assert found.problems == ()


def test_a_reset_counter_leaves_its_step_out_and_is_noted() -> None:
    found = seen({"a": [100, 110, 4, 10]}, {"a": [3, 3, 0, 1]})
    assert counted(found, "a") == [(10, 0), None, (6, 1)]
    assert "reset 1 times" in found.measures["errors"].problems[0]


def test_a_gap_in_all_series_is_bridged_and_one_hosts_gap_is_absence() -> None:
    assert counted(seen({"a": [0, None, 30]}, {"a": [0, None, 3]}), "a") == [(30, 3)]
    found = seen({"a": [0, None, 30, 40], "b": [0, 1, 2, 3]}, {"a": [0, 0, 3, 3], "b": [0, 0, 0, 0]})
    assert counted(found, "a") == [None, None, (10, 0)]


def test_nan_and_missing_series_are_not_zero() -> None:
    found = seen({"a": [0, NAN, 30], "b": [0, 5, 10]}, {"a": [0, 0, 0]})
    assert counted(found, "a") == [(30, 0)]
    assert "1 samples of a were no numbers" in found.measures["errors"].problems
    assert "b" not in found.measures["errors"].hosts()


def test_more_bad_than_requests_is_cut_and_noted() -> None:
    found = seen({"a": [10, 12]}, {"a": [0, 5]})
    assert counted(found, "a") == [(2, 2)]
    assert "more bad requests than requests" in found.measures["errors"].problems[0]


def test_health_and_latency_leave_the_unknown_out() -> None:
    found = seen({}, {}, up={"a": [1, 0, NAN]}, mean={"a": [0.1, NAN, 0.2]})
    assert [up for _, up in found.health["a"]] == [True, False]
    assert [value for _, value in found.latency["a"]] == [0.1, 0.2]


def test_what_cannot_be_read_is_a_problem_said_once() -> None:
    source = Source(requests={}, bad={})
    found = observe(source, QUERIES, {"a"}, AT, AT + STEP, step=STEP)
    assert found.problems == ("no up", "no mean")


def test_two_series_for_a_host_or_no_host_label_are_problems() -> None:
    class Twice(Source):
        def range(self, query: str, start: datetime, end: datetime, step: timedelta) -> list[Series]:
            return super().range(query, start, end, step) * 2

    twice = Twice(requests={"a": [1]}, bad={"a": [1]}, up={"a": [1]}, mean={"a": [1]})
    found = observe(twice, QUERIES, {"a"}, AT, AT + STEP, step=STEP)
    assert "two series for a" in found.problems[0]
    unlabelled = TrafficQueries("instance", {"errors": ("requests", "bad")})
    source = Source(requests={"a": [1]}, bad={"a": [1]})
    found = observe(source, unlabelled, {"a"}, AT, AT + STEP, step=STEP)
    assert "no label 'instance'" in found.problems[0]


def test_a_long_trial_is_read_in_longer_steps() -> None:
    source = Source(requests={}, bad={}, up={}, mean={})
    observe(source, QUERIES, {"a"}, AT, AT + timedelta(days=2), step=STEP)
    assert set(source.steps) == {timedelta(days=2) / 5_000}


def test_counts_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="3 bad of 2"):
        RequestCounts(2, 3)
