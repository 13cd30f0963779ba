"""The comparison on a real warehouse: kept with its evidence, read back for the page."""

from __future__ import annotations

from datetime import timedelta

import pytest

from suture.risk.regressions import regression_share
from suture.risk.strategy_review import fleets, latest_comparisons, review_strategies, warehouse_history
from suture.settings import PROJECT_ROOT
from suture.store import Store
from tests.fleet_rows import NOW, add_advisory, add_host, install

pytestmark = pytest.mark.database
POLICY_DIR = PROJECT_ROOT / "include" / "policy"


@pytest.fixture
def fleet(store: Store) -> Store:
    for host in ("app1", "app2"):
        add_host(store, host)
        install(store, host, "nginx-common", "1", source="nginx")
        install(store, host, "nginx", "1")
        install(store, host, "gone", "1", status="rc")
    add_host(store, "stg1", asset_group="staging", environment="staging")
    install(store, "stg1", "bash", "1")
    add_host(store, "old1", asset_group="data", codename="bullseye")
    install(store, "old1", "expat", "1")
    add_advisory(store, "nginx", "2", cves=("CVE-2026-0001", "CVE-2026-0002"))
    add_advisory(store, "expat", "2")
    store.copy_rows("kev", ["cve_id", "date_added"], [("CVE-2026-0002", NOW.date() + timedelta(days=3))])
    return store


def test_fleets_count_hosts_not_packages_and_only_production(fleet: Store) -> None:
    found = {one.group: one for one in fleets(fleet)}
    assert found["web"].hosts == {"nginx": 2}
    assert set(found) == {"web", "data"}
    assert found["data"].codenames == {"bullseye"}


def test_a_review_is_kept_with_its_evidence_and_read_back(fleet: Store) -> None:
    kept = review_strategies(fleet, POLICY_DIR, now=NOW)
    assert [one.group for one in kept] == ["web"]  # data runs bullseye, and the fix for expat is for bookworm
    monthly = next(one for one in kept[0].outcomes if one.strategy == "monthly")
    assert monthly.exploited_exposure_days == 2 * 3  # KEV named it three days after the fix was out
    (shown,) = latest_comparisons(fleet)
    assert (shown["asset_group"], shown["in_force"]) == ("web", "at_once")
    assert shown["recommended"] == kept[0].recommended
    assert shown["chart_svg"].startswith("<svg")
    assert shown["differs"] == (shown["recommended"] != "at_once")
    (record,) = [row for row in fleet.fetch_all("evidence/list_evidence", {"campaign_id": None})
                 if row["action"] == "strategies_compared"]  # fmt: skip
    assert record["subject"] == "asset_group:web"
    assert record["grounds"]["totals"]["monthly"] == monthly.total


def test_only_the_newest_comparison_of_a_group_is_shown(fleet: Store) -> None:
    review_strategies(fleet, POLICY_DIR, now=NOW)
    review_strategies(fleet, POLICY_DIR, now=NOW + timedelta(days=7))
    (shown,) = latest_comparisons(fleet)
    assert shown["compared_at"].startswith("2026-11-30")


def test_a_vendors_number_in_the_title_tells_a_revision(fleet: Store) -> None:
    add_advisory(fleet, "curl", "1")
    add_advisory(fleet, "curl", "2")
    connection = fleet._connection
    connection.execute("UPDATE advisory SET title = 'DSA-5000-1 curl - security update' WHERE fixed_version = '1'")
    connection.execute(
        "UPDATE advisory SET title = 'DSA-5000-2 curl - regression update' WHERE advisory_id LIKE '%/curl@2'"
    )
    curl = [entry for entry in warehouse_history(fleet) if entry.source_package == "curl"]
    assert {(entry.advisory_id, entry.family, entry.revision) for entry in curl} == {
        ("DSA-5000-1", "DSA-5000-1", 1), ("DSA-5000-2", "DSA-5000-1", 2)
    }  # fmt: skip
    assert regression_share(curl).broken == 1


def test_a_date_in_the_future_counts_as_when_it_was_seen(fleet: Store) -> None:
    fleet._connection.execute("UPDATE advisory SET published_at = '2099-01-01Z'")
    assert {entry.published for entry in warehouse_history(fleet)} == {NOW.date()}


def test_an_empty_warehouse_compares_nothing(store: Store) -> None:
    assert review_strategies(store, POLICY_DIR, now=NOW) == []
    assert latest_comparisons(store) == []
