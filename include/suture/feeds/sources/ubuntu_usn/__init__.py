"""Ubuntu Security Notices, as JSON. (Ubuntu's OSV records go through the format osv.)

Reads the notices of Ubuntu's security API (an object with `notices`, or one notice) and the older USN database (an
object of notices by number, with `releases`).

The rules:

1. One advisory for each (release, source package, fixed version). Its binaries are the advisory's packages.
2. A notice's number carries its revision: USN-5000-2 follows USN-5000-1, and is a regression update when its title says
   regression.
3. A fix from an `esm-…` pocket is for hosts with a subscription only: the pocket stands in the details.
4. Hidden notices (`is_hidden`) and livepatches (type LSN) are left out: they name no package that apt installs.
5. A notice that names no CVE stands for itself under its own id.
6. A later revision whose own words say that it reverts something takes fixes back (USN-8398-2 took back what USN-8398-1 had
   fixed): of the CVEs that the sentence names, else of those in its own words, else of those in the original's details,
   which such a notice quotes. They get an advisory without a fix about the very version that takes them back. What an
   earlier notice reverted, and one that brings a fix again, takes none back (USN-1732-3, USN-5966-3). Of later versions
   later notices speak, and Ubuntu's OSV records.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from suture.feeds.decoded import Decoded, Rejected, Row, iso, kept
from suture.feeds.errors import FeedFormatError
from suture.feeds.format import FeedFormat
from suture.feeds.outside_text import cve_ids, line, names_a_cve
from suture.feeds.package_names import CODENAMES, checked_version, package_name
from suture.feeds.strict_json import decode_document, decode_record, refuse_web_page
from suture.feeds.vendor_rows import (
    Origin,
    Span,
    Subject,
    advisory_id,
    advisory_row,
    alias_rows,
    cve_row,
    range_row,
    without_twins,
)  # fmt: skip

TABLES = (
    "advisory_revision", "advisory", "advisory_cve", "advisory_package", "advisory_range", "advisory_alias",
)  # fmt: skip
_ID = re.compile(r"(?:USN-)?(\d{1,5})-(\d{1,3})")
_QUOTED = re.compile(r"original (?:advisory|notice) details", re.IGNORECASE)
_REVERTS = re.compile(r"\brevert(?:s|ed|ing)?\b", re.IGNORECASE)
# What an earlier notice reverted is history, and a notice that brings a fix again tells it.
_HISTORY = re.compile(r"\brevert(?:s|ed|ing)?\s+(?:in|by|with)\s+USN-\d+-\d+", re.IGNORECASE)
_BRINGS_AGAIN = re.compile(
    r"\bthis\s+update\s+(?:\w+\s+)?(?:restor|reinstat|re-?enabl|re-?appl|provid)\w*\s+(?:[\w-]+\s+){0,4}(?:fix|patch|update)",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"(?<=[.!?])\s+")


class Packaged(msgspec.Struct):
    """A package of the security API. is_source False: a binary, with source_link naming its source."""

    name: str
    version: str
    is_source: bool = False
    pocket: str | None = None
    source_link: str | None = None


class Notice(msgspec.Struct):
    id: str
    title: str
    published: datetime
    release_packages: dict[str, list[Packaged]]
    type: str = "USN"
    is_hidden: bool = False
    cves_ids: list[str] = msgspec.field(default_factory=list)
    description: str | None = None


class OldPackage(msgspec.Struct):
    version: str
    pocket: str | None = None
    source: str | None = None


class OldRelease(msgspec.Struct):
    sources: dict[str, OldPackage] = msgspec.field(default_factory=dict)
    binaries: dict[str, OldPackage] = msgspec.field(default_factory=dict)


class OldNotice(msgspec.Struct):
    """A notice of the database; timestamp: seconds since 1970."""

    id: str
    title: str
    timestamp: float
    releases: dict[str, OldRelease]
    cves: list[str] = msgspec.field(default_factory=list)
    description: str | None = None


class Outer(msgspec.Struct):
    notices: list[msgspec.Raw] | None = None
    id: str | None = None


@dataclass(frozen=True)
class Fix:
    """A source package of one release. binaries: (name, version)."""

    codename: str
    package: str
    version: str
    pocket: str | None
    binaries: tuple[tuple[str, str], ...]


def decode(
    raw: bytes,
    *,
    where: str,
    feed: str = "ubuntu_usn",
    advisory_source: str | None = None,
    suite: str = "",
    codename: str | None = None,
    **_options: object,
) -> Decoded:
    """Rows of TABLES; record ids are USN ids. codename: advisories of that release only. Raises FeedFormatError."""
    refuse_web_page(raw, where=where)
    origin = Origin(feed, advisory_source or feed, suite, codename)
    tables: dict[str, list[Row]] = {table: [] for table in TABLES}
    rejected: list[Rejected] = []
    records = _records(raw, where)
    for name, item, is_old in records:
        place = f"{where}, {name}"
        try:
            notice, fixes, faults = _read_old(item, place) if is_old else _read(item, place)
            usn, first, revision = _number(notice.id)
            rejected += [Rejected(usn, f"{place}: {fault}.", kept(item)) for fault in faults]
            for table, row in _rows(notice, usn, first, revision, fixes, origin):
                tables[table].append(row)
        except FeedFormatError as error:
            rejected.append(Rejected(name[:200], error.message, kept(item)))
        except ValueError as error:
            rejected.append(Rejected(name[:200], f"{place}: {error}.", kept(item)))
    return Decoded(None, without_twins(tables), rejected, records=len(records))


def _records(raw: bytes, where: str) -> list[tuple[str, bytes, bool]]:
    """(name, raw notice, whether it is of the old database)."""
    try:
        outer = decode_document(raw, Outer, where=where)
    except FeedFormatError as error:
        raise FeedFormatError(where, f"it is no document of notices ({error.why})") from error
    if outer.notices is not None:
        return [(f"notice {number}", bytes(item), False) for number, item in enumerate(outer.notices)]
    if outer.id is not None:
        return [("notice 0", raw, b'"release_packages"' not in raw)]
    by_number = decode_document(raw, dict[str, msgspec.Raw], where=where)
    if not by_number or not all(_ID.fullmatch(name) for name in by_number):
        raise FeedFormatError(where, "it holds neither `notices` nor notices by their number")
    return [(name, bytes(item), True) for name, item in by_number.items()]


def _read(item: bytes, place: str) -> tuple[Notice, list[Fix], list[str]]:
    notice = decode_record(item, Notice, where=place)
    if notice.type != "USN" or notice.is_hidden:
        raise ValueError(
            f"it is {'hidden' if notice.is_hidden else f'of type {notice.type[:20]!r}'}: no package to install"
        )
    fixes: list[Fix] = []
    faults: list[str] = []
    for release, packages in notice.release_packages.items():
        sources = [package for package in packages if package.is_source]
        for source in sources:
            binaries = [
                (package.name, package.version)
                for package in packages
                if not package.is_source and (len(sources) == 1 or _source_of(package) == source.name)
            ]
            _add(fixes, faults, release, source.name, source.version, source.pocket, binaries)
    return notice, fixes, faults


def _source_of(package: Packaged) -> str:
    return (package.source_link or "").rstrip("/").rpartition("/")[2]


def _read_old(item: bytes, place: str) -> tuple[Notice, list[Fix], list[str]]:
    old = decode_record(item, OldNotice, where=place)
    try:
        published = datetime.fromtimestamp(old.timestamp, UTC)
    except (OverflowError, OSError, ValueError) as error:
        raise ValueError("timestamp: it is no time") from error
    notice = Notice(old.id, old.title, published, {}, cves_ids=old.cves, description=old.description)
    fixes: list[Fix] = []
    faults: list[str] = []
    for release, found in old.releases.items():
        for name, source in found.sources.items():
            binaries = [
                (package, binary.version)
                for package, binary in found.binaries.items()
                if len(found.sources) == 1 or binary.source == name
            ]
            pocket = source.pocket or next((binary.pocket for binary in found.binaries.values()), None)
            _add(fixes, faults, release, name, source.version, pocket, binaries)
    return notice, fixes, faults


def _add(
    fixes: list[Fix], faults: list[str], release: str, package: str, version: str, pocket: str | None,
    binaries: list[tuple[str, str]],
) -> None:  # fmt: skip
    try:
        if release not in CODENAMES:
            raise ValueError("the release is not known")
        checked = tuple((package_name("deb", name), checked_version("deb", built)) for name, built in binaries)
        fixes.append(
            Fix(
                release,
                package_name("deb", package),
                checked_version("deb", version),
                pocket and line(pocket, 40),
                checked,
            )
        )
    except ValueError as error:
        faults.append(f"release {release[:40]!r}, package {package[:60]!r}: {error}")


def _number(text: str) -> tuple[str, str, int]:
    found = _ID.fullmatch(text)
    if found is None:
        raise ValueError(f"id: {text[:40]!r} is no notice's number")
    return f"USN-{found[1]}-{found[2]}", f"USN-{found[1]}-1", int(found[2])


def _rows(
    notice: Notice, usn: str, first: str, revision: int, fixes: list[Fix], origin: Origin
) -> Iterator[tuple[str, Row]]:
    reverted = _taken_back(notice) if revision > 1 else []
    cves = sorted({name.upper() for name in notice.cves_ids if names_a_cve(name)})
    title, published = line(notice.title, 300), iso(notice.published)
    yield "advisory_revision", {
        "record_id": usn, "source": origin.feed, "revision_id": usn, "first_id": first, "revision": max(revision, 1),
        "is_regression": revision > 1 and "regression" in title.lower(),
        "package": " ".join(sorted({fix.package for fix in fixes}))[:300], "title": title,
        "dated": (published or "")[:10], "cve_ids": cves,
        "fixes": [
            {"codename": fix.codename, "package": fix.package, "version": fix.version, "state": "fixed",
             "note": fix.pocket}
            for fix in fixes
        ],
    }  # fmt: skip
    for fix in fixes:
        if origin.codename not in (None, fix.codename):
            continue
        subject = Subject(usn, "deb", fix.package, fix.codename, {"notice": usn, "pocket": fix.pocket})
        name = advisory_id(origin, subject, fix.version, usn)
        yield (
            "advisory",
            advisory_row(origin, subject, name, fixed=fix.version, title=f"{usn} {title}", published_at=published),
        )
        named = cves or [usn]
        yield "advisory_range", range_row(origin, subject, name, Span(fixed=fix.version, cve_ids=tuple(named)))
        for cve in named:
            yield "advisory_cve", cve_row(subject, name, cve)
        for row in alias_rows(subject, name, {usn: "self"}):
            yield "advisory_alias", row
        for package, version in fix.binaries:
            yield "advisory_package", {
                "record_id": usn, "advisory_id": name, "package": package, "version": version, "architecture": "all",
            }  # fmt: skip
        if reverted:
            yield from _open_again(subject, usn, f"{usn} {title}", published, fix.version, reverted, origin)


def _taken_back(notice: Notice) -> list[str]:
    """The CVEs whose fix it takes back (rule 6)."""
    own, *quoted = _QUOTED.split(notice.description or "", maxsplit=1)
    own = _HISTORY.sub("", own)
    reverting = [sentence for sentence in _SENTENCE.split(own) if _REVERTS.search(sentence)]
    if not reverting or _BRINGS_AGAIN.search(own):
        return []
    return cve_ids(reverting) or cve_ids([own]) or cve_ids(quoted)


def _open_again(
    subject: Subject, usn: str, title: str, published: str | None, version: str, cves: list[str], origin: Origin
) -> Iterator[tuple[str, Row]]:
    name = advisory_id(origin, subject, None, usn)
    said = f"{title}: {version} takes the fix back"[:600]
    yield "advisory", advisory_row(origin, subject, name, fixed=None, title=said, published_at=published)
    span = Span(introduced=version, last_affected=version, cve_ids=tuple(cves))
    yield "advisory_range", range_row(origin, subject, name, span)
    for cve in cves:
        yield "advisory_cve", cve_row(subject, name, cve)
    for row in alias_rows(subject, name, {usn: "self"}):
        yield "advisory_alias", row


FORMAT = FeedFormat(
    name="ubuntu_usn", decode=decode, tables=TABLES, complete=False, main_table="advisory_revision"
)  # fmt: skip
