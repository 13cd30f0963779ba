"""Everything the warehouse knows of one campaign, gathered once, so that a report is one moment's truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from suture import evidence
from suture.campaign import Campaign, fetch_campaign
from suture.compliance.coverage import InstalledPackage, Look, StepFacts
from suture.evidence import AnchoredHead, Fault
from suture.inventory.debian_version import BadVersionError, relation
from suture.store import Store

Row = Mapping[str, Any]
NEWEST_CHECKED, MOST_CHECKED = 1_000, 20_000  # records of the chain that a page checks (0.3 million a second)


@dataclass(frozen=True)
class ChainState:
    """The evidence chain as found: its head (0 and None when empty), its faults, its newest anchor (None: none).

    checked_from: the first record that was checked in its place; 1: all were.
    """

    records: int
    head_seq: int
    head_hash: str | None
    faults: tuple[Fault, ...]
    anchor: AnchoredHead | None
    checked_from: int = 1


@dataclass(frozen=True)
class Dossier:
    """Rows as the warehouse gave them, in its order."""

    campaign: Campaign
    hosts: Sequence[Row]
    packages: Sequence[Row]
    steps: Sequence[Row]
    changes: Sequence[Row]
    approvals: Sequence[Row]
    verdicts: Sequence[Row]
    tests: Sequence[Row]
    backups: Sequence[Row]
    intakes: Sequence[Row]
    incidents: Sequence[Row]
    findings: Sequence[Row]
    sources: Sequence[Row]
    records: Sequence[Row]
    chain: ChainState


def gather(
    store: Store, campaign_id: str, *, anchors: Sequence[AnchoredHead] = (), whole_chain: bool = True
) -> Dossier:
    """Read it all. whole_chain: False checks only the evidence that a page shows, and the newest (read_newest).

    Raises LifecycleError when there is no such campaign.
    """
    campaign = fetch_campaign(store, campaign_id)
    one = {"campaign_id": campaign_id}
    records = store.fetch_all("evidence/list_evidence", one)
    return Dossier(
        campaign=campaign,
        hosts=store.fetch_all("report/list_report_hosts", one),
        packages=store.fetch_all("report/list_report_packages", one),
        steps=store.fetch_all("report/list_report_steps", one),
        changes=store.fetch_all("report/list_version_changes", one),
        approvals=store.fetch_all("approval/list_approvals", one),
        verdicts=store.fetch_all("report/list_report_verdicts", one),
        tests=store.fetch_all("report/list_report_tests", one),
        backups=store.fetch_all("report/list_report_backups", one),
        intakes=store.fetch_all("report/list_report_intakes", one),
        incidents=store.fetch_all("report/list_report_incidents", one),
        findings=store.fetch_all("report/list_report_findings", one),
        sources=store.fetch_all("report/list_report_sources"),
        records=records,
        chain=read_chain(store, anchors) if whole_chain else read_newest(store, records, anchors),
    )


def read_chain(store: Store, anchors: Sequence[AnchoredHead] = ()) -> ChainState:
    """Read and check the whole chain (about 0.3 million records a second)."""
    rows = store.fetch_all("evidence/list_evidence", {"campaign_id": None})
    last = rows[-1] if rows else None
    return ChainState(
        records=len(rows),
        head_seq=last["seq"] if last else 0,
        head_hash=last["hash"] if last else None,
        faults=tuple(evidence.verify_rows(rows, anchors)),
        anchor=anchors[-1] if anchors else None,
    )


def read_newest(store: Store, own: Sequence[Row], anchors: Sequence[AnchoredHead] = ()) -> ChainState:
    """Check the records `own` (a campaign's), and the chain from the newest anchor on, at least its last thousand records.

    A page must open in a moment however long the chain has become; `evidence verify` and each report read all of it.
    """
    head = store.fetch_one("evidence/fetch_evidence_head")
    head_seq = int(head["seq"]) if head else 0
    newest = anchors[-1].seq if anchors else 0
    start = max(1, min(newest or 1, head_seq - NEWEST_CHECKED), head_seq - MOST_CHECKED)
    rows = store.fetch_all("evidence/list_evidence_from", {"seq": start})
    faults = {(fault.kind, fault.seq): fault for fault in evidence.verify_stretch(rows, anchors)}
    faults |= {(fault.kind, fault.seq): fault for fault in evidence.edited(own)}
    # An anchor beyond the head: the end was cut off, however short the stretch.
    if newest > head_seq and not rows:
        faults |= {(fault.kind, fault.seq): fault for fault in evidence.verify_rows([], anchors)}
    return ChainState(
        records=head_seq,
        head_seq=head_seq,
        head_hash=head["hash"] if head else None,
        faults=tuple(faults.values()),
        anchor=anchors[-1] if anchors else None,
        checked_from=start,
    )


_FORWARD, _BACK = ("patch", "patch_again", "patch_mirror"), ("restore", "restore_mirror")


def _newest(own: Mapping[str, Row], names: Sequence[str]) -> datetime | None:
    return max((at for name in names if (at := _done_at(own.get(name))) is not None), default=None)


def step_facts(steps: Sequence[Row], host_id: str, plan_hash: str) -> StepFacts:
    """What became of the campaign's present plan on a host."""
    own = {row["phase"]: row for row in steps if row["host_id"] == host_id and row["plan_hash"] == plan_hash}
    unfinished = next((row for row in own.values() if row["status"] in ("running", "unknown")), None)
    failed = next((row for row in own.values() if row["status"] == "failed"), None)
    patched, restored = (_newest(own, names) for names in (_FORWARD, _BACK))
    return StepFacts(
        patched_at=patched,
        verified_at=_done_at(own.get("verify")),
        restored_at=restored if restored and (patched is None or restored > patched) else None,
        failure=f"{failed['phase']} failed: {failed['error'] or 'no reason was kept'}" if failed else None,
        unfinished=(
            f"{unfinished['phase']} began at {unfinished['started_at']:%Y-%m-%d %H:%M} UTC and its end is not known."
            if unfinished
            else None
        ),
    )


@dataclass(frozen=True)
class Seen:
    """The newest look at a host: when, and the versions it found (None: the inventory's own are the newest)."""

    look: Look
    versions: Mapping[str, str] | None


def newest_look(host: Row, steps: Sequence[Row], plan_hash: str) -> Seen:
    """The inventory's look or a later one that a phase of this plan took."""
    at: datetime | None = host["collected_at"]
    fault = None if host["reachable"] else f"Unreachable: {host['last_error'] or 'no reason was kept'}"
    versions: Mapping[str, str] | None = None
    for row in steps:
        if row["host_id"] != host["host_id"] or row["plan_hash"] != plan_hash:
            continue
        state = row["report"].get("state") or row["report"].get("after") or {}
        # The end of the phase by our clock, not the host's: the two need not agree.
        taken = row["finished_at"]
        if taken is None or (at is not None and taken < at) or "versions" not in state:
            continue
        at, versions = taken, state["versions"]
        fault = f"dpkg is not whole: {' '.join(state['dpkg_audit'])}" if state.get("dpkg_audit") else None
    return Seen(Look(at, fault), versions)


def installed(row: Row, seen: Seen) -> InstalledPackage:
    """One planned package as the newest look found it."""
    target, version, dpkg_status = row["target_version"], row["installed_version"], row["dpkg_status"]
    if seen.versions is not None:
        version, dpkg_status = seen.versions.get(row["package"]), None
    return InstalledPackage(target, version, _relation(version, target), dpkg_status)


def _relation(version: str | None, target: str) -> str | None:
    if version is None:
        return None
    try:
        return {"<": "older", "=": "equal", ">": "newer"}[relation(version, target)]
    except BadVersionError:
        return None


def _done_at(row: Row | None) -> datetime | None:
    return row["finished_at"] if row is not None and row["status"] == "done" else None
