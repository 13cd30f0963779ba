"""The lifecycle's assets. A stage hands a campaign over by an event with the campaign's id as partition key, so that
Airflow's asset graph is the lifecycle, and each campaign has its own run at each stage.
"""

from __future__ import annotations

from airflow.sdk import Asset

ADVISORIES = Asset(name="advisories", uri="suture://advisories", group="suture")
HOSTS = Asset(name="hosts", uri="suture://hosts", group="suture")
URGENCY_CHANGED = Asset(name="urgency_changed", uri="suture://urgency/changed", group="suture")

CAMPAIGN_PLANNED = Asset(name="campaign_planned", uri="suture://campaign/planned", group="suture")
CAMPAIGN_VALIDATED = Asset(name="campaign_validated", uri="suture://campaign/validated", group="suture")
PARITY_WAIVED = Asset(name="parity_waived", uri="suture://campaign/parity_waived", group="suture")
CAMPAIGN_TESTED = Asset(name="campaign_tested", uri="suture://campaign/tested", group="suture")
CAMPAIGN_APPROVED = Asset(name="campaign_approved", uri="suture://campaign/approved", group="suture")
RING_JUDGED_BY_HAND = Asset(name="ring_judged_by_hand", uri="suture://campaign/ring_judged_by_hand", group="suture")
CAMPAIGN_BACKED_UP = Asset(name="campaign_backed_up", uri="suture://campaign/backed_up", group="suture")
CAMPAIGN_VERIFIED = Asset(name="campaign_verified", uri="suture://campaign/verified", group="suture")
CAMPAIGN_ROLLED_BACK = Asset(name="campaign_rolled_back", uri="suture://campaign/rolled_back", group="suture")
CAMPAIGN_REPORTED = Asset(name="campaign_reported", uri="suture://campaign/reported", group="suture")
WINDOW_MOVE_PROPOSED = Asset(name="window_move_proposed", uri="suture://campaign/window_move_proposed", group="suture")
