"""Scoring the warehouse: decide each (advisory, kind of asset) once, fan the decisions out to the findings.

While a feed that policy requires is stale, a priority may be raised but not lowered (`may_lower=False`): data too
old to trust must not be what lets a finding wait longer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from suture import evidence
from suture.errors import BadInputError
from suture.model import Criticality, Exposure, Priority
from suture.model.assets import AssetRegister
from suture.risk.cvss_scoring import REQUIREMENTS, Requirements
from suture.risk.decision import AssetProfile, Decision, decide
from suture.risk.facts import CveFacts, ScoreClaim
from suture.risk.policies import RiskPolicy
from suture.store import Json, Store


@dataclass(frozen=True)
class ScoreCounts:
    """changed: findings whose priority, score, deadline or reasons changed; open_by_priority: what is open now."""

    decisions: int
    changed: int
    unscored: int
    open_by_priority: Mapping[str, int]

    @property
    def sentence(self) -> str:
        parts = [f"{count} {word.replace('_', ' ')}" for word, count in self.open_by_priority.items() if count]
        found = ", ".join(parts) or "none"
        return f"Open findings: {found}; {self.unscored} of them unscored. {self.changed} changed in this run."


def score_all(
    store: Store,
    policy: RiskPolicy,
    register: AssetRegister,
    *,
    now: datetime,
    may_lower: bool = True,
    actor: str = "suture:risk_scoring",
) -> ScoreCounts:
    """Give every open finding its priority, score, deadline and reasons by what the warehouse knows now."""
    facts = read_facts(store)
    cves_of = {row["advisory_id"]: row["cve_ids"] for row in store.fetch_all("advisory/list_advisory_cves")}
    decisions = []
    for row in store.fetch_all("finding/list_scoring_groups"):
        named = [facts.get(cve_id, CveFacts(cve_id)) for cve_id in cves_of.get(row["advisory_id"], ())]
        decision = decide(named, profile_of(row, register), policy, released_at=row.get("released_at"))
        decisions.append(_decision_row(row, decision))
    with store.transaction():
        changed = store.fetch_all(
            "finding/score_findings", {"decisions": Json(decisions), "now": now, "may_lower": may_lower}
        )
        counted = store.fetch_all("finding/count_findings")
        counts = ScoreCounts(
            decisions=len(decisions),
            changed=len(changed),
            unscored=sum(row["unscored"] for row in counted),
            open_by_priority={row["priority"]: row["findings"] for row in counted},
        )
        if changed:
            evidence.record(
                store,
                actor=actor,
                action="findings_scored",
                subject="findings:all",
                grounds={
                    "changed": counts.changed,
                    "unscored": counts.unscored,
                    "open_by_priority": dict(counts.open_by_priority),
                    "table": policy.table_name,
                    "policies": dict(policy.digests),
                    "may_lower": may_lower,
                },
                at=now,
            )
    return counts


def profile_of(row: Mapping[str, Any], register: AssetRegister) -> AssetProfile:
    """The asset profile of a host's row; requirements from the register where it states them, else by criticality."""
    criticality = Criticality(row["criticality"])
    return AssetProfile(
        asset_group=row["asset_group"],
        criticality=criticality,
        exposure=Exposure(row["exposure"]),
        requirements=_requirements(row["asset_group"], criticality, register),
    )


def read_facts(store: Store) -> dict[str, CveFacts]:
    """What the warehouse knows of every CVE that an open finding's advisory names."""
    return {row["cve_id"]: facts_from_row(row) for row in store.fetch_all("cve/list_cve_facts")}


def facts_from_row(row: Mapping[str, Any]) -> CveFacts:
    return CveFacts(
        cve_id=row["cve_id"],
        scores=tuple(_claims(row["claims"] or ())),
        exploitation=row["exploitation"],
        automatable=row["automatable"],
        technical_impact=row["technical_impact"],
        ssvc_source=row["ssvc_source"],
        ssvc_dated_at=row["ssvc_dated_at"],
        kev_added=row["kev_added"],
        kev_due=row["kev_due"],
        known_ransomware=row["known_ransomware"],
        epss=row["epss"],
        epss_date=row["epss_date"],
        record_status=row["record_status"],
        record_as_of=row["record_as_of"],
        state=row["state"],
        kev_as_of=row.get("kev_as_of"),
    )


def _claims(found: Iterable[Mapping[str, Any]]) -> Iterable[ScoreClaim]:
    for claim in found:
        yield ScoreClaim(
            source=claim["source"],
            cvss_version=claim["cvss_version"],
            vector=claim["vector"],
            base_score=None if claim["base_score"] is None else float(claim["base_score"]),
            severity=claim["severity"],
            dated_at=datetime.fromisoformat(claim["dated_at"]) if claim["dated_at"] else None,
        )


def _requirements(asset_group: str, criticality: Criticality, register: AssetRegister) -> Requirements:
    try:
        stated = register.group(asset_group).cvss_requirements
    except BadInputError:  # a host of a group that the register no longer names: its own criticality still holds
        stated = {}
    return {**REQUIREMENTS[criticality], **stated}


def _decision_row(row: Mapping[str, Any], decision: Decision) -> dict[str, Any]:
    return {
        **{name: row[name] for name in ("advisory_id", "asset_group", "criticality", "exposure")},
        "priority": decision.priority.value,
        "priority_rank": decision.priority.rank,
        "score": decision.score,
        "within_hours": decision.within.total_seconds() / 3600,
        "due_dates": [due.isoformat() for due in decision.due_dates],
        "reasons": decision.reasons(),
    }


def most_urgent(priorities: Iterable[Priority]) -> Priority:
    """The most urgent of some priorities. Raises ValueError when there is none."""
    return min(priorities, key=lambda priority: priority.rank)
