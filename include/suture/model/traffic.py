"""What was seen of a service's traffic: counts by host, step by step, and the state of the hosts. No
judgement in it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class RequestCounts:
    """Requests that a host answered in some interval, and how many of them were bad (failed, or too slow)."""

    requests: int = 0
    bad: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.bad <= self.requests:
            raise ValueError(f"{self.bad} bad of {self.requests} requests cannot be.")

    def __add__(self, other: RequestCounts) -> RequestCounts:
        return RequestCounts(self.requests + other.requests, self.bad + other.bad)

    @property
    def share(self) -> float | None:
        """Bad per request; None without requests, which is not zero."""
        return self.bad / self.requests if self.requests else None


@dataclass(frozen=True)
class TrafficStep:
    """Counts by host between two samples, (start, end], aware UTC. A host without a usable pair of samples
    is absent.
    """

    start: datetime
    end: datetime
    counts: Mapping[str, RequestCounts]

    def total(self, hosts: Collection[str]) -> RequestCounts:
        return total(self.counts[host] for host in hosts if host in self.counts)


@dataclass(frozen=True)
class ObservedMeasure:
    """One measure's steps, ascending. problems: sentences on gaps, resets and values that are no numbers."""

    steps: tuple[TrafficStep, ...] = ()
    problems: tuple[str, ...] = ()

    def by_host(self, hosts: Iterable[str]) -> dict[str, RequestCounts]:
        """Totals over all steps; a host that was never seen counts nothing."""
        return {host: total(step.counts[host] for step in self.steps if host in step.counts) for host in hosts}

    def hosts(self) -> frozenset[str]:
        return frozenset(host for step in self.steps for host in step.counts)

    @property
    def last_at(self) -> datetime | None:
        return self.steps[-1].end if self.steps else None


@dataclass(frozen=True)
class Observations:
    """All that a look saw. health: host → (moment, up) ascending; latency: host → (moment, mean seconds)
    ascending.

    A moment at which a host's state or latency was not known is absent. problems: sentences on what could not
    be read.
    """

    measures: Mapping[str, ObservedMeasure]
    health: Mapping[str, tuple[tuple[datetime, bool], ...]] = field(default_factory=dict)
    latency: Mapping[str, tuple[tuple[datetime, float], ...]] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def total(counts: Iterable[RequestCounts]) -> RequestCounts:
    result = RequestCounts()
    for one in counts:
        result += one
    return result


@dataclass(frozen=True)
class ServiceImpact:
    """How many requests out of how many failed, in (since, until]; `source` says who counted.

    by_version is empty where the source does not know versions; requests that nobody answered count under '-'.
    """

    since: datetime
    until: datetime
    total: RequestCounts
    by_server: Mapping[str, RequestCounts]
    by_version: Mapping[str, RequestCounts]
    source: str
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        def counted(groups: Mapping[str, RequestCounts]) -> dict[str, dict[str, int]]:
            return {name: {"requests": c.requests, "failed": c.bad} for name, c in sorted(groups.items())}

        return {
            "requests": self.total.requests,
            "failed": self.total.bad,
            "since": self.since.isoformat(),
            "until": self.until.isoformat(),
            "by_server": counted(self.by_server),
            "by_version": counted(self.by_version),
            "source": self.source,
            "notes": list(self.notes),
        }
