"""What vendors and threat intelligence say, for whoever shows it: pure reading, rows as the warehouse holds them.

Texts are strangers' and must be escaped by whoever shows them; `url` is https or None.
"""

from __future__ import annotations

from typing import Any

from suture.store import Store


def vex_statements(store: Store, source: str | None = None) -> list[dict[str, Any]]:
    """The statements that count now (view vex_current), of one feed or, with None, of all."""
    return store.fetch_all("vex/list_vex_statements", {"source": source})


def threat_signals(store: Store, cve_id: str | None = None) -> list[dict[str, Any]]:
    """Live indicators, sightings, relationships and vulnerabilities that name a CVE; None: all."""
    return store.fetch_all("threat/list_threat_signals", {"cve_id": cve_id})


def notices(store: Store, cve_id: str | None = None, *, max_rows: int = 200) -> list[dict[str, Any]]:
    """Messages and release entries that mention a CVE (None: any), the latest first."""
    return store.fetch_all("notice/list_notices", {"cve_id": cve_id, "max_rows": max_rows})


def advisory_ranges(store: Store, ecosystem: str, package: str) -> list[dict[str, Any]]:
    """Which versions of a package advisories are about."""
    return store.fetch_all("advisory/list_advisory_ranges", {"ecosystem": ecosystem, "package": package})


def advisory_revisions(store: Store, source: str) -> list[dict[str, Any]]:
    """A feed's notices (DSA, DLA, USN) with their revisions, the oldest first."""
    return store.fetch_all("advisory/list_advisory_revisions", {"source": source})
