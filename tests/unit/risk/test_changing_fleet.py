"""A fleet that changes at random: a run over what changed leaves what a whole run leaves, and scores keep their clock.

Two measures stand beside the engine: the view vulnerable_host_source (one join over everything) says what is open, and
reference_score.sql (each finding with reasons of its own) says what scoring makes of it.
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from suture.compliance.risk_overview import risk_overview
from suture.inventory import pairs
from suture.inventory.matching import match_all, match_hosts
from suture.model.assets import AssetRegister
from suture.risk.decision import decide
from suture.risk.policies import RiskPolicy
from suture.risk.scoring import Decider, facts_from_row, profile_of, score_all
from suture.settings import PROJECT_ROOT
from suture.store import Json, Store, fan_out
from tests.fleet_rows import NOW, add_advisory, add_host, install
from tests.holdings import assert_kept

pytestmark = pytest.mark.database
POLICY_DIR = PROJECT_ROOT / "include" / "policy"
REFERENCE = (Path(__file__).parent / "reference_score.sql").read_text("utf-8")
STATUSES = ("ii", "ii", "ii", "ii", "hi", "iF", "rc")
SHOWN = "host_id, advisory_id, source_package, installed_version, fixed_version, packages, conditions"
SCORED = "finding_id, status, priority, score, deadline, priority_since, reasons"


@pytest.fixture(scope="module")
def policy() -> RiskPolicy:
    return RiskPolicy.load(POLICY_DIR)


@pytest.fixture(scope="module")
def register() -> AssetRegister:
    return AssetRegister.load(POLICY_DIR)


class Fleet:
    """Eight hosts, six source packages, and everything that may happen to them."""

    def __init__(self, store: Store, seed: int) -> None:
        self.store, self.pick = store, random.Random(seed)
        self.made = 0
        for number in range(8):
            group = ("web", "database", "staging")[number % 3]
            add_host(store, f"h{number}", asset_group=group, criticality="high" if number % 2 else "low")
            for source in range(6):
                self._install(f"h{number}", source)
        for _ in range(8):
            self.new_advisory()

    def run_sql(self, statement: str, *values: object) -> None:
        self.store._connection.execute(statement.encode(), values)

    def _install(self, host: str, source: int) -> None:
        for part in range(1 + source % 2):
            version = f"1.{self.pick.randint(1, 9)}-1"
            install(
                self.store, host, f"p{source}-{part}", version, source=f"s{source}", status=self.pick.choice(STATUSES)
            )

    def new_advisory(self) -> None:
        self.made += 1
        cves = tuple(f"CVE-2026-{self.made:05d}{n}" for n in range(self.pick.randint(0, 2)))
        codename = self.pick.choice(("bookworm", "bookworm", None, "trixie"))
        fixed = f"1.{self.pick.randint(2, 9)}-{self.made + 1}"
        add_advisory(self.store, f"s{self.pick.randrange(6)}", fixed, cves=cves, codename=codename)

    def new_fact(self) -> None:
        cve = f"CVE-2026-{self.pick.randint(1, self.made):05d}{self.pick.randint(0, 1)}"
        table = self.pick.choice(("kev", "unkev", "epss", "ssvc", "score", "record", "lookup", "held", "date", "named"))
        if table == "kev":
            self.run_sql("INSERT INTO kev (cve_id, date_added, due_date) VALUES (%s, '2026-11-01', '2026-12-05')"
                         " ON CONFLICT DO NOTHING", cve)  # fmt: skip
        elif table == "unkev":
            self.run_sql("DELETE FROM kev WHERE cve_id = %s", cve)
        elif table == "epss":
            self.run_sql("INSERT INTO epss VALUES (%s, %s, 0.5, '2026-11-20', 'v4') ON CONFLICT (cve_id)"
                         " DO UPDATE SET probability = excluded.probability", cve, self.pick.random())  # fmt: skip
        elif table == "score":
            vector = self.pick.choice(("AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "AV:L/AC:H/PR:L/UI:R/S:U/C:L/I:L/A:L"))
            self.run_sql("INSERT INTO cve_score (cve_id, source, cvss_version, vector) VALUES (%s, 'cna:made', '3.1', %s)"
                         " ON CONFLICT DO NOTHING", cve, f"CVSS:3.1/{vector}")  # fmt: skip
        elif table == "record":
            self.run_sql("INSERT INTO cve (cve_id, state, source, modified_at) VALUES (%s, 'PUBLISHED', 'cve5', now())"
                         " ON CONFLICT (cve_id) DO UPDATE SET modified_at = excluded.modified_at", cve)  # fmt: skip
        elif table == "lookup":
            self.run_sql("INSERT INTO cve_lookup (cve_id, source, status, looked_up_at) VALUES (%s, 'cve5', 'absent', now())"
                         " ON CONFLICT (cve_id, source) DO UPDATE SET status = 'quarantined'", cve)  # fmt: skip
        elif table == "held":
            self.run_sql("INSERT INTO threat_state (cve_id, epss_peak, epss_peak_date, seen_at) VALUES (%s, 0.9, '2026-11-19',"
                         " now()) ON CONFLICT (cve_id) DO UPDATE SET epss_peak = 0.1", cve)  # fmt: skip
        elif table in ("date", "named"):
            one = "(SELECT advisory_id FROM advisory ORDER BY hashtext(advisory_id || %s) LIMIT 1)"
            self.run_sql(f"UPDATE advisory SET published_at = %s WHERE advisory_id = {one}" if table == "date" else
                         f"INSERT INTO advisory_cve (cve_id, advisory_id) VALUES (%s, {one}) ON CONFLICT DO NOTHING",
                         NOW - timedelta(days=self.pick.randint(1, 60)) if table == "date" else cve,
                         str(self.pick.random()))  # fmt: skip
        else:
            self.run_sql("INSERT INTO cve_ssvc VALUES (%s, %s, 'no', 'partial', NULL, 'adp') ON CONFLICT (cve_id)"
                         " DO UPDATE SET exploitation = excluded.exploitation",
                         cve, self.pick.choice(("none", "poc", "active")))  # fmt: skip

    def change(self) -> None:
        host = f"h{self.pick.randrange(8)}"
        what = self.pick.choice(
            ("install", "install", "advisory", "withdraw", "retire", "move", "fact", "fact", "fact", "accept")
        )
        if what == "install":
            source = self.pick.randrange(6)
            self.run_sql("DELETE FROM host_package WHERE host_id = %s AND source_package = %s", host, f"s{source}")
            self._install(host, source)
        elif what == "advisory":
            self.new_advisory()
        elif what == "withdraw":
            self.run_sql("UPDATE advisory SET withdrawn_at = CASE WHEN withdrawn_at IS NULL THEN now() END WHERE advisory_id"
                         " = (SELECT advisory_id FROM advisory ORDER BY hashtext(advisory_id || %s) LIMIT 1)",
                         str(self.pick.random()))  # fmt: skip
        elif what == "retire":
            self.run_sql(
                "UPDATE host SET retired_at = CASE WHEN retired_at IS NULL THEN now() END WHERE host_id = %s", host
            )
        elif what == "move":
            self.run_sql(
                "UPDATE host SET criticality = %s WHERE host_id = %s", self.pick.choice(("low", "critical")), host
            )
        elif what == "fact":
            self.new_fact()
        else:
            self.run_sql("UPDATE finding SET status = 'accepted' WHERE host_id = %s AND status = 'open'", host)


def rows(store: Store, statement: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in store._connection.execute(statement.encode()).fetchall()]


def options(
    store: Store, policy: RiskPolicy, register: AssetRegister, now: datetime, *, decided: bool
) -> dict[str, Any]:
    return {
        "now": now,
        "unscored_priority": policy.unscored_priority,
        "unscored_deadline": policy.unscored_deadline,
        "decide": Decider(store, policy, register, now=now) if decided else None,
    }


def expected_open(store: Store) -> list[tuple[Any, ...]]:
    return rows(store, f"SELECT {SHOWN} FROM vulnerable_host_source ORDER BY host_id, advisory_id")


def found_open(store: Store) -> list[tuple[Any, ...]]:
    """Open on hosts that count, without those that only wait for a fix to be configured."""
    return rows(
        store,
        f"SELECT {SHOWN} FROM finding WHERE status IN ('open', 'accepted') AND host_id IN"
        " (SELECT host_id FROM host WHERE retired_at IS NULL) AND EXISTS (SELECT 1 FROM vulnerable_host_source AS v"
        " WHERE v.host_id = finding.host_id AND v.advisory_id = finding.advisory_id) ORDER BY host_id, advisory_id",
    )


def summary(store: Store) -> list[tuple[Any, ...]]:
    return rows(
        store,
        "SELECT asset_group, priority, status, is_unscored, deadline_hour, seen_hour, sum(findings) FROM risk_summary"
        " GROUP BY 1, 2, 3, 4, 5, 6 HAVING sum(findings) <> 0 ORDER BY 1, 2, 3, 4, 5, 6",
    )


def counted_summary(store: Store) -> list[tuple[Any, ...]]:
    """What the summary must say, counted finding by finding."""
    return rows(
        store,
        "SELECT asset_group, priority, status, score IS NULL AS is_unscored, date_trunc('hour', deadline) AS deadline_hour,"
        " date_trunc('hour', coalesce(reopened_at, first_seen_at)) AS seen_hour, count(*) FROM finding"
        " INNER JOIN host USING (host_id) WHERE status IN ('open', 'accepted') AND retired_at IS NULL"
        " GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6",
    )


def score_by_reference(
    store: Store, policy: RiskPolicy, register: AssetRegister, *, now: datetime, may_lower: bool
) -> tuple[int, list[tuple[Any, ...]]]:
    """What the old statement makes of a copy of the findings: (rows changed, the copy)."""
    store._connection.execute("DROP TABLE IF EXISTS pg_temp.reference")
    store._connection.execute("CREATE TEMPORARY TABLE reference AS SELECT finding.*, finding.reasons FROM finding")
    decisions = []
    for row in store.fetch_all("finding/list_scoring_groups"):
        found = store.fetch_all("cve/list_cve_facts", {"advisory_ids": [row["advisory_id"]]})
        made = decide(
            [facts_from_row(fact) for fact in found], profile_of(row, register), policy, released_at=row["released_at"]
        )
        decisions.append(
            {
                **{name: row[name] for name in ("advisory_id", "asset_group", "criticality", "exposure")},
                "priority": made.priority.value,
                "priority_rank": made.priority.rank,
                "score": made.score,
                "within_hours": made.within.total_seconds() / 3600,
                "due_dates": [due.isoformat() for due in made.due_dates],
                "reasons": made.reasons(),
            }
        )
    values = {"decisions": Json(decisions), "now": now, "may_lower": may_lower}
    changed = store._connection.execute(REFERENCE.encode(), values).rowcount
    return changed, rows(store, f"SELECT {SCORED} FROM reference ORDER BY finding_id")


@pytest.mark.parametrize("seed", range(6))
def test_a_changing_fleet(
    store: Store, policy: RiskPolicy, register: AssetRegister, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    if seed % 2:  # as in a run over many advisories, with work tables of its own
        monkeypatch.setattr(fan_out, "FEW", 0)
        monkeypatch.setattr(pairs, "_FEW", 0)
    fleet = Fleet(store, seed)
    for step in range(12):
        now = NOW + timedelta(hours=step)  # within a day: all decisions are looked at only where marks say so
        decided = fleet.pick.random() < 0.5
        match_all(store, **options(store, policy, register, now, decided=decided))
        assert found_open(store) == expected_open(store)
        may_lower = fleet.pick.random() < 0.6
        expected = score_by_reference(store, policy, register, now=now, may_lower=may_lower)
        counts = score_all(store, policy, register, now=now, may_lower=may_lower)
        assert (
            rows(store, f"SELECT {SCORED.replace('reasons', 'finding.reasons')} FROM finding ORDER BY finding_id")
            == expected[1]
        )
        assert counts.changed == expected[0]
        assert score_all(store, policy, register, now=now, may_lower=may_lower, whole=True).changed == 0
        assert summary(store) == counted_summary(store)
        assert_kept(store)
        whole = match_all(store, whole=True, **options(store, policy, register, now, decided=False))
        assert (whole.new, whole.reopened, whole.updated, whole.fixed, whole.withdrawn) == (0, 0, 0, 0, 0)
        for _ in range(fleet.pick.randint(1, 5)):
            fleet.change()
    scopes = {row[0] for row in rows(store, "SELECT DISTINCT scope FROM match_run")}
    assert scopes == {"all", "changes"}
    assert rows(store, "SELECT count(*) > 20 FROM finding") == [(True,)]


def test_deciding_at_once_gives_what_scoring_afterwards_gives(
    store: Store, policy: RiskPolicy, register: AssetRegister
) -> None:
    fleet = Fleet(store, 7)
    for _ in range(30):
        fleet.new_fact()
    match_all(store, **options(store, policy, register, NOW, decided=True))
    at_once = rows(
        store, "SELECT host_id, advisory_id, priority, score, deadline, finding.reasons FROM finding ORDER BY 1, 2"
    )
    assert len(at_once) > 20
    assert score_all(store, policy, register, now=NOW).changed == 0
    store._connection.execute("DELETE FROM finding")
    match_all(store, whole=True, **options(store, policy, register, NOW, decided=False))
    assert score_all(store, policy, register, now=NOW).changed == len(at_once)
    afterwards = rows(
        store, "SELECT host_id, advisory_id, priority, score, deadline, finding.reasons FROM finding ORDER BY 1, 2"
    )
    assert afterwards == at_once


def test_one_hosts_share_is_what_a_whole_run_finds_on_it(
    store: Store, policy: RiskPolicy, register: AssetRegister
) -> None:
    Fleet(store, 11)
    counts = match_hosts(store, ["h3"], **options(store, policy, register, NOW, decided=True))
    shares = rows(store, f"SELECT {SHOWN} FROM finding ORDER BY host_id, advisory_id")
    assert counts.new == len(shares) > 3
    assert {row[0] for row in shares} == {"h3"}
    match_all(store, **options(store, policy, register, NOW, decided=True))
    assert [row for row in found_open(store) if row[0] == "h3"] == shares


def test_new_reasons_for_the_same_outcome_leave_a_closed_findings_reasons(
    store: Store, policy: RiskPolicy, register: AssetRegister
) -> None:
    add_host(store, "a")
    add_host(store, "b")
    for host in ("a", "b"):
        install(store, host, "nginx", "1.0")
    add_advisory(store, "nginx", "1.1", cves=("CVE-2026-1",))
    store.copy_rows("kev", ["cve_id", "date_added"], [("CVE-2026-1", "2026-11-01")])
    match_all(store, **options(store, policy, register, NOW, decided=True))
    store._connection.execute("UPDATE host_package SET source_version = '1.1' WHERE host_id = 'a'")
    match_all(store, **options(store, policy, register, NOW, decided=True))
    before = dict(rows(store, "SELECT host_id, finding.reasons FROM finding"))
    store.copy_rows(
        "epss", ["cve_id", "probability", "percentile", "score_date", "model_version"],
        [("CVE-2026-1", 0.2, 0.5, "2026-11-20", "v4")],
    )  # fmt: skip
    assert score_all(store, policy, register, now=NOW + timedelta(days=1)).changed == 1
    after = dict(rows(store, "SELECT host_id, finding.reasons FROM finding"))
    assert after["a"] == before["a"]
    assert after["b"] != before["b"]
    assert "epss" in {found["name"] for found in after["b"]["inputs"]}


def test_hosts_and_advisories_keep_their_findings_whole(
    store: Store, policy: RiskPolicy, register: AssetRegister
) -> None:
    """What the foreign keys did: a deleted host takes its findings along, an advisory with findings stays."""
    add_host(store, "a")
    install(store, "a", "nginx", "1.0")
    add_advisory(store, "nginx", "1.1")
    match_all(store, **options(store, policy, register, NOW, decided=True))
    with pytest.raises(Exception, match="withdraw it"):
        store._connection.execute("DELETE FROM advisory")
    store._connection.execute("DELETE FROM host")
    assert rows(store, "SELECT count(*) FROM finding") == [(0,)]


def test_the_overview_adds_up(store: Store, policy: RiskPolicy, register: AssetRegister) -> None:
    Fleet(store, 5)
    assert risk_overview(store, now=NOW).as_of is None
    match_all(store, **options(store, policy, register, NOW, decided=True))
    store._connection.execute("UPDATE finding SET status = 'accepted' WHERE host_id = 'h1'")
    score_all(store, policy, register, now=NOW)
    later = NOW + timedelta(days=30)
    seen = risk_overview(store, now=later)
    counted = rows(
        store,
        "SELECT count(*) FILTER (WHERE status = 'open') AS open, count(*) FILTER (WHERE status = 'accepted') AS accepted,"
        f" count(*) FILTER (WHERE status = 'open' AND deadline < '{later}') AS overdue FROM finding",
    )
    assert (seen.total.open, seen.total.accepted, seen.total.overdue) == counted[0]
    assert min(counted[0]) > 0
    assert seen.total.open == sum(count.open for count in seen.by_group.values())
    assert seen.total.open == sum(count.open for count in seen.by_priority.values())
    assert (seen.as_of, seen.total.oldest_at) == (NOW, NOW)
