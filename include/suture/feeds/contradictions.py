"""Where sources contradict one another, or themselves.

The rules:

1. A contradiction is found by comparing what the warehouse holds (view present_contradiction), after every copy that is
   taken in. It is kept with both claims, the one that holds first, and closed when the sources agree again.
2. Nothing is corrected: each source's word stays in its own table. Which word holds is docs/feeds/PRECEDENCE.md, and the
   same order is what scoring goes by.
3. A score is compared with what its own vector gives. A vector is computed once (table vector_score).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from cvss import CVSS2, CVSS3, CVSS4
from cvss.exceptions import CVSSError

from suture.feeds.decoded import Row
from suture.feeds.staging import lock
from suture.store import Json, Store

_VECTORS_AT_ONCE = 5000
_MAX_VECTOR = 400
_KINDS_OF_VECTOR = {"CVSS:4": CVSS4, "CVSS:3": CVSS3}


class ContradictionKind(StrEnum):
    SCORE_NOT_OF_VECTOR = "score_not_of_vector"
    SCORES_DIFFER = "scores_differ"
    KEV_NOT_IN_RECORD = "kev_not_in_record"
    RECORD_NOT_IN_KEV = "record_not_in_kev"
    KEV_DATES_DIFFER = "kev_dates_differ"
    KEV_DUE_BEFORE_ADDED = "kev_due_before_added"
    KEV_BUT_NOT_ACTIVE = "kev_but_not_active"
    REJECTED_BUT_IN_KEV = "rejected_but_in_kev"
    REJECTED_BUT_IN_EPSS = "rejected_but_in_epss"


MEANING: Mapping[ContradictionKind, tuple[str, str]] = {
    ContradictionKind.SCORE_NOT_OF_VECTOR: (
        "A source gives a score that its own vector does not give.",
        "The vector: only it can be fitted to an asset and checked.",
    ),
    ContradictionKind.SCORES_DIFFER: (
        "Several sources score the CVE differently in one CVSS version.",
        "The CNA, then the vendor of the fix, then CISA's container, then other ADPs, then NVD.",
    ),
    ContradictionKind.KEV_NOT_IN_RECORD: (
        "KEV names the CVE; its record does not mention it.",
        "KEV: it is the catalogue, the record only repeats it. It counts as exploited.",
    ),
    ContradictionKind.RECORD_NOT_IN_KEV: (
        "The record is marked as known exploited; our copy of KEV does not name it.",
        'The record is shown as a sign; only KEV itself, or SSVC\'s "active", makes a decision say exploited.',
    ),
    ContradictionKind.KEV_DATES_DIFFER: (
        "KEV and the record give different dates of addition.",
        "KEV's own date.",
    ),
    ContradictionKind.KEV_DUE_BEFORE_ADDED: (
        "KEV's due date lies before the date added.",
        "The date added starts the clock; the due date is shown and counts as passed.",
    ),
    ContradictionKind.KEV_BUT_NOT_ACTIVE: (
        "KEV names the CVE; CISA's SSVC values in the record say none or only a proof of concept.",
        "KEV: exploitation is active.",
    ),
    ContradictionKind.REJECTED_BUT_IN_KEV: (
        "KEV names a CVE whose record is rejected.",
        "KEV: exploitation was seen, whatever became of the number. A person looks at it.",
    ),
    ContradictionKind.REJECTED_BUT_IN_EPSS: (
        "EPSS scores a CVE whose record is rejected.",
        "The record: a rejected CVE raises no urgency by its EPSS.",
    ),
}  # what it is; which claim holds, and why


# The tables that each kind compares.
_COMPARES: Mapping[ContradictionKind, frozenset[str]] = {
    ContradictionKind.SCORE_NOT_OF_VECTOR: frozenset({"cve_score"}),
    ContradictionKind.SCORES_DIFFER: frozenset({"cve_score"}),
    ContradictionKind.KEV_NOT_IN_RECORD: frozenset({"kev", "cve"}),
    ContradictionKind.RECORD_NOT_IN_KEV: frozenset({"kev", "cve"}),
    ContradictionKind.KEV_DATES_DIFFER: frozenset({"kev", "cve"}),
    ContradictionKind.KEV_DUE_BEFORE_ADDED: frozenset({"kev"}),
    ContradictionKind.KEV_BUT_NOT_ACTIVE: frozenset({"kev", "cve_ssvc"}),
    ContradictionKind.REJECTED_BUT_IN_KEV: frozenset({"kev", "cve"}),
    ContradictionKind.REJECTED_BUT_IN_EPSS: frozenset({"epss", "cve"}),
}


@dataclass(frozen=True)
class Claim:
    """What one source says, in words."""

    source: str
    says: str


@dataclass(frozen=True)
class Contradiction:
    """One disagreement. subject: what it is about within the CVE, "" for all of it; claims: the first one holds;
    ended_at: None while the sources disagree."""

    kind: ContradictionKind
    cve_id: str
    subject: str
    claims: tuple[Claim, ...]
    first_seen_at: datetime
    last_changed_at: datetime
    ended_at: datetime | None

    @property
    def sentence(self) -> str:
        said = "; ".join(f"{claim.source} says {claim.says}" for claim in self.claims)
        return f"{self.cve_id}: {said}. {MEANING[self.kind][1]}"


def refresh_contradictions(store: Store, *, now: datetime, tables: Iterable[str] | None = None) -> None:
    """Bring the table up to what the warehouse holds. An unchanged warehouse writes no row.

    tables: those that were written; only the kinds that compare one of them are looked at. None: all kinds."""
    written = None if tables is None else set(tables)
    kinds = [kind.value for kind, compared in _COMPARES.items() if written is None or written & compared]
    with store.transaction():
        lock(store, ("contradiction",))  # feeds that are synced side by side would write the same rows
        vectors = [row["vector"] for row in store.fetch_all("contradiction/list_uncomputed_vectors")]
        for start in range(0, len(vectors), _VECTORS_AT_ONCE):
            rows = [_computed(vector) for vector in vectors[start : start + _VECTORS_AT_ONCE]]
            store.execute("contradiction/insert_vector_scores", {"rows": Json(rows)})
        store.execute("contradiction/refresh_contradictions", {"now": now, "kinds": kinds})


def contradictions(
    store: Store,
    *,
    kind: ContradictionKind | None = None,
    cve_id: str | None = None,
    with_ended: bool = False,
    max_rows: int = 1000,
) -> list[Contradiction]:
    """The contradictions, newest first within each kind; those that ended only when asked for."""
    rows = store.fetch_all(
        "contradiction/list_contradictions",
        {"kind": kind.value if kind else None, "cve_id": cve_id, "with_ended": with_ended, "max_rows": max_rows},
    )
    return [
        Contradiction(
            kind=ContradictionKind(row["kind"]),
            cve_id=row["cve_id"],
            subject=row["subject"],
            claims=tuple(Claim(claim["source"], claim["says"]) for claim in row["claims"]),
            first_seen_at=row["first_seen_at"],
            last_changed_at=row["last_changed_at"],
            ended_at=row["ended_at"],
        )
        for row in rows
    ]


def contradiction_counts(store: Store) -> dict[ContradictionKind, int]:
    """How many of each kind there are now, those without any left out."""
    rows: Sequence[Row] = store.fetch_all("contradiction/count_contradictions")
    return {ContradictionKind(row["kind"]): row["contradictions"] for row in rows}


def provenance(store: Store, cve_id: str) -> list[Row]:
    """Where each thing that is known of a CVE is from: stated_in (table), said_by, record_sha256, and of the copy in which it
    last changed snapshot_id, feed, url, content_sha256, data_date, fetched_at (None: taken in before this was kept)."""
    return store.fetch_all("feed/list_record_provenance", {"cve_id": cve_id})


def _computed(vector: str) -> Row:
    """What a vector gives by its base metrics (FIRST's specifications, by the library `cvss`)."""
    if len(vector) > _MAX_VECTOR:
        return {"vector": vector, "base_score": None, "error": f"longer than {_MAX_VECTOR} characters"}
    try:
        found = _KINDS_OF_VECTOR.get(vector[:6], CVSS2)(vector)
        return {"vector": vector, "base_score": float(found.base_score), "error": None}
    except (CVSSError, ValueError, ArithmeticError, KeyError) as error:
        return {"vector": vector, "base_score": None, "error": f"{type(error).__name__}: {error}"[:500]}
