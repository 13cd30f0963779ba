"""What the organisation asks of its staging hosts (policy parity.yaml), as values."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from suture import policy
from suture.errors import BadInputError

KINDS = ("packages", "configuration", "units", "ports", "dependencies")
# Never kept, whatever a policy allows: they are credentials by definition.
NEVER_KEPT = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "x-auth-token"})
SAFE_METHODS = ("GET", "HEAD")


@dataclass(frozen=True)
class Flow:
    """A connection that a role's hosts must be able to make: to a port of every role `to` of their own side."""

    to: str
    port: int
    why: str

    def name(self, role: str) -> str:
        return f"{role} to {self.to} {self.port}/tcp"


@dataclass(frozen=True)
class Role:
    name: str
    production: tuple[str, ...]
    staging: tuple[str, ...]
    configuration: tuple[str, ...]
    flows: tuple[Flow, ...]

    def plays(self, side: str, inventory_groups: Collection[str]) -> bool:
        """Whether a host of these inventory groups plays this role on that side (production or staging)."""
        return set(self.production if side == "production" else self.staging) <= set(inventory_groups)


@dataclass(frozen=True)
class Expected:
    """A declared difference. role None: of every role."""

    kind: str
    item: str
    reason: str
    role: str | None

    def covers(self, kind: str, item: str, role: str) -> bool:
        return kind == self.kind and self.role in (None, role) and fnmatchcase(item, self.item)


@dataclass(frozen=True)
class Worse:
    """From when a route answers worse: probability of a false alarm, shares of 1, milliseconds."""

    false_alarm: float = 0.001
    failed_share: float = 0.02
    slower_share: float = 0.5
    slower_ms: float = 25.0


@dataclass(frozen=True)
class TrafficRule:
    """Where an asset group's requests are recorded and replayed. Exactly one of journal and file is not None."""

    asset_group: str
    inventory_group: str
    journal: str | None
    file: str | None
    format: str
    frontend: str | None
    captured_headers: tuple[str, ...]
    over: timedelta
    max_requests: int
    min_requests: int
    role: str
    port: int
    host_header: str
    methods: tuple[str, ...]
    bodies: Mapping[tuple[str, str], tuple[str, str]]  # (method, path) → (content type, body)
    speed: float
    keep_query: tuple[str, ...]
    keep_headers: tuple[str, ...]
    worse: Worse


@dataclass(frozen=True)
class Unmirrored:
    """An asset group that has no staging hosts, on purpose. waivers: who may let a campaign of it go on untested."""

    asset_group: str
    reason: str
    waivers: tuple[str, ...]


