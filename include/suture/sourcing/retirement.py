"""Retiring a version: what was rolled back is never offered again.

First the store remembers (no intake takes it in again), then the internal repository drops it. A failure between
the two leaves the version forbidden and still on offer; running it again completes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from suture import evidence
from suture.model import PlannedPackage
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


def withdraw_hotfix(
    store: Store,
    settings: Settings,
    *,
    source_package: str,
    source_version: str,
    packages: Sequence[PlannedPackage],
    campaign_id: str,
    reason: str,
    actor: str,
    now: datetime,
) -> bool:
    """Take a hotfix that was refused out of the quarantine repository, where its hosts could still ask for it; False: it has none.

    Not forbidden for good: whether the version may come another time is for the case. May be repeated. Joins the caller's transaction:
    a repository that cannot be changed leaves no evidence that it was. Raises StoreError, InternalRepositoryError, AptlyError,
    SigningError.
    """
    quarantine = quarantine_of(settings)
    if not (quarantine.public / "dists").exists():
        return False
    snapshot = quarantine.retire(source_package, source_version, now=now)
    files = [{"package": p.package, "version": p.version, "architecture": p.architecture, "sha256": p.sha256} for p in packages]
    evidence.record(
        store,
        actor=actor,
        action="hotfix_withdrawn",
        subject=f"package:{source_package}@{source_version}",
        campaign_id=campaign_id,
        grounds={"reason": reason, "was_on_offer": snapshot is not None, "snapshot": snapshot, "files": files},
        at=now,
    )
    return snapshot is not None
