"""What changed and stands in no note: each difference of a package asked against the items of its notes.

The rules:

1. What gives somebody rights, reaches the network, or runs by itself must be named, and what was done to it said, in one item.
   A new version of the program excuses none of it.
2. What is milder is declared by an item that names it, or a telling word out of its changed lines.
3. With a new version of the program, which the notes name, files, symbols and contents change by nature: they come together as
   one `new_version_changes`. New programs that start by themselves and new dependencies do not.
4. Comments, blank lines and translations make no difference. Documents never do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from suture.sourcing.analysis.claims import Notes
from suture.sourcing.analysis.deb import DebPackage
from suture.sourcing.analysis.difference import Change, Difference, FileChange, RelationChange
from suture.sourcing.analysis.places import Place
from suture.sourcing.analysis.scripts import ScriptChange
from suture.sourcing.analysis.tarball import Member, MemberType
from suture.sourcing.analysis.unreadable import shown
from suture.sourcing.analysis.wording import (
    ABOUT,
    CAPABILITY,
    KIND_OF,
    KIND_OF_DEED,
    SCRIPT,
    SETUID,
    path_words,
    says_it_adds,
    says_nothing,
    script_says,
    telling,
)
from suture.sourcing.examination import Concern

_IDENTITY = frozenset({"Maintainer", "Origin", "Essential", "Architecture", "Package"})
_MOST = 25  # concerns of one kind that are written out


@dataclass
class Undeclared:
    """Fills `concerns`, and `declared` with what differs and a note names (for the record, bounded)."""

    old: DebPackage
    new: DebPackage
    difference: Difference
    notes: Notes
    concerns: list[Concern] = field(default_factory=list)
    declared: list[str] = field(default_factory=list)
    with_version: list[str] = field(default_factory=list)

    def find(self) -> None:
        """Everything; afterwards the three lists are filled."""
        for change in self.difference.files:
            self._rights(change)
            self._file(change)
        for script in self.difference.scripts:
            self._script(script)
        for relation in self.difference.relations:
            self._relation(relation)
        self._symbols()
        self._fields()
        for trigger in self.difference.triggers:
            if trigger.startswith("interest"):
                self._ask(
                    "undeclared_trigger",
                    trigger,
                    f"It asks to be called by the trigger {shown(trigger)}.",
                    trigger.split()[1:],
                )
        if self.with_version:
            count = len(self.with_version)
            sentence = (
                f"{count} files or symbols changed with the new version, among them {shown(self.with_version[0])}."
            )
            self._add("new_version_changes", f"{count} changes", sentence, first=self.with_version[:50])
        self.concerns = list(_bounded(self.concerns))

    def _rights(self, change: FileChange) -> None:
        """Modes, capabilities, owners: for each file, whatever its kind."""
        was, now = change.old, change.new
        if now is None or now.type is MemberType.SYMLINK:
            return
        path, words = shown(change.path), path_words(change.path)
        grown = now.mode & 0o6000 & ~(was.mode if was is not None else 0)
        if grown and now.type is not MemberType.DIRECTORY:
            bits = "setuid" if grown & 0o4000 else "setgid"
            sentence = f"/{path} is {bits} ({now.mode:04o}, owner {shown(now.owner or str(now.uid))})."
            self._ask("undeclared_setuid", change.path, sentence, words, SETUID, mode=f"{now.mode:04o}")
        if now.xattrs and now.xattrs != (was.xattrs if was is not None else {}):
            names = ", ".join(shown(name, 60) for name in now.xattrs)
            kind = "undeclared_capability" if any("capability" in name for name in now.xattrs) else "undeclared_mode"
            self._ask(kind, change.path, f"/{path} brings the attributes {names}.", words, CAPABILITY)
        if wider := _wider(was, now):
            self._ask(
                "undeclared_mode", change.path, f"/{path} {wider} ({now.mode:04o}).", words, mode=f"{now.mode:04o}"
            )
        owned_by = (was.uid, was.gid) if was is not None else (0, 0)
        if (now.uid, now.gid) != owned_by:
            owner = f"{shown(now.owner) or now.uid}:{shown(now.group) or now.gid}"
            self._ask("undeclared_owner", change.path, f"/{path} belongs to {owner}.", words, owner=[now.uid, now.gid])

    def _file(self, change: FileChange) -> None:
        place, path = change.place, shown(change.path)
        if place is Place.DOCUMENT or (
            change.change is Change.CHANGED and not change.aspects & {"content", "type", "target"}
        ):
            return
        if change.is_code and not change.aspects & {"type", "target"}:
            return  # what is in it is asked by the examiner of programs
        if change.change is Change.CHANGED and change.lines and says_nothing(change.lines):
            return
        is_folder = (change.new or change.old or _NOBODY).type is MemberType.DIRECTORY
        verb = {Change.ADDED: "is new", Change.REMOVED: "is gone", Change.CHANGED: "has changed"}[change.change]
        words, sentence = path_words(change.path), f"/{path} {verb}."
        lines = [shown(line, 300) for line in change.lines[:40]]
        if place in KIND_OF and not is_folder and (change.change is not Change.REMOVED or place is Place.PRIVILEGE):
            is_stern = place in ABOUT
            if change.change is Change.CHANGED and not is_stern and self._goes_with_version(change.path):
                return
            more = () if is_stern else telling(change.lines)
            adds = says_it_adds(place) if is_stern or change.change is Change.ADDED else None
            self._ask(
                KIND_OF[place], change.path, sentence, (*words, *more), ABOUT.get(place), or_says=adds, lines=lines
            )
        elif change.path in self.new.conffiles or (change.path.startswith("etc/") and not is_folder):
            if not self._goes_with_version(change.path):
                self._ask("undeclared_conffile", change.path, sentence, (*words, *telling(change.lines)), lines=lines)
        elif change.change is Change.CHANGED and "type" not in change.aspects and "target" not in change.aspects:
            return  # contents change with every build
        elif place is Place.PROGRAM and change.change is Change.ADDED and not is_folder:
            if not self._goes_with_version(change.path):
                self._ask("undeclared_program", change.path, sentence, words)
        elif not is_folder and not self._goes_with_version(change.path):
            self._ask("undeclared_file", change.path, sentence, words)

    def _script(self, script: ScriptChange) -> None:
        names = (script.name, f"{self.new.name}.{script.name}")
        if script.program:
            self._ask(
                "undeclared_script_change", script.name, f"The {script.name} is a compiled program, and another.", names
            )
            return
        told: set[str] = set()
        for deed, (kind, about) in KIND_OF_DEED.items():
            lines = script.doing(deed)
            if not lines:
                continue
            sentence = f"The {script.name} has new lines that concern {deed}: {shown(lines[0])}"
            asked = self._ask(
                kind, script.name, sentence, names, about, or_says=script_says(about), lines=list(lines[:20])
            )
            told |= set(lines) if asked else set()
        rest = [line.text for line in script.added if line.text not in told and not _harmless(line.text)]
        if rest:
            words = (*names, *telling(f"+{line}" for line in rest))
            sentence = f"The {script.name} has {len(rest)} new lines, such as: {shown(rest[0])}"
            says = re.compile(SCRIPT)
            self._ask(
                "undeclared_script_change",
                script.name,
                sentence,
                words,
                or_says=says,
                lines=[shown(x, 300) for x in rest[:40]],
            )

    def _relation(self, change: RelationChange) -> None:
        if change.change is not Change.ADDED or change.name in self._own_names():
            return
        needs = change.field in {"Pre-Depends", "Depends", "Recommends"}
        if needs and change.name in _names_of(self.old, ("Pre-Depends", "Depends", "Recommends")):
            return  # it only moved
        if needs and _unversioned(change.name) in {
            _unversioned(name) for name in _names_of(self.old, ("Pre-Depends", "Depends"))
        }:
            return  # libfoo2 in the place of libfoo1
        if change.field in {"Suggests", "Enhances"} or (
            change.field in {"Breaks", "Replaces", "Provides"} and _is_abi(change.name)
        ):
            return
        kind = "undeclared_dependency" if needs else "undeclared_relation"
        sentence = f"It has a new {change.field} on {shown(change.new)}."
        self._ask(
            kind,
            change.name,
            sentence,
            (change.name, _unversioned(change.name)),
            field=change.field,
            written=change.new[:300],
        )

    def _own_names(self) -> set[str]:
        return {self.new.name, self.new.source[0], f"{self.new.source[0]}-common"}

    def _symbols(self) -> None:
        for change in self.difference.symbols:
            if self._goes_with_version(change.path):
                continue
            first = (change.added or change.removed)[0]
            sentence = (
                f"/{shown(change.path)} exports {len(change.added)} symbols more and {len(change.removed)} fewer than before,"
                f" such as {shown(first)}."
            )
            words = (*path_words(change.path), *change.added[:50], *change.removed[:50])
            added, removed = list(change.added[:40]), list(change.removed[:40])
            self._ask("undeclared_symbol", change.path, sentence, words, added=added, removed=removed)

    def _fields(self) -> None:
        for change in self.difference.fields:
            if change.field == "Source":
                sentence = f"It is built from {shown(change.new)}; before, it was from {shown(change.old)}."
                self._add("other_source", change.new, sentence, old=change.old[:200])
                continue
            sentence = f"{change.field} is {shown(change.new) or 'gone'}; it was {shown(change.old) or 'not there'}."
            words = (change.field, change.new, *re.findall(r"[\w.-]{4,}", change.new))
            kind = "undeclared_identity" if change.field in _IDENTITY else "undeclared_field"
            self._ask(kind, change.field, sentence, words, old=change.old[:200], new=change.new[:200])

    def _goes_with_version(self, path: str) -> bool:
        if not self.notes.new_upstream:
            return False
        self.with_version.append(path)
        return True

    def _ask(
        self,
        kind: str,
        subject: str,
        sentence: str,
        words: Sequence[str],
        about: re.Pattern[str] | None = None,
        *,
        or_says: re.Pattern[str] | None = None,
        **details: Any,
    ) -> bool:
        """Adds the concern and answers True, unless a note declares it."""
        if self.notes.declares(words, about=about) or (
            or_says and any(or_says.search(i.text) for i in self.notes.items)
        ):
            if len(self.declared) < 200:
                self.declared.append(f"{kind.removeprefix('undeclared_')}: {shown(subject)}")
            return False
        self._add(kind, subject, sentence, **details)
        return True

    def _add(self, kind: str, subject: str, sentence: str, **details: Any) -> None:
        self.concerns.append(Concern(kind, subject[:1000], sentence, details))


_NOBODY = Member("", MemberType.FILE, 0, 0, 0, "", "", 0)


def _bounded(concerns: Iterable[Concern]) -> Iterator[Concern]:
    """The first of each kind, and how many more there are."""
    seen: dict[str, int] = {}
    for concern in concerns:
        seen[concern.kind] = seen.get(concern.kind, 0) + 1
        if seen[concern.kind] <= _MOST:
            yield concern
    for kind, count in seen.items():
        if count > _MOST:
            yield Concern(kind, f"{count - _MOST} more", f"{count - _MOST} more of the same kind are not written out.")


def _harmless(line: str) -> bool:
    """Lines that carry nothing but structure or a version, which debhelper writes anew with each of its releases."""
    return re.fullmatch(r"fi|else|then|esac|done|;;|\}|\{|set -e|exit 0|true|:|#!.*", line) is not None


def _wider(was: Member | None, now: Member) -> str:
    """In words, when more people may write or, of a program, run it than before; ''."""
    if now.type is MemberType.DIRECTORY and now.mode & 0o1000:
        return ""
    before = was.mode if was is not None else 0o755
    if now.mode & 0o002 & ~before:
        return "may be written by everybody"
    if now.mode & 0o020 & ~before and was is not None:
        return "may be written by its group"
    return ""


def _names_of(deb: DebPackage, fields: Iterable[str]) -> set[str]:
    text = ", ".join(deb.fields.get(name, "") for name in fields)
    return set(re.findall(r"[a-z0-9][a-z0-9+.-]+", text))


def _is_abi(name: str) -> bool:
    """A virtual package that names an interface (python3-x-abi-9, ghc hashes), which moves with a build."""
    return re.search(r"-abi-|-api-|-[0-9a-f]{5}$|\d$", name) is not None


def _unversioned(name: str) -> str:
    """Without the number at its end; a name that is little else stays whole."""
    stem = re.sub(r"[\d.-]+$", "", name)
    return stem if len(stem) > 3 else name
