"""Intake: from a planned campaign to proven packages in the internal repository. The gate of signature_validation.

The rules:

1. The campaign's source is proven as a whole, by the pins and expectations of policy, against what was seen before.
2. Every package of the campaign is taken in exactly the version that the plan names, from that source and no other. A
   version that was retired is refused, also where only the closure would bring it, and so is a package that the source
   may not ship, or not to these hosts (`ships` in sources.yaml).
3. Everything is downloaded, proven and examined (examining.py) before anything is adopted. One refusal refuses the campaign;
   nothing of it is adopted then.
4. The versions that the hosts have now come along where the source still offers them, so that hosts can go back; they
   are no part of the plan.
5. What was adopted leaves its bills of materials in the lineage store: the next version is compared with them.
6. Either way the verdict is written down, with the whole chain that it rests on, as an intake and as evidence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from suture import evidence
from suture.errors import BadInputError
from suture.model import CampaignPlan, PlannedPackage
from suture.model.plan import QUARANTINE
from suture.settings import Settings
from suture.sourcing.cache import CachedFile
from suture.sourcing.dependencies import UnresolvedDependencyError
from suture.sourcing.examination import ExaminationRefused
from suture.sourcing.examining import Examined, examine_intake
from suture.sourcing.intake_refusal import IntakeReason, IntakeRefused
from suture.sourcing.internal import InternalRepository
from suture.sourcing.packages import BinaryPackage
from suture.sourcing.refusal import Refusal
from suture.sourcing.release import Release
from suture.sourcing.repository import Adoption, remember, verify_repository
from suture.sourcing.seen import SeenRelease
from suture.sourcing.selection import Selection, require_use, select
from suture.sourcing.source import AptSource, load_source
from suture.sourcing.transport import transport_for
from suture.store import Store, sources
from suture.store.objects import open_objects

__all__ = [
    "IntakeReason",
    "IntakeRefused",
    "IntakeVerdict",
    "ReadOnlySeen",
    "StoreSeen",
    "quarantine_of",
    "repository_for",
    "repository_of",
    "validate_campaign",
]

ACTOR = "suture:signature_validation"


@dataclass(frozen=True)
class IntakeVerdict:
    """adopted, or refused with a reason (RefusalReason or IntakeReason value) and what to do next.

    packages: the plan's packages, proven, with file name, size and SHA-256, and what the closure added; () when
    refused. retryable: the source could not be reached, so another try may help. snapshot: of the internal repository;
    None when refused.
    """

    campaign_id: str
    adopted: bool
    reason: str | None
    sentence: str
    next_step: str | None
    retryable: bool
    snapshot: str | None
    packages: tuple[PlannedPackage, ...]
    intake_id: int
    chain: Mapping[str, Any] = field(default_factory=dict)


class StoreSeen:
    """What was seen before, in the warehouse: by the source's name in policy, and suite."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def last(self, source: AptSource, release: Release) -> SeenRelease | None:  # noqa: ARG002
        found = sources.fetch_source_state(self._store, source.name, source.suite)
        if found is None:
            return None
        return SeenRelease(
            found.release_date, found.release_sha256, found.inrelease_sha256, found.key_fingerprint, found.seen_at
        )

    def remember(self, source: AptSource, release: Release, seen: SeenRelease) -> None:  # noqa: ARG002
        state = sources.SourceState(
            source.name,
            source.suite,
            seen.date,
            seen.release_sha256,
            seen.inrelease_sha256,
            seen.key_fingerprint,
            seen.seen_at,
        )
        sources.save_source_state(self._store, state)


class ReadOnlySeen(StoreSeen):
    """Judges by what was seen, and remembers nothing: only an intake that adopts does."""

    def remember(self, source: AptSource, release: Release, seen: SeenRelease) -> None:  # noqa: ARG002
        return None


def repository_of(settings: Settings) -> InternalRepository:
    """The installation's internal repository."""
    return InternalRepository(settings.repository_dir, owner=f"Suture {settings.instance}")


def quarantine_of(settings: Settings) -> InternalRepository:
    """The repository of patches out of band: below the internal one's address, with its key; only their hosts read it."""
    root = settings.repository_dir
    return InternalRepository(
        root / QUARANTINE,
        owner=f"Suture {settings.instance}",
        public=root / "public" / QUARANTINE,
        key_home=root / "gnupg",
    )


def repository_for(settings: Settings, plan: CampaignPlan) -> InternalRepository:
    """The one that a campaign's packages are adopted into, and that its hosts get them from."""
    return quarantine_of(settings) if plan.in_quarantine else repository_of(settings)


