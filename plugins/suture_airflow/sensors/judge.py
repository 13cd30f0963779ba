"""The gate between two rings: the judge's verdict."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException

from suture.campaign import fetch_campaign
from suture.model import Ring, Verdict
from suture.rollout.judge import Judgement, Trial
from suture.rollout.judge_rules import JudgePolicy, JudgePolicyError, JudgeRules
from suture.rollout.manual_judgement import follow
from suture.rollout.trials import record_judgement, require_patched, trial_of_ring
from suture.settings import Settings
from suture_airflow.clock import utc_now
from suture_airflow.translation import campaign_of, translated
from suture_airflow.triggers.judge import JudgeTrigger
from suture_airflow.warehouse import open_store


class JudgeSensor(BaseOperator):
    """Compare a ring's hosts with those not yet patched, without a worker slot; go on only when they pass.

    Fail and inconclusive end the task for good, with the reason and the next step; both are recorded with
    their figures. Behind an inconclusive one it goes on when a named person has judged the ring by hand
    (manual_judgement); behind a fail never. A ring without hosts has nothing to judge, and says so. A cleared task goes on with the
    same trial.

    :param ring: the ring's name (`canary`, `ring_1` …). :param campaign_id: the campaign (templated); None:
    the run's partition key.
    """

    template_fields: Sequence[str] = ("campaign_id",)
    ui_color = "#f2ece6"

    def __init__(self, *, ring: str, campaign_id: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ring = ring
        self.campaign_id = campaign_id

    def execute(self, context: Any) -> dict[str, Any]:
        campaign_id = self.campaign_id or campaign_of(context)
        opened = self._open_trial(campaign_id)
        if isinstance(opened, Judgement):  # nobody knows how to judge it
            return self._conclude(context, opened, opened.judged_at)
        url, rules, trial = opened
        if rules is None or trial is None:
            self.log.info("%s of %s holds no host: there is nothing to judge.", self.ring, campaign_id)
            return {"ring": self.ring, "verdict": None}
        self.log.info("Comparing %s with %s since %s.", trial.canary, trial.control, trial.since.isoformat())
        self.defer(
            trigger=JudgeTrigger(prometheus_url=url, rules=rules.as_json(), trial=trial.as_json()),
            method_name="resume",
            kwargs={"started_at": utc_now().isoformat()},
        )
        raise AssertionError("defer() raises")

    def resume(self, context: Any, event: Any, started_at: str) -> dict[str, Any]:
        """Record the verdict, and stop unless it is a pass. What is not a judgement is inconclusive."""
        return self._conclude(context, _judgement_of(event), datetime.fromisoformat(started_at))

    def _conclude(self, context: Any, judgement: Judgement, started_at: datetime) -> dict[str, Any]:
        campaign_id = self.campaign_id or campaign_of(context)
        verdict_id = self._record(campaign_id, judgement, started_at)
        if judgement.verdict is Verdict.INCONCLUSIVE and (word := self._word_on(campaign_id, verdict_id)):
            self.log.info("%s %s judged it by hand: %s", judgement.reason, word["judged_by"], word["reason"])
            return {
                "ring": self.ring,
                "verdict": judgement.verdict.value,
                "verdict_id": verdict_id,
                "judged_by": word["judged_by"],
            }
        if judgement.verdict is not Verdict.PASS:
            raise AirflowFailException(f"{judgement.verdict}: {judgement.reason} {judgement.next_step}")
        self.log.info("%s", judgement.reason)
        return {"ring": self.ring, "verdict": judgement.verdict.value, "verdict_id": verdict_id}

    @translated
    def _open_trial(self, campaign_id: str) -> tuple[str, JudgeRules | None, Trial | None] | Judgement:
        """Where to look, by what rules, for whom; a judgement at once where policy has no judge for the service."""
        policy = JudgePolicy.load(Settings.load().policy_dir)
        url = os.environ.get("SUTURE_PROMETHEUS_URL") or policy.prometheus_url
        with open_store() as store:
            campaign = fetch_campaign(store, campaign_id)
            ring = Ring(self.ring)
            if not campaign.plan.hosts(ring):
                return url, None, None
            require_patched(store, campaign, ring)
            try:
                rules = policy.for_service(campaign.plan.service)
            except JudgePolicyError as missing:
                return Judgement(Verdict.INCONCLUSIVE, missing.message, missing.remedy or "", {}, utc_now())
            return url, rules, trial_of_ring(store, campaign, ring, rules, utc_now())

    @translated
    def _word_on(self, campaign_id: str, verdict_id: int) -> dict[str, Any] | None:
        with open_store() as store:
            campaign = fetch_campaign(store, campaign_id)
            return follow(store, Settings.load().policy_dir, campaign, Ring(self.ring), verdict_id)

    @translated
    def _record(self, campaign_id: str, judgement: Judgement, started_at: datetime) -> int:
        with open_store() as store:
            return record_judgement(
                store,
                campaign_id,
                Ring(self.ring),
                judgement,
                started_at=started_at,
                actor=f"suture:{self.dag_id}",
            )


def _judgement_of(event: Any) -> Judgement:
    try:
        if event["status"] == "judged":
            judgement = Judgement.from_json(event["judgement"])
            if judgement.verdict is not None:
                return judgement
        said = event.get("message") or f"{event!r}"
    except (KeyError, TypeError, ValueError, AttributeError):
        said = f"{event!r}"
    return Judgement(
        Verdict.INCONCLUSIVE,
        f"The judge itself failed ({said}); nothing was shown.",
        "Mend the cause and take the rollout up again, or roll the campaign back.",
        {},
        utc_now(),
    )
