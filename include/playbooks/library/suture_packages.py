"""The only module that changes packages: heal, prepare, install, restore. Each change is a job under the host's lock.

heal     `dpkg --configure -a` when dpkg's audit names something.
prepare  refresh the internal repository's index, choose what of the plan applies here, simulate, refuse what the
plan does
         not name, keep the replaced versions' .debs, fetch the new ones. Installs nothing.
install  exactly what prepare chose.
restore  put back what the manifest says was there before.

Returns {changes: {package: {from, to}}, skipped: {package: why}, manifest, seconds, …}.
"""

from __future__ import annotations

import os
import re
import time
from typing import Any

from ansible.module_utils import suture_host as host
from ansible.module_utils import suture_job, suture_rollback
from ansible.module_utils.basic import AnsibleModule

CAMPAIGN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
Changes = dict[str, tuple[str | None, str]]


def apt_get(options: list[str], *arguments: str) -> list[str]:
    return ["apt-get", "-q", "-y", *options, *arguments]


def heal(token: int) -> dict[str, Any]:
    audit = host.dpkg_audit()
    if not audit:
        return {"changed": False, "healed": [], "audit": []}
    host.run_job("heal", token, [{"name": "dpkg --configure -a", "argv": ["dpkg", "--configure", "-a"]}])
    left = host.dpkg_audit()
    if left:
        raise host.HostError("dpkg is still not whole after --configure -a: " + " ".join(left)[:800])
    return {"changed": True, "healed": audit, "audit": left}


def select(planned: list[dict[str, Any]]) -> tuple[list[str], dict[str, str]]:
    """(apt arguments `package=version`, {package: why it is left alone})."""
    installed = host.installed_versions(package["package"] for package in planned)
    arguments, skipped = [], {}
    for package in planned:
        name, version = package["package"], package["version"]
        if name not in installed:
            skipped[name] = "not installed here"
        elif installed[name] == version:
            skipped[name] = f"already at {version}"
        elif host.older(version, installed[name]):
            skipped[name] = f"{installed[name]} here is newer than the plan's {version}"
        else:
            arguments.append(f"{name}={version}")
    return arguments, skipped


def examine(planned: list[dict[str, Any]], arguments: list[str]) -> Changes:
    """What apt would do, refused when it goes beyond the plan. Raises HostError."""
    if not arguments:
        return {}
    changes, removals = host.simulate(["install", *arguments], host.apt_options())
    if removals:
        raise host.HostError("apt would remove {}".format(", ".join(sorted(removals))))
    versions = {package["package"]: package["version"] for package in planned}
    foreign = sorted(f"{name} {new}" for name, (_, new) in changes.items() if versions.get(name) != new)
    if foreign:
        raise host.HostError("apt would also install {}, which the plan does not name".format(", ".join(foreign)))
    held = sorted(row["package"] for row in host.packages() if row["held"] and row["package"] in changes)
    if held:
        raise host.HostError("{} is held here by somebody else (apt-mark showhold)".format(", ".join(held)))
    return changes


def shown(changes: Changes) -> dict[str, dict[str, str | None]]:
    return {name: {"from": old, "to": new} for name, (old, new) in sorted(changes.items())}


def prepare(token: int, campaign_id: str, planned: list[dict[str, Any]]) -> dict[str, Any]:
    options = host.apt_options()
    host.run_job("update", token, [{"name": "apt-get update", "argv": apt_get(options, "update")}], 300)
    arguments, skipped = select(planned)
    changes = examine(planned, arguments)
    manifest = suture_rollback.keep_replaced(campaign_id, changes) if changes else {"replaced": {}, "added": []}
    if arguments:
        fetch = apt_get(options, "install", "--no-remove", "--download-only", *arguments)
        host.run_job("fetch", token, [{"name": "apt-get install --download-only", "argv": fetch}], 900)
    return {"changed": bool(changes), "changes": shown(changes), "skipped": skipped, "manifest": manifest}


def install(token: int, planned: list[dict[str, Any]]) -> dict[str, Any]:
    arguments, skipped = select(planned)
    changes = examine(planned, arguments)
    job: dict[str, Any] = {"steps": []}
    if arguments:
        argv = apt_get(host.apt_options(), "install", "--no-remove", *arguments)
        job = host.run_job("install", token, [{"name": "apt-get install", "argv": argv}])
    return {
        "changed": bool(changes),
        "changes": shown(changes),
        "skipped": skipped,
        "job": job["steps"],
        "log": job.get("tail", "")[-4000:],
    }


def restore(token: int, campaign_id: str) -> dict[str, Any]:
    manifest = suture_rollback.read_manifest(campaign_id)
    debs = suture_rollback.checked_debs(campaign_id, manifest)
    before = host.installed_versions([*manifest["replaced"], *manifest["added"]])
    removals = [f"{name}-" for name in manifest["added"] if name in before]
    steps = []
    if host.dpkg_audit():
        steps.append({"name": "dpkg --configure -a", "argv": ["dpkg", "--configure", "-a"], "accepted_rc": [0, 1]})
    if debs or removals:
        argv = apt_get(host.apt_options(), "install", "--allow-downgrades", *debs, *removals)
        steps.append({"name": "apt-get install --allow-downgrades", "argv": argv})
    job = host.run_job("restore", token, steps) if steps else {"steps": []}
    after = host.installed_versions(manifest["replaced"])
    wrong = sorted(
        "{} is {}, not {}".format(name, after.get(name), kept["version"])
        for name, kept in manifest["replaced"].items()
        if after.get(name) != kept["version"]
    )
    if wrong:
        raise host.HostError("after the restore " + "; ".join(wrong))
    suture_rollback.close_manifest(campaign_id)
    changes: Changes = {
        name: (before.get(name), kept["version"])
        for name, kept in manifest["replaced"].items()
        if before.get(name) != kept["version"]
    }
    return {
        "changed": bool(changes),
        "changes": shown(changes),
        "removed": [name[:-1] for name in removals],
        "skipped": {} if manifest["replaced"] else {"*": "this campaign changed nothing here"},
        "job": job["steps"],
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "action": {"choices": ["heal", "prepare", "install", "restore"], "required": True},
            "token": {"type": "int", "required": True},
            "campaign_id": {"type": "str"},
            "packages": {"type": "list", "elements": "dict", "default": []},
        }
    )
    action, token, campaign_id = (module.params[name] for name in ("action", "token", "campaign_id"))
    started = time.monotonic()
    try:
        suture_job.require_token(token)
        planned = host.checked_packages(module.params["packages"])
        if action in ("prepare", "restore") and not CAMPAIGN_ID.fullmatch(campaign_id or ""):
            raise host.HostError(f"{campaign_id!r} is not a campaign's id")
        if action == "heal":
            result = heal(token)
        elif action == "prepare":
            result = prepare(token, campaign_id, planned)
        elif action == "install":
            result = install(token, planned)
        else:
            result = restore(token, campaign_id)
    except (host.HostError, suture_job.StaleTokenError, OSError) as error:
        module.fail_json(msg="Packages, {} on {}: {}.".format(action, os.uname().nodename, str(error).rstrip(".")))
    module.exit_json(seconds=round(time.monotonic() - started, 3), **result)


if __name__ == "__main__":
    main()
