"""Debian's DSA and DLA lists, in the text format of its security tracker (data/DSA/list, data/DLA/list).

    [17 Mar 2023] DSA-5356-2 sox - regression update
    <TAB>{CVE-2023-1393 CVE-2023-2000}
    <TAB>[bullseye] - sox 14.4.2+git20190427-2+deb11u2
    <TAB>NOTE: what the team writes for itself

The rules:

1. An entry begins with its date in brackets. What follows indented is its own; a line that is none of the known kinds
   costs that line and is named, and the entry stands without it.
2. One advisory for each (release, source package, fixed version). `<end-of-life>`, `<unfixed>` and the like have no
   fixed version; `<not-affected>` is a VEX statement.
3. A revision above 1 follows the first of its number. It is a regression update when its title says "regression", or when
   it names no CVE while the first names some; the second kind is inferred, and `is_regression` holds the first kind only.
4. An advisory without a CVE stands for itself under its own id, so that it is not lost.
5. Two entries of the same id: the later line in the file is left out (the newest stand first).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from suture.feeds.decoded import Decoded, Rejected, Row
from suture.feeds.errors import FeedFormatError
from suture.feeds.format import FeedFormat
from suture.feeds.outside_text import line as one_line
from suture.feeds.package_names import checked_version, package_name
from suture.feeds.strict_json import refuse_web_page
from suture.feeds.vendor_rows import (
    Origin,
    Span,
    Subject,
    advisory_id,
    advisory_row,
    alias_rows,
    cve_row,
    range_row,
    vex_row,
    without_twins,
)  # fmt: skip

TABLES = ("advisory_revision", "advisory", "advisory_cve", "advisory_range", "advisory_alias", "vex_statement")
_MAX_LINE = 20_000
_HEAD = re.compile(r"\[(\d{1,2} [A-Z][a-z]{2} \d{4})\] (D[SL]A-(\d{1,5})(?:-(\d{1,3}))?)(?: (.*))?")
_ANY_HEAD = re.compile(r"\[[^\]]*\]")
_CVES = re.compile(r"\{([^}]*)\}")
_CVE = re.compile(r"CVE-\d{4}-(?:\d{4,19}|XXXX)")
_FIX = re.compile(r"\[([a-z]{2,20})\]\s+-\s+(\S+)\s+(<[a-z-]+>|[^\s<(]\S*)(?:\s+\((.*)\))?")
_WITHOUT_FIX = {
    "<end-of-life>": "end_of_life", "<unfixed>": "affected", "<no-dsa>": "affected", "<ignored>": "affected",
    "<postponed>": "affected", "<undetermined>": "undetermined",
}  # fmt: skip
_MONTHS = {name: number for number, name in enumerate(
    ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), 1)}  # fmt: skip


@dataclass
class Entry:
    """One advisory of the list. revision 1 is the first; fixes: (release, package, version or <word>, note or None)."""

    revision_id: str
    first_id: str
    revision: int
    dated: date
    packages: str
    title: str
    line_number: int
    cves: list[str] = field(default_factory=list)
    fixes: list[tuple[str, str, str, str | None]] = field(default_factory=list)

    @property
    def is_regression(self) -> bool:
        return self.revision > 1 and "regression" in self.title.lower()


def decode(
    raw: bytes,
    *,
    where: str,
    feed: str = "debian_lists",
    advisory_source: str | None = None,
    suite: str = "",
    codename: str | None = None,
    **_options: object,
) -> Decoded:
    """Rows of TABLES; record ids are DSA and DLA ids. Raises FeedFormatError for what is no such list at all.

    codename: None for every release; else advisories of that release only (revisions of all stay).
    """
    refuse_web_page(raw, where=where)
    entries, rejected = read_entries(raw, where)
    if not entries:
        raise FeedFormatError(where, "it holds no entry of the form `[date] DSA-1234-1 package - title`")
    origin = Origin(feed, advisory_source or feed, suite, codename)
    tables: dict[str, list[Row]] = {table: [] for table in TABLES}
    for entry in entries:
        for table, row in _rows(entry, origin):
            tables[table].append(row)
    newest = max(entry.dated for entry in entries)
    return Decoded(
        datetime(newest.year, newest.month, newest.day, tzinfo=UTC), without_twins(tables), rejected, len(entries)
    )


def read_entries(raw: bytes, where: str) -> tuple[list[Entry], list[Rejected]]:
    """The entries in the file's order, and each line that is none of them with its number."""
    entries: list[Entry] = []
    rejected: list[Rejected] = []
    seen: set[str] = set()
    entry: Entry | None = None
    for number, raw_line in enumerate(raw.split(b"\n"), 1):
        text = ""
        try:
            text = _decoded_line(raw_line)
            if not text.strip() or text.lstrip().startswith("#"):
                continue
            if text[0] not in " \t":
                entry = None
                entry = _head(text, number)
                if entry.revision_id in seen:
                    name, entry = entry.revision_id, None
                    raise ValueError(f"{name} stands twice; the first one in the file counts")
                seen.add(entry.revision_id)
                entries.append(entry)
            elif entry is not None:
                _take(entry, text.strip())
        except ValueError as error:
            name = entry.revision_id if entry else f"line {number}"
            rejected.append(Rejected(name, f"{where}, line {number}: {error}.", {"raw": text[:500]}))
    return entries, rejected


