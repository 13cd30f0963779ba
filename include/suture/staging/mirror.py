"""Which staging hosts follow production after a rollout: those whose role's production hosts the campaign has patched.

A campaign of the web tier tests on the whole pair. After it, only the web tier's mirror may be patched: production's
database still runs the old versions, and a staging database with newer ones would mirror nothing.
"""

from __future__ import annotations

from suture.model import CampaignPlan, Ring
from suture.runner.inventory import Inventory
from suture.staging.parity_facts import PRODUCTION, STAGING
from suture.staging.parity_policy import ParityPolicy, Role


def followers(rules: ParityPolicy, inventory: Inventory, plan: CampaignPlan) -> tuple[str, ...]:
    """The plan's staging hosts that are to follow, sorted. One without a role follows: nothing says whom it mirrors."""
    patched = {role.name for host in plan.production_hosts if (role := _role(rules, inventory, PRODUCTION, host))}
    found = []
    for host in plan.hosts(Ring.STAGING):
        role = _role(rules, inventory, STAGING, host)
        if role is None or role.name in patched:
            found.append(host)
    return tuple(found)


def _role(rules: ParityPolicy, inventory: Inventory, side: str, host: str) -> Role | None:
    known = inventory.hosts.get(host)
    return rules.role_of(side, known.groups) if known else None
