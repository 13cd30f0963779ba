"""One step of a case, whatever it waits for: the vendor's answer, its campaign, or the regular release."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from suture.campaign import CampaignState, fetch_campaign
from suture.errors import SutureError
from suture.settings import Settings
from suture.sourcing.cases.asking import ask_vendor, look
from suture.sourcing.cases.case import Case, list_cases
from suture.sourcing.cases.hotfix import RingPlan, follow_campaign, plan_hotfix, replace_hotfix
from suture.sourcing.cases.states import TERMINAL, CaseState
from suture.sourcing.cases.vendors import VendorRegister
from suture.store import Store


@dataclass(frozen=True)
class Watched:
    """planned: campaigns to hand over. faults: case → why its step failed; the others went on."""

    planned: tuple[str, ...]
    faults: Mapping[str, str]
    live: int


def advance(
    store: Store, settings: Settings, register: VendorRegister, case_id: str, *, ring_plan: RingPlan, now: datetime
) -> Case:
    """Ask the vendor where that is due, look, and plan the campaign of an offer: what a case's own run does until then.

    The case as it is then. Raises DeskError, and Refusal with reason unreachable: both retryable.
    """
    ask_vendor(store, register, settings.secrets_dir, case_id, now=now)
    case = look(store, register, settings.secrets_dir, case_id, now=now)
    if case.state is CaseState.OFFERED:
        case = plan_hotfix(store, settings, case, ring_plan=ring_plan, now=now)
    return case


def first_campaign(store: Store, case: Case) -> str | None:
    """The campaign that a case's own run hands over: planned, and not moved on by anybody; None when there is none."""
    if case.campaign_id is None or fetch_campaign(store, case.campaign_id).state is not CampaignState.PLANNED:
        return None
    return case.campaign_id


def watch_cases(
    store: Store, settings: Settings, register: VendorRegister, *, ring_plan: RingPlan, now: datetime
) -> Watched:
    """Every case that is past its first campaign: follow it, take a second offer, replace the hotfix."""
    planned, faults, live = [], {}, 0
    for case in list_cases(store):
        if case.state in TERMINAL or case.campaign_id is None:
            continue
        live += 1
        try:
            followed = follow_campaign(store, settings, case, now=now)
            if followed.state in (CaseState.REFUSED, CaseState.OFFERED):
                followed = advance(store, settings, register, case.case_id, ring_plan=ring_plan, now=now)
                if followed.state is CaseState.ROLLING_OUT and followed.campaign_id:
                    planned.append(followed.campaign_id)
            _, replacement = replace_hotfix(store, settings, register, followed, ring_plan=ring_plan, now=now)
            if replacement:
                planned.append(replacement)
        except SutureError as error:
            faults[case.case_id] = error.message
    return Watched(tuple(planned), faults, live)
