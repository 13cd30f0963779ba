"""A run over few advisories works in the templates of the work tables: nothing of it stays, and it finds the same."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from suture.inventory import pairs
from suture.inventory.matching import match_all
from suture.model import Priority
from suture.store import Store, fan_out
from suture.store.connection import Row
from tests.fleet_rows import NOW, add_advisory, add_host, install
from tests.holdings import rows

pytestmark = pytest.mark.database
TEMPLATES = (
    "SELECT relname, relpersistence FROM pg_class WHERE relname ^@ 'work_' AND relkind = 'r'"
    " AND relnamespace = 'suture'::regnamespace ORDER BY 1"
)
PREPARED = "SELECT count(*) > 5 FROM pg_prepared_statements WHERE strpos(statement, 'work_') > 0"
FOUND = "SELECT host_id, advisory_id, installed_version, fixed_version, status FROM finding ORDER BY 1, 2"


def match(store: Store, *, day: int = 0, whole: bool = False, decide: Any = None) -> int:
    return match_all(
        store, now=NOW + timedelta(days=day), unscored_priority=Priority.SCHEDULED, unscored_deadline=timedelta(days=30),
        decide=decide, whole=whole,
    ).new  # fmt: skip


def left_over(store: Store) -> dict[str, int]:
    """Rows in each template, as this session sees them."""
    names = [name for name, _ in rows(store, TEMPLATES)]
    counts = {name: rows(store, f"SELECT count(*) FROM suture.{name}")[0][0] for name in names}
    return {name: count for name, count in counts.items() if count}


@pytest.fixture
def fleet(store: Store) -> Store:
    for host in ("a", "b", "c"):
        add_host(store, host)
        install(store, host, "nginx", "1.0")
        install(store, host, "openssl", "3.0")
    add_advisory(store, "nginx", "1.1")
    assert match(store, whole=True) == 3
    return store


def spread(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hosts d and e in blocks far apart, so that a run takes several chunks."""
    monkeypatch.setattr(fan_out, "CHUNK_BLOCKS", 1)
    for host, number in (("d", 1_500), ("e", 4_000)):
        store._connection.execute(f"ALTER TABLE finding_host ALTER COLUMN host_no RESTART WITH {number}".encode())
        add_host(store, host)
        install(store, host, "openssl", "3.0")
        match(store, whole=True)


@pytest.mark.parametrize("way", ["in place", "in place, all counted", "many advisories", "several chunks"])
def test_few_advisories_leave_no_row_in_the_templates_and_find_what_many_find(
    fleet: Store, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    hosts = "abc"
    if way == "in place, all counted":
        monkeypatch.setattr(fan_out, "ANALYZED", 0)
        monkeypatch.setattr(pairs, "_ANALYZED", 0)
    elif way == "many advisories":
        monkeypatch.setattr(fan_out, "FEW", 0)
        monkeypatch.setattr(pairs, "_FEW", 0)
    elif way == "several chunks":
        spread(fleet, monkeypatch)
        hosts = "abcde"
    add_advisory(fleet, "openssl", "3.1")
    add_advisory(fleet, "openssl", "3.2")
    assert match(fleet) == 2 * len(hosts)
    found = rows(fleet, FOUND)
    assert [row[:2] for row in found] == sorted(
        [(host, "debian-security/nginx@1.1") for host in "abc"]
        + [(host, f"debian-security/openssl@{version}") for host in hosts for version in ("3.1", "3.2")]
    )
    assert left_over(fleet) == {}
    assert match(fleet, whole=True) == 0
    assert rows(fleet, FOUND) == found


def test_rows_are_put_into_the_templates_and_nobody_else_sees_them(fleet: Store, warehouse_url: str) -> None:
    seen: list[dict[str, int]] = []

    def look(groups: Sequence[Row]) -> None:
        seen.append(left_over(fleet))
        with Store.connect(warehouse_url) as other:
            seen.append(left_over(other))

    add_advisory(fleet, "openssl", "3.1")
    assert match(fleet, decide=look) == 3
    assert {"work_advisory", "work_pair", "work_affected", "work_found", "work_place"} <= set(seen[0])
    assert seen[1] == {}


def test_a_run_that_fails_leaves_nothing_and_the_next_one_finds_all(fleet: Store) -> None:
    def fail(groups: Sequence[Row]) -> None:
        raise RuntimeError("half way")

    add_advisory(fleet, "openssl", "3.1")
    with pytest.raises(RuntimeError, match="half way"):
        match(fleet, decide=fail)
    assert left_over(fleet) == {}
    assert match(fleet) == 3


def test_statements_prepared_in_place_are_not_those_of_a_whole_run(fleet: Store) -> None:
    """psycopg prepares what a session asks often: then a name would stay the template's, which a whole run finds empty."""
    for number in range(8):
        add_advisory(fleet, "openssl", f"3.{number + 1}")
        assert match(fleet) == 3
    assert rows(fleet, PREPARED) == [(True,)]
    fleet._connection.execute("DELETE FROM finding")
    assert match(fleet, whole=True) == 27
    for number in range(8):
        add_advisory(fleet, "nginx", f"2.{number}")
        assert match(fleet) == 3
    assert left_over(fleet) == {}


@pytest.mark.parametrize("before", [3, 6, 9])
def test_what_stands_is_compared_with_after_runs_that_had_nothing_to_compare_with(fleet: Store, before: int) -> None:
    """Of new advisories the templates of what stands are read: prepared, they would be read when something does stand."""
    for number in range(before):
        add_advisory(fleet, "openssl", f"3.{number + 1}")
        assert match(fleet) == 3
    found = rows(fleet, FOUND)
    fleet._connection.execute("UPDATE advisory SET fixed_version = '3.0.9' WHERE fixed_version = '3.1'")
    assert match(fleet) == 0
    fleet._connection.execute("INSERT INTO advisory_change (advisory_id) VALUES ('debian-security/openssl@3.2')")
    assert match(fleet) == 0
    assert [(*row[:3], row[4]) for row in rows(fleet, FOUND)] == [(*row[:3], row[4]) for row in found]


def test_the_templates_are_not_in_the_log_of_changes(store: Store) -> None:
    """Unlogged: a crash empties them, and replicas do not get what nobody reads."""
    assert [name for name, persistence in rows(store, TEMPLATES) if persistence == "u"] == [
        f"work_{name}"
        for name in ("advisory", "affected", "found", "group", "installed", "outcome", "pair", "place", "scope")
    ]
