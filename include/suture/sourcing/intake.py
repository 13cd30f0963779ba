"""Intake: from a planned campaign to proven packages in the internal repository. The gate of signature_validation.

The rules:

1. The campaign's source is proven as a whole, by the pins and expectations of policy, against what was seen before.
2. Every package of the campaign is taken in exactly the version that the plan names, from that source and no other. A
   version that was retired is refused, also where only the closure would bring it, and so is a package that the source
   may not ship, or not to these hosts (`ships` in sources.yaml).
3. Everything is downloaded and proven before anything is adopted. One refusal refuses the campaign; nothing of it is
   adopted then.
4. The versions that the hosts have now come along where the source still offers them, so that hosts can go back; they
   are no part of the plan.
5. Either way the verdict is written down, with the whole chain that it rests on, as an intake and as evidence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from suture import evidence
from suture.errors import BadInputError
from suture.inventory.debian_version import compare
from suture.model import PlannedPackage
from suture.settings import Settings
from suture.sourcing.cache import CachedFile
from suture.sourcing.dependencies import Closure, UnresolvedDependencyError, close_over
from suture.sourcing.intake_refusal import IntakeReason, IntakeRefused, require_in_scope
from suture.sourcing.internal import InternalRepository
from suture.sourcing.packages import BinaryPackage
from suture.sourcing.refusal import Refusal
from suture.sourcing.release import Release
from suture.sourcing.repository import Adoption, remember, verify_repository
from suture.sourcing.seen import NothingSeen, SeenRelease
from suture.sourcing.source import AptSource, load_source
from suture.sourcing.transport import transport_for
from suture.store import Store, sources

__all__ = ["IntakeReason", "IntakeRefused", "IntakeVerdict", "StoreSeen", "repository_of", "validate_campaign"]

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


@dataclass(frozen=True)
class _Selection:
    """What will be adopted: the plan's packages, the closure's, and earlier versions for going back."""

    planned: tuple[BinaryPackage, ...]
    closure: Closure
    earlier: tuple[BinaryPackage, ...]

    @property
    def all(self) -> tuple[BinaryPackage, ...]:
        unique = {(p.name, p.version, p.architecture): p for p in (*self.planned, *self.closure.added, *self.earlier)}
        return tuple(unique.values())


def repository_of(settings: Settings) -> InternalRepository:
    """The installation's internal repository."""
    return InternalRepository(settings.repository_dir, owner=f"Suture {settings.instance}")


