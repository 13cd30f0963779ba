"""What copy after copy leaves in the warehouse: ranges that move, statements that end, advisories that are replaced."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from suture.feeds import FeedOutcome, FeedStatus, load_files, sync_source
from suture.feeds.vendor_pages import advisory_ranges, advisory_revisions, notices, threat_signals, vex_statements
from suture.inventory.matching import match_all
from suture.model import Priority
from suture.store import Store
from tests.fleet_rows import NOW, add_host, install
from tests.unit.feeds.sources.conftest import Site, feed
from tests.unit.feeds.sources.test_csaf import document as csaf
from tests.unit.feeds.sources.test_csaf import vulnerability
from tests.unit.feeds.sources.test_debian_lists import LIST
from tests.unit.feeds.sources.test_debian_tracker import tracker
from tests.unit.feeds.sources.test_mbox import FIRST
from tests.unit.feeds.sources.test_openvex import document, statement
from tests.unit.feeds.sources.test_osv import record
from tests.unit.feeds.sources.test_stix import INDICATOR, bundle, objects
from tests.unit.feeds.sources.test_ubuntu_usn import notice

pytestmark = pytest.mark.database


def load(store: Store, folder: Path, kind: str, content: Any, *, hours: float = 0) -> FeedOutcome:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    path = folder / f"{kind}.json"
    path.write_bytes(raw)
    source = replace(feed(Site("http://127.0.0.1"), kind, kind, "document", "/x"), max_shrink_share=1.0)
    return load_files(store, source, [path], now=NOW + timedelta(hours=hours))


def live(store: Store, source: str) -> list[str]:
    return [row["advisory_id"] for row in store.fetch_all("advisory/list_source_advisories", {"source": source})]


def test_a_fix_that_moves_replaces_the_advisory_and_a_statement_that_is_gone_excuses_nothing(
    store: Store, tmp_path: Path
) -> None:
    outcome = load(store, tmp_path, "debian_tracker", tracker())
    assert (outcome.status, outcome.quarantined) == (FeedStatus.ACCEPTED, 0)
    assert [row["status"] for row in vex_statements(store, "debian_tracker")] == ["not_affected"]
    moved = tracker()
    releases = moved["sox"]["CVE-2021-3643"]["releases"]
    releases["bullseye"]["fixed_version"] = "14.4.2-2+deb11u2"
    del releases["buster"]
    moved["sox"]["CVE-2021-3644"]["releases"]["bullseye"] = {"status": "open", "urgency": "low"}
    assert load(store, tmp_path, "debian_tracker", moved, hours=1).status is FeedStatus.ACCEPTED
    names = live(store, "debian_tracker")
    assert "debian_tracker/bullseye/sox@14.4.2-2+deb11u2" in names
    assert "debian_tracker/bullseye/sox@14.4.2-2+deb11u1" not in names  # named elsewhere now: replaced
    assert (
        "debian_tracker/buster/sox@unfixed/CVE-2021-3643" in names
    )  # named nowhere: a feed lowers no urgency by silence
    assert vex_statements(store, "debian_tracker") == []


def test_a_copy_of_a_feed_without_a_date_that_was_there_before_the_last_one_is_a_replay(store: Store, tmp_path: Path) -> None:
    """The tracker once called a release not affected: served again, that copy would excuse what is open since."""
    first, later = tracker(), tracker()
    assert load(store, tmp_path, "debian_tracker", first).status is FeedStatus.ACCEPTED
    (excuse,) = vex_statements(store, "debian_tracker")
    cve = later["sox"][excuse["vulnerability"]]["releases"]
    cve[excuse["codename"]] = {"status": "open", "urgency": "high"}
    assert load(store, tmp_path, "debian_tracker", later, hours=1).status is FeedStatus.ACCEPTED
    assert vex_statements(store, "debian_tracker") == []
    outcome = load(store, tmp_path, "debian_tracker", first, hours=2)
    assert (outcome.status, outcome.reason) == (
        FeedStatus.REPLAYED,
        "the copy is the one of 2026-11-23 12:00 UTC, and a newer one was accepted since; if it is to stand again, load it"
        " from a file with a line break added",
    )
    assert vex_statements(store, "debian_tracker") == []
    assert load(store, tmp_path, "debian_tracker", later, hours=3).status is FeedStatus.UNCHANGED


def served(store: Store, site: Site, content: Any, hours: float) -> FeedStatus:
    source = replace(feed(site, "debian_tracker", "debian_tracker", "document", "/x"), max_shrink_share=1.0)
    site.replace("/x", content)
    return sync_source(store, source, now=NOW + timedelta(hours=hours), sleep=lambda _seconds: None).status


def test_a_replay_is_known_whichever_way_the_copy_came(store: Store, tmp_path: Path, site: Site) -> None:
    first, later = tracker(), tracker()
    del later["sox"]
    assert load(store, tmp_path, "debian_tracker", first).status is FeedStatus.ACCEPTED
    assert served(store, site, first, hours=1) is FeedStatus.UNCHANGED
    assert served(store, site, later, hours=2) is FeedStatus.ACCEPTED
    assert served(store, site, first, hours=3) is FeedStatus.REPLAYED
    assert load(store, tmp_path, "debian_tracker", first, hours=4).status is FeedStatus.REPLAYED


def test_what_the_source_says_stands_again_after_a_person_loaded_an_older_copy(
    store: Store, tmp_path: Path, site: Site
) -> None:
    older, live = tracker(), tracker()
    del older["sox"]
    assert served(store, site, live, hours=0) is FeedStatus.ACCEPTED
    assert load(store, tmp_path, "debian_tracker", older, hours=1).status is FeedStatus.ACCEPTED
    assert served(store, site, live, hours=2) is FeedStatus.ACCEPTED


def test_an_earlier_copy_of_the_same_date_is_a_replay(store: Store, tmp_path: Path) -> None:
    """The date is that of the newest entry: an older one that was mended leaves it as it was."""
    mended = LIST.replace(b"deb11u1", b"deb11u3")
    assert mended != LIST
    for hours, (content, status) in enumerate(
        ((LIST, FeedStatus.ACCEPTED), (mended, FeedStatus.ACCEPTED), (LIST, FeedStatus.REPLAYED))
    ):
        assert load(store, tmp_path, "debian_lists", content, hours=hours).status is status


def test_a_range_that_moves_leaves_no_twin_and_an_older_record_changes_nothing(store: Store, tmp_path: Path) -> None:
    first = record({"introduced": "0"}, {"fixed": "1.1"}, modified="2026-01-02T00:00:00Z")
    assert load(store, tmp_path, "osv", first).status is FeedStatus.ACCEPTED
    later = record({"introduced": "0"}, {"fixed": "1.2"}, modified="2026-01-03T00:00:00Z")
    assert load(store, tmp_path, "osv", later, hours=1).status is FeedStatus.ACCEPTED
    assert [row["fixed"] for row in advisory_ranges(store, "pypi", "demo")] == ["1.2"]
    older = load(store, tmp_path, "osv", {"published": "2026-02-01T00:00:00Z", "vulns": [first]}, hours=2)
    assert older.status is FeedStatus.QUARANTINED
    assert [row["fixed"] for row in advisory_ranges(store, "pypi", "demo")] == ["1.2"]


def test_a_fix_that_ubuntu_takes_back_is_open_again_on_the_host_that_follows(store: Store, tmp_path: Path) -> None:
    """USN-8398: the host is patched, the patch crashes, the second notice reverts it and says so in words only."""

    def findings(hours: int) -> dict[str, list[str]]:
        match_all(store, now=NOW + timedelta(hours=hours), unscored_priority=Priority.SCHEDULED, unscored_deadline=timedelta(14))
        rows = [row for row in store.fetch_all("finding/list_findings") if row["status"] == "open"]
        cves = store.fetch_all("advisory/list_advisory_cves", {"advisory_ids": [row["advisory_id"] for row in rows]})
        return {row["advisory_id"].removeprefix("ubuntu_usn/jammy/"): row["cve_ids"] for row in cves}

    add_host(store, "web1", codename="jammy")
    install(store, "web1", "demo", "2.4-1ubuntu1.1")
    assert load(store, tmp_path, "ubuntu_usn", notice()).status is FeedStatus.ACCEPTED
    assert findings(0) == {}
    reverting = notice(
        id="USN-8398-2", title="Demo regression", cves_ids=[],
        description="The fix for CVE-2026-1000 caused a crash. This update reverts the fix pending further investigation.",
        release_packages={"jammy": [{"name": "demo", "version": "2.4-1ubuntu1.2", "is_source": True}]},
    )  # fmt: skip
    assert load(store, tmp_path, "ubuntu_usn", {"notices": [notice(), reverting]}, hours=1).status is FeedStatus.ACCEPTED
    assert findings(1) == {"demo@2.4-1ubuntu1.2": ["USN-8398-2"]}
    store._connection.execute("UPDATE host_package SET version = '2.4-1ubuntu1.2', source_version = '2.4-1ubuntu1.2'")
    assert findings(2) == {"demo@unfixed/USN-8398-2": ["CVE-2026-1000"]}
    again = notice(
        id="USN-8398-3", cves_ids=["CVE-2026-1000"],
        release_packages={"jammy": [{"name": "demo", "version": "2.4-1ubuntu1.3", "is_source": True}]},
    )  # fmt: skip
    assert load(store, tmp_path, "ubuntu_usn", {"notices": [again]}, hours=3).status is FeedStatus.ACCEPTED
    assert "demo@2.4-1ubuntu1.3" in findings(3)
    store._connection.execute("UPDATE host_package SET version = '2.4-1ubuntu1.3', source_version = '2.4-1ubuntu1.3'")
    assert findings(4) == {}


def test_a_python_project_does_not_match_a_debian_package_of_its_name(store: Store, tmp_path: Path) -> None:
    from suture.inventory.pairs import decide_pairs, fill_version_keys

    add_host(store, "h1")
    install(store, "h1", "demo", "1.0-1")
    load(store, tmp_path, "osv", record({"introduced": "0"}, {"fixed": "2.0"}))
    decide_pairs(store, now=NOW)
    assert fill_version_keys(store) == 0
    matched = store._connection.execute(b"SELECT count(*) AS matched FROM vulnerable_host_source").fetchone()
    assert matched is not None
    assert list(matched.values() if isinstance(matched, dict) else matched) == [0]


def test_a_statement_on_a_product_that_is_not_matched_is_kept_and_keeps_out_no_other(store: Store, tmp_path: Path) -> None:
    """Images, appliances and Go modules name no package that is matched. Before, one such statement failed the whole sync."""
    from suture.inventory.pairs import decide_pairs

    image = statement(products=[{"@id": "pkg:oci/app@sha256%3Aabc"}], vulnerability={"name": "CVE-2023-0001"})
    outcome = load(store, tmp_path, "openvex", document(image, statement()))
    assert (outcome.status, outcome.records, outcome.quarantined) == (FeedStatus.ACCEPTED, 2, 0), outcome.sentence
    kept = {row["vulnerability"]: row["package"] for row in vex_statements(store)}
    assert kept == {"CVE-2023-0001": None, "CVE-2023-39325": "nginx"}
    marks = store._connection.execute(b"SELECT package FROM package_change").fetchall()
    assert {row["package"] for row in marks} == {"*", "deb/nginx"}  # type: ignore[call-overload]
    decide_pairs(store, now=NOW)
    changed = statement(products=[{"@id": "pkg:oci/app@sha256%3Aabc"}], vulnerability={"name": "CVE-2023-0001"}, status="fixed")
    assert load(store, tmp_path, "openvex", document(changed, timestamp="2026-06-30T00:00:00Z"), hours=1).ok
    assert [row["status"] for row in vex_statements(store)][:1] == ["fixed"]


def test_a_csaf_document_about_an_appliance_is_taken_in(store: Store, tmp_path: Path) -> None:
    tree = {"full_product_names": [{"product_id": "CSAFPID-0006", "name": "PLC, all versions"}]}
    affected = csaf([vulnerability(product_status={"known_affected": ["CSAFPID-0006"]})], product_tree=tree)
    outcome = load(store, tmp_path, "csaf_provider", affected)
    assert outcome.status is FeedStatus.ACCEPTED, outcome.sentence
    assert [(row["product"], row["package"]) for row in vex_statements(store)] == [("PLC, all versions", None)]


def test_the_later_statement_stands_whatever_comes_after(store: Store, tmp_path: Path) -> None:
    late = statement(status="affected", justification=None, action_statement="update", timestamp="2026-06-20T00:00:00Z")
    assert load(store, tmp_path, "openvex", document(late)).status is FeedStatus.ACCEPTED
    load(store, tmp_path, "openvex", document(statement()), hours=1)
    assert [row["status"] for row in vex_statements(store)] == ["affected"]
    other = document(statement(timestamp="2026-06-21T00:00:00Z"), **{"@id": "https://example.test/vex-2"})
    load(store, tmp_path, "openvex", other, hours=2)
    assert [row["status"] for row in vex_statements(store)] == ["not_affected"]


def test_what_was_revoked_stays_so(store: Store, tmp_path: Path) -> None:
    assert load(store, tmp_path, "stix", bundle(*objects())).status is FeedStatus.ACCEPTED
    assert INDICATOR in {row["signal_id"] for row in threat_signals(store, "CVE-2026-1234")}
    gone = {**objects()[0], "revoked": True, "modified": "2026-02-01T00:00:00Z"}
    load(store, tmp_path, "stix", bundle(gone), hours=1)
    load(store, tmp_path, "stix", bundle({**objects()[0], "modified": "2026-03-01T00:00:00Z"}), hours=2)
    assert INDICATOR not in {row["signal_id"] for row in threat_signals(store)}


def test_lists_and_messages_are_kept_and_the_second_load_is_unchanged(store: Store, tmp_path: Path) -> None:
    assert load(store, tmp_path, "debian_lists", LIST).status is FeedStatus.ACCEPTED
    assert load(store, tmp_path, "debian_lists", LIST, hours=1).status is FeedStatus.UNCHANGED
    assert [row["revision_id"] for row in advisory_revisions(store, "debian_lists")][-1] == "DSA-5380-1"
    assert load(store, tmp_path, "mbox", FIRST).status is FeedStatus.ACCEPTED
    assert [row["cve_ids"] for row in notices(store, "CVE-2024-3094")] == [["CVE-2024-3094", "CVE-2024-30947"]]


def test_a_nul_in_an_id_reaches_the_quarantine_as_text(store: Store, tmp_path: Path) -> None:
    outcome = load(store, tmp_path, "debian_tracker", {**tracker(), "cu\x00rl": {}})
    assert (outcome.status, outcome.quarantined) == (FeedStatus.ACCEPTED, 1)
    (row,) = store.fetch_all("feed/list_feed_quarantine", {"source": "debian_tracker", "max_rows": 9})
    assert row["record_id"] == "cu�rl"
