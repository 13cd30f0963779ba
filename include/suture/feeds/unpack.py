"""Copies that come as files: one file, a folder of records, or an archive of them (.zip, .tar, .tar.gz).

The rules:

1. Nothing is written to disk: a member's name is only ever shown, never used as a path.
2. Limits hold while reading, whatever the archive says of itself: files in all, bytes of each, bytes of all, and the ratio
   of inflated to packed. What breaks one refuses the whole archive.
3. Only regular files that end like records (.json, .csv, .gz and so on) are read. Links, devices and encrypted members
   refuse the archive: who packed it did not pack a feed. An archive within an archive is not opened.
"""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from suture.errors import BadInputError
from suture.feeds.errors import FeedRefusedError
from suture.feeds.feed_source import FeedSource
from suture.feeds.fetch import bounded_gunzip

RECORDS = (".json", ".csv", ".gz", ".jsonl", ".txt", ".list", ".mbox", ".atom", ".xml", ".yaml", ".yml")
MAX_RATIO = 400  # as for gzip: JSON inflates 5- to 20-fold
_SMALL = 1024 * 1024  # a ratio says nothing of less
_ZIP, _GZIP = b"PK\x03\x04", b"\x1f\x8b"


@dataclass
class _Budget:
    """What may still come."""

    source: FeedSource
    place: str
    files: int = 0
    read_bytes: int = 0

    def take(self, name: str, size: int) -> None:
        self.files += 1
        self.read_bytes += size
        if self.files > self.source.max_files:
            raise self.refused(f"it holds more than the {self.source.max_files} files allowed")
        if self.read_bytes > self.source.max_total_bytes:
            raise self.refused(
                f"at {_shown(name)} it holds more than the {self.source.max_total_bytes} bytes allowed in all"
            )

    def refused(self, why: str) -> FeedRefusedError:
        return FeedRefusedError(f"{self.source.name}: {self.place}: {why}.")


def documents(paths: list[Path], source: FeedSource) -> Iterator[tuple[str, bytes]]:
    """(name to show, content) of every record in the files, folders and archives, in a stable order.

    Raises FeedRefusedError, FeedUnreachableError (a packed file breaks off), BadInputError (cannot be read, or nothing there).
    """
    for path in paths:
        budget = _Budget(source, str(path))
        for file in _files(path):
            raw = _file_bytes(file, source)
            yield from unpacked(str(file), raw, source, budget)
        if not budget.files:
            raise BadInputError(f"There is no file to load in {path}: records end with {', '.join(RECORDS)}.")


def unpacked(place: str, raw: bytes, source: FeedSource, budget: _Budget | None = None) -> Iterator[tuple[str, bytes]]:
    """The records of one file or answer: itself, or what the archive that it is holds."""
    budget = budget or _Budget(source, place)
    if raw[:4] == _ZIP:
        yield from _zip(place, raw, budget)
        return
    if raw[:2] == _GZIP and not place.endswith((".tar.gz", ".tgz")):
        raw = bounded_gunzip(raw, source, place=place)
    if _is_tar(place, raw):
        yield from _tar(place, raw, budget)
        return
    budget.take(place, len(raw))
    yield place, raw


def _zip(place: str, raw: bytes, budget: _Budget) -> Iterator[tuple[str, bytes]]:
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            for member in sorted(archive.infolist(), key=lambda found: found.filename):
                if member.is_dir() or not member.filename.lower().endswith(RECORDS):
                    continue
                if member.flag_bits & 0x1:
                    raise budget.refused(f"{_shown(member.filename)} is encrypted")
                if (member.external_attr >> 16) & 0o170000 == 0o120000:
                    raise budget.refused(f"{_shown(member.filename)} is a link")
                with archive.open(member) as stream:
                    content = _bounded(stream, member.filename, member.compress_size, budget)
                budget.take(member.filename, len(content))
                yield f"{place}:{_shown(member.filename)}", content
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise budget.refused(f"it is no whole zip archive: {str(error)[:200]}") from error


def _tar(place: str, raw: bytes, budget: _Budget) -> Iterator[tuple[str, bytes]]:
    try:
        # As a stream: the table of contents is read as it comes, and a bomb is stopped where the budget ends.
        with tarfile.open(fileobj=io.BytesIO(raw), mode="r|*") as archive:
            for member in archive:
                if member.isdir():
                    continue
                if not member.isreg():
                    raise budget.refused(f"{_shown(member.name)} is a link or a device")
                if member.size > budget.source.max_bytes:
                    raise budget.refused(
                        f"{_shown(member.name)} has {member.size} bytes of {budget.source.max_bytes} allowed"
                    )
                if not member.name.lower().endswith(RECORDS):
                    budget.take(member.name, member.size)
                    continue
                stream = archive.extractfile(member)
                assert stream is not None
                content = _bounded(stream, member.name, len(raw), budget)
                budget.take(member.name, len(content))
                yield f"{place}:{_shown(member.name)}", content
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise budget.refused(f"it is no whole tar archive: {str(error)[:200]}") from error


def _bounded(stream: IO[bytes], name: str, packed: int, budget: _Budget) -> bytes:
    limit = min(budget.source.max_bytes, max(packed * MAX_RATIO, _SMALL))
    content = stream.read(limit + 1)
    if len(content) > limit:
        raise budget.refused(f"{_shown(name)} inflates to more than the {limit} bytes allowed")
    if content[:2] == _GZIP:
        return bounded_gunzip(content, budget.source, place=f"{budget.place}:{_shown(name)}")
    return content


def _is_tar(place: str, raw: bytes) -> bool:
    return place.endswith((".tar.gz", ".tgz", ".tar")) or raw[257:262] == b"ustar"


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(
            file for file in path.rglob("*") if file.suffix in RECORDS and file.is_file() and not file.is_symlink()
        )
    return [path]


def _file_bytes(path: Path, source: FeedSource) -> bytes:
    """What a file, pipe or device gives, read no further than the limit: what it says of its own size is not relied on."""
    allowed = max(source.max_bytes, source.max_total_bytes)
    try:
        with path.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            content = stream.read(allowed + 1) if size <= allowed else b""
    except OSError as error:
        raise BadInputError(f"{path} cannot be read: {error.strerror}.") from error
    if size > allowed or len(content) > allowed:
        raise FeedRefusedError(f"{path}: it has more than the {allowed} bytes that {source.name} may have.")
    return content


def _shown(name: str) -> str:
    """A stranger's file name, for a message."""
    return "".join(character if character.isprintable() else "�" for character in name)[:200]
