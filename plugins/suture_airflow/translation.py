"""Suture's errors in Airflow's words, translated once, at the edge.

Retryable stays an error (Airflow tries again); final becomes AirflowFailException (trying again would not help); the
text is the domain's own sentence either way.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from airflow.sdk.exceptions import AirflowFailException

from suture.campaign import Campaign, CampaignState
from suture.errors import BadInputError, SutureError

P = ParamSpec("P")
R = TypeVar("R")


def translated(call: Callable[P, R]) -> Callable[P, R]:
    """A callable for a task: a final SutureError fails the task for good, with its sentence."""

    @functools.wraps(call)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return call(*args, **kwargs)
        except SutureError as error:
            if error.retryable:
                raise
            raise AirflowFailException(str(error)) from error

    return wrapper


def campaign_of(context: Any) -> str:
    """The campaign of this DAG run: its partition key. Raises AirflowFailException when the run has none."""
    key = context["dag_run"].partition_key
    if not key:
        raise AirflowFailException(
            "This run has no partition key, so it is about no campaign. Stages start by themselves when the stage before "
            "is done; to start one by hand, trigger it with the campaign's id as the partition key."
        )
    return str(key)


def campaign_in_form(params: Any, dag_id: str) -> str:
    """The campaign that a person named in the form of this DAG. Raises BadInputError where the field was left empty."""
    campaign_id = params.get("campaign")
    if not campaign_id:
        raise BadInputError(
            "No campaign is named.", remedy=f"Trigger {dag_id} with the campaign's id, e.g. SUT-2026-0001."
        )
    return str(campaign_id)


def moved_before(campaign: Campaign, to: CampaignState) -> bool:
    """Whether an earlier try of this task has moved the campaign already, and died before it could say so.

    The task then succeeds without moving again: its asset event, which it never sent, starts the next stage.
    """
    if campaign.state is to:
        print(f"{campaign.campaign_id} is {to} already: an earlier try of this task got so far.")
    return campaign.state is to


def failed_tasks(context: Any) -> list[str]:
    """The tasks of this run that failed (not those that only followed)."""
    ti = context["ti"]
    states = ti.get_task_states(dag_id=ti.dag_id, run_ids=[ti.run_id])[ti.run_id]
    return sorted(task_id for task_id, state in states.items() if state == "failed")
