"""Planning on a real warehouse: grouping, the newest fix, retired versions, what ends a live campaign."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from suture.campaign import CampaignState, fetch_campaign, move
from suture.inventory.matching import match_all
from suture.model import Priority, Ring
from suture.model.assets import AssetGroup, AssetRegister
from suture.risk.planning import PlanningPolicy, plan_campaigns
from suture.risk.policies import RiskPolicy
from suture.risk.readiness import waiting_findings
from suture.risk.scoring import score_all
from suture.risk.strategy import StrategyPolicy
from suture.settings import PROJECT_ROOT
from suture.store import Store
from tests.fleet_rows import NOW, add_advisory, add_host, install

pytestmark = pytest.mark.database
POLICY_DIR = PROJECT_ROOT / "include" / "policy"
OLD, NEW, NEWER = "1.22.1-9+deb12u9", "1.22.1-9+deb12u11", "1.22.1-9+deb12u12"


def first_is_canary(_group: AssetGroup, hosts: Sequence[str]) -> Mapping[Ring, tuple[str, ...]]:
    return {Ring.CANARY: tuple(hosts[:1]), Ring.RING_1: tuple(hosts[1:]), Ring.RING_2: (), Ring.RING_3: ()}


def plan(
    store: Store, *, days: int = 0, planning: PlanningPolicy | None = None, strategy: StrategyPolicy | None = None
) -> list[str]:
    risk, register = RiskPolicy.load(POLICY_DIR), AssetRegister.load(POLICY_DIR)
    now = NOW + timedelta(days=days)
    match_all(store, now=now, unscored_priority=risk.unscored_priority, unscored_deadline=risk.unscored_deadline)
    score_all(store, risk, register, now=now)
    planning = planning or PlanningPolicy.load(POLICY_DIR)
    return plan_campaigns(store, planning, register, ring_plan=first_is_canary, now=now, strategy=strategy)


@pytest.fixture
def fleet(store: Store) -> Store:
    for host in ("app1", "app2"):
        add_host(store, host)
    add_host(store, "stg-app1", asset_group="staging", environment="staging", criticality="low", exposure="small")
    add_host(store, "db1", asset_group="data", criticality="critical", exposure="controlled")
    for host in ("app1", "app2", "stg-app1"):
        install(store, host, "nginx", OLD)
        install(store, host, "nginx-common", OLD, source="nginx")
        install(store, host, "expat", "2.5.0-1+deb12u2")
        install(store, host, "acme-portal", "1.0.0")
    install(store, "db1", "expat", "2.5.0-1+deb12u2")
    add_advisory(store, "nginx", NEW, packages=("nginx", "nginx-common", "nginx-extras"))
    add_advisory(store, "expat", "2.5.0-1+deb12u5")
    add_advisory(store, "acme-portal", "1.0.1", source="vendor", codename=None)
    return store


def test_one_campaign_for_each_group_and_source(fleet: Store) -> None:
    ids = plan(fleet)
    assert ids == ["SUT-2026-0001", "SUT-2026-0002", "SUT-2026-0003"]
    campaigns = {(c.plan.asset_group, c.plan.source): c for c in (fetch_campaign(fleet, found) for found in ids)}
    assert set(campaigns) == {("data", "debian-security"), ("web", "debian-security"), ("web", "vendor")}
    web = campaigns["web", "debian-security"]
    assert {(p.package, p.version) for p in web.plan.packages} == {
        ("nginx", NEW), ("nginx-common", NEW), ("expat", "2.5.0-1+deb12u5")
    }  # fmt: skip
    assert web.plan.hosts(Ring.CANARY) == ("app1",)
    assert web.plan.hosts(Ring.STAGING) == ("stg-app1",)
    assert (web.requested_by, web.window_name, web.priority) == ("olga", "nightly", Priority.SCHEDULED)
    assert web.title == "expat and nginx: updates for web (debian-security)"
    assert campaigns["web", "vendor"].title == "acme-portal 1.0.1 for web (vendor)"
    assert plan(fleet, days=1) == []


def test_a_retired_version_is_never_offered_again(fleet: Store) -> None:
    fleet.copy_rows(
        "retired_version",
        ["source_package", "source_version", "asset_group", "reason", "retired_at"],
        [("acme-portal", "1.0.1", "*", "rolled back", NOW), ("nginx", NEW, "web", "rolled back", NOW)],
    )
    planned = [fetch_campaign(fleet, found) for found in plan(fleet)]
    assert {p.source_package for c in planned for p in c.plan.packages} == {"expat"}
    add_advisory(fleet, "acme-portal", "1.0.3", source="vendor", codename=None)
    (again,) = plan(fleet, days=1)
    assert [p.version for p in fetch_campaign(fleet, again).plan.packages] == ["1.0.3"]


def test_the_newest_of_several_fixes_is_taken(fleet: Store) -> None:
    add_advisory(fleet, "nginx", NEWER, packages=("nginx", "nginx-common"))
    web = next(c for c in (fetch_campaign(fleet, found) for found in plan(fleet)) if c.plan.source != "vendor"
               and c.plan.asset_group == "web")  # fmt: skip
    assert {p.version for p in web.plan.packages if p.source_package == "nginx"} == {NEWER}


def test_a_newer_fix_supersedes_a_planned_campaign_and_takes_its_findings(fleet: Store) -> None:
    first = plan(fleet)
    add_advisory(fleet, "nginx", NEWER, packages=("nginx", "nginx-common"))
    (second,) = plan(fleet, days=1)
    old = next(found for found in first if fetch_campaign(fleet, found).state is CampaignState.SUPERSEDED)
    assert NEWER in fetch_campaign(fleet, old).state_reason
    new = fetch_campaign(fleet, second)
    assert {p.source_package for p in new.plan.packages} == {"nginx", "expat"}
    rows = fleet.fetch_all("finding/list_findings")
    assert not [row for row in rows if row["campaign_id"] == old]


def test_an_approved_campaign_rolls_first_and_the_newer_fix_follows(fleet: Store) -> None:
    ids = plan(fleet)
    web = next(i for i in ids if "nginx" in {p.source_package for p in fetch_campaign(fleet, i).plan.packages})
    steps = [CampaignState.PLANNED, CampaignState.VALIDATED, CampaignState.TESTED, CampaignState.APPROVED]
    for before, after in pairwise(steps):
        move(fleet, web, expected=before, to=after, actor="test", reason="test")
    add_advisory(fleet, "nginx", NEWER, packages=("nginx", "nginx-common"))
    assert plan(fleet, days=1) == []
    assert fetch_campaign(fleet, web).state is CampaignState.APPROVED


def test_held_packages_and_missing_staging_are_said(store: Store) -> None:
    add_host(store, "db1", asset_group="data", criticality="critical", exposure="controlled")
    install(store, "db1", "expat", "1.0")
    install(store, "db1", "nginx", "1.0")
    store._connection.execute("UPDATE host_package SET held = TRUE WHERE package = 'nginx'")
    add_advisory(store, "expat", "2.0")
    add_advisory(store, "nginx", "2.0")
    (campaign_id,) = plan(store)
    campaign = fetch_campaign(store, campaign_id)
    assert [p.package for p in campaign.plan.packages] == ["expat"]
    assert any("nginx on db1" in reason for reason in campaign.reasons)
    assert any("No staging host" in reason for reason in campaign.reasons)


def test_the_cap_splits_and_deferred_findings_wait(fleet: Store) -> None:
    base = PlanningPolicy.load(POLICY_DIR)
    narrow = replace(base, rules=tuple(replace(rule, max_source_packages=1) for rule in base.rules))
    planned = [fetch_campaign(fleet, found) for found in plan(fleet, planning=narrow)]
    assert sorted(c.title for c in planned) == [
        "acme-portal 1.0.1 for web (vendor)", "expat 2.5.0-1+deb12u5 for data (debian-security)",
        "expat 2.5.0-1+deb12u5 for web (debian-security)", f"nginx {NEW} for web (debian-security)",
    ]  # fmt: skip


def test_what_is_not_urgent_enough_waits(fleet: Store) -> None:
    base = PlanningPolicy.load(POLICY_DIR)
    assert plan(fleet, planning=replace(base, lowest_priority=Priority.IMMEDIATE)) == []


def test_a_table_that_asks_for_forensic_triage_is_heard_in_the_campaign(fleet: Store, tmp_path: Path) -> None:
    """BOD 26-04 on the web tier: in KEV, publicly exposed, total impact. The plan carries the task for a gate to ask for."""
    for path in POLICY_DIR.glob("*.yaml"):
        (tmp_path / path.name).write_text(path.read_text("utf-8"), "utf-8")
    sla = (tmp_path / "sla.yaml").read_text("utf-8")
    (tmp_path / "sla.yaml").write_text(sla.replace("by_asset_group: {}", "by_asset_group: {web: bod_26_04}"), "utf-8")
    risk, register = RiskPolicy.load(tmp_path), AssetRegister.load(tmp_path)
    advisory = f"debian-security/nginx@{NEW}"
    fleet.copy_rows("advisory_cve", ["advisory_id", "cve_id"], [(advisory, "CVE-2023-44487")])
    fleet.copy_rows("kev", ["cve_id", "date_added", "due_date"], [("CVE-2023-44487", "2023-10-10", "2023-10-31")])
    match_all(fleet, now=NOW, unscored_priority=risk.unscored_priority, unscored_deadline=risk.unscored_deadline)
    score_all(fleet, risk, register, now=NOW)
    ids = plan_campaigns(fleet, PlanningPolicy.load(tmp_path), register, ring_plan=first_is_canary, now=NOW)
    campaigns = {(c.plan.asset_group, c.plan.source): c for c in (fetch_campaign(fleet, found) for found in ids)}
    web = campaigns["web", "debian-security"]
    assert (web.priority, web.deadline) == (Priority.IMMEDIATE, NOW + timedelta(days=3))
    assert web.plan.extra["required_tasks"] == {"forensic_triage": ["app1", "app2"]}
    reasons = "\n".join(web.reasons)
    assert "Required task forensic_triage: asked for by the decision table, on app1, app2" in reasons
    assert "is given by CISA BOD 26-04 1.0.0: 3 days and forensic triage: the table's own time." in reasons
    assert "required_tasks" not in campaigns["data", "debian-security"].plan.extra
def web_is(name: str) -> StrategyPolicy:
    return replace(StrategyPolicy.load(POLICY_DIR), groups={"web": name})


def test_the_default_strategy_changes_nothing(fleet: Store) -> None:
    assert len(plan(fleet, strategy=StrategyPolicy.load(POLICY_DIR))) == 3
    rows = fleet.fetch_all("campaign/list_campaigns", {"state": None})
    assert not [row for row in rows if "trategy" in str(fetch_campaign(fleet, row["campaign_id"]).reasons)]


def test_a_group_on_a_monthly_cadence_waits_and_says_why(fleet: Store) -> None:
    monthly = web_is("monthly")
    (only,) = plan(fleet, strategy=monthly)
    assert fetch_campaign(fleet, only).plan.asset_group == "data"
    waiting = waiting_findings(fleet, monthly, NOW)
    assert {(one.asset_group, one.source_package, one.hosts) for one in waiting} == {
        ("web", "nginx", 2), ("web", "expat", 2), ("web", "acme-portal", 2)
    }  # fmt: skip
    # Out on 2026-11-23: the next second Tuesday is 8 December, a week of soak ends on the 15th (Zurich's midnight); the
    # findings' deadline is 14 days after they were seen, so the wait ends three days before that: on 4 December.
    assert {f"{one.until:%Y-%m-%d}" for one in waiting} == {"2026-12-04"}
    assert all("deadline" in one.reason for one in waiting)
    assert plan(fleet, days=10, strategy=monthly) == []
    later = [fetch_campaign(fleet, found) for found in plan(fleet, days=11, strategy=monthly)]
    assert {campaign.plan.asset_group for campaign in later} == {"web"}
    assert any("Strategy monthly does not wait: its deadline is 2026-12-07" in reason for reason in later[0].reasons)


def test_a_new_kev_entry_replans_within_one_run(fleet: Store) -> None:
    monthly = web_is("monthly")
    fleet.copy_rows(
        "advisory_cve", ["advisory_id", "cve_id"], [(f"debian-security/nginx@{NEW}", "CVE-2026-0001")]
    )
    plan(fleet, strategy=monthly)
    fleet.copy_rows("kev", ["cve_id", "date_added"], [("CVE-2026-0001", NOW.date())])
    (urgent,) = plan(fleet, days=1, strategy=monthly)
    campaign = fetch_campaign(fleet, urgent)
    assert {package.source_package for package in campaign.plan.packages} == {"nginx"}
    assert any("does not wait: CVE-2026-0001 is in CISA's catalogue" in reason for reason in campaign.reasons)
    assert {one.source_package for one in waiting_findings(fleet, monthly, NOW)} == {"expat", "acme-portal"}


def test_a_fix_that_waits_supersedes_nothing(fleet: Store) -> None:
    first = plan(fleet)
    add_advisory(fleet, "nginx", NEWER, packages=("nginx", "nginx-common"))
    assert plan(fleet, days=1, strategy=web_is("monthly")) == []
    assert all(fetch_campaign(fleet, found).state is CampaignState.PLANNED for found in first)


def test_a_reactive_group_takes_the_rest_along(fleet: Store) -> None:
    reactive = web_is("on_exploit")
    fleet.copy_rows(
        "advisory_cve", ["advisory_id", "cve_id"], [(f"debian-security/nginx@{NEW}", "CVE-2026-0001")]
    )
    fleet.copy_rows("kev", ["cve_id", "date_added"], [("CVE-2026-0001", NOW.date())])
    campaigns = [fetch_campaign(fleet, found) for found in plan(fleet, strategy=reactive)]
    web = [campaign for campaign in campaigns if campaign.plan.asset_group == "web"]
    assert {package.source_package for campaign in web for package in campaign.plan.packages} == {
        "nginx", "expat", "acme-portal"
    }  # fmt: skip
    assert waiting_findings(fleet, reactive, NOW) == []
