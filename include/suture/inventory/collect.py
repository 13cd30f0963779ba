"""Collecting the inventory: what runs where, as the hosts say.

The rules:

1. A host belongs to the first asset group whose inventory groups all hold it. One that no group owns is unmanaged:
   it is named, and not collected.
2. A host that could not be reached keeps what was known of it, with its age; it is marked unreachable, with the reason.
3. A host that left the inventory (or its group) is retired: no finding is open on it, no campaign takes it.
4. Packages of other ecosystems (components.py) are collected where policy asks for them. A host that could not look for them
   keeps those that were known, and the reason is logged.
5. When not one host answered, nothing is retired: an empty inventory is more likely our fault than the fleet's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from suture import evidence
from suture.inventory.component_policy import ComponentPolicy
from suture.inventory.components import load_components, read_reported
from suture.inventory.conditions import running_kernel_version
from suture.model.assets import AssetGroup, AssetRegister
from suture.runner import Phase, PlaybookRun, Runner
from suture.runner.interface import quiet
from suture.store import Json, Store, hosts, leases
from suture.store.holdings import keep_holdings
from suture.wording import counted

ACTOR = "suture:inventory_sync"
_FACTS = (
    *("boot_id", "uptime_seconds", "mounts", "apt", "dpkg_audit", "needrestart", "stale_processes", "stale_packages"),
    "local_changes",
)


@dataclass(frozen=True)
class Collection:
    """What came of it, by host. retired: left the inventory since the last time."""

    collected: tuple[str, ...]
    unreachable: Mapping[str, str]
    unmanaged: tuple[str, ...]
    retired: tuple[str, ...]
    packages: int
    duration_seconds: float
    components: int = 0  # on the hosts that were collected
    incomplete: Mapping[str, str] = field(default_factory=dict)  # host → why its components may not be all

    def counts(self) -> dict[str, int]:
        return {
            "collected": len(self.collected),
            "unreachable": len(self.unreachable),
            "unmanaged": len(self.unmanaged),
            "retired": len(self.retired),
            "packages": self.packages,
            "components": self.components,
        }


def collect(
    store: Store,
    runner: Runner,
    register: AssetRegister,
    *,
    now: datetime,
    actor: str = ACTOR,
    log: Callable[[str], None] = quiet,
    timeout: timedelta = timedelta(minutes=10),
    components: ComponentPolicy | None = None,
) -> Collection:
    """Ask every managed host of the inventory, and write what they say. components: None looks for none.

    Raises RunnerError when none could be asked.
    """
    inventory = runner.hosts()
    owners = {name: register.owner_of(groups) for name, groups in inventory.items()}
    managed = {name: owner for name, owner in owners.items() if owner is not None}
    unmanaged = tuple(sorted(set(inventory) - set(managed)))
    for name in unmanaged:
        log(f"{name} is in no asset group: it is not managed.")
    reports: Mapping[str, Any] = {}
    missed: dict[str, str] = {}
    duration = 0.0
    if managed:
        wanted = components is not None and bool(components.ecosystems)
        asked = {"components": components.asked()} if components is not None and wanted else {}
        run = PlaybookRun(Phase.COLLECT_INVENTORY, tuple(sorted(managed)), asked, timeout=timeout)
        result = runner.run(run, log=log)
        reports = result.reports
        missed = {**result.failed, **result.unreachable}
        duration = result.duration_seconds
    packages = 0
    kept = 0
    incomplete: dict[str, str] = {}
    for name, report in sorted(reports.items()):
        packages += _write(store, name, managed[name], inventory[name], report["inventory"], now)
        if asked:
            count, why = _write_components(store, name, report.get("components", {"fault": "no answer"}), now)
            kept += count
            incomplete |= {name: why} if why else {}
    for name, why in sorted(incomplete.items()):
        log(f"{name}: its components may not be all: {why}")
    for name, why in sorted(missed.items()):
        hosts.write_unreached(store, {**_standing(name, managed[name], inventory[name]), "last_error": why[:2000]})
    retired = hosts.retire_absent(store, sorted(managed), at=now) if reports else []
    keep_holdings(store, wait=False)
    found = Collection(
        collected=tuple(sorted(reports)),
        unreachable=missed,
        unmanaged=unmanaged,
        retired=tuple(sorted(retired)),
        packages=packages,
        duration_seconds=round(duration, 3),
        components=kept,
        incomplete=incomplete,
    )
    evidence.record(
        store,
        actor=actor,
        action="inventory_collected",
        subject="fleet:inventory",
        grounds={**found.counts(), "missed": missed, "unmanaged_hosts": list(unmanaged), "retired_hosts": retired,
            "incomplete_components": incomplete},
    )
    return found


def _standing(name: str, group: AssetGroup, groups: tuple[str, ...]) -> dict[str, Any]:
    return {
        "host_id": name,
        "asset_group": group.name,
        "environment": group.environment.value,
        "criticality": group.criticality.value,
        "exposure": group.exposure.value,
        "inventory_groups": list(groups),
    }


def _write(
    store: Store, name: str, group: AssetGroup, groups: tuple[str, ...], found: Mapping[str, Any], now: datetime
) -> int:
    lease = found.get("lease") or {}
    if isinstance(lease.get("token"), int):
        leases.advance_tokens(store, max(1, lease["token"]))
    hosts.write_host(
        store,
        {
            **_standing(name, group, groups),
            **{key: found[key] for key in ("os_id", "os_codename", "architecture", "kernel_running")},
            "kernel_installed": found["kernel_installed"],
            "kernel_running_version": running_kernel_version(found["kernel_running"], found.get("kernel_build")),
            "reboot_required": found["reboot_required"],
            "services": Json(list(found["services"])),
            "services_needing_restart": list(found["services_needing_restart"]),
            "facts": Json({**{key: found[key] for key in _FACTS if key in found}, "said_at": found["collected_at"]}),
            # Our clock, not the host's: a host with a wrong clock must not look fresher than it is.
            "collected_at": now.astimezone(UTC),
        },
        found["packages"],
    )
    return len(found["packages"])


def _write_components(store: Store, name: str, found: Mapping[str, Any], now: datetime) -> tuple[int, str]:
    """How many components were found, and why that may not be all ('': it is all)."""
    if "fault" in found:
        return 0, f"the host could not look for them: {visible(found['fault'])[:300]}. Those known before stand."
    packages, left_out = read_reported(found)
    load_components(store, name, packages, now=now, ecosystems=found["ecosystems"], complete=found["complete"])
    said = [*found["limits"]]
    if found["unreadable"] or left_out:
        first = f", the first: {found['faults'][0]}" if found["faults"] else ""
        said.append(f"{counted(found['unreadable'] + left_out, 'file')} could not be read{first}")
    return len(packages), visible("; ".join(said))[:500]


def visible(text: str) -> str:
    """A host's text without control characters."""
    return "".join(one if one.isprintable() else "�" for one in text)
