"""What lies in a package, file by file, archives within included: one record a file, small enough to keep for the comparison.

    survey(deb, …) -> Iterator[Record]

A record's key is its path with numbers and offsets blanked, so that `libfoo.so.1.2.3` meets `libfoo.so.1.2.4`, and the members of a
jar meet those of the next version's.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from suture.sourcing.analysis import deb, rules, script_idioms
from suture.sourcing.analysis.archives import (
    MAX_DEPTH,
    Budget,
    DamagedArchive,
    HostileArchive,
    archive_form,
    open_archive,
)
from suture.sourcing.analysis.elf import MAGIC, ElfFacts, UnreadableElf, read_elf
from suture.sourcing.analysis.entropy import is_dense
from suture.sourcing.analysis.tarball import MemberType

_HASH_BLOCK = 1024 * 1024
# Formats that are dense by nature, by their first bytes (offset, bytes).
_DENSE_FORMATS = (
    (0, b"\x89PNG"), (0, b"\xff\xd8\xff"), (0, b"GIF8"), (0, b"RIFF"), (0, b"OggS"), (0, b"ID3"), (0, b"\xff\xfb"), (0, b"fLaC"),
    (0, b"wOF2"), (0, b"wOFF"), (0, b"%PDF"), (4, b"ftyp"), (0, b"\x1aE\xdf\xa3"), (0, b"7z\xbc\xaf\x27\x1c"), (0, b"Rar!"),
    (0, b"\x00\x00\x00\x0cjP"),
    (0, b"II*\x00"), (0, b"MM\x00*"), (0, b"8BPS"), (0, b"BM"), (0, b"FLV"), (0, b"FWS"), (0, b"CWS"), (0, b"hsqs"), (0, b"MZ"),
    (0, b"\x95\x01"), (0, b"\x99\x01"), (0, b"\xd0\xcf\x11\xe0"), (0, b"\x04\x22\x4d\x18"), (0, b"LZIP"), (0, b"\x78\x9c"),
    (0, b"\x78\xda"),
    (0, b"SQLite format 3"), (0, b"glTF"), (0, b"\x93NUMPY"), (0, b"\x00\x00\x01\xba"), (0, b"\xff\x0a"), (0, b"qoif"),
    (0, b"\xff\xf1"),
)  # fmt: skip


@dataclass(frozen=True)
class Record:
    """path: an inner file's is `outer!inner`. sha256: of its bytes. form: of an archive. depth: 0 for the package's own files.

    fault, why: `damaged`, `hostile`, `unreadable`, `unfinished` or `too large`, and the reason; None when all could be read.
    opaque: dense bytes in no format that is known. matches: None when no rules were asked for.
    """

    path: str
    sha256: str
    size: int
    depth: int
    form: str | None = None
    elf: ElfFacts | None = None
    script: script_idioms.ScriptKind | None = None
    idioms: dict[str, tuple[str, ...]] = field(default_factory=dict)
    programs: frozenset[str] = frozenset()
    opaque: bool = False
    fault: str | None = None
    why: str = ""
    matches: tuple[rules.Match, ...] | None = None

    @property
    def key(self) -> str:
        return blank(self.path)

    @property
    def outer(self) -> str:
        """The package's own file in which it lies."""
        return self.path.split("!", 1)[0]


def blank(path: str) -> str:
    """A path with numbers and ar offsets blanked."""
    path = re.sub(r"(\.build-id/)[0-9a-f]{2}/[0-9a-f]+", r"\1#", path)
    return re.sub(r"\d+(?:[.\d]*\d)?", "#", re.sub(r"@\d+$", "", path))


