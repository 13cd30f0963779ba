"""How many requests out of how many: counted, not estimated."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from suture.model.traffic import RequestCounts
from suture.telemetry import RequestLogError, Sample, Series, impact_from_counters, impact_from_log

AT = datetime(2026, 11, 24, 0, 10, tzinfo=UTC)
HEADER = "due_at\tsent_at\tlatency_us\tmethod\tstatus\terror\tserved_by\tversion\n"


def line(seconds: float, status: int, server: str, version: str) -> str:
    due = (AT + timedelta(seconds=seconds)).isoformat(timespec="microseconds")
    return f"{due}\t{due}\t900\tGET\t{status}\t-\t{server}\t{version}\n"


def test_a_record_is_counted_by_server_and_version(tmp_path: Path) -> None:
    record = tmp_path / "requests.tsv"
    record.write_text(
        HEADER
        + line(-1, 500, "app1", "1.0.0")  # before
        + line(0.25, 200, "app1", "1.0.2")
        + line(1, 500, "app1", "1.0.2")
        + line(2, 404, "app2", "1.0.0")  # the client's mistake, not a failure
        + line(3, 0, "-", "-")  # nobody answered
        + line(60, 503, "app1", "1.0.2")
        + line(61, 500, "app1", "1.0.2")  # after
        + "2026-11-24T00:1"  # being written just now
    )
    found = impact_from_log([tmp_path / "requests.old.tsv", record], AT, AT + timedelta(seconds=60))
    assert found.total == RequestCounts(5, 3)
    assert found.by_server == {
        "app1": RequestCounts(3, 2),
        "app2": RequestCounts(1, 0),
        "-": RequestCounts(1, 1),
    }
    assert found.by_version["1.0.2"] == RequestCounts(3, 2)
    assert found.notes == ("1 lines were no requests",)
    assert found.as_json()["by_version"]["1.0.0"] == {"requests": 1, "failed": 0}


def test_no_record_and_a_foreign_file_are_errors(tmp_path: Path) -> None:
    with pytest.raises(RequestLogError, match="no record of requests"):
        impact_from_log([tmp_path / "none.tsv"], AT, AT)
    (tmp_path / "x.tsv").write_text("a\tb\n1\t2\n")
    with pytest.raises(RequestLogError, match="no column due_at"):
        impact_from_log([tmp_path / "x.tsv"], AT, AT)


class Counters:
    def range(self, query: str, start: datetime, end: datetime, step: timedelta) -> list[Series]:
        grown = {"r": {"app1": 100, "app2": 300}, "b": {"app1": 5, "app2": 0}}[query]
        return [
            Series({"server": host}, (Sample(start, 1000.0), Sample(end, 1000.0 + count)))
            for host, count in grown.items()
        ]


def test_counters_of_the_load_balancer() -> None:
    found = impact_from_counters(
        Counters(),
        host_label="server",
        requests="r",
        bad="b",
        servers=["app1", "app2", "app3"],
        since=AT,
        until=AT + timedelta(minutes=1),
    )
    assert found.total == RequestCounts(400, 5)
    assert found.by_server["app1"] == RequestCounts(100, 5)
    assert found.notes == ("no usable counters of app3",)
