"""Measuring parity: which hosts are compared, what they are asked, and the record of what came of it.

The rules:

1. The staging hosts of the group's staging group are compared, all of them, with production hosts of the same role: the
   campaign's own first, then by a stable choice, up to the policy's number. The record says how many of how many.
2. A staging host that plays no role of parity.yaml is not comparable, and so fails: it is tested and mirrors nothing.
3. A dependency between asset groups (assets.yaml) whose hosts play roles must be declared as a flow between these roles.
4. Both sides are asked in one run, with one key for the hashes of files; the key is made for the run and never kept.
"""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from suture.errors import BadInputError
from suture.model.assets import AssetGroup, AssetRegister
from suture.model.services import ServiceRegister
from suture.runner import Phase, PlaybookRun, Runner
from suture.runner.interface import quiet
from suture.runner.inventory import Inventory
from suture.settings import Settings
from suture.staging.parity import Parity, compare
from suture.staging.parity_facts import PRODUCTION, STAGING, HostFacts, RoleFacts
from suture.staging.parity_policy import ParityPolicy, Role

TIMEOUT = timedelta(minutes=10)
UPSTREAMS_AT_MOST = 5  # of one flow


@dataclass(frozen=True)
class Side:
    """{role: hosts} of one side, all that the inventory has, sorted."""

    name: str
    hosts: Mapping[str, tuple[str, ...]]

    def role_of(self, host: str) -> str:
        return next(role for role, hosts in self.hosts.items() if host in hosts)

    @property
    def every(self) -> tuple[str, ...]:
        return tuple(sorted({host for hosts in self.hosts.values() for host in hosts}))


@dataclass(frozen=True)
class Question:
    """Who is compared with whom. asked: production hosts by role; strangers: staging hosts without a role."""

    group: AssetGroup
    staging: Side
    production: Side
    asked: Mapping[str, tuple[str, ...]]
    strangers: tuple[str, ...]
    own_roles: frozenset[str]
    gaps: tuple[str, ...]


def measure(
    runner: Runner,
    settings: Settings,
    group_name: str,
    *,
    now: Callable[[], datetime],
    packages: Sequence[str] | None = None,
    first: Sequence[str] = (),
    only: Collection[str] | None = None,
    kernels: Mapping[str, str] | None = None,
    log: Callable[[str], None] = quiet,
) -> Parity:
    """Ask the hosts and compare. group_name: a production asset group with a staging group.

    packages: those that a campaign changes, None without one. first: its production hosts. only: leave other production
    hosts out (for a rehearsal on a part of the fleet). kernels: host → the release that runs there. Raises BadInputError,
    PolicyError, RunnerError.
    """
    rules = ParityPolicy.load(settings.policy_dir)
    assets = AssetRegister.load(settings.policy_dir)
    inventory = Inventory.load(settings.inventory_path)
    question = pose(rules, assets, inventory, group_name, first=first, only=only)
    services = ServiceRegister.load(settings.policy_dir)
    briefs = _briefs(rules, assets, services, inventory, question)
    reports: Mapping[str, Any] = {}
    missed: dict[str, str] = {}
    if briefs:
        variables = {"key": secrets.token_hex(32), "hosts": briefs}
        result = runner.run(PlaybookRun(Phase.PARITY, tuple(sorted(briefs)), variables, timeout=TIMEOUT), log=log)
        reports, missed = result.reports, {**result.failed, **result.unreachable}
    missed |= dict.fromkeys(question.strangers, "it plays no role of parity.yaml")
    facts = _facts(rules, question, reports, missed)
    return compare(rules, facts, now=now(), touched=packages, gaps=question.gaps, kernels=kernels)


def pose(
    rules: ParityPolicy,
    assets: AssetRegister,
    inventory: Inventory,
    group_name: str,
    *,
    first: Sequence[str] = (),
    only: Collection[str] | None = None,
) -> Question:
    """Choose the hosts. Raises BadInputError for a group without staging."""
    group = assets.group(group_name)
    if group.staging_group is None:
        raise BadInputError(
            f"The asset group {group_name} has no staging group: there is nothing to compare.",
            remedy="Name its staging_group in assets.yaml.",
        )
    served = [one.name for one in assets.groups if one.staging_group == group.staging_group]
    owners = {host.name: assets.owner_of(host.groups) for host in inventory.hosts.values()}
    staging: dict[str, list[str]] = {}
    production: dict[str, list[str]] = {}
    strangers = []
    for host in inventory.hosts.values():
        owner = owners[host.name]
        if owner is None:
            continue
        if owner.name == group.staging_group:
            role = rules.role_of(STAGING, host.groups)
            if role is None:
                strangers.append(host.name)
            else:
                staging.setdefault(role.name, []).append(host.name)
        elif owner.name in served and (only is None or host.name in only):
            role = rules.role_of(PRODUCTION, host.groups)
            if role is not None:
                production.setdefault(role.name, []).append(host.name)
    own = {name for name, hosts in production.items() if any(_is_own(owners[h], group, h, first) for h in hosts)}
    sides = Side(STAGING, _sorted(staging)), Side(PRODUCTION, _sorted(production))
    asked = {role: _chosen(hosts, first, rules.hosts_per_role) for role, hosts in sides[1].hosts.items()}
    return Question(
        group, *sides, asked, tuple(sorted(strangers)), frozenset(own), _gaps(rules, assets, served, owners, production)
    )


