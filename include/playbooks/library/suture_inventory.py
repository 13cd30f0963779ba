"""Everything that inventory_sync wants to know of a host, in one call. Changes nothing.

Returns {inventory: {...}}, the shape of include/schemas/reports/collect_inventory.schema.json.
"""

from __future__ import annotations

import glob
import json
import os
from typing import Any

from ansible.module_utils import suture_host as host
from ansible.module_utils import suture_local
from ansible.module_utils.basic import AnsibleModule

# What makes apt trust or accept less than it should, as apt-config names it.
AUDITED_OPTIONS = (
    "Acquire::Check-Valid-Until",
    "Acquire::Max-ValidTime",
    "Acquire::AllowInsecureRepositories",
    "Acquire::AllowDowngradeToInsecureRepositories",
    "APT::Get::AllowUnauthenticated",
    "APT::Update::Error-Mode",
    "APT::Periodic::Unattended-Upgrade",
)
WATCHED_MOUNTS = ("/", "/boot", "/var", "/var/cache/apt")


def os_release() -> dict[str, str]:
    with open("/etc/os-release") as file:
        pairs = (line.rstrip("\n").split("=", 1) for line in file if "=" in line)
        return {name: value.strip('"') for name, value in pairs}


def services() -> list[dict[str, str]]:
    if not os.path.isdir("/run/systemd/system"):
        return []
    output = host.run(["systemctl", "list-units", "--type=service", "--all", "--output=json", "--no-pager"])
    return [
        {"unit": unit["unit"], "active": unit["active"], "sub": unit["sub"]}
        for unit in json.loads(output)
        if unit["load"] == "loaded"
    ]


def needrestart() -> dict[str, Any]:
    """What needrestart says: {installed, services, kernel_current, kernel_expected}; None where it says nothing."""
    found: dict[str, Any] = {"installed": True, "services": [], "kernel_current": None, "kernel_expected": None}
    try:
        output = host.run(["needrestart", "-b", "-r", "l"], accepted=None)
    except host.HostError:
        return {**found, "installed": False}
    for line in output.splitlines():
        name, _, value = line.partition(": ")
        if name == "NEEDRESTART-SVC":
            found["services"].append(value.strip())
        elif name == "NEEDRESTART-KCUR":
            found["kernel_current"] = value.strip()
        elif name == "NEEDRESTART-KEXP":
            found["kernel_expected"] = value.strip()
    return found


def mounts() -> list[dict[str, Any]]:
    found = []
    for path in WATCHED_MOUNTS:
        if os.path.isdir(path):
            stat = os.statvfs(path)
            found.append(
                {
                    "path": path,
                    "free_bytes": stat.f_bavail * stat.f_frsize,
                    "total_bytes": stat.f_blocks * stat.f_frsize,
                    "free_inodes": stat.f_favail,
                }
            )
    return found


def apt_audit() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for line in host.run(["apt-config", "dump"]).splitlines():
        name, _, value = line.rstrip(";").partition(" ")
        if name in AUDITED_OPTIONS:
            found[name] = value.strip('"')
    sources = sorted(glob.glob("/etc/apt/sources.list.d/*.list") + glob.glob("/etc/apt/sources.list.d/*.sources"))
    if os.path.exists("/etc/apt/sources.list") and os.path.getsize("/etc/apt/sources.list"):
        sources.insert(0, "/etc/apt/sources.list")
    return {"options": found, "sources": sources, "internal_only": sources == [host.INTERNAL_SOURCE]}


def kernels() -> tuple[str, str | None]:
    """(running release, newest installed image's release or None where there is no kernel package)."""
    running = os.uname().release
    installed = [os.path.basename(path)[len("vmlinuz-") :] for path in glob.glob("/boot/vmlinuz-*")]
    newest: str | None = None
    for release in installed:
        if newest is None or host.older(newest, release):
            newest = release
    return running, newest


def main() -> None:
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    try:
        release = os_release()
        running, newest = kernels()
        restart = needrestart()
        stale = host.stale_processes()
        with open("/proc/uptime") as uptime, open("/proc/sys/kernel/random/boot_id") as boot:
            uptime_seconds, boot_id = float(uptime.read().split()[0]), boot.read().strip()
        inventory = {
            "collected_at": host.now(),
            "os_id": release.get("ID", "unknown"),
            "os_codename": release.get("VERSION_CODENAME", ""),
            "architecture": host.run(["dpkg", "--print-architecture"]).strip(),
            "kernel_running": running,
            "kernel_installed": newest,
            "kernel_build": os.uname().version,
            "boot_id": boot_id,
            "uptime_seconds": uptime_seconds,
            "reboot_required": os.path.exists("/run/reboot-required")
            or any(process["pid"] == 1 for process in stale)
            or (newest is not None and newest != running),
            "services": services(),
            "services_needing_restart": sorted({p["unit"] for p in stale if p["unit"]} | set(restart["services"])),
            "stale_processes": stale,
            "stale_packages": host.owners_of(path for process in stale for path in process["files"]),
            "needrestart": restart,
            "mounts": mounts(),
            "apt": apt_audit(),
            "dpkg_audit": host.dpkg_audit(),
            "local_changes": suture_local.local_changes(),
            "lease": host.suture_job.read_lease(),
            "packages": host.packages(),
        }
    except (host.HostError, OSError) as error:
        module.fail_json(msg=f"The inventory could not be taken: {error}.")
    module.exit_json(changed=False, inventory=inventory)


if __name__ == "__main__":
    main()