@dataclass
class Survey:
    """One walk through a package. known: digest → keys of files that need no record, since the same lie in the other package, byte
    for byte. A program is looked at again where it lies in a new place: the place may be what is wrong with it.

    rule_folders: () for no rules. only: the package's own paths to look at, None for all. keep: paths whose bytes go to `kept`.
    """

    budget: Budget
    known: Mapping[str, Collection[str]] = field(default_factory=dict)
    rule_folders: tuple[Path, ...] = ()
    only: Collection[str] | None = None
    files: int = 0
    skipped: int = 0

    def walk(self, package: Path) -> Iterator[tuple[Record, bytes]]:
        """(record, bytes) of each file; the bytes are gone with the next one. Raises PackageUnreadable."""
        if self.only is None or any(path.startswith("DEBIAN/") for path in self.only):
            for name, data in sorted(deb.read_control(package).items()):
                if name in deb.SCRIPTS or name == "templates":
                    yield from self._look(f"DEBIAN/{name}", data, 0)
        for member, file in deb.iter_contents(package):
            if member.type is not MemberType.FILE or (self.only is not None and member.path not in self.only):
                continue
            if member.size > self.budget.file_bytes:
                yield self._too_large(member.path, member.size, file)
                continue
            yield from self._look(member.path, file.read(), 0)

    def _too_large(self, path: str, size: int, file: object) -> tuple[Record, bytes]:
        digest = hashlib.sha256()
        while block := file.read(_HASH_BLOCK):  # type: ignore[attr-defined]
            digest.update(block)
        why = f"it has {size} bytes, and {self.budget.file_bytes} are read"
        return Record(path, digest.hexdigest(), size, 0, fault="too large", why=why), b""

    def _look(self, path: str, data: bytes, depth: int) -> Iterator[tuple[Record, bytes]]:
        digest = hashlib.sha256(data).hexdigest()
        self.files += 1
        if digest in self.known and (not data.startswith(MAGIC) or blank(path) in self.known[digest]):
            self.skipped += 1
            return
        record = _facts(path, data, digest, depth, self.rule_folders)
        if record.form is None:
            yield record, data
            return
        if depth >= MAX_DEPTH:
            yield _with_fault(record, "hostile", f"archives lie more than {MAX_DEPTH} deep in one another"), data
            return
        fault: tuple[str, str] | None = None
        try:
            for inner, content in open_archive(path, data, self.budget):
                yield from self._look(inner, content, depth + 1)
        except DamagedArchive as error:
            fault = ("damaged", error.reason)
        except HostileArchive as error:
            fault = ("hostile", error.reason)
        yield (_with_fault(record, *fault) if fault else record), data


def _with_fault(record: Record, fault: str, why: str) -> Record:
    return Record(
        **{**{name: getattr(record, name) for name in record.__dataclass_fields__}, "fault": fault, "why": why}
    )


def _facts(path: str, data: bytes, digest: str, depth: int, folders: tuple[Path, ...]) -> Record:
    matches: tuple[rules.Match, ...] | None = None
    fault, why = None, ""
    if folders:
        try:
            matches = tuple(rules.scan(data, folders))
        except rules.ScanUnfinished as error:
            fault, why = "unfinished", str(error)
    if data.startswith(MAGIC):
        try:
            return Record(path, digest, len(data), depth, elf=read_elf(data), fault=fault, why=why, matches=matches)
        except UnreadableElf as error:
            return Record(path, digest, len(data), depth, fault="unreadable", why=error.reason, matches=matches)
    form = archive_form(data)
    if form is not None:
        return Record(path, digest, len(data), depth, form=form, fault=fault, why=why, matches=matches)
    kind = script_idioms.script_kind(path, data)
    if kind is not None:
        return Record(
            path, digest, len(data), depth, script=kind, idioms=script_idioms.idioms(kind, data),
            programs=script_idioms.script_abilities(kind, data), fault=fault, why=why, matches=matches,
        )  # fmt: skip
    return Record(path, digest, len(data), depth, opaque=_is_opaque(data), fault=fault, why=why, matches=matches)


def _is_opaque(data: bytes) -> bool:
    if any(data[at : at + len(magic)] == magic for at, magic in _DENSE_FORMATS):
        return False
    return is_dense(data)
