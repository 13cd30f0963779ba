"""Rings: in which waves a group's hosts are patched.

The rules:

1. The order of hosts is by hash (SHA-256 of ring plan and host name): stable from campaign to campaign, so
   that people know their canaries, and adding a host moves hardly any other.
2. Roles are mixed evenly: each wave holds about its share of every role.
3. `canary` has `canary_hosts` hosts; ring_1 … ring_3 fill up to their cumulative share of all. A ring may be
   empty.
4. Staging is never in a ring of production.
5. A ring is compared with the campaign's hosts not yet patched; the last one with those patched and judged
   before it. (trials.py says what becomes of a campaign that is one ring.)
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from suture import policy
from suture.errors import BadInputError
from suture.model import PRODUCTION_RINGS, CampaignPlan, Environment, Ring
from suture.model.assets import AssetGroup


class RingError(BadInputError):
    """A ring plan that cannot be used, or hosts that cannot be put into rings."""


@dataclass(frozen=True)
class RingPlan:
    """One ring plan. shares: the cumulative share of ring_1 … ring_3; a ring without one stays empty."""

    name: str
    canary_hosts: int
    shares: Mapping[Ring, float]
    per_host: timedelta
    per_judgement: timedelta
    reserve: timedelta

    def assign(self, roles: Mapping[str, str]) -> dict[Ring, tuple[str, ...]]:
        """Hosts by ring; `roles` is host → role (any word: hosts of one role are alike). Every production
        ring is a key.
        """
        order = _mixed(self.name, roles)
        limits = {Ring.CANARY: min(self.canary_hosts, len(order))}
        for ring, share in self.shares.items():
            limits[ring] = int(share * len(order) + 0.5)
        assigned: dict[Ring, tuple[str, ...]] = {}
        done = 0
        for ring in PRODUCTION_RINGS:
            upto = max(done, limits.get(ring, done))
            assigned[ring] = tuple(sorted(order[done:upto]))
            done = upto
        return assigned

    def needed_time(self, plan: CampaignPlan, *, measured_per_host: timedelta | None = None) -> timedelta:
        """How much of a window a campaign needs, with its reserve for a rollback.

        measured_per_host: what staging took for one host; where it is longer than the plan's, it counts.
        """
        per_host = max(self.per_host, measured_per_host or timedelta())
        at_once = max(plan.max_unavailable, 1)
        needed = self.reserve
        for ring in PRODUCTION_RINGS:
            hosts = len(plan.hosts(ring))
            if hosts:
                needed += -(-hosts // at_once) * per_host + self.per_judgement
        return needed


@dataclass(frozen=True)
class RingPolicy:
    plans: Mapping[str, RingPlan]

    @classmethod
    def load(cls, policy_dir: Path) -> RingPolicy:
        """Read rings.yaml. Raises PolicyError for its form, RingError for shares that do not ascend to 1."""
        found = policy.load(policy_dir / "rings.yaml", "rings")
        plans = [_ring_plan(entry) for entry in found["ring_plans"]]
        names = [plan.name for plan in plans]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise RingError(f"rings.yaml names the ring plan {twice[0]!r} twice.")
        return cls({plan.name: plan for plan in plans})

    def plan_of(self, group: AssetGroup) -> RingPlan:
        found = self.plans.get(group.rings or "")
        if found is None:
            raise RingError(
                f"The asset group {group.name} names the ring plan {group.rings!r};"
                f" rings.yaml knows {', '.join(sorted(self.plans))}.",
                remedy="Give the group one of these in assets.yaml.",
            )
        return found

    def ring_plan(self, group: AssetGroup, hosts: Sequence[str]) -> dict[Ring, tuple[str, ...]]:
        """Hosts of one asset group by ring. Raises RingError for a staging group: it has no production rings."""
        if group.environment is Environment.STAGING:
            raise RingError(f"The asset group {group.name} is staging: its hosts are in no production ring.")
        return self.plan_of(group).assign(dict.fromkeys(hosts, group.service or group.name))


def control_hosts(plan: CampaignPlan, ring: Ring) -> tuple[str, ...]:
    """With whom a ring's hosts are compared: the hosts not yet patched, or, after the last ring, those judged
    before it.

    () when the campaign has no other host.
    """
    position = PRODUCTION_RINGS.index(ring)
    later = [host for other in PRODUCTION_RINGS[position + 1 :] for host in plan.hosts(other)]
    earlier = [host for other in PRODUCTION_RINGS[:position] for host in plan.hosts(other)]
    return tuple(sorted(later or earlier))


def _mixed(salt: str, roles: Mapping[str, str]) -> list[str]:
    by_role: dict[str, list[str]] = defaultdict(list)
    for host in sorted(roles, key=lambda host: _digest(salt, host)):
        by_role[roles[host]].append(host)
    places = {
        host: ((index + 0.5) / len(hosts), _digest(salt, host))
        for hosts in by_role.values()
        for index, host in enumerate(hosts)
    }
    return sorted(places, key=places.__getitem__)


def _digest(salt: str, host: str) -> str:
    return hashlib.sha256(f"{salt}\0{host}".encode()).hexdigest()


def _ring_plan(entry: Mapping[str, Any]) -> RingPlan:
    shares = {ring: entry["cumulative_shares"].get(ring.value) for ring in PRODUCTION_RINGS[1:]}
    given = [share for share in shares.values() if share is not None]
    if given != sorted(given) or given[-1] != 1:
        raise RingError(
            f"rings.yaml, {entry['name']!r}: the cumulative shares must ascend and end at 1, not {given}.",
            remedy="The last ring of a plan completes the hosts.",
        )
    return RingPlan(
        name=entry["name"],
        canary_hosts=entry["canary_hosts"],
        shares={ring: share for ring, share in shares.items() if share is not None},
        per_host=timedelta(minutes=entry["minutes_per_host"]),
        per_judgement=timedelta(minutes=entry["minutes_per_judgement"]),
        reserve=timedelta(minutes=entry["reserve_minutes"]),
    )
