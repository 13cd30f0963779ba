"""From Prometheus' counters to what a judge can weigh: requests by host and step.

The rules:

1. A step's count is the difference of two samples of the same host's counter. A host that lacks one of them
   is absent from that step: absence is not zero.
2. A counter that falls was reset (the load balancer restarted): what happened in that step is unknown, for
   that host; the step is left out and noted.
3. NaN and infinity are no samples; they are noted.
4. More bad requests than requests in a step (two queries, one scrape apart) are cut to the requests, and
   noted.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Protocol

from suture.model.traffic import Observations, ObservedMeasure, RequestCounts, TrafficStep
from suture.telemetry.prometheus import PrometheusError, Series

MAX_STEPS = 5_000  # Prometheus refuses more than 11,000 points a series


class RangeSource(Protocol):
    def range(self, query: str, start: datetime, end: datetime, step: timedelta) -> list[Series]: ...


@dataclass(frozen=True)
class TrafficQueries:
    """PromQL whose series carry the host's name in `host_label`. measures: name → (requests, bad), both
    counters.
    """

    host_label: str
    measures: Mapping[str, tuple[str, str]]
    healthy: str | None = None
    latency: str | None = None


@dataclass
class _Notes:
    resets: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    not_numbers: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    cut: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def sentences(self) -> tuple[str, ...]:
        said = (
            (self.resets, "the counter of {host} was reset {count} times (restarted?); those steps are left out"),
            (self.not_numbers, "{count} samples of {host} were no numbers"),
            (self.cut, "{host} had more bad requests than requests in {count} steps"),
        )
        return tuple(
            text.format(host=host, count=count) for found, text in said for host, count in sorted(found.items())
        )


def observe(
    source: RangeSource,
    queries: TrafficQueries,
    hosts: Collection[str],
    since: datetime,
    until: datetime,
    *,
    step: timedelta,
) -> Observations:
    """All that is known of these hosts in (since, until]. What cannot be read becomes a problem, not an
    exception.
    """
    step = max(step, (until - since) / MAX_STEPS)
    problems: list[str] = []

    def series_of(query: str) -> dict[str, dict[datetime, float]]:
        try:
            return _by_host(source.range(query, since, until, step), queries.host_label, hosts)
        except PrometheusError as error:
            problems.append(error.message.rstrip("."))
            return {}

    measures = {
        name: _measure(series_of(requests), series_of(bad)) for name, (requests, bad) in queries.measures.items()
    }
    health = series_of(queries.healthy) if queries.healthy else {}
    latency = series_of(queries.latency) if queries.latency else {}
    return Observations(
        measures=measures,
        health={
            host: tuple((at, v == 1) for at, v in track.items() if not math.isnan(v)) for host, track in health.items()
        },
        latency={
            host: tuple((at, v) for at, v in track.items() if math.isfinite(v)) for host, track in latency.items()
        },
        problems=tuple(dict.fromkeys(problems)),
    )


def _by_host(series: list[Series], label: str, hosts: Collection[str]) -> dict[str, dict[datetime, float]]:
    found: dict[str, dict[datetime, float]] = {}
    for one in series:
        host = one.labels.get(label)
        if host is None:
            raise PrometheusError(f"The query's series have no label {label!r}: it must name the host.")
        if host not in hosts:
            continue
        if host in found:
            raise PrometheusError(f"The query gives two series for {host}: it must aggregate by {label!r}.")
        found[host] = {sample.at: sample.value for sample in one.samples}
    return found


def _measure(
    requests: Mapping[str, Mapping[datetime, float]], bad: Mapping[str, Mapping[datetime, float]]
) -> ObservedMeasure:
    notes = _Notes()
    usable = {host: _usable(host, track, bad[host], notes) for host, track in requests.items() if host in bad}
    moments = sorted({moment for track in usable.values() for moment in track})
    steps = []
    for start, end in pairwise(moments):
        counts = {}
        for host, track in usable.items():
            if start in track and end in track:
                grown = _grown(host, track[start], track[end], notes)
                if grown is not None:
                    counts[host] = grown
        steps.append(TrafficStep(start, end, counts))
    return ObservedMeasure(tuple(steps), notes.sentences())


def _usable(
    host: str, requests: Mapping[datetime, float], bad: Mapping[datetime, float], notes: _Notes
) -> dict[datetime, tuple[int, int]]:
    pairs: dict[datetime, tuple[int, int]] = {}
    for moment in requests.keys() & bad.keys():
        if math.isfinite(requests[moment]) and math.isfinite(bad[moment]):
            pairs[moment] = (round(requests[moment]), round(bad[moment]))
        else:
            notes.not_numbers[host] += 1
    return pairs


def _grown(host: str, before: tuple[int, int], after: tuple[int, int], notes: _Notes) -> RequestCounts | None:
    grown, bad = after[0] - before[0], after[1] - before[1]
    if grown < 0 or bad < 0:
        notes.resets[host] += 1
        return None
    if bad > grown:
        notes.cut[host] += 1
    return RequestCounts(grown, min(bad, grown))