def _is_own(owner: AssetGroup | None, group: AssetGroup, host: str, first: Sequence[str]) -> bool:
    return host in first if first else owner is not None and owner.name == group.name


def _sorted(hosts: Mapping[str, list[str]]) -> dict[str, tuple[str, ...]]:
    return {role: tuple(sorted(names)) for role, names in sorted(hosts.items())}


def _chosen(hosts: Sequence[str], first: Sequence[str], most: int) -> tuple[str, ...]:
    """The campaign's own first, in their order (the canary leads); the rest by a hash that does not change."""
    own = [host for host in dict.fromkeys(first) if host in hosts]
    rest = sorted((h for h in hosts if h not in own), key=lambda h: hashlib.sha256(h.encode()).hexdigest())
    return tuple(sorted([*own, *rest][:most]))


def _gaps(
    rules: ParityPolicy,
    assets: AssetRegister,
    served: Sequence[str],
    owners: Mapping[str, AssetGroup | None],
    production: Mapping[str, Sequence[str]],
) -> tuple[str, ...]:
    roles: dict[str, set[str]] = {}
    for role, hosts in production.items():
        for host in hosts:
            owner = owners[host]
            if owner is not None:
                roles.setdefault(owner.name, set()).add(role)
    found = []
    for name in served:
        for other in assets.group(name).depends_on:
            here, there = roles.get(name, set()), roles.get(other, set())
            flows = {flow.to for role in rules.roles if role.name in here for flow in role.flows}
            if here and there and not flows & there:
                found.append(f"{name} depends on {other}, and parity.yaml declares no flow between their roles")
    return tuple(found)


def _briefs(
    rules: ParityPolicy,
    assets: AssetRegister,
    services: ServiceRegister,
    inventory: Inventory,
    question: Question,
) -> dict[str, Any]:
    """{host: what it is asked}, for include/playbooks/library/suture_parity.py."""
    roles = {role.name: role for role in rules.roles}
    found = {}
    for side, other, asked in (
        (question.staging, question.production, question.staging.hosts),
        (question.production, question.staging, question.asked),
    ):
        tokens = {host: role for role, hosts in side.hosts.items() for host in hosts}
        addresses = {host: address for host in tokens if (address := _address(inventory, host))}
        for role, hosts in asked.items():
            for host in hosts:
                groups = inventory.hosts[host].groups
                owner = assets.owner_of(groups)
                checks = services.checks(owner.service if owner else None, groups)
                found[host] = {
                    "configuration": list(roles[role].configuration),
                    "units": checks["units"],
                    "flows": _flows(roles[role], side, addresses),
                    "tokens": {**tokens, host: "self"},
                    "addresses": addresses,
                    "foreign": list(other.every) if side.name == STAGING else [],
                }
    return found


def _flows(role: Role, side: Side, addresses: Mapping[str, str]) -> list[dict[str, Any]]:
    found = []
    for flow in role.flows:
        upstreams = side.hosts.get(flow.to, ())[:UPSTREAMS_AT_MOST]
        if upstreams:
            hosts = [{"host": host, "address": addresses.get(host, "")} for host in upstreams]
            found.append({"name": flow.name(role.name), "port": flow.port, "hosts": hosts})
    return found


def _address(inventory: Inventory, host: str) -> str:
    """The host's own address where the inventory has one; "" where it has a name or nothing, or this machine's."""
    try:
        found = ipaddress.ip_address(str(inventory.hosts[host].variables.get("ansible_host", "")))
    except ValueError:
        return ""
    return "" if found.is_loopback else str(found)


def _facts(
    rules: ParityPolicy, question: Question, reports: Mapping[str, Any], missed: Mapping[str, str]
) -> list[RoleFacts]:
    found = []
    for role in rules.roles:
        mirrors, asked = question.staging.hosts.get(role.name, ()), question.asked.get(role.name, ())
        if not mirrors and not asked:
            continue
        found.append(
            RoleFacts(
                role=role.name,
                production=_of(reports, asked, role.name, PRODUCTION),
                staging=_of(reports, mirrors, role.name, STAGING),
                missing={host: missed.get(host, "no report") for host in (*mirrors, *asked) if host not in reports},
                production_hosts=len(question.production.hosts.get(role.name, ())),
                flows=tuple(flow.name(role.name) for flow in role.flows),
                matters=role.name in question.own_roles,
            )
        )
    if question.strangers and found:
        strangers = {host: missed[host] for host in question.strangers}
        found[0] = RoleFacts(**{**found[0].__dict__, "missing": {**found[0].missing, **strangers}})
    return found


def _of(reports: Mapping[str, Any], hosts: Sequence[str], role: str, side: str) -> tuple[HostFacts, ...]:
    return tuple(HostFacts.from_report(h, role, side, reports[h]["parity"]) for h in hosts if h in reports)
