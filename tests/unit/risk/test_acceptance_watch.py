"""What ends an acceptance: time, a fact, a wider scope. Then its findings are open again, with a new clock, and planned."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from suture.campaign import CampaignState, fetch_campaign
from suture.compliance.acceptances import acceptance_list, acceptance_view
from suture.compliance.fleet import fleet_document, gather_fleet
from suture.model.assets import AssetRegister
from suture.risk.acceptance_signing import fetch_acceptance, sign
from suture.risk.acceptance_states import AcceptanceError
from suture.risk.acceptance_watch import watch_acceptances
from suture.risk.planning import PlanningPolicy, plan_campaigns
from suture.store import Store
from tests.fleet_rows import NOW, add_advisory, add_host, install
from tests.unit.risk.acceptances import (
    EXPAT,
    NGINX,
    POLICY_DIR,
    accept,
    add_fleet,
    add_kev,
    ask,
    first_is_canary,
    risk,
    say,
    say_exploitation,
    score,
    statuses,
)

pytestmark = pytest.mark.database
LATER = NOW + timedelta(days=3)


@pytest.fixture
def fleet(store: Store) -> Store:
    add_fleet(store)
    score(store)
    return store


def plan(store: Store, now: datetime = NOW) -> list[str]:
    register = AssetRegister.load(POLICY_DIR)
    return plan_campaigns(store, PlanningPolicy.load(POLICY_DIR), register, ring_plan=first_is_canary, now=now)


def finding(store: Store, host: str, package: str) -> dict[str, Any]:
    rows = store.fetch_all("finding/list_findings")
    return next(row for row in rows if (row["host_id"], row["source_package"]) == (host, package))


def planned_packages(store: Store, ids: list[str]) -> set[str]:
    return {package.source_package for found in ids for package in fetch_campaign(store, found).plan.packages}


def test_while_nothing_changes_it_holds(fleet: Store) -> None:
    acceptance_id = accept(fleet)
    score(fleet, LATER)
    counts = watch_acceptances(fleet, risk(), now=LATER)
    assert (counts.ended, counts.reopened) == ({}, 0)
    (row,) = acceptance_list(fleet, now=LATER)
    assert (row["acceptance_id"], row["valid"], row["findings"], row["hosts"]) == (acceptance_id, True, 2, 2)


def test_expiry_opens_the_findings_again_with_a_new_clock(fleet: Store) -> None:
    acceptance_id = accept(fleet)
    before = finding(fleet, "app1", "nginx")
    end = fetch_acceptance(fleet, acceptance_id)["expires_at"]
    # At the moment of its end it is shown as not valid, before any DAG has run.
    assert acceptance_view(fleet, acceptance_id, now=end - timedelta(seconds=1))["valid"]
    shown = acceptance_view(fleet, acceptance_id, now=end)
    assert (shown["state"], shown["valid"]) == ("active", False)
    assert "expired at" in shown["why_not"]
    counts = watch_acceptances(fleet, risk(), now=end)
    assert (counts.ended, counts.reopened) == ({acceptance_id: "expired"}, 2)
    after = finding(fleet, "app1", "nginx")
    assert (after["status"], after["reopened_at"]) == ("open", end)
    assert after["deadline"] == end + (before["deadline"] - before["first_seen_at"])
    score(fleet, end + timedelta(hours=1))  # scoring leaves the new clock alone
    assert finding(fleet, "app1", "nginx")["deadline"] == after["deadline"]
    assert watch_acceptances(fleet, risk(), now=end + timedelta(hours=1)).reopened == 0


def kev(store: Store) -> None:
    add_kev(store, NGINX, LATER.date(), due=(LATER + timedelta(days=2)).date())


def exploited(store: Store) -> None:
    say_exploitation(store, NGINX, "active")


def ransomware(store: Store) -> None:
    store._connection.execute(
        "INSERT INTO threat_state (cve_id, known_ransomware, seen_at) VALUES (%s, TRUE, %s)", (NGINX, LATER)
    )


def new_host(store: Store) -> None:
    add_host(store, "app3")
    install(store, "app3", "nginx", "1.0")


def new_advisory(store: Store) -> None:
    add_advisory(store, "nginx", "1.2", cves=("CVE-2026-1009",))


def new_cve(store: Store) -> None:
    store.copy_rows("advisory_cve", ["advisory_id", "cve_id"], [("debian-security/nginx@1.1", "CVE-2026-1010")])


def came_back(store: Store) -> None:
    store._connection.execute("UPDATE host_package SET source_version = '1.1' WHERE host_id = 'app1'")
    score(store, LATER)
    store._connection.execute("UPDATE host_package SET source_version = '1.0' WHERE host_id = 'app1'")


def gone(store: Store) -> None:
    store._connection.execute("UPDATE host_package SET source_version = '1.1' WHERE source_package = 'nginx'")


def raised(store: Store) -> None:
    columns = ["cve_id", "source", "cvss_version", "vector", "base_score"]
    store.copy_rows(
        "cve_score", columns, [(NGINX, "cna:x", "3.1", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 9.8)]
    )


@pytest.mark.parametrize(
    ("change", "kind", "told"),
    [
        (kev, "kev_added", NGINX),
        (exploited, "exploited", "actively exploited"),
        (ransomware, "ransomware", "ransomware"),
        (new_host, "scope_widened", "app3"),
        (new_advisory, "scope_widened", "nginx@1.2"),
        (new_cve, "new_cve", "CVE-2026-1010"),
        (came_back, "came_back", "came back"),
        (gone, "orphaned", "Nothing that it covers"),
        (raised, "priority_raised", "rose from"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_changed_fact_voids_it(fleet: Store, change: Callable[[Store], None], kind: str, told: str) -> None:
    acceptance_id = accept(fleet)
    change(fleet)
    score(fleet, LATER)
    shown = acceptance_view(fleet, acceptance_id, now=LATER)
    assert not shown["valid"]
    assert kind in {fault["kind"] for fault in shown["faults"]}
    assert watch_acceptances(fleet, risk(), now=LATER).ended == {acceptance_id: "voided"}
    row = fetch_acceptance(fleet, acceptance_id)
    assert kind in {fault["kind"] for fault in row["ended_grounds"]}
    assert any(told in fault["detail"] for fault in row["ended_grounds"])
    assert "accepted" not in statuses(fleet).values()
    assert not acceptance_view(fleet, acceptance_id, now=LATER)["valid"]
    if kind not in ("orphaned", "came_back"):
        assert finding(fleet, "app1", "nginx")["reopened_at"] == LATER


def test_the_catalogues_due_date_bounds_the_new_clock(fleet: Store) -> None:
    accept(fleet)
    kev(fleet)
    score(fleet, LATER)
    watch_acceptances(fleet, risk(), now=LATER)
    assert finding(fleet, "app1", "nginx")["deadline"] <= LATER + timedelta(days=3)


def test_what_does_not_touch_its_scope_does_not_void_it(fleet: Store) -> None:
    acceptance_id = accept(fleet)
    add_kev(fleet, EXPAT, LATER.date())
    add_host(fleet, "db1", asset_group="data")
    install(fleet, "db1", "nginx", "1.0")
    score(fleet, LATER)
    assert watch_acceptances(fleet, risk(), now=LATER).ended == {}
    assert acceptance_view(fleet, acceptance_id, now=LATER)["valid"]


def test_an_altered_flag_is_not_believed(fleet: Store) -> None:
    acceptance_id = ask(fleet)
    fleet._connection.execute("UPDATE risk_acceptance SET state = 'active', signed_at = now()")
    fleet._connection.execute("UPDATE finding SET status = 'accepted' WHERE source_package = 'nginx'")
    shown = acceptance_view(fleet, acceptance_id, now=NOW)
    assert not shown["valid"]
    assert "unsigned" in {fault["kind"] for fault in shown["faults"]}
    assert watch_acceptances(fleet, risk(), now=NOW).ended == {acceptance_id: "voided"}
    assert "accepted" not in statuses(fleet).values()


def test_a_finding_that_only_calls_itself_accepted_is_opened(fleet: Store) -> None:
    fleet._connection.execute("UPDATE finding SET status = 'accepted' WHERE source_package = 'nginx'")
    assert watch_acceptances(fleet, risk(), now=NOW).reopened == 3
    assert set(statuses(fleet).values()) == {"open"}


def test_silence_is_no_also_when_the_run_died(fleet: Store) -> None:
    acceptance_id = ask(fleet)
    assert watch_acceptances(fleet, risk(), now=NOW + timedelta(hours=49)).ended == {acceptance_id: "rejected"}


def test_of_two_acceptances_the_one_that_holds_keeps_the_finding(fleet: Store) -> None:
    wide = accept(fleet)
    accept(fleet, run_id="run-2", source_packages=[], advisory_ids=["debian-security/nginx@1.1"], asset_groups=[],
           host_ids=["app1"])  # fmt: skip
    new_host(fleet)
    score(fleet, LATER)
    assert watch_acceptances(fleet, risk(), now=LATER).ended == {wide: "voided"}
    found = statuses(fleet)
    assert (found["app1", "nginx"], found["app2", "nginx"]) == ("accepted", "open")


def test_asked_of_one_acceptance_the_faults_are_those_that_all_of_them_have(fleet: Store) -> None:
    """With a fault of each kind somewhere: none is lost, and none of a neighbour's is told."""

    def faults(acceptance_id: str | None, at: datetime) -> list[dict[str, Any]]:
        return fleet.fetch_all("acceptance/list_acceptance_faults", {"acceptance_id": acceptance_id, "at": at})

    on_app1: dict[str, Any] = {"asset_groups": [], "host_ids": ["app1"]}
    wide = accept(fleet)
    accept(fleet, run_id="run-2", source_packages=[], advisory_ids=["debian-security/nginx@1.1"], **on_app1)
    gone_soon = accept(fleet, run_id="run-3", source_packages=["expat"], **on_app1)
    asked = ask(fleet, run_id="run-4", source_packages=["expat"], asset_groups=["staging"])
    unsigned = ask(fleet, run_id="run-5", source_packages=["expat"], asset_groups=["web"])
    fleet._connection.execute("UPDATE risk_acceptance SET state = 'active' WHERE acceptance_id = %s", (unsigned,))
    for change in (kev, exploited, ransomware, new_host, new_cve, came_back, raised):
        change(fleet)
    fleet._connection.execute(
        "UPDATE host_package SET source_version = '2.1' WHERE source_package = 'expat' AND host_id = 'app1'"
    )
    score(fleet, LATER)
    end = fetch_acceptance(fleet, wide)["expires_at"]
    ids = [row["acceptance_id"] for row in acceptance_list(fleet, now=LATER)]
    assert len(ids) == 5
    for at in (LATER, end):
        every = faults(None, at)
        assert {one["acceptance_id"] for one in every} >= {wide, gone_soon, unsigned}
        for acceptance_id in ids:
            assert faults(acceptance_id, at) == [one for one in every if one["acceptance_id"] == acceptance_id]
    kinds = {one["kind"] for one in faults(None, end)}
    assert kinds == {"expired", "unsigned", "kev_added", "ransomware", "exploited", "new_cve", "priority_raised", "came_back",
                     "scope_widened", "orphaned"}  # fmt: skip
    assert faults(asked, LATER) == faults("ACC-1999-0001", end) == []


