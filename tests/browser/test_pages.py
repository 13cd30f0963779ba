"""Suture's pages as a person meets them: in Airflow's frame, in a real browser, logged in through the real form."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from playwright.sync_api import FrameLocator, Page, expect

from suture.campaign import fetch_campaign
from suture_airflow.ui import URL_PREFIX
from tests.browser.conftest import LogIn, fill_form
from tests.main_job import MainJob

pytestmark = [pytest.mark.airflow, pytest.mark.browser, pytest.mark.lab, pytest.mark.timeout(3600)]
PATIENCE_MS = 60_000
DARK_INK = 128  # the mean of a text colour's red, green and blue is above it on a dark page
INK = "getComputedStyle(document.body).color.match(/\\d+/g).slice(0, 3).map(Number).reduce((a, b) => a + b) / 3"
CONTRAST = 4.5  # WCAG 2.2, 1.4.3 (AA)

# Every element with text of its own whose contrast with what lies behind it is too low. WCAG's relative luminance.
LOW_CONTRAST = """(limit) => {
  const parts = (text) => text.match(/[\\d.]+/g).map(Number);
  const level = ([r, g, b]) => [r, g, b].map((x) => x / 255)
    .map((x) => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4)
    .reduce((sum, x, i) => sum + x * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const [r, g, b, alpha = 1] = parts(getComputedStyle(at).backgroundColor);
      if (alpha > 0) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.body.querySelectorAll("*")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !element.checkVisibility()) continue;
    const pair = [level(parts(getComputedStyle(element).color)), level(behind(element))].sort((a, b) => b - a);
    const ratio = (pair[0] + 0.05) / (pair[1] + 0.05);
    if (ratio < limit) found.push(`${ratio.toFixed(2)} ${element.outerHTML.slice(0, 120)}`);
  }
  return found;
}"""

# What lies off an edge: a table that is to fit its page, whatever the width, and a figure beyond its chart.
CUT_OFF = """() => {
  const found = [];
  for (const box of document.querySelectorAll(".scroll:has(> table.stack)")) {
    if (box.checkVisibility() && box.scrollWidth > box.clientWidth + 1) {
      found.push(`${box.scrollWidth} of ${box.clientWidth} pixels: ${box.textContent.trim().slice(0, 80)}`);
    }
  }
  for (const text of document.querySelectorAll("svg text")) {
    const [own, room] = [text, text.ownerSVGElement].map((element) => element.getBoundingClientRect());
    if (own.left < room.left - 1 || own.right > room.right + 1) found.push(`${text.textContent} in a chart`);
  }
  return found;
}"""


def _campaigns(job: MainJob) -> list[dict[str, Any]]:
    with job.store() as store:
        found = store.fetch_all("campaign/list_campaigns", {"state": None})
    assert found, "the main job planned no campaign"
    return found


def fetch_hosts(job: MainJob, campaign_id: str) -> tuple[str, ...]:
    with job.store() as store:
        return fetch_campaign(store, campaign_id).plan.production_hosts


def _paths(job: MainJob) -> list[str]:
    campaign_id = _campaigns(job)[0]["campaign_id"]
    return [
        f"{URL_PREFIX}/",
        f"{URL_PREFIX}/feeds",
        f"{URL_PREFIX}/campaigns/{campaign_id}",
        f"{URL_PREFIX}/campaigns/{campaign_id}/rollback",
        f"{URL_PREFIX}/campaigns/{campaign_id}/provenance",
        *(f"{URL_PREFIX}/{name}" for name in ("queue", "findings", "strategy", "capacity", "acceptances", "intakes", "cases")),
    ]


def _open_suture(page: Page) -> FrameLocator:
    page.get_by_role("link", name="Suture", exact=True).click()
    frame = page.frame_locator("iframe[title=Suture]")
    expect(frame.get_by_role("heading", name="Where every campaign stands")).to_be_visible(timeout=PATIENCE_MS)
    return frame


def test_the_menu_opens_the_campaigns_with_their_states(main_job: MainJob, log_in: LogIn, address: str) -> None:
    page = log_in("audra")
    for _ in range(5):  # the campaign in place of the bad fix is on its way: what the page shows is of one moment
        before = _campaigns(main_job)
        frame = _open_suture(page)
        if _campaigns(main_job) == before:
            break
        page.goto(address)
    for campaign in before:
        row = frame.get_by_role("row").filter(has=frame.get_by_role("link", name=campaign["campaign_id"], exact=True))
        expect(row).to_contain_text(campaign["state"].replace("_", " "))
        expect(row).to_contain_text(campaign["state_reason"])


def test_a_campaign_opens_in_the_frame_and_survives_a_reload(main_job: MainJob, log_in: LogIn) -> None:
    page = log_in("olga")
    campaign = _campaigns(main_job)[0]
    links = _open_suture(page).get_by_role("link", name=campaign["campaign_id"], exact=True)
    links.first.click()  # an incident's note may name it too
    page.wait_for_url(re.compile(rf"/campaigns/{campaign['campaign_id']}$"))
    for _ in range(2):
        frame = page.frame_locator("iframe[title=Suture]")
        expect(frame.get_by_role("heading", level=1)).to_have_text(campaign["title"], timeout=PATIENCE_MS)
        expect(frame.get_by_role("navigation").get_by_role("link")).to_have_count(11)
        page.reload()


def test_each_host_opens_to_its_versions(main_job: MainJob, log_in: LogIn, address: str) -> None:
    page = log_in("olga")
    page.goto(address + _paths(main_job)[2])
    host = page.locator("details.host").filter(has_text="app1").last
    expect(host.get_by_role("table")).to_be_hidden()
    host.locator("summary").click()
    expect(host.get_by_role("columnheader", name="Patched to")).to_be_visible()


def test_a_campaign_leads_to_its_own_run(main_job: MainJob, log_in: LogIn) -> None:
    page = log_in("olga")
    campaign_id = _campaigns(main_job)[0]["campaign_id"]
    frame = _open_suture(page)
    frame.get_by_role("link", name=campaign_id, exact=True).click()
    frame.get_by_role("link", name=re.compile(r"^Its \w+ runs$")).click()
    page.wait_for_url(re.compile(rf"/dags/\w+/runs\?.*{campaign_id}"))
    expect(page.locator("iframe")).to_have_count(0)
    page.locator("table a[href*='/runs/']").first.click()
    page.wait_for_url(re.compile(r"/dags/\w+/runs/[^?]+"))
    _, _, dag_id, _, run_id = unquote(urlsplit(page.url).path).split("/")[:5]
    run = main_job.api("olga").get(f"dags/{dag_id}/dagRuns/{run_id}")
    assert run["partition_key"] == campaign_id


def test_every_link_inside_leads_to_a_page(main_job: MainJob, log_in: LogIn, address: str) -> None:
    page = log_in("olga")
    seen, waiting = set(), _paths(main_job)
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        answer = page.request.get(address + path)
        assert answer.status == 200, f"{path}: {answer.status} {answer.text()[:500]}"
        if "html" not in answer.headers["content-type"] or "/reports/" in path:
            continue
        page.goto(address + path)
        links = page.locator("a[href]").evaluate_all("all => all.map((a) => a.getAttribute('href'))")
        assert links, path
        waiting += [link for link in links if link.startswith(f"{URL_PREFIX}/")]
    assert any("/reports/" in path for path in seen), "a closed campaign has reports to read"


def test_a_stranger_gets_no_page(main_job: MainJob, new_page: LogIn, address: str) -> None:
    page = new_page()
    for path in [*_paths(main_job), f"{URL_PREFIX}/reports/1"]:
        answer = page.goto(address + path)
        assert answer is not None
        assert answer.status == 401, path
        assert "SUT-" not in page.content().replace(path, "")
        expect(page.get_by_role("link")).to_have_count(1)
    page.goto(f"{address}/plugin/suture")
    page.wait_for_url(re.compile("/auth/login"))
    expect(page.locator("input[name=password]")).to_be_visible()


def test_an_address_that_somebody_passed_on_opens_after_the_login(
    new_page: LogIn, address: str, passwords: dict[str, str]
) -> None:
    page = new_page()
    page.goto(f"{address}{URL_PREFIX}/findings?priority=scheduled&group=web")
    page.get_by_role("link", name="Log in").click()
    fill_form(page, "audra", passwords["audra"])
    page.wait_for_url(f"{address}/plugin/suture{URL_PREFIX}/findings?priority=scheduled&group=web")
    frame = page.frame_locator("iframe[title=Suture]")
    expect(frame.get_by_role("heading", level=1)).to_have_text("Open findings", timeout=PATIENCE_MS)


@pytest.mark.parametrize("token", [None, "not.a.token"])
def test_a_session_that_ends_in_the_frame_leads_to_the_login_and_back(
    log_in: LogIn, address: str, passwords: dict[str, str], token: str | None
) -> None:
    page = log_in("audra", scheme="dark")
    frame = _open_suture(page)
    page.context.clear_cookies()
    if token:
        page.context.add_cookies([{"name": "_token", "value": token, "url": address}])
    frame.get_by_role("link", name="Queue", exact=True).click()
    expect(frame.get_by_role("heading", level=1)).to_have_text("You are not logged in", timeout=PATIENCE_MS)
    assert frame.locator("body").evaluate(INK) > DARK_INK, "it has its style"
    assert page.frames[-1].evaluate(LOW_CONTRAST, CONTRAST) == []
    frame.get_by_role("link", name="Log in").click()
    page.wait_for_url(re.compile("/auth/login"))
    expect(page.locator("iframe")).to_have_count(0)  # the form is the window's, not the frame's
    fill_form(page, "audra", passwords["audra"])
    page.wait_for_url(f"{address}/plugin/suture{URL_PREFIX}/queue")
    expect(frame.get_by_role("heading", level=1)).to_have_text("What comes first", timeout=PATIENCE_MS)


def test_the_window_follows_the_frame(log_in: LogIn, address: str) -> None:
    """Its title, its address, the browser's way back, and Airflow's own menu, which opens the first page again."""
    page = log_in("olga")
    frame = _open_suture(page)
    heading = frame.get_by_role("heading", level=1)
    frame.get_by_role("link", name="Queue", exact=True).click()
    page.wait_for_url(f"{address}/plugin/suture{URL_PREFIX}/queue")
    expect(page).to_have_title("Suture: queue", timeout=PATIENCE_MS)
    page.go_back()
    expect(heading).to_have_text("Where every campaign stands", timeout=PATIENCE_MS)
    page.wait_for_url(f"{address}/plugin/suture{URL_PREFIX}/")
    expect(page).to_have_title("Suture", timeout=PATIENCE_MS)
    frame.get_by_role("link", name="Strategy", exact=True).click()
    page.wait_for_url(f"{address}/plugin/suture{URL_PREFIX}/strategy")
    page.get_by_role("link", name="Suture", exact=True).click()
    expect(heading).to_have_text("Where every campaign stands", timeout=PATIENCE_MS)
    page.wait_for_url(f"{address}/plugin/suture{URL_PREFIX}/")
    page.get_by_test_id("nav-home-link").click()
    expect(page).to_have_title(re.compile("Home"), timeout=PATIENCE_MS)


def test_a_report_opens_in_a_tab_of_its_own_and_a_sheet_is_kept(main_job: MainJob, log_in: LogIn, address: str) -> None:
    with main_job.store() as store:
        reports = store.fetch_all("report/list_reports", {"campaign_id": None})
    campaign_id = next(row["campaign_id"] for row in reports if row["kind"] == "html" and row["campaign_id"])
    page = log_in("audra")
    inside = f"{address}/plugin/suture{URL_PREFIX}/campaigns/{campaign_id}"
    page.goto(inside)
    frame = page.frame_locator("iframe[title=Suture]")
    with page.context.expect_page() as opened:
        frame.get_by_role("link", name="html", exact=True).click()
    expect(opened.value).to_have_title(re.compile(campaign_id))
    assert "/reports/" in opened.value.url
    with page.expect_download() as kept:
        frame.get_by_role("link", name="csv", exact=True).click()
    assert kept.value.suggested_filename == f"{campaign_id}.csv"
    assert page.url == inside
    expect(frame.get_by_role("navigation").first).to_be_visible()


def test_a_viewer_cannot_start_a_rollback(main_job: MainJob, log_in: LogIn, address: str) -> None:
    page = log_in("audra")
    before = main_job.api("admin").get("dags/rollback/dagRuns")["total_entries"]
    page.goto(f"{address}/dags/rollback")
    page.get_by_role("button", name="Trigger").first.click()
    for name in ("campaign", "confirm"):
        page.fill(
            f"input[name=element_{name}]", "SUT-1999-0001"
        )  # no such campaign: nothing is harmed by a failing test
    page.fill("input[name=element_reason]", "to see that I may not")
    with page.expect_response(lambda answer: answer.request.method == "POST" and "dagRuns" in answer.url) as caught:
        page.get_by_role("dialog").get_by_role("button", name="Trigger").last.click()
    assert caught.value.status == 403
    assert main_job.api("admin").get("dags/rollback/dagRuns")["total_entries"] == before


def test_the_rollback_page_says_what_would_be_touched(main_job: MainJob, log_in: LogIn, address: str) -> None:
    """The fix that was never stopped can be taken back: from its page, through the DAG's own form."""
    closed = [row for row in _campaigns(main_job) if row["state"] == "closed"]
    assert closed, "the main job closes a campaign"
    page = log_in("rosa")
    page.goto(f"{address}/plugin/suture{URL_PREFIX}/campaigns/{closed[0]['campaign_id']}/rollback")
    frame = page.frame_locator("iframe[title=Suture]")
    expect(frame.get_by_role("heading", level=1)).to_contain_text("What a rollback of")
    hosts = frame.locator("details.host")
    expect(hosts).to_have_count(len(fetch_hosts(main_job, closed[0]["campaign_id"])))
    hosts.first.locator("summary").click()
    expect(hosts.first.get_by_role("columnheader", name="Back to")).to_be_visible()
    frame.get_by_role("link", name="the rollback DAG").click()
    page.wait_for_url(re.compile("/dags/rollback"))
    page.get_by_role("button", name="Trigger").first.click()
    for name in ("campaign", "confirm", "reason"):
        expect(page.locator(f"input[name=element_{name}]")).to_be_visible(timeout=PATIENCE_MS)


