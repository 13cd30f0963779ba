"""The members of a tar that comes as a stream, read as strictly as dpkg and more strictly than tarfile.

tarfile does the format; this walk closes the gaps between what tarfile and dpkg see, since a gap is where a member hides:

- A broken header in the middle ends the archive for tarfile: here it refuses it, and only zeros may follow the end mark.
- tarfile takes an unknown type for a file, and a prefix for part of a GNU header's name: both are refused.
- Numbers are octal or base-256 and nothing else that Python's int() would read.
- Names: relative, no `..`, no empty or `.` part, no control characters, each once, nothing beneath a link or a file, links
  only to where they may point (see _check_target). Devices are refused: no package of Debian 12 ships one.
"""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, BinaryIO, Self, cast

from suture.sourcing.analysis.unpacking import Unpacked
from suture.sourcing.analysis.unreadable import Fault, Limits, PackageUnreadable, shown

_MAGICS = (b"ustar\x0000", b"ustar  \x00", b"\x00" * 8)
_OCTAL = re.compile(rb" *[0-7]*[ \x00]*")
_NUMBERS = ((100, 108), (108, 116), (116, 124), (124, 136), (136, 148), (148, 156))
_LONG = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE)
_DEVICES = (tarfile.CHRTYPE, tarfile.BLKTYPE)
_BLOCK = 256 * 1024
_XATTR = "SCHILY.xattr."


class MemberType(StrEnum):
    """What a member is."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    HARDLINK = "hardlink"
    FIFO = "fifo"


_TYPES = {
    tarfile.REGTYPE: MemberType.FILE,
    tarfile.AREGTYPE: MemberType.FILE,
    tarfile.DIRTYPE: MemberType.DIRECTORY,
    tarfile.SYMTYPE: MemberType.SYMLINK,
    tarfile.LNKTYPE: MemberType.HARDLINK,
    tarfile.FIFOTYPE: MemberType.FIFO,
}


@dataclass(frozen=True, slots=True)
class Member:
    """One member. path: relative, without './' ('.' is the root); a byte that is no UTF-8 stands as \\xNN. Hostile text.

    mode: the permission bits with setuid, setgid, sticky (0o7777). target: where a link points, as written (a hard link's without
    './'), None for others. size: of a file, else 0. sha256 and md5: of a file that was read, else None. xattrs: extended
    attributes out of pax headers, which dpkg itself does not read: `security.capability` and so on.
    """

    path: str
    type: MemberType
    mode: int
    uid: int
    gid: int
    owner: str
    group: str
    size: int
    target: str | None = None
    sha256: str | None = None
    md5: str | None = None
    xattrs: dict[str, bytes] = field(default_factory=dict)


class MemberFile(io.RawIOBase):
    """A member's bytes, once, forwards, and only until the next member is asked for."""

    def __init__(self, stream: Unpacked, size: int, path: str) -> None:
        super().__init__()
        self._stream, self._left, self._path = stream, size, path

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(min(len(buffer), self._left))
        if not data and self._left and len(buffer):
            raise self._stream.unreadable(Fault.TRUNCATED, "it breaks off in the middle of its data", self._path)
        self._left -= len(data)
        buffer[: len(data)] = data
        return len(data)

    def readall(self) -> bytes:
        return b"".join(iter(lambda: self.read(_BLOCK), b""))


def members(stream: Unpacked, limits: Limits, *, most: int) -> Iterator[tuple[Member, BinaryIO]]:
    """Every member with its bytes (none for what is no file), in order. most: how many there may be. Raises PackageUnreadable."""
    seen: dict[str, MemberType] = {}
    for header in _headers(stream, limits):
        member = _member(header, stream, limits)
        _check_place(member, seen, stream)
        seen[member.path] = member.type
        if len(seen) > most:
            raise stream.unreadable(Fault.TOO_MANY_MEMBERS, f"it holds more than the {most} members allowed")
        file = MemberFile(stream, member.size, member.path)
        yield member, cast(BinaryIO, file)
        while file.read(_BLOCK):
            pass
    _check_end(stream)


