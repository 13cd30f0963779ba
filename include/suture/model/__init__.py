"""The vocabulary that every room shares: closed sets as enums, the campaign's plan, ring names."""

from suture.model.plan import CampaignPlan, PlannedPackage, canonical_hash
from suture.model.vocabulary import (
    PRODUCTION_RINGS,
    Criticality,
    Environment,
    Exposure,
    Priority,
    Ring,
    Verdict,
    is_cve_id,
)

__all__ = [
    "PRODUCTION_RINGS",
    "CampaignPlan",
    "Criticality",
    "Environment",
    "Exposure",
    "PlannedPackage",
    "Priority",
    "Ring",
    "Verdict",
    "canonical_hash",
    "is_cve_id",
]
