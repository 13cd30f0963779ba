"""The release gate's first and last task."""

from __future__ import annotations

from typing import Any

from suture.campaign import CampaignState, fetch_campaign, move
from suture.campaign.approvals import Gate, require_release
from suture.campaign.briefing import release_briefing
from suture.settings import Settings
from suture_airflow.translation import campaign_of, moved_before, translated
from suture_airflow.warehouse import open_store


@translated
def open_release(context: Any) -> dict[str, str]:
    """The plan as the approvers see it (Markdown), and its hash."""
    with open_store() as store:
        campaign = fetch_campaign(store, campaign_of(context))
        return {"plan_hash": campaign.plan_hash, "body": release_briefing(store, campaign)}


@translated
def release(context: Any) -> list[str]:
    """Move the campaign to approved; the names of those who released it."""
    with open_store() as store:
        campaign = fetch_campaign(store, campaign_of(context))
        approvers = require_release(store, campaign, Gate.load(Settings.load().policy_dir))
        if moved_before(campaign, CampaignState.APPROVED):
            return approvers
        move(
            store,
            campaign.campaign_id,
            expected=CampaignState.TESTED,
            to=CampaignState.APPROVED,
            actor="suture:release_approval",
            reason=f"Released by {' and '.join(approvers)}.",
            grounds={"approvers": approvers, "plan_hash": campaign.plan_hash},
        )
    return approvers
