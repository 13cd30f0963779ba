"""Syncing against a scripted server on loopback: whatever it sends, what was good before stands."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from suture import evidence
from suture.feeds import FeedOutcome, FeedSource, FeedStatus, feed_health, require_fresh, sync_source
from suture.feeds.errors import StaleFeedError
from suture.feeds.policies import FeedsPolicy
from suture.settings import PROJECT_ROOT
from suture.store import Store
from tests.fleet_rows import NOW, add_advisory

pytestmark = pytest.mark.database
SNAPSHOT = PROJECT_ROOT / "lab" / "feeds"


@dataclass
class Answer:
    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut_after: int | None = None


class Script:
    """What the server answers, by path; every request is kept."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer | Callable[[dict[str, list[str]]], Answer]] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.url = ""

    def put(self, path: str, body: bytes | Any, **options: Any) -> None:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.answers[path] = Answer(raw, **options)


@pytest.fixture
def server() -> Iterator[Script]:
    script = Script()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            script.requests.append((self.path, dict(self.headers.items())))
            answer = script.answers.get(parts.path, Answer(b"", 404))
            if callable(answer):
                answer = answer(parse_qs(parts.query))
            etag = answer.headers.get("ETag")
            if etag and self.headers.get("If-None-Match") == etag:
                answer = Answer(b"", 304)
            self.send_response(answer.status)
            for name, value in {"Content-Type": "application/json", **answer.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body[: answer.cut_after])
            if answer.cut_after is not None:
                self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None: ...

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    script.url = f"http://127.0.0.1:{httpd.server_address[1]}"
    thread = threading.Thread(target=httpd.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield script
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()


def source(server: Script, name: str, path: str, **changes: Any) -> FeedSource:
    """A source of the production policy, pointed at the scripted server."""
    known = FeedsPolicy.load(PROJECT_ROOT / "include" / "policy").source(name)
    quick = {"retries": 1, "retry_wait_seconds": 0.0, "pause_seconds": 0.0, "min_records": 0, "timeout_seconds": 60.0}
    return replace(
        known, url=server.url + path, allowed_hosts=frozenset({"127.0.0.1"}), lab=True, **{**quick, **changes}
    )


def sync(store: Store, feed: FeedSource, *, hours: float = 0) -> FeedOutcome:
    return sync_source(store, feed, now=NOW + timedelta(hours=hours), sleep=lambda _seconds: None)


def catalogue(ids: list[str], released: str = "2026-11-20T10:00:00Z", **extra: Any) -> dict[str, Any]:
    entries = [
        {"cveID": cve, "vulnerabilityName": f"name of {cve}", "dateAdded": "2024-01-02", "dueDate": "2024-01-23"}
        for cve in ids
    ]
    return {
        "title": "t", "catalogVersion": "1", "dateReleased": released, "count": len(entries), "vulnerabilities": entries,
        **extra,
    }  # fmt: skip


IDS = [f"CVE-2024-{number}" for number in range(10000, 10040)]
OK = FeedStatus.ACCEPTED


def kev_ids(store: Store) -> list[str]:
    return [row["cve_id"] for row in store.fetch_all("feed/list_kev_ids")]


def quarantine(store: Store) -> list[dict[str, Any]]:
    return store.fetch_all("feed/list_feed_quarantine", {"source": None, "max_rows": 100})


def test_a_good_copy_is_taken_in_and_asked_for_conditionally_afterwards(store: Store, server: Script) -> None:
    server.put("/kev", catalogue(IDS), headers={"ETag": '"one"'})
    feed = source(server, "kev", "/kev", dated_snapshot=date(2026, 11, 23))
    outcome = sync(store, feed)
    assert (outcome.status, outcome.records, outcome.quarantined) == (OK, 40, 0)
    assert "dated snapshot of 2026-11-23" in outcome.sentence
    assert kev_ids(store) == IDS
    assert sync(store, feed, hours=1).status is FeedStatus.UNCHANGED
    assert server.requests[-1][1]["If-None-Match"] == '"one"'
    rows = store.fetch_all("evidence/list_evidence", {"campaign_id": None})
    assert [row["action"] for row in rows] == ["feed_accepted"]
    assert evidence.verify_rows(rows) == []


BAD_COPIES: dict[str, tuple[Any, dict[str, Any], FeedStatus, str]] = {
    "not JSON": (b"{ this is not", {}, FeedStatus.QUARANTINED, "not as it should be"),
    "truncated": (json.dumps(catalogue(IDS)).encode()[:-200], {}, FeedStatus.QUARANTINED, "not as it should be"),
    "empty": (b"", {}, FeedStatus.QUARANTINED, "it is empty"),
    "web page, said": (b"<html>", {"headers": {"Content-Type": "text/html"}}, FeedStatus.QUARANTINED, "web page"),
    "web page, unsaid": (b"<!DOCTYPE html><p>Sorry", {}, FeedStatus.QUARANTINED, "web page"),
    "another document": ({"hello": 1}, {}, FeedStatus.QUARANTINED, "missing required field"),
    "fewer than it says": (catalogue(IDS, count=50), {}, FeedStatus.QUARANTINED, "not a whole copy"),
    "shrunk": (catalogue(IDS[:30]), {}, FeedStatus.QUARANTINED, "shrank"),
    "no entries": (catalogue([]), {}, FeedStatus.QUARANTINED, "shrank"),
    "future": (catalogue(IDS, "2027-06-01T00:00:00Z"), {}, FeedStatus.QUARANTINED, "future"),
    "replayed": (catalogue([*IDS, "CVE-2024-99999"], "2026-11-01T10:00:00Z"), {}, FeedStatus.REPLAYED, "accepted before"),
    "a key twice": (b'{"count": 1, ' + json.dumps(catalogue(IDS)).encode()[1:], {}, FeedStatus.QUARANTINED, "twice"),
    "bomb": (gzip.compress(b" " * 30_000_000), {}, FeedStatus.QUARANTINED, "inflates to more"),
    "too long": (b" " * 3_000_000, {}, FeedStatus.QUARANTINED, "longer than"),
    "deep": (b"[" * 100_000, {}, FeedStatus.QUARANTINED, "nested too deep"),
    "broken off": (catalogue(IDS), {"cut_after": 500}, FeedStatus.UNREACHABLE, "no answer"),
    "service down": (b"", {"status": 503}, FeedStatus.UNREACHABLE, "answers 503"),
    "gone": (b"", {"status": 404}, FeedStatus.UNREACHABLE, "is not there"),
    "sent elsewhere": (
        b"", {"status": 302, "headers": {"Location": "http://169.254.169.254/latest"}}, FeedStatus.QUARANTINED, "allows",
    ),
    "sent to a file": (b"", {"status": 302, "headers": {"Location": "file:///etc/passwd"}}, FeedStatus.QUARANTINED, "allows"),
    "sent in a circle": (b"", {"status": 302, "headers": {"Location": "/kev"}}, FeedStatus.QUARANTINED, "redirects"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_COPIES)
def test_a_bad_copy_changes_nothing_and_says_why(store: Store, server: Script, name: str) -> None:
    server.put("/kev", catalogue(IDS))
    feed = source(server, "kev", "/kev", max_bytes=2_000_000)
    assert sync(store, feed).status is OK
    before = store.fetch_all("feed/list_kev_ids")
    body, options, status, reason = BAD_COPIES[name]
    server.put("/kev", body, **options)
    outcome = sync(store, feed, hours=1)
    assert (outcome.status, outcome.ok) == (status, False)
    assert reason in (outcome.reason or "")
    assert "The last good data stands." in outcome.sentence
    assert store.fetch_all("feed/list_kev_ids") == before
    (health,) = feed_health(store, FeedsPolicy((feed,)), now=NOW + timedelta(hours=1))
    assert (health.records, health.last_status, health.stale) == (40, status.value, False)


def test_bad_records_are_left_out_and_kept_in_the_quarantine(store: Store, server: Script) -> None:
    hostile = catalogue([*IDS, "CVE-1; DROP TABLE kev", "CVE-2024-2000\u0000"])
    hostile["vulnerabilities"][0]["dateAdded"] = "2031-01-01"
    hostile["vulnerabilities"][1]["dateAdded"] = "yesterday"
    hostile["vulnerabilities"][2]["vulnerabilityName"] = "{{ 7*7 }} <script>alert(1)</script> ${jndi:ldap://x}"
    server.put("/kev", hostile)
    outcome = sync(store, source(server, "kev", "/kev"))
    assert (outcome.status, outcome.records, outcome.quarantined) == (OK, 38, 4)
    assert set(kev_ids(store)) == set(IDS[2:])
    reasons = " ".join(row["reason"] for row in quarantine(store))
    for expected in ("not the id of a CVE", "in the future", "NUL", "dateAdded"):
        assert expected in reasons


def test_a_double_id_and_a_key_twice_in_a_record_are_left_out(store: Store, server: Script) -> None:
    raw = json.dumps(catalogue([*IDS, IDS[0]])).replace(
        f'"cveID": "{IDS[1]}"', f'"cveID": "{IDS[1]}", "cveID": "CVE-2024-66666"'
    )
    server.put("/kev", raw.encode())
    sync(store, source(server, "kev", "/kev"))
    assert set(kev_ids(store)) == set(IDS[2:])


def test_what_leaves_the_catalogue_stays_until_a_person_removes_it(store: Store, server: Script) -> None:
    feed = source(server, "kev", "/kev")
    server.put("/kev", catalogue(IDS))
    sync(store, feed)
    server.put("/kev", catalogue(IDS[1:], "2026-11-21T10:00:00Z"))
    assert sync(store, feed, hours=1).status is OK
    assert IDS[0] in kev_ids(store)
    assert [row["record_id"] for row in quarantine(store)] == [IDS[0]]


def test_a_stale_required_feed_is_named(store: Store, server: Script) -> None:
    feed = source(server, "kev", "/kev")
    policy = FeedsPolicy((feed,))
    with pytest.raises(StaleFeedError, match="never loaded"):
        require_fresh(store, policy, now=NOW)
    server.put("/kev", catalogue(IDS))
    sync(store, feed)
    require_fresh(store, policy, now=NOW + timedelta(hours=20))
    with pytest.raises(StaleFeedError, match="stale"):
        require_fresh(store, policy, now=NOW + timedelta(hours=27))
    require_fresh(store, FeedsPolicy((replace(feed, required=False),)), now=NOW + timedelta(hours=27))


def test_what_a_mirror_that_stands_still_serves_grows_old_visibly_and_is_stale_at_last(store: Store, server: Script) -> None:
    feed = source(server, "kev", "/kev")
    server.put("/kev", catalogue(IDS))
    policy = FeedsPolicy((feed,))
    said = []
    for days, stale in ((0, False), (20, False), (30, True)):
        sync(store, feed, hours=24 * days)
        (health,) = feed_health(store, policy, now=NOW + timedelta(days=days))
        assert health.stale is stale
        said.append(health.sentence)
    assert "its data of 2026-11-20, 3 days old)" in said[0]
    assert "its data of 2026-11-20, 23 days old)" in said[1]
    assert "its data of 2026-11-20, 33 days old)" in said[2]
    assert said[2].endswith("; stale.")
    with pytest.raises(StaleFeedError, match="33 days old"):
        require_fresh(store, policy, now=NOW + timedelta(days=30))
    dated = replace(feed, dated_snapshot=date(2026, 11, 20))  # policy itself asks for a copy of that day
    require_fresh(store, FeedsPolicy((dated,)), now=NOW + timedelta(days=30))
    with pytest.raises(StaleFeedError):  # but no copy may be older than it would be accepted
        require_fresh(store, FeedsPolicy((replace(dated, max_data_age=timedelta(days=10)),)), now=NOW + timedelta(days=30))


EPSS = "#model_version:v2025.03.14,score_date:2026-11-23T00:00:00+0000\ncve,epss,percentile\n"


def test_epss_rows_out_of_range_are_left_out(store: Store, server: Script) -> None:
    rows = "CVE-2024-10000,0.5,0.9\nCVE-2024-10001,1.5,0.9\nCVE-2024-10002,nan,0.9\nCVE-2024-10003,x\n"
    server.put("/epss", gzip.compress((EPSS + rows).encode()))
    outcome = sync(store, source(server, "epss", "/epss"))
    assert (outcome.records, outcome.quarantined) == (1, 3)
    server.put("/epss", (EPSS.replace("2026-11-23", "2026-11-01")).encode())
    assert sync(store, source(server, "epss", "/epss", max_data_age=None)).status is FeedStatus.REPLAYED


def test_nvd_is_read_page_by_page(store: Store, server: Script) -> None:
    def page(query: dict[str, list[str]]) -> Answer:
        start = int(query["startIndex"][0])
        items = [
            {"cve": {
                "id": cve, "published": "2024-01-01T00:00:00.000", "lastModified": "2026-11-20T00:00:00.000",
                "vulnStatus": "Analyzed", "metrics": {"cvssMetricV31": [{"source": "nvd@nist.gov", "cvssData": {
                    "version": "3.1", "vectorString": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "baseScore": 9.8,
                }}]},
            }}
            for cve in IDS[start : start + 25]
        ]  # fmt: skip
        body = {
            "resultsPerPage": len(items), "startIndex": start, "totalResults": 40, "format": "NVD_CVE", "version": "2.0",
            "timestamp": "2026-11-23T11:00:00.000", "vulnerabilities": items,
        }  # fmt: skip
        return Answer(json.dumps(body).encode())

    server.answers["/nvd"] = page
    outcome = sync(store, source(server, "nvd", "/nvd", page_size=25))
    assert (outcome.status, outcome.records) == (OK, 40)
    assert [int(parse_qs(urlsplit(path).query)["startIndex"][0]) for path, _headers in server.requests] == [0, 25]
    facts = store.fetch_all("feed/list_cve_dates", {"cve_ids": IDS, "source": "nvd"})
    assert len(facts) == 40


def test_cve_records_are_asked_for_one_by_one_and_gaps_are_facts(store: Store, server: Script) -> None:
    named = ("CVE-2024-28757", "CVE-2023-44487", "CVE-2026-118899", "CVE-2026-42533", "CVE-2026-61548")
    add_advisory(store, "expat", "2.0", cves=named)
    for cve in named[:2]:
        server.put(f"/cve/{cve}", (SNAPSHOT / "cve5" / f"{cve}.json").read_bytes(), headers={"ETag": f'"{cve}"'})
    server.put(f"/cve/{named[3]}", b"<html>Sorry")
    server.put(f"/cve/{named[4]}", (SNAPSHOT / "cve5" / "CVE-2024-28757.json").read_bytes())
    feed = source(server, "cve5", "/cve/{cve_id}")
    outcome = sync(store, feed)
    assert (outcome.status, outcome.records, outcome.quarantined) == (OK, 2, 2)
    assert "1 of 5 CVEs have no record there" in (outcome.reason or "")
    assert any("the answer is the record of CVE-2024-28757" in row["reason"] for row in quarantine(store))
    assert sync(store, feed, hours=1).reason == "no record is due"
    asked = len(server.requests)
    assert sync(store, feed, hours=25).status in (OK, FeedStatus.QUARANTINED, FeedStatus.UNCHANGED)
    assert len(server.requests) == asked + 5
    assert len(store.fetch_all("feed/list_cve_dates", {"cve_ids": list(named), "source": "cve5"})) == 2


def test_asking_for_records_ends_with_the_sources_time_and_goes_on_at_the_next_sync(
    store: Store, server: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = ("CVE-2024-28757", "CVE-2023-44487")
    add_advisory(store, "expat", "2.0", cves=named)
    passed = [0.0]

    def answer(cve: str) -> Callable[[dict[str, list[str]]], Answer]:
        def slowly(_query: dict[str, list[str]]) -> Answer:
            passed[0] += 120
            return Answer((SNAPSHOT / "cve5" / f"{cve}.json").read_bytes())

        return slowly

    for cve in named:
        server.answers[f"/cve/{cve}"] = answer(cve)
    real = time.monotonic
    monkeypatch.setattr("suture.feeds.fetch.time", SimpleNamespace(monotonic=lambda: real() + passed[0]))
    feed = source(server, "cve5", "/cve/{cve_id}", sync_seconds=100, total_seconds=500)
    first = sync(store, feed)
    assert (first.status, first.records) == (OK, 1)
    assert first.reason == "stopped after 1 of 2 records: its 100 s are over"
    assert sync(store, feed).records == 1
    assert {path for path, _headers in server.requests} == {f"/cve/{cve}" for cve in named}
    assert len(server.requests) == 2  # each was asked for once


def test_an_older_copy_of_a_record_is_refused(store: Store, server: Script) -> None:
    cve = "CVE-2026-77214"
    add_advisory(store, "expat", "2.0", cves=(cve,))
    record = json.loads((SNAPSHOT / "cve5" / f"{cve}.json").read_bytes())
    server.put(f"/cve/{cve}", record)
    feed = source(server, "cve5", "/cve/{cve_id}")
    sync(store, feed)
    record["cveMetadata"]["dateUpdated"] = "2026-10-08T00:00:00Z"
    record["containers"]["cna"]["metrics"] = []
    server.put(f"/cve/{cve}", record)
    outcome = sync(store, feed, hours=25)
    assert outcome.status is FeedStatus.QUARANTINED
    assert "older than the record we have" in quarantine(store)[0]["reason"]


def test_a_vendors_osv_feed_makes_advisories(store: Store, server: Script) -> None:
    advisories = [
        json.loads(path.read_bytes()) for path in sorted((PROJECT_ROOT / "lab/vendor/advisories").glob("*.json"))
    ]
    assert advisories
    server.put("/osv", {"published": "2026-11-23T09:00:00+00:00", "advisories": advisories})
    kev = source(server, "kev", "/osv")
    feed = replace(kev, name="lab-vendor", format="osv", advisory_source="vendor", suite="stable")
    outcome = sync(store, feed)
    assert (outcome.status, outcome.records) == (OK, len(advisories))
    rows = store.fetch_all("advisory/list_source_advisories", {"source": "vendor"})
    assert {row["fixed_version"] for row in rows} == {"1.0.1", "1.0.2"}


def test_http_is_asked_only_in_a_lab_and_only_on_loopback(store: Store, server: Script) -> None:
    server.put("/kev", catalogue(IDS))
    feed = source(server, "kev", "/kev")
    assert sync(store, replace(feed, lab=False)).status is FeedStatus.QUARANTINED
    elsewhere = replace(feed, url="http://example.org/kev", allowed_hosts=frozenset({"example.org"}))
    assert sync(store, elsewhere).status is FeedStatus.QUARANTINED
    named = replace(feed, url=feed.url.replace("http://", "http://user:word@"))
    assert "user name" in (sync(store, named).reason or "")
    assert server.requests == []
