"""Sourcing: proving where patches come from, and letting nothing else into the internal repository."""

from suture.sourcing.refusal import Refusal, RefusalReason
from suture.sourcing.repository import Adoption, VerifiedFile, verify_repository
from suture.sourcing.source import AptSource, load_source, load_sources

__all__ = [
    "Adoption",
    "AptSource",
    "Refusal",
    "RefusalReason",
    "VerifiedFile",
    "load_source",
    "load_sources",
    "verify_repository",
]
