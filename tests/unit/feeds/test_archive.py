"""Advisories out of an archive's index: only what a host lacks, changelogs read once, mentions called mentions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from suture.errors import SutureError
from suture.feeds import FeedStatus
from suture.feeds.archive import VerifiedArchive, sync_archive
from suture.inventory.matching import match_all
from suture.model import Priority
from suture.store import Store
from tests.fleet_rows import NOW, add_advisory, add_host, install

pytestmark = pytest.mark.database


@dataclass(frozen=True)
class Package:
    name: str
    version: str
    source: str
    source_version: str
    architecture: str = "amd64"
    size: int = 100
    phased_percentage: int | None = None


@dataclass(frozen=True)
class Entry:
    version: str
    cves: tuple[str, ...]
    urgency: str = "high"
    date: Any = NOW
    text: str = "  * Fix things."


PACKAGES = (
    Package("nginx", "1.22.1-9+deb12u11", "nginx", "1.22.1-9+deb12u11"),
    Package("nginx-common", "1.22.1-9+deb12u11", "nginx", "1.22.1-9+deb12u11", "all", 10),
    Package("apache2", "2.4.67-1~deb12u1", "apache2", "2.4.67-1~deb12u1"),
)
ARCHIVE = VerifiedArchive(
    "debian-security",
    "bookworm-security",
    "apt:debian-security",
    "bookworm",
    NOW - timedelta(hours=3),
    "ab",
    PACKAGES,
    True,
)


class Changelogs:
    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.error: SutureError | None = None

    def read(self, package: Package, oldest: str) -> Sequence[Entry] | None:
        self.asked.append((package.name, oldest))
        if self.error:
            raise self.error
        if package.name == "nginx-common":
            return None
        return [
            Entry("1.22.1-9+deb12u11", ("CVE-2026-42533", "CVE-2023-44487")),
            Entry("1.22.1-9+deb12u10", ("CVE-2023-44487",)),
        ]


@pytest.fixture
def fleet(store: Store) -> Store:
    add_host(store, "app1")
    install(store, "app1", "nginx", "1.22.1-9+deb12u9")
    return store


def sync(store: Store, logs: Changelogs, archive: VerifiedArchive = ARCHIVE, hours: int = 0) -> Any:
    return sync_archive(store, archive, read_changelog=logs.read, now=NOW + timedelta(hours=hours))


def test_only_what_a_host_lacks_becomes_an_advisory(fleet: Store) -> None:
    logs = Changelogs()
    outcome = sync(fleet, logs)
    assert (outcome.status, outcome.records) == (FeedStatus.ACCEPTED, 1)
    assert logs.asked == [("nginx-common", "1.22.1-9+deb12u9"), ("nginx", "1.22.1-9+deb12u9")]
    (row,) = fleet.fetch_all("advisory/list_source_advisories", {"source": "debian-security"})
    assert (row["advisory_id"], row["codename"]) == ("debian-security/nginx@1.22.1-9+deb12u11", "bookworm")
    assert row["details"]["entries"] == ["1.22.1-9+deb12u11", "1.22.1-9+deb12u10"]
    match_all(fleet, now=NOW, unscored_priority=Priority.SCHEDULED, unscored_deadline=timedelta(days=14))
    ids = [row["advisory_id"] for row in fleet._connection.execute("SELECT advisory_id FROM advisory").fetchall()]
    (cves,) = fleet.fetch_all("advisory/list_advisory_cves", {"advisory_ids": ids})
    assert cves["cve_ids"] == ["CVE-2023-44487", "CVE-2026-42533"]


def test_an_unchanged_archive_is_not_read_again(fleet: Store) -> None:
    logs = Changelogs()
    sync(fleet, logs)
    logs.asked.clear()
    sync(fleet, logs, hours=1)
    assert sync(fleet, logs, hours=2).status is FeedStatus.UNCHANGED
    assert logs.asked == []
    add_host(fleet, "app2")
    install(fleet, "app2", "nginx", "1.22.1-9+deb12u3")
    sync(fleet, logs, hours=3)
    assert logs.asked == [("nginx-common", "1.22.1-9+deb12u3"), ("nginx", "1.22.1-9+deb12u3")]


def test_a_changelog_that_cannot_be_read_is_left_out_and_tried_again(fleet: Store) -> None:
    logs = Changelogs()
    logs.error = SutureError("the .deb is not what was listed")
    outcome = sync(fleet, logs)
    assert (outcome.records, outcome.quarantined) == (0, 1)
    logs.error = None
    assert sync(fleet, logs, hours=1).records == 1


def test_an_older_release_is_refused(fleet: Store) -> None:
    logs = Changelogs()
    sync(fleet, logs)
    older = replace(ARCHIVE, release_date=NOW - timedelta(days=2), inrelease_sha256="cd")
    assert sync(fleet, logs, older, hours=1).status is FeedStatus.REPLAYED


def test_a_vendors_index_names_the_packages_of_its_own_advisories(store: Store) -> None:
    add_host(store, "app1")
    install(store, "app1", "acme-portal", "1.0.0")
    add_advisory(store, "acme-portal", "1.0.1", source="vendor", codename=None, packages=("other",))
    vendor = VerifiedArchive(
        "vendor", "stable", "apt:vendor", None, NOW, "ef",
        (Package("acme-portal", "1.0.1", "acme-portal", "1.0.1", "all"),), False,
    )  # fmt: skip
    logs = Changelogs()
    assert sync(store, logs, vendor).status is FeedStatus.ACCEPTED
    assert logs.asked == []
    for number, share in enumerate((20, None), start=1):
        phased = replace(vendor.packages[0], phased_percentage=share)  # type: ignore[type-var]
        later = replace(vendor, packages=(phased,), inrelease_sha256=f"f{number}", release_date=NOW + timedelta(hours=number))
        assert sync(store, logs, later, hours=number).status is FeedStatus.ACCEPTED
        query = "SELECT phased_percentage FROM advisory_package WHERE package = 'acme-portal'"
        assert [row["phased_percentage"] for row in store._connection.execute(query)] == [share or 100]
    rows = store.fetch_all(
        "planning/list_planned_packages", {"host_ids": ["app1"], "advisory_ids": ["vendor/acme-portal@1.0.1"]}
    )
    assert [(row["package"], row["version"]) for row in rows] == [("acme-portal", "1.0.1")]
