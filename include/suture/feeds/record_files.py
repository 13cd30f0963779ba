"""The records in files, folders and archives, one at a time and without unpacking anything to disk.

The rules:

1. A folder stands for the files in it, in the order of their names; a .jsonl or .ndjson file (gzip too) holds one record
   a line; a .zip, .tar, .tar.gz or .tgz one record a member. Members that are no .json are passed over.
2. A record has at most MAX_RECORD_BYTES, a member of an archive inflates at most MAX_RATIO-fold, and all records of a copy
   together have at most MAX_TOTAL_BYTES in at most MAX_RECORDS records; a source's policy may allow less. A record that
   breaks a rule is left out with its reason; a copy that breaks the last two, or an archive that breaks off, is refused as a whole.
3. Nothing is followed: a link is left out, in a folder as in an archive, and so is a member whose name leads out of it.
"""

from __future__ import annotations

import gzip
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from suture.errors import BadInputError
from suture.feeds.decoded import Rejected
from suture.feeds.errors import FeedRefusedError

MAX_RECORD_BYTES = 16 * 1024 * 1024  # a bound of ours; records of 3 to 5 kB are usual
MAX_RATIO = 400  # JSON inflates 5- to 20-fold; runs of one byte a thousandfold
MAX_TOTAL_BYTES = 16 * 1024**3
MAX_RECORDS = 3_000_000
_RATIO_FREE_BYTES = 64 * 1024  # a small record of blanks may have any ratio
_LINES = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")
_TARS = (".tar", ".tar.gz", ".tgz")
_RECORDS = (".json", ".json.gz")
_BROKEN = (
    EOFError,
    zlib.error,
    gzip.BadGzipFile,
    zipfile.BadZipFile,
    tarfile.TarError,
    NotImplementedError,
    RuntimeError,
)

@dataclass(frozen=True, slots=True)
class Unread:
    """In place of the content of a plain file that whoever uses it is to read: by `read`, with the item's name."""


UNREAD = Unread()
Item = tuple[str, "bytes | Rejected | Unread"]


def is_container(path: Path) -> bool:
    """True for what holds many records: a folder, an archive, a file of lines."""
    return path.is_dir() or path.name.lower().endswith((".zip", *_TARS, *_LINES))


def records(
    paths: Sequence[Path],
    *,
    max_record_bytes: int = MAX_RECORD_BYTES,
    max_total_bytes: int = MAX_TOTAL_BYTES,
    max_records: int = MAX_RECORDS,
    unread: bool = False,
) -> Iterator[Item]:
    """(name, content) of each record, or (name, Rejected). Raises BadInputError for a path that cannot be read and
    FeedRefusedError for a copy that is refused as a whole. The limits may be lower than this module's, not higher.

    unread: plain files are named only, and do not count towards max_total_bytes: `refuse_more` is the caller's."""
    most_bytes, most_records = min(max_total_bytes, MAX_TOTAL_BYTES), min(max_records, MAX_RECORDS)
    total = count = 0
    for path in paths:
        for name, content in _of_path(path):
            if not unread and isinstance(content, Unread):
                content = read(name, max_record_bytes)
            if isinstance(content, bytes):
                total += len(content)
                if len(content) > max_record_bytes:
                    content = _too_large(name, max_record_bytes)
            count += 1
            if total > most_bytes or count > most_records:
                refuse_more(str(path), total, count, max_total_bytes=most_bytes, max_records=most_records)
            yield name, content


def refuse_more(where: str, size: int, count: int, *, max_total_bytes: int, max_records: int) -> None:
    """Raise FeedRefusedError when a copy of `size` bytes in `count` records is too large."""
    most_bytes, most_records = min(max_total_bytes, MAX_TOTAL_BYTES), min(max_records, MAX_RECORDS)
    if size > most_bytes or count > most_records:
        raise FeedRefusedError(
            f"{where}: more than {most_bytes} bytes or {most_records} records in one copy; split it."
        )


def read(path: str, max_record_bytes: int = MAX_RECORD_BYTES) -> bytes | Rejected:
    """The content of a plain file of one record, inflated. Raises BadInputError for one that cannot be read."""
    try:
        content = _plain(path)
    except OSError as error:
        raise BadInputError(f"{path} cannot be read: {error.strerror or error}.") from error
    too_large = isinstance(content, bytes) and len(content) > max_record_bytes
    return _too_large(path, max_record_bytes) if too_large else content


def _of_path(path: Path) -> Iterator[Item]:
    try:
        if path.is_dir():
            yield from _folder(str(path))
        else:
            yield from _file(str(path))
    except _BROKEN as error:
        raise FeedRefusedError(
            f"{path}: it breaks off or is damaged: {str(error)[:200] or 'unexpected end'}."
        ) from error
    except OSError as error:
        raise BadInputError(f"{path} cannot be read: {error.strerror or error}.") from error