def _decoded_line(raw_line: bytes) -> str:
    if len(raw_line) > _MAX_LINE:
        raise ValueError(f"it is longer than {_MAX_LINE} bytes")
    if b"\x00" in raw_line:
        raise ValueError("it holds a NUL character")
    try:
        return raw_line.decode("utf-8").rstrip("\r")
    except UnicodeDecodeError as error:
        raise ValueError("it is not UTF-8") from error


def _head(text: str, number: int) -> Entry:
    found = _HEAD.fullmatch(text.rstrip())
    if found is None:
        what = "the head of an entry that cannot be read" if _ANY_HEAD.match(text) else "neither indented nor an entry"
        raise ValueError(f"it is {what}")
    day, name, digits, revision, rest = found.groups()
    packages, dash, title = (rest or "").partition(" - ")
    if not dash:
        packages, title = ("", rest or "") if " " in (rest or "") else (rest or "", "")
    return Entry(
        revision_id=name,
        first_id=f"{name[:3]}-{digits}-1" if revision else name,
        revision=int(revision or 1) or 1,
        dated=_day(day),
        packages=one_line(packages, 300),
        title=one_line(title, 300),
        line_number=number,
    )


def _day(text: str) -> date:
    day, month, year = text.split(" ")
    try:
        return date(int(year), _MONTHS[month], int(day))
    except (KeyError, ValueError) as error:
        raise ValueError(f"{text!r} is no date") from error


def _take(entry: Entry, text: str) -> None:
    """Add what an indented line says to its entry. Raises ValueError for a line of no known kind."""
    if text.startswith(("NOTE:", "TODO:", "HIDE:")) or not text:
        return
    cves = _CVES.fullmatch(text)
    if cves:
        names = cves[1].split()
        entry.cves += [name for name in names if _CVE.fullmatch(name) and name not in entry.cves]
        wrong = [name for name in names if not _CVE.fullmatch(name)]
        if wrong:
            raise ValueError(f"{wrong[0][:60]!r} is no CVE id")
        return
    fix = _FIX.fullmatch(text)
    if fix is None:
        raise ValueError("it is no line of an entry ({CVE …}, [release] - package version, NOTE:)")
    release, package, version, note = fix.groups()
    package_name("deb", package)
    if version.startswith("<"):
        if version not in _WITHOUT_FIX and version != "<not-affected>":
            raise ValueError(f"the word {version[:40]} is not known")
    else:
        checked_version("deb", version)
    entry.fixes.append((release, package, version, one_line(note, 500) if note else None))


def _rows(entry: Entry, origin: Origin) -> Iterator[tuple[str, Row]]:
    named = [name for name in entry.cves if not name.endswith("XXXX")]
    yield "advisory_revision", {
        "record_id": entry.revision_id,
        "source": origin.feed,
        "revision_id": entry.revision_id,
        "first_id": entry.first_id,
        "revision": entry.revision,
        "is_regression": entry.is_regression,
        "package": entry.packages,
        "title": entry.title,
        "dated": entry.dated.isoformat(),
        "cve_ids": named,
        "fixes": [
            {"codename": release, "package": package, "version": None if version.startswith("<") else version,
             "state": version.strip("<>") if version.startswith("<") else "fixed", "note": note}
            for release, package, version, note in entry.fixes
        ],
    }  # fmt: skip
    for release, package, version, note in entry.fixes:
        if origin.codename in (None, release):
            subject = Subject(entry.revision_id, "deb", package, release, {"notice": entry.revision_id})
            yield from _advisory(entry, origin, subject, version, note, named or [entry.revision_id])


def _advisory(
    entry: Entry, origin: Origin, subject: Subject, version: str, note: str | None, named: list[str]
) -> Iterator[tuple[str, Row]]:
    dated = f"{entry.dated.isoformat()}T00:00:00+00:00"
    if version == "<not-affected>":
        for name in named:
            yield "vex_statement", vex_row(
                origin, record_id=entry.revision_id, document_id=entry.revision_id, author="Debian Security Team",
                vulnerability=name, product=f"pkg:deb/debian/{subject.package}?distro={subject.codename}",
                status="not_affected", ecosystem="deb", package=subject.package, codename=subject.codename,
                impact=note, dated_at=dated,
            )  # fmt: skip
        return
    fixed = None if version.startswith("<") else version
    name = advisory_id(origin, subject, fixed, entry.revision_id)
    title = f"{entry.revision_id} {entry.packages}" + (f" - {entry.title}" if entry.title else "")
    yield "advisory", advisory_row(origin, subject, name, fixed=fixed, title=title, published_at=dated)
    yield (
        "advisory_range",
        range_row(
            origin, subject, name, Span(fixed=fixed, state=_WITHOUT_FIX.get(version, "affected"), cve_ids=tuple(named))
        ),
    )
    for cve in named:
        yield "advisory_cve", cve_row(subject, name, cve, note=note)
    for row in alias_rows(subject, name, {entry.revision_id: "self"}):
        yield "advisory_alias", row


FORMAT = FeedFormat(
    name="debian_lists", decode=decode, tables=TABLES, complete=True, main_table="advisory_revision"
)  # fmt: skip