# Planning


def test_an_accepted_finding_is_not_planned_and_a_voided_one_is(fleet: Store) -> None:
    accept(fleet)
    assert planned_packages(fleet, plan(fleet)) == {"expat"}
    kev(fleet)
    score(fleet, LATER)
    watch_acceptances(fleet, risk(), now=LATER)
    assert planned_packages(fleet, plan(fleet, LATER)) == {"nginx"}


def test_a_host_whose_risk_is_accepted_does_not_get_the_patch_with_its_neighbours(fleet: Store) -> None:
    """A campaign installs all its packages on all its hosts: app1 must not share one that carries nginx."""
    accept(fleet, asset_groups=[], host_ids=["app1"])
    campaigns = [fetch_campaign(fleet, found) for found in plan(fleet)]
    carried = {
        host: {package.source_package for package in campaign.plan.packages}
        for campaign in campaigns
        for host in campaign.plan.production_hosts
    }
    assert carried == {"app1": {"expat"}, "app2": {"expat", "nginx"}}


def test_a_campaign_that_is_not_released_gives_the_accepted_finding_up(fleet: Store) -> None:
    (before,) = plan(fleet)
    accept(fleet)
    assert fetch_campaign(fleet, before).state is CampaignState.SUPERSEDED
    assert planned_packages(fleet, plan(fleet, LATER)) == {"expat"}


