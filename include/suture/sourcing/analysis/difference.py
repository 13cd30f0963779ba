"""What really differs between two versions of a package: files, rights, scripts, dependencies, fields, symbols.

The rules:

1. Files are compared by path as it stands on a host with merged /usr, the own version in it left out; by type, mode, owner,
   target, attributes and sha256.
2. A difference that every build makes is none: the version's own changelog, build ids, dates in comments of scripts.
3. A dependency differs when the names differ; a version that moved with the build is a change of its own kind (`bounds`).
4. Nothing is judged here: `notes.py` asks which of these differences stand in a note.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from suture.sourcing.analysis import symbols
from suture.sourcing.analysis.deb import DebPackage, read_deb
from suture.sourcing.analysis.places import SENSITIVE, Place, merged, place_of
from suture.sourcing.analysis.scripts import ScriptChange, script_changes
from suture.sourcing.analysis.tarball import Member, MemberType
from suture.sourcing.analysis.unreadable import Limits
from suture.sourcing.dependencies import parse_dependencies

RELATIONS = (
    *("Pre-Depends", "Depends", "Recommends", "Suggests", "Enhances"),
    *("Conflicts", "Breaks", "Replaces", "Provides"),
)
_FIELDS = (
    *("Package", "Architecture", "Source", "Maintainer", "Origin", "Bugs", "Section", "Priority", "Essential"),
    *("Protected", "Important", "Multi-Arch", "Homepage", "Original-Maintainer"),
)
_TEXT_BYTES = 512 * 1024
_DIFF_LINES = 80


class Change(StrEnum):
    """What became of it."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True)
class FileChange:
    """aspects: of a changed file, out of content, mode, owner, type, target, attributes. lines: a small text's diff, else ().

    is_code: compiled, so that its content changes with every build."""

    path: str
    change: Change
    old: Member | None
    new: Member | None
    place: Place
    aspects: frozenset[str] = frozenset()
    lines: tuple[str, ...] = ()
    is_code: bool = False


@dataclass(frozen=True)
class RelationChange:
    """One name in a relation. old and new: how it stands there ('' for not at all)."""

    field: str
    name: str
    change: Change
    old: str
    new: str


@dataclass(frozen=True)
class FieldChange:
    """'' for a field that is not there."""

    field: str
    old: str
    new: str


@dataclass(frozen=True)
class SymbolChange:
    """What a shared library exports more and less."""

    path: str
    added: tuple[str, ...]
    removed: tuple[str, ...]


@dataclass(frozen=True)
class Side:
    """One package, read: with the small texts that are compared line by line, and its libraries' exported symbols."""

    deb: DebPackage
    exports: Mapping[str, frozenset[str]]


@dataclass(frozen=True)
class Difference:
    """conffiles: (added, removed) paths. wrong_md5sums: files of the new package whose own md5sums file says otherwise."""

    files: tuple[FileChange, ...]
    scripts: tuple[ScriptChange, ...]
    relations: tuple[RelationChange, ...]
    fields: tuple[FieldChange, ...]
    symbols: tuple[SymbolChange, ...]
    conffiles: tuple[frozenset[str], frozenset[str]]
    triggers: tuple[str, ...]
    wrong_md5sums: tuple[str, ...]

    @property
    def shows_something(self) -> bool:
        """Whether anything differs but documents: a package where nothing does may still be part of an update."""
        files = any(file.place is not Place.DOCUMENT for file in self.files)
        return bool(files or self.scripts or self.relations or self.triggers)


def read_side(path: Path, limits: Limits | None = None) -> Side:
    """Read one package for a comparison. Raises PackageUnreadable, BadInputError."""
    exports: dict[str, frozenset[str]] = {}

    def wanted(member: Member) -> bool:
        if _is_library(member):
            return member.size <= symbols.MAX_BYTES
        return member.size <= _TEXT_BYTES * 8 and (_is_text_of_interest(member.path) or _is_changelog(member.path))

    def take(member: Member, data: bytes) -> bool:
        if not _is_library(member):
            return True
        found = symbols.exported(data)
        if found is not None:
            exports[_stem(member.path)] = found
        return False

    deb = read_deb(path, limits, keep=wanted, keep_bytes=symbols.MAX_BYTES, take=take)
    return Side(deb, exports)


def compare(old: Side, new: Side) -> Difference:
    """What the new one has that the old one has not, and the other way round."""
    return Difference(
        files=_files(old.deb, new.deb),
        scripts=script_changes(old.deb.scripts, new.deb.scripts, (old.deb.version, new.deb.version)),
        relations=_relations(old.deb, new.deb),
        fields=tuple(
            FieldChange(name, before, after)
            for name in _FIELDS
            if (before := _field(old.deb, name)) != (after := _field(new.deb, name))
        ),
        symbols=_symbols(old.exports, new.exports),
        conffiles=(
            frozenset(new.deb.conffiles) - frozenset(old.deb.conffiles),
            frozenset(old.deb.conffiles) - frozenset(new.deb.conffiles),
        ),
        triggers=tuple(line for line in new.deb.triggers if line not in old.deb.triggers),
        wrong_md5sums=wrong_md5sums(new.deb),
    )


def wrong_md5sums(deb: DebPackage) -> tuple[str, ...]:
    """Paths whose content is not what the package's own md5sums file says, or that it names and does not ship."""
    wrong = []
    for path, digest in deb.md5sums.items():
        member = deb.regular(path)
        if member is None or member.md5 != digest.lower():
            wrong.append(path)
    return tuple(wrong)


