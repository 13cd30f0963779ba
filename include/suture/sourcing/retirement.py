"""Retiring a version: what was rolled back is never offered again.

First the store remembers (no intake takes it in again), then the internal repository drops it. A failure between
the two leaves the version forbidden and still on offer; running it again completes it.
"""

from __future__ import annotations

from datetime import datetime

from suture import evidence
from suture.settings import Settings
from suture.sourcing.intake import quarantine_of, repository_of
from suture.store import Store, sources


def retire(
    store: Store,
    settings: Settings,
    *,
    source_package: str,
    source_version: str,
    campaign_id: str | None,
    reason: str,
    actor: str,
    now: datetime,
) -> str | None:
    """Forbid a source version for good and take it off the internal repository.

    The repository's new snapshot; None when it was not on offer. May be repeated. Raises StoreError,
    InternalRepositoryError, AptlyError, SigningError.
    """
    with store.transaction():
        is_new = sources.retire_version(
            store,
            source_package=source_package,
            source_version=source_version,
            campaign_id=campaign_id,
            reason=reason,
            retired_at=now,
        )
        if is_new:
            evidence.record(
                store,
                actor=actor,
                action="version_retired",
                subject=f"package:{source_package}@{source_version}",
                campaign_id=campaign_id,
                grounds={"reason": reason},
                at=now,
            )
    quarantine = quarantine_of(settings)
    if (quarantine.public / "dists").exists():
        quarantine.retire(source_package, source_version, now=now)
    return repository_of(settings).retire(source_package, source_version, now=now)
