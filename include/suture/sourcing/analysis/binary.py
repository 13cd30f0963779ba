"""The examiner `binary`: what a package's programs, libraries, scripts and archives do that the older version's did not (2.4).

    examine(subject) -> Examination

1. The older package is walked once and leaves a record of each file; 2. the new one is walked, and what lies in both byte for
byte is not looked at again; each other file is compared with its predecessor: the same path, the same soname, or the same path with
its numbers blanked. 3. Only where a rule matched, or a library's exports changed, the older package is walked once more, to those
files, since most updates need neither. Other tools then have their say where they are present.

What cannot be read is a concern and never a pass. Hostile input is bounded by budgets here, and by the worker's limits (`pool`).
The kinds of concern are in `binary_kinds`; the rules for ELF in `elf_changes`, for scripts in `script_idioms`, for the rest below,
in `_file`.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from suture.settings import Settings
from suture.sourcing.analysis import malware, outside
from suture.sourcing.analysis.abilities import Ability, abilities
from suture.sourcing.analysis.archives import Budget
from suture.sourcing.analysis.binary_kinds import EXAMINER, Kind, concern
from suture.sourcing.analysis.deb import read_control
from suture.sourcing.analysis.elf import ElfKind
from suture.sourcing.analysis.elf_changes import changes, first_sight
from suture.sourcing.analysis.libraries import LibraryPairs
from suture.sourcing.analysis.rules import OWN_RULES, Match
from suture.sourcing.analysis.script_idioms import ScriptKind
from suture.sourcing.analysis.survey import Record, Survey, blank
from suture.sourcing.analysis.unreadable import PackageUnreadable, shown
from suture.sourcing.examination import Action, Concern, Examination, Subject, load_policy

MOST_CONCERNS = 500
_DATA_ENDINGS = frozenset({
    ".txt", ".md", ".rst", ".html", ".css", ".json", ".xml", ".csv", ".png", ".jpg", ".jpeg", ".gif", ".svg", ".pdf", ".gz",
    ".xz", ".lzma", ".bz2", ".zst", ".tar", ".zip", ".po", ".mo", ".ttf", ".woff", ".conf", ".ini", ".yaml", ".yml", ".py", ".sh",
    ".pl",
    ".js", ".h", ".c", ".dat", ".log", ".pem", ".crt", ".wav", ".mp3", ".ogg",
})  # fmt: skip
_DATA_PLACES = (
    "usr/share/doc/",
    "usr/share/man/",
    "usr/share/locale/",
    "usr/share/icons/",
    "usr/share/info/",
    "etc/",
    "usr/include/",
)
_NOT_FOR_OTHERS = frozenset({Kind.SUSPICIOUS_ARCHIVE.value, Kind.NOT_EXAMINED.value, Kind.UNREADABLE_PACKAGE.value})
# ClamAV reads every file, and before that all its signatures: in 60 s it did not get through wireshark-doc on a loaded machine.
_CLAMAV_SHARE = 5
_TEST_WORDS = ("test", "doc", "example", "sample", "fixture", "corpus")


@dataclass(frozen=True)
class BinarySettings:
    """rule_folders: YARA rules. tools: ClamAV, abidiff and diffoscope are asked where present. tool_seconds: for each run of one,
    ClamAV five times as long.

    signatures: ClamAV's, in place of the installed ones. explained: kinds of concern that policy merely notes.
    """

    rule_folders: tuple[Path, ...] = (OWN_RULES,)
    tools: bool = True
    tool_seconds: float = outside.SECONDS
    signatures: Path | None = None
    explained: frozenset[str] = frozenset()

    @classmethod
    def load(cls, policy_dir: Path) -> BinarySettings:
        """Of examination.yaml. Raises PolicyError, BadInputError."""
        rules = load_policy(policy_dir)
        stated = rules.settings(EXAMINER)
        own, signatures = stated.get("rules_folder"), stated.get("clamav_signatures")
        return cls(
            (OWN_RULES, policy_dir / str(own)) if own else (OWN_RULES,),
            bool(stated.get("other_tools", True)),
            float(stated.get("tool_seconds", outside.SECONDS)),
            policy_dir / str(signatures) if signatures else None,
            frozenset(kind.value for kind in Kind if rules.actions.of(EXAMINER, kind.value) is Action.NOTE),
        )


@dataclass
class _Case:
    """What one examination knows so far."""

    subject: Subject
    settings: BinarySettings
    libraries: LibraryPairs
    old: dict[str, Record] = field(default_factory=dict)
    by_soname: dict[str, Record] = field(default_factory=dict)
    by_key: dict[str, Record] = field(default_factory=dict)
    by_digest: dict[str, Record] = field(default_factory=dict)
    old_abilities: set[Ability] = field(default_factory=set)
    old_programs: set[str] = field(default_factory=set)
    depends: frozenset[str] = frozenset()
    ifuncs: Counter[str] = field(default_factory=Counter)
    concerns: list[Concern] = field(default_factory=list)
    matched: list[tuple[Record, Match]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def remember(self, record: Record) -> None:
        self.old[record.path] = record
        self.by_key.setdefault(record.key, record)
        self.by_digest.setdefault(record.sha256, record)
        self.old_programs |= record.programs
        if record.elf is not None:
            self.old_abilities |= abilities(record.elf).keys()
            if "!" in record.path:
                self.ifuncs[blank(record.outer)] += max(record.elf.resolvers, len(record.elf.ifuncs))
            if record.elf.soname:
                self.by_soname.setdefault(record.elf.soname, record)

    def ifunc_habit(self, record: Record) -> int:
        """IFUNCs of the static library in which this object lay, of all its objects together; 0 for what lies in no archive."""
        return self.ifuncs[blank(record.outer)] if "!" in record.path else 0

    def predecessor(self, record: Record) -> Record | None:
        found = self.old.get(record.path)
        if found is None and record.elf is not None and record.elf.soname:
            found = self.by_soname.get(record.elf.soname)
        return found or self.by_key.get(record.key) or self.by_digest.get(record.sha256)


def examine(subject: Subject, settings: BinarySettings | None = None) -> Examination:
    """settings: None for those of this installation's policy. A package that cannot be read gives `unreadable_package`."""
    started = time.perf_counter()
    settings = settings or BinarySettings.load(Settings.load().policy_dir)
    facts: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="suture-binary-") as folder:
        case = _Case(subject, settings, LibraryPairs(Path(folder)))
        try:
            _walk(case)
        except PackageUnreadable as error:
            case.concerns = [
                concern(Kind.UNREADABLE_PACKAGE, error.file, str(error).replace("{", "("), fault=error.fault.value)
            ]
        else:
            case.concerns.extend(case.libraries.concerns(tools=settings.tools, seconds=settings.tool_seconds))
            facts["abidiff"] = dict(Counter(case.libraries.told)) or "not needed"
            if settings.tools:
                facts["clamav"] = _malware(case)
                if told := _difference(case, Path(folder)):
                    facts["diffoscope"] = told
    if subject.old is None:
        sentence = "No earlier version of {} is known: only what holds by itself was looked for."
        case.concerns.append(concern(Kind.NO_PREDECESSOR, subject.new.name, sentence))
    facts |= {"files": dict(case.counts)}
    return Examination(
        EXAMINER, subject.new.name, subject.new.version, subject.new.architecture,
        subject.old.version if subject.old else None, tuple(_bounded(case.concerns)), facts, time.perf_counter() - started,
    )  # fmt: skip


