"""The report over all hosts: who was looked at, what is open, how old and how late it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from suture.compliance import coverage
from suture.compliance.acceptances import acceptance_list
from suture.compliance.coverage import PatchStatus
from suture.compliance.document import as_json, evidence_state, source_state, tally_json
from suture.compliance.dossier import ChainState, Row, read_chain
from suture.evidence import AnchoredHead
from suture.model import Environment
from suture.store import Store
from suture.wording import counted

FORMAT = "suture/fleet-report/1"
ACCEPTANCE = (
    "acceptance_id", "state", "valid", "why_not", "requested_by", "justification", "compensating_control", "residual_risk",
    "priority", "expires_at", "review_on", "review_due", "days_left", "findings", "live_findings", "hosts",
)  # fmt: skip
DEFINITION = (
    "Counted are production hosts that are not retired. Compliant: looked at within {hours} hours, reachable, and no "
    "open finding past its deadline. Hosts that are stale or unreachable count as not compliant."
)


@dataclass(frozen=True)
class Fleet:
    hosts: Sequence[Row]
    findings: Sequence[Row]
    campaigns: Sequence[Row]
    incidents: Sequence[Row]
    sources: Sequence[Row]
    acceptances: Sequence[Row]
    chain: ChainState


def gather_fleet(store: Store, now: datetime, *, anchors: Sequence[AnchoredHead] = ()) -> Fleet:
    return Fleet(
        hosts=store.fetch_all("report/list_fleet_hosts", {"at": now}),
        findings=store.fetch_all("report/count_open_findings", {"at": now}),
        campaigns=store.fetch_all("campaign/list_campaigns", {"state": None}),
        incidents=store.fetch_all("report/list_report_incidents", {"campaign_id": None}),
        sources=store.fetch_all("report/list_report_sources"),
        acceptances=[
            {name: row[name] for name in ACCEPTANCE}
            for row in acceptance_list(store, now=now)
            if row["state"] in ("requested", "active")
        ],
        chain=read_chain(store, anchors),
    )


def fleet_document(
    fleet: Fleet, *, now: datetime, instance: str, stale_after: timedelta = coverage.STALE_AFTER
) -> dict[str, Any]:
    hours = int(stale_after.total_seconds() // 3600)
    hosts = [_host(row, now, stale_after) for row in fleet.hosts]
    production = [host for host in hosts if host["environment"] == Environment.PRODUCTION.value]
    document: dict[str, Any] = as_json(
        {
            "format": FORMAT,
            "kind": "fleet",
            "generated_at": now,
            "instance": instance,
            "coverage": {
                "definition": DEFINITION.format(hours=hours),
                "stale_after_hours": hours,
                "hosts": tally_json(coverage.tally(PatchStatus(host["status"]) for host in production)),
            },
            "hosts": hosts,
            "findings": fleet.findings,
            "acceptances": fleet.acceptances,
            "campaigns": fleet.campaigns,
            "incidents": fleet.incidents,
            "sources": [source_state(row, now) for row in fleet.sources],
            "evidence": evidence_state(fleet.chain),
        }
    )
    return document


def _host(row: Mapping[str, Any], now: datetime, stale_after: timedelta) -> dict[str, Any]:
    status, reason = _standing(row, now, stale_after)
    return {**row, "status": status.value, "reason": reason}


def _standing(row: Mapping[str, Any], now: datetime, stale_after: timedelta) -> tuple[PatchStatus, str]:
    seen: datetime | None = row["collected_at"]
    if seen is None:
        return PatchStatus.UNKNOWN, row["last_error"] or "This host was never looked at."
    if not row["reachable"]:
        return PatchStatus.UNKNOWN, f"Unreachable: {row['last_error'] or 'no reason was kept'}"
    if now - seen > stale_after:
        return PatchStatus.UNKNOWN, f"Last looked at {seen:%Y-%m-%d %H:%M} UTC."
    if row["overdue_findings"]:
        late = counted(row["overdue_findings"], "open finding is past its", "open findings are past their")
        return PatchStatus.BEHIND, f"{late} deadline."
    return PatchStatus.VERIFIED, f"{counted(row['open_findings'], 'open finding')}, none past its deadline."
