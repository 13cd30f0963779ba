"""A released campaign in a real warehouse, and operators that run without an Airflow database."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from suture.campaign import CampaignState, create_campaign, fetch_campaign, move
from suture.model import CampaignPlan, PlannedPackage, Priority, Ring
from suture.settings import PROJECT_ROOT
from suture.store import Store

CAMPAIGN = "SUT-2026-0001"
RINGS = {
    Ring.STAGING: ("stg-app1",),
    Ring.CANARY: ("app1",),
    Ring.RING_1: ("app2", "app3"),
    Ring.RING_2: (),
    Ring.RING_3: ("app4",),
}


@pytest.fixture
def policy_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the project's policies, which a test may change."""
    folder = tmp_path / "policy"
    folder.mkdir()
    for file in (PROJECT_ROOT / "include" / "policy").glob("*.yaml"):
        (folder / file.name).write_text(file.read_text())
    monkeypatch.setenv("SUTURE_POLICY_DIR", str(folder))
    return folder


@pytest.fixture
def warehouse(warehouse_url: str, policy_dir: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("SUTURE_WAREHOUSE_URL", warehouse_url)
    monkeypatch.delenv("AIRFLOW_CONN_SUTURE_WAREHOUSE", raising=False)
    return warehouse_url


@pytest.fixture
def released(store: Store, warehouse: str) -> Store:
    """The campaign, approved; the store to look at it."""
    package = PlannedPackage("acme-portal", "amd64", "1.0.1", "acme-portal", "1.0.1", sha256="0" * 64)
    plan = CampaignPlan("web", "vendor", "nightly", RINGS, (package,), service="portal")
    add_hosts(store)
    create_campaign(
        store,
        campaign_id=CAMPAIGN,
        title="acme-portal 1.0.1",
        requested_by="olga",
        priority=Priority.SCHEDULED,
        deadline=datetime(2026, 12, 1, tzinfo=UTC),
        plan=plan,
        reasons=["test"],
    )
    way = (CampaignState.PLANNED, CampaignState.VALIDATED, CampaignState.TESTED, CampaignState.APPROVED)
    for expected, to in pairwise(way):
        move(store, CAMPAIGN, expected=expected, to=to, actor="test", reason="test")
    return store


def add_hosts(store: Store) -> None:
    columns = ("host_id", "asset_group", "environment", "criticality", "exposure")
    rows = [
        (
            host,
            "staging" if ring is Ring.STAGING else "web",
            "staging" if ring is Ring.STAGING else "production",
            "high",
            "open",
        )
        for ring, hosts in RINGS.items()
        for host in hosts
    ]
    store.copy_rows("host", columns, rows)


def add_step(
    store: Store, host: str, finished_at: datetime, *, phase: str = "patch", took: timedelta = timedelta(minutes=2)
) -> None:
    plan_hash = fetch_campaign(store, CAMPAIGN).plan_hash
    store.copy_rows(
        "host_step",
        ("campaign_id", "host_id", "phase", "plan_hash", "status", "token", "started_at", "finished_at"),
        [(CAMPAIGN, host, phase, plan_hash, "done", 1, finished_at - took, finished_at)],
    )


def add_backup(store: Store, host: str, taken_at: datetime, *, restored: bool = True) -> None:
    columns = (
        "campaign_id",
        "host_id",
        "tool",
        "repository",
        "snapshot_ref",
        "status",
        "taken_at",
        "checked_at",
        "restored_at",
    )
    later = taken_at + timedelta(seconds=5)
    store.copy_rows(
        "backup",
        columns,
        [(CAMPAIGN, host, "restic", "r", "abc", "verified", taken_at, later, later if restored else None)],
    )


@pytest.fixture
def context() -> dict[str, Any]:
    return {"dag_run": SimpleNamespace(partition_key=CAMPAIGN)}


@pytest.fixture
def actions(store: Store) -> Callable[[], list[str]]:
    """What the evidence says was done, in order."""
    return lambda: [row["action"] for row in store.fetch_all("evidence/list_evidence", {"campaign_id": CAMPAIGN})]
