"""The plan of a rollback: which hosts, in which order, back to which versions, and by which way.

The rules:

1. A host is touched when a patch was begun on it under this plan, whatever became of it.
2. Groups come back in the order of the service graph: what others need, first.
3. The way back of a host is, first that holds:
- **downgrade**: the patch kept the .deb of every version that it replaced; they are put back.
- **nothing**: the patch ended before it changed a package.
- **look**: it is not known what happened (lost host, killed task); the host's own manifest says whether it
  was changed, and the restore follows it.
- **backup**: the patch changed packages and kept no way back; its verified backup is restored, by hand
  (runbook).
- **none**: nor is there a backup. The host stays fenced; a person decides.
4. What was installed anew is taken out; what was replaced goes back to the exact version.
5. The versions that the campaign brought are retired: they are never offered to this asset group again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from suture.campaign import Campaign
from suture.model import Ring
from suture.model.assets import AssetRegister
from suture.recovery.service_graph import dependents, restore_order
from suture.store import Store
from suture.store.steps import HostStep, StepStatus, list_steps

PATCH_STEPS = frozenset({"patch", "patch_again"})


class Tier(StrEnum):
    """The way back of one host."""

    DOWNGRADE = "downgrade"
    NOTHING = "nothing"
    LOOK = "look"
    BACKUP = "backup"
    NONE = "none"


_MEANING: Mapping[Tier, str] = {
    Tier.DOWNGRADE: "the replaced packages were kept and are put back",
    Tier.NOTHING: "nothing was changed yet; it is checked and released",
    Tier.LOOK: "it is not known what happened; its own manifest decides",
    Tier.BACKUP: "no way back was kept: restore its backup by hand (runbook: restore from backup)",
    Tier.NONE: "neither a way back nor a backup: it stays fenced, a person decides",
}


@dataclass(frozen=True)
class HostRestore:
    """One host. versions: package → version to go back to; remove: packages that the campaign added."""

    host_id: str
    asset_group: str
    ring: str
    tier: Tier
    versions: Mapping[str, str]
    remove: tuple[str, ...]


@dataclass(frozen=True)
class RollbackPlan:
    """waves: hosts in the order in which they come back; each wave only needs earlier ones."""

    campaign_id: str
    title: str
    waves: tuple[tuple[HostRestore, ...], ...]
    untouched: tuple[str, ...]
    dependent_groups: tuple[str, ...]
    retired: tuple[tuple[str, str], ...]

    @property
    def hosts(self) -> tuple[HostRestore, ...]:
        return tuple(host for wave in self.waves for host in wave)

    @property
    def by_hand(self) -> tuple[str, ...]:
        """Hosts that the restore cannot bring back by itself."""
        return tuple(host.host_id for host in self.hosts if host.tier in (Tier.BACKUP, Tier.NONE))

    @property
    def blast_radius(self) -> str:
        """What a rollback does, as Markdown, for the person who confirms it."""
        lines = [f"**Rollback of {self.campaign_id}: {self.title}**", ""]
        if not self.hosts:
            lines.append("No host was touched: there is nothing to bring back.")
        for number, wave in enumerate(self.waves, start=1):
            lines.append(f"{number}. {wave[0].asset_group}: " + "; ".join(_host_line(host) for host in wave))
        if self.untouched:
            lines.append(f"\nNot touched: {', '.join(self.untouched)}.")
        if self.dependent_groups:
            lines.append(f"\nThese need the hosts above and may notice: {', '.join(self.dependent_groups)}.")
        if self.retired:
            names = ", ".join(f"{name} {version}" for name, version in self.retired)
            lines.append(f"\nNever offered again: {names}.")
        return "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        return {
            "campaign_id": self.campaign_id,
            "waves": [[host.host_id for host in wave] for wave in self.waves],
            "hosts": {
                host.host_id: {
                    "asset_group": host.asset_group,
                    "ring": host.ring,
                    "tier": host.tier.value,
                    "versions": dict(host.versions),
                    "remove": list(host.remove),
                }
                for host in self.hosts
            },
            "untouched": list(self.untouched),
            "dependent_groups": list(self.dependent_groups),
            "retired": [list(pair) for pair in self.retired],
        }


def plan_rollback(
    campaign: Campaign,
    steps: Sequence[HostStep],
    *,
    groups: Mapping[str, str],
    depends_on: Mapping[str, Collection[str]],
    backed_up: Collection[str],
) -> RollbackPlan:
    """groups: host → asset group; backed_up: hosts with a verified backup from before their patch.

    Raises DependencyCycleError.
    """
    production = campaign.plan.production_hosts
    patches: dict[str, list[HostStep]] = {}
    for step in steps:
        if step.step in PATCH_STEPS and step.host_id in production:
            patches.setdefault(step.host_id, []).append(step)
    ring_of = {host: ring.value for ring in Ring for host in campaign.plan.hosts(ring)}
    restores = [
        _restore(host, groups.get(host, campaign.plan.asset_group), ring_of[host], tries, host in backed_up)
        for host, tries in sorted(patches.items())
    ]
    order = restore_order(depends_on, {host.asset_group for host in restores})
    waves = tuple(tuple(h for group in wave for h in restores if h.asset_group == group) for wave in order)
    packages = campaign.plan.packages
    return RollbackPlan(
        campaign_id=campaign.campaign_id,
        title=campaign.title,
        waves=waves,
        untouched=tuple(host for host in sorted(production) if host not in patches),
        dependent_groups=dependents(depends_on, {host.asset_group for host in restores}),
        retired=tuple(sorted({(p.source_package, p.source_version) for p in packages})) if restores else (),
    )


def rollback_plan_of(store: Store, campaign: Campaign, policy_dir: Path) -> RollbackPlan:
    """As plan_rollback(), from the warehouse's rows and the policies."""
    register = AssetRegister.load(policy_dir)
    rows = store.fetch_all("campaign/list_campaign_hosts", {"campaign_id": campaign.campaign_id})
    steps = list_steps(store, campaign.campaign_id, campaign.plan_hash)
    begun = {step.host_id: step.started_at for step in reversed(steps) if step.step in PATCH_STEPS}
    backups = store.fetch_all("backup/list_campaign_backups", {"campaign_id": campaign.campaign_id})
    return plan_rollback(
        campaign,
        steps,
        groups={row["host_id"]: row["asset_group"] for row in rows},
        depends_on={group.name: group.depends_on for group in register.groups},
        backed_up={
            row["host_id"]
            for row in backups
            if row["status"] == "verified" and row["host_id"] in begun and row["taken_at"] < begun[row["host_id"]]
        },
    )


