"""The hosts of the practice fleet: names, roles and addresses.

All addresses are inside the fleet's own network namespace: two clones use the same ones and never meet.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from lab.errors import UnknownHostError

GATEWAY = "10.77.0.1"
PREFIX_LENGTH = 24


class Role(StrEnum):
    """What a host does; each has its own layer of packages over the base."""

    LB = "lb"
    APP = "app"
    DB = "db"
    OBS = "obs"


class Environment(StrEnum):
    PRODUCTION = "production"
    STAGING = "staging"


@dataclass(frozen=True)
class Host:
    """One practice host. `database` is the host whose PostgreSQL an application host uses, else None."""

    name: str
    role: Role
    environment: Environment
    address: str
    database: str | None = None

    @property
    def mac(self) -> str:
        """Derived from the name: a fresh address at each boot left stale ARP entries that cost 70 s."""
        digest = hashlib.sha256(self.name.encode()).hexdigest()
        return "02:" + ":".join(digest[index : index + 2] for index in range(0, 10, 2))

    @property
    def port_link(self) -> str:
        """The bridge's end of the host's cable (15 characters at most)."""
        return f"p-{self.name}"


def _host(name: str, role: Role, last_octet: int, database: str | None = None) -> Host:
    environment = Environment.STAGING if name.startswith("stg-") else Environment.PRODUCTION
    return Host(name, role, environment, f"10.77.0.{last_octet}", database)


HOSTS: tuple[Host, ...] = (
    _host("db1", Role.DB, 31),
    _host("stg-db1", Role.DB, 41),
    _host("lb1", Role.LB, 10),
    *(_host(f"app{number}", Role.APP, 20 + number, "db1") for number in range(1, 7)),
    _host("stg-app1", Role.APP, 42, "stg-db1"),
    _host("obs1", Role.OBS, 51),
)
BY_NAME = {host.name: host for host in HOSTS}


def find(name: str) -> Host:
    """The host of that name. Raises UnknownHostError."""
    if name not in BY_NAME:
        raise UnknownHostError(f"The practice fleet has no host {name!r}.", remedy=f"It has {', '.join(BY_NAME)}.")
    return BY_NAME[name]


def groups() -> dict[str, list[str]]:
    """Ansible groups: production hosts by role, the staging pair apart, and each environment."""
    found: dict[str, list[str]] = {}
    for host in HOSTS:
        staging = host.environment is Environment.STAGING
        found.setdefault(f"staging_{host.role}" if staging else str(host.role), []).append(host.name)
        found.setdefault(str(host.environment), []).append(host.name)
    return found
