"""Which open findings may be planned now, by their asset group's strategy; the others wait, each with its reason.

A finding's signs are its advisory's: when it came out, KEV, active exploitation, the highest EPSS of its CVEs. Where a
reactive group is touched at all, the rest of what is open in it goes along: one visit instead of several.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from suture.model import Priority
from suture.risk.strategy import Mode, Readiness, Signs, StrategyPolicy
from suture.store import Store

Finding = Mapping[str, Any]


@dataclass(frozen=True)
class Waiting:
    """One source package's fix that waits in an asset group. until: when it goes at the latest, without a trigger."""

    asset_group: str
    strategy: str
    source_package: str
    advisory_id: str
    priority: str
    hosts: int
    until: datetime | None
    reason: str


def ready_findings(store: Store, strategy: StrategyPolicy | None, now: datetime) -> list[Finding]:
    """The plannable findings that do not wait; each with its reason under `strategy` where its group's strategy may wait."""
    findings = store.fetch_all("planning/list_plannable_findings")
    if strategy is None or not strategy.anything_may_wait:
        return list(findings)
    judged = _judged(store, findings, strategy, now)
    return [
        {**finding, "strategy": _sentence(found)} if strategy.of(finding["asset_group"]).may_wait else finding
        for finding, found in judged
        if found.ready
    ]


def waiting_findings(store: Store, strategy: StrategyPolicy, now: datetime) -> list[Waiting]:
    """What waits, why and until when, the soonest first: for the page and the command."""
    waiting: dict[tuple[str, str], Waiting] = {}
    hosts: dict[tuple[str, str], set[str]] = {}
    for finding, found in _judged(store, store.fetch_all("planning/list_plannable_findings"), strategy, now):
        if found.ready:
            continue
        key = (finding["asset_group"], finding["advisory_id"])
        hosts.setdefault(key, set()).add(finding["host_id"])
        waiting[key] = Waiting(
            asset_group=finding["asset_group"],
            strategy=strategy.of(finding["asset_group"]).name,
            source_package=finding["source_package"],
            advisory_id=finding["advisory_id"],
            priority=finding["priority"],
            hosts=len(hosts[key]),
            until=found.until,
            reason=_sentence(found),
        )
    return sorted(waiting.values(), key=lambda one: (one.until or now, one.asset_group, one.advisory_id))


def _judged(
    store: Store, findings: Sequence[Finding], strategy: StrategyPolicy, now: datetime
) -> list[tuple[Finding, Readiness]]:
    ids = sorted({finding["advisory_id"] for finding in findings})
    signs = {row["advisory_id"]: row for row in store.fetch_all("planning/list_advisory_signs", {"advisory_ids": ids})}
    # One answer for each advisory, group, priority and deadline: ten thousand hosts share a few.
    answers: dict[tuple[Any, ...], Readiness] = {}
    judged = []
    for finding in findings:
        key = (finding["asset_group"], finding["advisory_id"], finding["priority"], finding["deadline"])
        if key not in answers:
            own = strategy.of(finding["asset_group"])
            answers[key] = own.readiness(_signs(finding, signs[finding["advisory_id"]]), now, strategy.lead)
        judged.append((finding, answers[key]))
    return _together(judged, strategy)


def _signs(finding: Finding, row: Mapping[str, Any]) -> Signs:
    return Signs(
        published=row["published"],
        priority=Priority(finding["priority"]),
        kev_cve=row["kev_cve"],
        exploited_cve=row["exploited_cve"],
        epss=row["epss"],
        deadline=finding["deadline"],
    )


def _together(judged: Sequence[tuple[Finding, Readiness]], strategy: StrategyPolicy) -> list[tuple[Finding, Readiness]]:
    """A package goes in its newest version, to all hosts of the group; a reactive group that is touched takes all along."""
    touched = {finding["asset_group"] for finding, found in judged if found.ready}
    released = {(finding["asset_group"], finding["source_package"]) for finding, found in judged if found.ready}
    result = []
    for finding, found in judged:
        own = strategy.of(finding["asset_group"])
        verdict = found
        if not found.ready and (finding["asset_group"], finding["source_package"]) in released:
            verdict = Readiness(
                True, f"strategy {own.name}: {finding['source_package']} is due in this group, and goes in its newest version"
            )
        elif not found.ready and own.mode is Mode.REACTIVE and finding["asset_group"] in touched:
            verdict = Readiness(True, f"strategy {own.name}: goes along, since the group is touched anyway")
        result.append((finding, verdict))
    return result


def _sentence(found: Readiness) -> str:
    return f"{found.reason[:1].upper()}{found.reason[1:]}."
