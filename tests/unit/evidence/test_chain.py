"""The chain finds what was done to it."""

from __future__ import annotations

from suture import evidence
from suture.evidence import FaultKind
from suture.store import Store


def _append(store: Store, count: int) -> None:
    for number in range(count):
        evidence.record(store, actor="test", action="counted", subject=f"number:{number}", grounds={"n": number})


def test_an_untouched_chain_is_whole(store: Store) -> None:
    _append(store, 5)
    rows = store.fetch_all("evidence/list_evidence", {"campaign_id": None})
    assert [row["seq"] for row in rows] == [1, 2, 3, 4, 5]
    assert evidence.verify_rows(rows) == []


def test_an_edited_record_is_named(store: Store) -> None:
    _append(store, 4)
    rows = store.fetch_all("evidence/list_evidence", {"campaign_id": None})
    rows[2]["grounds"] = {"n": 99}
    faults = evidence.verify_rows(rows)
    assert [(fault.kind, fault.seq) for fault in faults] == [(FaultKind.EDITED, 3)]
