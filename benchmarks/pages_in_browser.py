"""The pages in a real Chromium: `python benchmarks/pages_in_browser.py http://127.0.0.1:8777/suture [--shots FOLDER]`.

The address is that of `pages.py --serve`. Opens every page that the navigation leads to, and those of PATHS, in light and
dark mode and on a telephone; prints when the answer was there (navigation timing's responseEnd) the first time that this
program asked and the median of the others, when all was drawn (loadEventEnd), KiB and elements. A page that fails, says
something on the console, asks anyone else, is wider than the screen, cuts something off or has text of too low a contrast is
named, and the exit status is 1. `--shots` keeps a picture of each, whole to 6,000 pixels.

`--frame FILE` opens them as a person meets them: in Airflow's frame, logged in. FILE holds the passwords of a running stack
(secrets/airflow_passwords.json in its state folder), the address is that of its Airflow with /suture behind it. The seconds then
are those from the click on a link in the frame; the frame's theme, the window's address, title and scroll bars are looked at too,
and pictures show the window.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "include"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "plugins"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from playwright.sync_api import Browser, Frame, Page, StorageState, sync_playwright
from playwright.sync_api import TimeoutError as LateError

from tests.browser.conftest import EXECUTABLES, OPTIONS, fill_form
from tests.browser.test_pages import CONTRAST, CUT_OFF, LOW_CONTRAST

PATHS = (
    "/findings?priority=immediate", "/findings?priority=scheduled&page=200", "/findings?group=office&priority=defer&page=50",
    "/findings?group=nobody", "/campaigns/SUT-2026-0001", "/campaigns/SUT-2026-0001/rollback",
    "/campaigns/SUT-2026-0001/provenance", "/campaigns/SUT-2026-0002", "/campaigns/SUT-2026-0002/rollback",
    "/feeds?kind=scores_differ",
)  # fmt: skip
SCREENS = ((1440, 900), (390, 844))
TALLEST = 6_000
SECONDS, KIB = 1.0, 500
TIMES = """() => { const [one] = performance.getEntriesByType("navigation");
  return [one.responseEnd - one.startTime, one.loadEventEnd - one.startTime, one.decodedBodySize,
    document.querySelectorAll("*").length]; }"""
# The same from within Airflow's frame, from the click on a link there; a page is drawn when the frame after its load event is.
CLICK = """(path) => new Promise((done) => {
  const frame = document.querySelector("iframe"), clicked = performance.timeOrigin + performance.now();
  frame.addEventListener("load", () => {
    const shown = frame.contentWindow, [one] = shown.performance.getEntriesByType("navigation");
    shown.requestAnimationFrame(() => shown.setTimeout(() => done([
      shown.performance.timeOrigin + one.responseEnd - clicked, performance.timeOrigin + performance.now() - clicked,
      one.decodedBodySize, shown.document.querySelectorAll("*").length])));
  }, { once: true });
  const link = frame.contentDocument.createElement("a");
  link.href = path;
  frame.contentDocument.body.append(link);
  link.click();
})"""
USER = "audra"
ENTRY = "/plugin/suture"
OF_CHROMIUM = "can escape its sandboxing"  # said of every frame that may run scripts of its own origin: Airflow's choice


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address")
    parser.add_argument("--shots", type=Path)
    parser.add_argument("--only", help="a regular expression that the path must contain")
    parser.add_argument("--repeat", type=int, default=3, help="further openings of each page at 1440 pixels, in light mode")
    parser.add_argument("--frame", type=Path, metavar="FILE", help="in Airflow's frame; FILE: the passwords of its users")
    args = parser.parse_args()
    faults: list[str] = []
    with sync_playwright() as play:
        found = next(path for name in EXECUTABLES if (path := shutil.which(name)))
        browser = play.chromium.launch(executable_path=found, args=list(OPTIONS))
        past = _logged_in(browser, args.address, args.frame) if args.frame else None
        print(f"load average {os.getloadavg()[0]:.1f} at the start")
        print(f"| {'page':<46} | first, s | median, s | drawn, s |    KiB | elements |")
        for path in _paths(browser, args.address, past):
            if args.only is None or re.search(args.only, path):
                faults += _measured(browser, args, path, past)
        print(f"load average {os.getloadavg()[0]:.1f} at the end")
    print(*faults, sep="\n")
    return 1 if faults else 0


def _logged_in(browser: Browser, address: str, passwords: Path) -> StorageState:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(_airflow(address))
        fill_form(page, USER, json.loads(passwords.read_text("utf-8"))[USER])
        page.get_by_role("link", name="Suture", exact=True).wait_for()
        return context.storage_state()


def _airflow(address: str) -> str:
    return address.removesuffix("/suture") + "/"


def _paths(browser: Browser, address: str, past: StorageState | None) -> list[str]:
    """What the navigation leads to, the first two acceptances and cases, and PATHS."""
    with browser.new_context(storage_state=past) as context:
        page, found = context.new_page(), []
        for start, links in (("/", "nav a"), ("/acceptances", "td.id a"), ("/cases", "td a[href*='/cases/']")):
            page.goto(address + start)
            linked = page.locator(links).evaluate_all("all => all.map((a) => a.href)")
            found += linked if start == "/" else linked[:2]
    inside = [link.removeprefix(address) for link in found if link.startswith(address) and "#" not in link]
    return list(dict.fromkeys([*inside, *PATHS]))


def _measured(browser: Browser, args: argparse.Namespace, path: str, past: StorageState | None) -> list[str]:
    faults, times = [], []
    for width, height in SCREENS:
        for scheme in ("light", "dark"):
            with browser.new_context(
                color_scheme=scheme,
                viewport={"width": width, "height": height},
                storage_state=past,
            ) as context:
                page = context.new_page()
                what = f"{path} ({scheme}, {width} px)"
                if past:
                    page.goto(_airflow(args.address) + ENTRY.lstrip("/"))
                    page.frame_locator("iframe").get_by_role("heading", level=1).wait_for()
                heard = _listen(page, args.address, in_frame=bool(past))
                for _ in range(args.repeat + 1 if (width, scheme) == (1440, "light") else 1):
                    if past:
                        times.append(page.evaluate(CLICK, f"{args.address}{path}"))
                    else:
                        answer = page.goto(args.address + path, wait_until="load")
                        times.append(page.evaluate(TIMES))
                        heard += [] if answer and answer.ok else [f"answered {answer and answer.status}"]
                shown = page.frames[-1]
                heard += _around(page, shown, args.address, path, scheme) if past else []
                wide, room = shown.evaluate("[document.documentElement.scrollWidth, innerWidth]")
                heard += [f"is {wide} pixels wide"] if wide > room else []
                heard += [f"contrast {one}" for one in shown.evaluate(LOW_CONTRAST, CONTRAST)]
                heard += [f"cut off: {one}" for one in shown.evaluate(CUT_OFF)]
                faults += [f"{what}: {one}" for one in heard]
                if args.shots:
                    _keep(page, args.shots, f"{re.sub(r'[^A-Za-z0-9]+', '-', path).strip('-') or 'overview'}-{width}-{scheme}")
    first, others = times[0], times[1 : args.repeat + 1] or times[:1]
    answered, drawn = (statistics.median(one[part] for one in others) / 1000 for part in (0, 1))
    kib, elements = times[-1][2] / 1024, times[-1][3]
    print(f"| {path:<46} | {first[0] / 1000:8.3f} | {answered:9.3f} | {drawn:8.3f} | {kib:6.0f} | {elements:8,} |", flush=True)
    if answered > SECONDS or kib > KIB:
        faults.append(f"{path}: {answered:.3f} s, {kib:.0f} KiB")
    return faults


def _around(page: Page, shown: Frame, address: str, path: str, scheme: str) -> list[str]:
    """What is wrong with the window around the page that is shown."""
    heard = []
    try:
        page.wait_for_url(f"{_airflow(address)}{ENTRY.lstrip('/')}/suture{path}", timeout=5_000)
    except LateError:
        heard.append(f"the window's address is {page.url}")
    title, theme = shown.evaluate("[document.title, document.documentElement.dataset.theme]")
    heard += [f"the window is called {page.title()!r}, the page {title!r}"] if page.title() != title else []
    heard += [f"is {theme} in a frame that is {scheme}"] if theme != scheme else []
    tall, wide = page.evaluate("[['Height', innerHeight], ['Width', innerWidth]].map(([one, room]) =>"
                               " document.documentElement['scroll' + one] > room)")  # fmt: skip
    return heard + (["the window scrolls beside the frame"] if tall or wide else [])


def _listen(page: Page, address: str, *, in_frame: bool) -> list[str]:
    """What it hears from now on; in_frame: of the frame, not of Airflow's own page, which asks all the time.

    The browser asks for /favicon.ico by itself: Airflow has one, `pages.py --serve` has none.
    """
    heard: list[str] = []
    icon = address.removesuffix("/suture") + "/favicon.ico"
    page.on(
        "console",
        lambda said: heard.append(f"console: {said.text}")
        if said.type in ("error", "warning") and said.location.get("url") != icon and OF_CHROMIUM not in said.text
        else None,
    )
    page.on("pageerror", lambda error: heard.append(f"script: {error}"))
    ours = (address, icon)
    theirs = _airflow(address) if in_frame else ours  # the outer page may ask Airflow whatever it likes
    page.on("requestfailed", lambda asked: heard.append(f"failed: {asked.url}") if asked.url.startswith(address) else None)
    page.on(
        "request",
        lambda asked: None
        if asked.url.startswith(theirs if asked.frame == page.main_frame else ours)
        else heard.append(f"asked {asked.url}"),
    )
    return heard


def _keep(page: Page, folder: Path, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    size: Any = page.viewport_size
    if page.frames[1:]:
        page.screenshot(path=folder / f"{name}.png")
        return
    height = min(TALLEST, page.evaluate("document.documentElement.scrollHeight"))
    page.screenshot(path=folder / f"{name}.png", full_page=True, clip={"x": 0, "y": 0, "width": size["width"], "height": height})


if __name__ == "__main__":
    raise SystemExit(main())
