"""The chain finds what was done to it, and names where."""

from __future__ import annotations

import copy
import json
import math
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as tuned
from hypothesis import strategies as st

from suture import evidence
from suture.errors import BadInputError
from suture.evidence import EvidenceKeyError, FaultKind, anchor_head, read_anchors
from suture.evidence.chain import FIRST_PREV_HASH, record_hash
from suture.store import Store, StoreError

Row = dict[str, Any]


def _append(store: Store, count: int) -> None:
    for number in range(count):
        evidence.record(store, actor="test", action="counted", subject=f"number:{number}", grounds={"n": number})


def _rows(store: Store) -> list[Row]:
    return store.fetch_all("evidence/list_evidence", {"campaign_id": None})


def _chain(count: int) -> list[Row]:
    """A chain in memory, by the same rules, for tests that mangle many of them."""
    rows: list[Row] = []
    for seq in range(1, count + 1):
        row: Row = {
            "seq": seq,
            "recorded_at": datetime(2026, 11, 24, 3, 0, seq % 60, tzinfo=UTC),
            "actor": "test",
            "action": "counted",
            "subject": f"number:{seq}",
            "campaign_id": None,
            "grounds": {"n": seq},
            "prev_hash": rows[-1]["hash"] if rows else FIRST_PREV_HASH,
        }
        rows.append({**row, "hash": record_hash(row)})
    return rows


def _found(rows: list[Row]) -> list[tuple[FaultKind, int]]:
    return [(fault.kind, fault.seq) for fault in evidence.verify_rows(rows)]


def _tamper(store: Store, statement: str) -> None:
    """What a superuser can do to the table: switch the trigger off and write."""
    connection = store._connection
    connection.execute("ALTER TABLE evidence DISABLE TRIGGER USER")
    connection.execute(statement)
    connection.execute("ALTER TABLE evidence ENABLE TRIGGER USER")


def test_an_untouched_chain_is_whole(store: Store) -> None:
    _append(store, 5)
    rows = _rows(store)
    assert [row["seq"] for row in rows] == [1, 2, 3, 4, 5]
    assert evidence.verify_rows(rows) == []


def test_an_empty_chain_is_whole() -> None:
    assert evidence.verify_rows([]) == []


@pytest.mark.parametrize(
    "statement",
    ["UPDATE evidence SET actor = 'x' WHERE seq = 1", "DELETE FROM evidence WHERE seq = 2", "TRUNCATE evidence"],
)
def test_the_table_itself_refuses_change(store: Store, statement: str) -> None:
    import psycopg

    _append(store, 2)
    with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="append-only"):
        store._connection.execute(statement)
    assert _found(_rows(store)) == []


@pytest.mark.parametrize(
    "change",
    [
        "actor = 'mallory'",
        "action = 'approved'",
        "subject = 'number:9'",
        "campaign_id = 'SUT-1'",
        "recorded_at = recorded_at - interval '1 microsecond'",
        "grounds = '{\"n\": 99}'",
        "grounds = '{\"n\": 1e40}'",  # not a number that canonical JSON can write: still a finding, never a crash
    ],
)
def test_an_edited_record_is_named_whatever_was_edited(store: Store, change: str) -> None:
    _append(store, 4)
    _tamper(store, f"UPDATE evidence SET {change} WHERE seq = 3")
    assert _found(_rows(store)) == [(FaultKind.EDITED, 3)]


def test_a_removed_record_is_named(store: Store) -> None:
    _append(store, 5)
    _tamper(store, "DELETE FROM evidence WHERE seq = 3")
    assert (FaultKind.REMOVED, 3) in _found(_rows(store))


def test_removed_first_records_are_named(store: Store) -> None:
    _append(store, 5)
    _tamper(store, "DELETE FROM evidence WHERE seq <= 2")
    faults = evidence.verify_rows(_rows(store))
    assert faults[0].kind is FaultKind.REMOVED
    assert "1 to 2" in faults[0].sentence


def test_two_records_that_changed_places_are_named(store: Store) -> None:
    _append(store, 5)
    _tamper(store, "UPDATE evidence SET seq = -2 WHERE seq = 2")
    _tamper(store, "UPDATE evidence SET seq = 2 WHERE seq = 3")
    _tamper(store, "UPDATE evidence SET seq = 3 WHERE seq = -2")
    named = {seq for _kind, seq in _found(_rows(store))}
    assert {2, 3} <= named


def test_a_record_with_a_forged_hash_is_out_of_order_at_the_next(store: Store) -> None:
    """An edit that also rewrites its own hash breaks the link of the record after it."""
    _append(store, 4)
    rows = _rows(store)
    rows[1]["grounds"] = {"n": 99}
    rows[1]["hash"] = record_hash(rows[1])
    assert _found(rows) == [(FaultKind.REORDERED, 3)]


def test_a_cut_tail_is_found_by_the_anchor_only(store: Store, tmp_path: Path) -> None:
    places = {"secrets_dir": tmp_path / "secrets", "anchors_file": tmp_path / "anchors" / "evidence.jsonl"}
    _append(store, 5)
    anchored = anchor_head(store, **places)
    assert anchored is not None
    assert anchored.seq == 5
    _tamper(store, "DELETE FROM evidence WHERE seq > 3")
    rows = _rows(store)
    assert evidence.verify_rows(rows) == []
    faults = evidence.verify_rows(rows, read_anchors(**places))
    assert [(fault.kind, fault.seq) for fault in faults] == [(FaultKind.TAIL_CUT, 5)]


