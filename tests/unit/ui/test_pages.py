"""The pages: closed to strangers, change nothing, run nothing foreign, say what the warehouse says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from airflow.api_fastapi.core_api.security import get_user
from fastapi import FastAPI, HTTPException
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from suture import evidence
from suture.compliance import write_report
from suture.compliance.rendering import TEMPLATES
from suture.settings import Settings
from suture.store import Store
from suture_airflow.auth_manager import SutureAuthManager
from suture_airflow.ui import EXTERNAL_VIEWS, URL_PREFIX, access
from suture_airflow.ui.access import reader
from suture_airflow.ui.drawing import HEADERS
from suture_airflow.ui.pages import build, open_router, router
from tests.unit.compliance import scene
from tests.unit.compliance.test_report import Page

CAMPAIGN = "SUT-2026-0001"


@pytest.fixture
def installation(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("SUTURE_HOME", str(settings.home))
    monkeypatch.setenv("SUTURE_WAREHOUSE_URL", settings.require_warehouse())
    monkeypatch.delenv("SUTURE_STORE_URL", raising=False)
    return settings


def _mounted(*, signed_in: bool) -> TestClient:
    pages = build()
    if signed_in:
        pages.dependency_overrides[reader] = lambda: SimpleNamespace(get_name=lambda: "olga")
    airflow = FastAPI()
    airflow.mount(URL_PREFIX, pages)
    return TestClient(airflow, raise_server_exceptions=False)


@pytest.fixture
def browser(installation: Settings) -> Iterator[TestClient]:
    with _mounted(signed_in=True) as client:
        yield client


ROUTES = [route for route in router.routes if isinstance(route, APIRoute)]
PATHS = sorted({route.path for route in ROUTES})
OPEN = ["/links.js", "/style.css"]  # to anyone: the page that leads to the login needs them


def test_there_are_routes_to_guard() -> None:
    assert len(PATHS) == len(router.routes) >= 15


def test_whoever_is_not_logged_in_gets_the_style_and_the_script_only() -> None:
    assert sorted(route.path for route in open_router.routes if isinstance(route, APIRoute)) == OPEN
    built = [route.path for route in build().routes if isinstance(route, APIRoute)]
    assert len(built) == len(build().routes)  # nothing is mounted beside the routes
    assert sorted(built) == sorted([*PATHS, *OPEN])


@pytest.mark.parametrize("path", [*PATHS, "/docs", "/openapi.json", "/redoc"])
def test_a_stranger_sees_nothing(path: str) -> None:
    asked = URL_PREFIX + path.replace("{campaign_id}", CAMPAIGN).replace("{report_id}", "1")
    with _mounted(signed_in=False) as client:
        answer = client.get(asked)
    assert answer.status_code in (401, 404)
    assert answer.status_code == 404 or path in PATHS
    assert CAMPAIGN not in answer.text.replace(quote(asked), "")


@pytest.mark.parametrize("path", OPEN)
def test_the_page_that_leads_to_the_login_has_its_style_and_its_script(path: str) -> None:
    with _mounted(signed_in=False) as client:
        assert client.get(URL_PREFIX + path).status_code == 200


@pytest.mark.parametrize("base", ["", "/airflow"])
@pytest.mark.parametrize(
    "asked",
    [
        "/queue", "/findings?group=a%26b&page=2", "/findings?page=nonsense", "/acceptances/%22%3E%3Cscript%3E",
        "/cases/a%3Fb%23c%25",
    ],
)  # fmt: skip
def test_who_is_not_logged_in_is_led_to_the_login_and_back_into_the_frame(base: str, asked: str) -> None:
    inner = FastAPI()
    inner.mount(URL_PREFIX, build())
    outer = FastAPI()
    outer.mount(base, inner)
    with TestClient(outer) as client:
        answer = client.get(base + URL_PREFIX + asked)
    assert answer.status_code == 401
    assert answer.headers["Content-Security-Policy"] == HEADERS["Content-Security-Policy"]
    page = Page(answer.text)
    assert page.tags.count("script") == 1
    assert set(page.links[:-1]) == {f"{base}{URL_PREFIX}/style.css", f"{base}{URL_PREFIX}/links.js"}
    parts = urlsplit(page.links[-1])
    assert parts.path == f"{base}/api/v2/auth/login"
    assert parse_qs(parts.query) == {"next": [f"{base}/plugin/suture{base}{URL_PREFIX}{asked}"]}


@pytest.mark.parametrize("error", [HTTPException(401, "Token Expired"), HTTPException(403, "Invalid JWT token")])
def test_a_session_that_ended_is_told_like_none(installation: Settings, error: HTTPException) -> None:
    def ended() -> None:
        raise error

    pages = build()
    pages.dependency_overrides[get_user] = ended
    with TestClient(pages) as client:
        answer = client.get("/queue")
    assert answer.status_code == 401
    assert "You are not logged in" in answer.text
    assert error.detail not in answer.text


@pytest.mark.parametrize("status", [500, 503])
def test_an_auth_manager_that_cannot_answer_is_told_in_its_own_words(installation: Settings, status: int) -> None:
    def broken() -> None:
        headers = {"Retry-After": "30", "Content-Security-Policy": "default-src *"}
        raise HTTPException(status, "The directory is <away>", headers=headers)

    pages = build()
    pages.dependency_overrides[get_user] = broken
    with TestClient(pages) as client:
        answer = client.get("/queue")
    assert answer.status_code == status
    assert "The directory is <away>" in Page(answer.text).text
    assert "only read" not in answer.text
    assert answer.headers["Retry-After"] == "30"
    assert answer.headers["Content-Security-Policy"] == HEADERS["Content-Security-Policy"]


@pytest.mark.parametrize(("role", "status"), [(None, 403), ("", 403), ("viewer", 200), ("op", 200)])
def test_whom_airflow_shows_no_plugins_gets_no_page_by_its_address(
    installation: Settings, monkeypatch: pytest.MonkeyPatch, role: str | None, status: int
) -> None:
    monkeypatch.setattr(access, "get_auth_manager", SutureAuthManager)
    pages = build()
    pages.dependency_overrides[get_user] = lambda: SimpleAuthManagerUser(username="zoe", role=role)
    with TestClient(pages) as client:
        for path in PATHS:
            answer = client.get(path.replace("{campaign_id}", CAMPAIGN).replace("{report_id}", "1"))
            assert (answer.status_code == 403) == (status == 403), path
        answer = client.get("/queue")
    assert answer.status_code == status
    assert ("none of your roles may see these pages" in answer.text) == (status == 403)


def test_what_no_page_answers_is_said_with_a_page(browser: TestClient) -> None:
    unknown = browser.get(f"{URL_PREFIX}/nothing")
    assert (unknown.status_code, "There is no such page" in unknown.text) == (404, True)
    acting = browser.post(f"{URL_PREFIX}/queue")
    assert (acting.status_code, "only read" in acting.text) == (405, True)
    assert acting.headers["Allow"] == "GET"
    wrong = browser.get(f"{URL_PREFIX}/findings?page=<script>&priority=urgent")
    assert wrong.status_code == 422
    words = " ".join(Page(wrong.text).text.split())
    assert "page cannot be '<script>': Input should be a valid integer" in words
    assert "priority cannot be 'urgent': Input should be 'immediate', " in words
    for answer in (unknown, acting, wrong):
        assert answer.headers["Content-Security-Policy"] == HEADERS["Content-Security-Policy"]
        page = Page(answer.text)
        assert page.tags.count("script") == 1
        assert f"{URL_PREFIX}/queue" in page.links


def test_the_script_knows_every_entry_of_airflows_menu() -> None:
    script = (TEMPLATES / "ui" / "links.js").read_text("utf-8")
    known = dict(re.findall(r'"(/plugin/[^"]+)": "([^"]+)"', script))
    assert known == {f"/plugin/{view['url_route']}": view["href"].removeprefix(URL_PREFIX) for view in EXTERNAL_VIEWS}
    assert access.ENTRY in known


def test_every_route_only_reads() -> None:
    assert {method for route in ROUTES for method in route.methods} == {"GET"}


@pytest.mark.parametrize("path", ["/", "/feeds", f"/campaigns/{CAMPAIGN}", f"/campaigns/{CAMPAIGN}/rollback"])
def test_pages_show_the_warehouse_and_change_nothing(store: Store, browser: TestClient, path: str) -> None:
    scene.rolled_back(store)
    before = store.fetch_all("evidence/list_evidence", {"campaign_id": None})
    answer = browser.get(URL_PREFIX + path)
    assert answer.status_code == 200, answer.text
    for name, value in HEADERS.items():
        assert answer.headers[name] == value
    page = Page(answer.text)
    assert page.tags.count("script") == 1  # our own; never the one that the campaign carries
    assert all(link.startswith((URL_PREFIX, "/")) and not link.startswith("//") for link in page.links)
    assert store.fetch_all("evidence/list_evidence", {"campaign_id": None}) == before


def test_the_overview_says_what_is_wrong_first(store: Store, browser: TestClient) -> None:
    scene.rolled_back(store)
    store._connection.execute("UPDATE incident SET status = 'open', closed_at = NULL")
    text = Page(browser.get(f"{URL_PREFIX}/").text).text
    assert "The feed kev is stale" in text
    assert "INC-1" in text
    assert "post-mortem" in text


def test_the_overview_of_nothing_says_how_to_begin(browser: TestClient) -> None:
    assert "run feed_sync" in Page(browser.get(f"{URL_PREFIX}/").text).text


def test_the_rollback_page_shows_the_blast_radius(store: Store, browser: TestClient) -> None:
    scene.verified(store)
    page = Page(browser.get(f"{URL_PREFIX}/campaigns/{CAMPAIGN}/rollback").text)
    assert "/dags/rollback" in page.links
    for words in ("app1", "app2", scene.OLD, scene.NEW, "of 2 in the campaign"):
        assert words in page.text


def test_a_rollback_that_cannot_be_started_is_not_offered(store: Store, browser: TestClient) -> None:
    scene.rolled_back(store)
    page = Page(browser.get(f"{URL_PREFIX}/campaigns/{CAMPAIGN}/rollback").text)
    assert "cannot be started from the state rolled back" in " ".join(page.text.split())
    assert "/dags/rollback" not in page.links


def test_a_report_is_served_as_it_was_kept_or_not_at_all(
    store: Store, installation: Settings, browser: TestClient
) -> None:
    campaign_id = scene.verified(store)
    written = write_report(store, installation, campaign_id, now=datetime.now(UTC))
    ids = {row["kind"]: row["report_id"] for row in store.fetch_all("report/list_reports", {"campaign_id": None})}
    links = browser.get(f"{URL_PREFIX}/campaigns/{campaign_id}").text
    assert f'<a href="{URL_PREFIX}/reports/{ids["html"]}" data-airflow target="_blank">' in links  # never in the frame
    assert f'<a href="{URL_PREFIX}/reports/{ids["csv"]}" download>' in links
    html = browser.get(f"{URL_PREFIX}/reports/{ids['html']}")
    assert html.status_code == 200
    assert "sandbox" in html.headers["Content-Security-Policy"]
    sheet = browser.get(f"{URL_PREFIX}/reports/{ids['csv']}")
    assert sheet.headers["Content-Disposition"] == f'attachment; filename="{campaign_id}.csv"'
    Path(written.html.uri.removeprefix("file://")).write_text("<p>forged")
    forged = browser.get(f"{URL_PREFIX}/reports/{ids['html']}")
    assert forged.status_code == 500
    assert "not the one that was written" in forged.text
    assert browser.get(f"{URL_PREFIX}/reports/999999").status_code == 500
    assert browser.get(f"{URL_PREFIX}/reports/x").status_code == 422


def test_an_unknown_campaign_and_a_silent_warehouse_are_said_in_words(
    browser: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = browser.get(f"{URL_PREFIX}/campaigns/%3Cscript%3E")
    assert missing.status_code == 404
    assert "&lt;script&gt;" in missing.text
    monkeypatch.setenv("SUTURE_WAREHOUSE_URL", "postgresql://nobody@127.0.0.1:1/none")
    silent = browser.get(f"{URL_PREFIX}/")
    assert silent.status_code == 503
    assert "cannot be reached" in silent.text


def test_links_follow_a_base_path(store: Store, installation: Settings) -> None:
    pages = build()
    pages.dependency_overrides[reader] = lambda: SimpleNamespace()
    inner = FastAPI()
    inner.mount(URL_PREFIX, pages)
    outer = FastAPI()
    outer.mount("/airflow", inner)
    with TestClient(outer) as client:
        links = Page(client.get(f"/airflow{URL_PREFIX}/").text).links
    assert f"/airflow{URL_PREFIX}/feeds" in links
    assert "/airflow/required_actions" in links


def test_a_campaigns_page_checks_its_own_records_and_the_newest_however_long_the_chain(
    store: Store, browser: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.verified(store)
    whole = " ".join(Page(browser.get(f"{URL_PREFIX}/campaigns/{CAMPAIGN}").text).text.split())
    assert "records is whole" in whole
    for number in range(40):
        evidence.record(store, actor="test", action="noted", subject=f"note:{number}")
    monkeypatch.setattr("suture.compliance.dossier.NEWEST_CHECKED", 10)
    monkeypatch.setattr("suture.compliance.dossier.MOST_CHECKED", 10)
    text = " ".join(Page(browser.get(f"{URL_PREFIX}/campaigns/{CAMPAIGN}").text).text.split())
    assert "This campaign's records, and the newest 11 of" in text
    head = store.fetch_one("evidence/fetch_evidence_head")
    assert head is not None
    own = store.fetch_all("evidence/list_evidence", {"campaign_id": CAMPAIGN})[0]["seq"]
    store._connection.execute("ALTER TABLE evidence DISABLE TRIGGER USER")
    for seq, said in ((own, f"Record {own} ("), (head["seq"] - 3, f"Record {head['seq'] - 3} (")):
        store._connection.execute("UPDATE evidence SET actor = actor || ' x' WHERE seq = %s", (seq,))
        text = " ".join(Page(browser.get(f"{URL_PREFIX}/campaigns/{CAMPAIGN}").text).text.split())
        assert "The evidence was altered." in text
        assert said in text
    store._connection.execute("DELETE FROM evidence WHERE seq = %s", (head["seq"] - 5,))
    text = " ".join(Page(browser.get(f"{URL_PREFIX}/campaigns/{CAMPAIGN}").text).text.split())
    assert f"Record {head['seq'] - 5} is missing" in text
