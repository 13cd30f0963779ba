"""Shared libraries whose exports changed: is what others link to still there? Our own comparison of symbols, and abidiff's.

Only public libraries are looked at: those with a soname that lie where the loader looks for them. A plugin's exports are asked for by
nobody but its program. A new soname is a new interface by convention, and is no break. Weak symbols are mostly C++ templates and
inline functions, which every user has a copy of, and come and go with the compiler's mood: their going breaks nothing.

A variable of another size breaks programs that have a copy of it (copy relocations). What changed within types is seen with debug
data only: abidiff is asked about pairs of libraries that have it, and about those that lost something.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from suture.sourcing.analysis import outside
from suture.sourcing.analysis.binary_kinds import Kind, concern
from suture.sourcing.analysis.elf import ElfFacts, ElfKind
from suture.sourcing.analysis.survey import Record
from suture.sourcing.examination import Concern

MOST = 40  # libraries of one package that abidiff is asked about
_PUBLIC = re.compile(r"(?:usr/)?lib(?:32|64|x32)?(?:/[a-z0-9_]+-linux-[a-z0-9]+)?/lib[^/]+\.so[^/]*")


@dataclass
class _Pair:
    new_path: str
    old_path: str
    removed: frozenset[str]
    resized: tuple[str, ...]
    new_file: Path
    old_file: Path | None = None


@dataclass
class LibraryPairs:
    """Collects pairs during the two walks; `told` says afterwards what abidiff did, once for each pair."""

    folder: Path
    pairs: dict[str, _Pair] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)

    @property
    def wanted(self) -> set[str]:
        """The older package's paths whose bytes are needed."""
        return {pair.old_path for pair in self.pairs.values()}

    def offer(self, record: Record, before: Record | None, data: bytes) -> None:
        """Keeps the new library's bytes in the folder when its interface changed."""
        new, old = record.elf, before.elf if before is not None else None
        if new is None or old is None or before is None or len(self.pairs) >= MOST or not _is_public(record.path, new):
            return
        if new.soname != old.soname:
            return
        removed = frozenset(name for name, weak in old.exports.items() if not weak and name not in new.exports)
        sizes = ((name, size, new.variables.get(name, size)) for name, size in sorted(old.variables.items()))
        resized = tuple(f"{name} ({before_} to {now} bytes)" for name, before_, now in sizes if now != before_)
        if not (removed or resized or (old.debug_info and new.debug_info)):
            return
        new_file = self.folder / f"new-{len(self.pairs)}"
        new_file.write_bytes(data)
        self.pairs[before.path] = _Pair(record.path, before.path, removed, resized, new_file)

    def take_old(self, record: Record, data: bytes) -> None:
        if pair := self.pairs.get(record.path):
            pair.old_file = self.folder / pair.new_file.name.replace("new", "old")
            pair.old_file.write_bytes(data)

    def concerns(self, *, tools: bool, seconds: float) -> list[Concern]:
        """One for each library whose users may break. Without abidiff the symbols alone decide."""
        found = []
        for pair in self.pairs.values():
            verdict = outside.ABSENT
            if tools and pair.old_file is not None:
                verdict = outside.abi_difference(pair.old_file, pair.new_file, seconds=seconds)
            self.told.append("asked" if verdict.present and verdict.finished else "did not finish" if verdict.present else "absent")
            if not verdict.finished:
                found.append(concern(Kind.NOT_EXAMINED, pair.new_path, "{} was not compared to its end by abidiff.", tool="abidiff"))
            if pair.removed or pair.resized or verdict.changed:
                found.append(_broken(pair, verdict))
        return found


def _broken(pair: _Pair, verdict: outside.AbiVerdict) -> Concern:
    names, what = sorted(pair.removed), []
    if names:
        what.append(f"no longer has {len(names)} function(s) or variable(s) that others may use, among them " + ", ".join(names[:3]))
    if pair.resized:
        what.append(f"has {len(pair.resized)} variable(s) of another size: " + ", ".join(pair.resized[:3]))
    if not what:
        what.append("has another interface by its debug data" + (", which breaks programs" if verdict.incompatible else ""))
    return concern(
        Kind.ABI_BREAK, pair.new_path, "{} " + ", and ".join(what) + "; its soname is the same.", removed=names,
        resized=pair.resized, abidiff=verdict.report.splitlines(),
    )  # fmt: skip


def _is_public(path: str, facts: ElfFacts) -> bool:
    return facts.kind is ElfKind.LIBRARY and bool(facts.soname) and _PUBLIC.fullmatch(path) is not None
