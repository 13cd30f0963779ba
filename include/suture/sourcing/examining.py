"""Examining an intake's packages before anything is adopted: each against the version that its hosts have.

The rules:

1. What is examined is what would be installed: the plan's packages and what the closure adds.
2. The earlier version is the newest that one of the campaign's hosts has. It is looked for among what the source still offers,
   in the internal repository, and in the predecessors that sources.yaml names, which are proven by their own pinned keys. Where
   it is nowhere to be had, the package is examined by itself, and the examiners say so.
3. A package's bills of materials are those that the source's signed Release lists beside it and those that lie in it. They are
   compared with those that an intake accepted with the version before (sbom/keeping.py).
4. Where sources.yaml says that the source gives attestations, each package's is fetched and judged (attestations.py).
5. A package that cannot be examined (a worker that dies, a time limit) is a concern, never a pass.
6. The examiners find, policy judges: the first concern that examination.yaml refuses ends the intake.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cmp_to_key, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from suture.errors import BadInputError
from suture.inventory.debian_version import compare
from suture.settings import Settings
from suture.sourcing import attestations
from suture.sourcing.analysis import examiners
from suture.sourcing.analysis.local import LocalChange, local_changes
from suture.sourcing.analysis.pool import examine_all
from suture.sourcing.analysis.source_fixes import SOURCE, unsupported_sources
from suture.sourcing.attestations import KeptAttestation
from suture.sourcing.cache import CachedFile, FileCache
from suture.sourcing.examination import (
    Action,
    Actions,
    Examination,
    ExaminationRefused,
    PackageFile,
    SbomFile,
    Subject,
    load_policy,
)
from suture.sourcing.internal import InternalRepository
from suture.sourcing.packages import BinaryPackage, PackageList
from suture.sourcing.refusal import Refusal
from suture.sourcing.repository import Adoption, verify_repository
from suture.sourcing.sbom import keeping
from suture.sourcing.sbom.keeping import Shipped
from suture.sourcing.sbom.listed import fetch_beside
from suture.sourcing.seen import NothingSeen
from suture.sourcing.selection import Selection
from suture.sourcing.source import AptSource, load_source
from suture.sourcing.transport import Transport, transport_for
from suture.store import Json, Store
from suture.store.objects import ObjectStore, open_objects
from suture.wording import counted

MOST_ADVISORY_CHARACTERS = 20_000
MOST_IN_EVIDENCE = 200
Key = tuple[str, str, str]


@dataclass(frozen=True)
class Examined:
    """What was said of an intake's packages, and what policy makes of it."""

    actions: Actions
    examinations: tuple[Examination, ...]
    local: tuple[LocalChange, ...] = ()  # what was changed by hand on the campaign's hosts, and these packages touch
    sboms: tuple[Shipped, ...] = ()
    attestations: tuple[KeptAttestation, ...] = ()

    def refusal(self) -> ExaminationRefused | None:
        return self.actions.refusal(self.examinations)

    def of_more_than_note(self) -> list[dict[str, Any]]:
        """The concerns that somebody has to read, for evidence: at most MOST_IN_EVIDENCE; the table has all."""
        found = [
            {
                "package": examination.package, "examiner": examination.examiner, "kind": concern.kind,
                "subject": concern.subject[:300], "action": action.value,
            }
            for examination in self.examinations
            for concern in examination.concerns
            if (action := self.actions.of(examination.examiner, concern.kind)) is not Action.NOTE
        ]  # fmt: skip
        return found[:MOST_IN_EVIDENCE]

    def chain(self) -> dict[str, Any]:
        """For the intake's chain: examiner → number of packages, and what somebody has to read."""
        counts = Counter(examination.examiner for examination in self.examinations)
        local = [
            {"kind": change.kind.value, "package": change.package, "hosts": len(change.hosts), "sentence": change.sentence}
            for change in self.local[:MOST_IN_EVIDENCE]
        ]
        sboms = [one.chain() for one in self.sboms[:MOST_IN_EVIDENCE]]
        attestations = [one.chain() for one in self.attestations[:MOST_IN_EVIDENCE]]
        return {
            "examined": dict(counts), "concerns": self.of_more_than_note(), "local_changes": local, "sboms": sboms,
            "attestations": attestations,
        }  # fmt: skip

    def kept(self, objects: ObjectStore) -> Examined:
        """With its bills of materials and attestations in the object store. Raises LineageError, ObjectStoreError."""
        kept = attestations.put(objects, self.attestations)
        return replace(self, sboms=keeping.put(objects, self.sboms), attestations=kept)

    @property
    def sentence(self) -> str:
        """'' when nothing was examined."""
        if not self.examinations:
            return ""
        open_ones = len(self.of_more_than_note())
        packages = len({(e.package, e.architecture) for e in self.examinations if e.architecture != SOURCE})
        found = counted(open_ones, "concern") if open_ones else "no concerns"
        return f"{counted(packages, 'package was', 'packages were')} examined; {found} to review."

    def write(
        self, store: Store, *, intake_id: int, campaign_id: str | None, adopted: bool, now: datetime, actor: str
    ) -> None:
        """Beside the intake that they belong to; joins the caller's transaction. Only what was adopted has lineage.

        campaign_id: None where a source is proven on schedule, for no campaign.
        """
        rows = [examination.as_dict(self.actions) for examination in self.examinations]
        if rows:
            store.execute(
                "intake/insert_examinations",
                {"intake_id": intake_id, "campaign_id": campaign_id, "rows": Json(rows), "examined_at": now},
            )
        if adopted:
            keeping.write(store, self.sboms, intake_id=intake_id, accepted_at=now, accepted_by=actor)


