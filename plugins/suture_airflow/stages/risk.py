"""Matching, scoring, planning."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.sdk.exceptions import AirflowSkipException

from suture.campaign import Campaign
from suture.feeds import FeedsPolicy, require_fresh, stale_feeds
from suture.inventory.matching import match_all
from suture.model.assets import AssetRegister
from suture.risk import capacity_run, planning
from suture.risk.capacity import CapacityPolicy
from suture.risk.exposure_cost import ExposurePolicy
from suture.risk.policies import RiskPolicy
from suture.risk.scoring import Decider, score_all
from suture.risk.strategy import StrategyPolicy
from suture.risk.urgency import watch_threats
from suture.risk.urgency_campaigns import Opens, plan_in_lanes
from suture.risk.urgency_campaigns import hasten_campaigns as hasten
from suture.risk.urgency_policy import UrgencyPolicy
from suture.risk.window_choice import weigh_campaigns
from suture.rollout.admission import needed_time
from suture.rollout.candidates import candidates_of
from suture.rollout.rings import RingPolicy
from suture.rollout.windows import Refusal, WindowPolicy, next_window
from suture.settings import Settings
from suture.store import Store
from suture_airflow.stages.feeds import urgencies_may_fall
from suture_airflow.translation import translated
from suture_airflow.warehouse import open_store


@translated
def match_findings() -> str:
    settings = Settings.load()
    policy = RiskPolicy.load(settings.policy_dir)
    now = datetime.now(UTC)
    with open_store() as store:
        counts = match_all(
            store,
            now=now,
            unscored_priority=policy.unscored_priority,
            unscored_deadline=policy.unscored_deadline,
            decide=Decider(store, policy, AssetRegister.load(settings.policy_dir), now=now),
        )
        # A CVE is looked at for the first time when its finding is there: left to the next sync, a KEV entry of the hour
        # between would be taken for what was known already, and no campaign would ask for an earlier window.
        changes = watch_threats(store, UrgencyPolicy.load(settings.policy_dir), now=now)
    return _logged(" ".join([counts.sentence, *(change.reason for change in changes[:20])]))


@translated
def score_findings() -> str:
    settings = Settings.load()
    now = datetime.now(UTC)
    with open_store() as store:
        counts = score_all(
            store,
            RiskPolicy.load(settings.policy_dir),
            AssetRegister.load(settings.policy_dir),
            now=now,
            may_lower=urgencies_may_fall(store, settings, now),
        )
    return _logged(counts.sentence)


@translated
def plan_campaigns() -> list[str]:
    """The ids of the campaigns that go on to validation now: those planned now, unless capacity.yaml enforces its trains.

    Stale data fails the task; data that never came (a new installation) skips it: there is nothing to plan from yet.
    """
    settings = Settings.load()
    now = datetime.now(UTC)
    with open_store() as store:
        feeds = FeedsPolicy.load(settings.policy_dir)
        new = [feed.source for feed in stale_feeds(store, feeds, now=now) if feed.well_at is None]
        if new:
            raise AirflowSkipException(f"{', '.join(new)} was never loaded: nothing is planned before feed_sync has run.")
        require_fresh(store, feeds, now=now)
        register, rings = AssetRegister.load(settings.policy_dir), RingPolicy.load(settings.policy_dir)
        rules, capacity = planning.PlanningPolicy.load(settings.policy_dir), CapacityPolicy.load(settings.policy_dir)
        strategy = StrategyPolicy.load(settings.policy_dir)

        def plan() -> list[str]:
            return planning.plan_campaigns(
                store, rules, register, ring_plan=rings.ring_plan, now=now, strategy=strategy
            )

        with store.transaction():  # planned and handed over, or neither: a try that fails between would lose its campaigns
            lanes = UrgencyPolicy.load(settings.policy_dir)
            planned = plan_in_lanes(store, lanes, plan, opens=starts_in(store, settings, now), now=now)
            return capacity_run.hand_over(store, capacity, planned, now=now)


@translated
def weigh_windows() -> str:
    """What waiting for each window costs, against its downtime, for every campaign before its rollout."""
    settings = Settings.load()
    rules = ExposurePolicy.load(settings.policy_dir)
    with open_store() as store:
        weighing = weigh_campaigns(
            store,
            rules,
            AssetRegister.load(settings.policy_dir),
            candidates_of(store, settings.policy_dir, count=rules.candidates),
            now=datetime.now(UTC),
        )
    return _logged(weighing.sentence)


@translated
def hasten_campaigns() -> list[str]:
    """Raise the campaigns whose CVEs became more urgent; the ids of those whose move to another window waits for a person."""
    settings = Settings.load()
    now = datetime.now(UTC)
    with open_store() as store:
        counts = hasten(
            store, UrgencyPolicy.load(settings.policy_dir), opens=starts_in(store, settings, now), now=now
        )
    _logged(f"Raised: {', '.join(counts.raised) or 'none'}. To be moved: {', '.join(counts.proposed) or 'none'}.")
    return list(counts.proposed)


def starts_in(store: Store, settings: Settings, now: datetime) -> Opens:
    """When a campaign could start in a window: the first opening with enough time left; None: it fits into none."""
    windows = WindowPolicy.load(settings.policy_dir)

    def opens(campaign: Campaign, window: str) -> datetime | None:
        answer = next_window(windows, window, now, needed_time(store, campaign, settings.policy_dir))
        return None if isinstance(answer, Refusal) else max(answer.start, now)

    return opens


def _logged(sentence: str) -> str:
    print(sentence)  # Airflow's task log takes standard output
    return sentence
