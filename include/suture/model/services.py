"""Services: what hosts do together, and how to see that they do it.

Source: policy services.yaml (schema include/schemas/policy/services.schema.json). A service has members by inventory
group; a member says which units must be active, which ports open, which HTTP requests must be answered, which data a
backup must hold. The same checks serve the playbooks (before and after a patch), the staging tests and the rollback.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from suture import policy
from suture.errors import BadInputError


@dataclass(frozen=True)
class HttpCheck:
    """A request to the host itself. standalone: needs no other host, so it holds behind a fence too."""

    name: str
    port: int
    path: str
    method: str
    status: int
    body: Any
    contains: str
    standalone: bool

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "port": self.port,
            "path": self.path,
            "method": self.method,
            "status": self.status,
            "body": self.body,
            "contains": self.contains,
        }


@dataclass(frozen=True)
class Member:
    """What a host in any of `inventory_groups` must do for the service."""

    inventory_groups: tuple[str, ...]
    units: tuple[str, ...]
    ports: tuple[int, ...]
    http: tuple[HttpCheck, ...]
    databases: tuple[str, ...]
    backup_paths: tuple[str, ...]


@dataclass(frozen=True)
class ServiceRegister:
    services: Mapping[str, tuple[Member, ...]]

    @classmethod
    def load(cls, policy_dir: Path) -> ServiceRegister:
        """Read services.yaml. Raises PolicyError; BadInputError for a name used twice."""
        services: dict[str, tuple[Member, ...]] = {}
        for entry in policy.load(policy_dir / "services.yaml", "services")["services"]:
            if entry["name"] in services:
                raise BadInputError(f"services.yaml names the service {entry['name']!r} twice.")
            services[entry["name"]] = tuple(_member(member) for member in entry["members"])
        return cls(services)

    def members_for(self, service: str | None, inventory_groups: Collection[str]) -> tuple[Member, ...]:
        """The members of a service that describe a host of these groups; () when there is no service."""
        if service is None:
            return ()
        if service not in self.services:
            raise BadInputError(f"There is no service {service!r} in services.yaml.")
        return tuple(m for m in self.services[service] if set(m.inventory_groups) & set(inventory_groups))

    def checks(
        self,
        service: str | None,
        inventory_groups: Collection[str],
        *,
        standalone: bool = False,
        writes: bool = False,
    ) -> dict[str, Any]:
        """The checks of one host as the playbooks take them. standalone: only those that need no other host; writes:
        also those that leave something behind (for staging; never in production).
        """
        members = self.members_for(service, inventory_groups)
        return {
            "units": sorted({unit for member in members for unit in member.units}),
            "ports": sorted({port for member in members for port in member.ports}),
            "http": [
                check.as_json()
                for member in members
                for check in member.http
                if (check.standalone or not standalone) and (writes or check.method in ("GET", "HEAD"))
            ],
            "databases": sorted({name for member in members for name in member.databases}),
        }

    def backup_paths(self, service: str | None, inventory_groups: Collection[str]) -> list[str]:
        """/etc and what the members declare."""
        declared = {path for member in self.members_for(service, inventory_groups) for path in member.backup_paths}
        return ["/etc", *sorted(declared - {"/etc"})]


def _member(entry: Mapping[str, Any]) -> Member:
    return Member(
        inventory_groups=tuple(entry["inventory_groups"]),
        units=tuple(entry.get("units", ())),
        ports=tuple(entry.get("ports", ())),
        http=tuple(
            HttpCheck(
                name=check["name"],
                port=check["port"],
                path=check["path"],
                method=check.get("method", "GET"),
                status=check.get("status", 200),
                body=check.get("body"),
                contains=check.get("contains", ""),
                standalone=check.get("standalone", False),
            )
            for check in entry.get("http", ())
        ),
        databases=tuple(entry.get("databases", ())),
        backup_paths=tuple(entry.get("backup_paths", ())),
    )