def _walk(case: _Case) -> None:
    known: dict[str, set[str]] = {}
    if case.subject.old is not None:
        walk = Survey(Budget())
        for record, _ in walk.walk(case.subject.old.path):
            known.setdefault(record.sha256, set()).add(record.key)
            case.remember(record)
    case.depends = _depends(case.subject.new.path)
    walk = Survey(Budget(), known=known, rule_folders=case.settings.rule_folders)
    for record, data in walk.walk(case.subject.new.path):
        case.counts["examined"] += 1
        case.counts["elf"] += record.elf is not None
        case.counts["scripts"] += record.script is not None
        case.counts["archives"] += record.form is not None
        before = case.predecessor(record)
        case.concerns.extend(_file(case, record, before))
        case.matched.extend((record, match) for match in record.matches or ())
        case.libraries.offer(record, before, data)
    case.counts["unchanged"] = walk.skipped
    _second_walk(case)


def _depends(package: Path) -> frozenset[str]:
    """Names of the packages in Depends and Pre-Depends."""
    control = read_control(package).get("control", b"").decode("utf-8", "backslashreplace")
    stated = re.findall(r"^(?:Pre-)?Depends:((?:.*\n[ \t])*.*)$", control, re.MULTILINE | re.IGNORECASE)
    return frozenset(name for line in stated for name in re.findall(r"(?:^|[,|])\s*([a-z0-9][a-z0-9+.-]*)", line))


