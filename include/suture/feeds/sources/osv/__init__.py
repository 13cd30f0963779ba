"""OSV (schema 1.x): a vendor's own advisories for packages that it ships through an apt repository.

Reads one record, a list of records, or an object that holds them under `vulns` or `advisories`. An advisory row is one
(source package, fixed version). An advisory that names no CVE stands for itself: its own id takes the CVE's place, so
that the vendor's own score counts and nothing is called unscored that was scored.

Which binary packages the fix consists of is read from `ecosystem_specific.binaries` (as Ubuntu writes it) where it is
there; else it comes from the source's verified package index.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import msgspec

from suture.feeds.decoded import Decoded, Rejected, Row, iso, kept, utc
from suture.feeds.errors import FeedFormatError
from suture.feeds.format import FeedFormat
from suture.feeds.strict_json import decode_document, decode_record, refuse_web_page

TABLES = ("advisory", "advisory_cve", "advisory_package", "cve_score")
_VERSIONS = {"CVSS:4.0": "4.0", "CVSS:3.1": "3.1", "CVSS:3.0": "3.0"}


class Severity(msgspec.Struct):
    type: str
    score: str


class Package(msgspec.Struct):
    name: str
    ecosystem: str


class Range(msgspec.Struct):
    type: str
    events: list[dict[str, str]]


class Affected(msgspec.Struct):
    package: Package
    ranges: list[Range] = msgspec.field(default_factory=list)
    ecosystem_specific: dict[str, Any] = msgspec.field(default_factory=dict)


class Advisory(msgspec.Struct):
    id: str
    modified: datetime
    schema_version: str = ""
    published: datetime | None = None
    withdrawn: datetime | None = None
    summary: str | None = None
    aliases: list[str] = msgspec.field(default_factory=list)
    upstream: list[str] = msgspec.field(default_factory=list)
    severity: list[Severity] = msgspec.field(default_factory=list)
    affected: list[Affected] = msgspec.field(default_factory=list)


class Bundle(msgspec.Struct):
    published: datetime | None = None
    vulns: list[msgspec.Raw] | None = None
    advisories: list[msgspec.Raw] | None = None
    id: str | None = None


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
    """Rows of `advisory`, `advisory_cve`, `advisory_package`, `cve_score`. Raises FeedFormatError.

    advisory_source: the name in sources.yaml that ships the fixes; None: the feed's own name.
    """
    refuse_web_page(raw, where=where)
    published, records = _records(raw, where)
    tables: dict[str, list[Row]] = {table: [] for table in TABLES}
    rejected: list[Rejected] = []
    newest: list[datetime] = [published] if published else []
    for number, record in enumerate(records):
        try:
            advisory = decode_record(record, Advisory, where=f"{where}, advisory {number}")
            rows = list(_rows(advisory, feed, advisory_source or feed, suite, codename))
        except FeedFormatError as error:
            rejected.append(Rejected(f"advisory {number}", error.message, kept(record)))
            continue
        if not rows:
            rejected.append(Rejected(advisory.id, f"{where}: {advisory.id} names no fixed version.", kept(record)))
            continue
        if published is None:
            newest.append(advisory.modified)
        for table, row in rows:
            tables[table].append(row)
    dates = [found for found in map(utc, newest) if found]
    return Decoded(max(dates, default=None), _without_twins(tables), rejected, records=len(records))


def _records(raw: bytes, where: str) -> tuple[datetime | None, list[bytes]]:
    if raw.lstrip().startswith(b"["):
        return None, [bytes(item) for item in decode_document(raw, list[msgspec.Raw], where=where)]
    bundle = decode_document(raw, Bundle, where=where)
    found = bundle.vulns if bundle.vulns is not None else bundle.advisories
    if found is None:
        if bundle.id is None:
            raise FeedFormatError(where, "it holds neither `vulns` nor `advisories`, and is no advisory itself")
        return None, [raw]
    return bundle.published, [bytes(item) for item in found]


def _rows(advisory: Advisory, feed: str, source: str, suite: str, codename: str | None) -> Iterator[tuple[str, Row]]:
    cves = sorted({name.upper() for name in (*advisory.aliases, *advisory.upstream) if name.upper().startswith("CVE-")})
    named = cves or [advisory.id]
    fixes = False
    for affected in advisory.affected:
        for fixed in _fixed_versions(affected):
            fixes = True
            advisory_id = f"{source}/{affected.package.name}@{fixed}"
            yield (
                "advisory",
                {
                    "record_id": advisory.id,
                    "advisory_id": advisory_id,
                    "source": source,
                    "suite": suite,
                    "source_package": affected.package.name,
                    "fixed_version": fixed,
                    "codename": codename,
                    "title": advisory.summary,
                    "urgency": None,
                    "published_at": iso(advisory.published),
                    "withdrawn_at": iso(advisory.withdrawn),
                    "details": {"osv_id": advisory.id, "feed": feed, "aliases": advisory.aliases},
                },
            )
            for name in named:
                yield "advisory_cve", {
                    "record_id": advisory.id, "advisory_id": advisory_id, "cve_id": name, "relation": "stated"
                }  # fmt: skip
            yield from _packages(advisory, advisory_id, affected)
    for severity in advisory.severity if fixes else ():
        for name in named:
            yield (
                "cve_score",
                {
                    "record_id": advisory.id,
                    "cve_id": name,
                    "source": f"vendor:{feed}",
                    "cvss_version": _VERSIONS.get(severity.score.partition("/")[0], "2.0"),
                    "vector": severity.score,
                    "base_score": None,
                    "severity": None,
                    "dated_at": iso(advisory.modified),
                },
            )


def _fixed_versions(affected: Affected) -> Iterator[str]:
    for span in affected.ranges:
        if span.type == "ECOSYSTEM":
            yield from (event["fixed"] for event in span.events if "fixed" in event)


def _packages(advisory: Advisory, advisory_id: str, affected: Affected) -> Iterator[tuple[str, Row]]:
    binaries = affected.ecosystem_specific.get("binaries", [])
    for binary in binaries if isinstance(binaries, list) else []:
        name, version = binary.get("binary_name"), binary.get("binary_version")
        if not (isinstance(name, str) and isinstance(version, str)):
            raise FeedFormatError(advisory.id, "a binary of it has no binary_name or binary_version")
        yield (
            "advisory_package",
            {
                "record_id": advisory.id,
                "advisory_id": advisory_id,
                "package": name,
                "version": version,
                "architecture": str(binary.get("architecture", "all")),
            },
        )


def _without_twins(tables: Mapping[str, list[Row]]) -> dict[str, list[Row]]:
    """Two advisories may be fixed by the same version: one row, with both's CVEs."""
    keys = {
        "advisory": ("advisory_id",),
        "advisory_cve": ("advisory_id", "cve_id"),
        "advisory_package": ("advisory_id", "package", "architecture"),
        "cve_score": ("cve_id", "source", "cvss_version", "vector"),
    }
    return {
        table: list({tuple(row[name] for name in keys[table]): row for row in rows}.values())
        for table, rows in tables.items()
    }


FORMAT = FeedFormat(name="osv", decode=decode, tables=TABLES, complete=True, main_table="advisory", scorers=("vendor",))
