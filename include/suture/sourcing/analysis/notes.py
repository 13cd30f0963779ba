"""Examiner `notes`: what the notes of a package claim, against what really changed in it (2.2).

What changed and stands in no note is undeclared (`undeclared.py`), what a note claims and nothing shows is unsupported (here). The
kinds are listed in `kinds.py`; examination.yaml says what follows from each.

An ordinary security rebuild gives notes at most. Measured on real pairs: docs/benchmarks/package_notes.md.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator

from suture.errors import BadInputError
from suture.inventory.debian_version import BadVersionError
from suture.inventory.debian_version import compare as compare_versions
from suture.sourcing.analysis.claims import Notes, changelog_of, read_notes
from suture.sourcing.analysis.difference import Difference, Side, compare, read_side, wrong_md5sums
from suture.sourcing.analysis.kinds import KINDS
from suture.sourcing.analysis.places import Place, place_of
from suture.sourcing.analysis.scripts import deeds, effective_lines
from suture.sourcing.analysis.substance import differs
from suture.sourcing.analysis.undeclared import Undeclared
from suture.sourcing.analysis.unreadable import shown
from suture.sourcing.examination import Concern, Examination, Subject

NAME = "notes"
__all__ = ["KINDS", "NAME", "examine"]


def examine(subject: Subject) -> Examination:
    """Compare. Raises PackageUnreadable for a package that cannot be trusted to be read, BadInputError for two that do not belong
    together.
    """
    started = time.monotonic()
    new = read_side(subject.new.path)
    notes = read_notes(new.deb, subject.old, subject.advisories)
    if subject.old is None:
        concerns, facts = _alone(new)
    else:
        old = read_side(subject.old.path)
        if old.deb.name != new.deb.name:
            raise BadInputError(
                f"{shown(new.deb.name)} cannot be compared with {shown(old.deb.name)}: they are two packages."
            )
        difference = compare(old, new)
        found = Undeclared(old.deb, new.deb, difference, notes)
        found.find()
        concerns = [*found.concerns, *_unsupported(old, new, difference, notes), *_changelog(old, new, notes, subject)]
        facts = {**_facts(difference, frozenset(new.deb.conffiles)), "declared": found.declared[:100]}
        facts["claim"] = _claim(old, new, difference, notes)
    concerns += _archive(new)
    return Examination(
        examiner=NAME,
        package=subject.new.name,
        version=subject.new.version,
        architecture=subject.new.architecture,
        against=subject.old.version if subject.old else None,
        concerns=tuple(concerns),
        facts={**facts, "notes": notes.facts()},
        seconds=time.monotonic() - started,
    )


def _claim(old: Side, new: Side, difference: Difference, notes: Notes) -> dict[str, object]:
    """For source_fixes.py. shows: what differs beyond what every build changes, '' for nothing; None: nobody claims a fix here."""
    cves = _claimed(notes)
    is_asked = bool(cves) or notes.entries is None  # where the changelog is elsewhere, another package may claim it
    return {"cves": list(cves[:50]), "shows": shown(differs(old, new, difference), 300) if is_asked else None}


def _claimed(notes: Notes) -> tuple[str, ...]:
    """CVEs that the notes say are fixed in what is new; a rebuild claims nothing of its own."""
    if notes.is_rebuild:
        return ()
    return tuple(dict.fromkeys((*notes.cves, *(cve for cves in notes.by_advisory.values() for cve in cves))))


def _alone(new: Side) -> tuple[list[Concern], dict[str, object]]:
    """A package without an earlier version: what it is able to do, for those who approve."""
    setuid = [path for path, member in new.deb.members.items() if member.mode & 0o6000 and member.sha256]
    places = Counter(place_of(path).value for path, member in new.deb.members.items() if member.sha256)
    doing = {
        name: sorted({deed.value for line in effective_lines(text) for deed in deeds(line)})
        for name, text in new.deb.scripts.items()
    }
    sentence = f"{new.deb.name} has no earlier version here to be compared with."
    details: dict[str, object] = {"setuid": setuid[:50], "scripts": doing, "places": dict(places)}
    return [Concern("no_earlier_version", new.deb.name, sentence, details)], details


def _archive(new: Side) -> list[Concern]:
    """What the archive itself betrays."""
    concerns = []
    if wrong := wrong_md5sums(new.deb):
        sentence = f"{len(wrong)} files are not what the package's own md5sums say, such as /{shown(wrong[0])}."
        concerns.append(Concern("md5sums_differ", wrong[0][:1000], sentence, {"paths": list(wrong[:50])}))
    foreign = [path for path, member in new.deb.members.items() if member.xattrs]
    if foreign or new.deb.extras:
        what = (
            f"extended attributes, such as of /{shown(foreign[0])}"
            if foreign
            else f"the part {shown(new.deb.extras[0])}"
        )
        sentence = f"It holds {what}: it was not built by dpkg-deb alone."
        concerns.append(Concern("outside_dpkg", (foreign or new.deb.extras)[0][:1000], sentence))
    return concerns


def _unsupported(old: Side, new: Side, difference: Difference, notes: Notes) -> Iterator[Concern]:
    """What is claimed and not shown."""
    named_before = {cve for entry in notes.older for cve in entry.cves}
    for advisory, cves in notes.by_advisory.items():
        for cve in cves:
            if cve in notes.cves:
                continue
            if notes.entries is None:
                sentence = f"{shown(advisory, 60)} names {cve}; there is no changelog here that could confirm it."
                yield Concern("unconfirmed_cve", cve, sentence, {"advisory": advisory[:100]})
            elif cve in named_before:
                sentence = (
                    f"{shown(advisory, 60)} names {cve}; the changelog names it for a version that was there before."
                )
                yield Concern("fixed_before", cve, sentence, {"advisory": advisory[:100]})
            elif notes.new_upstream:
                sentence = (
                    f"{shown(advisory, 60)} names {cve}; the changelog brings a new version and does not name it."
                )
                yield Concern("unconfirmed_cve", cve, sentence, {"advisory": advisory[:100]})
            else:
                sentence = f"{shown(advisory, 60)} names {cve}, and the changelog does not."
                yield Concern("unsupported_cve", cve, sentence, {"advisory": advisory[:100]})
    if notes.entries and not notes.is_rebuild and not difference.shows_something:
        version = notes.entries[0].version
        sentence = f"The changelog speaks of changes ({shown(version)}), and nothing differs but documents."
        yield Concern("unsupported_fix", version, sentence, {"cves": list(notes.cves[:50])})
    touched = {change.path for change in difference.files}
    for path in notes.paths[:50]:
        if path in old.deb.members and path in new.deb.members and path not in touched and not _is_folder(new, path):
            yield Concern(
                "unsupported_path", path, f"The changelog names /{shown(path)}, and it is the same as before."
            )
    was, now = _upstream(old.deb.version), _upstream(new.deb.version)
    if was and now and was != now and notes.entries and not notes.new_upstream:
        named = now.lower() in notes.changelog_text.lower() or _bare(now) in notes.changelog_text
        if not named and _bare(was) != _bare(now):
            sentence = f"The program's version moved from {shown(was)} to {shown(now)}, and the changelog speaks of no new one."
            yield Concern("unsupported_version", now, sentence, {"old": was})


def _is_folder(side: Side, path: str) -> bool:
    return side.deb.members[path].sha256 is None


def _changelog(old: Side, new: Side, notes: Notes, subject: Subject) -> Iterator[Concern]:
    """The changelog as such, and the order of versions."""
    assert subject.old is not None
    try:
        newer = compare_versions(new.deb.version, old.deb.version) > 0
    except BadVersionError:
        newer = False
    if not newer:
        sentence = f"{shown(new.deb.version)} is not newer than {shown(old.deb.version)}."
        yield Concern("not_newer", new.deb.version, sentence)
    if notes.entries is None:
        if notes.elsewhere:
            sentence = f"Its changelog is in the package {shown(notes.elsewhere)}, which is not beside it."
            yield Concern("changelog_elsewhere", notes.elsewhere, sentence)
        else:
            yield Concern("changelog_missing", new.deb.name, f"{new.deb.name} brings no changelog.")
        return
    if not notes.entries and newer:
        sentence = f"The changelog has no entry newer than {shown(old.deb.version)}."
        yield Concern("changelog_stale", new.deb.version, sentence)
    known = {entry.version for entry in notes.older}
    if notes.older and not {old.deb.version, old.deb.source[1]} & known:
        sentence = f"The changelog does not know the version before, {shown(old.deb.version)}."
        yield Concern("changelog_gap", old.deb.version, sentence)
    before = {entry.version: entry for entry in changelog_of(old.deb)[0]}
    for entry in notes.older:
        was = before.get(entry.version)
        if was is not None and _said(was.text) != _said(entry.text):
            sentence = f"The changelog says something else of {shown(entry.version)} than the version before did."
            yield Concern("changelog_rewritten", entry.version, sentence)
            return


def _said(text: str) -> list[str]:
    """An entry's words, without the remark on older entries that debhelper adds where it cuts a changelog."""
    return [word for line in text.splitlines() if not line.startswith("#") for word in line.split()]