def _restore(host: str, group: str, ring: str, tries: Sequence[HostStep], backed_up: bool) -> HostRestore:
    versions: dict[str, str] = {}
    added: set[str] = set()
    for step in tries:
        way_back = step.report.get("way_back") or {}
        # The first try knows what was there before; a later one may only see its own work.
        for name, kept in (way_back.get("replaced") or {}).items():
            versions.setdefault(name, str(kept["version"]))
        added |= set(way_back.get("added") or ())
    tier = _tier(tries, has_way_back=bool(versions or added), backed_up=backed_up)
    return HostRestore(host, group, ring, tier, versions, tuple(sorted(added)))


def _tier(tries: Sequence[HostStep], *, has_way_back: bool, backed_up: bool) -> Tier:
    if has_way_back:
        return Tier.DOWNGRADE
    if any(step.status in (StepStatus.UNKNOWN, StepStatus.RUNNING) or not step.report for step in tries):
        return Tier.LOOK
    if not any(step.report.get("changes") for step in tries):
        return Tier.NOTHING
    return Tier.BACKUP if backed_up else Tier.NONE


def _host_line(host: HostRestore) -> str:
    parts = [f"{name} back to {version}" for name, version in sorted(host.versions.items())[:3]]
    if len(host.versions) > 3:
        parts.append(f"and {len(host.versions) - 3} more")
    if host.remove:
        parts.append(f"{len(host.remove)} taken out")
    detail = f" ({', '.join(parts)})" if parts else ""
    return f"`{host.host_id}` [{host.ring}] {_MEANING[host.tier]}{detail}"
