"""A campaign with a past, as the stages write it: planned, proven, tested, released, patched; verified or halted."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from suture.campaign import CampaignState, fetch_campaign, move, pin_packages
from suture.campaign.approvals import Gate, Seat, decide
from suture.model import Ring
from suture.store import Json, Store
from tests.unit.campaign.campaigns import NGINX, NOW, PLAN, add_campaign

OLD, NEW = "1.22.1-9+deb12u3", NGINX.version
HOSTILE = "<script>alert('x')</script>"
GATE = Gate(
    "release",
    (Seat("first", "owner", ("vera",)), Seat("second", "manager", ("amir",))),
    timedelta(hours=1),
    timedelta(days=14),
)
S = CampaignState
INCIDENT = {"requests": 12034, "failed": 57, "by_host": {"app1": {"requests": 1150, "failed": 57}}}
MEASURES = {
    "canary": ["app1"],
    "control": ["app2"],
    "missing": [],
    "compared": {
        "errors": {
            "requests": {"requests": 1150, "bad": 57},
            "control_requests": {"requests": 5500, "bad": 0},
            "increase_at_least": 0.031,
            "increase_at_most": 0.071,
            "evidence_one_to": 4.1e8,
            "limit_one_to": 100.0,
            "looks": 61,
            "notes": [],
        }
    },
}


def put(store: Store, table: str, **row: Any) -> None:
    columns = ", ".join(row)
    marks = ", ".join(f"%({name})s" for name in row)
    values = {name: Json(value) if isinstance(value, dict) else value for name, value in row.items()}
    store._connection.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", values)


def released(store: Store) -> str:
    """A campaign of two production hosts that two people released."""
    rings = {**PLAN.rings, Ring.RING_1: ("app2",)}
    campaign_id = add_campaign(store, plan=replace(PLAN, rings=rings))
    proven = replace(NGINX, sha256="ab" * 32, size_bytes=1024, filename="pool/nginx.deb")
    pin_packages(store, campaign_id, [proven], actor="suture:signature_validation")
    put(
        store, "intake", campaign_id=campaign_id, source="debian-security", verdict="adopted", reason=None,
        sentence="1 package proven and adopted.", snapshot_ref="snap-1", decided_at=NOW,
        chain={
            "key_fingerprint": "F" * 40, "key_owner": HOSTILE, "inrelease_sha256": "cd" * 32,
            "date": "2026-11-20T00:00:00+00:00",
            "files": [{"package": "nginx", "version": NEW, "architecture": "amd64", "sha256": "ab" * 32}],
        },
    )  # fmt: skip
    for came, went in ((S.PLANNED, S.VALIDATED), (S.VALIDATED, S.TESTED)):
        move(store, campaign_id, expected=came, to=went, actor="suture:test", reason="All proofs held.", at=NOW)
    put(
        store, "test_run", campaign_id=campaign_id, stage="after", host_id="stg-app1", passed=True, tests=9, failures=0,
        duration_seconds=3.5, started_at=NOW,
    )  # fmt: skip
    plan_hash = fetch_campaign(store, campaign_id).plan_hash
    for approver, seat in (("vera", "first"), ("amir", "second")):
        decide(
            store, campaign_id=campaign_id, gate=GATE, seat_name=seat, approver=approver, decision="approve",
            plan_hash=plan_hash, comment=HOSTILE, at=NOW,
        )  # fmt: skip
    move(store, campaign_id, expected=S.TESTED, to=S.APPROVED, actor="suture:test", reason="Released.", at=NOW)
    for host_id in ("app1", "app2"):
        put(
            store, "backup", campaign_id=campaign_id, host_id=host_id, tool="restic", repository="/var/backups",
            snapshot_ref="0a1b2c3d", status="verified", taken_at=NOW, checked_at=NOW, restored_at=NOW, size_bytes=4096,
            details={},
        )  # fmt: skip
        install(store, host_id, OLD, NOW)
    put(
        store, "feed_snapshot", source="nvd", url="http://127.0.0.1/nvd", status="accepted", dated_snapshot=True,
        data_date=NOW - timedelta(days=3), record_count=94, fetched_at=NOW,
    )  # fmt: skip
    put(
        store, "feed_snapshot", source="kev", url="http://127.0.0.1/kev", status="unreachable", reason="No answer.",
        fetched_at=NOW,
    )  # fmt: skip
    move(store, campaign_id, expected=S.APPROVED, to=S.ROLLING_OUT, actor="suture:test", reason="Window.", at=NOW)
    return campaign_id


def install(store: Store, host_id: str, version: str, at: datetime, *, dpkg_status: str = "ii") -> None:
    """What inventory_sync writes when it looked at a host."""
    store._connection.execute("DELETE FROM host_package WHERE host_id = %s", (host_id,))
    put(
        store, "host_package", host_id=host_id, package="nginx", architecture="amd64", version=version,
        source_package="nginx", source_version=version, dpkg_status=dpkg_status,
    )  # fmt: skip
    store._connection.execute("UPDATE host SET collected_at = %s WHERE host_id = %s", (at, host_id))


def step(
    store: Store, campaign_id: str, host_id: str, phase: str, at: datetime, *, status: str = "done", **report: Any
) -> None:
    finished = at if status in ("done", "failed") else None
    put(
        store, "host_step", campaign_id=campaign_id, host_id=host_id, phase=phase, status=status, token=1,
        plan_hash=fetch_campaign(store, campaign_id).plan_hash, report=report, started_at=at - timedelta(seconds=9),
        finished_at=finished, error="it did not come up" if status == "failed" else None,
    )  # fmt: skip


def patch(store: Store, campaign_id: str, host_id: str, at: datetime, *, status: str = "done") -> None:
    step(
        store, campaign_id, host_id, "patch", at, status=status,
        before={"versions": {"nginx": OLD}}, after={"versions": {"nginx": NEW}, "dpkg_audit": []},
        changes={"nginx": {"from": OLD, "to": NEW}}, way_back={"replaced": {"nginx": {"version": OLD}}, "added": []},
    )  # fmt: skip


def verify(store: Store, campaign_id: str, host_id: str, at: datetime) -> None:
    state = {"versions": {"nginx": NEW}, "dpkg_audit": [], "faults": []}
    step(store, campaign_id, host_id, "verify", at, state=state)


def verified(store: Store) -> str:
    """Both hosts patched and verified, every ring judged."""
    campaign_id = released(store)
    for minutes, host_id, ring in ((1, "app1", "canary"), (5, "app2", "ring_1")):
        patch(store, campaign_id, host_id, NOW + timedelta(minutes=minutes))
        verify(store, campaign_id, host_id, NOW + timedelta(minutes=minutes + 1))
        put(
            store, "verdict", campaign_id=campaign_id, ring=ring, verdict="pass", reason="No worse.", measures=MEASURES,
            started_at=NOW, judged_at=NOW + timedelta(minutes=minutes + 2),
        )  # fmt: skip
    move(store, campaign_id, expected=S.ROLLING_OUT, to=S.VERIFIED, actor="suture:test", reason="All verified.")
    return campaign_id


def rolled_back(store: Store) -> str:
    """The canary failed its judge and was restored; an incident is on record."""
    campaign_id = released(store)
    patch(store, campaign_id, "app1", NOW + timedelta(minutes=1))
    put(
        store, "verdict", campaign_id=campaign_id, ring="canary", verdict="fail", reason="app1 had 57 of 1150 bad.",
        measures=MEASURES, started_at=NOW, judged_at=NOW + timedelta(minutes=2),
    )  # fmt: skip
    put(
        store, "incident", incident_id="INC-1", campaign_id=campaign_id, status="closed", severity="major",
        summary=f"57 of 12,034 requests failed. {HOSTILE}", impact=INCIDENT, declared_by="suture:canary_rollout",
        declared_at=NOW + timedelta(minutes=2), closed_at=NOW + timedelta(minutes=9),
    )  # fmt: skip
    move(store, campaign_id, expected=S.ROLLING_OUT, to=S.HALTED, actor="suture:test", reason="The judge said fail.")
    move(store, campaign_id, expected=S.HALTED, to=S.ROLLING_BACK, actor="olga", reason="By hand.")
    step(
        store, campaign_id, "app1", "restore", NOW + timedelta(minutes=5),
        after={"versions": {"nginx": OLD}, "dpkg_audit": []}, changes={"nginx": {"from": NEW, "to": OLD}},
    )  # fmt: skip
    move(store, campaign_id, expected=S.ROLLING_BACK, to=S.ROLLED_BACK, actor="suture:rollback", reason="Restored.")
    return campaign_id
