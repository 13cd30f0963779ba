"""Holdings: what hosts have, kept between matchings, in step with the packages whatever happens to hosts."""

from __future__ import annotations

import random
import threading
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from suture.inventory.matching import match_all, match_hosts
from suture.model import Priority
from suture.store import Json, Store
from suture.store.holdings import keep_holdings
from suture.store.hosts import write_components, write_host
from tests.fleet_rows import NOW, add_advisory, add_host, install
from tests.holdings import assert_kept, rows

pytestmark = pytest.mark.database


def match(store: Store, *, day: int = 0, whole: bool = False) -> Any:
    return match_all(
        store, now=NOW + timedelta(days=day), unscored_priority=Priority.SCHEDULED, unscored_deadline=timedelta(days=30),
        whole=whole,
    )  # fmt: skip


def run(store: Store, statement: str, *values: object) -> None:
    store._connection.execute(statement.encode(), values)


def holders(store: Store, source: str) -> list[list[str]]:
    """The groups of hosts that have a source package alike."""
    found = rows(
        store, "SELECT array_agg(host_id ORDER BY host_id) FROM holding INNER JOIN holding_group USING (holding_id)"
        " INNER JOIN finding_host ON host_no = any(host_nos) WHERE source_package = %s"
        " GROUP BY holding_id, kind_id ORDER BY 1", source,
    )  # fmt: skip
    return [row[0] for row in found]


@pytest.fixture
def fleet(store: Store) -> Store:
    for host in ("a", "b", "c"):
        add_host(store, host)
        install(store, host, "nginx", "1.0")
        install(store, host, "libssl3", "3.0", source="openssl")
        install(store, host, "openssl", "3.0")
    assert keep_holdings(store) == 3
    return store


def test_hosts_that_have_the_same_share_a_holding(fleet: Store) -> None:
    assert rows(fleet, "SELECT source_package, packages, versions FROM holding ORDER BY 1") == [
        ("nginx", ["nginx"], ["1.0"]), ("openssl", ["libssl3", "openssl"], ["3.0", "3.0"])
    ]  # fmt: skip
    assert holders(fleet, "nginx") == [["a", "b", "c"]]
    assert assert_kept(fleet) == 9


def test_a_host_without_news_leaves_no_mark(fleet: Store) -> None:
    packages = [
        {"package": "nginx", "architecture": "amd64", "version": "1.0", "source_package": "nginx", "source_version": "1.0",
         "dpkg_status": "ii", "held": False}
    ]  # fmt: skip
    standing = {
        **dict.fromkeys(("architecture", "kernel_running", "kernel_running_version", "kernel_installed")),
        "host_id": "d", "asset_group": "web", "environment": "production", "criticality": "high", "exposure": "open",
        "inventory_groups": ["web"], "os_id": "debian", "os_codename": "bookworm", "reboot_required": False,
        "services": Json([]), "services_needing_restart": [], "facts": Json({}), "collected_at": NOW,
    }  # fmt: skip
    write_host(fleet, standing, packages)
    assert keep_holdings(fleet) == 1
    assert holders(fleet, "nginx") == [["a", "b", "c", "d"]]
    write_host(fleet, {**standing, "collected_at": NOW + timedelta(days=1)}, packages)
    assert keep_holdings(fleet) == 0
    write_host(fleet, standing, [{**packages[0], "version": "1.1", "source_version": "1.1"}])
    assert keep_holdings(fleet) == 1
    assert holders(fleet, "nginx") == [["a", "b", "c"], ["d"]]
    assert_kept(fleet)


def test_a_host_that_changes_leaves_its_group_and_joins_another(fleet: Store) -> None:
    run(fleet, "UPDATE host_package SET source_version = '1.1' WHERE host_id = 'b' AND package = 'nginx'")
    assert keep_holdings(fleet) == 1
    assert holders(fleet, "nginx") == [["a", "c"], ["b"]]
    run(fleet, "UPDATE host_package SET source_version = '1.1' WHERE package = 'nginx'")
    assert keep_holdings(fleet) == 3
    assert holders(fleet, "nginx") == [["a", "b", "c"]]
    assert rows(fleet, "SELECT versions FROM holding WHERE source_package = 'nginx'") == [(["1.1"],)]
    assert_kept(fleet)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE host_package SET held = TRUE WHERE host_id = 'b' AND package = 'nginx'",
        "UPDATE host_package SET dpkg_status = 'iF' WHERE host_id = 'b' AND package = 'nginx'",
        "UPDATE host SET facts = '{\"stale_packages\": [\"nginx\"]}' WHERE host_id = 'b'",
        "UPDATE host SET os_codename = 'trixie' WHERE host_id = 'b'",
        "UPDATE host SET os_id = 'devuan' WHERE host_id = 'b'",
        "UPDATE host SET criticality = 'low' WHERE host_id = 'b'",
    ],
)
def test_whatever_tells_a_host_from_others_puts_it_into_another_group(fleet: Store, statement: str) -> None:
    run(fleet, statement)
    assert keep_holdings(fleet) == 1
    assert holders(fleet, "nginx") == [["a", "c"], ["b"]]
    assert_kept(fleet)


