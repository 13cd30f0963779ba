"""What the notes say: the changelog's entries from old to new and the vendor's advisories, cut into items.

An item is one bullet of a changelog with what is indented below it, or one paragraph of an advisory. A change counts as declared
when one and the same item names it and says what was done to it: a long text that names everything somewhere declares nothing.

The changelog is the one in the new package; where its folder under /usr/share/doc is a link to another package's, it is read out of
that package, if its file of the same source and version lies beside (the intake puts them there). A rebuild (binNMU) has its entry
in a second file.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from suture.errors import SutureError
from suture.inventory.debian_version import BadVersionError, compare
from suture.sourcing.analysis.deb import DebPackage, package_file, read_deb
from suture.sourcing.analysis.tarball import MemberType
from suture.sourcing.changelog import MAX_CHANGELOG_BYTES, ChangelogEntry, parse_changelog
from suture.sourcing.examination import PackageFile

_BULLET = re.compile(r"^ {1,3}[*+-]\s")
_CVE = re.compile(r"\bCVE-\d{4}-\d{4,19}\b", re.IGNORECASE)
_BUG = re.compile(r"(?:closes|fixes|lp)\s*:?\s*(?:bug\s*)?#?\s*(\d{4,8}(?:\s*,\s*#?\d{4,8})*)", re.IGNORECASE)
_PATH = re.compile(r"(?<![\w:/.])/(?:etc|usr|var|lib|bin|sbin|opt|srv)/[\w./+-]{2,120}[\w+]")
_UPSTREAM = re.compile(
    r"\bnew\b[^.\n]{0,40}\b(?:upstream|major|minor|bugfix|bug-fix|maintenance|stable|patch|point|security|lts|esr)\b[^.\n]{0,40}"
    r"\b(?:version|release|snapshot|update|bugfix)|\bimport(?:ed)?\b[^\n]{0,30}\bupstream\b"
    r"|\bupdate to (?:the )?(?:new )?(?:upstream|\d)",
    re.IGNORECASE,
)
_REBUILD = re.compile(
    r"no[- ]change rebuild|binary-only non-maintainer|rebuild (?:for|against|with|in)\b", re.IGNORECASE
)
_DEPENDENCY = re.compile(r"\b(?:pre-)?depend(?:s|ency|encies)?\b|\brecommends?\b", re.IGNORECASE)


@dataclass(frozen=True)
class Item:
    """where: an entry's version or an advisory's id. text: lower case, white space made even."""

    where: str
    text: str

    def names(self, word: str) -> bool:
        """Whether the word stands there by itself (a dot may follow it, as at the end of a sentence)."""
        return re.search(rf"(?<![\w.+-]){re.escape(word.lower())}(?![\w+-]|\.\w)", self.text) is not None


@dataclass(frozen=True)
class Notes:
    """entries: newer than the old version, newest first; None: there is no changelog, `elsewhere` says where it points.

    older: the remaining entries. by_advisory: CVE ids by advisory.
    """

    entries: tuple[ChangelogEntry, ...] | None
    older: tuple[ChangelogEntry, ...]
    elsewhere: str | None
    items: tuple[Item, ...]
    by_advisory: Mapping[str, tuple[str, ...]]

    @property
    def changelog_text(self) -> str:
        return "\n".join(entry.text for entry in self.entries or ())

    @property
    def new_upstream(self) -> bool:
        """An entry says that a new version of the program came in."""
        return _UPSTREAM.search(self.changelog_text) is not None

    @property
    def is_rebuild(self) -> bool:
        """All that the entries say is that the package was built again."""
        return bool(self.entries) and all(_REBUILD.search(entry.text) for entry in self.entries or ())

    @property
    def cves(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(cve for entry in self.entries or () for cve in entry.cves))

    @property
    def paths(self) -> tuple[str, ...]:
        """Absolute paths that the changelog's new entries name, without the leading '/'."""
        return tuple(dict.fromkeys(found.lstrip("/") for found in _PATH.findall(self.changelog_text)))

    def declares(self, words: Iterable[str], *, about: re.Pattern[str] | None = None) -> bool:
        """Whether one item names one of the words and, with `about`, is about that. Words under three letters say nothing."""
        telling = [word for word in words if len(word) > 2]
        return any(
            (about is None or about.search(item.text) is not None) and any(item.names(word) for word in telling)
            for item in self.items
        )

    def facts(self) -> dict[str, object]:
        """For the record: what the notes claim, bounded."""
        bugs = [n for found in _BUG.findall(self.changelog_text) for n in re.findall(r"\d+", found)]
        return {
            "entries": [entry.version for entry in self.entries or ()][:50],
            "changelog_elsewhere": self.elsewhere,
            "cves": list(self.cves[:200]),
            "advisory_cves": {name[:100]: list(cves[:200]) for name, cves in list(self.by_advisory.items())[:50]},
            "bugs": list(dict.fromkeys(bugs))[:200],
            "paths": list(self.paths[:50]),
            "new_upstream": self.new_upstream,
            "rebuild": self.is_rebuild,
            "dependencies": [item.text[:200] for item in self.items if _DEPENDENCY.search(item.text)][:20],
        }


