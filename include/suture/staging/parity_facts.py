"""What hosts say of themselves, as values that can be compared item by item."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

PRODUCTION, STAGING = "production", "staging"


@dataclass(frozen=True)
class ForeignConnection:
    """A connection that a host has opened to a host of the other side."""

    host: str
    port: int
    owner: str


@dataclass(frozen=True)
class HostFacts:
    """One host. items: {kind: {item: value}}, every value a plain text that is equal or not.

    flows: {name: "" when it was reached, else why not}. depends and provides: package names by package, for the closure.
    taken_at: by the host's own clock, aware UTC.
    """

    host: str
    role: str
    side: str
    taken_at: datetime
    items: Mapping[str, Mapping[str, str]]
    flows: Mapping[str, str]
    depends: Mapping[str, tuple[str, ...]]
    provides: Mapping[str, tuple[str, ...]]
    foreign: tuple[ForeignConnection, ...] = ()

    @classmethod
    def from_report(cls, host: str, role: str, side: str, found: Mapping[str, Any]) -> HostFacts:
        """Of the `parity` part of a report that fits its schema (include/schemas/reports/parity.schema.json)."""
        packages = found["packages"]
        return cls(
            host=host,
            role=role,
            side=side,
            taken_at=datetime.strptime(found["taken_at"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC),
            items={
                "packages": {name: one["version"] for name, one in packages.items()},
                "configuration": dict(found["files"]),
                "units": dict(found["units"]),
                "ports": dict(found["ports"]),
                "dependencies": {
                    f"{unit} needs {other}": "yes" for unit, needs in found["dependencies"].items() for other in needs
                },
            },
            flows={name: "" if one["reached"] else one["detail"] for name, one in found["flows"].items()},
            depends={name: tuple(one["depends"]) for name, one in packages.items()},
            provides={name: tuple(one["provides"]) for name, one in packages.items()},
            foreign=tuple(ForeignConnection(one["host"], one["port"], one["owner"]) for one in found["foreign"]),
        )


@dataclass(frozen=True)
class RoleFacts:
    """Both sides of a role. missing: {host: why it gave no facts}. matters: the campaign's own role, where it has one.

    production_hosts: how many there are, of which `production` are those that were asked.
    """

    role: str
    production: tuple[HostFacts, ...]
    staging: tuple[HostFacts, ...]
    missing: Mapping[str, str]
    production_hosts: int
    flows: tuple[str, ...]
    matters: bool = True


def closure(packages: Iterable[str], facts: Iterable[HostFacts]) -> frozenset[str]:
    """These packages and all that they need, directly or not, as the hosts' own package data have it."""
    depends: dict[str, set[str]] = {}
    providers: dict[str, set[str]] = {}
    for host in facts:
        for name, needs in host.depends.items():
            depends.setdefault(name, set()).update(needs)
        for name, virtual in host.provides.items():
            for other in virtual:
                providers.setdefault(other, set()).add(name)
    found: set[str] = set()
    frontier = list(packages)
    while frontier:
        name = frontier.pop()
        if name in found:
            continue
        found.add(name)
        frontier += depends.get(name, set()) - found
        frontier += providers.get(name, set()) - found
    return frozenset(found)
