"""What the organisation decided about accepting risk: acceptance.yaml, typed."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from suture import policy
from suture.errors import BadInputError
from suture.model import Priority

RESIDUAL_RISKS = ("low", "medium", "high", "critical")
MOST_SEATS = 3  # as many human tasks as dags/risk_acceptance.py has


@dataclass(frozen=True)
class Role:
    name: str
    title: str
    members: tuple[str, ...]


@dataclass(frozen=True)
class QuorumRule:
    """Holds when every condition that is not None holds. seats: roles, one signature each."""

    name: str
    in_kev: bool | None
    priorities: frozenset[Priority] | None
    residual_risks: frozenset[str] | None
    seats: tuple[str, ...]
    max_duration: timedelta

    def holds(self, *, in_kev: bool, priority: Priority, residual_risk: str) -> bool:
        return (
            (self.in_kev is None or self.in_kev == in_kev)
            and (self.priorities is None or priority in self.priorities)
            and (self.residual_risks is None or residual_risk in self.residual_risks)
        )


@dataclass(frozen=True)
class AcceptancePolicy:
    roles: Mapping[str, Role]
    quorums: tuple[QuorumRule, ...]
    min_justification: int
    answer_within: timedelta
    max_review: timedelta

    @classmethod
    def load(cls, policy_dir: Path) -> AcceptancePolicy:
        """Read acceptance.yaml. Raises PolicyError, also for a quorum that no distinct people could ever give."""
        path = policy_dir / "acceptance.yaml"
        found = policy.load(path, "acceptance")
        roles = {role["name"]: Role(role["name"], role["title"], tuple(role["members"])) for role in found["roles"]}
        quorums = tuple(_quorum(rule) for rule in found["quorums"])
        mistakes = [] if len(roles) == len(found["roles"]) else [f"{path.name}: two roles have the same name."]
        for rule in quorums:
            unknown = sorted(set(rule.seats) - set(roles))
            if unknown:
                mistakes.append(f"{path.name}: the quorum {rule.name!r} asks for {', '.join(unknown)}, which is no role.")
            elif not _can_be_filled([roles[seat].members for seat in rule.seats]):
                mistakes.append(
                    f"{path.name}: the quorum {rule.name!r} needs {len(rule.seats)} different people, "
                    f"and its roles do not have them."
                )
        if mistakes:
            raise policy.PolicyError(str(path), mistakes)
        return cls(
            roles=roles,
            quorums=quorums,
            min_justification=found["min_justification_characters"],
            answer_within=timedelta(hours=found["answer_hours"]),
            max_review=timedelta(days=found["max_review_days"]),
        )

    def rule_for(self, *, in_kev: bool, priority: Priority, residual_risk: str) -> QuorumRule:
        """The first rule that holds. Raises BadInputError when none does: such a risk cannot be accepted."""
        for rule in self.quorums:
            if rule.holds(in_kev=in_kev, priority=priority, residual_risk=residual_risk):
                return rule
        raise BadInputError(
            f"No quorum of acceptance.yaml is for priority {priority.value} with residual risk {residual_risk}: "
            "such a risk cannot be accepted.",
            remedy="Patch it, or have the policy's owner add a rule.",
        )

    def role(self, name: str) -> Role:
        """Raises BadInputError for a role that the policy no longer names."""
        if name not in self.roles:
            raise BadInputError(f"acceptance.yaml names no role {name!r} any more: nobody can sign for it.")
        return self.roles[name]


def _quorum(entry: Mapping[str, Any]) -> QuorumRule:
    when = entry["when"]
    return QuorumRule(
        name=entry["name"],
        in_kev=when.get("in_kev"),
        priorities=frozenset(map(Priority, when["priority"])) if "priority" in when else None,
        residual_risks=frozenset(when["residual_risk"]) if "residual_risk" in when else None,
        seats=tuple(entry["seats"]),
        max_duration=timedelta(days=entry["max_days"]),
    )


def _can_be_filled(seats: Sequence[Sequence[str]]) -> bool:
    """Whether the seats can be taken by as many different people (at most three seats: every way is tried)."""
    return any(len(set(people)) == len(people) for people in itertools.product(*seats))
