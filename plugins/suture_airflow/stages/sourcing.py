"""The intake gate: prove and adopt, or reject; and the sources that are proven on schedule."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from airflow.sdk.exceptions import AirflowFailException

from suture.campaign import CampaignState, fetch_campaign, move, pin_packages
from suture.errors import BadInputError
from suture.settings import Settings
from suture.sourcing import watch
from suture.sourcing.intake import ACTOR, validate_campaign
from suture.store import sources
from suture_airflow.translation import campaign_of, moved_before, translated
from suture_airflow.warehouse import open_store


class SourceUnreachableError(Exception):
    """The source did not answer; Airflow tries again."""


@translated
def validate_sources(context: Any) -> dict[str, Any]:
    """Validate a planned campaign's packages and move it on; refused is final, unreachable is tried again.

    Raises SourceUnreachableError while tries are left; AirflowFailException with the refusal's sentence.
    """
    campaign_id = campaign_of(context)
    with open_store() as store:
        if moved_before(fetch_campaign(store, campaign_id), CampaignState.VALIDATED):
            return {}
        verdict = validate_campaign(store, Settings.load(), campaign_id, now=datetime.now(UTC))
        if verdict.adopted:
            plan_hash = pin_packages(store, campaign_id, verdict.packages, actor=ACTOR)
            move(
                store,
                campaign_id,
                expected=CampaignState.PLANNED,
                to=CampaignState.VALIDATED,
                actor=ACTOR,
                reason=verdict.sentence,
                grounds={"intake_id": verdict.intake_id, "snapshot": verdict.snapshot, "plan_hash": plan_hash},
            )
            return {"intake_id": verdict.intake_id, "packages": len(verdict.packages), "snapshot": verdict.snapshot}
        last_try = context["ti"].try_number > context["ti"].max_tries
        if verdict.retryable and not last_try:
            raise SourceUnreachableError(verdict.sentence)
        move(
            store,
            campaign_id,
            expected=CampaignState.PLANNED,
            to=CampaignState.REJECTED,
            actor=ACTOR,
            reason=f"{verdict.sentence} {verdict.next_step or ''}".strip(),
            grounds={"intake_id": verdict.intake_id, "reason": verdict.reason},
        )
    raise AirflowFailException(f"{campaign_id} is rejected ({verdict.reason}): {verdict.sentence} {verdict.next_step}")


@translated
def watched_sources() -> list[str]:
    """The names of the sources that are proven on schedule."""
    return watch.watched(Settings.load())


@translated
def prove_source(name: str) -> str:
    """Prove one source and write down how it is; the sentence on it.

    Raises SourceUnreachableError for one that did not answer, AirflowFailException for one that is refused.
    """
    with open_store() as store:
        found = watch.prove_source(store, Settings.load(), name, now=datetime.now(UTC))
    print(found.told)
    if found.verdict != watch.REFUSED:
        return found.told
    sentence = f"{name} is refused ({found.reason}): {found.sentence} {found.next_step or ''}".strip()
    raise SourceUnreachableError(sentence) if found.retryable else AirflowFailException(sentence)


@translated
def raise_alarms() -> str:
    """Fails with the alarms that keys of enabled sources raise; a sentence where there is none."""
    enabled = set(watch.watched(Settings.load()))
    with open_store() as store:
        rows = [row for row in sources.list_source_proofs(store) if row["source"] in enabled]
    alarms = [f"{row['source']}: {alarm}" for row in rows for alarm in row["alarms"]]
    if alarms:
        raise BadInputError(
            "\n".join(alarms), remedy="Get the next key over a channel that you trust and pin it in sources.yaml beside the old one."
        )
    return f"No key of {len(rows)} sources needs anybody."