def validate_campaign(
    store: Store, settings: Settings, campaign_id: str, *, now: datetime, actor: str = ACTOR
) -> IntakeVerdict:
    """Prove and adopt a campaign's packages; a verdict either way, written down.

    Does not move the campaign: the caller does, by the verdict. Raises BadInputError for a campaign or source that does
    not exist; errors of the internal repository (InternalRepositoryError, AptlyError, SigningError): nothing is adopted
    then.
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
    try:
        proven = verify_repository(source, transport, at=now, seen=_ReadOnly(seen))
        selection = _select(store, campaign_id, campaign["asset_group"], rows, proven)
        repository = repository_of(settings)
        files = repository.cache.fetch_all(transport, selection.all)
        snapshot = repository.adopt(files, campaign_id, now=now)
    except (Refusal, IntakeRefused, UnresolvedDependencyError) as refusal:
        return _refused(store, campaign_id, source, refusal, proven, now=now, actor=actor)
    finally:
        transport.close()
    remember(proven, seen, at=now)
    return _adopted(store, campaign_id, rows, proven, selection, files, snapshot, now=now, actor=actor)


class _ReadOnly(NothingSeen):
    """Remembers nothing until the whole intake has succeeded."""

    def __init__(self, inner: StoreSeen) -> None:
        self._inner = inner

    def last(self, source: AptSource, release: Release) -> SeenRelease | None:
        return self._inner.last(source, release)


def _select(
    store: Store, campaign_id: str, asset_group: str, rows: Sequence[Mapping[str, Any]], proven: Adoption
) -> _Selection:
    by_key = {(p.name, p.version, p.architecture): p for p in proven.packages}
    planned = tuple(_exact(row, by_key, proven) for row in rows)
    installed: dict[str, dict[str, str]] = {}
    for row in sources.installed_on_campaign_hosts(store, campaign_id):
        host = installed.setdefault(row["host_id"], {})
        # Of a package installed for several architectures the oldest counts: it must fit as well.
        known = host.get(row["package"])
        host[row["package"]] = row["version"] if known is None or compare(row["version"], known) < 0 else known
    closure = close_over(planned, proven.packages, installed)
    retired = {
        (r.source_package, r.source_version): r
        for r in sources.list_retired_versions(store, asset_group=asset_group)
        if r.asset_group in {"*", asset_group}
    }
    for package in (*planned, *closure.added):
        require_in_scope(package, asset_group, proven.source)
        found = retired.get((package.source, package.source_version))
        if found is not None:
            raise IntakeRefused(
                IntakeReason.VERSION_RETIRED,
                f"{package.name} {package.version} is of {package.source} {package.source_version}, which was retired"
                f" on {found.retired_at:%Y-%m-%d}: {found.reason}",
                "A retired version is never offered again: wait for the vendor's next one.",
            )
    return _Selection(planned, closure, tuple(_earlier(planned, closure.added, installed, proven, retired)))


def _exact(
    row: Mapping[str, Any], by_key: Mapping[tuple[str, str, str], BinaryPackage], proven: Adoption
) -> BinaryPackage:
    """The package that the plan names; packages for all architectures are planned under the host's or under `all`."""
    for architecture in (row["architecture"], "all"):
        found = by_key.get((row["package"], row["version"], architecture))
        if found is not None:
            return found
    offered = sorted({v for (name, v, _a) in by_key if name == row["package"]})
    raise IntakeRefused(
        IntakeReason.VERSION_MISSING,
        f"{proven.source.name} does not offer {row['package']} {row['version']} ({row['architecture']}); it offers"
        f" {', '.join(offered) or 'no version of it'}.",
        "The source has moved on since the plan was made: run risk_scoring again for a plan with the present version.",
    )


def _earlier(
    planned: Iterable[BinaryPackage],
    added: Iterable[BinaryPackage],
    installed: Mapping[str, Mapping[str, str]],
    proven: Adoption,
    retired: Mapping[tuple[str, str], Any],
) -> Iterable[BinaryPackage]:
    names = {package.name for package in (*planned, *added)}
    present = {(name, version) for host in installed.values() for name, version in host.items() if name in names}
    for package in proven.packages:
        if (package.name, package.version) in present and (package.source, package.source_version) not in retired:
            yield package


def _adopted(
    store: Store,
    campaign_id: str,
    rows: Sequence[Mapping[str, Any]],
    proven: Adoption,
    selection: _Selection,
    files: Sequence[CachedFile],
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
    }
    sentence = (
        f"{len(files)} package files of {proven.source.name} ({proven.source.suite} of"
        f" {proven.release.date:%Y-%m-%d %H:%M} UTC) are proven from key {proven.signed.key_fingerprint[-16:]} down to"
        f" each file, and adopted as {snapshot}."
    )
    sentence = " ".join((sentence, *proven.alarms))
    intake_id = _write(store, campaign_id, proven.source.name, None, sentence, snapshot, chain, now=now, actor=actor)
    return IntakeVerdict(campaign_id, True, None, sentence, None, False, snapshot, packages, intake_id, chain)


def _refused(
    store: Store,
    campaign_id: str,
    source: AptSource,
    refusal: Refusal | IntakeRefused | UnresolvedDependencyError,
    proven: Adoption | None,
    *,
    now: datetime,
    actor: str,
) -> IntakeVerdict:
    reason = getattr(refusal, "reason", IntakeReason.DEPENDENCY_MISSING).value
    chain: dict[str, Any] = proven.chain() if proven else {"source": source.name, "suite": source.suite}
    if isinstance(refusal, Refusal):
        chain["refused_subject"] = refusal.subject
    sentence = refusal.message
    intake_id = _write(store, campaign_id, source.name, reason, sentence, None, chain, now=now, actor=actor)
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
