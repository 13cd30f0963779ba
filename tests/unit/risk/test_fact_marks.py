"""Which decisions a scoring looks at: those whose facts were marked where they were written, and now and then all."""

from __future__ import annotations

import re
import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from suture.inventory.matching import match_all
from suture.model.assets import AssetRegister
from suture.risk.policies import RiskPolicy
from suture.risk.scoring import Decider, ScoreCounts, score_all
from suture.settings import PROJECT_ROOT
from suture.store import Store
from tests.fleet_rows import NOW, add_advisory, add_host, install

pytestmark = pytest.mark.database
POLICY = RiskPolicy.load(PROJECT_ROOT / "include" / "policy")
REGISTER = AssetRegister.load(PROJECT_ROOT / "include" / "policy")
READ = ("cve/list_cve_facts", "advisory/list_advisory_cves", "finding/list_changed_groups")
MANY = 1_000  # more rows of a statement are not marked one by one


def run(store: Store, statement: str, *values: object) -> None:
    store._connection.execute(statement.encode(), values)


def scored(
    store: Store, *, hours: float = 0, policy: RiskPolicy = POLICY, register: AssetRegister = REGISTER
) -> ScoreCounts:
    return score_all(store, policy, register, now=NOW + timedelta(hours=hours))


def matched(store: Store, *, hours: float = 0) -> None:
    now = NOW + timedelta(hours=hours)
    match_all(
        store, now=now, unscored_priority=POLICY.unscored_priority, unscored_deadline=POLICY.unscored_deadline,
        decide=Decider(store, POLICY, REGISTER, now=now),
    )  # fmt: skip


@pytest.fixture
def fleet(store: Store) -> Store:
    """Three advisories on one host, decided and looked at: no mark is left."""
    add_host(store, "a")
    for number in range(3):
        install(store, "a", f"p{number}", "1.0")
        add_advisory(store, f"p{number}", "1.1", cves=(f"CVE-2026-{number}", "CVE-2026-9"))
    matched(store)
    assert scored(store).decisions == 3
    assert scored(store).decisions == 0
    return store


