"""Deciding and matching on a real warehouse: sequences in which advisories and hosts change, and what findings say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from suture.errors import BadInputError
from suture.inventory.components import load_components
from suture.inventory.explaining import condition_counts, finding_grounds
from suture.inventory.installed_files import read_installed
from suture.inventory.matching import MatchCounts, match_all
from suture.inventory.pairs import decide_pairs
from suture.inventory.spans import Span, holds
from suture.inventory.versions import ORDERS
from suture.model import Priority
from suture.store import Store, hosts
from tests.fleet_rows import NOW, add_advisory, add_host, install

pytestmark = pytest.mark.database
ALL_PAIRS = {"packages": None, "ecosystems": None, "names": None}
OLD, FIX_1, FIX_2 = "5.15.0-1ubuntu1", "5.15.0-1ubuntu1.1", "5.15.0-1ubuntu1.2"


def match(store: Store, *, days: int = 0) -> MatchCounts:
    return match_all(
        store, now=NOW + timedelta(days=days), unscored_priority=Priority.SCHEDULED, unscored_deadline=timedelta(days=14)
    )


def run(store: Store, statement: str, *values: Any) -> None:
    store._connection.execute(statement, values)  # a test plays the part of feeds and inventory


def findings(store: Store) -> dict[tuple[str, str], str]:
    rows = store.fetch_all("finding/list_findings")
    return {(row["host_id"], row["advisory_id"]): row["status"] for row in rows}


def finding(store: Store, host_id: str) -> dict[str, Any]:
    rows = [row for row in store.fetch_all("finding/list_findings") if row["host_id"] == host_id]
    assert len(rows) == 1
    return rows[0]


def conditions(store: Store, host_id: str) -> list[str]:
    rows = store._connection.execute("SELECT conditions FROM finding WHERE host_id = %s", (host_id,)).fetchall()
    return [word for row in rows for word in row["conditions"]]


def upgrade(store: Store, host_id: str, package: str, version: str) -> None:
    run(
        store, "UPDATE host_package SET version = %s, source_version = %s WHERE host_id = %s AND package = %s",
        version, version, host_id, package,
    )  # fmt: skip


def advise(
    store: Store,
    advisory_id: str,
    ecosystem: str,
    package: str,
    *spans: dict[str, Any],
    cves: tuple[str, ...] = ("CVE-2026-1",),
    aliases: tuple[str, ...] = (),
    codename: str | None = None,
    fixed: str | None = None,
    published: datetime | None = None,
) -> str:
    store.copy_rows(
        "advisory",
        ["advisory_id", "source", "suite", "ecosystem", "source_package", "fixed_version", "codename", "published_at",
         "first_seen_at"],
        [(advisory_id, "osv", "", ecosystem, package, fixed, codename, published, NOW)],
    )  # fmt: skip
    store.copy_rows("advisory_cve", ["advisory_id", "cve_id", "relation"], [(advisory_id, c, "stated") for c in cves])
    store.copy_rows(
        "advisory_alias", ["advisory_id", "alias", "relation"],
        [(advisory_id, advisory_id, "self"), *((advisory_id, name, "alias") for name in aliases)],
    )  # fmt: skip
    for number, span in enumerate(spans):
        row = {"advisory_id": advisory_id, "range_key": str(number), "source": "osv", "record_id": advisory_id,
               "ecosystem": ecosystem, "package": package, "codename": codename or "", **span}  # fmt: skip
        store.copy_rows("advisory_range", list(row), [tuple(row.values())])
    return advisory_id


def say(store: Store, status: str, **more: Any) -> None:
    row = {
        "source": "vex", "statement_key": f"{status}-{more.get('dated_at')}", "document_id": "d", "author": "Vendor",
        "vulnerability": "CVE-2026-1", "product": "pkg:deb/debian/nginx", "ecosystem": "deb", "package": "nginx",
        "codename": "bookworm", "status": status, "dated_at": NOW,
    } | more  # fmt: skip
    store.copy_rows("vex_statement", list(row), [tuple(row.values())])


def test_a_regression_update_opens_again_what_was_fixed(store: Store) -> None:
    """USN-8398 is the model: a later advisory says that the version which fixed it is still affected."""
    add_host(store, "web1", codename="jammy")
    add_host(store, "web2", codename="jammy")
    install(store, "web1", "qtbase", OLD)
    install(store, "web2", "qtbase", FIX_1)
    first = add_advisory(store, "qtbase", FIX_1, source="ubuntu", codename="jammy", cves=("CVE-2026-1",))
    assert match(store).new == 1
    upgrade(store, "web1", "qtbase", FIX_1)
    assert match(store, days=1).fixed == 1
    assert findings(store) == {("web1", first): "fixed"}
    second = add_advisory(store, "qtbase", FIX_2, source="ubuntu", codename="jammy", cves=("CVE-2026-1",))
    counts = match(store, days=2)
    assert (counts.new, counts.fixed, counts.withdrawn) == (2, 0, 0)
    assert findings(store) == {("web1", first): "fixed", ("web1", second): "open", ("web2", second): "open"}
    for host_id in ("web1", "web2"):
        upgrade(store, host_id, "qtbase", FIX_2)
    assert match(store, days=3).fixed == 2


def test_the_newer_fix_takes_the_older_findings_place_and_its_clock(store: Store) -> None:
    add_host(store, "web1", codename="jammy")
    install(store, "web1", "qtbase", OLD)
    first = add_advisory(store, "qtbase", FIX_1, source="ubuntu", codename="jammy", cves=("CVE-2026-1",))
    match(store)
    second = add_advisory(store, "qtbase", FIX_2, source="ubuntu", codename="jammy", cves=("CVE-2026-1",))
    counts = match(store, days=5)
    assert (counts.new, counts.withdrawn, counts.fixed) == (1, 1, 0)
    assert findings(store) == {("web1", first): "withdrawn", ("web1", second): "open"}
    row = next(r for r in store.fetch_all("finding/list_findings") if r["advisory_id"] == second)
    assert (row["first_seen_at"], row["deadline"]) == (NOW, NOW + timedelta(days=14))
    assert match(store, days=6) == MatchCounts(0, 0, 0, 0, 0, 0)


def test_a_range_that_moves_opens_the_same_finding_again_with_its_clock_anew(store: Store) -> None:
    add_host(store, "app1")
    load(store, "app1", "flask==2.2.5\n")
    name = advise(store, "GHSA-1", "pypi", "flask", {"fixed": "2.2.5"}, fixed="2.2.5")
    assert match(store).new == 0
    load(store, "app1", "flask==2.2.4\n")
    assert match(store, days=1).new == 1
    load(store, "app1", "flask==2.2.5\n")
    assert match(store, days=2).fixed == 1
    run(store, "UPDATE advisory_range SET fixed = '2.3.2'")  # 2.2.5 did not fix it after all
    counts = match(store, days=3)
    assert (counts.reopened, findings(store)) == (1, {("app1", name): "open"})
    row = finding(store, "app1")
    assert (row["reopened_at"], row["fixed_version"]) == (NOW + timedelta(days=3), "2.3.2")
    run(store, "UPDATE advisory_range SET fixed = '2.2.5'")  # and back: the host did nothing, so it is not "fixed"
    assert match(store, days=4).withdrawn == 1


def load(store: Store, host_id: str, text: str, **more: Any) -> None:
    load_components(store, host_id, read_installed(text, where="list").packages, now=NOW, **more)


def test_language_packages_are_matched_like_debian_ones(store: Store) -> None:
    add_host(store, "app1")
    add_host(store, "app2")
    load(store, "app1", "Jinja2==3.0.1\nrequests==2.31.0\n")
    load(store, "app1", "pkg:npm/%40babel/traverse@7.22.0\npkg:maven/org.apache.logging.log4j/log4j-core@2.14.1\n")
    load(store, "app1", "pkg:rpm/redhat/openssl@3.0.1-43.el9?epoch=1&arch=x86_64\n")
    load(store, "app2", "Jinja2==2.12\n")
    holes = ({"introduced": "2.0", "fixed": "2.11.3"}, {"introduced": "3.0", "fixed": "3.0.3"})
    expected = {
        advise(store, "PY", "pypi", "jinja2", *holes, fixed="3.0.3"),
        advise(store, "JS", "npm", "@babel/traverse", {"fixed": "7.23.2"}, cves=("CVE-2026-2",)),
        advise(store, "MV", "maven", "org.apache.logging.log4j:log4j-core",
               {"introduced": "2.0-beta9", "fixed": "2.15.0"}, cves=("CVE-2026-3",)),
        advise(store, "RH", "rpm", "openssl", {"fixed": "1:3.0.1-43.el9_0"}, cves=("CVE-2026-4",)),
    }  # fmt: skip
    advise(store, "PY2", "pypi", "requests", {"versions": ["2.30.0"], "kind": "versions"}, cves=("CVE-2026-5",))
    assert match(store).new == 4
    assert findings(store) == {("app1", name): "open" for name in expected}
    load(store, "app1", "Jinja2==3.0.3\n")
    assert match(store, days=1).fixed == 1
    load(store, "app1", "", ecosystems=["npm", "maven"])
    assert match(store, days=2).fixed == 2
    assert [row["name"] for row in hosts.list_components(store, "app1")] == ["jinja2", "openssl"]


def test_components_of_unknown_hosts_and_of_other_ecosystems_are_refused(store: Store) -> None:
    with pytest.raises(BadInputError, match="no managed host"):
        load(store, "ghost", "flask==1\n")
    add_host(store, "app1")
    with pytest.raises(BadInputError, match="pypi"):
        load(store, "app1", "flask==1\n", ecosystems=["npm"])


def test_one_vulnerability_under_three_names_is_one_finding(store: Store) -> None:
    add_host(store, "app1")
    load(store, "app1", "flask==2.2.4\n")
    advise(
        store, "GHSA-m2qf", "pypi", "flask", {"fixed": "2.2.5"}, aliases=("CVE-2023-30861",), cves=("CVE-2023-30861",)
    )
    advise(store, "PYSEC-62", "pypi", "flask", {"fixed": "2.2.5"}, aliases=("GHSA-m2qf",), cves=("PYSEC-62",))
    assert match(store).new == 1
    pair = store.fetch_all("pair/list_pairs", ALL_PAIRS)
    assert len(pair) == 1
    assert {pair[0]["advisory_id"], *pair[0]["grounds"]["same_as"]} == {"GHSA-m2qf", "PYSEC-62"}


def test_vex_closes_as_withdrawn_and_a_later_statement_opens_again(store: Store) -> None:
    add_host(store, "web1")
    install(store, "web1", "nginx", "1.0")
    add_advisory(store, "nginx", "1.1", cves=("CVE-2026-1",))
    run(store, "UPDATE advisory_cve SET relation = 'stated'")
    match(store)
    say(store, "not_affected", justification="vulnerable_code_not_present")
    assert match(store, days=1).withdrawn == 1
    row = store.fetch_all("pair/list_pairs", ALL_PAIRS)[0]
    assert (row["status"], row["grounds"]["excused"][0]["by"]) == ("not_affected", "Vendor")
    say(store, "under_investigation", dated_at=NOW + timedelta(days=1))
    assert match(store, days=2).reopened == 1


def test_rejected_and_withdrawn_are_not_open(store: Store) -> None:
    add_host(store, "web1")
    install(store, "web1", "nginx", "1.0")
    name = add_advisory(store, "nginx", "1.1", cves=("CVE-2026-1",))
    match(store)
    run(store, "INSERT INTO cve (cve_id, state, source) VALUES ('CVE-2026-1', 'REJECTED', 'cve5')")
    assert match(store, days=1).withdrawn == 1
    assert store.fetch_all("pair/list_pairs", ALL_PAIRS)[0]["grounds"]["rejected"] == ["CVE-2026-1"]
    run(store, "UPDATE cve SET state = 'PUBLISHED'")
    assert match(store, days=2).reopened == 1
    run(store, "UPDATE advisory SET withdrawn_at = now()")
    assert match(store, days=3).withdrawn == 1
    assert store.fetch_all("pair/list_pairs", ALL_PAIRS) == []
    assert findings(store) == {("web1", name): "withdrawn"}


def test_a_finding_without_a_fix_is_a_finding(store: Store) -> None:
    add_host(store, "web1")
    install(store, "web1", "nginx", "1.0")
    advise(store, "T/nginx", "deb", "nginx", {"state": "affected"}, codename="bookworm")
    advise(store, "T/other", "deb", "nginx", {"state": "undetermined"}, codename="bookworm", cves=("CVE-2026-9",))
    assert match(store).new == 1
    assert finding(store, "web1")["fixed_version"] is None


def test_deciding_again_writes_nothing_and_one_packages_share_leaves_the_others(store: Store) -> None:
    add_host(store, "web1")
    for package in ("nginx", "curl"):
        install(store, "web1", package, "1.0")
        add_advisory(store, package, "1.1")
    first = decide_pairs(store, now=NOW)
    assert (first.decided, first.affected, first.written, first.deleted) == (2, 2, 2, 0)
    again = decide_pairs(store, now=NOW + timedelta(days=1))
    assert (again.written, again.deleted) == (0, 0)
    upgrade(store, "web1", "nginx", "1.1")
    upgrade(store, "web1", "curl", "1.1")
    part = decide_pairs(store, now=NOW, packages=["deb/nginx"])
    assert (part.decided, part.written, part.deleted) == (0, 0, 1)
    assert [row["source_package"] for row in store.fetch_all("pair/list_pairs", ALL_PAIRS)] == ["curl"]


def test_held_phased_and_half_configured_packages_are_told_apart(store: Store) -> None:
    for host_id in ("held", "half", "phased", "stale", "plain"):
        add_host(store, host_id)
        install(store, host_id, "phased-one" if host_id == "phased" else "nginx", "1.0")
    run(store, "UPDATE host_package SET held = TRUE, dpkg_status = 'hi' WHERE host_id = 'held'")
    run(store, "UPDATE host_package SET dpkg_status = 'iF' WHERE host_id = 'half'")
    run(store, """UPDATE host SET facts = '{"stale_packages": ["nginx"]}' WHERE host_id = 'stale'""")
    add_advisory(store, "nginx", "1.1")
    add_advisory(store, "phased-one", "1.1")
    run(store, "UPDATE advisory_package SET phased_percentage = 30 WHERE package = 'phased-one'")
    match(store)
    found = {name: conditions(store, name) for name in ("held", "half", "phased", "stale", "plain")}
    assert found == {
        "held": ["held"], "half": ["half_configured"], "phased": ["phased"], "stale": ["service_restart_pending"], "plain": []
    }  # fmt: skip
    one = {"packages": ["deb/phased-one"], "ecosystems": ["deb"], "names": ["phased-one"]}
    grounds = [row["grounds"] for row in store.fetch_all("pair/list_pairs", one)]
    assert grounds[0]["phased"] == {"phased-one": 30}
    run(store, "UPDATE host_package SET held = FALSE, dpkg_status = 'ii' WHERE host_id = 'held'")
    assert match(store, days=1).updated == 1
    assert conditions(store, "held") == []


def test_a_fix_that_dpkg_did_not_finish_closes_nothing(store: Store) -> None:
    add_host(store, "web1")
    install(store, "web1", "nginx", "1.0")
    add_advisory(store, "nginx", "1.1")
    match(store)
    upgrade(store, "web1", "nginx", "1.1")
    run(store, "UPDATE host_package SET dpkg_status = 'iU'")
    assert match(store, days=1).fixed == 0
    assert (finding(store, "web1")["status"], conditions(store, "web1")) == ("open", ["half_configured"])
    run(store, "UPDATE host_package SET dpkg_status = 'ii'")
    assert match(store, days=2).fixed == 1


def kernel(store: Store, *, running: str | None, release: str, installed: str) -> None:
    run(
        store, "UPDATE host SET kernel_running = %s, kernel_running_version = %s, kernel_installed = %s",
        release, running, installed,
    )  # fmt: skip


@pytest.mark.parametrize("says_its_version", [True, False])
def test_a_kernels_finding_stays_open_while_the_old_kernel_runs(store: Store, says_its_version: bool) -> None:
    add_host(store, "db1")
    install(store, "db1", "linux-image-6.1.0-17-amd64", "6.1.69-1", source="linux-signed-amd64")
    run(store, "UPDATE host_package SET source_version = '6.1.69+1'")
    name = add_advisory(store, "linux", "6.1.76-1")
    old = "6.1.69-1" if says_its_version else None
    kernel(store, running=old, release="6.1.0-17-amd64", installed="6.1.0-17-amd64")
    assert match(store).new == 1  # the signed image is linux's
    run(store, "DELETE FROM host_package")
    install(store, "db1", "linux-image-6.1.0-18-amd64", "6.1.76-1", source="linux-signed-amd64")
    run(store, "UPDATE host_package SET source_version = '6.1.76+1'")
    kernel(store, running=old, release="6.1.0-17-amd64", installed="6.1.0-18-amd64")
    counts = match(store, days=1)
    assert (counts.fixed, counts.withdrawn, findings(store)) == (0, 0, {("db1", name): "open"})
    assert conditions(store, "db1") == ["reboot_pending"]
    new = "6.1.76-1" if says_its_version else None
    kernel(store, running=new, release="6.1.0-18-amd64", installed="6.1.0-18-amd64")
    assert match(store, days=2).fixed == 1


def test_a_rebuilt_kernel_of_the_same_name_is_told_from_the_running_one(store: Store) -> None:
    add_host(store, "db1")
    install(store, "db1", "linux-image-6.1.0-17-amd64", "6.1.76-1", source="linux")
    add_advisory(store, "linux", "6.1.76-1")
    kernel(store, running="6.1.69-1", release="6.1.0-17-amd64", installed="6.1.0-17-amd64")
    assert match(store).new == 1
    assert (finding(store, "db1")["installed_version"], conditions(store, "db1")) == ("6.1.69-1", ["reboot_pending"])


def test_hosts_without_a_kernel_of_their_own_are_not_asked_to_reboot(store: Store) -> None:
    add_host(store, "container")
    add_advisory(store, "linux", "6.1.76-1")
    run(store, "UPDATE host SET kernel_running = '6.1.0-17-amd64', kernel_running_version = '6.1.69-1'")
    assert match(store).new == 0


def test_versions_that_cannot_be_read_are_reported_in_every_ecosystem(store: Store) -> None:
    add_host(store, "app1")
    load(store, "app1", "pkg:npm/left-pad@not-semver\n")
    advise(store, "JS", "npm", "left-pad", {"fixed": "1.3.0"})
    assert match(store).unreadable == 1
    assert findings(store) == {}


def test_hostile_texts_are_data(store: Store) -> None:
    add_host(store, "app1")
    name = "x'); DROP TABLE host; --"
    install(store, "app1", "nginx", "1.0", source=name)
    advise(store, "<b>{{ 7*7 }}</b>", "deb", name, {"fixed": "2.0"}, codename="bookworm")
    advise(store, "odd", "deb", "nginx", {"fixed": "{{ 7*7 }}"}, {"introduced": "9" * 2000}, codename="bookworm")
    assert match(store).new == 1
    assert finding(store, "app1")["source_package"] == name


def test_debian_rows_of_another_ecosystems_name_do_not_meet(store: Store) -> None:
    add_host(store, "app1")
    install(store, "app1", "flask", "1.0")
    advise(store, "PY", "pypi", "flask", {"fixed": "2.0"}, published=datetime(2026, 1, 1, tzinfo=UTC))
    assert match(store).new == 0


def test_a_finding_says_why_it_is_open_and_what_stands_before_its_fix(store: Store) -> None:
    add_host(store, "web1")
    install(store, "web1", "nginx", "1.0")
    name = add_advisory(store, "nginx", "1.1", cves=("CVE-2026-1",))
    run(store, "UPDATE host_package SET held = TRUE")
    match(store)
    found = finding_grounds(store, "web1", name)
    assert found is not None
    assert (found.decision, found.grounds["ranges"], found.grounds["vulnerabilities"]) == (
        "affected", ["<1.1"], ["CVE-2026-1"],
    )  # fmt: skip
    assert "on hold" in found.condition_sentences[0]
    assert condition_counts(store) == {"held": {"findings": 1, "hosts": 1}}
    assert finding_grounds(store, "web1", "nothing") is None


SAMPLES = {
    "deb": ["0", "1.0~rc1", "1.0", "1.0-1", "1.0-1+b1", "1.0-1+deb12u1", "1:0.5", "2.0"],
    "rpm": ["1.0~rc1-1", "1.0-1", "1.0-1.el9", "1.0-2.el9", "1.0^git1-1", "1.10-1", "1:0.5-1"],
    "pypi": ["1.0.dev1", "1.0a1", "1.0", "1.0.post1", "1.0+local.1", "1.5", "2.0rc1", "1!0.1"],
    "npm": ["0.9.0", "1.0.0-alpha.1", "1.0.0-beta", "1.0.0", "1.10.0", "2.0.0-0", "2.0.0"],
    "maven": ["1-alpha1", "1-rc", "1-SNAPSHOT", "1", "1-sp", "1-foo", "1-1", "1.0.1", "2.0-beta9", "2"],
}


@pytest.mark.parametrize("ecosystem", list(SAMPLES))
def test_the_warehouse_decides_every_range_as_the_order_does(store: Store, ecosystem: str) -> None:
    """All ranges over the samples, on all versions: SQL's keys, and Python for Maven, against Span by Span."""
    add_host(store, "app1")
    versions = SAMPLES[ecosystem]
    package = "org.x:lib" if ecosystem == "maven" else "lib"
    for number, version in enumerate(versions):
        if ecosystem == "deb":
            install(store, "app1", f"lib{number}", version, source="lib")
        else:
            run(
                store, "INSERT INTO host_component (host_id, ecosystem, name, version, collected_at) VALUES "
                "('app1', %s, %s, %s, now())", ecosystem, package, version,
            )  # fmt: skip
    expected = set()
    number = 0
    for low in (None, *versions):
        for high in versions:
            for bound in ("fixed", "last_affected", "limit_before"):
                number += 1
                span = {"introduced": low, bound: high}
                name = advise(store, f"A{number}", ecosystem, package, span, cves=(f"CVE-1-{number}",))
                made = Span(**span)  # type: ignore[arg-type]
                expected |= {(name, version) for version in versions if holds(ORDERS[ecosystem], version, made)}
    decide_pairs(store, now=NOW)
    found = {(row["advisory_id"], row["source_version"]) for row in store.fetch_all("pair/list_pairs", ALL_PAIRS)}
    assert found == expected
    assert len(found) > 200
