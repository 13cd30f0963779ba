"""Findings that many hosts share a row of: nobody who reads or writes findings can tell.

A row is singled out before it changes, keeps its number, and the summary does not move by it.
"""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg.rows import tuple_row

from suture.command.postgres import EmbeddedPostgres
from suture.inventory.matching import match_all, match_hosts
from suture.model.assets import AssetRegister
from suture.risk.policies import RiskPolicy
from suture.risk.scoring import Decider, score_all
from suture.settings import PROJECT_ROOT
from suture.store import Store, migrate
from suture.store.migrations import MIGRATIONS
from tests.fleet_rows import NOW, add_advisory, add_host, install

pytestmark = pytest.mark.database
POLICY_DIR = PROJECT_ROOT / "include" / "policy"
HOSTS = [f"h{number}" for number in range(6)]


def rows(store: Store, statement: str, *values: object) -> list[tuple[Any, ...]]:
    with store._connection.cursor(row_factory=tuple_row) as cursor:
        return cursor.execute(statement.encode(), values).fetchall()


def match(store: Store, *, host_ids: list[str] | None = None, day: int = 0, whole: bool = False) -> Any:
    policy, register = RiskPolicy.load(POLICY_DIR), AssetRegister.load(POLICY_DIR)
    now = NOW + timedelta(days=day)
    options: dict[str, Any] = {
        "now": now,
        "unscored_priority": policy.unscored_priority,
        "unscored_deadline": policy.unscored_deadline,
        "decide": Decider(store, policy, register, now=now),
    }
    if host_ids is not None:
        return match_hosts(store, host_ids, **options)
    found = match_all(store, whole=whole, **options)
    score_all(store, policy, register, now=now)
    return found


def summed(store: Store) -> list[tuple[Any, ...]]:
    return rows(
        store, "SELECT asset_group, priority, status, sum(findings)::integer FROM risk_summary GROUP BY 1, 2, 3"
        " HAVING sum(findings) <> 0 ORDER BY 1, 2, 3",
    )  # fmt: skip


def counted(store: Store) -> list[tuple[Any, ...]]:
    return rows(
        store, "SELECT asset_group, priority, status, count(*)::integer FROM finding INNER JOIN host USING (host_id)"
        " WHERE status IN ('open', 'accepted') AND retired_at IS NULL GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
    )  # fmt: skip


def shared(store: Store) -> int:
    return int(rows(store, "SELECT coalesce(sum(cardinality(array_remove(host_nos, 0))), 0) FROM shared_finding")[0][0])


@pytest.fixture
def fleet(store: Store) -> Store:
    for host in HOSTS:
        add_host(store, host)
        install(store, host, "nginx", "1.0")
        install(store, host, "expat", "2.0")
    add_advisory(store, "nginx", "1.1", cves=("CVE-2026-1",))
    add_advisory(store, "nginx", "1.2", cves=("CVE-2026-2",))
    add_advisory(store, "expat", "2.1", cves=("CVE-2026-3",))
    assert match(store).new == 18
    return store


def test_hosts_that_show_the_same_share_a_row(fleet: Store) -> None:
    assert rows(fleet, "SELECT count(*), sum(cardinality(host_nos)) FROM shared_finding") == [(3, 18)]
    assert rows(fleet, "SELECT count(*), count(DISTINCT finding_id), count(DISTINCT host_id) FROM finding") == [(18, 18, 6)]
    assert rows(fleet, "SELECT count(*) FROM own_finding") == [(0,)]
    assert summed(fleet) == counted(fleet)


