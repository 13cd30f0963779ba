"""What a package's own changelog says: versions, urgency, and the CVE ids it mentions.

A CVE id in a changelog is a mention, not a statement that this version fixes it: the caller records it as such.

The changelog is read out of the .deb as a stream, with limits; nothing is unpacked to disk. The .deb must have been
proven first. Some packages carry no changelog of their own (their doc folder is a link to another package's): that is
said, and never taken for "nothing changed".
"""

from __future__ import annotations

import re
import subprocess
import tarfile
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import IO

from suture.errors import SutureError
from suture.inventory.debian_version import BadVersionError, compare

MAX_CHANGELOG_BYTES = 16 * 1024 * 1024
MAX_TAR_BYTES = 4 * 1024**3
MAX_MEMBERS = 500_000
_CVE = re.compile(r"CVE-\d{4}-\d{4,19}", re.IGNORECASE)
_HEADER = re.compile(r"^(?P<source>[a-z0-9][a-z0-9+.-]*) \((?P<version>[^)\s]+)\) (?P<suites>[^;]*);(?P<options>.*)$")
_TRAILER = re.compile(r"^ -- .* {2}(?P<date>.+)$")
_NAMES = ("changelog.Debian.gz", "changelog.Debian", "changelog.gz", "changelog")


class ChangelogError(SutureError):
    """The .deb cannot be read, or exceeds the limits."""


@dataclass(frozen=True)
class ChangelogEntry:
    """date: None where the trailer gives none that can be read. cves: as mentioned, upper case, in order, once each."""

    source: str
    version: str
    urgency: str
    date: datetime | None
    cves: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class ChangelogReading:
    """entries, newest first; None when the package has no changelog of its own: then `elsewhere` says where it is."""

    entries: tuple[ChangelogEntry, ...] | None
    elsewhere: str | None


def changelog_cves(deb_path: Path, older_version: str | None = None) -> ChangelogReading:
    """The entries of a .deb's changelog that are newer than `older_version` (a source version; None: all).

    Raises ChangelogError.
    """
    text, elsewhere = _changelog_text(deb_path)
    if text is None:
        return ChangelogReading(None, elsewhere or "nowhere: the package ships no changelog")
    found = parse_changelog(text)
    if not found:
        return ChangelogReading(None, "nowhere: what the package ships as its changelog holds no entry")
    entries = []
    for entry in found:
        if older_version is not None and not _is_newer(entry.version, older_version):
            break
        entries.append(entry)
    return ChangelogReading(tuple(entries), None)


def parse_changelog(text: str) -> list[ChangelogEntry]:
    """Entries in the file's order, newest first (deb-changelog(5)); lines that fit no entry are left out."""
    entries: list[ChangelogEntry] = []
    header: re.Match[str] | None = None
    body: list[str] = []
    date: datetime | None = None
    for line in [*text.splitlines(), None]:
        match = _HEADER.match(line) if line is not None else None
        if match or line is None:
            if header is not None:
                entries.append(_entry(header, body, date))
            header, body, date = match, [], None
        elif header is not None and (trailer := _TRAILER.match(line)):
            date = _date(trailer["date"])
        elif header is not None:
            body.append(line)
    return entries


def _entry(header: re.Match[str], body: list[str], date: datetime | None) -> ChangelogEntry:
    text = "\n".join(body).strip("\n")
    urgency = re.search(r"urgency=([A-Za-z]+)", header["options"], re.IGNORECASE)
    return ChangelogEntry(
        source=header["source"],
        version=header["version"],
        urgency=urgency[1].lower() if urgency else "unknown",
        date=date,
        cves=tuple(dict.fromkeys(found.upper() for found in _CVE.findall(text))),
        text=text,
    )


def _date(value: str) -> datetime | None:
    try:
        return parsedate_to_datetime(value).astimezone(UTC)
    except (TypeError, ValueError):
        return None


def _is_newer(version: str, older: str) -> bool:
    try:
        return compare(version, older) > 0
    except BadVersionError:
        return False


def _changelog_text(deb_path: Path) -> tuple[str | None, str | None]:
    """(text, None), or (None, where a link points), or (None, None)."""
    command = ["dpkg-deb", "--fsys-tarfile", str(deb_path)]
    try:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    except FileNotFoundError as error:
        raise ChangelogError("dpkg-deb is not installed.", remedy="Install the package dpkg.") from error
    assert process.stdout is not None
    try:
        return _scan(process.stdout, deb_path)
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise ChangelogError(f"{deb_path.name} cannot be read: {error}.") from error
    finally:
        process.stdout.close()
        process.kill()
        process.wait()


def _scan(stream: IO[bytes], deb_path: Path) -> tuple[str | None, str | None]:
    package = deb_path.name.partition("_")[0]
    best: tuple[int, bytes] | None = None
    link: str | None = None
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for count, member in enumerate(archive):
            if count > MAX_MEMBERS or member.offset > MAX_TAR_BYTES:
                raise ChangelogError(f"{deb_path.name} holds more than a package should.")
            parts = member.name.removeprefix("./").split("/")
            if parts[:3] != ["usr", "share", "doc"] or len(parts) not in {4, 5}:
                continue
            if member.issym() and (len(parts) == 4 or parts[4] in _NAMES):
                link = member.linkname
            elif member.isfile() and len(parts) == 5 and parts[4] in _NAMES:
                rank = _NAMES.index(parts[4]) + (0 if parts[3] == package else len(_NAMES))
                if best is None or rank < best[0]:
                    file = archive.extractfile(member)
                    best = (rank, _plain(file.read(MAX_CHANGELOG_BYTES + 1) if file else b"", member.name))
                if best[0] == 0:
                    break
    if best is not None:
        return best[1].decode("utf-8", "replace"), None
    return None, link


def _plain(data: bytes, name: str) -> bytes:
    plain = data
    if name.endswith(".gz"):
        plain = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(data, MAX_CHANGELOG_BYTES + 1)
    if len(plain) > MAX_CHANGELOG_BYTES:
        raise ChangelogError(f"{name} is larger than {MAX_CHANGELOG_BYTES} bytes.")
    return plain