@pytest.mark.parametrize(("system", "chosen"), [("light", "dark"), ("dark", "light")])
def test_the_frame_follows_what_was_chosen_in_airflow(log_in: LogIn, system: str, chosen: str) -> None:
    page = log_in("olga", scheme=system)
    frame = _open_suture(page)
    assert (frame.locator("body").evaluate(INK) > DARK_INK) == (system == "dark")
    page.evaluate("theme => localStorage.setItem('theme', theme)", chosen)
    page.reload()
    frame = page.frame_locator("iframe[title=Suture]")
    expect(frame.locator("html")).to_have_attribute("data-theme", chosen, timeout=PATIENCE_MS)
    assert (frame.locator("body").evaluate(INK) > DARK_INK) == (chosen == "dark")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_can_be_read(main_job: MainJob, log_in: LogIn, address: str, scheme: str) -> None:
    page = log_in("audra", scheme=scheme)
    for path in _paths(main_job):
        page.goto(address + path)
        assert page.evaluate(LOW_CONTRAST, CONTRAST) == [], path


def test_a_telephone_need_not_scroll_sideways(main_job: MainJob, log_in: LogIn, address: str) -> None:
    page = log_in("audra", width=390)
    for path in _paths(main_job):
        page.goto(address + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
        assert page.evaluate(CUT_OFF) == [], path


def test_nothing_lies_off_an_edge_of_a_wide_screen(main_job: MainJob, log_in: LogIn, address: str) -> None:
    page = log_in("audra")
    for path in _paths(main_job):
        page.goto(address + path)
        assert page.evaluate(CUT_OFF) == [], path


def test_the_pages_ask_nothing_of_anyone_else_and_break_no_rule(main_job: MainJob, log_in: LogIn, address: str) -> None:
    page = log_in("olga").context.new_page()  # Airflow's own page, where one arrives, asks again and again; that is not ours
    asked: list[str] = []
    faults: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    for path in _paths(main_job):
        page.goto(address + path, wait_until="networkidle")
    assert len(asked) >= 3 * len(_paths(main_job)), "each page, its style and its script"
    assert [url for url in asked if not url.startswith(f"{address}{URL_PREFIX}/")] == []
    assert faults == []
