"""The evidence chain.

The rules:

1. Records are numbered 1, 2, 3 … without a gap.
2. A record's hash is SHA-256 over the canonical JSON (RFC 8785) of all its other fields, `prev_hash` among them.
3. `prev_hash` is the hash of the record before it; the first one's is 64 zeros.
4. Nothing is ever updated or deleted (a trigger refuses it); a correction is a new record.
5. A chain cannot see that its tail was cut: its head (number and hash) is signed and kept outside (see anchor.py).

So an edited record no longer gives its own hash, a removed one leaves a gap, a reordered one breaks both links, and a
cut or rewritten tail contradicts an anchor.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

import rfc8785

from suture.errors import BadInputError
from suture.evidence.anchor import AnchoredHead
from suture.store import Json, Store

FIRST_PREV_HASH = "0" * 64
MAX_SAFE_INTEGER = 2**53 - 1  # RFC 8785, section 3.2.2.3: numbers are IEEE 754 doubles


class FaultKind(StrEnum):
    EDITED = "edited"
    REMOVED = "removed"
    REORDERED = "reordered"
    TAIL_CUT = "tail_cut"
    REWRITTEN = "rewritten"


@dataclass(frozen=True)
class Fault:
    """What is wrong, at which record (`seq`), in a sentence."""

    kind: FaultKind
    seq: int
    sentence: str


def record(
    store: Store,
    *,
    actor: str,
    action: str,
    subject: str,
    campaign_id: str | None = None,
    grounds: Mapping[str, Any] | None = None,
    at: datetime | None = None,
) -> int:
    """Append a record and return its number. Joins the caller's transaction when there is one.

    actor: a user name, or `suture:<dag or verb>`; action: a verb in the past tense (`campaign_moved`,
    `package_adopted`); subject: `<noun>:<id>`; grounds: what the decision rests on, as JSON. NUL characters become
    U+FFFD (PostgreSQL refuses them). Raises BadInputError for grounds that are not JSON.
    """
    if not (actor and action and subject):
        raise BadInputError("Evidence needs an actor, an action and a subject.")
    cleaned = _without_nul(dict(grounds or {}))
    with store.transaction():
        store.execute("evidence/lock_evidence")
        head = store.fetch_one("evidence/fetch_evidence_head")
        row = {
            "seq": head["seq"] + 1 if head else 1,
            "recorded_at": (at or datetime.now(UTC)).astimezone(UTC),
            "actor": _without_nul(actor),
            "action": action,
            "subject": _without_nul(subject),
            "campaign_id": campaign_id,
            "grounds": cleaned,
            "prev_hash": head["hash"] if head else FIRST_PREV_HASH,
        }
        try:
            rfc8785.dumps(cleaned)  # refuses integers that a reader would round; record_hash() is lenient to jsonb
            digest = record_hash(row)
        except (rfc8785.CanonicalizationError, ValueError, TypeError) as error:
            raise BadInputError(f"The grounds of {action} are not plain JSON: {error}.") from error
        store.execute("evidence/append_evidence", {**row, "grounds": Json(cleaned), "hash": digest})
    return int(row["seq"])


def record_hash(row: Mapping[str, Any]) -> str:
    """The hash that a record must carry; `row` as the warehouse returns it (recorded_at an aware datetime)."""
    covered = {
        "seq": row["seq"],
        "recorded_at": row["recorded_at"].astimezone(UTC).isoformat(timespec="microseconds"),
        "actor": row["actor"],
        "action": row["action"],
        "subject": row["subject"],
        "campaign_id": row["campaign_id"],
        "grounds": _as_recorded(row["grounds"]),
        "prev_hash": row["prev_hash"],
    }
    return hashlib.sha256(rfc8785.dumps(covered)).hexdigest()


def verify_rows(rows: Iterable[Mapping[str, Any]], anchors: Iterable[AnchoredHead] = ()) -> list[Fault]:
    """Check records in the order given (by seq) against the rules and the anchors; [] when all is well."""
    hashes: dict[int, str] = {}
    return [*_walk(rows, hashes, 1, FIRST_PREV_HASH), *_against(hashes, anchors)]


def verify_stretch(rows: Sequence[Mapping[str, Any]], anchors: Iterable[AnchoredHead] = ()) -> list[Fault]:
    """As verify_rows, for records from some number on: they follow one another, and agree with the anchors among them.

    What stands before the first of them is not looked at. [] for no rows, too.
    """
    if not rows:
        return []
    first = int(rows[0]["seq"])
    hashes: dict[int, str] = {}
    faults = list(_walk(rows, hashes, first, rows[0]["prev_hash"]))
    return [*faults, *_against(hashes, [anchor for anchor in anchors if anchor.seq >= first])]


def edited(rows: Iterable[Mapping[str, Any]]) -> list[Fault]:
    """The records that do not give their own hash, wherever they stand in the chain."""
    return [_edited(row) for row in rows if not _gives_its_own_hash(row)]


def _against(hashes: Mapping[int, str], anchors: Iterable[AnchoredHead]) -> list[Fault]:
    faults: list[Fault] = []
    last = max(hashes, default=0)
    for anchor in anchors:
        if anchor.seq > last:
            faults.append(
                Fault(
                    FaultKind.TAIL_CUT,
                    anchor.seq,
                    f"The anchor of {anchor.anchored_at} knows {anchor.seq} records; the table ends at {last}.",
                )
            )
        elif anchor.seq in hashes and hashes[anchor.seq] != anchor.hash:
            faults.append(
                Fault(
                    FaultKind.REWRITTEN,
                    anchor.seq,
                    f"Record {anchor.seq} has another hash than its anchor of {anchor.anchored_at}: "
                    "the chain was written anew up to there.",
                )
            )
    return faults


def _edited(row: Mapping[str, Any]) -> Fault:
    seq = int(row["seq"])
    return Fault(FaultKind.EDITED, seq, f"Record {seq} ({row['action']}) was edited: it does not give its own hash.")


def _walk(
    rows: Iterable[Mapping[str, Any]], hashes: dict[int, str], expected_seq: int, prev_hash: str
) -> Iterator[Fault]:
    for row in rows:
        seq = int(row["seq"])
        if seq > expected_seq:
            gap = f"{expected_seq}" if seq == expected_seq + 1 else f"{expected_seq} to {seq - 1}"
            yield Fault(FaultKind.REMOVED, expected_seq, f"Record {gap} is missing.")
        elif seq < expected_seq:
            yield Fault(FaultKind.REORDERED, seq, f"Record {seq} ({row['action']}) stands after {expected_seq - 1}.")
        if not _gives_its_own_hash(row):
            yield _edited(row)
        elif seq == expected_seq and row["prev_hash"] != prev_hash:
            yield Fault(FaultKind.REORDERED, seq, f"Record {seq} ({row['action']}) does not follow record {seq - 1}.")
        hashes[seq] = row["hash"]
        expected_seq, prev_hash = seq + 1, row["hash"]


def _gives_its_own_hash(row: Mapping[str, Any]) -> bool:
    try:
        return bool(record_hash(row) == row["hash"])
    except (rfc8785.CanonicalizationError, ValueError, ArithmeticError):
        return False  # it holds what record() would never have written


def _as_recorded(value: Any) -> Any:
    """Undo what jsonb does to numbers: it gives the float 1e22 back as an integer, beyond what RFC 8785 may write.

    Only where that integer is exactly how PostgreSQL writes a float; any other one was never recorded.
    """
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > MAX_SAFE_INTEGER:
        return float(value) if Decimal(repr(float(value))) == value else value
    if isinstance(value, Mapping):
        return {key: _as_recorded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_recorded(item) for item in value]
    return value


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\x00", "�")
    if isinstance(value, Mapping):
        return {str(_without_nul(key)): _without_nul(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nul(item) for item in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return value
