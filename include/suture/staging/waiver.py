"""Asset groups without a mirror: what policy must say of them, and the waiver that a campaign of theirs needs.

The rules:

1. A production group has staging hosts (staging_group in assets.yaml), or parity.yaml says under without_mirror why it has none.
   One of which nothing is said is refused: silence is no waiver.
2. Without a mirror nothing is tested before production. A person whom policy names for that group may let a campaign go on
   all the same, for exactly its plan, with a reason; never its requester. Another plan needs another waiver.
3. A waiver makes no test pass: the record says that nothing was tested, who answers for it, and why.
4. A group with staging hosts cannot be waived: they are to be made like production.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from suture import evidence
from suture.campaign import Campaign, CampaignState
from suture.campaign.guidance import WAIVER
from suture.errors import BadInputError
from suture.model.assets import AssetRegister
from suture.settings import Settings
from suture.staging.parity import ParityError
from suture.staging.parity_policy import ParityPolicy, Unmirrored
from suture.store import Store, parity

MAY_BE_WAIVED = (CampaignState.PLANNED, CampaignState.VALIDATED)


class WaiverError(ParityError):
    """A waiver that does not count. Nothing was changed."""


class WaiverMissingError(ParityError):
    """The group has no mirror, and nobody has waived the staging tests of this plan. The campaign waits."""


def unmirrored(settings: Settings, asset_group: str) -> Unmirrored | None:
    """What policy says of a group without staging hosts; None for a group that has some. Raises ParityError for silence."""
    group = AssetRegister.load(settings.policy_dir).group(asset_group)
    if group.staging_group is not None:
        return None
    stated = ParityPolicy.load(settings.policy_dir).unmirrored(asset_group)
    if stated is None:
        raise ParityError(
            f"The asset group {asset_group} has no staging group, and parity.yaml does not say that it needs none: nothing of"
            " it can be tested, so nothing of it goes to production.",
            remedy="Name its staging_group in assets.yaml, or list it under without_mirror in parity.yaml with a reason and who"
            " may waive its tests; then plan the campaign anew.",
        )
    return stated


def require_waiver(store: Store, campaign: Campaign, stated: Unmirrored) -> dict[str, Any]:
    """The waiver of this very plan, by somebody whom policy still names. Raises WaiverMissingError."""
    row = parity.waiver_of(store, campaign.campaign_id, campaign.plan_hash)
    if row is None or row["waived_by"] not in stated.waivers:
        who = "nobody has waived them" if row is None else f"{row['waived_by']}, who waived them, may not do so any more"
        raise WaiverMissingError(
            f"{campaign.campaign_id} cannot be tested on staging ({campaign.plan.asset_group}: {stated.reason}), and {who}.",
            remedy=f"{_spoken(stated.waivers)} may trigger {WAIVER} with a reason; or give the group a staging_group.",
        )
    return row


def grant(store: Store, settings: Settings, campaign: Campaign, *, who: str | None, reason: str, at: datetime) -> None:
    """Write a person's waiver for the campaign's plan; told again by the same person, it does nothing.

    Raises WaiverError (not theirs to give, wrong state), BadInputError (no reason, unknown group), ParityError (silence of policy).
    """
    name, reason = campaign.campaign_id, " ".join(reason.split())
    if not reason:
        raise BadInputError(
            f"No reason is given for letting {name} go on untested: nothing was changed.",
            remedy="Say why it is safe enough, and how it will be watched; the approvers read it.",
        )
    stated = unmirrored(settings, campaign.plan.asset_group)
    if stated is None:
        raise WaiverError(
            f"{campaign.plan.asset_group} has staging hosts: the tests of {name} cannot be waived.",
            remedy="Make staging like production again (`./suture parity`), then plan the campaign anew.",
        )
    if who is None or who not in stated.waivers or who == campaign.requested_by:
        raise WaiverError(
            f"{who or 'An unknown person'} may not waive the staging tests of {name}.",
            remedy=f"Ask {_spoken([one for one in stated.waivers if one != campaign.requested_by]) or 'for another name'}"
            f" (without_mirror of {stated.asset_group} in parity.yaml).",
        )
    with store.transaction():
        known = parity.waiver_of(store, name, campaign.plan_hash)
        if known is not None and known["waived_by"] == who:
            return
        if known is not None:
            raise WaiverError(f"The staging tests of {name} were waived before, by {known['waived_by']}.")
        if campaign.state not in MAY_BE_WAIVED:
            raise WaiverError(f"{name} is {campaign.state}: there are no staging tests to waive.")
        row = {
            "campaign_id": name,
            "plan_hash": campaign.plan_hash,
            "asset_group": stated.asset_group,
            "policy_reason": stated.reason,
            "waived_by": who,
            "reason": reason,
            "waived_at": at,
        }
        parity.write_waiver(store, row)
        evidence.record(
            store,
            actor=who,
            action="parity_waived",
            subject=f"campaign:{name}",
            campaign_id=name,
            grounds={
                "plan_hash": campaign.plan_hash,
                "sentence": f"No mirror of {stated.asset_group} ({stated.reason}); its staging tests are waived: {reason}",
            },
            at=at,
        )


def _spoken(names: Any) -> str:
    return " or ".join(names)