def read_notes(new: DebPackage, old: PackageFile | None, advisories: Iterable[tuple[str, str]]) -> Notes:
    """The notes of a package. A changelog that cannot be inflated counts as none."""
    entries, elsewhere = changelog_of(new)
    if not entries and elsewhere:
        entries = _siblings_changelog(new, elsewhere)
    fresh = [entry for entry in entries if old is None or _is_fresh(entry.version, old, entries)]
    older = entries[len(fresh) :]
    items = [Item(entry.version, _even(text)) for entry in fresh for text in _bullets(entry.text)]
    by_advisory: dict[str, tuple[str, ...]] = {}
    for name, text in advisories:
        items += [Item(name, _even(part)) for part in re.split(r"\n\s*\n", text[:200_000]) if part.strip()]
        by_advisory[name] = tuple(dict.fromkeys(found.upper() for found in _CVE.findall(f"{name} {text}")))
    return Notes(tuple(fresh) if entries else None, tuple(older), elsewhere, tuple(items), by_advisory)


def changelog_of(deb: DebPackage) -> tuple[list[ChangelogEntry], str | None]:
    """Its entries, newest first, and where the folder or the file links to when it is not its own (None: it is, or nowhere)."""
    folder = f"usr/share/doc/{deb.name}"
    link = deb.members.get(folder)
    if link is not None and link.type is MemberType.SYMLINK and link.target:
        return [], link.target.rstrip("/").rpartition("/")[2]
    entries: list[ChangelogEntry] = []
    elsewhere = None
    architecture = deb.architecture
    for name in (f"changelog.Debian.{architecture}", "changelog.Debian", "changelog"):
        for path in (f"{folder}/{name}.gz", f"{folder}/{name}"):
            member = deb.members.get(path)
            if member is not None and member.type is MemberType.SYMLINK and member.target:
                elsewhere = _package_in(member.target) or elsewhere
            real = deb.regular(path)
            if real is not None and real.path in deb.contents:
                entries += parse_changelog(_inflated(deb.contents[real.path], path))
        if name == "changelog.Debian" and entries:
            break
    return entries, None if entries else elsewhere


def _package_in(target: str) -> str | None:
    parts = [part for part in target.split("/") if part not in {"", ".", "..", "usr", "share", "doc"}]
    return parts[0] if len(parts) > 1 else None


def _siblings_changelog(new: DebPackage, name: str) -> list[ChangelogEntry]:
    if not re.fullmatch(r"[a-z0-9][a-z0-9+.-]*", name):
        return []
    for path in sorted(new.path.parent.glob(f"{name}_*.deb"))[:50]:
        try:
            sibling = package_file(path)
            if (sibling.name, sibling.source, sibling.source_version) != (name, *new.source):
                continue
            wanted = f"usr/share/doc/{name}/"
            return changelog_of(read_deb(path, keep=lambda member: member.path.startswith(wanted)))[0]  # noqa: B023
        except SutureError:
            continue
    return []


def _inflated(data: bytes, path: str) -> str:
    if path.endswith(".gz"):
        try:
            data = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(data, MAX_CHANGELOG_BYTES)
        except zlib.error:
            return ""
    return data.decode("utf-8", "replace")


def _is_fresh(version: str, old: PackageFile, entries: list[ChangelogEntry]) -> bool:
    """Newer than what is installed. A rebuild's own version counts only where the changelog has an entry for it."""
    known = {entry.version for entry in entries}
    base = old.version if old.version in known else old.source_version or old.version
    try:
        return compare(version, base) > 0
    except BadVersionError:
        return False


def _bullets(text: str) -> list[str]:
    parts: list[list[str]] = []
    for line in text.splitlines():
        if _BULLET.match(line) or not parts:
            parts.append([])
        parts[-1].append(line)
    return ["\n".join(part) for part in parts if any(line.strip() for line in part)]


def _even(text: str) -> str:
    return " ".join(text.lower().split())
