"""The risk pages: what is stored is shown, what is missing is said, what is hostile is text, what is unknown is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient

from suture.compliance import overview, queue
from suture.inventory.components import load_components
from suture.inventory.installed_files import InstalledPackage
from suture.model.assets import AssetRegister
from suture.model.candidate import Candidates, CandidateWindow
from suture.risk.capacity import CapacityPolicy
from suture.risk.capacity_run import capacity_view, outlook, plan_trains, write_trains
from suture.risk.exposure_cost import ExposurePolicy
from suture.risk.strategy import StrategyPolicy
from suture.risk.strategy_review import review_strategies
from suture.risk.window_choice import weigh_campaigns
from suture.store import Json, Store, StoreError
from suture_airflow.ui import URL_PREFIX, pages, risk_pages
from suture_airflow.ui.drawing import HEADERS
from tests.fleet_rows import NOW, add_host
from tests.unit.campaign.campaigns import add_campaign
from tests.unit.compliance import scene
from tests.unit.compliance.test_report import Page
from tests.unit.matching.test_pairs import advise
from tests.unit.risk import acceptances as risk

POLICY_DIR = risk.POLICY_DIR
HOSTILE = "<script>alert('x')</script>{{ 7*7 }}<img src=x onerror=alert(1)>"
CAMPAIGN = "SUT-2026-0001"
PAGES = ["/", "/queue", "/findings", "/strategy", "/capacity", "/acceptances", "/feeds"]


def words(browser: TestClient, path: str, status: int = 200) -> str:
    answer = browser.get(URL_PREFIX + path)
    assert answer.status_code == status, answer.text[:2000]
    return " ".join(Page(answer.text).text.split())


def scored_fleet(store: Store) -> None:
    risk.add_fleet(store)
    risk.score(store)


def on_every_page(store: Store) -> str:
    """Something in every table that a page shows; the name of an acceptance that holds."""
    scored_fleet(store)
    add_campaign(store, CAMPAIGN)
    store._connection.execute(
        "UPDATE finding SET campaign_id = %s WHERE host_id = 'app1' AND source_package = 'expat'", (CAMPAIGN,)
    )
    now = datetime.now(UTC)
    write_trains(store, CapacityPolicy.load(POLICY_DIR), now=now)
    start = now + timedelta(hours=6)
    window = CandidateWindow("nightly", "UTC", start, start + timedelta(hours=4), timedelta(hours=1))
    weigh_campaigns(
        store,
        ExposurePolicy.load(POLICY_DIR),
        AssetRegister.load(POLICY_DIR),
        lambda *_: Candidates((window,)),
        now=now,
    )
    review_strategies(store, POLICY_DIR, now=now)
    store._connection.execute(
        "INSERT INTO urgency_change (cve_id, kind, before, after, source, reason, findings, hosts, asset_groups, detected_at)"
        " VALUES (%s, 'kev_added', NULL, 'in KEV', 'kev', 'It is exploited now.', 2, 2, '{web}', now())",
        (risk.EXPAT,),
    )
    return risk.accept(store)


def make_hostile(store: Store, acceptance_id: str) -> None:
    """Markup wherever a feed, a host or a person may write, past the checks that should have refused some of it."""
    run = store._connection.execute
    mark = {"bad": HOSTILE, "acceptance": acceptance_id}
    for column in ("source_package", "installed_version", "fixed_version"):
        run(f"UPDATE finding SET {column} = %(bad)s", mark)  # a view, written by its trigger
    run("UPDATE finding SET conditions = ARRAY['held', %(bad)s]", mark)
    run("SET session_replication_role = replica")
    for table, columns in {
        "campaign": "title state_reason window_name source requested_by",
        "window_choice": "window_name sentence",
        "train_slot": "sentence",
        "urgency_change": "cve_id source reason",
        "strategy_comparison": "history in_force recommended",
        "risk_acceptance": "state_reason justification compensating_control requested_by quorum_rule terms_hash",
        "risk_acceptance_vote": "role voter comment",
        "risk_acceptance_finding": "source_package",
    }.items():
        for column in columns.split():
            run(f"UPDATE {table} SET {column} = %(bad)s", mark)
    run("UPDATE campaign SET reasons = %s", (Json([HOSTILE, {"sentence": HOSTILE}, {"odd": HOSTILE}]),))
    run("UPDATE decision SET reasons = jsonb_set(reasons, '{sentence}', to_jsonb(%(bad)s::text))", mark)
    run("UPDATE strategy_comparison SET result = replace(result::text, 'at_once', '<b>x</b>')::jsonb")
    run("UPDATE strategy_comparison SET result = jsonb_set(result, '{sentence}', to_jsonb(%(bad)s::text))", mark)
    run(
        "UPDATE window_choice SET arithmetic = jsonb_set(arithmetic, '{arithmetic,hazard}', to_jsonb(%(bad)s::text))",
        mark,
    )
    run(
        "INSERT INTO feed_snapshot (source, url, status, reason, fetched_at) VALUES (%(bad)s, %(bad)s, 'unreachable', %(bad)s,"
        " now())", mark,
    )  # fmt: skip
    run("UPDATE host SET reachable = false, asset_group = %(bad)s WHERE host_id = 'app2'", mark)
    run("UPDATE risk_summary SET asset_group = %(bad)s WHERE asset_group = (SELECT min(asset_group) FROM risk_summary)", mark)
    run("SET session_replication_role = DEFAULT")


@pytest.mark.parametrize("path", PAGES)
def test_a_page_of_nothing_says_so(store: Store, browser: TestClient, path: str) -> None:
    text = words(browser, path)
    said = {
        "/": "nothing was ever scored", "/queue": "No campaign is under way", "/findings": "No open finding",
        "/strategy": "No strategies were compared yet", "/capacity": "No train was filled yet",
        "/acceptances": "No risk was ever accepted", "/feeds": "never loaded",
    }  # fmt: skip
    assert said[path] in text


def test_every_page_shows_what_is_stored_and_changes_nothing(store: Store, browser: TestClient) -> None:
    name = on_every_page(store)
    before = store.fetch_all("evidence/list_evidence", {"campaign_id": None})
    for path in [*PAGES, f"/acceptances/{name}", f"/campaigns/{CAMPAIGN}"]:
        answer = browser.get(URL_PREFIX + path)
        assert answer.status_code == 200, (path, answer.text[:2000])
        for header, value in HEADERS.items():
            assert answer.headers[header] == value
    assert store.fetch_all("evidence/list_evidence", {"campaign_id": None}) == before


def test_hostile_text_stays_text_on_every_page(store: Store, browser: TestClient) -> None:
    name = on_every_page(store)
    make_hostile(store, name)
    for path in [*PAGES, f"/acceptances/{name}", f"/campaigns/{CAMPAIGN}"]:
        answer = browser.get(URL_PREFIX + path)
        assert answer.status_code == 200, (path, answer.text[:2000])
        page = Page(answer.text)
        assert page.tags.count("script") == 1, path
        assert not {"img", "b"} & set(page.tags), path
        assert "{{ 7*7 }}" in answer.text, path
        assert all(link.startswith("/") and not link.startswith("//") for link in page.links), path


def test_the_queue_has_the_most_urgent_first_with_its_reason(store: Store, browser: TestClient) -> None:
    for number, (priority, days) in enumerate(
        [("defer", -3), ("scheduled", 9), ("immediate", 5), ("immediate", -1), ("out_of_cycle", 2)], start=1
    ):
        add_campaign(store, f"SUT-2026-000{number}")
        store._connection.execute(
            "UPDATE campaign SET priority = %s, deadline = now() + %s, reasons = %s WHERE campaign_id = %s",
            (priority, timedelta(days=days), Json([f"Reason {number}.", "Another."]), f"SUT-2026-000{number}"),
        )
    store._connection.execute("UPDATE campaign SET state = 'closed' WHERE campaign_id = 'SUT-2026-0005'")
    found = queue.campaign_queue(store, now=datetime.now(UTC))["campaigns"]
    assert [row["campaign_id"][-1] for row in found] == ["4", "3", "2", "1"]
    assert [row["overdue"] for row in found] == [True, False, False, True]
    text = words(browser, "/queue")
    assert text.index("Reason 4.") < text.index("Reason 3.") < text.index("Reason 2.") < text.index("Reason 1.")
    assert text.count("overdue") >= 2
    assert "SUT-2026-0005" not in text
    assert "nightlyopens 20" in text or "nightlyopen now" in text
    cut = queue.campaign_queue(store, now=datetime.now(UTC), most=2)
    assert (len(cut["campaigns"]), cut["more"]) == (2, True)


def test_a_window_that_is_not_in_the_policy_is_said(store: Store, browser: TestClient) -> None:
    add_campaign(store)
    store._connection.execute("UPDATE campaign SET window_name = 'gone'")
    assert "There is no maintenance window 'gone'" in words(browser, "/queue")


def test_findings_are_counted_linked_and_filtered(store: Store, browser: TestClient) -> None:
    scored_fleet(store)
    store._connection.execute(
        "UPDATE finding SET conditions = '{held}' WHERE host_id = 'app1' AND source_package = 'nginx'"
    )
    queue_page = Page(browser.get(f"{URL_PREFIX}/queue").text)
    assert f"{URL_PREFIX}/findings?priority=immediate" in queue_page.links
    text = words(browser, "/findings")
    assert "Findings 1 to 6" in text
    assert "on hold on the host" in text
    assert "Findings 1 to 4" in words(browser, "/findings?group=web")
    priority = store.fetch_all("finding/list_findings")[0]["priority"]
    shown = words(browser, f"/findings?group=web&priority={priority}")
    other = "defer" if priority != "defer" else "immediate"
    assert "app1" in shown
    assert "No open finding" in words(browser, f"/findings?priority={other}&group=web")
    assert "No open finding" in words(browser, "/findings?group=nobody")
    assert "There is nothing on this page" in words(browser, "/findings?page=2")
    assert "No open finding" in words(browser, "/findings?group=%00")


def test_pages_of_findings_neither_repeat_nor_lose_any(
    store: Store, browser: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored_fleet(store)
    monkeypatch.setattr(queue, "FINDINGS_A_PAGE", 2)
    pages = [queue.open_findings(store, now=NOW, page=number) for number in (1, 2, 3)]
    ids = [row["finding_id"] for page in pages for row in page["findings"]]
    assert len(ids) == len(set(ids)) == 6
    assert [page["more"] for page in pages] == [True, True, False]


@pytest.mark.parametrize("query", ["page=0", "page=x", "page=201", "priority=urgent", f"group={'g' * 201}"])
def test_a_wrong_question_is_refused(browser: TestClient, query: str) -> None:
    assert browser.get(f"{URL_PREFIX}/findings?{query}").status_code == 422


@pytest.mark.parametrize("name", ["ACC-1999-0001", "%00", "%3Cscript%3E"])
def test_an_unknown_acceptance_is_said_to_be_unknown(store: Store, browser: TestClient, name: str) -> None:
    answer = browser.get(f"{URL_PREFIX}/acceptances/{name}")
    assert answer.status_code == 404
    assert "There is no acceptance" in answer.text
    assert Page(answer.text).tags.count("script") == 1


def test_an_acceptance_that_the_facts_contradict_does_not_hold_before_any_run(
    store: Store, browser: TestClient
) -> None:
    scored_fleet(store)
    name = risk.accept(store, now=datetime.now(UTC), expires_on=(datetime.now(UTC) + timedelta(days=20)).date().isoformat(),
                       review_on=(datetime.now(UTC) + timedelta(days=10)).date().isoformat())  # fmt: skip
    text = words(browser, f"/acceptances/{name}")
    assert "does not hold" not in text
    assert "rosa" in text
    assert risk.CONTROL in text
    risk.add_kev(store, risk.NGINX, NOW.date())
    for path in ("/queue", "/acceptances", f"/acceptances/{name}"):
        text = words(browser, path)
        assert "does not hold" in text
        assert "catalogue of exploited vulnerabilities" in text
    assert store.fetch_all("acceptance/list_acceptances", {"acceptance_id": name, "state": None})[0]["state"] == "active"


def test_capacity_is_read_without_the_solver(
    store: Store, browser: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_campaign(store)
    rules = CapacityPolicy.load(POLICY_DIR)
    now = datetime.now(UTC)
    write_trains(store, rules, now=now)
    assert outlook(store, rules, now=now) == plan_trains(store, rules, now=now).outlook

    def refuse(*_: object) -> None:
        raise AssertionError("the page must not fill trains")

    monkeypatch.setattr("suture.risk.capacity_run.fill_trains", refuse)
    assert capacity_view(store, rules, now=now)["trains"]
    text = words(browser, "/capacity")
    assert CAMPAIGN in text
    assert "1 campaign waits" in text


def test_the_strategy_page_draws_the_chart_and_says_what_is_too_much(
    store: Store, browser: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_every_page(store)
    page = Page(browser.get(f"{URL_PREFIX}/strategy").text)
    assert "svg" in page.tags
    assert "No strategy in force lets a fix wait" in " ".join(page.text.split())
    monkeypatch.setattr(StrategyPolicy, "anything_may_wait", True)
    assert "Nothing waits" in words(browser, "/strategy")
    monkeypatch.setattr(risk_pages, "MOST_FINDINGS_JUDGED", 0)
    assert "too many to judge while a page waits" in words(browser, "/strategy")


def test_a_stale_feed_is_over_its_goal(store: Store, browser: TestClient) -> None:
    store._connection.execute(
        "INSERT INTO feed_snapshot (source, url, status, record_count, fetched_at)"
        " VALUES ('kev', 'http://127.0.0.1/kev', 'accepted', 5, now() - interval '90 days')"
    )
    text = words(browser, "/feeds")
    assert "over its goal" in text
    assert "90.0 d" in text


def test_the_overview_names_a_few_hosts_and_counts_the_others(store: Store, browser: TestClient) -> None:
    store.copy_rows(
        "host", ["host_id", "asset_group", "environment", "criticality", "exposure", "reachable", "collected_at"],
        [(f"h{number:03d}", "web", "production", "high", "open", False, NOW) for number in range(50)],
    )  # fmt: skip
    text = words(browser, "/")
    assert "h019 and 30 more" in text
    assert "h020" not in text


def test_a_large_campaign_is_cut_on_its_page_and_says_so(
    store: Store, browser: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.verified(store)
    monkeypatch.setattr(overview.shortened, "__kwdefaults__", {"most": 1})
    monkeypatch.setattr(pages, "ROWS_SHOWN", 1)
    page = Page(browser.get(f"{URL_PREFIX}/campaigns/{CAMPAIGN}").text)
    assert page.tags.count("details") >= 1
    text = " ".join(page.text.split())
    assert "2 more hosts are not shown: those that failed or want a look stand first" in text
    assert "app2" not in text[text.index("Hosts, with versions") : text.index("Approvals")]
    assert "1 more host is not shown" in words(browser, f"/campaigns/{CAMPAIGN}/rollback")


def test_what_is_cut_are_the_hosts_that_need_no_look() -> None:
    statuses = ["verified", "unknown", "verified", "failed"]
    hosts = [{"host_id": f"h{number}", "status": status} for number, status in enumerate(statuses)]
    rows: list[int] = [1, 2, 3]
    found = overview.shortened({"hosts": hosts, "backups": [], "tests": [], "exceptions": [], "timeline": rows}, most=2)
    assert [host["host_id"] for host in found["hosts"]] == ["h3", "h1"]
    assert found["timeline"] == [2, 3]
    assert found["left_out"] == {"hosts": 2, "timeline": 1}


def contradiction(store: Store, number: int, *, kind: str = "scores_differ", says: str = "5.0") -> None:
    claims = [{"source": "cna:mitre", "says": "9.8"}, {"source": "nvd:nvd@nist.gov", "says": says}]
    store._connection.execute(
        "INSERT INTO contradiction (kind, cve_id, subject, claims, first_seen_at, last_changed_at)"
        " VALUES (%s, %s, '3.1', %s, %s, %s)",
        (kind, f"CVE-2026-{number}", Json(claims), NOW, NOW + timedelta(minutes=number)),
    )


def test_the_feeds_page_shows_which_claim_holds_and_by_which_rule(store: Store, browser: TestClient) -> None:
    assert "No source contradicts another." in words(browser, "/feeds")
    for number in range(10001, 10013):
        contradiction(store, number)
    contradiction(store, 10020, kind="kev_not_in_record", says=HOSTILE)
    text = words(browser, "/feeds")
    assert "scores differ12Several sources score the CVE differently" in text
    assert "The CNA, then the vendor of the fix" in text
    assert "CVE-2026-10012 9.8 cna:mitre 5.0 nvd:nvd@nist.gov" in text  # what holds, then what is set aside
    assert "CVE-2026-10002 " not in text
    assert "The newest 10 of 12." in text
    assert HOSTILE in text
    assert "<script>alert" not in browser.get(URL_PREFIX + "/feeds").text
    one_kind = words(browser, "/feeds?kind=scores_differ")
    assert "CVE-2026-10001 " in one_kind
    assert "CVE-2026-10020" not in one_kind
    assert browser.get(URL_PREFIX + "/feeds?kind=nosuch").status_code == 422


def test_what_the_sources_agree_on_again_is_gone_from_the_feeds_page(store: Store, browser: TestClient) -> None:
    contradiction(store, 10001)
    store._connection.execute("UPDATE contradiction SET ended_at = now()")
    assert "No source contradicts another." in words(browser, "/feeds")


def test_a_finding_of_another_ecosystem_says_where_it_lies(store: Store, browser: TestClient) -> None:
    add_host(store, "app1")
    log4j = "org.apache.logging.log4j:log4j-core"
    advise(store, "GHSA-1", "maven", log4j, {"introduced": "2.0", "fixed": "2.15.0"}, fixed="2.15.0")
    places = [f"/opt/app{number}/shop.war!/WEB-INF/lib/log4j-core.jar" for number in range(1, 5)]
    load_components(
        store,
        "app1",
        [InstalledPackage(log4j, "2.14.1", log4j, "2.14.1", "maven", location=place) for place in [*places[:3], HOSTILE]]
        + [InstalledPackage(log4j, "2.17.1", log4j, "2.17.1", "maven", location=places[3])],
        now=NOW,
    )
    risk.score(store)
    text = words(browser, "/findings")
    assert f"{log4j} maven" in text
    assert "2.14.1 → 2.15.0" in text
    assert places[0] in text
    assert "and 1 more place" in text
    assert places[3] not in text  # that one is not affected
    assert "<script>alert" not in browser.get(URL_PREFIX + "/findings").text


def test_a_feed_whose_last_try_failed_is_not_called_stale_while_its_data_is_within_its_goal(
    store: Store, browser: TestClient
) -> None:
    snapshot = "INSERT INTO feed_snapshot (source, url, status, reason, record_count, fetched_at) VALUES ('kev', 'u', %s, %s, 5, %s)"
    now = datetime.now(UTC)
    store._connection.execute(snapshot, ("accepted", None, now - timedelta(hours=2)))
    store._connection.execute(snapshot, ("unreachable", "kev: no answer (3 tries).", now - timedelta(hours=1)))
    text = words(browser, "/feeds")
    assert "kev wants a look, and its last good data is within its goal" in text
    assert "kev is stale" not in text
    assert "(3 tries).." not in text


def test_a_campaign_past_its_deadline_is_said_to_be_on_every_page_that_names_it(store: Store, browser: TestClient) -> None:
    on_every_page(store)
    late = datetime.now(UTC) - timedelta(days=2)
    store._connection.execute("UPDATE campaign SET deadline = %s", (late,))
    assert "1 past the deadline" in words(browser, "/")
    assert f"overdue {late:%Y-%m-%d %H:%M} UTC" in words(browser, "/")
    assert "1 campaign is under way, 1 past its deadline." in words(browser, "/queue")
    assert f"overdue {late:%Y-%m-%d %H:%M} UTC" in words(browser, "/capacity")
    assert f"OVERDUE since {late:%Y-%m-%d %H:%M} UTC" in words(browser, f"/campaigns/{CAMPAIGN}")
    store._connection.execute("UPDATE campaign SET state = 'closed'")
    assert "0 past the deadline" in words(browser, "/")
    assert "OVERDUE" not in words(browser, f"/campaigns/{CAMPAIGN}")


def test_campaigns_that_wait_for_people_stand_first_on_the_overview(store: Store, browser: TestClient) -> None:
    scored_fleet(store)
    for name in ("SUT-2026-0001", "SUT-2026-0002"):
        add_campaign(store, name)
    text = words(browser, "/")
    assert text.index("SUT-2026-0002") < text.index("SUT-2026-0001")  # the newest first
    store._connection.execute("UPDATE campaign SET state = 'halted' WHERE campaign_id = 'SUT-2026-0001'")
    text = words(browser, "/")
    assert text.index("SUT-2026-0001") < text.index("SUT-2026-0002")


def test_findings_say_how_many_there_are_in_all(
    store: Store, browser: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored_fleet(store)
    one = {"now": datetime.now(UTC)}
    rows = [row for row in store.fetch_all("risk/list_risk_summary", one) if row["open"]]
    assert f"of {sum(row['open'] for row in rows)}" in words(browser, "/findings")
    group, priority = rows[0]["asset_group"], rows[0]["priority"]
    text = words(browser, f"/findings?group={group}&priority={priority}")
    assert f"to {rows[0]['open']} of {rows[0]['open']}" in text
    assert "To the first page" in words(browser, f"/findings?group={group}&page=150")


def test_acceptances_stand_in_the_order_in_which_they_want_a_look() -> None:
    def one(state: str, expires: str, *, valid: bool = False) -> dict[str, object]:
        return {"state": state, "valid": valid, "expires_at": expires}

    rows = [
        one("expired", "2026-01-01"), one("active", "2027-03-01", valid=True), one("active", "2027-01-01", valid=True),
        one("requested", "2027-01-01"), one("active", "2027-06-01"),
    ]  # fmt: skip
    assert sorted(rows, key=risk_pages._first_to_look_at) == [rows[4], rows[3], rows[2], rows[1], rows[0]]


def test_feeds_that_were_never_loaded_are_named_first(store: Store, browser: TestClient) -> None:
    text = words(browser, "/feeds")
    assert "Never loaded: kev, epss, nvd, cve5." in text
    assert text.index("Never loaded") < text.index("Freshness")
    assert "none was ever read" in words(browser, "/")


def test_the_rollback_page_counts_hosts_without_a_backup(store: Store, browser: TestClient) -> None:
    scene.verified(store)
    known = {row["host_id"] for row in store.fetch_all("report/list_report_backups", {"campaign_id": CAMPAIGN})}
    radius = overview.blast_radius(store, CAMPAIGN)
    assert radius["without_backup"] == [host for host in radius["hosts"] if host not in known]
    store._connection.execute("SET session_replication_role = replica")
    store._connection.execute("DELETE FROM backup")
    store._connection.execute("SET session_replication_role = DEFAULT")
    text = words(browser, f"/campaigns/{CAMPAIGN}/rollback")
    assert f"Hosts without a backup{len(radius['hosts'])}none is on record for this campaign" in text


def test_which_acceptances_hold_is_asked_only_where_one_covers_the_campaign(store: Store) -> None:
    """It looks at the whole fleet, and every campaign's page would wait for it."""
    on_every_page(store)
    add_campaign(store, "SUT-2026-0002")
    covered = store._connection.execute(
        "UPDATE finding SET campaign_id = %s WHERE (host_id, advisory_id) IN"
        " (SELECT host_id, advisory_id FROM risk_acceptance_finding)",
        (CAMPAIGN,),
    )
    assert covered.rowcount > 0
    free = store._connection.execute(
        "UPDATE finding SET campaign_id = 'SUT-2026-0002' WHERE (host_id, advisory_id) NOT IN"
        " (SELECT host_id, advisory_id FROM risk_acceptance_finding)"
    )
    assert free.rowcount > 0
    with store._connection.transaction(force_rollback=True):
        store._connection.execute(
            "CREATE OR REPLACE FUNCTION accepted_finding_at(at timestamptz) RETURNS TABLE (host_id text, advisory_id text,"
            " acceptance_id text, expires_at timestamptz, residual_risk text, compensating_control text)"
            " LANGUAGE plpgsql STABLE AS $$ BEGIN RAISE EXCEPTION 'it was asked'; END $$"
        )
        assert store.fetch_all("report/list_report_findings", {"campaign_id": "SUT-2026-0002"})
        with pytest.raises(StoreError, match="it was asked"):
            store.fetch_all("report/list_report_findings", {"campaign_id": CAMPAIGN})