@dataclass(frozen=True)
class ParityPolicy:
    """floor: of 100. weights: by kind, all above 0."""

    floor: float
    max_age: timedelta
    hosts_per_role: int
    weights: Mapping[str, float]
    roles: tuple[Role, ...]
    expected: tuple[Expected, ...]
    traffic: tuple[TrafficRule, ...]
    without_mirror: tuple[Unmirrored, ...] = ()

    @classmethod
    def load(cls, policy_dir: Path) -> ParityPolicy:
        """Read parity.yaml. Raises PolicyError; BadInputError for a role or group named twice or not at all."""
        return cls.from_document(policy.load(policy_dir / "parity.yaml", "parity"))

    @classmethod
    def from_document(cls, found: Mapping[str, Any]) -> ParityPolicy:
        made = cls(
            floor=float(found["floor"]),
            max_age=timedelta(minutes=found.get("max_age_minutes", 30)),
            hosts_per_role=found.get("hosts_per_role", 20),
            weights={kind: float(found["weights"][kind]) for kind in KINDS},
            roles=tuple(_role(entry) for entry in found["roles"]),
            expected=tuple(
                Expected(entry["kind"], entry["item"], entry["reason"], entry.get("role"))
                for entry in found.get("expected", ())
            ),
            traffic=tuple(_traffic(entry) for entry in found.get("traffic", ())),
            without_mirror=tuple(
                Unmirrored(entry["asset_group"], entry["reason"], tuple(entry["waivers"]))
                for entry in found.get("without_mirror", ())
            ),
        )
        made._check()
        return made

    def role_of(self, side: str, inventory_groups: Collection[str]) -> Role | None:
        """The first role that a host of these groups plays on that side; None when it plays none."""
        return next((role for role in self.roles if role.plays(side, inventory_groups)), None)

    def traffic_of(self, asset_group: str) -> TrafficRule | None:
        return next((rule for rule in self.traffic if rule.asset_group == asset_group), None)

    def unmirrored(self, asset_group: str) -> Unmirrored | None:
        """What policy says of a group without staging hosts; None when it says nothing."""
        return next((entry for entry in self.without_mirror if entry.asset_group == asset_group), None)

    def reason_for(self, kind: str, item: str, role: str) -> str | None:
        """Why this difference is expected; None when it is not."""
        return next((entry.reason for entry in self.expected if entry.covers(kind, item, role)), None)

    def _check(self) -> None:
        names = [role.name for role in self.roles]
        _refuse_twice("role", names)
        _refuse_twice("traffic of the asset group", [rule.asset_group for rule in self.traffic])
        _refuse_twice("group without a mirror", [entry.asset_group for entry in self.without_mirror])
        for rule in self.traffic:
            if self.unmirrored(rule.asset_group) is not None:
                raise BadInputError(
                    f"parity.yaml: {rule.asset_group} has traffic to replay on staging, and stands under without_mirror.",
                    remedy="Take one of the two out.",
                )
        named = [(f"the flow of {role.name}", flow.to) for role in self.roles for flow in role.flows]
        named += [(f"the traffic of {rule.asset_group}", rule.role) for rule in self.traffic]
        named += [(f"the expected {entry.item}", entry.role) for entry in self.expected if entry.role]
        for where, name in named:
            if name not in names:
                raise BadInputError(f"parity.yaml: {where} names the role {name!r}, which is not declared.")
        for rule in self.traffic:
            _check_traffic(rule)


def _check_traffic(rule: TrafficRule) -> None:
    forbidden = sorted(NEVER_KEPT & {name.lower() for name in rule.keep_headers})
    if forbidden:
        raise BadInputError(
            f"parity.yaml: the traffic of {rule.asset_group} keeps the header {forbidden[0]!r}, which holds credentials.",
            remedy="Take it out of keep_headers; requests are replayed without it.",
        )
    covered = {method for method, _path in rule.bodies}
    for method in rule.methods:
        if method not in (*SAFE_METHODS, "OPTIONS") and method not in covered:
            raise BadInputError(
                f"parity.yaml: the traffic of {rule.asset_group} replays {method} without a body to send.",
                remedy="Declare under bodies what is sent; no access log has it.",
            )


def _refuse_twice(what: str, names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise BadInputError(f"parity.yaml names the {what} {name!r} twice.")


def _role(entry: Mapping[str, Any]) -> Role:
    return Role(
        name=entry["name"],
        production=tuple(entry["production"]),
        staging=tuple(entry["staging"]),
        configuration=tuple(entry.get("configuration", ())),
        flows=tuple(Flow(flow["to"], flow["port"], flow["why"]) for flow in entry.get("flows", ())),
    )


def _traffic(entry: Mapping[str, Any]) -> TrafficRule:
    record, target = entry["record"], entry["entry"]
    return TrafficRule(
        asset_group=entry["asset_group"],
        inventory_group=record["inventory_group"],
        journal=record.get("journal"),
        file=record.get("file"),
        format=record["format"],
        frontend=record.get("frontend"),
        captured_headers=tuple(record.get("captured_headers", ())),
        over=timedelta(minutes=record.get("minutes", 10)),
        max_requests=record.get("max_requests", 3000),
        min_requests=record.get("min_requests", 50),
        role=target["role"],
        port=target["port"],
        host_header=target.get("host_header", "localhost"),
        methods=tuple(entry.get("methods", SAFE_METHODS)),
        bodies={(b["method"], b["path"]): (b["content_type"], b["body"]) for b in entry.get("bodies", ())},
        speed=float(entry.get("speed", 1.0)),
        keep_query=tuple(entry.get("keep_query", ())),
        keep_headers=tuple(entry.get("keep_headers", ())),
        worse=Worse(**entry.get("worse", {})),
    )
