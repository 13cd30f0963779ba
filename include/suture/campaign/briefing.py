"""What a person must know to decide on a campaign, as Markdown for Airflow's Required Actions page.

Text that came from feeds or hosts is escaped: a package's or host's name is shown, never interpreted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from suture.campaign.campaigns import Campaign
from suture.model import Ring
from suture.store import Store

MOST_CONCERNS = 20
_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#+!|~])")


def release_briefing(store: Store, campaign: Campaign) -> str:
    """Why, what, where, how it was proven, and which plan hash an approval binds to."""
    tests = store.fetch_all("test_run/list_campaign_tests", {"campaign_id": campaign.campaign_id})
    deadline = campaign.deadline.strftime("%Y-%m-%d %H:%M UTC") if campaign.deadline else "none"
    lines = [
        f"**{escaped(campaign.title)}**",
        "",
        f"Priority **{campaign.priority}**, deadline **{deadline}**, window **{escaped(campaign.window_name)}**, "
        f"requested by **{escaped(campaign.requested_by)}**.",
        "",
        "**Why**",
        *(f"- {escaped(str(reason))}" for reason in campaign.reasons[:8]),
        "",
        "**Packages**",
        *(f"- {escaped(p.package)} {escaped(p.version)}" for p in campaign.plan.packages),
        "",
        "**Where**",
        *(
            f"- {ring.value.replace('_', ' ')}: {_listed(campaign.plan.hosts(ring))}"
            for ring in Ring
            if campaign.plan.hosts(ring) and ring is not Ring.STAGING
        ),
        "",
        *_concerns(store, campaign),
        "**Staging**",
        *(
            f"- {escaped(run['stage'].replace('_', ' '))}: {run['tests'] - run['failures']} of {run['tests']} tests passed on "
            f"{escaped(run['host_id'])} in {run['duration_seconds']:.0f} s"
            for run in tests
        ),
        "",
        f"An approval is for exactly this plan: `{campaign.plan_hash[:16]}`.",
    ]
    return "\n".join(lines)


def _concerns(store: Store, campaign: Campaign) -> list[str]:
    """What the examination of the packages found that policy wants read before a release; [] when there is nothing."""
    rows = store.fetch_all("intake/list_review_concerns", {"campaign_id": campaign.campaign_id})
    local = [row["sentence"] for row in store.fetch_all("intake/list_local_changes", {"campaign_id": campaign.campaign_id})]
    changed = ["**Changed by hand on these hosts**", *(f"- {escaped(text)}" for text in local[:MOST_CONCERNS]), ""] if local else []
    if not rows:
        return changed
    more = len(rows) - MOST_CONCERNS
    return [
        *changed,
        f"**Found in the packages ({len(rows)}), to be read**",
        *(f"- {escaped(row['package'])}: {escaped(row['sentence'])}" for row in rows[:MOST_CONCERNS]),
        *([f"- and {more} more: see the campaign's provenance page."] if more > 0 else []),
        "",
    ]


def escaped(text: str) -> str:
    """Markdown's special characters made plain, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _listed(hosts: Iterable[str]) -> str:
    return ", ".join(escaped(host) for host in hosts)
