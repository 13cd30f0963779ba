"""Which hosts still know the quarantine repository, and which of them are to forget it now.

The rules:

1. A campaign in quarantine writes the quarantine's address into its hosts' apt source whenever it prepares or patches them. They
   need it then only: what a hotfix installed stays installed, and the way back is kept on the host.
2. Once the campaign has ended, however it ended, its hosts' source is written anew without that address (step `leave_quarantine`).
   A campaign that is under way or halted keeps it: its next step would need it again.
3. Hosts are found by what was done to them, so that none is forgotten whose task died. A host has left when its source was written
   without the address since: by this step, or by a regular campaign.
4. A host that fails or is lost stays on the list with the reason, and is tried again. A retired host is on no list.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from suture.campaign import Campaign, CampaignState
from suture.runner.interface import Phase
from suture.runner.phases import STEPS
from suture.store import Store, steps
from suture.store.steps import StepStatus

LEAVE = "leave_quarantine"
ENTERING = tuple(name for name, step in STEPS.items() if step.phase in (Phase.PREFLIGHT, Phase.PATCH))


@dataclass(frozen=True)
class QuarantinedHost:
    """A host with the quarantine's address in its apt source. case_id: None for a campaign of no case. since: the campaign's last act
    on it. ended: whether the campaign has ended, so that it should have left. tried_at: the last try to, since then (None: none
    yet); error: why that failed (None: it runs, or there was none).
    """

    campaign_id: str
    case_id: str | None
    host_id: str
    since: datetime
    ended: bool
    tried_at: datetime | None
    error: str | None

    @property
    def sentence(self) -> str:
        if not self.ended:
            return f"{self.host_id}: {self.campaign_id} is under way"
        if self.tried_at is None:
            return f"{self.host_id}: not tried yet"
        return f"{self.host_id}: {self.error or 'the last try did not come to its end'}"


def list_quarantined(store: Store, campaign_id: str | None = None) -> list[QuarantinedHost]:
    """Of all campaigns (or of one), by campaign and host; [] when no host knows the quarantine."""
    rows = store.fetch_all(
        "host_step/list_quarantined_hosts",
        {"campaign_id": campaign_id, "entering": list(ENTERING), "leaving": LEAVE},
    )
    found = []
    for row in rows:
        tried = row["tried_at"] is not None and row["tried_at"] > row["since"]
        found.append(
            QuarantinedHost(
                campaign_id=row["campaign_id"],
                case_id=row["case_id"],
                host_id=row["host_id"],
                since=row["since"],
                ended=CampaignState(row["state"]) in STEPS[LEAVE].states,
                tried_at=row["tried_at"] if tried else None,
                error=row["error"] if tried and row["status"] != StepStatus.RUNNING else None,
            )
        )
    return found


def leavers(store: Store, campaign: Campaign) -> tuple[str, ...]:
    """The hosts of a campaign that are to leave now, sorted; () while it is under way, or when none is left.

    One that had left and was acted on again since (a rollback that failed, a rollout taken up) may leave again.
    """
    hosts = tuple(one.host_id for one in list_quarantined(store, campaign.campaign_id) if one.ended)
    if hosts:
        steps.reopen(
            store, campaign_id=campaign.campaign_id, plan_hash=campaign.plan_hash, host_ids=hosts, steps=[LEAVE],
            reason="the campaign acted on the host again since",
        )  # fmt: skip
    return hosts


def campaigns_to_leave(store: Store) -> list[str]:
    """Campaigns that have ended and still have hosts that know the quarantine."""
    return sorted({one.campaign_id for one in list_quarantined(store) if one.ended})
