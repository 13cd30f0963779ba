"""A small client of the Prometheus HTTP API (/api/v1/query and /api/v1/query_range).

It returns what Prometheus said, with NaN and infinities as they are; who counts must look at them. An empty
answer is an empty list, never zero. Every failure is a PrometheusError; trying again may help, so it is
retryable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import requests

from suture.errors import SutureError

TIMEOUT_SECONDS = 10.0
MAX_ANSWER_BYTES = 64 * 1024 * 1024


class PrometheusError(SutureError):
    """Prometheus could not be asked, refused the query, or answered what is not its API."""

    retryable = True


@dataclass(frozen=True)
class Sample:
    at: datetime
    value: float


@dataclass(frozen=True)
class Series:
    """One time series: its labels and its samples, ascending (one for an instant query)."""

    labels: Mapping[str, str]
    samples: tuple[Sample, ...]


class Prometheus:
    """One Prometheus. The URL may hold user:password@; no message repeats it."""

    def __init__(self, url: str, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise PrometheusError("The Prometheus URL must be http(s)://host:port.")
        self._url = url.rstrip("/")
        self._shown = f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")
        self._timeout_seconds = timeout_seconds

    def instant(self, query: str, at: datetime) -> list[Series]:
        """The query's series, each with its sample at `at`."""
        result = self._ask("query", {"query": query, "time": str(at.timestamp())}, "vector")
        return [Series(entry["metric"], (_sample(entry["value"]),)) for entry in result]

    def range(self, query: str, start: datetime, end: datetime, step: timedelta) -> list[Series]:
        """The query's series, sampled every `step` from `start` to `end`."""
        asked = {
            "query": query,
            "start": str(start.timestamp()),
            "end": str(end.timestamp()),
            "step": str(step.total_seconds()),
        }
        result = self._ask("query_range", asked, "matrix")
        return [Series(entry["metric"], tuple(map(_sample, entry["values"]))) for entry in result]

    def _ask(self, path: str, params: Mapping[str, str], kind: str) -> list[dict[str, Any]]:
        try:
            response = requests.post(
                f"{self._url}/api/v1/{path}",
                data={**params, "timeout": f"{self._timeout_seconds:.0f}s"},
                timeout=self._timeout_seconds,
                allow_redirects=False,
            )
            size = len(response.content)
            answer = response.json() if size <= MAX_ANSWER_BYTES else None
        except requests.Timeout as error:
            raise PrometheusError(f"{self._shown} did not answer within {self._timeout_seconds:.0f} s.") from error
        except requests.JSONDecodeError as error:
            raise PrometheusError(f"{self._shown} answered {response.status_code} without JSON.") from error
        except requests.RequestException as error:
            raise PrometheusError(
                f"{self._shown} cannot be reached ({type(error).__name__}).",
                remedy="Check that Prometheus runs and that judge.yaml names its address.",
            ) from error
        if answer is None:
            raise PrometheusError(f"{self._shown} answered {size} bytes; at most {MAX_ANSWER_BYTES} are read.")
        return self._result(answer, params["query"], kind)

    def _result(self, answer: Any, query: str, kind: str) -> list[dict[str, Any]]:
        if not isinstance(answer, dict) or answer.get("status") != "success":
            said = answer.get("error", "no reason") if isinstance(answer, dict) else "not its API's form"
            raise PrometheusError(f"{self._shown} refused {query!r}: {said}.")
        data = answer.get("data")
        if not isinstance(data, dict) or data.get("resultType") != kind or not isinstance(data.get("result"), list):
            raise PrometheusError(f"{self._shown} answered {query!r} with something other than a {kind}.")
        result: list[dict[str, Any]] = data["result"]
        return result


def _sample(pair: Any) -> Sample:
    try:
        moment, value = pair
        return Sample(datetime.fromtimestamp(float(moment), UTC), float(value))
    except (TypeError, ValueError) as error:
        raise PrometheusError(f"{pair!r} is not a sample of a number.") from error
