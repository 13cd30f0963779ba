"""Parity: how alike staging and production are, item by item, and whether a test on staging may count.

The rules:

1. Items are compared by kind: packages, configuration, units, ports, dependencies. An item's likeness is the share of the
   role's production hosts that have what the staging host has; a kind's likeness is the mean of its items, a host's score
   the mean of its kinds by the policy's weights, times 100. The pair's score is that of its least alike staging host.
2. A difference that the policy expects is listed with its reason, and costs nothing.
3. Hard differences fail whatever the score is: a declared flow that staging does not reach, a flow without an upstream on
   staging, a connection from staging into production, another version of a package that the campaign changes or needs (in
   its own roles; without a campaign: of any package). No declaration covers them.
4. The kernel that runs is compared where the inventory knows it. A difference is listed, and may be declared; it costs nothing, since
   a campaign that brings a kernel is tested by its package, and one that does not is not to wait for a reboot.
5. A host without facts, or with stale ones, cannot be compared: the whole comparison fails. A role without a host on one
   side, too. Nothing that is unknown is alike.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from suture.errors import SutureError
from suture.staging.parity_facts import HostFacts, RoleFacts, closure
from suture.staging.parity_policy import KINDS, ParityPolicy

TOLD = 5
NOTHING = "nothing"
KERNEL, RUNNING = "kernel", "running"
_CALLED = {
    "packages": "the package",
    "configuration": "the file",
    "units": "the unit",
    "ports": "the port",
    "dependencies": "the dependency",
    "kernel": "the kernel",
}


class ParityError(SutureError):
    """Staging is not like production: what is tested there proves nothing."""


class NotComparableError(ParityError):
    """A host gave no facts, or stale ones. Trying again may help."""

    retryable = True


@dataclass(frozen=True)
class Difference:
    """One thing that differs. hard: it fails parity by itself. declared: the policy's reason, None when undeclared.

    production: what its hosts have, the most frequent first.
    """

    kind: str
    role: str
    host: str
    item: str
    staging: str
    production: str
    sentence: str
    hard: bool = False
    declared: str | None = None

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True)
class Parity:
    """How it ended. score: 0 to 100, None when nothing could be compared. compared: {role: (asked, in all)} of production."""

    score: float | None
    floor: float
    scores: Mapping[str, float]
    differences: tuple[Difference, ...]
    not_comparable: tuple[str, ...]
    compared: Mapping[str, tuple[int, int]]

    @property
    def hard(self) -> tuple[Difference, ...]:
        return tuple(one for one in self.differences if one.hard)

    @property
    def undeclared(self) -> tuple[Difference, ...]:
        return tuple(one for one in self.differences if one.declared is None)

    @property
    def passed(self) -> bool:
        return self.score is not None and self.score >= self.floor and not self.hard and not self.not_comparable

    @property
    def sentence(self) -> str:
        if self.not_comparable:
            return "Parity cannot be judged: " + "; ".join(self.not_comparable[:TOLD])
        declared = len(self.differences) - len(self.undeclared)
        head = (
            f"Parity {self.score:.2f} of 100 (floor {self.floor:g}), {len(self.undeclared)} undeclared"
            f" and {declared} declared differences"
        )
        told = [one.sentence for one in (*self.hard, *(u for u in self.undeclared if not u.hard))][:TOLD]
        return ": ".join([head, *(["; ".join(told)] if told else [])])

    def require_passed(self) -> Parity:
        """Itself. Raises NotComparableError (retryable), ParityError."""
        if self.not_comparable:
            raise NotComparableError(
                f"{self.sentence}.", remedy="Make every host of the comparison answer; then clear measure_parity."
            )
        if not self.passed:
            raise ParityError(
                f"{self.sentence}. The staging tests do not count.",
                remedy="Make staging like production again (or declare a harmless difference in parity.yaml), see"
                " `./suture parity`, then plan the campaign anew.",
            )
        return self

    def as_json(self) -> dict[str, Any]:
        return {
            "passed": self.passed,
            "score": self.score,
            "floor": self.floor,
            "scores": dict(self.scores),
            "compared": {role: {"asked": asked, "hosts": hosts} for role, (asked, hosts) in self.compared.items()},
            "not_comparable": list(self.not_comparable),
            "differences": [one.as_json() for one in self.differences],
            "sentence": self.sentence,
        }


def compare(
    rules: ParityPolicy,
    roles: Sequence[RoleFacts],
    *,
    now: datetime,
    touched: Sequence[str] | None = None,
    gaps: Sequence[str] = (),
    kernels: Mapping[str, str] | None = None,
) -> Parity:
    """Compare both sides of these roles. touched: the packages that a campaign changes, None without a campaign.

    gaps: declared dependencies for which no flow is declared, as sentences; each is a hard difference. kernels: host → the release
    that runs, of those that the inventory knows.
    """
    every = [host for role in roles for host in (*role.production, *role.staging)]
    unusable = _not_comparable(rules, roles, now)
    critical = None if touched is None else closure(touched, every)
    differences = [Difference("dependencies", "", "", gap, NOTHING, "declared", gap, hard=True) for gap in gaps]
    scores: dict[str, float] = {}
    for role in roles:
        for host in role.staging:
            differences += _flows(role, host)
            differences += _foreign(role, host)
            differences += _kernels(rules, role, host, kernels or {})
            if role.production:
                found, score = _host(rules, role, host, critical)
                differences += found
                scores[host.host] = score
    return Parity(
        score=min(scores.values()) if scores and not unusable else None,
        floor=rules.floor,
        scores=scores,
        differences=tuple(sorted(differences, key=_rank)),
        not_comparable=tuple(unusable),
        compared={role.role: (len(role.production), role.production_hosts) for role in roles},
    )


def _rank(one: Difference) -> tuple[bool, bool, str, str, str]:
    """Hard ones first, declared ones last."""
    return (not one.hard, one.declared is not None, one.role, one.kind, one.item)


def _not_comparable(rules: ParityPolicy, roles: Sequence[RoleFacts], now: datetime) -> list[str]:
    found = [f"{host} gave no facts ({why})" for role in roles for host, why in sorted(role.missing.items())]
    if not roles:
        found.append("no role of parity.yaml has a host among these")
    for role in roles:
        for side, hosts in (("production", role.production), ("staging", role.staging)):
            if not hosts and not role.missing:
                found.append(f"the role {role.role} has no host in {side}")
            for host in hosts:
                age = now - host.taken_at
                if abs(age) > rules.max_age:
                    minutes = abs(age).total_seconds() / 60
                    when = "old" if age.total_seconds() > 0 else "in the future (look at its clock)"
                    found.append(f"the facts of {host.host} are {minutes:.0f} minutes {when}")
                empty = [kind for kind in ("packages", "units") if not host.items[kind]]
                found += [f"{host.host} names no {kind}" for kind in empty]
    return found


def _flows(role: RoleFacts, host: HostFacts) -> list[Difference]:
    found = []
    for name in role.flows:
        why = host.flows.get(name, "staging has no host that plays its upstream")
        if why:
            reached = sum(1 for one in role.production if one.flows.get(name) == "")
            found.append(
                Difference(
                    "flows",
                    role.role,
                    host.host,
                    name,
                    f"not reached: {why}",
                    f"reached from {reached} of {len(role.production)} hosts",
                    f"{host.host} does not reach the flow {name} ({why})",
                    hard=True,
                )
            )
        unreached = [one.host for one in role.production if one.flows.get(name) != ""]
        if unreached and not why:
            told = f"production does not reach the flow {name} from {', '.join(unreached[:TOLD])}, and staging does"
            found.append(Difference("flows", role.role, host.host, name, "reached", "not reached", told, hard=True))
    return found


def _kernels(
    rules: ParityPolicy, role: RoleFacts, host: HostFacts, kernels: Mapping[str, str]
) -> list[Difference]:
    mine = kernels.get(host.host)
    theirs = Counter(kernels[one.host] for one in role.production if one.host in kernels)
    if mine is None or not set(theirs) - {mine}:
        return []
    declared = rules.reason_for(KERNEL, RUNNING, role.role)
    return [_difference(KERNEL, role, host.host, RUNNING, mine, theirs, hard=False, declared=declared)]


def _foreign(role: RoleFacts, host: HostFacts) -> list[Difference]:
    return [
        Difference(
            "flows",
            role.role,
            host.host,
            f"{one.owner} to {one.host} {one.port}/tcp",
            "connected",
            NOTHING,
            f"{one.owner} on {host.host} is connected to {one.host}:{one.port}, which is production",
            hard=True,
        )
        for one in host.foreign
    ]


def _host(
    rules: ParityPolicy, role: RoleFacts, host: HostFacts, critical: frozenset[str] | None
) -> tuple[list[Difference], float]:
    """(what differs, score of 0 to 100)."""
    found: list[Difference] = []
    weighted = weights = 0.0
    for kind in KINDS:
        own = host.items[kind]
        others = [one.items[kind] for one in role.production]
        names = sorted({*own, *(name for items in others for name in items)})
        shares: list[float] = []
        for name in names:
            mine = own.get(name, NOTHING)
            theirs = Counter(items.get(name, NOTHING) for items in others)
            same = theirs[mine] / len(others)
            hard = role.matters and same < 1 and kind == "packages" and (critical is None or name in critical)
            declared = rules.reason_for(kind, name, role.role) if same < 1 else None
            if hard and critical is None and declared is not None:
                hard = False  # no campaign says which packages matter: what is declared may differ
            if declared is None or hard:
                shares.append(same)
            if same < 1:
                found.append(_difference(kind, role, host.host, name, mine, theirs, hard, declared))
        if shares:
            weighted += rules.weights[kind] * sum(shares) / len(shares)
            weights += rules.weights[kind]
    return found, 100 * weighted / weights if weights else 0.0


def _difference(
    kind: str,
    role: RoleFacts,
    host: str,
    item: str,
    mine: str,
    theirs: Counter[str],
    hard: bool,
    declared: str | None,
) -> Difference:
    others = theirs.most_common()
    told = ", ".join(f"{value} ({count})" if len(others) > 1 else value for value, count in others)
    if kind == "configuration" and mine != NOTHING and NOTHING not in theirs:
        said = f"{_CALLED[kind]} {item} of {host} is not that of production"
    elif kind == "dependencies":
        said = f"{_CALLED[kind]} {item} is {'only on ' if mine != NOTHING else 'not on '}{host}"
    elif mine == NOTHING:
        said = f"{host} lacks {_CALLED[kind]} {item}, in production {told}"
    elif set(theirs) == {NOTHING}:
        said = f"{host} has {_CALLED[kind]} {item} ({mine}), production has not"
    else:
        said = f"{_CALLED[kind]} {item} is {mine} on {host}, in production {told}"
    reason = None if hard else declared
    return Difference(kind, role.role, host, item, mine, told, said, hard=hard, declared=reason)