@pytest.mark.parametrize("change", ["retired_at = now()", "asset_group = 'database'"])
def test_a_host_that_changes_while_findings_are_written_counts_as_it_is(
    store: Store, warehouse_url: str, change: str
) -> None:
    """Rows are counted by the kind that their hosts had; where a host is marked meanwhile, each host is asked."""
    for host in HOSTS:
        add_host(store, host)
        install(store, host, "nginx", "1.0")
    add_advisory(store, "nginx", "1.1", cves=("CVE-2026-1",))
    policy, register = RiskPolicy.load(POLICY_DIR), AssetRegister.load(POLICY_DIR)
    decider = Decider(store, policy, register, now=NOW)

    def meanwhile(groups: Any) -> object:
        with Store.connect(warehouse_url) as other:
            other._connection.execute(f"UPDATE host SET {change} WHERE host_id = 'h2'".encode())
        return decider(groups)

    found = match_all(
        store, now=NOW, unscored_priority=policy.unscored_priority, unscored_deadline=policy.unscored_deadline,
        decide=meanwhile,
    )  # fmt: skip
    assert found.new == 6
    assert summed(store) == counted(store)
    assert sum(row[3] for row in summed(store)) == (5 if "retired" in change else 6)


def test_a_row_without_its_kind_is_counted_by_its_hosts(fleet: Store) -> None:
    columns = ("host_block, host_nos, advisory_id, ecosystem, source_package, installed_version, fixed_version, packages,"
               " conditions, priority, score, deadline, decision_id, first_seen_at, priority_since, scored_at")  # fmt: skip
    before = summed(fleet)
    fleet._connection.execute("DELETE FROM host_holding")  # who counts by kind has nothing to go by
    fleet._connection.execute(
        f"INSERT INTO shared_finding (first_id, {columns}) SELECT first_id + 1000000, {columns} FROM shared_finding"
        " WHERE source_package = 'expat'".encode()
    )
    after = summed(fleet)
    assert sum(row[3] for row in after) == sum(row[3] for row in before) + 6


def test_new_advisories_are_not_compared_and_others_are(fleet: Store) -> None:
    """What compares findings is opened where some stand, also when one run has both kinds."""
    add_advisory(fleet, "expat", "2.2")
    assert match(fleet).new == 6
    assert rows(fleet, "SELECT count(*) FROM own_finding") == [(0,)]
    add_advisory(fleet, "nginx", "1.3")
    fleet._connection.execute("UPDATE advisory SET fixed_version = '2.3' WHERE fixed_version = '2.1'")
    found = match(fleet)
    assert (found.new, found.updated) == (6, 6)
    with pytest.raises(psycopg.Error, match="work_standing is a template"):
        fleet._connection.execute("INSERT INTO work_standing SELECT 1, 1, 1, 'x', TRUE")


@pytest.mark.parametrize("host", ["h0", "h3", "h5"])
def test_every_way_to_read_shows_the_same(fleet: Store, host: str) -> None:
    fleet._connection.execute("UPDATE finding SET status = 'accepted' WHERE host_id = 'h3' AND source_package = 'expat'")
    seen = rows(fleet, "SELECT * FROM finding WHERE host_id = %s ORDER BY finding_id", host)
    assert rows(fleet, "SELECT * FROM findings_of_host(%s) ORDER BY finding_id", host) == seen
    each = "SELECT one.* FROM advisory CROSS JOIN LATERAL finding_of(%s, advisory_id) AS one ORDER BY finding_id"
    assert rows(fleet, each, host) == seen
    assert len(seen) == 3