def test_what_a_released_campaign_carries_cannot_be_accepted(fleet: Store) -> None:
    (campaign_id,) = plan(fleet)
    acceptance_id = ask(fleet)
    fleet._connection.execute("UPDATE campaign SET state = 'approved'")
    with pytest.raises(AcceptanceError, match="which is approved"):
        ask(fleet, run_id="run-2")
    say(fleet, acceptance_id, 1, "rosa")
    assert sign(fleet, acceptance_id, actor="test", now=NOW) == "voided"
    assert fetch_campaign(fleet, campaign_id).state is CampaignState.APPROVED


# Reports


def test_no_exception_hides_a_finding(fleet: Store) -> None:
    acceptance_id = accept(fleet)
    document = fleet_document(gather_fleet(fleet, NOW), now=NOW, instance="test")
    web = {host["host_id"]: host for host in document["hosts"]}
    assert (web["app1"]["open_findings"], web["app1"]["accepted_findings"]) == (1, 1)
    (told,) = document["acceptances"]
    assert (told["acceptance_id"], told["valid"], told["live_findings"]) == (acceptance_id, True, 2)
    assert told["expires_at"].startswith("2026-12-14")
    assert sum(row["findings"] for row in document["findings"]) + told["live_findings"] == len(statuses(fleet))


def test_a_report_counts_an_acceptance_that_does_not_hold_as_open_and_overdue(fleet: Store) -> None:
    accept(fleet)
    late = NOW + timedelta(days=300)
    document = fleet_document(gather_fleet(fleet, late), now=late, instance="test")
    assert document["acceptances"][0]["valid"] is False
    host = next(host for host in document["hosts"] if host["host_id"] == "app1")
    assert (host["open_findings"], host["accepted_findings"], host["overdue_findings"]) == (2, 0, 2)
    assert sum(row["findings"] for row in document["findings"]) == len(statuses(fleet))
