"""The file that an SBOM is about: its real hashes, and those of the files in it.

Archives are read as streams with limits, nothing is unpacked to disk and no other program is asked: zip (wheel, jar), tar in its
compressions, .deb by the reader that trusts nothing in it (`analysis/deb.py`). An archive in an archive is not opened.
"""

from __future__ import annotations

import hashlib
import lzma
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Protocol

from suture.errors import BadInputError
from suture.sourcing.analysis.deb import iter_contents
from suture.sourcing.analysis.tarball import MemberType
from suture.sourcing.analysis.unreadable import Limits, PackageUnreadable

STRONG = (
    "sha256",
    "sha384",
    "sha512",
    "sha3_256",
    "sha3_384",
    "sha3_512",
    "blake2b",
    "blake2b_256",
    "blake2b_384",
    "blake2b_512",
)
WEAK = ("md5", "sha1")
MAX_MEMBERS = 200_000
MAX_INFLATED_BYTES = 4 * 1024**3
_CHUNK = 1024 * 1024
_DEB_LIMITS = Limits(members=MAX_MEMBERS, unpacked_bytes=MAX_INFLATED_BYTES)
# One file of an archive: its path, its bytes, and None; a hard link has no bytes of its own: its path, None, its target's path.
_Found = tuple[str, IO[bytes] | None, str | None]


class Hasher(Protocol):
    """What hashlib makes."""

    def update(self, data: bytes, /) -> None: ...

    def hexdigest(self) -> str: ...


def _hasher(name: str) -> Hasher:
    if name.startswith("blake2b_"):
        return hashlib.blake2b(digest_size=int(name.removeprefix("blake2b_")) // 8)
    return hashlib.new(name, usedforsecurity=name not in WEAK)


class ArtifactError(Exception):
    """The artefact cannot be looked into. Its text is the reason."""


@dataclass(frozen=True)
class Artifact:
    """A file. title: its name for sentences, '' for that of the path (in the intake's cache files are named by their digest)."""

    path: Path
    title: str = ""

    @property
    def name(self) -> str:
        return self.title or self.path.name

    @cached_property
    def hashes(self) -> Mapping[str, str]:
        """algorithm → hex, all that an SBOM may give. Raises BadInputError."""
        try:
            with self.path.open("rb") as file:
                return _hashes(file, (*STRONG, *WEAK), limit=None)
        except OSError as error:
            raise BadInputError(f"{self.path} cannot be read: {error.strerror}.") from error

    @property
    def is_archive(self) -> bool:
        return self.is_deb or bool(re.search(r"\.(whl|jar|war|zip|tgz|tar(\.(gz|xz|bz2))?)$", self.path.name))

    @property
    def is_deb(self) -> bool:
        """By its first bytes: in the intake's cache files are named by their digest."""
        try:
            with self.path.open("rb") as file:
                return file.read(8) == b"!<arch>\n"
        except OSError:
            return False

    def members(self, algorithms: frozenset[str]) -> dict[str, Mapping[str, str]]:
        """path → algorithm → hex of the regular files in it, of a hard link those of its target. Raises ArtifactError."""
        found: dict[str, Mapping[str, str]] = {}
        left = MAX_INFLATED_BYTES
        for name, file, target in self._files():
            if file is not None:
                counted = _Counted(file)
                found[plain_path(name)] = _hashes(counted, algorithms, limit=left)
                left -= counted.bytes
            elif (linked := found.get(plain_path(target or ""))) is not None:
                found[plain_path(name)] = linked
        return found

    def read(self, wanted: Callable[[str], bool], *, most: int) -> Iterator[tuple[str, bytes]]:
        """(path, content) of the files that are wanted, at most `most` bytes of each. Raises ArtifactError."""
        for name, file, _target in self._files():
            if file is not None and wanted(name):
                yield plain_path(name), file.read(most)

    def _files(self) -> Iterator[_Found]:
        with self._opened() as walk:
            for number, found in enumerate(walk):
                if number >= MAX_MEMBERS:
                    raise ArtifactError(f"it holds more than {MAX_MEMBERS} files")
                yield found

    @contextmanager
    def _opened(self) -> Iterator[Iterator[_Found]]:
        try:
            if self.is_deb:
                with closing(_deb(self.path)) as walk:
                    yield walk
            elif zipfile.is_zipfile(self.path):
                with zipfile.ZipFile(self.path) as archive:
                    yield _zip(archive)
            else:
                with self.path.open("rb") as file:
                    yield _tar(file, mode="r|*")
        except PackageUnreadable as error:
            raise ArtifactError(f"it is no sound package: {error.why}") from error
        except (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, NotImplementedError,
                RuntimeError, ValueError) as error:  # fmt: skip
            raise ArtifactError(f"it is no sound archive: {error}") from error


def plain_path(name: str) -> str:
    """As paths are compared: without ./ and leading slashes."""
    return "/".join(part for part in name.replace("\\", "/").split("/") if part not in ("", "."))


class _Counted:
    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.bytes = 0

    def read(self, size: int) -> bytes:
        data = self._file.read(size)
        self.bytes += len(data)
        return data


def _hashes(file: IO[bytes] | _Counted, algorithms: Iterable[str], *, limit: int | None) -> dict[str, str]:
    running = {name: _hasher(name) for name in algorithms}
    length = 0
    while chunk := file.read(_CHUNK):
        length += len(chunk)
        if limit is not None and length > limit:
            raise ArtifactError(f"it inflates to more than {MAX_INFLATED_BYTES} bytes")
        for hasher in running.values():
            hasher.update(chunk)
    return {name: hasher.hexdigest() for name, hasher in running.items()}


def _zip(archive: zipfile.ZipFile) -> Iterator[_Found]:
    for member in archive.infolist():
        if not member.is_dir():
            with archive.open(member) as file:
                yield member.filename, file, None


def _tar(stream: IO[bytes], mode: str = "r|") -> Iterator[_Found]:
    """A file that is not read is inflated all the same, to get past it: what is ahead counts before it is passed."""
    with tarfile.open(fileobj=stream, mode=mode) as archive:  # type: ignore[call-overload]
        for member in archive:
            if member.offset_data + member.size > MAX_INFLATED_BYTES:
                raise ArtifactError(f"it inflates to more than {MAX_INFLATED_BYTES} bytes")
            if member.islnk():
                yield member.name, None, member.linkname
            elif member.isfile() and (file := archive.extractfile(member)) is not None:
                yield member.name, file, None


def _deb(path: Path) -> Generator[_Found]:
    for member, file in iter_contents(path, _DEB_LIMITS):
        if member.type is MemberType.HARDLINK:
            yield member.path, None, member.target
        elif member.type is MemberType.FILE:
            yield member.path, file, None
