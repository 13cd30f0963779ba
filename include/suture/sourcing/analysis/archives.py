"""Archives within packages, and archives within those: opened in memory, as streams, within one budget for the whole package.

    open_archive(path, data, budget) -> Iterator[(path of the inner file, its bytes)]

tar, zip (jar, whl, egg, odt, …), ar (.a, .deb), and single files in gz, xz, bz2, zst, lzma; recognised by their first bytes, since
names can be chosen. What does not open raises DamagedArchive; what wants more than the budget, or names a place outside, raises
HostileArchive. Nothing is written to disk.
"""

from __future__ import annotations

import bz2
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import zstandard

from suture.errors import SutureError
from suture.sourcing.analysis.unreadable import MIB

MAX_DEPTH = 4
_BLOCK = 1024 * 1024
_ZST_STEP = 1024


class DamagedArchive(SutureError):
    """It has the first bytes of an archive and cannot be opened. reason: one phrase."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The archive cannot be opened: {reason}.")
        self.reason = reason


class HostileArchive(SutureError):
    """It wants to exhaust, or to leave, what unpacks it. reason: one phrase."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The archive is not unpacked: {reason}.")
        self.reason = reason


@dataclass
class Budget:
    """What all inner files of one package may take together; one file at most `file_bytes`."""

    unpacked_bytes: int = 2048 * MIB
    members: int = 200_000
    file_bytes: int = 256 * MIB

    def take(self, size: int, members: int = 1) -> None:
        """Raises HostileArchive when it is used up."""
        self.unpacked_bytes -= size
        self.members -= members
        if self.unpacked_bytes < 0:
            raise HostileArchive("it unpacks to more bytes than a package may hold")
        if self.members < 0:
            raise HostileArchive("it holds more files than a package may hold")


_MAGICS = (
    (0, b"PK\x03\x04", "zip"), (0, b"PK\x05\x06", "zip"), (0, b"!<arch>\n", "ar"), (0, b"\x1f\x8b\x08", "gz"),
    (0, b"\xfd7zXZ\x00", "xz"), (0, b"BZh", "bz2"), (0, b"\x28\xb5\x2f\xfd", "zst"), (0, b"]\x00\x00\x80\x00", "lzma"),
    (257, b"ustar", "tar"),
)  # fmt: skip


def archive_form(data: bytes) -> str | None:
    """zip, tar, ar, gz, xz, bz2, zst, lzma; None for what is no archive."""
    for offset, magic, form in _MAGICS:
        if data[offset : offset + len(magic)] == magic:
            if form == "bz2" and data[4:10] != b"1AY&SY":
                continue
            return form
    return None


def open_archive(path: str, data: bytes, budget: Budget) -> Iterator[tuple[str, bytes]]:
    """The files in it, one at a time; an inner path is `outer!inner`. Raises DamagedArchive, HostileArchive."""
    form = archive_form(data)
    try:
        if form == "zip":
            yield from _zip(path, data, budget)
        elif form == "tar":
            yield from _tar(path, data, budget)
        elif form == "ar":
            yield from _ar(path, data, budget)
        elif form is not None:
            yield f"{path}!", _inflated(form, data, budget)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, zstandard.ZstdError, EOFError, OSError, ValueError,
            NotImplementedError, RuntimeError, OverflowError) as error:  # fmt: skip
        raise DamagedArchive(f"{form}: {type(error).__name__}") from error


def _zip(path: str, data: bytes, budget: Budget) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = archive.infolist()
        for entry in entries:
            if entry.is_dir():
                continue
            _must_stay_inside(entry.filename)
            if entry.flag_bits & 1:
                raise HostileArchive("it is encrypted")
            with archive.open(entry) as stream:
                yield f"{path}!{entry.filename}", _bounded(stream, budget)


def _tar(path: str, data: bytes, budget: Budget) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        for member in archive:
            budget.take(0)
            if not member.isreg():
                continue
            _must_stay_inside(member.name)
            stream = archive.extractfile(member)
            if stream is not None:
                yield f"{path}!{member.name}", _bounded(stream, budget)


def _ar(path: str, data: bytes, budget: Budget) -> Iterator[tuple[str, bytes]]:
    at = 8
    while at + 60 <= len(data):
        name, size_text, end = data[at : at + 16], data[at + 48 : at + 58].strip(), data[at + 58 : at + 60]
        if end != b"`\n" or not size_text.isdigit():
            raise DamagedArchive(f"ar: the header at byte {at}")
        size = int(size_text)
        content = data[at + 60 : at + 60 + size]
        if len(content) < size:
            raise DamagedArchive("ar: it breaks off")
        budget.take(size)
        label = name.rstrip(b" ").decode("latin-1")
        if label not in ("/", "//", "/SYM64/"):
            yield f"{path}!{label.rstrip('/') if label.strip('/') else label}@{at}", content
        at += 60 + size + size % 2


def _inflated(form: str, data: bytes, budget: Budget) -> bytes:
    if form == "gz":
        return _gunzipped(data, budget)
    if form == "zst":
        return _zst(data, budget)
    packed = io.BytesIO(data)
    opened: Any
    if form == "bz2":
        opened = bz2.open(packed)  # noqa: SIM115  # `with` below closes it
    else:
        opened = lzma.open(packed, format=lzma.FORMAT_ALONE if form == "lzma" else lzma.FORMAT_AUTO)  # noqa: SIM115
    with opened as stream:
        return _bounded(stream, budget)


def _gunzipped(data: bytes, budget: Budget) -> bytes:
    """All members, and zeros after them as tar pads; the module gzip would read blocks far beyond a limit."""
    parts: list[bytes] = []
    total = 0
    while data.strip(b"\x00"):
        stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
        while not stream.eof:
            part = stream.decompress(data, _BLOCK)
            if not part and not stream.eof and not stream.unconsumed_tail:
                raise EOFError
            data = stream.unconsumed_tail
            total += len(part)
            _must_be_small(total, budget)
            budget.take(len(part), 0)
            parts.append(part)
        data = stream.unused_data
    budget.take(0)
    return b"".join(parts)


def _zst(data: bytes, budget: Budget) -> bytes:
    """All frames. zstandard's own reader takes a cut stream for a whole one; its object tells, and is fed little at a time, since
    four packed bytes can stand for 128 KiB."""
    parts: list[bytes] = []
    total = at = 0
    while at < len(data):
        frame = zstandard.ZstdDecompressor(max_window_size=128 * MIB).decompressobj()
        while not frame.eof:
            if at >= len(data):
                raise EOFError
            part = frame.decompress(data[at : at + _ZST_STEP])
            at += _ZST_STEP
            total += len(part)
            _must_be_small(total, budget)
            budget.take(len(part), 0)
            parts.append(part)
        at = min(at, len(data)) - len(frame.unused_data)
    budget.take(0)
    return b"".join(parts)


def _bounded(stream: Any, budget: Budget) -> bytes:
    parts: list[bytes] = []
    total = 0
    while part := stream.read(_BLOCK):
        total += len(part)
        _must_be_small(total, budget)
        budget.take(len(part), 0)
        parts.append(part)
    budget.take(0)
    return b"".join(parts)


def _must_be_small(total: int, budget: Budget) -> None:
    if total > budget.file_bytes:
        raise HostileArchive(f"a file in it is larger than {budget.file_bytes} bytes")


def _must_stay_inside(name: str) -> None:
    if name.startswith(("/", "\\")) or ".." in name.replace("\\", "/").split("/"):
        raise HostileArchive("it names a file outside of it")
