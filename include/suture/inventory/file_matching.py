"""Matching on files: what a host has installed against advisories and VEX documents. No database, no network.

The rules are those of matching in the warehouse (deciding.py): what comes out for the same data is the same. Only how it is told
differs where several versions of a package are installed: the warehouse keeps one finding, of the oldest with the newest's fix.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from suture.inventory.deciding import Claim, Decision, Knowledge, canonical_names, decide
from suture.inventory.installed_files import InstalledPackage
from suture.inventory.pairs import span_of
from suture.inventory.spans import Span
from suture.inventory.statements import Installed, Statement, by_package, statement_of
from suture.inventory.versions import BadVersionError, order_of


@dataclass(frozen=True)
class FileFinding:
    """One advisory on the host whose packages were read; packages: the installed ones that are in its range.

    status: affected, not_affected or under_investigation; fixed_version: None when there is no fix.
    """

    advisory_id: str
    ecosystem: str
    source_package: str
    installed_version: str
    fixed_version: str | None
    packages: tuple[str, ...]
    cves: tuple[str, ...]
    status: str
    grounds: Mapping[str, Any]


def match_files(
    installed: Iterable[InstalledPackage],
    claims: Sequence[Claim],
    statements: Iterable[Statement] = (),
    *,
    codename: str = "",
) -> tuple[list[FileFinding], list[str]]:
    """(what the advisories come to, in their order; what could not be compared, a sentence each).

    codename: the host's release, for packages whose file does not say it.
    """
    places: dict[Installed, list[str]] = defaultdict(list)
    uncertain: dict[str, None] = {}
    for package in installed:
        release = package.codename or (codename if package.ecosystem in ("deb", "rpm") else "")
        try:
            order_of(package.ecosystem).sort_key(package.source_version)
        except BadVersionError as error:
            uncertain[f"{package.package}: {error.message}"] = None
            continue
        place = Installed(package.ecosystem, package.source_package, package.source_version, release, package.os_id)
        places[place].append(package.package)
    about: dict[tuple[str, str], list[Claim]] = defaultdict(list)
    for claim in claims:
        about[claim.ecosystem, claim.package].append(claim)
    knowledge = Knowledge(
        statements=by_package(statements), canonical=canonical_names(claim.names for claim in claims)
    )  # fmt: skip
    decisions: list[Decision] = []
    for place in places:
        made, doubts = decide(place, about.get((place.ecosystem, place.package), ()), knowledge)
        decisions += made
        uncertain |= dict.fromkeys(doubts)
    order = {claim.advisory_id: number for number, claim in enumerate(claims)}
    known = {name for claim in claims for name in (*claim.cves, *(cve for span in claim.spans for cve in span.cve_ids))}
    found = _folded(decisions, places, known)
    return sorted(found, key=lambda item: order[item.advisory_id]), list(uncertain)


def _folded(
    decisions: Iterable[Decision], places: Mapping[Installed, Sequence[str]], known: set[str]
) -> list[FileFinding]:  # fmt: skip
    """One finding an advisory, package, status and fix, whatever the number of installed versions: the oldest is told.

    Versions of different branches have different fixes (2.3.1 and 2.15.0): the fix of one is none for the other.
    """
    groups: dict[tuple[str, str, str, str | None], list[Decision]] = defaultdict(list)
    for decision in decisions:
        groups[decision.advisory_id, decision.installed.package, decision.status, decision.fixed_version].append(decision)
    found = []
    for (advisory_id, package, status, fixed_version), members in groups.items():
        first = min(members, key=lambda item: order_of(item.installed.ecosystem).sort_key(item.installed.version))
        found.append(
            FileFinding(
                advisory_id=advisory_id,
                ecosystem=first.installed.ecosystem,
                source_package=package,
                installed_version=first.installed.version,
                fixed_version=fixed_version,
                packages=tuple(sorted({name for item in members for name in places[item.installed]})),
                cves=tuple(sorted({name for item in members for name in item.grounds["vulnerabilities"]} & known)),
                status=status,
                grounds=first.grounds,
            )
        )
    return found


def claims_of(tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Claim]:
    """The claims that decoded rows make (tables advisory, advisory_range, advisory_cve, advisory_alias)."""
    spans: dict[str, dict[tuple[str, str, str], list[Span]]] = defaultdict(lambda: defaultdict(list))
    for row in tables.get("advisory_range", ()):
        spans[row["advisory_id"]][row["ecosystem"], row["package"], row["codename"] or ""].append(span_of(row))
    cves: dict[str, dict[str, str]] = defaultdict(dict)
    for row in tables.get("advisory_cve", ()):
        cves[row["advisory_id"]][row["cve_id"]] = row["relation"]
    names: dict[str, dict[str, None]] = defaultdict(dict)
    for row in tables.get("advisory_alias", ()):
        if row["relation"] in ("self", "alias"):
            names[row["advisory_id"]][row["alias"]] = None
    claims = []
    for row in tables.get("advisory", ()):
        if row["withdrawn_at"] is not None:
            continue
        key = (row.get("ecosystem") or "deb", row["source_package"], row["codename"] or "")
        own = spans.get(row["advisory_id"]) or {key: [Span(fixed=row["fixed_version"])]}
        for (ecosystem, package, codename), found in own.items():
            claims.append(
                Claim(
                    advisory_id=row["advisory_id"], ecosystem=ecosystem, package=package, codename=codename,
                    spans=tuple(found), source=row["source"], cves=cves[row["advisory_id"]],
                    names=tuple(names[row["advisory_id"]]), published_at=_moment(row["published_at"]),
                )
            )
    return claims


def statements_of(tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Statement]:
    """The VEX statements among decoded rows that name a package."""
    return [statement_of(row) for row in tables.get("vex_statement", ()) if row["package"] is not None]


def _moment(text: str | datetime | None) -> datetime | None:
    return datetime.fromisoformat(text) if isinstance(text, str) else text
