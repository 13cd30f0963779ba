"""Campaigns: one set of patches going to one set of hosts, and the lifecycle they move through."""

from suture.campaign.campaigns import Campaign, create_campaign, fetch_campaign, give_up, next_campaign_id, pin_packages
from suture.campaign.lifecycle import CampaignState, LifecycleError, StaleMoveError, move

__all__ = [
    "Campaign",
    "CampaignState",
    "LifecycleError",
    "StaleMoveError",
    "create_campaign",
    "fetch_campaign",
    "give_up",
    "move",
    "next_campaign_id",
    "pin_packages",
]
