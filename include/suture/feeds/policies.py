"""feeds.yaml, typed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from suture import policy
from suture.errors import BadInputError


@dataclass(frozen=True)
class FeedSource:
    """One source. dated_snapshot: the date of the copy that is read in place of the live endpoint; None: it is live.

    max_data_age, advisory_source, codename: None where policy says nothing. allowed_hosts holds the url's own host too.
    """

    name: str
    format: str
    transport: str
    url: str
    allowed_hosts: frozenset[str]
    lab: bool
    dated_snapshot: date | None
    required: bool
    enabled: bool
    timeout_seconds: float
    total_seconds: float
    max_bytes: int
    retries: int
    retry_wait_seconds: float
    max_retry_wait_seconds: float
    max_shrink_share: float
    min_records: int
    freshness: timedelta
    max_data_age: timedelta | None
    page_size: int
    pause_seconds: float
    first_days: int
    refresh: timedelta
    max_requests: int
    advisory_source: str | None
    suite: str
    codename: str | None
    keyrings: tuple[Path, ...] = ()  # keys that sign the documents; relative paths lie beside the policy
    fingerprints: frozenset[str] = frozenset()  # the pinned ones among them
    unsigned: bool = False  # policy says that documents without a signature are good enough

    def with_url(self, url: str) -> FeedSource:
        return replace(self, url=url)


@dataclass(frozen=True)
class FeedsPolicy:
    """The sources in the policy's order: those whose requests follow from others' data stand last."""

    sources: tuple[FeedSource, ...]

    @classmethod
    def load(cls, policy_dir: Path) -> FeedsPolicy:
        """Read feeds.yaml. Raises PolicyError, and BadInputError for a name used twice or a url without its place."""
        found = policy.load(policy_dir / "feeds.yaml", "feeds")
        sources = tuple(_source({**found["defaults"], **entry}, policy_dir) for entry in found["sources"])
        names = [source.name for source in sources]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise BadInputError(f"feeds.yaml names the source {twice[0]!r} twice.")
        return cls(sources)

    def source(self, name: str) -> FeedSource:
        for source in self.sources:
            if source.name == name:
                return source
        known = ", ".join(source.name for source in self.sources)
        raise BadInputError(f"There is no feed {name!r}; feeds.yaml knows {known}.")


def _source(entry: Mapping[str, Any], policy_dir: Path) -> FeedSource:
    if (entry["transport"] == "records") != ("{cve_id}" in entry["url"]):
        raise BadInputError(
            f"feeds.yaml: the url of {entry['name']} must hold {{cve_id}} if, and only if, it is `records`."
        )
    if entry["transport"] == "csaf" and entry.get("unsigned", False) == bool(entry.get("fingerprints")):
        raise BadInputError(
            f"feeds.yaml: {entry['name']} must either pin the fingerprints that sign its documents, or say `unsigned: true`."
        )
    if bool(entry.get("keyrings")) != bool(entry.get("fingerprints")):
        raise BadInputError(f"feeds.yaml: {entry['name']} must name keyrings and fingerprints together.")
    own_host = urlsplit(entry["url"]).hostname or ""
    age = entry.get("max_data_age_hours")
    return FeedSource(
        name=entry["name"],
        format=entry["format"],
        transport=entry["transport"],
        url=entry["url"],
        allowed_hosts=frozenset({own_host, *entry.get("allowed_hosts", ())}),
        lab=entry.get("lab", False),
        dated_snapshot=date.fromisoformat(entry["dated_snapshot"]) if "dated_snapshot" in entry else None,
        required=entry.get("required", False),
        enabled=entry["enabled"],
        timeout_seconds=entry["timeout_seconds"],
        total_seconds=entry["total_seconds"],
        max_bytes=entry["max_bytes"],
        retries=entry["retries"],
        retry_wait_seconds=entry["retry_wait_seconds"],
        max_retry_wait_seconds=entry["max_retry_wait_seconds"],
        max_shrink_share=entry["max_shrink_share"],
        min_records=entry["min_records"],
        freshness=timedelta(hours=entry["freshness_hours"]),
        max_data_age=timedelta(hours=age) if age else None,
        page_size=entry.get("page_size", 2000),
        pause_seconds=entry.get("pause_seconds", 0),
        first_days=entry.get("first_days", 30),
        refresh=timedelta(hours=entry.get("refresh_hours", 24)),
        max_requests=entry.get("max_requests", 2000),
        advisory_source=entry.get("advisory_source"),
        suite=entry.get("suite", ""),
        codename=entry.get("codename"),
        keyrings=tuple(policy_dir / keyring for keyring in entry.get("keyrings", ())),
        fingerprints=frozenset(entry.get("fingerprints", ())),
        unsigned=entry.get("unsigned", False),
    )
