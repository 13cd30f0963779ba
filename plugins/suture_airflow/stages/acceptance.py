"""Risk acceptance: the request, the signature, the watch."""

from __future__ import annotations

from typing import Any

from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from suture.risk.acceptance_briefing import acceptance_briefing
from suture.risk.acceptance_policy import AcceptancePolicy
from suture.risk.acceptance_request import AcceptanceForm, request_acceptance
from suture.risk.acceptance_signing import fetch_acceptance, sign
from suture.risk.acceptance_states import AcceptanceState
from suture.risk.acceptance_watch import watch_acceptances
from suture.risk.policies import RiskPolicy
from suture.settings import Settings
from suture_airflow.clock import utc_now
from suture_airflow.translation import translated
from suture_airflow.warehouse import open_store


@translated
def open_request(context: Any) -> dict[str, str]:
    """Check the form and write the request; its id, its terms' hash, and what the signers read (Markdown).

    The requester is who triggered the run, as Airflow knows it; a field of that name in the form is not read.
    """
    run = context["dag_run"]
    with open_store() as store:
        acceptance_id = request_acceptance(
            store,
            AcceptancePolicy.load(Settings.load().policy_dir),
            AcceptanceForm.read(context["params"]),
            requester=getattr(run, "triggering_user_name", None),
            run_id=run.run_id,
            now=utc_now(),
        )
        row = fetch_acceptance(store, acceptance_id)
        return {
            "acceptance_id": acceptance_id,
            "terms_hash": row["terms_hash"],
            "body": acceptance_briefing(store, acceptance_id),
        }


@translated
def conclude(acceptance_id: str) -> str:
    """Make it active. Fails when it is not: nothing was accepted then."""
    with open_store() as store:
        state = sign(store, acceptance_id, actor="suture:risk_acceptance", now=utc_now())
        row = fetch_acceptance(store, acceptance_id)
    if state is not AcceptanceState.ACTIVE:
        raise AirflowFailException(f"{acceptance_id} is {state}: {row['state_reason']} Nothing is accepted by it.")
    return f"{acceptance_id} is active. {row['state_reason']}"


@translated
def watch() -> str:
    """End what no longer holds; a sentence."""
    with open_store() as store:
        counts = watch_acceptances(store, RiskPolicy.load(Settings.load().policy_dir), now=utc_now())
    print(counts.sentence)
    return counts.sentence


@translated
def watch_or_skip() -> str:
    """As watch(), and skipped when nothing was opened again: then there is nothing to plan."""
    with open_store() as store:
        counts = watch_acceptances(
            store,
            RiskPolicy.load(Settings.load().policy_dir),
            now=utc_now(),
            actor="suture:risk_acceptance_watch",
        )
    if not counts.reopened:
        raise AirflowSkipException(counts.sentence)
    return counts.sentence