def _headers(stream: Unpacked, limits: Limits) -> Iterator[tarfile.TarInfo]:
    """The headers; the caller reads each member's bytes before it asks for the next."""

    class Header(tarfile.TarInfo):
        @classmethod
        def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
            _check_header(bytes(buf), stream, limits)
            return super().frombuf(buf, encoding, errors)

    try:
        archive = tarfile.TarFile(
            fileobj=cast(BinaryIO, stream), tarinfo=Header, encoding="utf-8", errors="surrogateescape"
        )
        while (header := archive.next()) is not None:
            yield header
            archive.members.clear()  # type: ignore[attr-defined]  # it keeps every header otherwise
    except (tarfile.TarError, ValueError, ArithmeticError, LookupError, RecursionError) as error:
        fault = Fault.TRUNCATED if stream.ended else Fault.DAMAGED
        raise stream.unreadable(fault, f"its headers cannot be read ({error})") from error


def _check_header(block: bytes, stream: Unpacked, limits: Limits) -> None:
    """What tarfile lets through and dpkg does not, or reads otherwise."""
    if len(block) != tarfile.BLOCKSIZE or not any(block):
        return
    for start, end in _NUMBERS:
        number = block[start:end]
        if number[0] != 0x80 and not _OCTAL.fullmatch(number):
            raise stream.unreadable(Fault.DAMAGED, "a header holds a number that is none")
    kind = block[156:157]
    magic = block[257:265]
    if magic not in _MAGICS:
        raise stream.unreadable(Fault.DAMAGED, "a header has no tar magic")
    if kind in _DEVICES:
        name = block[:100].rstrip(b"\x00").decode("utf-8", "backslashreplace")
        raise stream.unreadable(Fault.DEVICE, f"it ships the device node {shown(name)}")
    if kind not in _TYPES and kind not in _LONG:
        raise stream.unreadable(Fault.UNUSUAL_TYPE, f"a member is of the type {kind!r}, which no package uses")
    if magic != _MAGICS[0] and any(block[345:500]):
        raise stream.unreadable(Fault.DAMAGED, "a header of the old form holds a second part of a name")
    size = tarfile.nti(block[124:136])  # type: ignore[attr-defined]  # tarfile's own reading of a number
    if kind in _LONG and not 0 < size <= limits.header_bytes:
        raise stream.unreadable(Fault.TOO_LARGE, f"a header of {size} bytes is none")
    if kind not in _LONG and size != 0 and _TYPES[kind] is not MemberType.FILE:
        raise stream.unreadable(Fault.DAMAGED, f"a {_TYPES[kind]} claims to hold {size} bytes")
    if size < 0 or size > limits.file_bytes:
        raise stream.unreadable(Fault.TOO_LARGE, f"a file of {size} bytes is more than the {limits.file_bytes} allowed")


def _member(header: tarfile.TarInfo, stream: Unpacked, limits: Limits) -> Member:
    kind = _TYPES[header.type]
    if any(key.startswith("GNU.sparse") for key in header.pax_headers):
        raise stream.unreadable(Fault.UNUSUAL_TYPE, "it holds a sparse file")
    if not 0 <= header.size <= limits.file_bytes:  # a pax header may have changed it
        raise stream.unreadable(Fault.TOO_LARGE, f"a file of {header.size} bytes is more than allowed")
    path = _path(_text(header.name), stream, limits)
    return Member(
        path=path,
        type=kind,
        mode=header.mode & 0o7777,
        uid=header.uid,
        gid=header.gid,
        owner=_text(header.uname),
        group=_text(header.gname),
        size=header.size if kind is MemberType.FILE else 0,
        target=_target(header, kind, path, stream, limits),
        xattrs={
            key.removeprefix(_XATTR): value.encode("utf-8", "surrogateescape")
            for key, value in header.pax_headers.items()
            if key.startswith(_XATTR)
        },
    )