def test_a_chain_written_anew_contradicts_its_anchor(store: Store, tmp_path: Path) -> None:
    places = {"secrets_dir": tmp_path / "secrets", "anchors_file": tmp_path / "anchors" / "evidence.jsonl"}
    _append(store, 3)
    anchor_head(store, **places)
    rows, prev_hash = _rows(store), FIRST_PREV_HASH
    for row in rows:  # a forger who recomputes everything from record 1 on
        row["actor"] = "nobody"
        row["prev_hash"] = prev_hash
        prev_hash = row["hash"] = record_hash(row)
    assert evidence.verify_rows(rows) == []
    faults = evidence.verify_rows(rows, read_anchors(**places))
    assert [(fault.kind, fault.seq) for fault in faults] == [(FaultKind.REWRITTEN, 3)]


def test_an_anchor_is_made_once_per_head_and_its_key_is_private(store: Store, tmp_path: Path) -> None:
    places = {"secrets_dir": tmp_path / "secrets", "anchors_file": tmp_path / "evidence.jsonl"}
    assert anchor_head(store, **places) is None
    _append(store, 1)
    assert anchor_head(store, **places) is not None
    assert anchor_head(store, **places) is None
    _append(store, 1)
    assert anchor_head(store, **places) is not None
    assert [anchor.seq for anchor in read_anchors(**places)] == [1, 2]
    key = next((tmp_path / "secrets").iterdir())
    assert key.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("field", ["seq", "hash", "anchored_at", "signature"])
def test_a_forged_anchor_is_named_by_its_line(store: Store, tmp_path: Path, field: str) -> None:
    places = {"secrets_dir": tmp_path / "secrets", "anchors_file": tmp_path / "evidence.jsonl"}
    _append(store, 2)
    anchor_head(store, **places)
    forged = json.loads(places["anchors_file"].read_text())
    forged[field] = 1 if field == "seq" else "00" * 32
    places["anchors_file"].write_text(json.dumps(forged) + "\n")
    with pytest.raises(EvidenceKeyError, match="line 1"):
        read_anchors(**places)


@given(data=st.data(), count=st.integers(min_value=2, max_value=12))
def test_any_single_change_to_a_chain_is_found(data: st.DataObject, count: int) -> None:
    rows = _chain(count)
    assert evidence.verify_rows(rows) == []
    mangled = copy.deepcopy(rows)
    match data.draw(st.sampled_from(["edit", "remove", "swap", "twice"])):
        case "edit":
            row = mangled[data.draw(st.integers(0, count - 1))]
            field = data.draw(st.sampled_from(["actor", "action", "subject", "hash", "prev_hash"]))
            row[field] = data.draw(st.text().filter(lambda text: text != row[field]))
        case "remove":  # the last one is the anchor's business
            del mangled[data.draw(st.integers(0, count - 2))]
        case "swap":
            first = data.draw(st.integers(0, count - 2))
            second = data.draw(st.integers(first + 1, count - 1))
            mangled[first], mangled[second] = mangled[second], mangled[first]
        case "twice":
            place = data.draw(st.integers(0, count - 1))
            mangled.insert(place, copy.deepcopy(mangled[place]))
    assert evidence.verify_rows(mangled) != []


TEXT = st.text(st.characters(exclude_categories=["Cs"]))
JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(min_value=-(2**53) + 1, max_value=2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner),
    max_leaves=8,
)


@tuned(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(grounds=st.dictionaries(TEXT, JSON_VALUES, max_size=4))
def test_what_was_recorded_verifies_after_the_warehouse_kept_it(store: Store, grounds: dict[str, Any]) -> None:
    """jsonb is not the identity: 1e22 comes back as an integer, -0.0 without its sign, keys sorted."""
    seq = evidence.record(store, actor="test", action="tried", subject="grounds:any", grounds=grounds)
    rows = _rows(store)
    assert rows[-1]["seq"] == seq
    assert evidence.verify_rows(rows) == []


@pytest.mark.parametrize("bad", [math.nan, math.inf, object(), "\ud800", {1, 2}])
def test_grounds_that_are_not_json_are_refused_and_leave_nothing(store: Store, bad: Any) -> None:
    with pytest.raises(BadInputError):
        evidence.record(store, actor="test", action="tried", subject="grounds:bad", grounds={"bad": bad})
    assert _rows(store) == []


def test_a_nul_is_kept_as_a_visible_mark(store: Store) -> None:
    evidence.record(store, actor="a\x00b", action="tried", subject="x:\x00", grounds={"k\x00": ["v\x00"]})
    row = _rows(store)[0]
    assert (row["actor"], row["subject"], row["grounds"]) == ("a�b", "x:�", {"k�": ["v�"]})
    assert evidence.verify_rows([row]) == []


@pytest.mark.parametrize("missing", ["actor", "action", "subject"])
def test_evidence_says_who_what_and_about_what(store: Store, missing: str) -> None:
    said = {"actor": "a", "action": "b", "subject": "c", missing: ""}
    with pytest.raises(BadInputError):
        evidence.record(store, actor=said["actor"], action=said["action"], subject=said["subject"])


def test_evidence_joins_the_callers_transaction(store: Store) -> None:
    def fail_halfway() -> None:
        with store.transaction():
            _append(store, 1)
            store.execute("evidence/no_such_query")

    with pytest.raises(StoreError):
        fail_halfway()
    assert _rows(store) == []


def test_writers_at_once_make_one_chain_without_a_gap(warehouse_url: str, store: Store) -> None:
    def write() -> None:
        with Store.connect(warehouse_url) as own:
            _append(own, 15)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = _rows(store)
    assert [row["seq"] for row in rows] == list(range(1, 61))
    assert evidence.verify_rows(rows) == []
