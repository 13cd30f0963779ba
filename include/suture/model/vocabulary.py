"""Closed sets. The words are the field's own; the values are what the warehouse and the policies hold."""

from __future__ import annotations

import re
from enum import StrEnum

_CVE_ID = re.compile(r"CVE-[0-9]{4}-[0-9]{4,19}")


def is_cve_id(text: str) -> bool:
    """Whether this is a CVE id as CVE records (5.x, cveId) write it: capitals, ASCII digits, and nothing around it."""
    return _CVE_ID.fullmatch(text) is not None


class Priority(StrEnum):
    """What to do when, in the words of SSVC's Deployer tree (CERT/CC, SSVC 2.0). The order is the urgency."""

    IMMEDIATE = "immediate"
    OUT_OF_CYCLE = "out_of_cycle"
    SCHEDULED = "scheduled"
    DEFER = "defer"

    @property
    def rank(self) -> int:
        """0 is the most urgent."""
        return _RANKS[self]


_RANKS = {priority: rank for rank, priority in enumerate(Priority)}


class Criticality(StrEnum):
    """What the loss of an asset would cost the organisation."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Exposure(StrEnum):
    """SSVC System Exposure: how far an attacker is from the asset."""

    SMALL = "small"
    CONTROLLED = "controlled"
    OPEN = "open"


class Environment(StrEnum):
    PRODUCTION = "production"
    STAGING = "staging"


class Verdict(StrEnum):
    """A judge's word. Inconclusive is a verdict of its own, and never a pass."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


class Ring(StrEnum):
    """The waves of a rollout, in order. A DAG's rings are a static chain, so their number is fixed; a ring may be empty."""

    STAGING = "staging"
    CANARY = "canary"
    RING_1 = "ring_1"
    RING_2 = "ring_2"
    RING_3 = "ring_3"


PRODUCTION_RINGS: tuple[Ring, ...] = (Ring.CANARY, Ring.RING_1, Ring.RING_2, Ring.RING_3)
