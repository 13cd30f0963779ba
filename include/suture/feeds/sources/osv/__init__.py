"""OSV (schema 1.x, up to 1.7): advisories of vendors and of language ecosystems.

Reads one record (JSON, or YAML as pypa/advisory-database keeps it), a list of records, an object that holds them under
`vulns` or `advisories`, or a zip of such records (an ecosystem's all.zip). records.py takes the document apart,
ranges.py turns events into spans, this module makes the rows.

The rules:

1. Ecosystems: Debian and Ubuntu (with their release), PyPI, npm, Maven; Alpine and others are left out with the reason,
   and what else the record holds stands. A vendor's own ecosystem counts by its purl (pkg:deb/…), or as Debian packages
   where policy says which source ships the fixes.
2. A range is its events, in the order of versions; a version is affected when any range or the list of versions says so.
   GIT ranges speak of commits and are not read.
3. An advisory that names no CVE stands for itself: its own id takes the CVE's place, so that the vendor's own score
   counts and nothing is called unscored that was scored.
4. A withdrawn record stays, with its date: it withdraws its findings, it is not deleted.
5. Which binary packages the fix consists of is read from `ecosystem_specific.binaries` (as Ubuntu writes it) where it
   is there; else it comes from the source's verified package index.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from suture.feeds.decoded import Decoded, Rejected, Row, iso, kept, utc
from suture.feeds.errors import FeedFormatError
from suture.feeds.format import FeedFormat
from suture.feeds.outside_text import line
from suture.feeds.package_names import UnknownEcosystemError, osv_ecosystem, package_name, part_of
from suture.feeds.sources.osv.ranges import affected_spans
from suture.feeds.sources.osv.records import Advisory, Affected, Severity, read_record, take_apart
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
    without_twins,
)  # fmt: skip

TABLES = ("advisory", "advisory_cve", "advisory_package", "advisory_range", "advisory_alias", "cve_score")
_VERSIONS = {"CVSS:4.0": "4.0", "CVSS:3.1": "3.1", "CVSS:3.0": "3.0"}


def decode(
    raw: bytes,
    *,
    where: str,
    feed: str = "osv",
    advisory_source: str | None = None,
    suite: str = "",
    codename: str | None = None,
    **_options: object,
) -> Decoded:
    """Rows of TABLES; record ids are OSV ids. Raises FeedFormatError.

    advisory_source: the name in sources.yaml that ships the fixes; None: the feed's own name.
    """
    refuse_web_page(raw, where=where)
    published, documents, rejected = take_apart(raw, where)
    origin = Origin(feed, advisory_source or feed, suite, codename)
    tables: dict[str, list[Row]] = {table: [] for table in TABLES}
    newest: list[datetime] = [published] if published else []
    for name, record in documents:
        try:
            advisory = read_record(record, where=f"{where}, {name}")
        except FeedFormatError as error:
            rejected.append(Rejected(name, error.message, kept(record)))
            continue
        if published is None:
            newest.append(advisory.modified)
        found, faults = _rows(advisory, origin, vendors_own=advisory_source is not None)
        rejected += [Rejected(advisory.id, f"{where}, {name}: {fault}.", kept(record)) for fault in faults]
        if not found and not faults:
            reason = f"{where}, {name}: {advisory.id} names no version of a package that is matched."
            rejected.append(Rejected(advisory.id, reason, kept(record)))
        for table, row in found:
            tables[table].append(row)
    dates = [moment for moment in map(utc, newest) if moment]
    return Decoded(max(dates, default=None), without_twins(tables), rejected, records=len(documents))


def _rows(advisory: Advisory, origin: Origin, *, vendors_own: bool) -> tuple[list[tuple[str, Row]], list[str]]:
    """The record's rows, and what of it had to be left out."""
    rows: list[tuple[str, Row]] = []
    faults: list[str] = []
    for number, affected in enumerate(advisory.affected):
        try:
            subject = _subject(advisory, affected, origin, vendors_own)
            spans = affected_spans(affected, subject.ecosystem)
            if spans:
                rows += _advisories(advisory, affected, subject, spans, origin)
        except ValueError as error:
            faults.append(f"{advisory.id}, affected[{number}]: {error}")
    if rows:
        rows += [("cve_score", row) for row in _scores(advisory, origin)]
    return rows, faults