def test_reports_count_what_the_view_shows(fleet: Store) -> None:
    """Both reports count shared rows with their hosts; here each finding is counted by itself."""
    fleet._connection.execute("UPDATE finding SET status = 'accepted' WHERE host_id = 'h3'")  # without an acceptance
    fleet._connection.execute("UPDATE finding SET priority = 'immediate', score = 9.8 WHERE host_id IN ('h1', 'h3')")
    fleet._connection.execute("UPDATE host SET retired_at = now() WHERE host_id = 'h4'")
    at = NOW + timedelta(days=45)
    live = "FROM finding INNER JOIN host USING (host_id) WHERE retired_at IS NULL AND status IN ('open', 'accepted')"
    expected = rows(
        fleet, "SELECT priority, count(*), count(DISTINCT host_id), count(DISTINCT advisory_id),"
        " count(*) FILTER (WHERE first_seen_at <= %s - interval '30 days'), count(*) FILTER (WHERE deadline < %s),"
        f" count(*) FILTER (WHERE score IS NULL), min(deadline) {live} GROUP BY priority ORDER BY priority", at, at,
    )  # fmt: skip
    names = ("priority", "findings", "hosts", "advisories", "from_30_days", "overdue", "unscored", "next_deadline")
    counts = fleet.fetch_all("report/count_open_findings", {"at": at})
    assert sorted(tuple(row[name] for name in names) for row in counts) == expected
    assert len(expected) == 2
    each = rows(
        fleet, "SELECT host_id, count(*), count(*) FILTER (WHERE deadline < %s), count(*) FILTER (WHERE score IS NULL),"
        f" count(*) FILTER (WHERE priority = 'immediate') {live} GROUP BY host_id ORDER BY host_id", at,
    )  # fmt: skip
    names = ("host_id", "open_findings", "overdue_findings", "unscored_findings", "immediate")
    hosts = fleet.fetch_all("report/list_fleet_hosts", {"at": at})
    assert sorted(tuple(row[name] for name in names) for row in hosts) == each
    assert len(each) == 5
    assert {row["packages"] for row in hosts} == {2}


def test_one_that_is_written_keeps_its_number_and_all_else(fleet: Store) -> None:
    before = rows(fleet, "SELECT finding_id, host_id, advisory_id, priority, deadline, decision_id FROM finding ORDER BY 1")
    fleet._connection.execute("UPDATE finding SET campaign_id = NULL, conditions = '{held}' WHERE host_id = 'h2'")
    after = rows(fleet, "SELECT finding_id, host_id, advisory_id, priority, deadline, decision_id FROM finding ORDER BY 1")
    assert after == before
    assert rows(fleet, "SELECT DISTINCT host_id, conditions FROM own_finding") == [("h2", ["held"])]
    assert shared(fleet) == 15
    assert summed(fleet) == counted(fleet)


def test_a_row_goes_when_all_of_it_was_singled_out(fleet: Store) -> None:
    every = rows(fleet, "SELECT array_agg(finding_id) FROM finding")[0][0]
    row = fleet.fetch_one("finding/single_out_findings", {"finding_ids": [*every, 999_999, 0, -5]})
    assert row == {"singled_out": 18}
    assert fleet.fetch_one("finding/single_out_findings", {"finding_ids": every}) == {"singled_out": 0}
    assert rows(fleet, "SELECT count(*) FROM shared_finding") == [(0,)]
    assert summed(fleet) == counted(fleet)
    assert sorted(rows(fleet, "SELECT array_agg(finding_id) FROM finding")[0][0]) == sorted(every)
    assert match(fleet, whole=True).new == 0


def test_what_a_host_changes_is_singled_out_and_nothing_else(fleet: Store) -> None:
    fleet._connection.execute("UPDATE host_package SET version = '1.1', source_version = '1.1' WHERE host_id = 'h1'"
                              " AND package = 'nginx'")  # fmt: skip
    found = match(fleet, day=1)
    assert (found.fixed, found.updated, found.new) == (1, 1, 0)
    assert rows(fleet, "SELECT host_id, status, installed_version FROM own_finding ORDER BY advisory_id") == [
        ("h1", "fixed", "1.0"),
        ("h1", "open", "1.1"),
    ]
    assert shared(fleet) == 16
    assert summed(fleet) == counted(fleet)


def test_a_new_decision_reaches_findings_that_were_shared(fleet: Store) -> None:
    fleet.copy_rows("kev", ["cve_id", "date_added", "due_date"], [("CVE-2026-3", "2026-11-20", "2026-11-26")])
    match(fleet, day=1)
    raised = rows(fleet, "SELECT DISTINCT source_package, priority FROM own_finding")
    assert [package for package, _ in raised] == ["expat"]
    assert rows(fleet, "SELECT count(DISTINCT priority), count(*) FROM finding") == [(2, 18)]
    assert summed(fleet) == counted(fleet)