def _files(old: DebPackage, new: DebPackage) -> tuple[FileChange, ...]:
    before = {_key(path, old): member for path, member in old.members.items() if not _of_every_build(path)}
    after = {_key(path, new): member for path, member in new.members.items() if not _of_every_build(path)}
    found = []
    for path in dict.fromkeys([*after, *before]):
        was, now = before.get(path), after.get(path)
        if was is None or now is None:
            member = now or was
            assert member is not None
            if member.type is MemberType.DIRECTORY and member.mode & 0o7000 == 0 and member.uid == member.gid == 0:
                continue  # an ordinary folder comes and goes with its files
            lines = _lines(old, new, was, now)
            change = Change.ADDED if was is None else Change.REMOVED
            found.append(FileChange(member.path, change, was, now, place_of(member.path), lines=lines))
        elif aspects := _aspects(old, new, was, now):
            lines = _lines(old, new, was, now) if "content" in aspects else ()
            is_code = _is_code(old, was) and _is_code(new, now)
            found.append(FileChange(now.path, Change.CHANGED, was, now, place_of(now.path), aspects, lines, is_code))
    return tuple(found)


def _key(path: str, deb: DebPackage) -> str:
    """What a file is known by from one version to the next: some packages write their own version into names."""
    version = deb.version.partition(":")[2] or deb.version
    return merged(path).replace(version, "VERSION") if len(version) > 4 else merged(path)


def _aspects(old: DebPackage, new: DebPackage, was: Member, now: Member) -> frozenset[str]:
    real_was, real_now = old.regular(was.path), new.regular(now.path)
    differs = {
        "content": (real_was and real_was.sha256) != (real_now and real_now.sha256),
        "type": was.type is not now.type and not (real_was and real_now),
        "mode": was.mode != now.mode and now.type is not MemberType.SYMLINK,
        "owner": (was.uid, was.gid) != (now.uid, now.gid),
        "target": was.type is now.type is MemberType.SYMLINK and was.target != now.target,
        "attributes": was.xattrs != now.xattrs,
    }
    return frozenset(name for name, is_so in differs.items() if is_so)


def _is_code(deb: DebPackage, member: Member) -> bool:
    real = deb.regular(member.path)
    data = deb.contents.get(real.path) if real is not None else None
    return data.startswith(b"\x7fELF") if data is not None else _is_library(member)


def _lines(old: DebPackage, new: DebPackage, was: Member | None, now: Member | None) -> tuple[str, ...]:
    """A unified diff without its head, bounded; () for what is no small text."""
    texts = []
    for deb, member in ((old, was), (new, now)):
        real = deb.regular(member.path) if member is not None else None
        data = deb.contents.get(real.path, None) if real is not None else b""
        if data is None or len(data) > _TEXT_BYTES or b"\x00" in data:
            return ()
        texts.append(data.decode("utf-8", "backslashreplace").splitlines())
    if len(texts[0]) + len(texts[1]) > 4000:
        return ()
    diff = difflib.unified_diff(texts[0], texts[1], lineterm="", n=0)
    return tuple(line[:300] for line in diff if not line.startswith(("---", "+++", "@@")))[:_DIFF_LINES]


def _relations(old: DebPackage, new: DebPackage) -> tuple[RelationChange, ...]:
    found = []
    for field in RELATIONS:
        before, after = _names(old.fields.get(field, "")), _names(new.fields.get(field, ""))
        for name in dict.fromkeys([*after, *before]):
            was, now = before.get(name, ""), after.get(name, "")
            if was != now:
                change = Change.ADDED if not was else Change.REMOVED if not now else Change.CHANGED
                found.append(RelationChange(field, name, change, was, now))
    return tuple(found)


def _names(value: str) -> dict[str, str]:
    """Every name of a relation, alternatives too, with its bound."""
    found: dict[str, str] = {}
    for group in parse_dependencies(value.replace("\n", " ")):
        for atom in group:
            bound = f"{atom.name} ({atom.operator} {atom.version})" if atom.operator else atom.name
            found[atom.name] = f"{found[atom.name]}, {bound}" if atom.name in found else bound
    return found


def _field(deb: DebPackage, name: str) -> str:
    if name == "Source":
        return deb.source[0]
    return deb.fields.get(name, "")


def _symbols(old: Mapping[str, frozenset[str]], new: Mapping[str, frozenset[str]]) -> tuple[SymbolChange, ...]:
    found = []
    for path in sorted(old.keys() & new.keys()):
        added, removed = new[path] - old[path], old[path] - new[path]
        if added or removed:
            found.append(SymbolChange(path, tuple(sorted(added)), tuple(sorted(removed))))
    return tuple(found)


def _is_library(member: Member) -> bool:
    return (
        member.type is MemberType.FILE
        and ".so" in member.path.rpartition("/")[2]
        and place_of(member.path) is Place.LIBRARY
    )


def _stem(path: str) -> str:
    """A library's path up to `.so`: its minor version moves with an upstream release, its name does not."""
    return merged(path).partition(".so")[0] + ".so"


def _is_text_of_interest(path: str) -> bool:
    return path.startswith("etc/") or place_of(path) in SENSITIVE


def _is_changelog(path: str) -> bool:
    return path.startswith("usr/share/doc/") and path.rpartition("/")[2].lower().startswith("changelog")


def _of_every_build(path: str) -> bool:
    return _is_changelog(path) or path.startswith("usr/lib/debug/.build-id/")
