"""A TAXII 2.1 collection on loopback: pages, the server's clock, and answers that are no TAXII."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from suture.feeds import FeedStatus, sync_source
from suture.store import Store
from tests.fleet_rows import NOW
from tests.unit.feeds.sources.conftest import Site, feed
from tests.unit.feeds.sources.test_stix import INDICATOR, objects

pytestmark = pytest.mark.database
PATH = "/api1/collections/c1/objects/"
TAXII = "application/taxii+json;version=2.1"


def sync(store: Store, site: Site, hours: float = 0) -> Any:
    source = feed(site, "intel", "stix", "taxii", PATH)
    return sync_source(store, source, now=NOW + timedelta(hours=hours), sleep=lambda _seconds: None)


def test_pages_are_followed_and_the_next_sync_asks_for_what_came_later(store: Store, site: Site) -> None:
    first, *rest = objects()
    added = {"X_TAXII_Date_Added_Last": "2026-11-20T10:00:00.000000Z"}
    site.put(PATH, {"more": True, "next": "a&b", "objects": [first]}, TAXII, **added)
    site.put(PATH, {"more": False, "objects": rest}, TAXII, **added)
    outcome = sync(store, site)
    assert (outcome.status, outcome.records) == (FeedStatus.ACCEPTED, 4)
    assert [query.get("next") for _path, query, _headers in site.requests] == [None, ["a&b"]]
    assert site.requests[0][2]["Accept"] == TAXII
    rows = {row["signal_id"]: row for row in store.fetch_all("threat/list_threat_signals", {"cve_id": "CVE-2026-1234"})}
    assert rows[INDICATOR]["source"] == "intel"  # its vulnerability stood on another page
    site.replace(PATH, {}, TAXII)
    assert sync(store, site, 1).status is FeedStatus.UNCHANGED
    assert site.requests[-1][1]["added_after"] == ["2026-11-20T10:00:00.000000Z"]


BAD = {
    "another type": ([({"objects": []}, "application/json", {})], "not TAXII 2.1"),
    "another version": ([({"objects": []}, "application/taxii+json;version=2.0", {})], "not TAXII 2.1"),
    "more, and not where": ([({"more": True, "objects": objects()}, TAXII, {})], "it says that there is more, and not where"),
    "a circle": ([({"more": True, "next": "1", "objects": objects()}, TAXII, {})], "it goes round in a circle"),
    "an empty page": ([({"more": True, "next": "1", "objects": []}, TAXII, {})], "it is empty, with more"),
    "no date": ([({"objects": objects()}, TAXII, {"X_TAXII_Date_Added_Last": "soon"})], "'soon' is no date"),
    "the future": ([({"objects": objects()}, TAXII, {"X_TAXII_Date_Added_Last": "2030-01-01T00:00:00Z"})], "lies in the future"),
    "no JSON": ([(b"{", TAXII, {})], "not as it should be"),
    "a page that breaks": (
        [({"more": True, "next": "1", "objects": objects()}, TAXII, {}), (b'{"objects": [', TAXII, {})], "page 1",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_half_a_collection_is_not_taken_in(store: Store, site: Site, name: str) -> None:
    answers, reason = BAD[name]
    for content, kind, headers in answers:
        site.put(PATH, content, kind, **headers)
    outcome = sync(store, site)
    assert outcome.status is FeedStatus.QUARANTINED
    assert reason in (outcome.reason or "")
    assert store.fetch_all("threat/list_threat_signals", {"cve_id": "CVE-2026-1234"}) == []
