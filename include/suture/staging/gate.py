"""The gate of mirrored staging: what must be on record before the tests on staging count.

The rules:

1. Parity is measured for each campaign and plan, before its tests, and kept whatever came of it, with the snapshot of the
   internal repository that staging holds; each measurement is evidence.
2. The tests count when the last measurement of this very plan passed, both replays passed, and the internal repository
   still offers the files that staging was tested with. This is asked when the test is concluded and again when the rollout
   starts: a campaign without such a record does not start.
3. A group that has no mirror by policy is not measured. Its record names the waiver (waiver.py) and never says passed; with it
   the campaign goes on, without it, or for a group of which policy says nothing, it does not.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any

from suture import evidence
from suture.campaign import Campaign
from suture.errors import BadInputError
from suture.runner import Runner
from suture.runner.interface import quiet
from suture.settings import Settings
from suture.staging.parity import Parity, ParityError
from suture.staging.parity_measure import measure
from suture.staging.parity_policy import ParityPolicy
from suture.staging.snapshot import HeldSnapshot, OfferedPackage, hold, require_same
from suture.staging.traffic import AFTER, BEFORE
from suture.staging.traffic_replay import TrafficError
from suture.staging.waiver import require_waiver, unmirrored
from suture.store import Json, Store, parity
from suture.store.hosts import list_hosts

ACTOR = "suture:staging_test"


def measure_campaign(
    store: Store,
    runner: Runner,
    settings: Settings,
    campaign: Campaign,
    *,
    snapshot: str,
    offered: Sequence[OfferedPackage],
    now: Callable[[], datetime],
    only: Collection[str] | None = None,
    log: Callable[[str], None] = quiet,
) -> Parity:
    """Measure and write down. snapshot, offered: what the internal repository publishes. only: see measure().

    Raises SnapshotChangedError, BadInputError, RunnerError; a failed parity is returned, not raised.
    """
    held = hold(snapshot, offered, campaign.plan)
    found = measure(
        runner,
        settings,
        campaign.plan.asset_group,
        now=now,
        packages=[package.package for package in campaign.plan.packages],
        first=campaign.plan.production_hosts,
        only=only,
        kernels={row["host_id"]: row["kernel_running"] for row in list_hosts(store) if row["kernel_running"]},
        log=log,
    )
    with store.transaction():
        parity.write_parity(
            store,
            {
                "campaign_id": campaign.campaign_id,
                "plan_hash": campaign.plan_hash,
                "passed": found.passed,
                "score": found.score,
                "floor": found.floor,
                "sentence": found.sentence,
                "result": Json(found.as_json()),
                "snapshot": Json(held.as_json()),
                "parity_waiver_id": None,
                "measured_at": now(),
            },
        )
        evidence.record(
            store,
            actor=ACTOR,
            action="parity_passed" if found.passed else "parity_failed",
            subject=f"campaign:{campaign.campaign_id}",
            campaign_id=campaign.campaign_id,
            grounds={
                "plan_hash": campaign.plan_hash,
                "sentence": found.sentence,
                "score": found.score,
                "floor": found.floor,
                "compared": found.as_json()["compared"],
                "not_comparable": list(found.not_comparable),
                "hard": [one.sentence for one in found.hard],
                "undeclared": [one.sentence for one in found.undeclared[:50]],
                "declared": [f"{one.kind} {one.item}: {one.declared}" for one in found.differences if one.declared][
                    :50
                ],
                "snapshot": held.snapshot,
                "snapshot_digest": held.digest,
                "files": dict(held.files),
            },
        )
    return found


def is_waived(store: Store, settings: Settings, campaign: Campaign) -> bool:
    """Whether the campaign's group has no mirror by policy, and a person has waived its staging tests for this plan.

    False for a group with staging hosts. Raises WaiverMissingError, ParityError for a group of which policy says nothing.
    """
    stated = unmirrored(settings, campaign.plan.asset_group)
    return stated is not None and bool(require_waiver(store, campaign, stated))


def write_waived(
    store: Store,
    settings: Settings,
    campaign: Campaign,
    *,
    snapshot: str,
    offered: Sequence[OfferedPackage],
    now: Callable[[], datetime],
) -> str:
    """The record of a campaign whose group has no mirror, in place of a measurement; its sentence.

    Raises WaiverMissingError, SnapshotChangedError; BadInputError for a group with staging hosts.
    """
    stated = unmirrored(settings, campaign.plan.asset_group)
    if stated is None:
        raise BadInputError(f"{campaign.plan.asset_group} has staging hosts: they are measured, not waived.")
    waiver = require_waiver(store, campaign, stated)
    held = hold(snapshot, offered, campaign.plan)
    sentence = (
        f"Not tested on staging: {stated.asset_group} has no mirror ({stated.reason}). Waived by {waiver['waived_by']}:"
        f" {waiver['reason']}"
    )
    with store.transaction():
        parity.write_parity(
            store,
            {
                "campaign_id": campaign.campaign_id,
                "plan_hash": campaign.plan_hash,
                "passed": False,
                "score": None,
                "floor": ParityPolicy.load(settings.policy_dir).floor,
                "sentence": sentence,
                "result": Json(Parity(None, 0.0, {}, (), (sentence,), {}).as_json()),
                "snapshot": Json(held.as_json()),
                "parity_waiver_id": waiver["parity_waiver_id"],
                "measured_at": now(),
            },
        )
        evidence.record(
            store,
            actor=ACTOR,
            action="staging_left_out",
            subject=f"campaign:{campaign.campaign_id}",
            campaign_id=campaign.campaign_id,
            grounds={
                "plan_hash": campaign.plan_hash,
                "sentence": sentence,
                "waived_by": waiver["waived_by"],
                "snapshot": held.snapshot,
                "snapshot_digest": held.digest,
                "files": dict(held.files),
            },
        )
    return sentence


def held_snapshot(store: Store, campaign: Campaign) -> HeldSnapshot | None:
    """What staging held when this plan was measured; None when it never was."""
    row = parity.latest_parity(store, campaign.campaign_id)
    if row is None or row["plan_hash"] != campaign.plan_hash:
        return None
    return HeldSnapshot.from_json(row["snapshot"])


def require_counted(
    store: Store, settings: Settings, campaign: Campaign, *, snapshot: str, offered: Sequence[OfferedPackage]
) -> dict[str, Any]:
    """What the tests rest on, for the evidence. Raises ParityError, TrafficError, SnapshotChangedError."""
    stated = unmirrored(settings, campaign.plan.asset_group)
    row = parity.latest_parity(store, campaign.campaign_id)
    held = held_snapshot(store, campaign)
    if row is None or held is None:
        raise ParityError(
            f"Parity was not measured for {campaign.campaign_id} as it is planned now: its staging tests do not count.",
            remedy="Clear measure_parity and what follows it; where the campaign has left staging_test, have it planned anew.",
        )
    if stated is not None:
        waiver = require_waiver(store, campaign, stated)
        if row["parity_waiver_id"] != waiver["parity_waiver_id"]:
            raise ParityError(
                f"The record of {campaign.campaign_id}'s staging rests on another waiver than {waiver['waived_by']}'s.",
                remedy="Clear measure_parity and what follows it.",
            )
        return {
            "tested_on_staging": False,
            "waived_by": waiver["waived_by"],
            "waiver": waiver["reason"],
            "policy": stated.reason,
            "snapshot": held.snapshot,
            "snapshot_digest": held.digest,
            "snapshot_check": require_same(held, snapshot, offered, campaign.plan),
        }
    if not row["passed"]:
        raise ParityError(f"{row['sentence']}. The staging tests do not count.", remedy="See the campaign's page.")
    replayed = {stage: parity.latest_replay(store, campaign.campaign_id, stage) for stage in (BEFORE, AFTER)}
    for stage, replay in replayed.items():
        if replay is None or replay["plan_hash"] != campaign.plan_hash or not replay["passed"]:
            raise TrafficError(
                f"No replay {stage} the patch of {campaign.campaign_id} passed: its staging tests do not count.",
                remedy=f"Clear replay_{stage} and what follows it.",
            )
    same = require_same(held, snapshot, offered, campaign.plan)
    return {
        "parity": row["score"],
        "snapshot": held.snapshot,
        "snapshot_digest": held.digest,
        "snapshot_check": same,
        "replayed": {stage: replay["requests"] for stage, replay in replayed.items() if replay is not None},
    }


def why_not(store: Store, campaign: Campaign) -> str | None:
    """What failed last of parity and replays, as a sentence without its full stop; None when nothing is on record."""
    row = parity.latest_parity(store, campaign.campaign_id)
    if row is not None and row["plan_hash"] == campaign.plan_hash and not row["passed"]:
        return str(row["sentence"])
    replay = parity.latest_replay(store, campaign.campaign_id, AFTER)
    if replay is not None and replay["plan_hash"] == campaign.plan_hash and not replay["passed"]:
        return str(replay["sentence"])
    return None
