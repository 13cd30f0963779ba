"""The report, and the close."""

from __future__ import annotations

from typing import Any

from airflow.sdk.exceptions import AirflowSkipException

from suture import evidence
from suture.campaign import CampaignState, fetch_campaign, move
from suture.compliance import report
from suture.errors import SutureError
from suture.settings import Settings
from suture_airflow.stages.inventory import collect_hosts
from suture_airflow.stages.risk import match_findings
from suture_airflow.translation import campaign_of, moved_before, translated
from suture_airflow.warehouse import open_store


class DamagedEvidenceError(SutureError):
    """The chain is not whole: nothing is reported or closed on it."""


def refresh_hosts(context: Any) -> str:
    """The fleet as it is now, and the findings that follow from it. Raises what collect_hosts raises."""
    collect_hosts(context)
    return match_findings()


@translated
def write_report(context: Any) -> dict[str, Any]:
    """Write a campaign's report, on a whole evidence chain only."""
    settings = Settings.load()
    with open_store() as store:
        rows = store.fetch_all("evidence/list_evidence", {"campaign_id": None})
        faults = evidence.verify_rows(rows, report.known_anchors(settings))
        if faults:
            raise DamagedEvidenceError(
                f"The evidence chain is damaged: {faults[0].sentence}",
                remedy="Run `./suture evidence verify` and follow docs/runbooks/evidence-chain-damaged.md.",
            )
        files = report.write_report(store, settings, campaign_of(context))
    return {"html": files.html.uri, "coverage": files.coverage}


@translated
def close_campaign(context: Any) -> str:
    """Close a verified campaign; a rolled-back one keeps its state."""
    campaign_id = campaign_of(context)
    with open_store() as store:
        campaign = fetch_campaign(store, campaign_id)
        if moved_before(campaign, CampaignState.CLOSED):
            return campaign_id
        if campaign.state is not CampaignState.VERIFIED:
            raise AirflowSkipException(f"{campaign_id} is {campaign.state}: there is nothing to close.")
        move(
            store,
            campaign_id,
            expected=CampaignState.VERIFIED,
            to=CampaignState.CLOSED,
            actor="suture:compliance_reporting",
            reason="Verified on every host, and reported from evidence.",
        )
    return campaign_id
