"""Evidence: an append-only, hash-chained record of every decision and action; its head is anchored elsewhere."""

from suture.evidence.anchor import AnchoredHead, EvidenceKeyError, anchor_head, read_anchors
from suture.evidence.chain import Fault, FaultKind, edited, record, verify_rows, verify_stretch

__all__ = [
    "AnchoredHead",
    "EvidenceKeyError",
    "Fault",
    "FaultKind",
    "anchor_head",
    "edited",
    "read_anchors",
    "record",
    "verify_rows",
    "verify_stretch",
]
