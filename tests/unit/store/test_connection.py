"""The store binds values, never text; commits all or nothing; says who did not answer."""

from __future__ import annotations

import json

import pytest

from suture import evidence
from suture.store import Json, Store, StoreError, StoreUnavailableError
from suture.store.connection import query_text


def test_a_query_that_has_no_file_is_named() -> None:
    with pytest.raises(StoreError, match="campaign/no_such"):
        query_text("campaign/no_such")


def test_a_warehouse_that_does_not_answer_is_worth_another_try() -> None:
    with pytest.raises(StoreUnavailableError, match="cannot be reached") as caught:
        Store.connect("postgresql://nobody@127.0.0.1:1/none?connect_timeout=2")
    assert caught.value.retryable


def test_a_dropped_connection_is_worth_another_try_a_bad_value_is_not(store: Store, warehouse_url: str) -> None:
    with Store.connect(warehouse_url) as other:
        pid = other._connection.info.backend_pid
        store._connection.execute("SELECT pg_terminate_backend(%s)", (pid,))
        with pytest.raises(StoreUnavailableError) as lost:
            other.fetch_all("campaign/list_campaigns", {"state": None})
        assert lost.value.retryable
    with pytest.raises(StoreError) as refused:
        store.execute("evidence/append_evidence", {"seq": "not a number"})
    assert not refused.value.retryable


HOSTILE = ["'; DROP TABLE evidence; --", "%(x)s %s %%", "{{ 7*7 }}", "$(id)", "\\", "‮", "é" * 500]


@pytest.mark.parametrize("text", HOSTILE)
def test_values_stay_values(store: Store, text: str) -> None:
    evidence.record(store, actor=text, action="tried", subject=text, campaign_id=None, grounds={text: [text]})
    row = store.fetch_all("evidence/list_evidence", {"campaign_id": None})[0]
    assert (row["actor"], row["subject"], row["grounds"]) == (text, text, {text: [text]})
    assert store.fetch_all("campaign/list_campaigns", {"state": text}) == []


def test_copy_keeps_nulls_json_and_delimiters(store: Store) -> None:
    rows = [
        ("a\tb\n\\N", "web", "production", "low", "small", {"k": ["v"]}, None),
        ("plain", "web", "staging", "low", "small", {}, "text"),
    ]
    columns = ("host_id", "asset_group", "environment", "criticality", "exposure", "facts", "os_id")
    assert store.copy_rows("host", columns, rows) == 2
    kept = store._connection.execute("SELECT host_id, facts, os_id FROM host ORDER BY host_id").fetchall()
    assert kept == [
        {"host_id": "a\tb\n\\N", "facts": {"k": ["v"]}, "os_id": None},
        {"host_id": "plain", "facts": {}, "os_id": "text"},
    ]


def test_a_transaction_is_all_or_nothing_and_may_be_nested(store: Store) -> None:
    def fail_halfway() -> None:
        with store.transaction():
            evidence.record(store, actor="a", action="dropped", subject="s:2")
            store.execute("nothing/no_such")

    with store.transaction():
        evidence.record(store, actor="a", action="kept", subject="s:1")
        with pytest.raises(StoreError):
            fail_halfway()
    actions = [row["action"] for row in store.fetch_all("evidence/list_evidence", {"campaign_id": None})]
    assert actions == ["kept"]


@pytest.mark.parametrize("text", ['{"n": 1e400, "a": 1, "a": 2}', '["\\ud800", 12345678901234567890123]', '{"x": [0.1, null]}'])
def test_what_a_json_column_keeps_as_it_came_is_read(store: Store, text: str) -> None:
    row = store._connection.execute("SELECT %s::json AS value", (text,)).fetchone()
    assert row == {"value": json.loads(text)}


def test_an_empty_list_goes_into_a_json_column_when_wrapped(store: Store) -> None:
    store.copy_rows("host", ("host_id", "asset_group", "environment", "criticality", "exposure", "services"),
                    [("h", "web", "staging", "low", "small", Json([]))])  # fmt: skip
    assert store._connection.execute("SELECT services FROM host").fetchall() == [{"services": []}]
