"""The pages of sourcing: intakes, a campaign's provenance, vendor cases. The rules of pages.py hold here too.

A case under TLP:RED shows its text to its participants only.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from suture.compliance.document import as_json
from suture.compliance.provenance import intake_list, provenance_view, source_proofs
from suture.errors import BadInputError
from suture.risk.affected import affected_cves
from suture.runner.quarantine import list_quarantined
from suture.settings import Settings
from suture.sourcing.cases import Case, CaseState, Vendor, VendorRegister, fetch_case, list_cases, list_events
from suture.sourcing.cases.states import MEANING, TERMINAL
from suture.sourcing.refusal import NEXT_STEP, RefusalReason
from suture.store import Store
from suture_airflow.ui.access import reader
from suture_airflow.ui.drawing import NoSuchThingError, page

Json = dict[str, Any]
ROWS_SHOWN, CVES_SHOWN = 200, 10
router = APIRouter(dependencies=[Depends(reader)])
User = Annotated[Any, Depends(reader)]


@router.get("/intakes")
def show_intakes(request: Request) -> Response:
    return page(
        request,
        "intakes",
        lambda store, _settings, now: {
            "intakes": intake_list(store, now=now),
            "proofs": source_proofs(store),
            "next_step": _next_steps(),
        },
    )


@router.get("/campaigns/{campaign_id}/provenance")
def show_provenance(request: Request, campaign_id: str) -> Response:
    return page(
        request,
        "provenance",
        lambda store, _settings, _now: {
            **provenance_view(store, campaign_id.replace("\0", "�")),
            "next_step": _next_steps(),
            "most": ROWS_SHOWN,
        },
    )


@router.get("/cases")
def show_cases(request: Request, user: User) -> Response:
    name = user.get_name()

    def read(store: Store, _settings: Settings, now: datetime) -> Json:
        """Those whose vendor is late first, then the live ones, the newest first."""
        found = sorted(
            (_shown(case, name, now) for case in list_cases(store)), key=lambda case: (not case["overdue"], not case["live"])
        )
        return {"cases": found, "most": ROWS_SHOWN}

    return page(request, "cases", read)


@router.get("/cases/{case_id}")
def show_case(request: Request, case_id: str, user: User) -> Response:
    name = user.get_name()

    def read(store: Store, settings: Settings, now: datetime) -> Json:
        try:
            case = fetch_case(store, case_id.replace("\0", "�"))
        except BadInputError as error:
            raise NoSuchThingError(error.message, remedy=error.remedy) from error
        vendors = {vendor.name: vendor for vendor in VendorRegister.load(settings.policy_dir).vendors}
        vendor = vendors.get(case.vendor)
        # The vendor's words may be under embargo as ours are.
        events: list[Json] = as_json(list_events(store, case.case_id)) if case.readable_by(name) else []
        return {
            "case": _shown(case, name, now),
            "meaning": MEANING[case.state],
            "events": events,
            "quarantined": _quarantined(store, case),
            "vendor_title": vendor.title if vendor else case.vendor,
            "contact": vendor.contact_address if vendor else "no longer in vendors.yaml",
            "published": _published(store, vendor),
        }

    return page(request, "case", read)


def _shown(case: Case, user: str, now: datetime) -> Json:
    """A case as this person may see it; `readable`: whether its text is shown. The clock that runs: `due`, `overdue`."""
    readable = case.readable_by(user)
    due = {
        CaseState.ASKED: case.acknowledge_by,
        CaseState.ACKNOWLEDGED: case.fix_by,
        CaseState.REFUSED: case.fix_by,
    }.get(case.state)
    found: Json = as_json(
        {
            **{name: getattr(case, name) for name in case.__dataclass_fields__},
            "readable": readable,
            "embargoed": case.embargoed(now),
            "live": case.state not in TERMINAL,
            "due": due,
            "overdue": due is not None and now > due,
        }
    )
    if not readable:
        found |= {"title": "", "summary": "", "cve_id": None, "state_reason": MEANING[case.state]}
    return found


def _published(store: Store, vendor: Vendor | None) -> list[Json]:
    """The newest CVEs whose public records name the vendor's products (cve_products of vendors.yaml); [] when it has none there."""
    if vendor is None or not vendor.cve_products:
        return []
    named = [(entry.vendor, entry.product) for entry in vendor.cve_products]
    found: list[Json] = as_json([vars(one) for one in affected_cves(store, named, max_rows=CVES_SHOWN)])
    return found


def _quarantined(store: Store, case: Case) -> list[Json]:
    """The case's hosts that still know the quarantine: sentence; ended: they should not, their campaign has ended."""
    return [
        {"sentence": one.sentence, "ended": one.ended}
        for one in list_quarantined(store)
        if one.case_id == case.case_id
    ]


def _next_steps() -> dict[str, str]:
    return {str(reason): NEXT_STEP[reason] for reason in RefusalReason}
