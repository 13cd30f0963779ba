"""A simulated fleet and a campaign on it: one staging host, a canary, a ring of three."""

from __future__ import annotations

import base64
from pathlib import Path

from suture.campaign import CampaignState, move
from suture.model import CampaignPlan, PlannedPackage, Ring
from suture.runner.simulator import FleetSimulator, SimulatedHost
from suture.settings import Settings
from suture.store import Store
from tests.unit.campaign.campaigns import add_campaign

OLD, NEW = "1.22.1-9", "1.22.1-9+deb12u11"
PACKAGES = tuple(PlannedPackage(name, "amd64", NEW, "nginx", NEW) for name in ("nginx", "nginx-common"))
PLAN = CampaignPlan(
    asset_group="web",
    source="debian-security",
    window_name="nightly",
    rings={
        Ring.STAGING: ("stg-app1",),
        Ring.CANARY: ("app1",),
        Ring.RING_1: ("app2", "app3", "app4"),
        Ring.RING_2: (),
        Ring.RING_3: (),
    },
    packages=PACKAGES,
)
CAMPAIGN = "SUT-2026-0001"


def make_fleet() -> FleetSimulator:
    names = [host for ring in Ring for host in PLAN.hosts(ring)]
    return FleetSimulator(
        {
            name: SimulatedHost(
                name,
                ("staging", "staging_app") if name.startswith("stg") else ("app", "production"),
                {"nginx": OLD, "nginx-common": OLD, "bash": "5.2"},
            )
            for name in names
        }
    )


def rolling_out(store: Store) -> str:
    """The campaign, in the state in which production hosts may be patched."""
    add_campaign(store, CAMPAIGN, PLAN)
    way = (CampaignState.PLANNED, CampaignState.VALIDATED, CampaignState.TESTED, CampaignState.APPROVED)
    for here, there in zip(way, (*way[1:], CampaignState.ROLLING_OUT), strict=True):
        move(store, CAMPAIGN, expected=here, to=there, actor="test", reason="because a test says so")
    return CAMPAIGN


def with_repository(settings: Settings) -> Settings:
    """Settings of an installation whose internal repository exists and is served to hosts."""
    keyring = settings.repository_dir / "public" / "suture-internal.gpg"
    keyring.parent.mkdir(parents=True, exist_ok=True)
    keyring.write_bytes(base64.b64decode("mQ" + "A" * 198))
    description = Path(settings.home) / "lab" / "lab.json"
    description.parent.mkdir(parents=True, exist_ok=True)
    description.write_text('{"repository_url_for_hosts": "http://10.77.0.1:8000/"}', "utf-8")
    return settings
