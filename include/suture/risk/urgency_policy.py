"""What the organisation decided about urgency: urgency.yaml, typed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from suture import policy
from suture.model import Priority


@dataclass(frozen=True)
class Lane:
    window: str
    priorities: frozenset[Priority]


@dataclass(frozen=True)
class UrgencyPolicy:
    """EPSS values are probabilities within 30 days, 0 to 1. A priority without longest_wait moves no window."""

    epss_absolute: float
    epss_factor: float
    epss_factor_from: float
    recent: timedelta
    longest_wait: Mapping[Priority, timedelta]
    lanes: tuple[Lane, ...]
    approvers: tuple[str, ...]
    answer_within: timedelta

    @classmethod
    def load(cls, policy_dir: Path) -> UrgencyPolicy:
        """Read urgency.yaml. Raises PolicyError."""
        found = policy.load(policy_dir / "urgency.yaml", "urgency")
        jump = found["epss_jump"]
        return cls(
            epss_absolute=jump["absolute"],
            epss_factor=jump["factor"],
            epss_factor_from=jump["factor_from"],
            recent=timedelta(hours=found["recent_hours"]),
            longest_wait={Priority(word): timedelta(hours=hours) for word, hours in found["longest_wait_hours"].items()},
            lanes=tuple(Lane(lane["window"], frozenset(map(Priority, lane["priorities"]))) for lane in found["lanes"]),
            approvers=tuple(found["approvers"]),
            answer_within=timedelta(minutes=found["answer_minutes"]),
        )
