"""What people look for first on pages of ten thousand hosts: that nothing is cut without being said, and the worst stands first."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from fastapi.testclient import TestClient

from suture.compliance import overview
from suture.compliance.acceptances import acceptance_list
from suture.compliance.fleet import _standing
from suture.compliance.rendering import render_html
from suture.compliance.report import draw_fleet_report
from suture.risk.capacity import CapacityPolicy
from suture.settings import PROJECT_ROOT, Settings
from suture.sourcing.cases import CaseForm, VendorRegister, open_case
from suture.store import Store
from suture_airflow.ui import URL_PREFIX, sourcing_pages
from tests.fleet_rows import NOW, add_host, install
from tests.unit.campaign.campaigns import add_campaign
from tests.unit.compliance import scene
from tests.unit.compliance.test_report import Page
from tests.unit.risk import acceptances as risk
from tests.unit.ui.test_risk_pages import CAMPAIGN, on_every_page, scored_fleet, words


def test_the_overviews_figures_lead_to_what_they_count(store: Store, browser: TestClient) -> None:
    links = Page(browser.get(f"{URL_PREFIX}/").text).links
    for path in ("/queue", "/findings", "/#hosts", "/feeds", "/#evidence"):
        # In the navigation or the line below it, and as a card.
        assert links.count(URL_PREFIX + path) >= 2, path


def test_the_overview_calls_a_feed_stale_only_where_the_feeds_page_does(store: Store, browser: TestClient) -> None:
    snapshot = "INSERT INTO feed_snapshot (source, url, status, reason, record_count, fetched_at) VALUES (%s, 'u', %s, %s, 5, %s)"
    now = datetime.now(UTC)
    store._connection.execute(snapshot, ("kev", "accepted", None, now - timedelta(hours=2)))
    store._connection.execute(snapshot, ("kev", "unreachable", "no answer", now - timedelta(hours=1)))
    store._connection.execute(snapshot, ("epss", "accepted", None, now - timedelta(days=9)))
    text = words(browser, "/")
    assert "1 stale, 1 not read well, 1 required never loaded" in text
    assert "The feed epss is stale" in text
    assert "The feed kev wants a look, and its last good data is within its goal" in text
    assert "Required, and never loaded: cve5." in text
    feeds = words(browser, "/feeds")
    assert "epss is stale" in feeds
    assert "kev wants a look" in feeds
    freshness = feeds[feeds.index("Freshness") : feeds.index("Last tries")]
    assert freshness.index("epss") < freshness.index("kev") < freshness.index("switched off")


def test_findings_say_how_far_the_list_goes_and_lead_back_to_its_start(
    store: Store, browser: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored_fleet(store)
    in_all = sum(row["open"] for row in store.fetch_all("risk/list_risk_summary", {"now": datetime.now(UTC)}))
    text = words(browser, "/findings")
    assert text.count(f"all {in_all}") == 2  # of all priorities, of all groups
    assert "most urgent" not in text
    for module in ("suture.compliance.queue", "suture_airflow.ui.risk_pages"):
        monkeypatch.setattr(f"{module}.FINDINGS_A_PAGE", 1)
        monkeypatch.setattr(f"{module}.MOST_PAGES", 4)
    assert "The most urgent 4 are listed here." in words(browser, "/findings")
    second, third = (words(browser, f"/findings?page={number}") for number in (2, 3))
    assert "First Previous" not in second
    assert "First Previous" in third


def test_names_are_not_broken_at_their_hyphens(store: Store, browser: TestClient) -> None:
    acceptance = on_every_page(store)
    for path in (f"/campaigns/{CAMPAIGN}", f"/acceptances/{acceptance}"):
        page = browser.get(URL_PREFIX + path).text
        assert re.findall(r'<span class="whole">CVE-\d+-\d+,?</span>', page), path
        assert not re.findall(r"CVE-\d+-\d+, CVE-", page), path
    rules = (PROJECT_ROOT / "include" / "templates" / "style.css").read_text("utf-8")
    assert re.search(r"\.whole \{[^}]*inline-block", rules)


def test_the_exceptions_of_a_page_that_is_cut_are_counted_by_kind(
    store: Store, browser: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.verified(store)
    store._connection.execute("UPDATE host SET collected_at = %s", (NOW - timedelta(days=90),))
    whole = words(browser, f"/campaigns/{CAMPAIGN}")
    assert "more exceptions" not in whole
    assert "2 not compliant." not in whole
    monkeypatch.setattr(overview.shortened, "__kwdefaults__", {"most": 1})
    assert "2 not compliant." in words(browser, f"/campaigns/{CAMPAIGN}")


def test_hosts_without_a_backup_stand_first_on_the_rollback_page(store: Store) -> None:
    scene.verified(store)
    assert [host["host_id"] for host in overview.blast_radius(store, CAMPAIGN)["by_host"]] == ["app1", "app2"]
    store._connection.execute("SET session_replication_role = replica")
    store._connection.execute("DELETE FROM backup WHERE host_id = 'app2'")
    store._connection.execute("SET session_replication_role = DEFAULT")
    (first,) = overview.blast_radius(store, CAMPAIGN, most=1)["by_host"]
    assert (first["host_id"], first["backup"]) == ("app2", None)


def test_a_wait_is_not_said_to_be_longer_than_the_backlog_lasts(store: Store, browser: TestClient) -> None:
    """A campaign or two arrived in three months, and the next train takes them: Little's law would say 90 days."""
    for number in (1, 2):
        add_campaign(store, f"SUT-2026-000{number}")
    store._connection.execute("UPDATE campaign SET created_at = now()")
    over = CapacityPolicy.load(risk.POLICY_DIR).arrivals_over.days
    text = words(browser, "/capacity")
    told = re.search(r"Mean wait([0-9.]+) days?backlog gone after 1 train", text)
    assert told is not None, text
    assert 0 < float(told[1]) <= 3.5  # trains are a week apart, and half of them wait less than half of that
    assert "the backlog is gone after 1 train, and what waits now waits" in text
    assert f"{over}.0 days" not in text


