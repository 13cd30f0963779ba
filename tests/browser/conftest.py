"""A real Chromium in front of the installation that the main job left running. It reaches loopback and nothing else."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, StorageState, expect, sync_playwright

from suture.command.credentials import PASSWORDS
from suture.command.installation import read
from tests.conftest import miss
from tests.main_job import MainJob

EXECUTABLES = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = (
    "--no-sandbox",  # tests run as root in a container as well
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
PATIENCE_MS = 60_000  # a machine that is busy with a fleet draws slowly

LogIn = Callable[..., Page]


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """Ends with the last test in this folder: while Playwright lives its event loop counts as running in this thread, and whatever
    the worker tests next could not start one of its own."""
    found = next((path for name in EXECUTABLES if (path := shutil.which(name))), None)
    if found is None:
        miss("browser", f"no {' or '.join(EXECUTABLES)} on this machine; packages.txt names it under [tests]")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=found, args=list(OPTIONS))
        try:
            yield browser
        finally:
            browser.close()


@pytest.fixture(scope="session")
def address(main_job: MainJob) -> str:
    here = read(main_job.home)
    assert here is not None
    return here.ui_url.rstrip("/")


@pytest.fixture(scope="session")
def sessions() -> dict[str, StorageState]:
    """What a browser keeps of each user who has logged in: the form is typed once a user."""
    return {}


@pytest.fixture
def new_page(chromium: Browser) -> Iterator[LogIn]:
    """A window of a browser, without any past unless given: `new_page(scheme="dark", width=400)`."""
    contexts = []

    def opened(*, scheme: str = "light", width: int = 1440, past: StorageState | None = None) -> Page:
        context = chromium.new_context(
            color_scheme=scheme,  # type: ignore[arg-type]
            viewport={"width": width, "height": 900},
            storage_state=past,
        )
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        return context.new_page()

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def passwords(main_job: MainJob) -> dict[str, str]:
    here = read(main_job.home)
    assert here is not None
    found: dict[str, str] = json.loads((here.secrets_dir / PASSWORDS).read_text("utf-8"))
    return found


def fill_form(page: Page, user: str, password: str) -> None:
    """Airflow's login form."""
    page.fill("input[name=username]", user)
    page.fill("input[name=password]", password)
    page.press("input[name=password]", "Enter")


@pytest.fixture
def log_in(passwords: dict[str, str], address: str, new_page: LogIn, sessions: dict[str, StorageState]) -> LogIn:
    """Types a user's name and password into the real form, once a user: `log_in("olga", scheme="dark")`. The page stands
    at home."""

    def entered(user: str, **window: Any) -> Page:
        page = new_page(past=sessions.get(user), **window)
        page.goto(f"{address}/")
        if user not in sessions:
            fill_form(page, user, passwords[user])
        page.get_by_role("link", name="Suture", exact=True).wait_for()
        if user not in sessions:
            sessions[user] = page.context.storage_state()
        return page

    return entered
