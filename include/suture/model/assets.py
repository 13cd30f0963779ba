"""Asset groups: the register of which hosts belong together, what they are worth, when and how they may be touched.

Source: policy assets.yaml (schema include/schemas/policy/assets.schema.json). The first group whose inventory groups all hold
a host owns it; a host that no group owns is unmanaged, and said to be.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from suture import policy
from suture.errors import BadInputError
from suture.model.vocabulary import Criticality, Environment, Exposure


@dataclass(frozen=True)
class LoadBalancer:
    group: str
    backend: str


@dataclass(frozen=True)
class AssetGroup:
    """One group. staging_group, service, load_balancer and rings are None where the policy names none."""

    name: str
    inventory_groups: tuple[str, ...]
    environment: Environment
    criticality: Criticality
    exposure: Exposure
    owner: str
    window: str
    rings: str | None
    staging_group: str | None
    service: str | None
    load_balancer: LoadBalancer | None
    depends_on: tuple[str, ...]
    cvss_requirements: Mapping[str, str]


@dataclass(frozen=True)
class AssetRegister:
    groups: tuple[AssetGroup, ...]

    @classmethod
    def load(cls, policy_dir: Path) -> AssetRegister:
        """Read assets.yaml. Raises PolicyError; BadInputError for a name used twice, a group that does not exist, or groups that
        need one another in a circle: found out while they are rolled back, it would be too late."""
        found = policy.load(policy_dir / "assets.yaml", "assets")
        register = cls(tuple(_group(entry) for entry in found["asset_groups"]))
        names = [group.name for group in register.groups]
        for name in names:
            if names.count(name) > 1:
                raise BadInputError(f"assets.yaml names the asset group {name!r} twice.")
        for group in register.groups:
            for other in (*group.depends_on, *((group.staging_group,) if group.staging_group else ())):
                if other not in names:
                    raise BadInputError(f"assets.yaml: {group.name} names {other!r}, which is no asset group.")
            if group.staging_group == group.name:
                raise BadInputError(f"assets.yaml: {group.name} is its own staging_group: nothing would be tested before it.")
        circle = circle_in({group.name: group.depends_on for group in register.groups})
        if circle:
            raise BadInputError(
                f"assets.yaml: depends_on goes in a circle: {' needs '.join(circle)}.",
                remedy="Take one of these out of depends_on: there is no order in which to bring them back.",
            )
        return register

    def group(self, name: str) -> AssetGroup:
        for group in self.groups:
            if group.name == name:
                return group
        raise BadInputError(f"There is no asset group {name!r} in assets.yaml.")

    def owner_of(self, inventory_groups: Collection[str]) -> AssetGroup | None:
        """The group that owns a host of these inventory groups; None: unmanaged."""
        return next((g for g in self.groups if set(g.inventory_groups) <= set(inventory_groups)), None)


def circle_in(depends_on: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    """Groups that need one another in a circle: each needs the next, and the first one stands at the end again. (): none."""
    try:
        TopologicalSorter(depends_on).prepare()
    except CycleError as error:
        circle: list[str] = error.args[1]
        return tuple(reversed(circle))  # graphlib walks from needed to needing
    return ()


def _group(entry: Mapping[str, Any]) -> AssetGroup:
    balancer = entry.get("load_balancer")
    depends_on: Sequence[str] = entry.get("depends_on", ())
    return AssetGroup(
        name=entry["name"],
        inventory_groups=tuple(entry["inventory_groups"]),
        environment=Environment(entry.get("environment", "production")),
        criticality=Criticality(entry["criticality"]),
        exposure=Exposure(entry["exposure"]),
        owner=entry["owner"],
        window=entry["window"],
        rings=entry.get("rings"),
        staging_group=entry.get("staging_group"),
        service=entry.get("service"),
        load_balancer=LoadBalancer(balancer["group"], balancer["backend"]) if balancer else None,
        depends_on=tuple(depends_on),
        cvss_requirements=entry.get("cvss_requirements", {}),
    )