def test_only_acceptances_of_the_state_asked_for_are_counted(store: Store) -> None:
    scored_fleet(store)
    name = risk.accept(store)
    found = acceptance_list(store, now=NOW)
    assert [one["acceptance_id"] for one in found] == [name]
    assert acceptance_list(store, now=NOW, state=found[0]["state"]) == found
    assert acceptance_list(store, now=NOW, state="expired") == []


def test_the_strategy_page_has_a_chart_for_each_figure_and_says_once_what_steers_nothing(
    store: Store, browser: TestClient
) -> None:
    on_every_page(store)
    page = Page(browser.get(f"{URL_PREFIX}/strategy").text)
    groups = page.tags.count("svg") / 6
    assert groups >= 1
    assert groups == int(groups)
    text = " ".join(page.text.split())
    assert text.count("steers no") == 1
    assert "Compared" in text
    assert re.search(r"on what the warehouse holds: \d+ advisor(y|ies) from \d{4}-\d\d-\d\d to \d{4}-\d\d-\d\d\.", text)


def test_cases_whose_vendor_is_late_stand_first_and_what_is_cut_is_said(
    store: Store, browser: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_host(store, "app1")
    register = VendorRegister.load(PROJECT_ROOT / "include" / "policy")
    cases = []
    for number, package in enumerate(("openssl", "nginx", "expat")):
        install(store, "app1", package, "3.0.1")
        form = {
            "source_package": package, "asset_group": "web", "tlp": "AMBER", "participants": ["rosa"], "title": "Hole", "summary": "s",
        }  # fmt: skip
        cases.append(open_case(store, register, CaseForm.read(form), opener="nils", run_id=f"r{number}", now=NOW))
    late = "UPDATE vendor_case SET state = 'asked', acknowledge_by = now() - interval '1 hour' WHERE case_id = %s"
    store._connection.execute(late, (cases[0],))
    store._connection.execute("UPDATE vendor_case SET state = 'withdrawn' WHERE case_id = %s", (cases[2],))
    text = words(browser, "/cases")
    assert text.index(cases[0]) < text.index(cases[1]) < text.index(cases[2])
    assert "The first" not in text
    monkeypatch.setattr(sourcing_pages, "ROWS_SHOWN", 2)
    text = words(browser, "/cases")
    assert "The first 2 of 3: late vendors first" in text
    assert "Live2" in text  # counted among all
    assert cases[2] not in text


@pytest.mark.parametrize("path", ["/", "/queue", "/findings", "/capacity", "/acceptances", "/feeds", "/intakes", "/cases"])
def test_every_cell_of_a_number_says_on_a_telephone_what_it_counts(store: Store, browser: TestClient, path: str) -> None:
    """Rows are blocks there, and the table's head is not shown."""
    on_every_page(store)
    add_campaign(store, "SUT-2026-0002")
    page = unescape(browser.get(URL_PREFIX + path).text)
    for table in re.findall(r'<table class="stack">.*?</table>', page, re.DOTALL):
        assert not re.findall(r'<td class="n">.*?</td>', table), path


def test_the_fleets_report_counts_millions_so_that_they_can_be_read(store: Store, settings: Settings) -> None:
    scene.verified(store)
    document = draw_fleet_report(store, settings, now=NOW)
    row = {
        "priority": "immediate", "findings": 1_152_654, "hosts": 10_000, "advisories": 1_145, "under_7_days": 380_777,
        "from_7_to_30_days": 771_877, "from_30_days": 0, "overdue": 12_420, "unscored": 47_775, "next_deadline": NOW.isoformat(),
    }  # fmt: skip
    host = {**document["hosts"][0], "open_findings": 1_241, "overdue_findings": 1, "unscored_findings": 0, "accepted_findings": 0}
    page = render_html({**document, "findings": [row], "hosts": [host]})
    for figure in ("1,152,654", "12,420 past their deadline", "10,000", "1,145", "380,777", "771,877", "47,775", "1,241"):
        assert f">{figure}<" in page, figure
    assert not re.findall(r">\d{5,}[ <]", page)
    seen = {"collected_at": NOW, "reachable": True, "open_findings": 1, "overdue_findings": 1}
    assert _standing(seen, NOW, timedelta(hours=1))[1] == "1 open finding is past its deadline."
    assert _standing({**seen, "overdue_findings": 0}, NOW, timedelta(hours=1))[1] == "1 open finding, none past its deadline."
