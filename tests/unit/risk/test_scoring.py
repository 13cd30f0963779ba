"""Scoring a real warehouse: decisions fan out, deadlines keep their clock, stale data lowers nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from suture.inventory.matching import match_all
from suture.model.assets import AssetRegister
from suture.risk.clocks import holder
from suture.risk.policies import RiskPolicy
from suture.risk.scoring import ScoreCounts, score_all
from suture.settings import PROJECT_ROOT
from suture.store import Store
from tests.fleet_rows import NOW, add_advisory, add_host, install

pytestmark = pytest.mark.database
POLICY_DIR = PROJECT_ROOT / "include" / "policy"
CRITICAL = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"


@pytest.fixture(scope="module")
def policy() -> RiskPolicy:
    return RiskPolicy.load(POLICY_DIR)


@pytest.fixture(scope="module")
def register() -> AssetRegister:
    return AssetRegister.load(POLICY_DIR)


def run(store: Store, policy: RiskPolicy, register: AssetRegister, *, days: int = 0, **options: bool) -> ScoreCounts:
    now = NOW + timedelta(days=days)
    match_all(store, now=now, unscored_priority=policy.unscored_priority, unscored_deadline=policy.unscored_deadline)
    return score_all(store, policy, register, now=now, **options)


def finding(store: Store, host_id: str, source_package: str = "nginx") -> dict[str, Any]:
    rows = store.fetch_all("finding/list_findings")
    return next(row for row in rows if (row["host_id"], row["source_package"]) == (host_id, source_package))


def add_kev(store: Store, cve_id: str) -> None:
    store.copy_rows("kev", ["cve_id", "date_added", "due_date"], [(cve_id, "2023-10-10", "2023-10-31")])


def add_ssvc(store: Store, cve_id: str, exploitation: str) -> None:
    store.copy_rows(
        "cve_ssvc",
        ["cve_id", "exploitation", "automatable", "technical_impact", "dated_at", "source"],
        [(cve_id, exploitation, "no", "partial", NOW, "adp:CISA-ADP")],
    )


@pytest.fixture
def fleet(store: Store) -> Store:
    add_host(store, "app1")
    add_host(store, "stg-app1", asset_group="staging", environment="staging", criticality="low", exposure="small")
    for host in ("app1", "stg-app1"):
        install(store, host, "nginx", "1.22.1-9+deb12u9")
    add_advisory(store, "nginx", "1.22.1-9+deb12u11", cves=("CVE-2023-44487", "CVE-2026-123633"))
    return store


def test_unscored_findings_have_their_own_rule(fleet: Store, policy: RiskPolicy, register: AssetRegister) -> None:
    counts = run(fleet, policy, register)
    assert (counts.decisions, counts.changed, counts.without_score) == (2, 2, 2)
    row = finding(fleet, "app1")
    assert (row["priority"], row["score"]) == (policy.unscored_priority.value, None)
    assert row["deadline"] == NOW + policy.unscored_deadline
    assert row["reasons"]["state"] == "unscored"
    assert "2 of them without a score" in counts.sentence
    (record,) = [row for row in fleet.fetch_all("evidence/list_evidence", {"campaign_id": None}) if row["action"] == "findings_scored"]
    assert record["grounds"]["without_score"] == 2


def test_the_same_advisory_weighs_differently_on_different_assets(
    fleet: Store, policy: RiskPolicy, register: AssetRegister
) -> None:
    add_kev(fleet, "CVE-2023-44487")
    fleet.copy_rows(
        "cve_score",
        ["cve_id", "source", "cvss_version", "vector", "base_score"],
        [("CVE-2026-123633", "cna:f5", "3.1", "CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:H/I:H/A:H", 8.1)],
    )
    run(fleet, policy, register)
    production, staging = finding(fleet, "app1"), finding(fleet, "stg-app1")
    assert (production["priority"], staging["priority"]) == ("immediate", "out_of_cycle")
    assert production["score"] > staging["score"]
    assert production["deadline"] == NOW + timedelta(hours=48)
    kev = next(i for i in production["reasons"]["inputs"] if i["name"] == "kev")
    assert (kev["source"], kev["as_of"]) == ("kev", "2023-10-10")
    assert run(fleet, policy, register).changed == 0


def test_a_kev_entry_raises_within_one_run_and_the_time_runs_from_then(
    fleet: Store, policy: RiskPolicy, register: AssetRegister
) -> None:
    add_ssvc(fleet, "CVE-2023-44487", "none")
    run(fleet, policy, register)
    assert finding(fleet, "app1")["priority"] == "scheduled"
    assert finding(fleet, "app1")["deadline"] == NOW + timedelta(days=14)
    add_kev(fleet, "CVE-2023-44487")
    run(fleet, policy, register, days=3)
    row = finding(fleet, "app1")
    assert (row["priority"], row["deadline"]) == ("out_of_cycle", NOW + timedelta(days=10))
    assert row["first_seen_at"] == NOW


def test_stale_data_lowers_nothing(fleet: Store, policy: RiskPolicy, register: AssetRegister) -> None:
    add_kev(fleet, "CVE-2023-44487")
    run(fleet, policy, register)
    fleet._connection.execute("DELETE FROM kev")
    run(fleet, policy, register, days=1, may_lower=False)
    assert finding(fleet, "app1")["priority"] == "immediate"
    run(fleet, policy, register, days=1)
    assert finding(fleet, "app1")["priority"] == policy.unscored_priority.value


def test_a_catalogue_date_that_had_passed_leaves_the_month_from_release(
    store: Store, policy: RiskPolicy, register: AssetRegister
) -> None:
    """KEV's due date is years past; the release (first seen at NOW - 25 days) is a month past five days from now."""
    add_host(store, "db1", asset_group="data", criticality="critical", exposure="controlled")
    install(store, "db1", "nginx", "1.22.1-9+deb12u9")
    advisory = add_advisory(store, "nginx", "1.22.1-9+deb12u11", cves=("CVE-2023-44487",))
    released = NOW - timedelta(days=25)
    store._connection.execute("UPDATE advisory SET published_at = %s", (released,))
    add_kev(store, "CVE-2023-44487")
    store.copy_rows(
        "cve_score",
        ["cve_id", "source", "cvss_version", "vector", "base_score"],
        [("CVE-2023-44487", "cna:f5", "3.1", CRITICAL, 9.8)],
    )
    run(store, policy, register)
    row = finding(store, "db1")
    assert (row["advisory_id"], row["priority"]) == (advisory, "out_of_cycle")
    due = {clock["name"]: clock["due_by"] for clock in row["reasons"]["clocks"] if clock["due_by"]}
    assert due == {
        "CISA's catalogue (KEV)": "2023-10-31T23:59:59+00:00",
        "PCI DSS 6.3.3 v4.0.1": "2026-11-29T12:00:00+00:00",
    }
    assert row["deadline"].isoformat() == due["PCI DSS 6.3.3 v4.0.1"]
    assert holder(row["reasons"]["clocks"], row["deadline"]).startswith("PCI DSS 6.3.3 v4.0.1: 1 calendar month from release")


def test_the_reasons_keep_both_tables_the_policies_and_the_date_of_the_catalogue(
    fleet: Store, policy: RiskPolicy, register: AssetRegister
) -> None:
    fleet.copy_rows(
        "feed_snapshot", ["source", "url", "status", "data_date", "fetched_at"], [("kev", "x", "accepted", NOW, NOW)]
    )
    add_ssvc(fleet, "CVE-2023-44487", "none")
    run(fleet, policy, register)
    reasons = finding(fleet, "app1")["reasons"]
    assert [(t["table"], t["outcome"], t["selected"]) for t in reasons["tables"]] == [
        ("SSVC Deployer 1.0.0", "scheduled", True),
        ("CISA BOD 26-04 1.0.0", "60_days", False),
    ]
    assert set(reasons["policies"]) == {"sla.yaml", "assets.yaml", "ssvc_deployer.yaml", "bod_26_04.yaml"}
    kev = next(found for found in reasons["inputs"] if found["name"] == "kev")
    assert (kev["value"], kev["as_of"]) == ("not listed", NOW.isoformat())
