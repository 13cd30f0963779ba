"""The whole proof on staging: forward, back, and forward again, with the time that each part took.

The same parts stand as tasks in the DAG `staging_test`; this runs them one after the other without Airflow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from suture.campaign import fetch_campaign
from suture.model import Ring
from suture.runner import Runner
from suture.runner.interface import quiet
from suture.runner.phases import run_phase
from suture.settings import Settings
from suture.staging.test_plan import Stage, run_test_plan
from suture.store import Store

PARTS: tuple[tuple[str | None, Stage | None], ...] = (
    ("prepare", None),
    (None, Stage.BEFORE),
    ("patch", None),
    (None, Stage.AFTER),
    ("restore", None),
    (None, Stage.ROLLED_BACK),
    ("patch_again", None),
    (None, Stage.FORWARD_AGAIN),
)


@dataclass(frozen=True)
class CycleOutcome:
    """seconds by part, in order: a step's name, or `test_<stage>`."""

    campaign_id: str
    seconds: dict[str, float]


def staging_cycle(
    store: Store,
    runner: Runner,
    settings: Settings,
    *,
    campaign_id: str,
    actor: str,
    holder: str,
    log: Callable[[str], None] = quiet,
) -> CycleOutcome:
    """Run all parts. Raises what the first part that fails raises; what was measured until then is in the warehouse."""
    hosts = fetch_campaign(store, campaign_id).plan.hosts(Ring.STAGING)
    seconds: dict[str, float] = {}
    for step, stage in PARTS:
        if step is not None:
            outcome = run_phase(
                store,
                runner,
                settings,
                campaign_id=campaign_id,
                step=step,
                hosts=hosts,
                actor=actor,
                holder=holder,
                log=log,
            ).require_ok()
            seconds[step] = outcome.duration_seconds
        elif stage is not None:
            campaign = fetch_campaign(store, campaign_id)
            tested = run_test_plan(store, settings, campaign, stage, hosts, log=log).require_passed()
            seconds[f"test_{stage}"] = tested.duration_seconds
    return CycleOutcome(campaign_id, seconds)
