"""The campaign's plan: what is approved is what is executed.

A plan names each host with its ring and each package with its exact version (and, once validated, its SHA-256). Its hash
is SHA-256 over its canonical JSON (RFC 8785): approvals, steps and evidence bind to that hash, so that a plan edited
after its approval is another plan and needs another approval.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import rfc8785

from suture.model.vocabulary import Ring

QUARANTINE = "quarantine"  # extra["repository"] of a campaign that brings a hotfix


def canonical_hash(value: Any) -> str:
    """SHA-256 (hexadecimal) over the canonical JSON (RFC 8785) of a JSON value."""
    return hashlib.sha256(rfc8785.dumps(value)).hexdigest()


@dataclass(frozen=True)
class PlannedPackage:
    """A binary package to install. sha256 and size_bytes are None until the source has been validated.

    advisory_id is None for a package that only the dependency closure pulls in.
    """

    package: str
    architecture: str
    version: str
    source_package: str
    source_version: str
    advisory_id: str | None = None
    filename: str | None = None
    size_bytes: int | None = None
    sha256: str | None = None

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True)
class CampaignPlan:
    """Hosts by ring (every Ring a key, lists may be empty), packages, and what the rollout must keep to."""

    asset_group: str
    source: str
    window_name: str
    rings: Mapping[Ring, tuple[str, ...]]
    packages: tuple[PlannedPackage, ...]
    max_unavailable: int = 1
    service: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {
            "asset_group": self.asset_group,
            "source": self.source,
            "window_name": self.window_name,
            "rings": {ring.value: sorted(self.rings.get(ring, ())) for ring in Ring},
            "packages": [
                p.as_json() for p in sorted(self.packages, key=lambda p: (p.package, p.architecture))
            ],
            "max_unavailable": self.max_unavailable,
            "service": self.service,
            "extra": dict(self.extra),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> CampaignPlan:
        return cls(
            asset_group=data["asset_group"],
            source=data["source"],
            window_name=data["window_name"],
            rings={Ring(name): tuple(hosts) for name, hosts in data["rings"].items()},
            packages=tuple(PlannedPackage(**package) for package in data["packages"]),
            max_unavailable=data["max_unavailable"],
            service=data["service"],
            extra=data["extra"],
        )

    @property
    def in_quarantine(self) -> bool:
        """Whether its packages go into the quarantine repository, which only its hosts read: a hotfix does."""
        return bool(self.extra.get("repository") == QUARANTINE)

    @property
    def hash(self) -> str:
        return canonical_hash(self.as_json())

    def hosts(self, ring: Ring) -> tuple[str, ...]:
        return tuple(sorted(self.rings.get(ring, ())))

    @property
    def production_hosts(self) -> tuple[str, ...]:
        return tuple(host for ring in Ring if ring is not Ring.STAGING for host in self.hosts(ring))
