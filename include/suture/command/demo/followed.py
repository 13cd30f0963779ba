"""Following a campaign from outside, as an operator would: its evidence, its state, who is asked, what went wrong."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from suture.campaign import Campaign, CampaignState, fetch_campaign
from suture.command.airflow_api import AirflowApi, AirflowApiError
from suture.compliance.timeline import sentence
from suture.errors import SutureError
from suture.store import Store

LOOK_EVERY_S = 2.0
STUCK_AFTER_S = 180.0  # a busy scheduler takes its time between one stage and the next
# An answer within half a second of the question can be lost (apache/airflow #66374 and its family).
HUMAN_REACTION_S = 5.0


class DemoError(SutureError):
    """The demo cannot go on: a campaign stopped where it should not, or took too long."""


@dataclass
class Followed:
    """A campaign under way. `answer` is None when a person at the UI answers the approvals."""

    store: Store
    api: AirflowApi
    campaign_id: str
    say: Callable[[str], None]
    on_state: Callable[[Campaign], None]
    answer: Callable[[dict[str, Any]], str | None] | None
    _last_seq: int = 0
    _asked_at: dict[str, float] = field(default_factory=dict)
    _failures_said: set[str] = field(default_factory=set)

    def until(self, ends: Iterable[CampaignState], *, patience_s: float) -> Campaign:
        """Narrate until the campaign is in one of these states. Raises DemoError with the sentence of what stopped it."""
        wanted, deadline = set(ends), time.monotonic() + patience_s
        state: CampaignState | None = None
        stuck_since: float | None = None
        while True:
            self._tell_evidence()
            campaign = fetch_campaign(self.store, self.campaign_id)
            if campaign.state is not state:
                state = campaign.state
                self.on_state(campaign)
            if campaign.state in wanted:
                return campaign
            self._answer_questions()
            stuck_since = self._stuck(campaign, stuck_since)
            if time.monotonic() > deadline:
                raise DemoError(
                    f"{self.campaign_id} is still {campaign.state} after {patience_s:.0f} s: {campaign.state_reason}",
                    remedy="Look at its runs in the UI; `./suture demo` starts again from where it is.",
                )
            time.sleep(LOOK_EVERY_S)

    def _tell_evidence(self) -> None:
        rows = self.store.fetch_all("evidence/list_evidence", {"campaign_id": self.campaign_id})
        for row in rows:
            if row["seq"] > self._last_seq:
                self._last_seq = row["seq"]
                self.say(sentence(row))

    def _answer_questions(self) -> None:
        if self.answer is None:
            return
        pending = self.api.get(
            "dags/~/dagRuns/~/hitlDetails", response_received="false", state="awaiting_input", limit=50
        )
        for detail in pending["hitl_details"]:
            instance = detail["task_instance"]
            if self.campaign_id not in (detail.get("subject") or ""):
                continue
            first_seen = self._asked_at.setdefault(instance["id"], time.monotonic())
            if time.monotonic() - first_seen >= HUMAN_REACTION_S:
                del self._asked_at[instance["id"]]
                said = self.answer(detail)
                if said:
                    self.say(said)

    def _stuck(self, campaign: Campaign, since: float | None) -> float | None:
        """Fail soon, with the reason, when a run of this campaign failed and nothing else is moving it."""
        runs = self.api.get("dags/~/dagRuns", partition_key_pattern=self.campaign_id, order_by="-run_after", limit=30)[
            "dag_runs"
        ]
        for run in runs:
            if run["state"] == "failed" and run["dag_run_id"] not in self._failures_said:
                self._failures_said.add(run["dag_run_id"])
                self.say(f"The run of {run['dag_id']} failed: {campaign.state_reason}")
        moving = [run for run in runs if run["state"] in ("running", "queued")]
        failed = [run for run in runs if run["state"] == "failed"]
        if moving or not failed or self._rolling_back():
            return None
        since = since or time.monotonic()
        if time.monotonic() - since > STUCK_AFTER_S:
            raise DemoError(
                f"{self.campaign_id} stopped as {campaign.state}: {campaign.state_reason}",
                remedy=f"The failed run: {failed[0]['dag_id']} / {failed[0]['dag_run_id']} in the UI.",
            )
        return since

    def _rolling_back(self) -> bool:
        runs = self.api.get("dags/rollback/dagRuns", state=["running", "queued"], limit=5)["dag_runs"]
        return bool(runs)


def answer_as(apis: dict[str, AirflowApi]) -> Callable[[dict[str, Any]], str | None]:
    """Answers a question as the first of its assigned users that we hold; what was done, in a sentence."""

    def answer(detail: dict[str, Any]) -> str | None:
        instance = detail["task_instance"]
        people = [user["id"] for user in detail.get("assigned_users") or []]
        name = next((person for person in people if person in apis), None)
        if name is None:
            return None
        path = (
            f"dags/{instance['dag_id']}/dagRuns/{instance['dag_run_id']}/taskInstances/{instance['task_id']}"
            f"/{instance['map_index']}/hitlDetails"
        )
        try:
            apis[name].patch(path, {"chosen_options": ["Approve"], "params_input": {}})
        except AirflowApiError as error:
            return f"The answer of {name} was not taken ({error}); asking again."
        return f"(the demo answers “{detail.get('subject')}” as {name}, through Airflow's API: Approve)"

    return answer