def _second_walk(case: _Case) -> None:
    """To what the older package's files say of a rule's match, and to the older libraries' bytes."""
    befores = {record.path: case.predecessor(record) for record, _ in case.matched}
    wanted = {before.outer for before in befores.values() if before} | case.libraries.wanted
    old_matches: set[tuple[str, str]] = set()
    if wanted and case.subject.old is not None:
        for record, data in Survey(Budget(), rule_folders=case.settings.rule_folders, only=wanted).walk(
            case.subject.old.path
        ):
            case.libraries.take_old(record, data)
            old_matches |= {(record.key, match.rule) for match in record.matches or ()}
    for record, match in case.matched:
        before = befores[record.path]
        if before is not None and (before.key, match.rule) in old_matches:
            continue
        kind = Kind.RULE_HINT if match.hint else Kind.RULE_MATCH
        what = f" ({match.description})" if match.description else ""
        sentence = "{} meets the rule " + match.rule + what + "."
        case.concerns.append(
            concern(kind, record.path, sentence, rule=match.rule, places=[list(place) for place in match.places])
        )


def _file(case: _Case, record: Record, before: Record | None) -> Iterator[Concern]:
    yield from _faults(record, before)
    if record.elf is not None:
        if record.elf.kind is ElfKind.DEBUG:
            if not record.path.startswith("usr/lib/debug/"):
                sentence = "{} has the shape of debug data, which nobody loads, and lies where programs do."
                yield concern(Kind.UNREADABLE_ELF, record.path, sentence, reason="its code has no bytes")
        elif before is not None and before.elf is not None:
            yield from changes(
                record.path, before.elf, record.elf, case.old_abilities, case.depends, case.ifunc_habit(record)
            )
        else:
            package = case.old_abilities if case.subject.old is not None else None
            yield from first_sight(record.path, record.elf, package)
            if case.subject.old is not None:
                yield concern(
                    Kind.NEW_BINARY, record.path, "{} is a new program or library.", kind_of_file=record.elf.kind.value
                )
        if _is_hidden(record) and (before is None or before.elf is None or not _is_hidden(before)):
            yield concern(Kind.HIDDEN_PROGRAM, record.path, "{} is a program, and lies where none belongs.")
    if record.script is not None:
        yield from _script(case, record, before)
    if (
        record.opaque
        and (before is None or not before.opaque)
        and case.subject.old is not None
        and _among_tests(record.path)
    ):
        yield concern(
            Kind.OPAQUE_DATA, record.path, "{} is new, dense, and in no format that is known.", bytes=record.size
        )


def _faults(record: Record, before: Record | None) -> Iterator[Concern]:
    if record.fault is None or (before is not None and before.fault == record.fault and record.fault != "unfinished"):
        return
    kind, sentence = {
        "damaged": (
            Kind.DAMAGED_ARCHIVE,
            "{} has the first bytes of an archive and cannot be opened (" + record.why + ").",
        ),
        "hostile": (Kind.SUSPICIOUS_ARCHIVE, "{} is not unpacked: " + record.why + "."),
        "unreadable": (Kind.UNREADABLE_ELF, "{} claims to be a program and cannot be read: " + record.why + "."),
        "unfinished": (Kind.NOT_EXAMINED, "{} was not examined to its end: " + record.why),
        "too large": (Kind.NOT_EXAMINED, "{} was not examined: " + record.why + "."),
    }[record.fault]
    yield concern(kind, record.path, sentence, reason=record.why)