def _text(name: str) -> str:
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _path(name: str, stream: Unpacked, limits: Limits) -> str:
    """Relative and normal, or refused."""
    _check_text(name, name, stream, limits)
    if name.startswith("/"):
        raise stream.unreadable(Fault.ABSOLUTE_NAME, "its name is absolute", name)
    path = name.removeprefix("./").rstrip("/")
    if path in {"", "."} and name in {".", "./"}:
        return "."
    parts = path.split("/")
    if ".." in parts:
        raise stream.unreadable(Fault.TRAVERSAL, "its name leads out of the package", name)
    if "" in parts or "." in parts:
        raise stream.unreadable(Fault.BAD_NAME, "its name has an empty part", name)
    if len(parts) > limits.depth:
        raise stream.unreadable(Fault.TOO_DEEP, f"it lies deeper than {limits.depth} folders", name)
    return path


def _check_text(text: str, path: str, stream: Unpacked, limits: Limits) -> None:
    if len(text) > limits.path_bytes:
        raise stream.unreadable(Fault.BAD_NAME, f"its name is longer than {limits.path_bytes} characters", path)
    if any(ord(c) < 32 or 127 <= ord(c) < 160 for c in text):
        raise stream.unreadable(Fault.BAD_NAME, "its name holds control characters", path)


def _target(header: tarfile.TarInfo, kind: MemberType, path: str, stream: Unpacked, limits: Limits) -> str | None:
    if kind is MemberType.HARDLINK:
        target = _text(header.linkname)
        if target.startswith("/") or ".." in target.split("/"):
            raise stream.unreadable(Fault.LINK_ESCAPE, f"it is a hard link to {shown(target)}, outside", path)
        return _path(target, stream, limits)
    if kind is not MemberType.SYMLINK:
        return None
    target = _text(header.linkname)
    _check_text(target, path, stream, limits)
    if not target:
        raise stream.unreadable(Fault.DAMAGED, "it is a link to nothing", path)
    if not target.startswith("/"):
        depth = path.count("/")
        for part in target.split("/"):
            depth += -1 if part == ".." else 0 if part in {"", "."} else 1
            if depth < 0:
                raise stream.unreadable(Fault.LINK_ESCAPE, f"it is a link to {shown(target)}, above the root", path)
    return target


def _check_place(member: Member, seen: dict[str, MemberType], stream: Unpacked) -> None:
    if member.path in seen:
        raise stream.unreadable(Fault.DUPLICATE, "it is there twice", member.path)
    parent = member.path.rpartition("/")[0]
    while parent:
        if seen.get(parent, MemberType.DIRECTORY) is not MemberType.DIRECTORY:
            raise stream.unreadable(
                Fault.LINK_ESCAPE, f"it lies beneath the {seen[parent]} {shown(parent)}", member.path
            )
        parent = parent.rpartition("/")[0]
    if member.type is MemberType.HARDLINK and seen.get(member.target or "") is not MemberType.FILE:
        raise stream.unreadable(
            Fault.LINK_ESCAPE, f"it is a hard link to {shown(member.target or '')}, no file before it", member.path
        )


def _check_end(stream: Unpacked) -> None:
    mark = stream.last
    if len(mark) < tarfile.BLOCKSIZE:
        raise stream.unreadable(Fault.TRUNCATED, "it ends without an end mark")
    if any(mark):
        raise stream.unreadable(Fault.DAMAGED, "a header in the middle cannot be read")
    while rest := stream.read(_BLOCK):
        if any(rest):
            raise stream.unreadable(Fault.TRAILING_DATA, "data follow its end mark")


__all__ = ["Member", "MemberFile", "MemberType", "PackageUnreadable", "members"]