def test_a_host_that_is_retired_or_gone_has_nothing_and_may_come_back(fleet: Store) -> None:
    run(fleet, "UPDATE host SET retired_at = now() WHERE host_id = 'b'")
    run(fleet, "DELETE FROM host WHERE host_id = 'c'")
    keep_holdings(fleet)
    assert holders(fleet, "nginx") == [["a"]]
    assert_kept(fleet)
    run(fleet, "UPDATE host SET retired_at = NULL WHERE host_id = 'b'")
    run(fleet, "DELETE FROM host_package WHERE host_id = 'a'")
    keep_holdings(fleet)
    assert holders(fleet, "nginx") == [["b"]]
    assert_kept(fleet)
    run(fleet, "DELETE FROM host")
    keep_holdings(fleet)
    assert rows(fleet, "SELECT count(*) FROM holding") == [(0,)]
    assert_kept(fleet)


def test_the_kernel_that_runs_is_a_part_of_its_sources_holding_only(fleet: Store) -> None:
    for host in ("a", "b"):
        install(fleet, host, "linux-image-6.1.0-2-amd64", "6.1.2", source="linux")
    running = "UPDATE host SET kernel_running = %s, kernel_running_version = '6.1.1', kernel_installed = 'two'"
    run(fleet, running + " WHERE host_id = 'a'", "two")
    run(fleet, running + " WHERE host_id = 'b'", "one")
    keep_holdings(fleet)
    assert rows(fleet, "SELECT source_package, runs_another_kernel, standings FROM holding ORDER BY 1, 2") == [
        ("linux", False, [0, 4]), ("linux", True, [0, 4]), ("nginx", False, [0]), ("openssl", False, [0, 0])
    ]  # fmt: skip
    assert_kept(fleet)


def test_components_of_other_ecosystems_are_held_as_well(fleet: Store) -> None:
    row = ("pypi", "jinja2", "3.1.2", None, None, "/srv/app", NOW)
    write_components(fleet, "a", ["pypi"], [row, ("pypi", "jinja2", "3.1.3", None, None, "/srv/other", NOW)])
    keep_holdings(fleet)
    assert rows(fleet, "SELECT versions, os_codename FROM holding WHERE ecosystem = 'pypi'") == [(["3.1.2", "3.1.3"], "")]
    write_components(fleet, "a", ["pypi"], [])
    keep_holdings(fleet)
    assert assert_kept(fleet) == 9


