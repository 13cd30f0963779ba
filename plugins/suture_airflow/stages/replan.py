"""Giving up a stopped campaign, by a form."""

from __future__ import annotations

from typing import Any

from suture.campaign import CampaignState, fetch_campaign, give_up
from suture.errors import BadInputError
from suture_airflow.translation import campaign_in_form, moved_before, translated
from suture_airflow.warehouse import open_store

ACTOR = "suture:campaign_replan"


@translated
def give_up_requested(context: Any) -> str:
    """Check the form and supersede the campaign; its id. The person who pressed the button is the actor."""
    params, run = context["params"], context["dag_run"]
    campaign_id = campaign_in_form(params, "campaign_replan")
    reason = str(params.get("reason") or "").strip()
    if not reason:
        raise BadInputError(
            f"No reason is given for planning {campaign_id} again: nothing was changed.",
            remedy="Say what was mended; the next approvers read it.",
        )
    with open_store() as store:
        if moved_before(fetch_campaign(store, campaign_id), CampaignState.SUPERSEDED):
            return campaign_id
        give_up(store, campaign_id, actor=getattr(run, "triggering_user_name", None) or ACTOR, reason=reason)
    return campaign_id
