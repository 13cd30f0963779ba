"""What vendors and threat intelligence say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from suture.errors import SutureError
from suture.feeds import FeedOutcome, FeedSource, FeedsPolicy, FeedStatus, feed_health, stale_feeds, sync_source
from suture.feeds.accept import Copy, conclude
from suture.feeds.archive import VerifiedArchive, sync_archive
from suture.feeds.decoded import Decoded
from suture.feeds.sources import FORMATS
from suture.settings import Settings
from suture.sourcing import AptSource, Refusal, RefusalReason, load_sources, verify_repository
from suture.sourcing.cache import FileCache
from suture.sourcing.changelog import changelog_cves
from suture.sourcing.intake import StoreSeen, quarantine_of, repository_of
from suture.sourcing.source import Use
from suture.sourcing.transport import Transport, transport_for
from suture.store import Store
from suture_airflow.clock import utc_now
from suture_airflow.translation import translated
from suture_airflow.warehouse import open_store

ACTOR = "suture:feed_sync"
SECURITY_SUITE = "-security"
ARCHIVE = "archive:"
THREAT_TABLES = frozenset({"kev", "epss", "threat_signal"})  # with SSVC of the records, what the watch on threats reads


class Lane(StrEnum):
    """Which tasks of feed_sync a source belongs to."""

    THREATS = "threats"
    ADVISORIES = "advisories"
    RECORDS = "records"


class FeedsFailedError(SutureError):
    """A source could not be taken in. The last good data stands; the others were taken in."""

    retryable = True


@translated
def threat_feeds() -> list[str]:
    """The enabled feeds that the watch on threats looks at and that need nobody's CVEs, in the policy's order."""
    return [source.name for source in _enabled() if _lane(source) is Lane.THREATS]


@translated
def advisory_sources() -> list[str]:
    """What vendors say, in the policy's order, then each patch source's own archive (`archive:NAME`)."""
    archives = _archives(Settings.load())
    vendors = [source.name for source in _enabled() if _lane(source) is Lane.ADVISORIES]
    return vendors + [f"{ARCHIVE}{name}" for name in archives]


@translated
def record_feeds() -> list[str]:
    """The enabled feeds of CVE records. They follow the advisories: some ask for each CVE that those name."""
    return [source.name for source in _enabled() if _lane(source) is Lane.RECORDS]


@translated
def sync_feed(name: str) -> list[str]:
    """One source by its name; a sentence on it. One that policy has left out, or switched off, since is nothing to do."""
    settings = Settings.load()
    now = utc_now()
    with open_store() as store:
        if name.startswith(ARCHIVE):
            archive = _archives(settings).get(name.removeprefix(ARCHIVE))
            return _require_ok([_sync_archive(store, settings, archive, now)] if archive is not None else [])
        chosen = [source for source in _enabled() if source.name == name]
        return _require_ok([sync_source(store, source, now=now, actor=ACTOR) for source in chosen])


@translated
def freshness() -> list[str]:
    """How every feed is now, in a sentence each."""
    policy = FeedsPolicy.load(Settings.load().policy_dir)
    with open_store() as store:
        sentences = [health.sentence for health in feed_health(store, policy, now=utc_now())]
    print("\n".join(sentences))
    return sentences


@translated
def refresh_repository() -> str:
    """Sign the internal repository anew where less than half of its validity is left; until when it is valid."""
    repository = repository_of(Settings.load())
    now = utc_now()
    if not (repository.public / "dists").exists():
        repository.ensure(now=now)
    quarantine = quarantine_of(Settings.load())
    if (quarantine.public / "dists").exists():
        quarantine.refresh(now=now)
    return repository.refresh(now=now).isoformat()


def urgencies_may_fall(store: Store, settings: Settings, now: datetime) -> bool:
    """False while a required feed is stale: what is too old to trust must not let a finding wait longer."""
    return not stale_feeds(store, FeedsPolicy.load(settings.policy_dir), now=now)


def _enabled() -> list[FeedSource]:
    return [source for source in FeedsPolicy.load(Settings.load().policy_dir).sources if source.enabled]


def _archives(settings: Settings) -> dict[str, AptSource]:
    """The sources that hosts are patched from: not those of hotfixes, which cases ask, nor those for comparison."""
    found = load_sources(settings.policy_dir)
    return {name: source for name, source in found.items() if source.use is Use.PATCHES}


def _lane(source: FeedSource) -> Lane:
    kind = FORMATS[source.format]
    if source.transport == "records" or kind.main_table == "cve":
        return Lane.RECORDS
    return Lane.THREATS if THREAT_TABLES & set(kind.tables) else Lane.ADVISORIES


def _sync_archive(store: Store, settings: Settings, source: AptSource, now: datetime) -> FeedOutcome:
    transport = transport_for(source.address)
    try:
        proven = verify_repository(source, transport, at=now, seen=StoreSeen(store))
        security = source.suite.endswith(SECURITY_SUITE)
        archive = VerifiedArchive(
            source=source.name,
            suite=source.suite,
            address=f"apt:{source.name}",
            codename=source.suite.removesuffix(SECURITY_SUITE) if security else None,
            release_date=proven.release.date,
            inrelease_sha256=proven.inrelease_sha256,
            packages=proven.packages,
            makes_advisories=security,
        )
        reader = _ChangelogReader(repository_of(settings).cache, transport)
        outcome = sync_archive(store, archive, read_changelog=reader.read, now=now, actor=ACTOR)
        if not proven.alarms:
            return outcome
        # A key that ends soon: said each time, so that there is time to get its successor.
        return replace(outcome, reason=" ".join(filter(None, (outcome.reason, *proven.alarms))))
    except Refusal as refusal:
        status = FeedStatus.UNREACHABLE if refusal.reason is RefusalReason.UNREACHABLE else FeedStatus.QUARANTINED
        nothing = Copy(f"{ARCHIVE}{source.name}", f"apt:{source.name}", Decoded(None, {}), "", main_table="advisory")
        said = f"{refusal.reason.value}: {refusal}"
        return conclude(store, nothing, status, said, now=now, actor=ACTOR)
    finally:
        transport.close()


class _ChangelogReader:
    """Reads changelogs out of proven .debs; each file comes once, into the intake's own cache."""

    def __init__(self, cache: FileCache, transport: Transport) -> None:
        self._cache = cache
        self._transport = transport

    def read(self, package: Any, oldest: str) -> Sequence[Any] | None:
        return changelog_cves(self._cache.fetch(self._transport, package).path, oldest).entries


def _require_ok(outcomes: Sequence[FeedOutcome]) -> list[str]:
    sentences = [outcome.sentence for outcome in outcomes]
    print("\n".join(sentences))
    failed = [outcome.sentence for outcome in outcomes if not outcome.ok]
    if failed:
        raise FeedsFailedError(
            " ".join(failed), remedy="`./suture feed status` shows every source's age and quarantine."
        )
    return sentences