def _is_hidden(record: Record) -> bool:
    """In a compressed file or among data. Static libraries (ar) and compressed kernel modules hold objects by their nature."""
    name = record.path.rsplit("/", 1)[-1].rsplit("!", 1)[-1]
    if record.elf is not None and record.elf.kind is ElfKind.OBJECT:
        return False
    if record.depth and "!" in record.path:
        return True
    ending = "." + name.rsplit(".", 1)[-1].lower() if "." in name else ""
    return ending in _DATA_ENDINGS or record.path.startswith(_DATA_PLACES)


def _among_tests(path: str) -> bool:
    return any(word in part for part in path.lower().split("/")[:-1] for word in _TEST_WORDS)


def _script(case: _Case, record: Record, before: Record | None) -> Iterator[Concern]:
    known = before.idioms if before is not None else {}
    for name, excerpts in record.idioms.items():
        fresh = [text for text in excerpts if text not in known.get(name, ())]
        if len(excerpts) > len(known.get(name, ())) and fresh:
            yield concern(Kind.SUSPICIOUS_SCRIPT, record.path, "In {}, " + name + ".", idiom=name, excerpts=fresh)
    if case.subject.old is not None and record.script in (ScriptKind.SHELL, ScriptKind.BUILD):
        programs = record.programs - (before.programs if before is not None else frozenset()) - case.old_programs
        if programs:
            names = ", ".join(sorted(programs))
            yield concern(
                Kind.SCRIPT_ABILITY, record.path, "{} newly uses the network, by " + names + ".", programs=programs
            )


def _malware(case: _Case) -> dict[str, Any]:
    """Asks ClamAV, adds its concerns, and tells whether it was there, and of what date its signatures are."""
    seconds, signatures = case.settings.tool_seconds * _CLAMAV_SHARE, case.settings.signatures
    found = malware.scan(case.subject.new.path, seconds=seconds, signatures=signatures)
    if not found.finished:
        sentence = "{} was not examined by ClamAV to its end: " + found.why_not + "."
        case.concerns.append(concern(Kind.NOT_EXAMINED, case.subject.new.name, sentence, tool="clamav"))
    if found.found:
        old = case.subject.old
        before = malware.scan(old.path, seconds=seconds, signatures=signatures).found if old is not None else ()
        known = {signature for _, signature in before}
        for path, signature in found.found:
            if signature not in known:
                sentence = "ClamAV finds " + signature.replace("{", "(") + " in {}."
                case.concerns.append(concern(Kind.MALWARE_FOUND, path, sentence, signature=signature))
    return found.told()


def _difference(case: _Case, folder: Path) -> dict[str, Any] | None:
    """diffoscope's words, for those who decide about what policy does not merely note. None: nothing to explain, or nothing to ask.

    Never of a package that was made to exhaust its readers: diffoscope unpacks with other programs.
    """
    kinds = {found.kind for found in case.concerns}
    if case.subject.old is None or not kinds - case.settings.explained or kinds & _NOT_FOR_OTHERS:
        return None
    seconds = case.settings.tool_seconds
    result = outside.detailed_difference(
        case.subject.old.path, case.subject.new.path, seconds=seconds, scratch=folder
    )
    if result.status == "absent":
        return {"present": False}
    lines = result.output.splitlines()
    report = lines[2:] if lines[:1] and lines[0].startswith("--- ") else lines  # where the two lie on this machine is nobody's
    return {"present": True, "finished": result.status in ("0", "1"), "report": [shown(line, 300) for line in report]}


def _bounded(concerns: list[Concern]) -> list[Concern]:
    """At most 500, the rarest kinds kept first: a flood of one kind must not push another out."""
    if len(concerns) <= MOST_CONCERNS:
        return concerns
    seen: Counter[str] = Counter()
    ranked = []
    for found in concerns:
        seen[found.kind] += 1
        ranked.append((seen[found.kind], found))
    ranked.sort(key=lambda pair: pair[0])
    return [found for _, found in ranked[:MOST_CONCERNS]]
