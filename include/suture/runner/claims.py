"""Whether a host's report proves what it says. Hosts can be wrong about themselves, and broken ones often are."""

from __future__ import annotations

from suture.inventory.debian_version import compare
from suture.model import CampaignPlan
from suture.runner.interface import Phase, Report


def contradiction(phase: Phase, report: Report, plan: CampaignPlan) -> str | None:
    """What in a report of `done` denies it; None when it proves itself."""
    if report.get("status") != "done":
        return f"its status is {report.get('status')!r}"
    if phase in (Phase.PATCH, Phase.VERIFY):
        return _versions(report["after" if phase is Phase.PATCH else "state"], plan)
    if phase in (Phase.RESTORE, Phase.RELEASE, Phase.PREFLIGHT, Phase.DATA_CHECK):
        return _faults(report["after" if phase is Phase.RESTORE else "state"])
    if phase is Phase.BACKUP:
        backup = report["backup"]
        if not backup["taken_at"] <= backup["checked_at"] <= backup["restored_at"]:
            return "its backup was proven before it was taken"
    return None


def _faults(state: Report) -> str | None:
    return f"it lists faults: {'; '.join(state['faults'])}" if state["faults"] else None


def _versions(state: Report, plan: CampaignPlan) -> str | None:
    planned = {package.package: package.version for package in plan.packages}
    for name, version in sorted(state["versions"].items()):
        wanted = planned.get(name)
        # A newer version than the plan's is left alone by the playbook, which says so in `skipped`.
        if wanted is not None and compare(version, wanted) < 0:
            return f"{name} is {version}, the plan says {wanted}"
    if state["dpkg_audit"]:
        return f"dpkg is not whole: {' '.join(state['dpkg_audit'])[:200]}"
    return _faults(state)
