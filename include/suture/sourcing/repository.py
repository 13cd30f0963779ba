"""The whole chain of an apt repository, from pinned key to package file.

The rules, in the order in which they are checked; the first that fails refuses the source with its reason:

1. InRelease is fetched (or, where there is none, Release with Release.gpg). It is signed by a pinned key that
   is neither revoked nor expired at the time we judge by. Only the text that the signature covers is read.
2. Its Date is not in the future; Valid-Until is not past; where it says no Valid-Until, the source's max_age
   holds.
3. It calls itself what was asked for: suite or codename, and origin, label, components, architectures as
   expected.
4. It is not older than the Release adopted last, nor another of the same Date.
5. Each index has the size and all strong digests that the Release lists, packed and unpacked; inflating is
   bounded. In a folder every listed form of an index that is present must be right, by-hash copies too.
6. Each package has a strong digest and a path inside the repository; no two entries of one name, version and
   architecture differ.
7. Each package file asked for has the size and all strong digests that its index lists.

Only then is the Release remembered as seen. It is not remembered earlier: a Release whose indices do not
match it is no state of the repository.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from suture.sourcing.content import PACKED_FORMS, inflate, verify_index, verify_stream
from suture.sourcing.keyring import Keyring, load_keyring
from suture.sourcing.packages import BinaryPackage, PackageList, merge_packages, parse_packages
from suture.sourcing.refusal import Refusal, RefusalReason
from suture.sourcing.release import ListedFile, Release, check_identity, check_time, parse_release
from suture.sourcing.seen import SeenRelease, SeenState, check_not_older
from suture.sourcing.signature import SignedText, verify_clearsigned, verify_detached
from suture.sourcing.source import AptSource
from suture.sourcing.transport import FileMissing, FolderTransport, Transport, read_whole

MAX_RELEASE_BYTES = 16 * 1024 * 1024
MAX_INDEX_BYTES = 256 * 1024 * 1024
WORKERS = 4
FileChoice = Callable[[PackageList], Sequence[BinaryPackage]]
_FORMS = (*PACKED_FORMS, "")  # smallest first


@dataclass(frozen=True)
class VerifiedIndex:
    """path: relative to the suite's folder; sha256 of the form that was fetched."""

    path: str
    component: str
    architecture: str
    size: int
    sha256: str
    package_count: int


@dataclass(frozen=True)
class VerifiedFile:
    """A package whose file was read and matched; sha256 is what was computed."""

    package: BinaryPackage
    sha256: str


@dataclass(frozen=True)
class Adoption:
    """What was proven. files: the package files that were checked, () when only the indices were asked for.

    key_ends_at: when the key that signed stops counting, None: never. alarms: what somebody must do about keys in time.
    """

    source: AptSource
    address: str
    release: Release
    signed: SignedText
    release_path: str
    inrelease_sha256: str
    release_sha256: str
    indices: tuple[VerifiedIndex, ...]
    packages: PackageList
    files: tuple[VerifiedFile, ...]
    judged_at: datetime
    key_ends_at: datetime | None = None
    alarms: tuple[str, ...] = ()

    def chain(self) -> dict[str, Any]:
        """The proof as JSON, for evidence: key, Release, indices, files."""
        return {
            "source": self.source.name,
            "address": self.source.stated_address or self.address,
            "suite": self.source.suite,
            "origin": self.release.origin,
            "codename": self.release.codename,
            "key_fingerprint": self.signed.key_fingerprint,
            "signing_fingerprint": self.signed.signing_fingerprint,
            "key_owner": self.signed.key_owner,
            "key_ends_at": self.key_ends_at.isoformat() if self.key_ends_at else None,
            "alarms": list(self.alarms),
            "signature_digest": self.signed.digest,
            "signature_notes": list(self.signed.notes),
            "release_path": self.release_path,
            "inrelease_sha256": self.inrelease_sha256,
            "release_sha256": self.release_sha256,
            "date": self.release.date.isoformat(),
            "expires_at": self.release.expires_at(self.source.max_age).isoformat(),
            "says_valid_until": self.release.valid_until is not None,
            "judged_at": self.judged_at.astimezone(UTC).isoformat(),
            "indices": [
                {"path": i.path, "size": i.size, "sha256": i.sha256, "packages": i.package_count} for i in self.indices
            ],
            "files": [
                {
                    "package": f.package.name,
                    "version": f.package.version,
                    "architecture": f.package.architecture,
                    "path": f.package.filename,
                    "size": f.package.size,
                    "sha256": f.sha256,
                }
                for f in self.files
            ],
        }