@pytest.mark.parametrize("seed", range(3))
def test_holdings_keep_in_step_with_a_fleet_that_changes(store: Store, seed: int) -> None:
    pick = random.Random(seed)
    for number in range(12):
        add_host(store, f"h{number}", asset_group=("web", "api")[number % 2])
    for _ in range(40):
        for _ in range(pick.randint(1, 6)):
            host = f"h{pick.randrange(12)}"
            what = pick.random()
            if what < 0.6:
                package, version = f"p{pick.randrange(5)}", f"1.{pick.randint(1, 3)}"
                run(store, "DELETE FROM host_package WHERE host_id = %s AND package = %s", host, package)
                install(store, host, package, version, source=package[:1] + str(int(package[1:]) // 2),
                        status=pick.choice(("ii", "ii", "hi", "iF", "rc")))  # fmt: skip
            elif what < 0.7:
                run(store, "DELETE FROM host_package WHERE host_id = %s", host)
            elif what < 0.85:
                run(store, "UPDATE host SET retired_at = CASE WHEN retired_at IS NULL THEN now() END WHERE host_id = %s", host)
            else:
                run(store, "UPDATE host SET criticality = %s WHERE host_id = %s", pick.choice(("low", "high")), host)
        keep_holdings(store)
        assert_kept(store)


def test_two_that_keep_at_once_wait_for_one_another(fleet: Store, warehouse_url: str) -> None:
    """The second finds nothing left to do, and what is written meanwhile is there for the next."""
    run(fleet, "UPDATE host_package SET source_version = '1.1' WHERE host_id = 'a' AND package = 'nginx'")
    second: list[int] = []
    with Store.connect(warehouse_url) as other:
        waits = threading.Thread(target=lambda: second.append(keep_holdings(other)))
        with fleet.transaction():
            assert keep_holdings(fleet) == 1
            assert keep_holdings(other, wait=False) == 0
            waits.start()
            waits.join(0.5)
            assert waits.is_alive()
            with psycopg.connect(warehouse_url, options="-c search_path=suture") as writer:  # is not held up
                writer.execute("UPDATE host_package SET source_version = '1.2' WHERE host_id = 'b' AND package = 'nginx'")
        waits.join(30)
    assert second == [1]
    assert holders(fleet, "nginx") == [["a"], ["b"], ["c"]]
    assert_kept(fleet)


def opened(store: Store) -> tuple[int, int]:
    """What the last run compared host by host: shown and standing. Inside its transaction."""
    counts = rows(store, "SELECT (SELECT count(*) FROM pg_temp.work_shown), (SELECT count(*) FROM pg_temp.work_standing)")
    return counts[0][0], counts[0][1]


def test_a_run_opens_only_what_differs(fleet: Store) -> None:
    add_advisory(fleet, "nginx", "1.1")
    add_advisory(fleet, "openssl", "3.1")
    assert match(fleet).new == 6
    with fleet.transaction():
        assert match(fleet, whole=True).new == 0
        assert opened(fleet) == (0, 0)
    # One host's finding has a life of its own: its group is opened, the other's is not.
    run(fleet, "UPDATE finding SET status = 'accepted' WHERE host_id = 'a' AND source_package = 'nginx'")
    with fleet.transaction():
        match(fleet, whole=True)
        assert opened(fleet) == (3, 3)
    assert rows(fleet, "SELECT status, count(*) FROM finding GROUP BY 1 ORDER BY 1") == [("accepted", 1), ("open", 5)]
    # A host that left keeps its findings as they were; the others' are compared without it.
    run(fleet, "UPDATE host SET retired_at = now() WHERE host_id = 'c'")
    with fleet.transaction():
        assert match(fleet, whole=True).withdrawn == 0
    assert rows(fleet, "SELECT count(*) FROM finding WHERE status IN ('open', 'accepted')") == [(6,)]


def test_an_advisory_whose_range_moves_changes_its_findings_alone(fleet: Store) -> None:
    moving = add_advisory(fleet, "nginx", "1.1")
    add_advisory(fleet, "openssl", "3.1")
    match(fleet)
    run(fleet, "UPDATE advisory SET fixed_version = '1.2' WHERE advisory_id = %s", moving)
    counts = match(fleet, day=1)
    assert (counts.new, counts.updated, counts.withdrawn) == (0, 3, 0)
    said = "SELECT source_package, fixed_version, first_seen_at, count(*) FROM finding WHERE status = 'open' GROUP BY 1, 2, 3"
    assert sorted(rows(fleet, said)) == [("nginx", "1.2", NOW, 3), ("openssl", "3.1", NOW, 3)]
    run(fleet, "UPDATE advisory SET fixed_version = '0.9' WHERE advisory_id = %s", moving)
    assert match(fleet, day=2).withdrawn == 3
    run(fleet, "UPDATE advisory SET fixed_version = '1.2' WHERE advisory_id = %s", moving)
    assert match(fleet, day=3).reopened == 3
    counts = match(fleet, day=4, whole=True)
    assert (counts.new, counts.updated, counts.reopened, counts.fixed, counts.withdrawn) == (0, 0, 0, 0, 0)


def test_one_host_that_joins_a_group_gets_its_finding_and_the_group_stays(fleet: Store) -> None:
    add_advisory(fleet, "nginx", "1.1")
    match(fleet)
    before = rows(fleet, "SELECT finding_id, host_id FROM finding ORDER BY 1")
    add_host(fleet, "d")
    install(fleet, "d", "nginx", "1.0")
    options = {"now": NOW, "unscored_priority": Priority.SCHEDULED, "unscored_deadline": timedelta(days=30)}
    assert match_hosts(fleet, ["d"], **options).new == 1  # type: ignore[arg-type]
    assert match(fleet, day=1, whole=True).new == 0
    run(fleet, "DELETE FROM host WHERE host_id = 'a'")
    assert match(fleet, day=2).new == 0
    after = rows(fleet, "SELECT finding_id, host_id FROM finding ORDER BY 1")
    assert after[:2] == before[1:]
    assert [host for _number, host in after] == ["b", "c", "d"]


def test_two_matchings_at_once_find_each_finding_once(fleet: Store, warehouse_url: str) -> None:
    add_advisory(fleet, "nginx", "1.1")
    add_advisory(fleet, "openssl", "3.1")
    found: list[int] = []
    with Store.connect(warehouse_url) as other:
        threads = [threading.Thread(target=lambda using=using: found.append(match(using).new)) for using in (fleet, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert sorted(found) == [0, 6]
    assert rows(fleet, "SELECT count(*), count(DISTINCT (host_id, advisory_id)) FROM finding") == [(6, 6)]
    assert_kept(fleet)
