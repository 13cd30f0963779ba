"""A paged feed that breaks off goes on where it stopped; what does not belong together is not put together."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from suture.feeds import FeedStatus, sync_source
from suture.store import Store
from tests.fleet_rows import NOW
from tests.unit.feeds.test_sync import IDS, OK, Answer, Script, quarantine, server, source, sync

__all__ = ["server"]  # the fixture
pytestmark = pytest.mark.database


class Nvd:
    """40 CVEs in pages; `broken` says at which start the server stops answering, `total` what it says there are."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.broken: set[int] = set()
        self.total = lambda _start: 40
        self.start = lambda start: start
        self.asked: list[int] = []
        self.windows: list[tuple[str, str]] = []
        script.answers["/nvd"] = self

    def __call__(self, query: dict[str, list[str]]) -> Answer:
        start = int(query["startIndex"][0])
        self.asked.append(start)
        self.windows.append((query["lastModStartDate"][0], query["lastModEndDate"][0]))
        if start in self.broken:
            return Answer(b"", 503)
        items = [
            {
                "cve": {
                    "id": cve,
                    "published": "2024-01-01T00:00:00",
                    "lastModified": "2026-11-20T00:00:00",
                    "vulnStatus": "Analyzed",
                }
            }
            for cve in IDS[start : start + 10]
        ]
        page: dict[str, Any] = {
            "resultsPerPage": len(items), "startIndex": self.start(start), "totalResults": self.total(start), "format": "NVD_CVE",
            "version": "2.0", "timestamp": "2026-11-23T11:00:00", "vulnerabilities": items,
        }  # fmt: skip
        return Answer(json.dumps(page).encode())

    def take(self) -> list[int]:
        asked, self.asked = self.asked, []
        return asked


def test_a_run_that_broke_off_goes_on_at_the_next_page_of_the_same_span(store: Store, server: Script) -> None:
    nvd, feed = Nvd(server), source(server, "nvd", "/nvd", page_size=10, retries=0)
    nvd.broken = {20}
    assert sync(store, feed).status is FeedStatus.UNREACHABLE
    assert nvd.take() == [0, 10, 20]
    assert store.fetch_all("feed/list_cve_dates", {"cve_ids": IDS, "source": "nvd"}) == []
    nvd.broken = set()
    outcome = sync(store, feed, hours=1)
    assert (outcome.status, outcome.records) == (OK, 40)
    assert nvd.take() == [20, 30]
    assert len(set(nvd.windows)) == 1, "all pages are of one span"
    assert store._connection.execute("SELECT count(*) AS n FROM feed_page").fetchall()[0]["n"] == 0


def test_a_crash_in_the_middle_keeps_the_pages(store: Store, server: Script) -> None:
    class CrashError(Exception):
        pass

    nvd, feed = Nvd(server), source(server, "nvd", "/nvd", page_size=10, pause_seconds=1.0)
    slept: list[float] = []

    def crash(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            raise CrashError

    with pytest.raises(CrashError):
        sync_source(store, feed, now=NOW, sleep=crash)
    assert nvd.take() == [0, 10, 20]
    assert sync(store, feed, hours=1).records == 40
    assert nvd.take() == [30]


def test_pages_that_are_too_old_or_of_another_address_are_not_used(store: Store, server: Script) -> None:
    nvd, feed = Nvd(server), source(server, "nvd", "/nvd", page_size=10, retries=0)
    nvd.broken = {20}
    sync(store, feed)
    nvd.broken, _ = set(), nvd.take()
    assert sync(store, feed, hours=25).records == 40
    assert nvd.take() == [0, 10, 20, 30]


def test_kept_pages_that_were_altered_are_asked_for_again(store: Store, server: Script) -> None:
    nvd, feed = Nvd(server), source(server, "nvd", "/nvd", page_size=10, retries=0)
    nvd.broken = {20}
    sync(store, feed)
    store._connection.execute("UPDATE feed_page SET content_sha256 = repeat('0', 64) WHERE start_index = 10")
    nvd.broken, _ = set(), nvd.take()
    assert sync(store, feed, hours=1).records == 40
    assert nvd.take() == [10, 20, 30]


def test_a_total_that_changes_between_pages_starts_anew_next_time(store: Store, server: Script) -> None:
    nvd, feed = Nvd(server), source(server, "nvd", "/nvd", page_size=10)
    nvd.total = lambda start: 41 if start == 20 else 40
    outcome = sync(store, feed)
    assert (outcome.status, "total changed from 40 to 41" in (outcome.reason or "")) == (FeedStatus.QUARANTINED, True)
    nvd.total, _ = (lambda _start: 40), nvd.take()
    assert sync(store, feed, hours=1).records == 40
    assert nvd.take() == [0, 10, 20, 30]


def test_a_page_that_was_not_asked_for_is_refused(store: Store, server: Script) -> None:
    nvd, feed = Nvd(server), source(server, "nvd", "/nvd", page_size=10)
    nvd.start = lambda _start: 0
    outcome = sync(store, feed)
    assert "asked for the page at 10, the one at 0 came" in (outcome.reason or "")
    assert quarantine(store)


def test_the_next_run_asks_from_before_the_end_of_the_last(store: Store, server: Script) -> None:
    nvd, feed = Nvd(server), source(server, "nvd", "/nvd", page_size=10)
    assert sync(store, feed).ok
    first_end = nvd.windows[-1][1]
    assert sync(store, feed, hours=1).ok
    assert nvd.windows[-1][0] < first_end
    sync(store, feed, hours=24 * 400)
    began, ended = map(datetime.fromisoformat, nvd.windows[-1])
    assert ended - began == timedelta(days=120), "longer spans are not answered: it catches up over several syncs"


def test_a_key_makes_it_faster_and_stands_nowhere(
    store: Store, server: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "canary-0123456789-nvd"
    monkeypatch.setenv("SUTURE_NVD_API_KEY", key)
    nvd, feed = Nvd(server), source(server, "nvd", "/nvd", page_size=10, pause_seconds=6.0)
    slept: list[float] = []
    assert sync_source(store, feed, now=NOW, sleep=slept.append).ok
    assert slept == [0.6, 0.6, 0.6]
    assert {headers.get("apiKey") for _path, headers in server.requests} == {key}
    nvd.broken = {0}
    sync_source(store, feed, now=NOW + timedelta(hours=1), sleep=slept.append)
    for table in ("feed_snapshot", "feed_quarantine", "feed_page", "evidence"):
        assert key not in str(store._connection.execute(f"SELECT * FROM {table}").fetchall())  # type: ignore[call-overload]
    monkeypatch.delenv("SUTURE_NVD_API_KEY")
    slept.clear()
    nvd.broken = set()
    assert sync_source(store, feed, now=NOW + timedelta(hours=2), sleep=slept.append).ok
    assert slept == [6.0, 6.0, 6.0]


def test_403_means_later_where_the_source_says_so(store: Store, server: Script) -> None:
    tries: list[int] = []

    def forbidden_once(_query: dict[str, list[str]]) -> Answer:
        tries.append(1)
        return Answer(b"", 403) if len(tries) == 1 else nvd({**_query})

    nvd = Nvd(server)
    server.answers["/nvd"] = forbidden_once
    assert sync(store, source(server, "nvd", "/nvd", page_size=10, retries=1)).records == 40
