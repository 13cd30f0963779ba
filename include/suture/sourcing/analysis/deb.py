"""Reading a .deb that may be hostile: as a stream, within limits, without dpkg and without writing anything to disk.

    read_deb(path, limits=…, keep=…, take=…) -> DebPackage
        Control fields, maintainer scripts, conffiles, md5sums, triggers, and every member with its sha256; the bytes of
        those members that `keep(member)` wants, up to `keep_bytes` each.
    iter_contents(path, limits=…) -> Iterator[(Member, file)]
        Every member of the data archive with its bytes, to be read at once and forwards (`file.read(n)`); a file that is not
        read to its end is skipped. `member.sha256` is None here. Only what is read is held in memory.
    package_file(path) -> PackageFile
        The identity that the package itself claims, for the command; an intake takes it from the proven index.

All raise PackageUnreadable (file, member, fault, reason; a Refusal MALFORMED or TRUNCATED) for whatever is not as dpkg-deb builds
it, and BadInputError for a file that cannot be opened. The rules of the tar are in `tarball.py`, the limits in `unreadable.py`.

What one should know of .debs (deb(5), measured on the archive of Debian 12):
- ar, then debian-binary (`2.0`), control.tar*, data.tar*, in this order. Members whose names begin with `_` are other tools'
  signatures, and dpkg skips them; any other member is refused here.
- Names begin with `./`; here they come without it. Owners are names or numbers; a package's files are nearly always root's.
- dpkg refuses pax headers and so never sets capabilities from a package: a package gets them by `setcap` in its postinst.
  A pax header is read all the same, since what has one was not built by dpkg-deb.
- A symbolic link may point to an absolute path (alternatives do); it is only refused when a relative one climbs above the root.
- A hard link has no bytes of its own: its content is its target's.
- Text in a package is hostile: `shown()` before it stands in a sentence.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from suture.errors import BadInputError
from suture.sourcing.analysis import tarball
from suture.sourcing.analysis.tarball import Member, MemberType
from suture.sourcing.analysis.unpacking import COMPRESSIONS, Section, Unpacked
from suture.sourcing.analysis.unreadable import MIB, Fault, Limits, PackageUnreadable, shown
from suture.sourcing.examination import PackageFile

SCRIPTS = ("preinst", "postinst", "prerm", "postrm", "config")
KEEP_BYTES = 16 * MIB
_BLOCK = 256 * 1024
_AR_MAGIC = b"!<arch>\n"
_AR_HEADER = re.compile(rb"(?P<name>[!-~]{1,16}) *")
_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]*")
_VERSION = re.compile(r"[0-9A-Za-z.+:~-]+")
_SOURCE = re.compile(r"(\S+)(?:\s+\(([^)\s]+)\))?")
_CONTROL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")


@dataclass(frozen=True)
class DebPackage:
    """What a .deb holds. All text in it is hostile; bytes that are no UTF-8 stand as \\xNN.

    fields: of the control file, as spelled there, values with their lines joined by '\\n'. control_files: every other file of
    control.tar. members: by path, in order. contents: of the members that were to be kept. extras: names of ar members that dpkg
    skips. packed_bytes, unpacked_bytes: of data.tar.
    """

    path: Path
    fields: Mapping[str, str]
    control_files: Mapping[str, bytes]
    members: Mapping[str, Member]
    contents: Mapping[str, bytes]
    compression: str
    packed_bytes: int
    unpacked_bytes: int
    extras: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.fields["Package"]

    @property
    def version(self) -> str:
        return self.fields["Version"]

    @property
    def architecture(self) -> str:
        return self.fields["Architecture"]

    @property
    def source(self) -> tuple[str, str]:
        """Name and version of the source package."""
        match = _SOURCE.fullmatch(self.fields.get("Source", "").strip())
        return (match[1], match[2] or self.version) if match else (self.name, self.version)

    @property
    def scripts(self) -> dict[str, str]:
        """Maintainer scripts by name (`SCRIPTS`)."""
        return {name: self.text(name) for name in SCRIPTS if name in self.control_files}

    @property
    def conffiles(self) -> tuple[str, ...]:
        """Their paths without the leading '/'; those that are only there to be removed are left out."""
        lines = self.text("conffiles").splitlines()
        return tuple(line.strip().lstrip("/") for line in lines if line.strip() and not line.startswith("remove-on-"))

    @property
    def md5sums(self) -> dict[str, str]:
        """Path → digest, as the package says; {} when it ships none."""
        pairs = (line.split(None, 1) for line in self.text("md5sums").splitlines())
        return {pair[1].removeprefix("./"): pair[0] for pair in pairs if len(pair) == 2}

    @property
    def triggers(self) -> tuple[str, ...]:
        """The lines of its triggers file, without comments."""
        lines = (line.partition("#")[0].split() for line in self.text("triggers").splitlines())
        return tuple(" ".join(words) for words in lines if words)

    def regular(self, path: str) -> Member | None:
        """The file at a path, through a hard link to what it is; None when there is no file."""
        member = self.members.get(path)
        if member is not None and member.type is MemberType.HARDLINK:
            member = self.members.get(member.target or "")
        return member if member is not None and member.type is MemberType.FILE else None

    def text(self, control_file: str) -> str:
        """A file of control.tar as text; '' when there is none."""
        return self.control_files.get(control_file, b"").decode("utf-8", "backslashreplace")


@dataclass(frozen=True)
class _Archive:
    """The ar: (name, start, length) of the two tars, and the names that dpkg skips."""

    control: tuple[str, int, int]
    data: tuple[str, int, int]
    extras: tuple[str, ...] = field(default=())


def read_deb(
    path: Path,
    limits: Limits | None = None,
    *,
    keep: Callable[[Member], bool] = lambda _: False,
    keep_bytes: int = KEEP_BYTES,
    take: Callable[[Member, bytes], bool] | None = None,
) -> DebPackage:
    """All of it, each file hashed. A file that `keep` wants and that is larger than `keep_bytes` is not kept.

    take: is handed each file that `keep` wants, as it flows by; what it answers False to is not held in memory.
    """
    limits = limits or Limits()
    found: dict[str, Member] = {}
    contents: dict[str, bytes] = {}
    with _opened(path) as file:
        archive = _ar(file, path.name)
        control_files = _control(file, archive.control, path.name, limits)
        fields = _fields(control_files.pop("control", b""), path.name)
        stream = _unpacked(file, archive.data, path.name, limits, limits.unpacked_bytes)
        for member, content in tarball.members(stream, limits, most=limits.members):
            if member.type is not MemberType.FILE:
                found[member.path] = member
                continue
            kept = bytearray() if member.size <= keep_bytes and keep(member) else None
            sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
            while block := content.read(_BLOCK):
                sha256.update(block)
                md5.update(block)
                if kept is not None:
                    kept += block
            found[member.path] = replace(member, sha256=sha256.hexdigest(), md5=md5.hexdigest())
            if kept is not None and (take is None or take(found[member.path], bytes(kept))):
                contents[member.path] = bytes(kept)
    name, _, packed = archive.data
    return DebPackage(
        path,
        fields,
        control_files,
        found,
        contents,
        name.removeprefix("data.tar"),
        packed,
        stream.tell(),
        archive.extras,
    )


def iter_contents(path: Path, limits: Limits | None = None) -> Iterator[tuple[Member, BinaryIO]]:
    """See the module. The file is open until the iterator is exhausted or closed."""
    limits = limits or Limits()
    with _opened(path) as file:
        archive = _ar(file, path.name)
        stream = _unpacked(file, archive.data, path.name, limits, limits.unpacked_bytes)
        yield from tarball.members(stream, limits, most=limits.members)


def read_control(path: Path, limits: Limits | None = None) -> dict[str, bytes]:
    """The files of the control part by name (`control`, maintainer scripts, …), without reading the data."""
    limits = limits or Limits()
    with _opened(path) as file:
        return _control(file, _ar(file, path.name).control, path.name, limits)


def package_file(path: Path, limits: Limits | None = None) -> PackageFile:
    """The package as a file, by what it says of itself. Only the control part and the digest are read."""
    limits = limits or Limits()
    with _opened(path) as file:
        archive = _ar(file, path.name)
        fields = _fields(_control(file, archive.control, path.name, limits).pop("control", b""), path.name)
        file.seek(0)
        sha256 = hashlib.sha256()
        while block := file.read(_BLOCK):
            sha256.update(block)
    source = DebPackage(path, fields, {}, {}, {}, "", 0, 0).source
    return PackageFile(path, fields["Package"], fields["Version"], fields["Architecture"], sha256.hexdigest(), *source)


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        file = path.open("rb")
    except OSError as error:
        raise BadInputError(f"{path} cannot be opened: {error.strerror}.") from error
    with file:
        yield file


def _ar(file: BinaryIO, name: str) -> _Archive:
    """Walks the headers only. Raises PackageUnreadable."""

    def unreadable(fault: Fault, why: str, member: str = "") -> PackageUnreadable:
        return PackageUnreadable(fault, why, file=name, member=member)

    end = file.seek(0, 2)
    file.seek(0)
    magic = file.read(len(_AR_MAGIC))
    if magic != _AR_MAGIC:
        cut = _AR_MAGIC.startswith(magic)
        raise unreadable(Fault.TRUNCATED if cut else Fault.NOT_A_PACKAGE, "it is no Debian package")
    found: list[tuple[str, int, int]] = []
    extras: list[str] = []
    position = len(_AR_MAGIC)
    while position < end:
        file.seek(position)
        header = file.read(60)
        if len(header) < 60:
            raise unreadable(Fault.TRUNCATED, "it breaks off between its parts")
        match = _AR_HEADER.fullmatch(header[:16])
        size = header[48:58].rstrip(b" ")
        if match is None or header[58:] != b"`\n" or not size.isdigit():
            raise unreadable(Fault.DAMAGED, f"the header of a part at byte {position} cannot be read")
        member, length = match["name"].decode("ascii").removesuffix("/"), int(size)
        start = position + 60
        if start + length > end:
            raise unreadable(Fault.TRUNCATED, f"it ends {start + length - end} bytes too early", member)
        if member.startswith("_"):
            extras.append(member)
        else:
            found.append((member, start, length))
        position = start + length + length % 2
        if len(found) + len(extras) > 16:
            raise unreadable(Fault.TOO_MANY_MEMBERS, "it has more than 16 parts")
    names = [member for member, _, _ in found]
    whole = [{"debian-binary"}, {f"control.tar{c}" for c in COMPRESSIONS}, {f"data.tar{c}" for c in COMPRESSIONS}]
    if len(names) != 3 or any(part not in wanted for part, wanted in zip(names, whole, strict=True)):
        if names == names[:2] and all(part in wanted for part, wanted in zip(names, whole, strict=False)):
            raise unreadable(Fault.TRUNCATED, f"it ends after {names[-1] if names else 'its first bytes'}")
        parts = ", ".join(names)
        raise unreadable(
            Fault.DUPLICATE if len(set(names)) < len(names) else Fault.NOT_A_PACKAGE, f"its parts are {parts}"
        )
    _, start, length = found[0]
    file.seek(start)
    if length > 64 or not re.fullmatch(rb"2\.\d{1,3}\n(.*\n)*", file.read(length)):
        raise unreadable(Fault.NOT_A_PACKAGE, "it is of an unknown version of the format", "debian-binary")
    return _Archive(found[1], found[2], tuple(extras))


def _unpacked(file: BinaryIO, part: tuple[str, int, int], name: str, limits: Limits, most: int) -> Unpacked:
    member, start, length = part
    compression = member.partition(".tar")[2]
    section = Section(file, start, length)
    return Unpacked(section, compression, length, limits=limits, file=name, member=member, most=most)


def _control(file: BinaryIO, part: tuple[str, int, int], name: str, limits: Limits) -> dict[str, bytes]:
    stream = _unpacked(file, part, name, limits, limits.control_bytes)
    found: dict[str, bytes] = {}
    for member, content in tarball.members(stream, limits, most=limits.control_members):
        if member.path == "." and member.type is MemberType.DIRECTORY:
            continue
        if member.type is not MemberType.FILE or not _CONTROL_NAME.fullmatch(member.path):
            raise stream.unreadable(Fault.CONTROL, f"its control part holds the {member.type} {shown(member.path)}")
        found[member.path] = content.read()
    return found


def _fields(data: bytes, name: str) -> dict[str, str]:
    """One stanza, each field once. Raises PackageUnreadable."""

    def unreadable(why: str) -> PackageUnreadable:
        return PackageUnreadable(Fault.CONTROL, why, file=name, member="control")

    fields: dict[str, str] = {}
    seen: set[str] = set()
    last = ""
    for line in data.decode("utf-8", "backslashreplace").rstrip("\n").split("\n"):
        key, colon, value = line.partition(":")
        if line[:1] in {" ", "\t"} and last:
            fields[last] += "\n" + line.strip()
        elif not colon or not key.strip() or key.lower() in seen:
            raise unreadable(f"the line {shown(line, 60)!r} is no field, or one that is there twice")
        else:
            last = key
            seen.add(key.lower())
            fields[key] = value.strip()
    for key, pattern in (("Package", _NAME), ("Version", _VERSION), ("Architecture", _NAME)):
        if not pattern.fullmatch(fields.get(key, "")):
            raise unreadable(f"{shown(fields.get(key, ''), 60)!r} is no {key}")
    return fields
