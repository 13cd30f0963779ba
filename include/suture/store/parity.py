"""Measurements of parity, waivers of it and replays of traffic, one row each; rows are never changed, the last one counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from suture.store.connection import Row, Store


def write_parity(store: Store, row: Mapping[str, Any]) -> None:
    store.execute("parity_run/insert_parity_run", row)


def latest_parity(store: Store, campaign_id: str) -> Row | None:
    """The campaign's last measurement; None when it was never measured."""
    return store.fetch_one("parity_run/fetch_latest_parity", {"campaign_id": campaign_id})


def write_waiver(store: Store, row: Mapping[str, Any]) -> None:
    store.execute("parity_waiver/insert_parity_waiver", row)


def waiver_of(store: Store, campaign_id: str, plan_hash: str) -> Row | None:
    """Who waived the staging tests of this plan, and why; None when nobody did."""
    return store.fetch_one("parity_waiver/fetch_parity_waiver", {"campaign_id": campaign_id, "plan_hash": plan_hash})


def write_replay(store: Store, row: Mapping[str, Any]) -> None:
    store.execute("traffic_replay/insert_traffic_replay", row)


def latest_replay(store: Store, campaign_id: str, stage: str) -> Row | None:
    """The campaign's last replay at a stage (before or after the patch); None when there was none."""
    return store.fetch_one("traffic_replay/fetch_latest_replay", {"campaign_id": campaign_id, "stage": stage})


def list_replays(store: Store, campaign_id: str) -> list[Row]:
    """Every replay of a campaign, oldest first, without the single answers."""
    return store.fetch_all("traffic_replay/list_campaign_replays", {"campaign_id": campaign_id})
