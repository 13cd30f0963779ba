"""How many requests out of how many failed: from a record of requests, or from Prometheus' counters.

A request failed when it was answered with a 5xx, or not at all. The record is tab-separated, one request a
line, with a header line that names at least due_at (ISO 8601), status (0: no answer), served_by and version
('-': unknown).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from suture.errors import BadInputError
from suture.model.traffic import RequestCounts, ServiceImpact, total
from suture.telemetry.traffic import RangeSource, TrafficQueries, observe

NEEDED_COLUMNS = ("due_at", "status", "served_by", "version")
_FIRST_FAILURE = 500
_MEASURE = "requests"


class RequestLogError(BadInputError):
    """A record of requests that cannot be read."""


@dataclass
class _Tally:
    requests: int = 0
    failed: int = 0

    def add(self, failed: bool) -> None:
        self.requests += 1
        self.failed += failed

    def counts(self) -> RequestCounts:
        return RequestCounts(self.requests, self.failed)


def impact_from_log(paths: Sequence[Path], since: datetime, until: datetime) -> ServiceImpact:
    """Count the requests that were due in (since, until], over all files that exist (a record and its older part).

    Lines that are no requests (a cut last line) are counted in the notes. Raises RequestLogError without any file.
    """
    present = [path for path in paths if path.exists()]
    if not present:
        raise RequestLogError(f"There is no record of requests: {', '.join(map(str, paths))} is missing.")
    overall: _Tally = _Tally()
    by_server: dict[str, _Tally] = defaultdict(_Tally)
    by_version: dict[str, _Tally] = defaultdict(_Tally)
    unreadable = 0
    # Texts of one format and one offset compare as the moments do; parsing each of a million lines would take seconds.
    first, last = (moment.astimezone(UTC).isoformat(timespec="microseconds") for moment in (since, until))
    for path in present:
        for fields in _lines(path):
            if fields is None:
                unreadable += 1
                continue
            due_at, status, server, version = fields
            if not first < due_at <= last:
                continue
            failed = status == 0 or status >= _FIRST_FAILURE
            for tally in (overall, by_server[server], by_version[version]):
                tally.add(failed)
    return ServiceImpact(
        since,
        until,
        overall.counts(),
        {name: tally.counts() for name, tally in by_server.items()},
        {name: tally.counts() for name, tally in by_version.items()},
        source="record of requests",
        notes=(f"{unreadable} lines were no requests",) if unreadable else (),
    )


def impact_from_counters(
    source: RangeSource,
    *,
    host_label: str,
    requests: str,
    bad: str,
    servers: Collection[str],
    since: datetime,
    until: datetime,
    step: timedelta = timedelta(seconds=5),
) -> ServiceImpact:
    """Count from the load balancer's counters (PromQL, by server). What could not be read is in the notes."""
    queries = TrafficQueries(host_label, {_MEASURE: (requests, bad)})
    seen = observe(source, queries, servers, since, until, step=step)
    measure = seen.measures[_MEASURE]
    by_server = {host: counts for host, counts in measure.by_host(sorted(servers)).items() if counts.requests}
    unseen = sorted(set(servers) - measure.hosts())
    notes = [*seen.problems, *measure.problems]
    if unseen:
        notes.append(f"no usable counters of {', '.join(unseen)}")
    return ServiceImpact(since, until, total(by_server.values()), by_server, {}, "load balancer", tuple(notes))


def _lines(path: Path) -> Iterator[tuple[str, int, str, str] | None]:
    """(due_at, status, served_by, version) of each line; None for one that is no request."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            header = file.readline().rstrip("\n").split("\t")
            missing = [name for name in NEEDED_COLUMNS if name not in header]
            if missing:
                raise RequestLogError(f"{path.name} has no column {', '.join(missing)}: it is no record of requests.")
            due_at, status, served_by, version = (header.index(name) for name in NEEDED_COLUMNS)
            for line in file:
                fields = line.rstrip("\n").split("\t")
                if len(fields) != len(header) or not line.endswith("\n") or not fields[status].isdigit():
                    yield None
                else:
                    yield fields[due_at], int(fields[status]), fields[served_by], fields[version]
    except OSError as error:
        raise RequestLogError(f"{path} cannot be read: {error}.") from error
