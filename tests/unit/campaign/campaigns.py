"""A small campaign to test with: one host in each ring, one package."""

from __future__ import annotations

from datetime import UTC, datetime

from suture.campaign import create_campaign
from suture.model import CampaignPlan, PlannedPackage, Priority, Ring
from suture.store import Store

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
NGINX = PlannedPackage("nginx", "amd64", "1.22.1-9+deb12u11", "nginx", "1.22.1-9+deb12u11")
PLAN = CampaignPlan(
    asset_group="web",
    source="debian-security",
    window_name="nightly",
    rings={
        Ring.STAGING: ("stg-app1",),
        Ring.CANARY: ("app1",),
        Ring.RING_1: ("app2",),
        Ring.RING_2: (),
        Ring.RING_3: (),
    },
    packages=(NGINX,),
)


def add_hosts(store: Store, plan: CampaignPlan = PLAN) -> None:
    for ring in Ring:
        for host_id in plan.hosts(ring):
            store._connection.execute(
                "INSERT INTO host (host_id, asset_group, environment, criticality, exposure)"
                " VALUES (%s, %s, %s, 'high', 'open') ON CONFLICT DO NOTHING",
                (host_id, plan.asset_group, "staging" if ring is Ring.STAGING else "production"),
            )


def add_campaign(store: Store, campaign_id: str = "SUT-2026-0001", plan: CampaignPlan = PLAN) -> str:
    add_hosts(store, plan)
    create_campaign(
        store,
        campaign_id=campaign_id,
        title="nginx security update",
        requested_by="olga",
        priority=Priority.SCHEDULED,
        deadline=NOW,
        plan=plan,
        reasons=["because a test says so"],
        at=NOW,
    )
    return campaign_id
