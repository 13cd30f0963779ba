"""The rows that vendors' advisories and statements become, each made in one place so that all sources agree.

The rules:

1. An advisory of Debian packages is one (source, release, source package, fixed version); where policy pins the feed to
   one release, its id leaves the release out and so meets the advisory that the apt archive itself gives. One without a
   fix is one (source, release, package, vulnerability). In other ecosystems it is one (source, record, package), and the
   ranges say what fixes it.
2. A range row's key is a digest of what makes it that range, so that a later copy moves it and leaves no twin.
3. A VEX statement's key is a digest of document, vulnerability, product, part and release; the latest statement wins.
4. Two records that give the same row become one: of statements, signals and notices the latest (of equally late
   statements the one that worries most), of the rest the first. A withdrawn record never withdraws what a live one says.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from suture.feeds.decoded import Row

KEYS: Mapping[str, tuple[str, ...]] = {
    "advisory": ("advisory_id",),
    "advisory_cve": ("advisory_id", "cve_id"),
    "advisory_package": ("advisory_id", "package", "architecture"),
    "advisory_range": ("advisory_id", "range_key"),
    "advisory_alias": ("advisory_id", "alias"),
    "advisory_revision": ("revision_id",),
    "cve_score": ("cve_id", "source", "cvss_version", "vector"),
    "vex_statement": ("statement_key",),
    "threat_signal": ("signal_id",),
    "notice": ("message_id",),
}


@dataclass(frozen=True)
class Origin:
    """Where rows come from. feed: its name in feeds.yaml; source: which source ships the fixes; codename: the release
    that policy pins the feed to, None for any."""

    feed: str
    source: str
    suite: str = ""
    codename: str | None = None


@dataclass(frozen=True)
class Span:
    """One stretch of versions, or (kind versions) a list of them. None: see advisory_range in the schema."""

    introduced: str | None = None
    fixed: str | None = None
    last_affected: str | None = None
    limit_before: str | None = None
    versions: tuple[str, ...] = ()
    state: str = "affected"
    cve_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Subject:
    """The package of an advisory, and the record that says so. codename: '' for any release; module: an rpm
    module's name:stream, '' for none."""

    record_id: str
    ecosystem: str
    package: str
    codename: str = ""
    details: Mapping[str, Any] = field(default_factory=dict, compare=False)
    module: str = ""


def digest(*parts: object) -> str:
    """The first 32 hexadecimal digits of the SHA-256 of the parts."""
    return hashlib.sha256(json.dumps(parts, ensure_ascii=True).encode()).hexdigest()[:32]


def advisory_id(origin: Origin, subject: Subject, fixed: str | None, vulnerability: str) -> str:
    """The id of rule 1. vulnerability: what an unfixed advisory is about."""
    if subject.ecosystem not in ("deb", "rpm"):
        return f"{origin.source}/{subject.record_id}/{subject.package}"
    release = f"{subject.codename}/" if subject.codename and subject.codename != origin.codename else ""
    what = fixed if fixed is not None else f"unfixed/{vulnerability}"
    return f"{origin.source}/{release}{subject.package}@{what}"


def advisory_row(
    origin: Origin,
    subject: Subject,
    name: str,
    *,
    fixed: str | None,
    title: str | None = None,
    urgency: str | None = None,
    published_at: str | None = None,
    withdrawn_at: str | None = None,
    details: Mapping[str, Any] | None = None,
) -> Row:
    return {
        "record_id": subject.record_id,
        "advisory_id": name,
        "source": origin.source,
        "suite": origin.suite,
        "ecosystem": subject.ecosystem,
        "source_package": subject.package,
        "fixed_version": fixed,
        "codename": subject.codename or origin.codename,
        "title": title,
        "urgency": urgency,
        "published_at": published_at,
        "withdrawn_at": withdrawn_at,
        "details": {"feed": origin.feed, **subject.details, **(details or {})},
    }