CHANGES = {
    "a score": "INSERT INTO cve_score (cve_id, source, cvss_version, vector, base_score) VALUES ('{}', 'nvd', '3.1', '', 9.8)",
    "SSVC": "INSERT INTO cve_ssvc VALUES ('{}', 'poc', 'no', 'partial', NULL, 'adp:CISA')",
    "KEV": "INSERT INTO kev (cve_id, date_added) VALUES ('{}', '2026-11-01')",
    "EPSS": "INSERT INTO epss VALUES ('{}', 0.4, 0.9, '2026-11-20', 'v4')",
    "a record": "INSERT INTO cve (cve_id, state, source) VALUES ('{}', 'PUBLISHED', 'cve5')",
    "a look-up": "INSERT INTO cve_lookup (cve_id, source, status, looked_up_at) VALUES ('{}', 'cve5', 'absent', now())",
    "what was seen before": "INSERT INTO threat_state (cve_id, kev_added, seen_at) VALUES ('{}', '2026-11-01', now())",
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_fact_brings_the_advisories_that_name_its_cve(fleet: Store, what: str) -> None:
    run(fleet, CHANGES[what].format("CVE-2026-1"))
    counts = scored(fleet)
    assert (counts.decisions, counts.changed) == (1, 1)
    assert scored(fleet).decisions == 0
    run(fleet, CHANGES[what].format("CVE-2026-9"))
    assert scored(fleet).decisions == 3
    table = re.search(r"INTO (\w+)", CHANGES[what])
    assert table is not None
    run(fleet, f"DELETE FROM {table[1]} WHERE cve_id = 'CVE-2026-1'")
    counts = scored(fleet)
    assert (counts.decisions, counts.changed) == (1, 1)


def test_a_fact_of_which_no_advisory_speaks_brings_nothing(fleet: Store) -> None:
    run(fleet, CHANGES["EPSS"].format("CVE-1999-1"))
    assert scored(fleet).decisions == 0


def test_what_an_advisory_names_and_its_date_bring_it(fleet: Store) -> None:
    run(fleet, "INSERT INTO advisory_cve SELECT advisory_id, 'CVE-2026-77' FROM advisory WHERE source_package = 'p2'")
    assert (scored(fleet).decisions, scored(fleet).decisions) == (1, 0)
    run(fleet, "DELETE FROM advisory_cve WHERE cve_id = 'CVE-2026-77'")
    assert (scored(fleet).decisions, scored(fleet).decisions) == (1, 0)
    run(fleet, "UPDATE advisory SET published_at = '2026-11-01' WHERE source_package = 'p0'")
    assert (scored(fleet).decisions, scored(fleet).decisions) == (1, 0)
    run(fleet, "UPDATE advisory SET published_at = published_at")
    assert scored(fleet).decisions == 0


def test_another_copy_of_kev_brings_all(fleet: Store) -> None:
    columns = "source, url, fetched_at, status, record_count, quarantined_count"
    run(fleet, f"INSERT INTO feed_snapshot ({columns}) VALUES ('epss', 'file:e', now(), 'accepted', 1, 0)")
    assert scored(fleet).decisions == 0
    run(fleet, f"INSERT INTO feed_snapshot ({columns}) VALUES ('kev', 'file:k', now(), 'unchanged', 1, 0)")
    assert scored(fleet).decisions == 0
    run(fleet, f"INSERT INTO feed_snapshot ({columns}) VALUES ('kev', 'file:k', now(), 'accepted', 1, 0)")
    assert (scored(fleet).decisions, scored(fleet).decisions) == (3, 0)


@pytest.mark.parametrize(("count", "marks", "looked_at"), [(MANY, MANY, 0), (MANY + 1, 1, 3)])
def test_so_many_facts_at_once_are_one_mark(fleet: Store, count: int, marks: int, looked_at: int) -> None:
    run(fleet, "INSERT INTO epss SELECT 'CVE-1999-' || number, 0.1, 0.2, '2026-11-20', 'v4'"
               " FROM generate_series(1, %s) AS number", count)  # fmt: skip
    found = fleet._connection.execute("SELECT count(*) FROM fact_change").fetchone()
    assert found is not None
    assert found["count"] == marks
    assert scored(fleet).decisions == looked_at


def test_other_rules_bring_all(fleet: Store) -> None:
    another = replace(POLICY, unscored_deadline=POLICY.unscored_deadline + timedelta(days=1))
    counts = scored(fleet, policy=another)
    assert (counts.decisions, counts.changed) == (3, 3)
    assert scored(fleet, policy=another).decisions == 0
    groups = tuple(replace(group, cvss_requirements={"CR": "H", "IR": "H", "AR": "H"}) for group in REGISTER.groups)
    assert scored(fleet, policy=another, register=AssetRegister(groups)).decisions == 3


def test_all_are_looked_at_once_a_day_and_when_the_clock_went_back(fleet: Store) -> None:
    assert scored(fleet, hours=23.9).decisions == 0
    assert scored(fleet, hours=24).decisions == 3
    assert scored(fleet, hours=47).decisions == 0
    assert scored(fleet, hours=1).decisions == 3


def test_a_scoring_that_fails_leaves_its_marks(fleet: Store) -> None:
    run(fleet, CHANGES["KEV"].format("CVE-2026-1"))
    with fleet._connection.transaction(force_rollback=True):
        assert scored(fleet).decisions == 1
    assert scored(fleet).changed == 1


def test_every_table_that_facts_are_read_from_is_marked(store: Store) -> None:
    """Read by the queries and by what they call; that a mark leads to the decision is what the tests above are for."""
    texts = [(PROJECT_ROOT / f"include/sql/queries/{name}.sql").read_text("utf-8") for name in READ]
    called = store._connection.execute("SELECT prosrc FROM pg_proc WHERE proname = 'cve_threat'").fetchone()
    assert called is not None
    named = set(re.findall(r"(?:FROM|JOIN)\s+(\w+)", "\n".join([*texts, called["prosrc"]])))
    tables = {row["relname"] for row in store._connection.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'")}  # fmt: skip
    marked = {(row["tgrelid"], row["tgtype"] & 28) for row in store._connection.execute(
        "SELECT tgrelid::regclass::text AS tgrelid, tgtype FROM pg_trigger JOIN pg_proc ON tgfoid = pg_proc.oid"
        " WHERE proname IN ('mark_cve_facts', 'mark_advisory_facts', 'mark_all_facts', 'mark_dated_advisory')")}  # fmt: skip
    insert, delete, update = 4, 8, 16
    wanted = {(table, event) for table in named & tables - {"advisory", "decision", "feed_snapshot", "host"}
              for event in (insert, delete, update)}  # fmt: skip
    # An advisory is dated when it changes, and a copy is accepted; a host of another kind has marks of its own.
    assert {("advisory", update), ("feed_snapshot", insert | update), ("feed_snapshot", delete)} <= marked
    assert wanted <= marked
    assert {"kev", "epss", "cve", "cve_score", "cve_ssvc", "cve_lookup", "threat_state", "advisory_cve"} <= named


def test_what_a_matching_decides_by_older_facts_is_looked_at_when_their_mark_is_taken(
    warehouse_url: str,
) -> None:
    """A matching read a CVE's facts; others commit before it ends, and a scoring comes at that moment."""
    with Store.connect(warehouse_url) as one, Store.connect(warehouse_url) as two, Store.connect(warehouse_url) as feed:
        add_host(one, "a")
        install(one, "a", "p", "1.0")
        add_advisory(one, "p", "1.1", cves=("CVE-2026-1",))
        result: list[Any] = []
        scoring = threading.Thread(target=lambda: result.append(scored(two)))
        with one.transaction():
            matched(one)
            run(feed, CHANGES["KEV"].format("CVE-2026-1"))
            scoring.start()
            scoring.join(0.5)
            assert scoring.is_alive()  # it waits for the matching
        scoring.join(30)
        assert (result[0].decisions, result[0].changed) == (1, 1)
        priority = one._connection.execute("SELECT priority FROM finding").fetchone()
        assert priority is not None
        assert priority["priority"] == "immediate"