def verify_repository(
    source: AptSource,
    transport: Transport,
    *,
    at: datetime,
    seen: SeenState,
    choose_files: FileChoice | None = None,
    keyring: Keyring | None = None,
) -> Adoption:
    """Prove a source, or raise Refusal. `at` is the clock to judge by (aware).

    choose_files: picks from the proven indices the packages whose files are read and checked too; None: no files.
    """
    keyring = keyring or load_keyring(source.keyrings, source.fingerprints, source.pin_rules)
    folder = f"dists/{source.suite}"
    signed, path, carried = _fetch_release(transport, folder, keyring, at)
    release = parse_release(signed.text, subject=path)
    check_time(release, source, at=at, subject=path)
    check_identity(release, source, subject=path)
    text_sha256 = hashlib.sha256(signed.text).hexdigest()
    check_not_older(release, text_sha256, seen.last(source, release), subject=path)
    indices, packages = _fetch_indices(source, transport, folder, release)
    adoption = Adoption(
        source=source,
        address=transport.address,
        release=release,
        signed=signed,
        release_path=path,
        inrelease_sha256=hashlib.sha256(carried).hexdigest(),
        release_sha256=text_sha256,
        indices=indices,
        packages=packages,
        files=(),
        judged_at=at,
        key_ends_at=keyring.ends_at(signed.key_fingerprint, signed.signing_fingerprint),
        alarms=keyring.alarms(signed.key_fingerprint, signed.signing_fingerprint, at=at),
    )
    if choose_files is not None:
        adoption = replace(adoption, files=verify_files(transport, choose_files(packages)))
    remember(adoption, seen, at=at)
    return adoption


def remember(adoption: Adoption, seen: SeenState, *, at: datetime) -> None:
    """Note the adopted Release as the newest one seen."""
    state = SeenRelease(
        adoption.release.date,
        adoption.release_sha256,
        adoption.inrelease_sha256,
        adoption.signed.key_fingerprint,
        at,
    )
    seen.remember(adoption.source, adoption.release, state)


def verify_files(transport: Transport, packages: Sequence[BinaryPackage]) -> tuple[VerifiedFile, ...]:
    """Read and check package files, several at once, keeping nothing. Raises the first Refusal in the order given."""

    def check(package: BinaryPackage) -> VerifiedFile:
        try:
            chunks = transport.open(package.filename, expected_bytes=package.size)
            return VerifiedFile(package, verify_stream(package.listed(), chunks))
        except FileMissing as error:
            raise _missing(package.filename, transport) from error

    with ThreadPoolExecutor(WORKERS) as pool:
        futures = [pool.submit(check, package) for package in packages]
        try:
            return tuple(future.result() for future in futures)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _fetch_release(transport: Transport, folder: str, keyring: Keyring, at: datetime) -> tuple[SignedText, str, bytes]:
    """The signed text, the path of the file that carried it, and that file's bytes."""
    inline = f"{folder}/InRelease"
    try:
        data = read_whole(transport, inline, limit_bytes=MAX_RELEASE_BYTES)
        return verify_clearsigned(data, keyring, at=at, subject=inline), inline, data
    except FileMissing:
        pass
    plain = f"{folder}/Release"
    try:
        data = read_whole(transport, plain, limit_bytes=MAX_RELEASE_BYTES)
    except FileMissing as error:
        sentence = f"{transport.address} has neither {inline} nor {plain}."
        raise Refusal(RefusalReason.UNREACHABLE, sentence, subject=inline) from error
    try:
        signature = read_whole(transport, f"{plain}.gpg", limit_bytes=MAX_RELEASE_BYTES)
    except FileMissing as error:
        sentence = f"{plain} is not signed: there is neither InRelease nor Release.gpg."
        raise Refusal(RefusalReason.SIGNATURE_MISSING, sentence, subject=plain) from error
    if not signature.strip():
        raise Refusal(RefusalReason.SIGNATURE_MISSING, f"{plain}.gpg is empty.", subject=plain)
    return verify_detached(data, signature, keyring, at=at, subject=plain), plain, data


def _fetch_indices(
    source: AptSource, transport: Transport, folder: str, release: Release
) -> tuple[tuple[VerifiedIndex, ...], PackageList]:
    wanted = list(_wanted_indices(source, release, folder))
    with ThreadPoolExecutor(WORKERS) as pool:
        read = list(pool.map(lambda w: _read_index(transport, folder, release, *w), wanted))
    packages = merge_packages([found for _index, found in read], subject=folder)
    return tuple(index for index, _found in read), packages