def range_row(origin: Origin, subject: Subject, name: str, span: Span) -> Row:
    place = (
        subject.ecosystem, subject.package, subject.codename, subject.module, span.introduced, span.fixed,
        span.last_affected, span.limit_before, list(span.versions), span.state, subject.record_id,
    )  # fmt: skip
    return {
        "record_id": subject.record_id,
        "advisory_id": name,
        "range_key": digest(*place),
        "source": origin.feed,
        "ecosystem": subject.ecosystem,
        "package": subject.package,
        "codename": subject.codename or origin.codename or "",
        "module": subject.module,
        "kind": "versions" if span.versions else "range",
        "introduced": span.introduced,
        "fixed": span.fixed,
        "last_affected": span.last_affected,
        "limit_before": span.limit_before,
        "versions": list(span.versions),
        "state": span.state,
        "cve_ids": sorted(set(span.cve_ids)),
    }


def cve_row(
    subject: Subject, name: str, cve_id: str, *, relation: str = "stated", urgency: str | None = None,
    note: str | None = None,
) -> Row:  # fmt: skip
    return {
        "record_id": subject.record_id,
        "advisory_id": name,
        "cve_id": cve_id,
        "relation": relation,
        "urgency": urgency,
        "note": note,
    }


def alias_rows(subject: Subject, name: str, aliases: Mapping[str, str]) -> list[Row]:
    """aliases: alias → self, alias, upstream or related."""
    return [
        {"record_id": subject.record_id, "advisory_id": name, "alias": alias, "relation": relation}
        for alias, relation in aliases.items()
    ]


def vex_row(
    origin: Origin,
    *,
    record_id: str,
    document_id: str,
    author: str,
    vulnerability: str,
    product: str,
    status: str,
    subcomponent: str = "",
    ecosystem: str | None = None,
    package: str | None = None,
    version: str | None = None,
    codename: str = "",
    justification: str | None = None,
    impact: str | None = None,
    action: str | None = None,
    dated_at: str | None = None,
) -> Row:
    return {
        "record_id": record_id,
        "source": origin.feed,
        "statement_key": digest(document_id, vulnerability, product, subcomponent, codename),
        "document_id": document_id,
        "author": author,
        "vulnerability": vulnerability,
        "product": product,
        "subcomponent": subcomponent,
        "ecosystem": ecosystem,
        "package": package,
        "version": version,
        "codename": codename,
        "status": status,
        "justification": justification,
        "impact": impact,
        "action": action,
        "dated_at": dated_at,
    }


_WORRYING = ("affected", "under_investigation", "fixed", "not_affected")


def _backwards(moment: str | None) -> float:
    return -datetime.fromisoformat(moment).timestamp() if moment else 0.0


_LATEST_FIRST: Mapping[str, Callable[[Row], Any]] = {
    "vex_statement": lambda row: (_backwards(row["dated_at"]), _WORRYING.index(row["status"])),
    "threat_signal": lambda row: (_backwards(row["modified_at"]), not row["revoked"]),
    "notice": lambda row: _backwards(row["dated_at"]),
}


def without_twins(tables: Mapping[str, Sequence[Row]]) -> dict[str, list[Row]]:
    """Each row once by its table's key. Advisories that are live keep a withdrawn record's rows off."""
    live = {row["advisory_id"] for row in tables.get("advisory", ()) if row["withdrawn_at"] is None}
    mixed = {
        (row["advisory_id"], row["record_id"])
        for row in tables.get("advisory", ())
        if row["withdrawn_at"] is not None and row["advisory_id"] in live
    }
    found: dict[str, list[Row]] = {}
    for table, rows in tables.items():
        kept = rows if not mixed else [row for row in rows if (row.get("advisory_id"), row["record_id"]) not in mixed]
        if table in _LATEST_FIRST:
            kept = sorted(kept, key=_LATEST_FIRST[table])
        found[table] = _once(kept, KEYS[table])
    return found


def _once(rows: Iterable[Row], key: tuple[str, ...]) -> list[Row]:
    found: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        found.setdefault(tuple(row[name] for name in key), row)
    return list(found.values())
