"""The Prometheus client: what it asks, what it returns, and every way in which it can go wrong."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from suture.telemetry import Prometheus, PrometheusError

from .conftest import FakePrometheus

AT = datetime(2026, 11, 23, 22, 0, tzinfo=UTC)


def test_instant(prometheus_api: FakePrometheus) -> None:
    prometheus_api.says("up", [{"metric": {"instance": "a"}, "value": [AT.timestamp(), "1"]}], "vector")
    (series,) = Prometheus(prometheus_api.url + "/").instant("up", AT)
    assert series.labels == {"instance": "a"}
    assert (series.samples[0].at, series.samples[0].value) == (AT, 1.0)
    assert prometheus_api.asked[0]["path"] == "/api/v1/query"
    assert float(prometheus_api.asked[0]["time"]) == AT.timestamp()


def test_range_keeps_nan_and_empty_as_they_are(prometheus_api: FakePrometheus) -> None:
    values = [[AT.timestamp(), "3"], [AT.timestamp() + 2, "NaN"], [AT.timestamp() + 4, "+Inf"]]
    prometheus_api.says("x", [{"metric": {}, "values": values}])
    prometheus_api.says("nothing", [])
    client = Prometheus(prometheus_api.url)
    (series,) = client.range("x", AT, AT + timedelta(seconds=4), timedelta(seconds=2))
    assert series.samples[0].value == 3
    assert math.isnan(series.samples[1].value)
    assert series.samples[2].value == math.inf
    assert client.range("nothing", AT, AT, timedelta(seconds=2)) == []
    assert prometheus_api.asked[0]["step"] == "2.0"


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (400, {"status": "error", "errorType": "bad_data", "error": "parse error"}, "refused 'q': parse error"),
        (200, b"<html>", "without JSON"),
        (200, [], "not its API's form"),
        (200, {"status": "success", "data": {"resultType": "scalar", "result": [1, "2"]}}, "other than a matrix"),
        (200, {"status": "success"}, "other than a matrix"),
        (503, b"", "503 without JSON"),
    ],
)
def test_bad_answers_are_errors(prometheus_api: FakePrometheus, status: int, body: Any, says: str) -> None:
    prometheus_api.answers["q"] = (status, body)
    with pytest.raises(PrometheusError, match=says):
        Prometheus(prometheus_api.url).range("q", AT, AT, timedelta(seconds=1))


def test_a_sample_that_is_no_number(prometheus_api: FakePrometheus) -> None:
    prometheus_api.says("q", [{"metric": {}, "values": [[1, "one"]]}])
    with pytest.raises(PrometheusError, match="not a sample"):
        Prometheus(prometheus_api.url).range("q", AT, AT, timedelta(seconds=1))


def test_timeout_and_refused_connection_hide_the_password(prometheus_api: FakePrometheus) -> None:
    prometheus_api.answers["q"] = (200, "stall")
    with pytest.raises(PrometheusError, match="did not answer within 0 s"):
        Prometheus(prometheus_api.url, timeout_seconds=0.2).instant("q", AT)
    with pytest.raises(PrometheusError, match="cannot be reached") as caught:
        Prometheus("http://user:hunter22@127.0.0.1:9").instant("q", AT)
    assert "hunter22" not in str(caught.value)
    assert caught.value.retryable


def test_only_http() -> None:
    with pytest.raises(PrometheusError, match="must be http"):
        Prometheus("file:///etc/passwd")