def test_hosts_that_move_retire_or_go_take_their_share_along(fleet: Store) -> None:
    fleet._connection.execute("UPDATE host SET asset_group = 'database' WHERE host_id = 'h0'")
    assert summed(fleet) == counted(fleet)
    fleet._connection.execute("UPDATE host SET retired_at = now() WHERE host_id = 'h1'")
    assert summed(fleet) == counted(fleet)
    fleet._connection.execute("DELETE FROM host WHERE host_id = 'h2'")
    assert summed(fleet) == counted(fleet)
    assert rows(fleet, "SELECT count(*) FROM finding") == [(15,)]
    assert shared(fleet) == 15


def test_a_shared_row_cannot_be_written(fleet: Store) -> None:
    with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="single_out"):
        fleet._connection.execute("UPDATE shared_finding SET priority = 'defer'")


def test_one_host_matched_alone_shares_with_those_matched_before(fleet: Store) -> None:
    add_host(fleet, "late")
    install(fleet, "late", "nginx", "1.0")
    assert match(fleet, host_ids=["late"]).new == 2
    assert match(fleet, day=1).new == 0
    assert rows(fleet, "SELECT count(*) FROM finding") == [(20,)]
    assert summed(fleet) == counted(fleet)


def test_two_that_single_out_at_once_make_one_row(fleet: Store, warehouse_url: str) -> None:
    wanted = rows(fleet, "SELECT array_agg(finding_id) FROM finding WHERE host_id IN ('h1', 'h2')")[0][0]
    with Store.connect(warehouse_url) as other:
        moved: list[Any] = []

        def second() -> None:
            moved.append(other.fetch_one("finding/single_out_findings", {"finding_ids": wanted}))

        with fleet.transaction():
            assert fleet.fetch_one("finding/single_out_findings", {"finding_ids": wanted}) == {"singled_out": 6}
            waiting = threading.Thread(target=second)
            waiting.start()
            waiting.join(1)
            assert waiting.is_alive()
        waiting.join(30)
    assert moved == [{"singled_out": 0}]
    assert rows(fleet, "SELECT count(*), count(DISTINCT finding_id) FROM finding") == [(18, 18)]
    assert summed(fleet) == counted(fleet)


def test_rows_that_were_there_come_through_the_migration(postgres: EmbeddedPostgres, tmp_path: Any) -> None:
    """0702 with findings in place: each one, its number and its campaign stand, and matching finds them right."""
    for path in sorted(MIGRATIONS.glob("*.sql")):
        if path.name < "0701":
            (tmp_path / path.name).write_text(path.read_text("utf-8"))
    postgres.create_database("test_shared_findings")
    try:
        url = postgres.dsn("test_shared_findings")
        migrate(url, folder=tmp_path)
        with Store.connect(url) as store:
            for host in HOSTS:
                add_host(store, host)
                install(store, host, "nginx", "1.0")
            advisory = add_advisory(store, "nginx", "1.1", cves=("CVE-2026-1",))
            store._connection.execute(
                "INSERT INTO finding (host_id, advisory_id, source_package, installed_version, fixed_version, packages, status,"
                " priority, deadline, first_seen_at, scored_at) SELECT host_id, %s, 'nginx', '1.0', '1.1', '{nginx}',"
                " CASE host_id WHEN 'h1' THEN 'accepted' ELSE 'open' END, 'scheduled', now(), now(), now() FROM host",
                (advisory,),
            )
            before = rows(store, "SELECT finding_id, host_id, status, first_seen_at, deadline FROM finding ORDER BY 1")
            migrate(url)
            after = rows(store, "SELECT finding_id, host_id, status, first_seen_at, deadline FROM finding ORDER BY 1")
            assert after == before
            assert summed(store) == counted(store)
            found = match(store)
            assert (found.new, found.fixed, found.withdrawn) == (0, 0, 0)
            add_host(store, "new")
            install(store, "new", "nginx", "1.0")
            assert match(store, day=1).new == 1
            assert rows(store, "SELECT count(DISTINCT finding_id), max(finding_id) > 6 FROM finding") == [(7, True)]
    finally:
        postgres.drop_database("test_shared_findings")
