"""Advisories out of an apt archive: which source version fixes what, from its verified index and its own changelogs.

The rules:

1. The caller has proven the index (key, dates, digests) and each .deb whose changelog is read; this room proves none.
2. Where the source is a security suite, each source version in it that is newer than one installed on some host of that
   release is an advisory. Only for those is a changelog read; one that was read for the same installed version is not
   read again.
3. A CVE id in a changelog is a mention: it says that the entry talks about the CVE, not how bad it is, nor that it is
   fixed everywhere. It is stored as `mentioned`.
4. No changelog (some packages link to another one's) means no CVE is known: the advisory stands, unscored, and says so.
5. For advisories that come from elsewhere (a vendor's OSV feed) the index says which binary packages the fix is.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from suture.errors import SutureError
from suture.feeds.accept import Copy, accept
from suture.feeds.decoded import Decoded, Rejected, Row, iso
from suture.feeds.outcome import FeedOutcome
from suture.inventory.debian_version import BadVersionError, compare
from suture.store import Store

_TRIES = 4  # binary packages of one source whose changelog is looked for before we say that there is none


class ArchivePackage(Protocol):
    """A package of a verified index."""

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def source_version(self) -> str: ...
    @property
    def architecture(self) -> str: ...
    @property
    def size(self) -> int: ...


class ChangelogEntry(Protocol):
    """One entry, newer than the installed version. date: None where it cannot be read."""

    @property
    def version(self) -> str: ...
    @property
    def urgency(self) -> str: ...
    @property
    def date(self) -> datetime | None: ...
    @property
    def cves(self) -> tuple[str, ...]: ...
    @property
    def text(self) -> str: ...


ReadChangelog = Callable[[Any, str], "Sequence[ChangelogEntry] | None"]


@dataclass(frozen=True)
class VerifiedArchive:
    """What was proven. address: as policy says it (never a registry's host in evidence); codename: the
    distribution release that its hosts say (bookworm, not bookworm-security), None: any;
    makes_advisories: it is a security suite."""

    source: str
    suite: str
    address: str
    codename: str | None
    release_date: datetime
    inrelease_sha256: str
    packages: Sequence[ArchivePackage]
    makes_advisories: bool


def sync_archive(
    store: Store,
    archive: VerifiedArchive,
    *,
    read_changelog: ReadChangelog,
    now: datetime,
    actor: str = "suture:feed_sync",
) -> FeedOutcome:
    """Bring a source's advisories up to what its archive says.

    read_changelog: (package of the archive, oldest installed source version) → the newer entries, newest first; None
    when the package has no changelog of its own. It may raise SutureError: that source package is left out, and said.
    """
    known = {
        row["advisory_id"]: row
        for row in store.fetch_all("advisory/list_source_advisories", {"source": archive.source})
    }
    by_source: dict[tuple[str, str], list[ArchivePackage]] = defaultdict(list)
    for package in archive.packages:
        by_source[package.source, package.source_version].append(package)
    tables: dict[str, list[Row]] = {"advisory": [], "advisory_cve": [], "advisory_package": []}
    rejected: list[Rejected] = []
    if archive.makes_advisories:
        for name, version, oldest in _pending(store, archive.codename, by_source, rejected):
            advisory_id = _advisory_id(archive, name, version)
            try:
                rows = _advisory(archive, name, version, oldest, by_source[name, version], known, read_changelog)
            except SutureError as error:
                rejected.append(Rejected(advisory_id, f"its changelog could not be read: {error.message}"))
                continue
            for table, found in rows.items():
                tables[table] += found
    _add_known(known, by_source, tables)
    decoded = Decoded(archive.release_date, tables, rejected, records=len(tables["advisory"]))
    content = hashlib.sha256(f"{archive.inrelease_sha256}:{sorted(map(str, tables['advisory']))}".encode()).hexdigest()
    return accept(
        store,
        Copy(f"archive:{archive.source}", archive.address, decoded, content, main_table="advisory"),
        now=now,
        actor=actor,
    )


def _pending(
    store: Store,
    codename: str | None,
    by_source: Mapping[tuple[str, str], Sequence[ArchivePackage]],
    rejected: list[Rejected],
) -> Iterable[tuple[str, str, str]]:
    """(source package, fixed version, oldest installed version) where some host is behind."""
    installed = {
        row["source_package"]: row["versions"]
        for row in store.fetch_all("advisory/list_installed_sources", {"codename": codename})
    }
    for name, version in sorted(by_source):
        behind = []
        for present in installed.get(name, ()):
            try:
                if compare(present, version) < 0:
                    behind.append(present)
            except BadVersionError as error:
                rejected.append(Rejected(f"{name}@{version}", error.message))
        if behind:
            yield name, version, _oldest(behind)


def _oldest(versions: Sequence[str]) -> str:
    oldest = versions[0]
    for version in versions[1:]:
        oldest = version if compare(version, oldest) < 0 else oldest
    return oldest


def _advisory(
    archive: VerifiedArchive,
    name: str,
    version: str,
    oldest: str,
    packages: Sequence[ArchivePackage],
    known: Mapping[str, Row],
    read_changelog: ReadChangelog,
) -> dict[str, list[Row]]:
    advisory_id = _advisory_id(archive, name, version)
    before = known.get(advisory_id)
    if before is not None and before["details"].get("since_version") == oldest:
        return {}  # read before, for the same installed version
    entries = _entries(packages, oldest, read_changelog)
    newest = entries[0] if entries else None
    cves = list(dict.fromkeys(cve for entry in entries or () for cve in entry.cves))
    row: Row = {
        "record_id": advisory_id,
        "advisory_id": advisory_id,
        "source": archive.source,
        "suite": archive.suite,
        "source_package": name,
        "fixed_version": version,
        "codename": archive.codename,
        "title": f"{name} {version}" + (f": {_headline(newest.text)}" if newest else ""),
        "urgency": newest.urgency if newest else None,
        "published_at": iso(newest.date) if newest else None,
        "withdrawn_at": None,
        "details": {
            "since_version": oldest,
            "changelog": "read" if entries else "none of its packages carries a changelog of its own",
            "entries": [entry.version for entry in entries or ()],
        },
    }
    return {
        "advisory": [row],
        "advisory_cve": [
            {"record_id": advisory_id, "advisory_id": advisory_id, "cve_id": cve, "relation": "mentioned"}
            for cve in cves
        ],
        "advisory_package": [_package_row(advisory_id, package) for package in packages],
    }


def _entries(
    packages: Sequence[ArchivePackage], oldest: str, read_changelog: ReadChangelog
) -> Sequence[ChangelogEntry] | None:
    """The newer entries from the first of the smallest packages that has them."""
    for package in sorted(packages, key=lambda found: (found.size, found.name))[:_TRIES]:
        entries = read_changelog(package, oldest)
        if entries:
            return entries
    return None


def _add_known(
    known: Mapping[str, Row],
    by_source: Mapping[tuple[str, str], Sequence[ArchivePackage]],
    tables: dict[str, list[Row]],
) -> None:
    """Rule 5: the binary packages of advisories that are already there. Their own rows pass through unchanged."""
    fresh = {row["advisory_id"] for row in tables["advisory"]}
    rows = [row for row in known.values() if row["advisory_id"] not in fresh]
    for row in rows:
        packages = by_source.get((row["source_package"], row["fixed_version"]), ())
        tables["advisory_package"] += [_package_row(row["advisory_id"], package) for package in packages]
        if packages:
            tables["advisory"].append({**_unchanged(row), "record_id": row["advisory_id"]})


def _unchanged(row: Row) -> Row:
    return {name: iso(value) if isinstance(value, datetime) else value for name, value in row.items()}


def _package_row(advisory_id: str, package: ArchivePackage) -> Row:
    return {
        "record_id": advisory_id,
        "advisory_id": advisory_id,
        "package": package.name,
        "version": package.version,
        "architecture": package.architecture,
        # What the index does not phase goes to all hosts: 100, which ends a phase. None is for sources that do not say.
        "phased_percentage": _phase_of(package),
    }


def _phase_of(package: ArchivePackage) -> int:
    found = getattr(package, "phased_percentage", None)
    return 100 if found is None else int(found)


def _advisory_id(archive: VerifiedArchive, name: str, version: str) -> str:
    return f"{archive.source}/{name}@{version}"


def _headline(text: str) -> str:
    """The first words of a changelog entry, on one line."""
    return " ".join(text.replace("*", " ").split())[:120]