def validate_campaign(
    store: Store, settings: Settings, campaign_id: str, *, now: datetime, actor: str = ACTOR
) -> IntakeVerdict:
    """Prove and adopt a campaign's packages; a verdict either way, written down.

    Does not move the campaign: the caller does, by the verdict. Raises BadInputError for a campaign or source that does
    not exist; errors of the internal repository (InternalRepositoryError, AptlyError, SigningError) and of the object store with
    the SBOMs that were accepted before (ObjectStoreError, LineageError): nothing is adopted then.
    """
    campaign = store.fetch_one("campaign/fetch_campaign", {"campaign_id": campaign_id})
    if campaign is None:
        raise BadInputError(f"There is no campaign {campaign_id!r}.")
    source = load_source(settings.policy_dir, campaign["source"])
    rows = store.fetch_all("campaign/list_campaign_packages", {"campaign_id": campaign_id})
    if not rows:
        raise BadInputError(f"{campaign_id} has no package to validate.")
    seen = StoreSeen(store)
    transport = transport_for(source.address)
    proven: Adoption | None = None
    examined: Examined | None = None
    try:
        plan = CampaignPlan.from_json(campaign["plan"])
        require_use(source, out_of_band=plan.in_quarantine)
        proven = verify_repository(source, transport, at=now, seen=ReadOnlySeen(store))
        selection = select(store, campaign_id, campaign["asset_group"], rows, proven)
        if plan.in_quarantine:
            repository_of(settings).ensure(now=now)  # its hosts read both
        repository = repository_for(settings, plan)
        files = repository.cache.fetch_all(transport, selection.all)
        examined = examine_intake(
            store, settings, campaign_id, proven, selection, files, repository, transport, now=now
        )
        if (concern := examined.refusal()) is not None:
            raise concern
        examined = examined.kept(open_objects(settings.store_url))
        snapshot = repository.adopt(files, campaign_id, now=now)
    except (Refusal, IntakeRefused, ExaminationRefused, UnresolvedDependencyError) as refusal:
        return _refused(store, campaign_id, source, refusal, proven, examined, now=now, actor=actor)
    finally:
        transport.close()
    remember(proven, seen, at=now)
    return _adopted(store, campaign_id, rows, proven, selection, files, examined, snapshot, now=now, actor=actor)


def _adopted(
    store: Store,
    campaign_id: str,
    rows: Sequence[Mapping[str, Any]],
    proven: Adoption,
    selection: Selection,
    files: Sequence[CachedFile],
    examined: Examined,
    snapshot: str,
    *,
    now: datetime,
    actor: str,
) -> IntakeVerdict:
    digests = {(f.package.name, f.package.version, f.package.architecture): f.sha256 for f in files}
    advisories = {row["package"]: row["advisory_id"] for row in rows}
    packages = tuple(
        _planned(package, digests, advisories.get(package.name))
        for package in (*selection.planned, *selection.closure.added)
    )
    chain = proven.chain() | {
        "files": [_file(package, digests) for package in selection.all],
        "closure": [f"{p.name} {p.version}" for p in selection.closure.added],
        "assumed": list(selection.closure.assumed),
        "earlier_versions": [f"{p.name} {p.version}" for p in selection.earlier],
        "internal_snapshot": snapshot,
        "examination": examined.chain(),
    }
    sentence = (
        f"{len(files)} package files of {proven.source.name} ({proven.source.suite} of"
        f" {proven.release.date:%Y-%m-%d %H:%M} UTC) are proven from key {proven.signed.key_fingerprint[-16:]} down to"
        f" each file, and adopted as {snapshot}."
    )
    sentence = " ".join(part for part in (sentence, examined.sentence, *proven.alarms) if part)
    intake_id = _write(
        store, campaign_id, proven.source.name, None, sentence, snapshot, chain, examined, now=now, actor=actor
    )
    return IntakeVerdict(campaign_id, True, None, sentence, None, False, snapshot, packages, intake_id, chain)


def _refused(
    store: Store,
    campaign_id: str,
    source: AptSource,
    refusal: Refusal | IntakeRefused | ExaminationRefused | UnresolvedDependencyError,
    proven: Adoption | None,
    examined: Examined | None,
    *,
    now: datetime,
    actor: str,
) -> IntakeVerdict:
    reason = str(getattr(refusal, "reason", IntakeReason.DEPENDENCY_MISSING))
    chain: dict[str, Any] = proven.chain() if proven else {"source": source.name, "suite": source.suite}
    if isinstance(refusal, Refusal):
        chain["refused_subject"] = refusal.subject
    if examined is not None:
        chain["examination"] = examined.chain()
    sentence = refusal.message
    intake_id = _write(store, campaign_id, source.name, reason, sentence, None, chain, examined, now=now, actor=actor)
    return IntakeVerdict(
        campaign_id, False, reason, sentence, refusal.remedy, refusal.retryable, None, (), intake_id, chain
    )


def _write(
    store: Store,
    campaign_id: str,
    source: str,
    reason: str | None,
    sentence: str,
    snapshot: str | None,
    chain: dict[str, Any],
    examined: Examined | None,
    *,
    now: datetime,
    actor: str,
) -> int:
    """The intake and its evidence, together or not at all."""
    with store.transaction():
        intake_id = sources.record_intake(
            store,
            campaign_id=campaign_id,
            source=source,
            adopted=reason is None,
            reason=reason,
            sentence=sentence,
            snapshot_ref=snapshot,
            chain=chain,
            decided_at=now,
        )
        if examined is not None:
            examined.write(
                store, intake_id=intake_id, campaign_id=campaign_id, adopted=reason is None, now=now, actor=actor
            )
        evidence.record(
            store,
            actor=actor,
            action="intake_adopted" if reason is None else "intake_refused",
            subject=f"campaign:{campaign_id}",
            campaign_id=campaign_id,
            grounds={"intake_id": intake_id, "reason": reason, "sentence": sentence, "chain": chain},
            at=now,
        )
    return intake_id


def _planned(
    package: BinaryPackage, digests: Mapping[tuple[str, str, str], str], advisory_id: str | None
) -> PlannedPackage:
    return PlannedPackage(
        package=package.name,
        architecture=package.architecture,
        version=package.version,
        source_package=package.source,
        source_version=package.source_version,
        advisory_id=advisory_id,
        filename=package.filename,
        size_bytes=package.size,
        sha256=digests[(package.name, package.version, package.architecture)],
    )


def _file(package: BinaryPackage, digests: Mapping[tuple[str, str, str], str]) -> dict[str, Any]:
    return {
        "package": package.name,
        "version": package.version,
        "architecture": package.architecture,
        "path": package.filename,
        "size": package.size,
        "sha256": digests[(package.name, package.version, package.architecture)],
    }
