"""The campaign's report as a document: plain JSON by include/schemas/reports/compliance.schema.json.

HTML and CSV are drawn from it alone, so that the three never differ. Times are RFC 3339 in UTC; unknown is null, never
zero.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from suture.campaign.lifecycle import MEANING
from suture.compliance import coverage
from suture.compliance.coverage import PatchStatus, Tally
from suture.compliance.dossier import ChainState, Dossier, Row, installed, newest_look, step_facts
from suture.compliance.timeline import entries
from suture.model import Environment

FORMAT = "suture/compliance-report/1"
ACCEPTED, OPEN = "accepted", "open"


def campaign_document(
    dossier: Dossier,
    *,
    now: datetime,
    instance: str,
    stale_after: timedelta = coverage.STALE_AFTER,
    cut: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """The whole document. `now` is the moment it is true for.

    cut: takes from it what a page does not show, before the rest is made JSON (at a thousand hosts most of the time).
    """
    campaign = dossier.campaign
    plan_hash = dossier.campaign.plan_hash
    steps, packages, changes = (_by_host(rows) for rows in (dossier.steps, dossier.packages, dossier.changes))
    hosts = [
        _host(
            plan_hash, row, steps[row["host_id"]], packages[row["host_id"]], changes[row["host_id"]], now, stale_after
        )
        for row in dossier.hosts
    ]
    cves = sorted({cve for finding in dossier.findings for cve in finding["cve_ids"]})
    document: dict[str, Any] = {
        "format": FORMAT,
        "kind": "campaign",
        "generated_at": now,
        "instance": instance,
        "campaign": {
            "campaign_id": campaign.campaign_id,
            "title": campaign.title,
            "state": campaign.state.value,
            "state_meaning": MEANING[campaign.state],
            "state_reason": campaign.state_reason,
            "priority": campaign.priority.value,
            "deadline": campaign.deadline,
            "asset_group": campaign.plan.asset_group,
            "source": campaign.plan.source,
            "window_name": campaign.window_name,
            "requested_by": campaign.requested_by,
            "plan_hash": campaign.plan_hash,
            "reasons": list(campaign.reasons),
            "cve_ids": cves,
            "created_at": campaign.created_at,
            "updated_at": campaign.updated_at,
        },
        "coverage": _coverage(hosts, stale_after),
        "hosts": hosts,
        "approvals": dossier.approvals,
        "verdicts": dossier.verdicts,
        "tests": [_without(row, "cases") for row in dossier.tests],
        "intakes": dossier.intakes,
        "backups": dossier.backups,
        "incidents": dossier.incidents,
        "exceptions": _exceptions(dossier, hosts, now),
        "sources": [source_state(row, now) for row in dossier.sources],
        "timeline": [vars(entry) for entry in entries(dossier.records)],
        "evidence": evidence_state(dossier.chain, campaign_records=len(dossier.records)),
    }
    shown: dict[str, Any] = as_json(document if cut is None else cut(document))
    return shown


def as_json(value: Any) -> Any:
    """Rows as JSON values: moments as RFC 3339 in UTC, decimals as floats."""
    if isinstance(value, Mapping):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    return value


def tally_json(tally: Tally) -> dict[str, Any]:
    return {
        "counted": tally.counted,
        "compliant": tally.compliant,
        "share": tally.share,
        "by_status": tally.by_status,
    }


def source_state(row: Row, now: datetime) -> dict[str, Any]:
    """A feed: its last try, and the data in use with its age. age_hours is null when no data was ever good.

    The age is the data's own where the feed says how old it is, otherwise that of its last good fetch.
    """
    since = row["data_date"] or row["good_fetched_at"]
    return {
        **{
            key: row[key] for key in ("source", "url", "status", "reason", "fetched_at", "good_fetched_at", "data_date")
        },
        "age_hours": round((now - since).total_seconds() / 3600, 1) if since else None,
        "dated_snapshot": bool(row["dated_snapshot"]),
        "record_count": row["record_count"],
        "quarantined_count": row["quarantined_count"] or 0,
    }


def evidence_state(chain: ChainState, *, campaign_records: int | None = None) -> dict[str, Any]:
    anchor = chain.anchor
    return {
        "records": chain.records,
        "campaign_records": campaign_records,
        "checked_from": chain.checked_from,
        "head_seq": chain.head_seq,
        "head_hash": chain.head_hash,
        "whole": not chain.faults,
        "faults": [{"kind": f.kind.value, "seq": f.seq, "sentence": f.sentence} for f in chain.faults],
        "anchor": {"seq": anchor.seq, "hash": anchor.hash, "anchored_at": anchor.anchored_at} if anchor else None,
    }


def _by_host(rows: Iterable[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row["host_id"]].append(row)
    return found


def _host(
    plan_hash: str,
    row: Row,
    steps: Sequence[Row],
    planned_packages: Sequence[Row],
    changed: Sequence[Row],
    now: datetime,
    stale_after: timedelta,
) -> dict[str, Any]:
    """One host of the campaign; steps, planned_packages and changed are its own rows."""
    host_id = row["host_id"]
    facts = step_facts(steps, host_id, plan_hash)
    seen = newest_look(row, steps, plan_hash)
    changes = {change["package"]: change for change in changed}
    packages, standings = [], []
    for planned in planned_packages:
        package = installed(planned, seen)
        standing = coverage.stand(package, facts, seen.look, now=now, stale_after=stale_after)
        standings.append(standing)
        change: Mapping[str, Any] = changes.get(planned["package"], {})
        packages.append(
            {
                "package": planned["package"],
                "architecture": planned["architecture"],
                "source_package": planned["source_package"],
                "target_version": package.target_version,
                "before": change.get("before", package.version),
                "patched": change.get("patched"),
                "after": package.version,
                "status": standing.status.value,
                "reason": standing.reason,
            }
        )
    whole = coverage.host_standing(standings)
    return {
        "host_id": host_id,
        "ring": row["ring"],
        "environment": row["environment"],
        "criticality": row["criticality"],
        "status": whole.status.value,
        "reason": whole.reason,
        "seen_at": seen.look.at,
        "reachable": row["reachable"],
        "reboot_required": row["reboot_required"],
        "services_needing_restart": row["services_needing_restart"],
        "packages": packages,
        "steps": [
            {key: step[key] for key in ("phase", "status", "error", "started_at", "finished_at")}
            for step in steps
            if step["plan_hash"] == plan_hash
        ],
    }


def _coverage(hosts: Sequence[Mapping[str, Any]], stale_after: timedelta) -> dict[str, Any]:
    hours = int(stale_after.total_seconds() // 3600)
    production = [host for host in hosts if host["environment"] == Environment.PRODUCTION.value]
    return {
        "definition": coverage.DEFINITION.format(hours=hours),
        "stale_after_hours": hours,
        "hosts": tally_json(coverage.tally(PatchStatus(host["status"]) for host in production)),
        "host_packages": tally_json(
            coverage.tally(PatchStatus(package["status"]) for host in production for package in host["packages"])
        ),
    }


def _exceptions(dossier: Dossier, hosts: Iterable[Mapping[str, Any]], now: datetime) -> list[dict[str, Any]]:
    """What a reader must not overlook: accepted risks, findings past their deadline, hosts that are not compliant."""
    found = [
        {
            "kind": "accepted_risk" if row["status"] == ACCEPTED else "overdue",
            "subject": f"{row['host_id']}: {row['source_package']}",
            "sentence": f"{_accepted_or_open(row)}; its deadline is {row['deadline']:%Y-%m-%d %H:%M} UTC.",
        }
        for row in dossier.findings
        if row["status"] == ACCEPTED or (row["status"] == OPEN and row["deadline"] < now)
    ]
    fine = (PatchStatus.VERIFIED.value, PatchStatus.NOT_APPLICABLE.value)
    found += [
        {"kind": "not_compliant", "subject": host["host_id"], "sentence": f"{host['status']}: {host['reason']}"}
        for host in hosts
        if host["environment"] == Environment.PRODUCTION.value and host["status"] not in fine
    ]
    return found


def _accepted_or_open(row: Row) -> str:
    """An accepted finding with its acceptance; one whose acceptance does not hold by the facts of now is said to be so."""
    if row["status"] != ACCEPTED:
        return f"{row['advisory_id']} is {row['status']}"
    if row["acceptance_id"] is None:
        return f"{row['advisory_id']} is marked as accepted, but no acceptance that holds covers it"
    return (
        f"{row['advisory_id']} is accepted by {row['acceptance_id']} until {row['accepted_until']:%Y-%m-%d %H:%M} UTC, "
        f"residual risk {row['residual_risk']}"
    )


def _without(row: Row, *names: str) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in names}
