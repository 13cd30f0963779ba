"""What the organisation asks of the judge (policy judge.yaml), as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from suture import policy
from suture.errors import BadInputError


class JudgePolicyError(BadInputError):
    """The policy names no judge for a service, or one twice."""


@dataclass(frozen=True)
class MeasureRule:
    """A pair of counters by host (PromQL), and how much the share of bad requests may rise."""

    name: str
    requests: str
    bad: str
    max_increase: float


@dataclass(frozen=True)
class LatencyRule:
    """A guard with wide limits: mean response time by host (PromQL)."""

    mean_seconds: str
    max_ratio: float
    max_extra_seconds: float
    sustained_seconds: int


@dataclass(frozen=True)
class JudgeRules:
    """One judge. healthy and latency are None where the policy asks for none. Seconds are whole seconds."""

    service: str
    measures: tuple[MeasureRule, ...]
    host_label: str = "server"
    healthy: str | None = None
    latency: LatencyRule | None = None
    false_alarm: float = 0.05
    false_pass: float = 0.05
    min_requests_per_host: int = 150
    min_control_requests: int = 150
    min_seconds: int = 30
    max_seconds: int = 600
    look_seconds: int = 5
    settle_seconds: int = 5
    stale_seconds: int = 30
    unhealthy_seconds: int = 15
    min_traffic_share: float = 0.3
    max_bad_share: float = 0.2

    @property
    def settle(self) -> timedelta:
        return timedelta(seconds=self.settle_seconds)

    @property
    def longest(self) -> timedelta:
        return timedelta(seconds=self.max_seconds)

    def as_json(self) -> dict[str, Any]:
        """What a trigger is serialised with; from_json() reads it back."""
        return asdict(self) | {"measures": [asdict(measure) for measure in self.measures]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> JudgeRules:
        latency = data.get("latency")
        return cls(
            **{
                **data,
                "measures": tuple(MeasureRule(**measure) for measure in data["measures"]),
                "latency": LatencyRule(**latency) if latency else None,
            }
        )


@dataclass(frozen=True)
class JudgePolicy:
    prometheus_url: str
    judges: Mapping[str, JudgeRules] = field(default_factory=dict)

    @classmethod
    def load(cls, policy_dir: Path) -> JudgePolicy:
        """Read judge.yaml. Raises PolicyError for its form, JudgePolicyError for a service with two judges."""
        return cls.from_data(policy.load(policy_dir / "judge.yaml", "judge"))

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> JudgePolicy:
        judges: dict[str, JudgeRules] = {}
        for entry in data["judges"]:
            if entry["service"] in judges:
                raise JudgePolicyError(f"judge.yaml has two judges for the service {entry['service']!r}.")
            judges[entry["service"]] = JudgeRules.from_json(entry)
        return cls(data["prometheus_url"].rstrip("/"), judges)

    def for_service(self, service: str | None) -> JudgeRules:
        found = self.judges.get(service or "")
        if found is None:
            known = f"judge.yaml knows {', '.join(sorted(self.judges))}"
            raise JudgePolicyError(
                f"No judge knows the service {service!r}; {known}."
                if service
                else f"No service is named by whose metrics it could be judged; {known}.",
                remedy="Add a judge for it, or name the asset group's service in assets.yaml.",
            )
        return found
