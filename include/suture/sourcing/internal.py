"""The internal repository: the only one that hosts install from, signed by Suture's own key, with a short Valid-Until.

The rules:

1. Only files that were proven against a pinned source come in (CachedFile), and all of a campaign's files or none.
2. A new state is built beside the public folder, signed, and proven by the same verification that outside sources get;
   only then does one rename (of the link public/dists) make it the state that hosts see. Whatever fails before that
   leaves the public folder as it was, byte for byte.
3. A state is an aptly snapshot: immutable, named after time and campaign. Earlier versions stay on offer, so that hosts
   can go back; a retired version is taken out.
4. The Release file holds for VALIDITY; refresh() signs it anew. If nobody does, hosts refuse it: a stopped Suture must
   not look like an up-to-date one.
5. Index files of the state before stay reachable by hash, for a host that is in the middle of its `apt-get update`.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from suture.errors import SutureError
from suture.sourcing.aptly import Aptly
from suture.sourcing.cache import CachedFile, FileCache
from suture.sourcing.packages import PackageList
from suture.sourcing.publishing import KEYRING_NAME, PublicFolder, link_or_copy
from suture.sourcing.refusal import Refusal
from suture.sourcing.repository import Adoption, verify_repository
from suture.sourcing.seen import NothingSeen
from suture.sourcing.signing import SigningKey
from suture.sourcing.source import AptSource
from suture.sourcing.transport import FolderTransport

DISTRIBUTION = "suture"
ORIGIN = "Suture"
VALIDITY = timedelta(days=7)
_DATE = "%a, %d %b %Y %H:%M:%S UTC"
_KEPT_FIELDS = ("Origin", "Label", "Suite", "Codename", "Architectures", "Components")


class InternalRepositoryError(SutureError):
    """The internal repository could not be changed; what hosts see is as it was."""


@dataclass(frozen=True)
class PublishedState:
    """snapshot: aptly's name for it. packages: everything on offer."""

    snapshot: str
    date: datetime
    valid_until: datetime
    packages: PackageList


