"""Incidents: a patch that hurt is on record, with how many requests out of how many it cost.

The rules:

1. A judge's fail and a failed verification declare an incident; inconclusive does not: nothing was shown to
   be broken.
2. A campaign has one incident a plan: declaring it again (a cleared task) finds the one there is.
3. Severity goes by the share of requests that failed, and never below `low`: critical from 5 %, high from 1
   %, medium above none, low when none failed. Where nobody could count, it is high: unknown is not harmless.
4. An incident is contained when no host of the campaign serves the version any more, closed when a person
   says so.
5. Each of these is evidence.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from suture import evidence
from suture.campaign import Campaign
from suture.errors import SutureError
from suture.model import Verdict
from suture.model.traffic import ServiceImpact
from suture.store import Json, Store


class Severity(StrEnum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class IncidentStatus(StrEnum):
    OPEN = "open"
    CONTAINED = "contained"
    CLOSED = "closed"


class IncidentError(SutureError):
    """An incident that is not there, or is closed already."""


_CRITICAL_SHARE = 0.05
_HIGH_SHARE = 0.01


def calls_for_incident(*, verdict: Verdict | None, verification_failed: bool) -> bool:
    """Whether a halted rollout is an incident."""
    return verdict is Verdict.FAIL or verification_failed


def severity_of(impact: ServiceImpact | None) -> Severity:
    """By the share of failed requests. None, or no request seen at all: nobody could count."""
    share = impact.total.share if impact is not None else None
    if impact is None or share is None:
        return Severity.HIGH
    if share >= _CRITICAL_SHARE:
        return Severity.CRITICAL
    if share >= _HIGH_SHARE:
        return Severity.HIGH
    return Severity.MEDIUM if impact.total.bad else Severity.LOW


def impact_sentence(impact: ServiceImpact | None) -> str:
    """'41 of 6,204 requests failed between 00:10:05 and 00:12:40 UTC (0.66 %); app1: 41 of 830.'"""
    if impact is None or not impact.total.requests:
        return "How many requests failed could not be counted."
    bad = {name: counts for name, counts in impact.by_server.items() if counts.bad}
    where = ", ".join(f"{name}: {counts.bad:,} of {counts.requests:,}" for name, counts in sorted(bad.items()))
    return (
        f"{impact.total.bad:,} of {impact.total.requests:,} requests failed between {impact.since:%H:%M:%S} and"
        f" {impact.until:%H:%M:%S} UTC ({100 * impact.total.bad / impact.total.requests:.2f} %)"
        + (f"; {where}." if where else ".")
    )


def declare(
    store: Store,
    campaign: Campaign,
    *,
    cause: str,
    impact: ServiceImpact | None,
    declared_by: str,
    at: datetime,
) -> str:
    """Declare the campaign's incident (once for a plan); its id. cause: the judge's or the verification's
    sentence.
    """
    incident_id = f"INC-{campaign.campaign_id.removeprefix('SUT-')}-{campaign.plan_hash[:8]}"
    severity = severity_of(impact)
    with store.transaction():
        row = store.fetch_one(
            "incident/insert_incident",
            {
                "incident_id": incident_id,
                "campaign_id": campaign.campaign_id,
                "severity": severity.value,
                "summary": f"{campaign.title}: {cause}",
                "impact": Json(_impact_json(impact)),
                "declared_by": declared_by,
                "declared_at": at,
            },
        )
        if row is not None:
            _record(
                store,
                campaign.campaign_id,
                incident_id,
                "incident_declared",
                declared_by,
                severity,
                impact,
                {"cause": cause},
            )
    return incident_id


def update(
    store: Store,
    campaign_id: str,
    *,
    status: IncidentStatus,
    impact: ServiceImpact | None,
    actor: str,
    at: datetime,
) -> str | None:
    """Bring the campaign's incident up to date (contained, closed; the final count); its id, or None when there
    is none.

    Without an impact the one on record stands. Raises IncidentError when it is closed already.
    """
    with store.transaction():
        found = store.fetch_one("incident/fetch_campaign_incident", {"campaign_id": campaign_id})
        if found is None:
            return None
        severity = severity_of(impact) if impact is not None else Severity(found["severity"])
        severity = max(severity, Severity(found["severity"]), key=list(Severity).index)  # an incident never shrinks
        updated = store.fetch_one(
            "incident/update_incident",
            {
                "incident_id": found["incident_id"],
                "status": status.value,
                "severity": severity.value,
                "impact": Json(_impact_json(impact) if impact is not None else found["impact"]),
                "closed_at": at if status is IncidentStatus.CLOSED else None,
            },
        )
        if updated is None:
            raise IncidentError(f"{found['incident_id']} is closed; it is not opened again.")
        _record(store, campaign_id, found["incident_id"], f"incident_{status.value}", actor, severity, impact, {})
    return str(found["incident_id"])


def _impact_json(impact: ServiceImpact | None) -> dict[str, Any]:
    return {} if impact is None else {**impact.as_json(), "sentence": impact_sentence(impact)}


def _record(
    store: Store,
    campaign_id: str,
    incident_id: str,
    action: str,
    actor: str,
    severity: Severity,
    impact: ServiceImpact | None,
    grounds: Mapping[str, Any],
) -> None:
    evidence.record(
        store,
        actor=actor,
        action=action,
        subject=f"incident:{incident_id}",
        campaign_id=campaign_id,
        grounds={"severity": severity.value, "impact": _impact_json(impact), **grounds},
    )
