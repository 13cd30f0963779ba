"""Matching against a real warehouse: what is open, what closes, what comes back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from suture.inventory.matching import MatchCounts, match_all
from suture.model import Priority
from suture.store import Store
from tests.fleet_rows import NOW, add_advisory, add_host, install

pytestmark = pytest.mark.database


def match(store: Store, *, days: int = 0) -> MatchCounts:
    return match_all(
        store,
        now=NOW + timedelta(days=days),
        unscored_priority=Priority.SCHEDULED,
        unscored_deadline=timedelta(days=14),
    )


def findings(store: Store) -> dict[tuple[str, str], dict[str, Any]]:
    return {(row["host_id"], row["source_package"]): row for row in store.fetch_all("finding/list_findings")}


def set_version(store: Store, host_id: str, package: str, version: str) -> None:
    store._connection.execute(  # the inventory room writes these rows; here a test plays its part
        "UPDATE host_package SET version = %s, source_version = %s WHERE host_id = %s AND package = %s",
        (version, version, host_id, package),
    )


def test_older_installed_versions_are_open_and_others_are_not(store: Store) -> None:
    for host in ("app1", "app2", "app3", "old", "trixie"):
        add_host(store, host, codename="trixie" if host == "trixie" else "bookworm")
    install(store, "app1", "nginx", "1.22.1-9+deb12u9")
    install(store, "app1", "nginx-common", "1.22.1-9+deb12u9", source="nginx")
    install(store, "app2", "nginx", "1.22.1-9+deb12u11")
    install(store, "app3", "nginx", "1.22.1-9", status="rc")
    install(store, "old", "nginx", "1.22.1-9+deb12u11~bpo11+1", status="iF")
    install(store, "trixie", "nginx", "1.20")
    add_advisory(store, "nginx", "1.22.1-9+deb12u11", cves=("CVE-2023-44487",))
    counts = match(store)
    assert (counts.new, counts.fixed, counts.unreadable) == (2, 0, 0)
    found = findings(store)
    assert set(found) == {("app1", "nginx"), ("old", "nginx")}
    assert found["app1", "nginx"]["packages"] == ["nginx", "nginx-common"]
    assert found["app1", "nginx"]["deadline"] == NOW + timedelta(days=14)
    assert match(store) == MatchCounts(0, 0, 0, 0, 0, 0)


def test_a_fix_closes_and_a_downgrade_opens_again_with_its_clock_anew(store: Store) -> None:
    add_host(store, "app1")
    install(store, "app1", "acme-portal", "1.0.0")
    add_advisory(store, "acme-portal", "1.0.1", source="vendor", codename=None)
    assert match(store).new == 1
    set_version(store, "app1", "acme-portal", "1.0.1")
    assert match(store, days=1).fixed == 1
    assert findings(store)["app1", "acme-portal"]["status"] == "fixed"
    set_version(store, "app1", "acme-portal", "1.0.0")
    assert match(store, days=2).reopened == 1
    row = findings(store)["app1", "acme-portal"]
    assert (row["status"], row["closed_at"], row["first_seen_at"]) == ("open", None, NOW)
    assert row["reopened_at"] == NOW + timedelta(days=2)
    assert row["deadline"] == NOW + timedelta(days=16)


def test_one_lagging_binary_keeps_the_finding_open(store: Store) -> None:
    add_host(store, "app1")
    install(store, "app1", "nginx", "1.22.1-9+deb12u11")
    install(store, "app1", "nginx-common", "1.22.1-9+deb12u9", source="nginx")
    add_advisory(store, "nginx", "1.22.1-9+deb12u11")
    match(store)
    row = findings(store)["app1", "nginx"]
    assert (row["packages"], row["installed_version"]) == (["nginx-common"], "1.22.1-9+deb12u9")


def test_an_accepted_risk_stays_accepted_until_it_is_fixed(store: Store) -> None:
    add_host(store, "app1")
    install(store, "app1", "nginx", "1.0")
    add_advisory(store, "nginx", "1.1")
    match(store)
    store._connection.execute("UPDATE finding SET status = 'accepted'")
    set_version(store, "app1", "nginx", "1.0.5")
    assert match(store, days=1).updated == 1
    assert findings(store)["app1", "nginx"]["status"] == "accepted"
    set_version(store, "app1", "nginx", "1.1")
    assert match(store, days=2).fixed == 1


def test_a_withdrawn_advisory_withdraws_its_findings(store: Store) -> None:
    add_host(store, "app1")
    install(store, "app1", "nginx", "1.0")
    add_advisory(store, "nginx", "1.1")
    match(store)
    store._connection.execute("UPDATE advisory SET withdrawn_at = now()")
    assert match(store, days=1).withdrawn == 1
    assert findings(store)["app1", "nginx"]["status"] == "withdrawn"


def test_an_unreadable_version_matches_nothing_and_is_reported(store: Store) -> None:
    add_host(store, "app1")
    install(store, "app1", "nginx", "{{ 7*7 }}; DROP TABLE host")
    add_advisory(store, "nginx", "1.1")
    counts = match(store)
    assert (counts.new, counts.unreadable) == (0, 1)
    assert "1 versions could not be read" in counts.sentence