class InternalRepository:
    """The repository below `root` (settings.repository_dir)."""

    def __init__(
        self,
        root: Path,
        *,
        architectures: Sequence[str] = ("amd64",),
        owner: str = "Suture",
        public: Path | None = None,
        key_home: Path | None = None,
    ) -> None:
        """public, key_home: where they are not below `root` (the quarantine repository shares address and key)."""
        self.root = root
        self.public = public or root / "public"
        self.cache = FileCache(root / "cache")
        self._folder = PublicFolder(self.public)
        self._architectures = tuple(dict.fromkeys((*architectures, "all")))
        self._aptly = Aptly(root / "aptly", root / "staging")
        self._key = SigningKey(key_home or root / "gnupg", owner=f"{owner} internal repository")

    @property
    def keyring(self) -> Path:
        """The public key's file, for hosts."""
        return self._folder.keyring

    def ensure(self, *, now: datetime) -> PublishedState:
        """The published state; an empty one is made, with its key, where there is none yet."""
        with self._locked():
            if not (self.public / "dists").exists():
                name = self._fresh_name("empty", now)
                self._aptly.empty_snapshot(name)
                self._publish(name, now=now)
        return self.state(now=now)

    def state(self, *, now: datetime) -> PublishedState:
        """What hosts see at this moment, proven. Raises Refusal (EXPIRED when it was not refreshed)."""
        return _state(self._verified(self.public, at=now), self._current_snapshot())

    def adopt(self, files: Sequence[CachedFile], campaign_id: str, *, now: datetime) -> str:
        """Take proven files in and publish; the snapshot's name. All or nothing.

        Files that are on offer already are fine; one of the same name, version and architecture with other content is
        refused. Raises InternalRepositoryError, AptlyError, SigningError.
        """
        if not files:
            raise InternalRepositoryError(f"{campaign_id} brings no file to adopt.")
        self.ensure(now=now)
        with self._locked():
            before = self._current_snapshot()
            present = self._offered(now).named(*(file.package.name for file in files))
            offered = {(p.name, p.version, p.architecture): p.sha256 for p in present}
            fresh = [f for f in files if _is_fresh(f, offered)]
            if not fresh:
                return before
            name = self._fresh_name(campaign_id, now)
            intake = f"{name}-intake"
            with self._as_deb_files(fresh) as paths:
                self._aptly.snapshot_of(intake, paths)
            try:
                self._aptly.merged_snapshot(name, [before, intake])
                self._publish(name, now=now, expected=fresh)
            except BaseException:
                self._discard(name)
                raise
            finally:
                self._discard(intake)
            return name

    def retire(self, source_package: str, source_version: str, *, now: datetime) -> str | None:
        """Take every binary package of a source version off the offer; the new snapshot, None when none was there."""
        self.ensure(now=now)
        with self._locked():
            gone = [p for p in self._offered(now).of_source(source_package) if p.source_version == source_version]
            if not gone:
                return None
            name = self._fresh_name(f"retire-{source_package}", now)
            query = ", ".join(f"!({p.name} (= {p.version}))" for p in gone)
            self._aptly.filtered_snapshot(name, self._current_snapshot(), query)
            try:
                self._publish(name, now=now)
            except BaseException:
                self._discard(name)
                raise
            return name

    def refresh(self, *, now: datetime, remaining: timedelta = VALIDITY / 2) -> datetime:
        """Sign the state anew when less than `remaining` is left of its validity; until when it holds."""
        self.ensure_exists()
        with self._locked():
            release = (self.public / "dists" / DISTRIBUTION / "Release").read_text("utf-8")
            match = re.search(r"^Valid-Until: (.+)$", release, re.MULTILINE)
            until = datetime.strptime(match[1], _DATE).replace(tzinfo=UTC) if match else now
            if until - now > remaining:
                return until
            self._publish(self._current_snapshot(), now=now)
            return now + VALIDITY

    def ensure_exists(self) -> None:
        if not (self.public / "dists").exists():
            raise InternalRepositoryError(f"{self.public} holds no repository.", remedy="Run `./suture up`.")

    # -- building and promoting -------------------------------------------------------------------------------------

    def _publish(self, snapshot: str, *, now: datetime, expected: Sequence[CachedFile] = ()) -> None:
        staged = self._aptly.write_tree(
            snapshot, distribution=DISTRIBUTION, architectures=self._architectures, origin=ORIGIN
        )
        try:
            self._key.ensure()
            public_key = self._key.public_key()
            self._folder.carry_over_hashes(staged, DISTRIBUTION)
            self._sign(staged, snapshot, now)
            keyring = staged / KEYRING_NAME
            keyring.write_bytes(public_key)
            try:
                proven = self._verified(staged, at=now, keyring=keyring, files=expected)
            except Refusal as refusal:
                # Not the source's fault, so not a Refusal: what we built ourselves does not hold.
                raise InternalRepositoryError(f"The new state does not prove: {refusal.sentence}") from refusal
            _require(proven, expected)
            self._folder.promote(staged, proven.packages, public_key, now=now)
        finally:
            self._aptly.drop_tree(snapshot, distribution=DISTRIBUTION)
            shutil.rmtree(staged, ignore_errors=True)

    def _sign(self, staged: Path, snapshot: str, now: datetime) -> None:
        """Replace aptly's Release by ours: strong hashes only, Valid-Until, by-hash; and sign it."""
        dist = staged / "dists" / DISTRIBUTION
        fields = dict(re.findall(r"^([A-Za-z-]+): (.*)$", (dist / "Release").read_text("utf-8"), re.MULTILINE))
        now = now.astimezone(UTC).replace(microsecond=0)
        lines = [f"{name}: {fields[name]}" for name in _KEPT_FIELDS]
        lines += [f"Date: {now.strftime(_DATE)}", f"Valid-Until: {(now + VALIDITY).strftime(_DATE)}"]
        lines += [f"Description: Packages proven by Suture, snapshot {snapshot}", "Acquire-By-Hash: yes", "SHA256:"]
        for path in sorted(dist.rglob("Packages*")):
            if "by-hash" in path.parts:
                continue
            data = path.read_bytes()
            digest = hashlib.sha256(data).hexdigest()
            lines.append(f" {digest} {len(data):>9} {path.relative_to(dist)}")
            copy = path.parent / "by-hash" / "SHA256" / digest
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.unlink(missing_ok=True)
            copy.write_bytes(data)
        text = ("\n".join(lines) + "\n").encode()
        inline, detached = self._key.sign(text)
        (dist / "Release").write_bytes(text)
        (dist / "InRelease").write_bytes(inline)
        (dist / "Release.gpg").write_bytes(detached)
        (dist / "snapshot.json").write_text(json.dumps({"snapshot": snapshot}) + "\n", "utf-8")

    # -- reading ----------------------------------------------------------------------------------------------------

    def _verified(
        self, folder: Path, *, at: datetime, keyring: Path | None = None, files: Sequence[CachedFile] = ()
    ) -> Adoption:
        source = AptSource(
            name="internal",
            address=str(folder),
            suite=DISTRIBUTION,
            keyrings=(keyring or self.keyring,),
            codename=DISTRIBUTION,
            origin=ORIGIN,
        )
        wanted = {(f.package.name, f.package.version, f.package.architecture) for f in files}
        return verify_repository(
            source,
            FolderTransport(folder),
            at=at,
            seen=NothingSeen(),
            choose_files=lambda listed: [
                p
                for p in listed.named(*(name for name, *_more in wanted))
                if (p.name, p.version, p.architecture) in wanted
            ],
        )

    def _offered(self, now: datetime) -> PackageList:
        """What is on offer; judged at its own date, since building upon an expired state renews it."""
        release = (self.public / "dists" / DISTRIBUTION / "Release").read_text("utf-8")
        match = re.search(r"^Date: (.+)$", release, re.MULTILINE)
        made = datetime.strptime(match[1], _DATE).replace(tzinfo=UTC) if match else now
        return self._verified(self.public, at=made).packages

    def _current_snapshot(self) -> str:
        path = self.public / "dists" / DISTRIBUTION / "snapshot.json"
        return str(json.loads(path.read_text("utf-8"))["snapshot"])

    def _fresh_name(self, what: str, now: datetime) -> str:
        slug = re.sub(r"[^a-z0-9]+", "-", what.lower()).strip("-")[:60]
        stem = f"suture-{now.astimezone(UTC):%Y%m%dt%H%M%S}-{slug}"
        taken = set(self._aptly.snapshots())
        names = (stem if number == 1 else f"{stem}-{number}" for number in range(1, 1000))
        return next(name for name in names if name not in taken and f"{name}-intake" not in taken)

    def _discard(self, snapshot: str) -> None:
        if snapshot in self._aptly.snapshots():
            self._aptly.drop_snapshot(snapshot)

    @contextmanager
    def _as_deb_files(self, files: Sequence[CachedFile]) -> Iterator[list[Path]]:
        """The cached files under their own names: aptly looks at the suffix."""
        folder = self.root / f"incoming-{os.getpid()}-{os.urandom(4).hex()}"
        folder.mkdir(parents=True)
        try:
            paths = []
            for number, file in enumerate(files):
                path = folder / str(number) / Path(file.package.filename).name
                path.parent.mkdir()
                link_or_copy(file.path, path)
                paths.append(path)
            yield paths
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One change at a time, over all processes of this machine."""
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / "lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _state(adoption: Adoption, snapshot: str) -> PublishedState:
    release = adoption.release
    return PublishedState(snapshot, release.date, release.expires_at(VALIDITY), adoption.packages)


def _is_fresh(file: CachedFile, offered: dict[tuple[str, str, str], str | None]) -> bool:
    package = file.package
    known = offered.get((package.name, package.version, package.architecture))
    if known is not None and known != file.sha256:
        raise InternalRepositoryError(
            f"{package.name} {package.version} is another file than the one on offer"
            f" ({file.sha256[:12]}…, not {known[:12]}…).",
            remedy="One version must not name two files: ask the source's owner which one is right.",
        )
    return known is None


def _require(proven: Adoption, expected: Sequence[CachedFile]) -> None:
    """The files that came out are the files that went in."""
    found = {(f.package.name, f.package.version, f.package.architecture): f.sha256 for f in proven.files}
    for file in expected:
        package = file.package
        if found.get((package.name, package.version, package.architecture)) != file.sha256:
            raise InternalRepositoryError(
                f"{package.name} {package.version} did not come out of aptly as it went in.",
                remedy="Nothing was published. Check the disk, then run the intake again.",
            )
