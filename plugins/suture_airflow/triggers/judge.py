"""Looks at the metrics every few seconds until the judge has reached a verdict."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from suture.rollout.judge import Judgement, Trial
from suture.rollout.judge_rules import JudgeRules
from suture.rollout.watch import look
from suture.telemetry import Prometheus
from suture_airflow.clock import utc_now


class JudgeTrigger(BaseTrigger):
    """Fires `{"status": "judged", "judgement": …}` or `{"status": "error", "message": …}`; the latter is no
    verdict.

    Nothing is kept between looks: a triggerer that takes over reads the same metrics and goes on. Metrics are
    read in a thread: the event loop serves every other trigger too.
    """

    def __init__(self, prometheus_url: str, rules: dict[str, Any], trial: dict[str, Any]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.prometheus_url = prometheus_url
        self.rules = rules
        self.trial = trial

    def serialize(self) -> tuple[str, dict[str, Any]]:
        kwargs = {"prometheus_url": self.prometheus_url, "rules": self.rules, "trial": self.trial}
        return ("suture_airflow.triggers.judge.JudgeTrigger", kwargs)

    async def run(self) -> AsyncIterator[TriggerEvent]:
        try:
            judgement = await self._watch()
            event: dict[str, Any] = {"status": "judged", "judgement": judgement.as_json()}
        except Exception as error:  # a broken judge must end the wait, and must not pass
            event = {"status": "error", "message": f"{type(error).__name__}: {error}"}
        yield TriggerEvent(event)  # type: ignore[no-untyped-call]

    async def _watch(self) -> Judgement:
        client = Prometheus(self.prometheus_url)
        rules, trial = JudgeRules.from_json(self.rules), Trial.from_json(self.trial)
        told = ""
        while True:
            judgement = await asyncio.to_thread(look, client, rules, trial, utc_now())
            if judgement.verdict is not None:
                return judgement
            if judgement.reason != told:
                told = judgement.reason
                self.log.info("%s", told)
            await asyncio.sleep(rules.look_seconds)