def _subject(advisory: Advisory, affected: Affected, origin: Origin, vendors_own: bool) -> Subject:
    package = affected.package
    if package is None:
        raise ValueError("it names no package")
    details: dict[str, object] = {
        "osv_id": advisory.id,
        "aliases": advisory.aliases,
        "dated_at": iso(advisory.modified),
    }
    try:
        ecosystem, codename, rest = osv_ecosystem(package.ecosystem)
        if rest:
            details["ecosystem"] = package.ecosystem
    except UnknownEcosystemError:
        if package.purl and package.purl.startswith("pkg:deb/"):
            ecosystem, codename = "deb", part_of(package.purl).codename
        elif vendors_own and ":" not in package.ecosystem and package.ecosystem != "Alpine":
            ecosystem, codename = "deb", ""
        else:
            raise
    if origin.codename and codename and codename != origin.codename:
        raise ValueError(f"it is for {codename}, and policy pins this feed to {origin.codename}")
    return Subject(advisory.id, ecosystem, package_name(ecosystem, package.name), codename, details)


def _advisories(
    advisory: Advisory, affected: Affected, subject: Subject, spans: list[Span], origin: Origin
) -> Iterator[tuple[str, Row]]:
    named = named_vulnerabilities(advisory)
    aliases = _aliases(advisory)
    urgency = _urgency([*affected.severity, *advisory.severity])
    fixes: list[str | None] = [*sorted({span.fixed for span in spans if span.fixed})] or [None]
    if subject.ecosystem != "deb":
        fixes = fixes if len(fixes) == 1 else [None]  # one advisory a record; several fixes: the ranges say which
    for fixed in fixes:
        name = advisory_id(origin, subject, fixed, advisory.id)
        yield "advisory", advisory_row(
            origin, subject, name, fixed=fixed, title=advisory.summary and line(advisory.summary), urgency=urgency,
            published_at=iso(advisory.published), withdrawn_at=iso(advisory.withdrawn),
        )  # fmt: skip
        for cve in named:
            yield "advisory_cve", cve_row(subject, name, cve, urgency=urgency)
        for row in alias_rows(subject, name, aliases):
            yield "advisory_alias", row
        for span in spans:
            if subject.ecosystem != "deb" or span.fixed == fixed or (span.fixed is None and fixed == fixes[-1]):
                yield "advisory_range", range_row(origin, subject, name, span)
        yield from _packages(subject, name, affected, fixed)


def named_vulnerabilities(advisory: Advisory) -> list[str]:
    """The CVEs that it names (aliases, upstream, its own id), else its own id."""
    names = {name.upper() for name in (advisory.id, *advisory.aliases, *advisory.upstream)}
    return sorted(name for name in names if name.startswith("CVE-")) or [advisory.id]


def _aliases(advisory: Advisory) -> dict[str, str]:
    found = dict.fromkeys(advisory.related, "related")
    found |= dict.fromkeys(advisory.upstream, "upstream")
    found |= dict.fromkeys(advisory.aliases, "alias")
    found[advisory.id] = "self"
    return {line(name, 100): relation for name, relation in found.items() if name}


def _urgency(severities: list[Severity]) -> str | None:
    """A vendor's own word (Ubuntu: medium …); CVSS vectors are scores and stand elsewhere."""
    words = [found.score for found in severities if not found.type.startswith("CVSS")]
    return line(words[0], 40) if words else None


def _scores(advisory: Advisory, origin: Origin) -> Iterator[Row]:
    severities = [*advisory.severity, *(found for affected in advisory.affected for found in affected.severity)]
    for severity in severities:
        if not severity.type.startswith("CVSS"):
            continue
        for name in named_vulnerabilities(advisory):
            yield {
                "record_id": advisory.id,
                "cve_id": name,
                "source": f"vendor:{origin.feed}",
                "cvss_version": _VERSIONS.get(severity.score.partition("/")[0], "2.0"),
                "vector": severity.score,
                "base_score": None,
                "severity": None,
                "dated_at": iso(advisory.modified),
            }


def _packages(subject: Subject, name: str, affected: Affected, fixed: str | None) -> Iterator[tuple[str, Row]]:
    binaries = affected.ecosystem_specific.get("binaries", [])
    for binary in binaries if isinstance(binaries, list) and fixed is not None else []:
        words = binary if isinstance(binary, dict) else {}
        package, version = words.get("binary_name"), words.get("binary_version")
        if not (isinstance(package, str) and isinstance(version, str)):
            raise ValueError(  # noqa: TRY004
                "a binary of it has no binary_name or binary_version"
            )
        yield "advisory_package", {
            "record_id": subject.record_id,
            "advisory_id": name,
            "package": package_name("deb", package),
            "version": version,
            "architecture": str(words.get("architecture", "all"))[:40],
        }  # fmt: skip


FORMAT = FeedFormat(
    name="osv", decode=decode, tables=TABLES, complete=True, main_table="advisory", scorers=("vendor",)
)  # fmt: skip
