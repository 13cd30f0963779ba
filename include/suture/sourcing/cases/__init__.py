"""Patches out of band: a case for each zero-day, from the request to the vendor to the regular release that replaces the hotfix."""

from suture.sourcing.cases.case import Case, CaseForm, fetch_case, list_cases, list_events, open_case
from suture.sourcing.cases.states import CaseError, CaseState
from suture.sourcing.cases.vendors import CveProduct, Vendor, VendorRegister

__all__ = [
    "Case",
    "CaseError",
    "CaseForm",
    "CaseState",
    "CveProduct",
    "Vendor",
    "VendorRegister",
    "fetch_case",
    "list_cases",
    "list_events",
    "open_case",
]
