"""Threat intelligence: what became more urgent; and the question whether a campaign moves to an earlier window."""

from __future__ import annotations

from typing import Any

from airflow.sdk.exceptions import AirflowSkipException

from suture.campaign import fetch_campaign
from suture.campaign.briefing import release_briefing
from suture.campaign.window_moves import open_move
from suture.risk.urgency import watch_threats
from suture.risk.urgency_policy import UrgencyPolicy
from suture.settings import Settings
from suture_airflow.clock import utc_now
from suture_airflow.translation import campaign_of, translated
from suture_airflow.warehouse import open_store


@translated
def watch() -> list[str]:
    """The reasons, a sentence each. Skipped when nothing became more urgent, so that nothing is started."""
    policy = UrgencyPolicy.load(Settings.load().policy_dir)
    with open_store() as store:
        changes = watch_threats(store, policy, now=utc_now())
    if not changes:
        raise AirflowSkipException("Nothing became more urgent.")
    sentences = [change.reason for change in changes]
    print("\n".join(sentences))
    return sentences[:50]


@translated
def open_question(context: Any) -> dict[str, Any]:
    """The move that waits, as its approvers see it (Markdown)."""
    with open_store() as store:
        campaign = fetch_campaign(store, campaign_of(context))
        row = open_move(store, campaign.campaign_id)
        head = (
            f"Move **{campaign.campaign_id}** from its window `{row['from_window']}` to **`{row['to_window']}`**? "
            "The plan and its approvals stay as they are."
        )
        return {
            "move_id": row["move_id"],
            "body": f"{head}\n\n{release_briefing(store, campaign)}",
        }
