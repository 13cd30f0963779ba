"""feeds.yaml, typed."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from suture import policy
from suture.errors import BadInputError
from suture.feeds.feed_source import FeedSource
from suture.feeds.plugin import default_entry
from suture.feeds.sources import FORMATS

__all__ = ["FeedSource", "FeedsPolicy"]


@dataclass(frozen=True)
class FeedsPolicy:
    """The sources in the policy's order: those whose requests follow from others' data stand last."""

    sources: tuple[FeedSource, ...]

    @classmethod
    def load(cls, policy_dir: Path) -> FeedsPolicy:
        """Read feeds.yaml, each entry on top of its source's own config.yaml.

        Raises PolicyError, and BadInputError for a name used twice, an unknown format or a url without its place.
        """
        found = policy.load(policy_dir / "feeds.yaml", "feeds")
        sources = tuple(_source(_whole(found["defaults"], entry), policy_dir) for entry in found["sources"])
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


def _whole(defaults: Mapping[str, Any], entry: Mapping[str, Any]) -> dict[str, Any]:
    """The organisation's defaults, then the source's config.yaml, then the entry itself.

    An entry with an address of its own does not inherit the hosts that the publisher's address may lead to.
    """
    name = entry.get("format", entry["name"])
    if name not in FORMATS:
        raise BadInputError(
            f"feeds.yaml: {entry['name']} is of the format {name!r}; there are {', '.join(sorted(FORMATS))}."
        )
    config = dict(default_entry(name))
    if "url" in entry:
        config.pop("allowed_hosts", None)
    return {**defaults, **config, **entry, "format": name}


def _source(entry: Mapping[str, Any], policy_dir: Path) -> FeedSource:
    lacking = [key for key in ("url", "transport") if key not in entry]
    if lacking:
        raise BadInputError(f"feeds.yaml: {entry['name']} has no {lacking[0]}, and its format brings none: give it one.")
    if (entry["transport"] == "records") != ("{cve_id}" in entry["url"]):
        raise BadInputError(
            f"feeds.yaml: the url of {entry['name']} must hold {{cve_id}} if, and only if, it is `records`."
        )
    if not _networks_readable(entry.get("allowed_networks", ())):
        raise BadInputError(f"feeds.yaml: allowed_networks of {entry['name']} must be networks such as 10.20.0.0/16.")
    pinned = bool(entry.get("fingerprints"))
    if entry["enabled"] and entry["transport"] == "csaf" and entry.get("unsigned", False) == pinned:
        raise BadInputError(
            f"feeds.yaml: {entry['name']} must either pin the fingerprints that sign its documents, or say `unsigned: true`."
        )
    if bool(entry.get("keyrings")) != pinned:
        raise BadInputError(f"feeds.yaml: {entry['name']} must name keyrings and fingerprints together.")
    own_host = urlsplit(entry["url"]).hostname or ""
    age, standing = entry.get("max_data_age_hours"), entry.get("data_freshness_hours")
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
        connect_seconds=entry.get("connect_seconds", 10.0),
        sync_seconds=entry.get("sync_seconds", 1200.0),
        max_total_bytes=entry.get("max_total_bytes", entry["max_bytes"]),
        max_files=entry.get("max_files", 500_000),
        allowed_networks=tuple(entry.get("allowed_networks", ())),
        try_again_statuses=frozenset(entry.get("try_again_statuses", ())),
        pages_keep=timedelta(hours=entry.get("pages_keep_hours", 24)),
        key_environment=entry.get("key_environment"),
        key_header=entry.get("key_header"),
        pause_seconds_with_key=entry.get("pause_seconds_with_key"),
        keyrings=tuple(policy_dir / keyring for keyring in entry.get("keyrings", ())),
        fingerprints=frozenset(entry.get("fingerprints", ())),
        unsigned=entry.get("unsigned", False),
        data_freshness=timedelta(hours=standing) if standing else None,
    )


def _networks_readable(networks: Sequence[str]) -> bool:
    """Whether each is a network in CIDR notation."""
    try:
        return all(ipaddress.ip_network(network) for network in networks)
    except ValueError:
        return False