def _folder(path: str) -> Iterator[Item]:
    with os.scandir(path) as entries:
        names = sorted((entry.name, entry.is_dir(follow_symlinks=False), entry.is_symlink()) for entry in entries)
    for name, is_folder, is_link in names:
        inside = f"{path}/{name}"
        if is_link:
            yield inside, Rejected(name, f"{inside} is a link, and links are not followed")
        elif is_folder:
            yield from _folder(inside)
        elif name.endswith(_RECORDS):
            yield inside, UNREAD
        elif name.endswith(_LINES):
            yield from _file(inside)


def _file(path: str) -> Iterator[Item]:
    low = path.lower()
    if low.endswith(".zip"):
        yield from _zip(path)
    elif low.endswith(_TARS):
        yield from _tar(path)
    elif low.endswith(_LINES):
        with open(path, "rb") as raw:
            yield from _lines(path, gzip.GzipFile(fileobj=raw) if low.endswith(".gz") else raw)
    else:
        yield path, UNREAD


def _plain(path: str) -> bytes | Rejected:
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        content = os.read(handle, 65536)
        if len(content) == 65536:
            found = os.fstat(handle)
            if found.st_size > MAX_RECORD_BYTES:
                return _too_large(path)
            parts, size = [content], len(content)
            while part := os.read(handle, 1 << 20):
                parts.append(part)
                size += len(part)
                if size > MAX_RECORD_BYTES:  # it grew, or it is a device, which tells no size
                    return _too_large(path)
            content = b"".join(parts)
    finally:
        os.close(handle)
    if content[:2] == b"\x1f\x8b":
        inflater = zlib.decompressobj(zlib.MAX_WBITS | 16)
        try:
            plain = inflater.decompress(content, min(MAX_RECORD_BYTES, _allowed(len(content))) + 1)
        except zlib.error as error:
            return Rejected(Path(path).name, f"{path} cannot be inflated: {error}")
        if len(plain) > min(MAX_RECORD_BYTES, _allowed(len(content))):
            return _too_large(path)
        return plain if inflater.eof else Rejected(Path(path).name, f"{path}: the compressed record breaks off")
    return content


def _lines(path: str, stream: IO[bytes] | gzip.GzipFile) -> Iterator[Item]:
    number = 0
    while line := stream.readline(MAX_RECORD_BYTES + 1):
        number += 1
        name = f"{path}, line {number}"
        if len(line) > MAX_RECORD_BYTES:
            while line and not line.endswith(b"\n"):
                line = stream.readline(MAX_RECORD_BYTES)
            yield name, _too_large(name)
        elif not line.isspace():
            yield name, line


def _zip(path: str) -> Iterator[Item]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            name = f"{path}:{member.filename}"
            mode = member.external_attr >> 16
            if member.is_dir() or not member.filename.endswith(".json"):
                continue
            if refused := _bad_name(member.filename, stat.S_ISLNK(mode)):
                yield name, Rejected(member.filename[:200], f"{name[:400]}: {refused}")
                continue
            if member.file_size > min(MAX_RECORD_BYTES, _allowed(member.compress_size)):
                yield name, _too_large(name)
                continue
            try:
                with archive.open(member) as stream:
                    content = stream.read(MAX_RECORD_BYTES + 1)  # zipfile stops at file_size and checks the CRC
            except _BROKEN as error:
                yield name, Rejected(member.filename[:200], f"{name[:400]}: it is damaged: {str(error)[:200]}")
                continue
            yield name, content


def _tar(path: str) -> Iterator[Item]:
    packed = os.path.getsize(path)
    with tarfile.open(path, "r|" if path.lower().endswith(".tar") else "r|gz") as archive:
        for member in archive:
            if archive.offset > _allowed(packed):
                raise FeedRefusedError(f"{path}: it inflates more than {MAX_RATIO}-fold.")
            archive.members = []  # type: ignore[attr-defined]  # tarfile keeps every member that it met
            if member.isdir() or not member.name.endswith(".json"):
                continue
            name = f"{path}:{member.name}"
            if refused := _bad_name(member.name, not member.isreg()):
                yield name, Rejected(member.name[:200], f"{name[:400]}: {refused}")
            elif member.size > MAX_RECORD_BYTES:
                yield name, _too_large(name)
            else:
                stream = archive.extractfile(member)
                content = stream.read() if stream is not None else b""
                if len(content) != member.size:
                    raise tarfile.ReadError(f"{member.name} breaks off")
                yield name, content


def _bad_name(name: str, is_link: bool) -> str | None:
    if is_link:
        return "it is a link or a device, not a file"
    pure = PurePosixPath(name.replace("\\", "/"))
    if pure.is_absolute() or ".." in pure.parts or ":" in pure.parts[0] or "\x00" in name:
        return "its name leads out of the archive"
    return None


def _allowed(packed: int) -> int:
    return max(packed * MAX_RATIO, _RATIO_FREE_BYTES)


def _too_large(name: str, limit: int = MAX_RECORD_BYTES) -> Rejected:
    return Rejected(
        PurePosixPath(name).name[:200],
        f"{name[:400]}: it has more than {limit} bytes or inflates more than {MAX_RATIO}-fold",
    )