def examine_intake(
    store: Store,
    settings: Settings,
    campaign_id: str,
    proven: Adoption,
    selection: Selection,
    files: Sequence[CachedFile],
    repository: InternalRepository,
    transport: Transport,
    *,
    now: datetime,
) -> Examined:
    """Every enabled examiner's result for every package; the caller refuses by policy.

    Raises PolicyError; Refusal for an SBOM that is listed and not there; LineageError, ObjectStoreError where those that were accepted
    before cannot be had as they were.
    """
    rules = load_policy(settings.policy_dir)
    attesting = proven.source.attestations
    chosen = attestations.fitting(examiners(rules), attesting, proven.source.name)
    if not chosen:
        return Examined(rules.actions, ())
    wanted = {_key(package) for package in (*selection.planned, *selection.closure.added)}
    earlier = _earlier(settings, proven.source, selection, files, repository, now=now)
    advisories = _advisories(store, campaign_id)
    subjects = [
        Subject(new=_file(file), old=_file(old) if old else None, advisories=advisories.get(file.package.source, ()))
        for file in files
        if _key(file.package) in wanted
        for old in (earlier.get((file.package.name, file.package.architecture)),)
    ]
    with TemporaryDirectory(prefix="suture-sboms-") as folder:
        if "sbom" in chosen:
            beside = partial(fetch_beside, proven, transport, repository.cache)
            subjects = _with_sboms(store, settings, subjects, files, beside, Path(folder))
        if attesting is not None:
            paths = {_key(file.package): file.package.filename for file in files}
            subjects = attestations.fetch_all(attesting, transport, subjects, paths, Path(folder))
        examined = examine_all(subjects, list(chosen.values()))
        judged = attestations.judged(subjects, examined)
    examinations: list[Examination] = []
    sboms: list[Shipped] = []
    for number, examination in enumerate(examined):
        subject = subjects[number // len(chosen)]
        plain, found = keeping.shipped(subject, examination) if examination.examiner == "sbom" else (examination, ())
        examinations.append(plain)
        sboms += found
    local = local_changes(store, campaign_id, examinations)
    examinations += unsupported_sources(
        (subjects[number // len(chosen)].new, examination) for number, examination in enumerate(examinations)
    )
    return Examined(rules.actions, tuple(examinations), local, tuple(sboms), judged)


def _with_sboms(
    store: Store,
    settings: Settings,
    subjects: Sequence[Subject],
    files: Sequence[CachedFile],
    beside: Callable[[BinaryPackage], tuple[SbomFile, ...]],
    folder: Path,
) -> list[Subject]:
    """Each subject with the SBOMs that its source lists, and with those before: accepted ones, else what is listed beside `old`."""
    packages = {_key(file.package): file.package for file in files}
    accepted = keeping.before(store, (subject.new for subject in subjects))
    objects = open_objects(settings.store_url)
    found = []
    for subject in subjects:
        new, old = subject.new, subject.old
        kept = keeping.bring(objects, accepted.get((new.name, new.architecture), ()), folder)
        offered = packages.get((old.name, old.version, old.architecture)) if old is not None else None
        if offered is not None and not any(one.version != new.version for one in kept):
            kept += beside(offered)
        sboms = beside(packages[new.name, new.version, new.architecture])
        found.append(replace(subject, sboms=sboms, sboms_before=kept))
    return found


def _earlier(
    settings: Settings,
    source: AptSource,
    selection: Selection,
    files: Sequence[CachedFile],
    repository: InternalRepository,
    *,
    now: datetime,
) -> dict[tuple[str, str], CachedFile]:
    """(package, architecture) → the file of the newest version that a host has, where it is to be had."""
    targets = [*selection.planned, *selection.closure.added]
    newest = _newest_installed(selection.installed, {package.name for package in targets})
    found: dict[tuple[str, str], CachedFile] = {}
    for file in files:
        if newest.get(file.package.name) == file.package.version:
            found[file.package.name, file.package.architecture] = file
    missing = {
        (package.name, newest[package.name], package.architecture)
        for package in targets
        if package.name in newest
        and newest[package.name] != package.version
        and (package.name, package.architecture) not in found
    }
    for place in (None, *source.predecessors):
        if not missing:
            break
        if place is None:
            found |= _from_internal(repository, missing, now=now)
        else:
            found |= _from_predecessor(settings, place, missing, repository.cache, now=now)
        missing = {key for key in missing if (key[0], key[2]) not in found}
    return found


def _from_internal(
    repository: InternalRepository, missing: set[Key], *, now: datetime
) -> dict[tuple[str, str], CachedFile]:
    """What an earlier intake adopted of it; nothing while the internal repository itself does not prove."""
    if not (repository.public / "dists").exists():
        return {}
    try:
        offered = _offered(repository.state(now=now).packages, missing)
    except Refusal:
        return {}
    return {
        (package.name, package.architecture): CachedFile(package, package.sha256, repository.public / package.filename)
        for package in offered
        if package.sha256
    }


def _from_predecessor(
    settings: Settings, name: str, missing: set[Key], cache: FileCache, *, now: datetime
) -> dict[tuple[str, str], CachedFile]:
    """What a predecessor offers of it. One that is not here or does not prove gives nothing: it is only compared with."""
    try:
        source = load_source(settings.policy_dir, name)
    except BadInputError as error:
        print(f"{name} gives no earlier versions to compare with: {error}")
        return {}
    transport = transport_for(source.address)
    try:
        proven = verify_repository(source, transport, at=now, seen=NothingSeen())
        offered = _offered(proven.packages, missing)
        fetched = cache.fetch_all(transport, offered)
    except Refusal as refusal:
        print(f"{source.name} gives no earlier versions to compare with: {refusal.sentence}")
        return {}
    finally:
        transport.close()
    return {(file.package.name, file.package.architecture): file for file in fetched}


def _newest_installed(installed: Mapping[str, Mapping[str, str]], names: set[str]) -> dict[str, str]:
    versions: dict[str, list[str]] = {}
    for host in installed.values():
        for name in names & set(host):
            versions.setdefault(name, []).append(host[name])
    return {name: max(found, key=cmp_to_key(compare)) for name, found in versions.items()}


def _advisories(store: Store, campaign_id: str) -> dict[str, tuple[tuple[str, str], ...]]:
    """Source package → what the campaign's advisories say of it: (id, text)."""
    found: dict[str, list[tuple[str, str]]] = {}
    for row in store.fetch_all("intake/list_campaign_advisories", {"campaign_id": campaign_id}):
        text = f"{row['title'] or ''}\n{row['cves']}"[:MOST_ADVISORY_CHARACTERS]
        found.setdefault(row["source_package"], []).append((row["advisory_id"], text))
    return {name: tuple(texts) for name, texts in found.items()}


def _file(file: CachedFile) -> PackageFile:
    package = file.package
    return PackageFile(
        path=file.path,
        name=package.name,
        version=package.version,
        architecture=package.architecture,
        sha256=file.sha256,
        source=package.source,
        source_version=package.source_version,
    )


def _offered(packages: PackageList, missing: set[Key]) -> list[BinaryPackage]:
    return [package for package in packages.named(*(name for name, *_more in missing)) if _key(package) in missing]


def _key(package: BinaryPackage) -> Key:
    return (package.name, package.version, package.architecture)