def _wanted_indices(source: AptSource, release: Release, folder: str) -> Iterator[tuple[str, str, str]]:
    """(component, architecture, path without suffix) of each index asked for, or of each there is."""
    asked = bool(source.components or source.architectures)
    components = source.components or tuple(c.rpartition("/")[2] for c in release.components) or ("main",)
    architectures = source.architectures or release.architectures
    if not source.architectures and source.default_architecture in release.architectures:
        architectures = tuple(a for a in release.architectures if a in {source.default_architecture, "all"})
    count = 0
    for component in components:
        for architecture in architectures:
            stem = f"{component}/binary-{architecture}/Packages"
            if any(stem + form in release.files for form in _FORMS):
                count += 1
                yield component, architecture, stem
            elif asked and architecture != "all":
                # Packages of architecture "all" stand in every architecture's index unless there is one for them.
                raise _unlisted(release, folder, stem)
    if not count and any("/Packages" in path for path in release.weakly_listed):
        raise _unlisted(release, folder, "Packages")
    if not count:
        sentence = f"{folder}: the Release file lists no Packages index."
        raise Refusal(RefusalReason.MALFORMED, sentence, subject=folder)


def _unlisted(release: Release, folder: str, stem: str) -> Refusal:
    if any(path.startswith(stem) or path.rpartition("/")[2].startswith(stem) for path in release.weakly_listed):
        sentence = f"{folder}: the Release file lists {stem} by MD5 or SHA-1 only; these can be forged."
        return Refusal(RefusalReason.WEAK_HASH, sentence, subject=stem)
    sentence = (
        f"{folder}: the Release file lists no index {stem} in a form that we read (plain, {', '.join(PACKED_FORMS)})."
    )
    return Refusal(RefusalReason.MALFORMED, sentence, subject=stem)


def _read_index(
    transport: Transport, folder: str, release: Release, component: str, architecture: str, stem: str
) -> tuple[VerifiedIndex, PackageList]:
    listed = [release.files[stem + form] for form in _FORMS if stem + form in release.files]
    plain_entry = release.files.get(stem)
    for entry in listed:
        try:
            data = _fetch_form(transport, folder, entry, by_hash=release.acquire_by_hash)
        except FileMissing:
            continue
        sha256 = verify_index(entry, data)
        plain = inflate(entry.path, data, listed_bytes=plain_entry.size if plain_entry else None)
        if plain_entry is not None and plain_entry is not entry:
            verify_index(plain_entry, plain)
        if isinstance(transport, FolderTransport):
            _check_other_forms(transport, folder, listed, plain)
        packages = parse_packages(plain, subject=f"{folder}/{entry.path}", component=component)
        return (
            VerifiedIndex(entry.path, component, architecture, entry.size, sha256, len(packages)),
            packages,
        )
    raise _missing(f"{folder}/{stem}", transport)


def _fetch_form(transport: Transport, folder: str, entry: ListedFile, *, by_hash: bool) -> bytes:
    """One form of an index; by its digest first where the archive offers that, since a path may change meanwhile."""
    limit = min(entry.size, MAX_INDEX_BYTES)
    paths = [f"{folder}/{entry.path}"]
    if by_hash:
        parent = entry.path.rpartition("/")[0]
        paths[:0] = [f"{folder}/{parent}/by-hash/{name}/{digest}" for name, digest in entry.digests.items()]
    for path in paths:
        try:
            # One byte more than listed is enough to know that it is too long.
            return b"".join(transport.open(path, expected_bytes=limit))
        except FileMissing:
            continue
    raise FileMissing(entry.path)


def _check_other_forms(transport: FolderTransport, folder: str, listed: Sequence[ListedFile], plain: bytes) -> None:
    """A folder does not change under us: everything of this index that lies there must be what was signed, and say the same."""
    for entry in listed:
        parent = entry.path.rpartition("/")[0]
        copies = [f"{parent}/by-hash/{name}/{digest}" for name, digest in entry.digests.items()]
        for path in (entry.path, *copies):
            try:
                data = b"".join(transport.open(f"{folder}/{path}", expected_bytes=entry.size))
            except FileMissing:
                continue
            verify_index(replace(entry, path=path), data)
            if path == entry.path and inflate(path, data, listed_bytes=len(plain)) != plain:
                sentence = f"{folder}/{path} is signed, and holds another list than the index's other forms."
                raise Refusal(RefusalReason.HASH_MISMATCH, sentence, subject=path)


def _missing(path: str, transport: Transport) -> Refusal:
    sentence = f"{path} is listed and signed, but {transport.address} does not have it."
    return Refusal(RefusalReason.UNREACHABLE, sentence, subject=path)
