"""Whether a package differs from the one before in anything but what every build makes new: its version, dates, build ids.

    differs(old, new, difference) -> str | None

The rules:

1. A file, right, script, relation or trigger that came, went or changed is something. So is a file whose bytes differ once the own
   version, dates and times, ELF build ids and links to debug files, and the times in gzip's head are blanked.
2. The own version is blanked as each package has it: a text that changed from one number to another is none of it.
3. Documents, changelogs and fields of the description are nothing: no fix lies in them.
4. What is not read to its end (too large, too much) counts as something: the absence of a fix is said only when it was seen.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Iterable

from suture.sourcing.analysis.deb import DebPackage, iter_contents
from suture.sourcing.analysis.difference import Change, Difference, FileChange, Side
from suture.sourcing.analysis.places import Place
from suture.sourcing.analysis.tarball import MemberType

MAX_FILE_BYTES = 64 * 1024 * 1024
MAX_BYTES = 512 * 1024 * 1024  # of one package's changed files
_GZIP = b"\x1f\x8b\x08"
_MONTH = rb"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}"
_OF_EVERY_BUILD = re.compile(
    rb"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2})?(?:\.\d+)?(?:Z|[+-]\d{2}:?\d{2})?)?"  # 2026-11-20T10:00:00Z
    rb"|(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{0,6},? +)?(?:" + _MONTH + rb" +\d{1,2},?|\d{1,2} +" + _MONTH + rb") +\d{4}"
    rb"|(?<!\d)\d{2}:\d{2}:\d{2}(?!\d)(?: +(?:UTC|GMT|[+-]\d{4}))?"
    rb"|\x04\x00\x00\x00\x14\x00\x00\x00\x03\x00\x00\x00GNU\x00.{20}"  # .note.gnu.build-id, little endian
    rb"|[0-9a-f]{38}\.debug\x00{1,4}.{4}",  # .gnu_debuglink: the debug file's name and its CRC
    re.DOTALL,
)


def differs(old: Side, new: Side, difference: Difference) -> str:
    """The first thing that differs in more than that; '' for nothing. Raises PackageUnreadable."""
    first = _beside_content(old.deb, new.deb, difference)
    if first:
        return first
    changed = [file for file in difference.files if file.place is not Place.DOCUMENT]
    if not changed:
        return ""
    sizes = [max(file.old.size, file.new.size) for file in changed if file.old and file.new]
    if max(sizes) > MAX_FILE_BYTES or sum(sizes) > MAX_BYTES:
        return changed[0].path
    before = _digests(old.deb, [file.old.path for file in changed if file.old])
    after = _digests(new.deb, [file.new.path for file in changed if file.new])
    for file in changed:
        if file.old and file.new and before.get(file.old.path) != after.get(file.new.path):
            return file.path
    return ""


def _beside_content(old: DebPackage, new: DebPackage, difference: Difference) -> str:
    for file in difference.files:
        if file.place is not Place.DOCUMENT and not _content_alone(file):
            return file.path
    for script in difference.scripts:
        return f"DEBIAN/{script.name}"
    for relation in difference.relations:
        if _blank(relation.old.encode(), old) != _blank(relation.new.encode(), new):
            return f"{relation.field}: {relation.name}"
    for change in difference.symbols:
        return change.path
    return difference.triggers[0] if difference.triggers else ""


def _content_alone(file: FileChange) -> bool:
    return file.change is Change.CHANGED and file.aspects == {"content"}


def _digests(deb: DebPackage, paths: Iterable[str]) -> dict[str, str]:
    """Path → the digest of what is left of the file, of its target where it is a hard link."""
    real = {path: member.path for path in paths if (member := deb.regular(path)) is not None}
    wanted = set(real.values())
    found = {}
    for member, file in iter_contents(deb.path):
        if member.path in wanted and member.type is MemberType.FILE:
            found[member.path] = hashlib.sha256(_blank(_inflated(file.read()), deb)).hexdigest()
    return {path: found[target] for path, target in real.items() if target in found}


def _inflated(data: bytes) -> bytes:
    if not data.startswith(_GZIP):
        return data
    try:
        stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
        found = stream.decompress(data, MAX_FILE_BYTES)
    except zlib.error:
        return data
    return found if stream.eof and not stream.unused_data else data


def _blank(data: bytes, deb: DebPackage) -> bytes:
    version = deb.version.partition(":")[2] or deb.version
    source = deb.source[1].partition(":")[2] or deb.source[1]
    words = {word for full in (version, source) for word in (full, full.rpartition("-")[0]) if len(word) > 2}
    if words:
        longest = sorted(words, key=len, reverse=True)
        own = b"|".join(re.escape(word.encode()) for word in longest)
        data = re.sub(rb"(?<![\d.])(?:%b)(?![\d])" % own, b"\0VERSION\0", data)
    return _OF_EVERY_BUILD.sub(b"\0BUILD\0", data)