def _upstream(version: str) -> str:
    """Without epoch and Debian revision; '' for a native package, which has no version of its own but this."""
    return version[version.find(":") + 1 :].rpartition("-")[0]


def _bare(upstream: str) -> str:
    """Without what Debian adds to say how it repacked it."""
    return re.split(r"[+~](?:dfsg|ds|really|repack|deb|git|cs)", upstream)[0]


def _facts(difference: Difference, conffiles: frozenset[str]) -> dict[str, object]:
    """The difference in figures, and the scripts' new lines."""
    files = Counter(change.change.value for change in difference.files)
    places = Counter(change.place.value for change in difference.files if change.place is not Place.OTHER)
    added, removed = difference.conffiles
    changed = [
        change.path for change in difference.files if change.change.value == "changed" and change.path in conffiles
    ]
    return {
        "conffiles": {"added": sorted(added)[:200], "changed": changed[:200], "removed": sorted(removed)[:200]},
        "files": dict(files),
        "places": dict(places),
        "scripts": {
            script.name: {"added": [shown(line.text, 300) for line in script.added[:50]], "removed": script.removed}
            for script in difference.scripts
        },
        "relations": [
            {"field": change.field, "change": change.change.value, "old": change.old[:200], "new": change.new[:200]}
            for change in difference.relations[:100]
        ],
        "fields": {change.field: [change.old[:200], change.new[:200]] for change in difference.fields},
        "symbols": {
            change.path: {"added": len(change.added), "removed": len(change.removed)}
            for change in difference.symbols[:50]
        },
    }
