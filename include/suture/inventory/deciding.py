"""Deciding: is an installed version affected by an advisory, on which grounds. Pure; the same for warehouse and files.

The rules, for one installed version and all advisories whose ranges hold it:

1. The vulnerabilities that count are those of the spans that hold the version (a span without any: all of the
   advisory's; an advisory without any: itself). GHSA, PYSEC and CVE ids that advisories call aliases are one name.
2. A vulnerability whose CVE record is REJECTED does not count. One that a VEX statement excuses does not count
   (statements.py), where the advisory states it; a changelog that only mentions it is about more than it.
3. Nothing left that counts: not_affected. Only spans that nobody has looked into, or no fix and nothing left but what is
   under investigation: under_investigation. Else affected. A withdrawn advisory is not decided at all.
4. One vulnerability in one package is one finding: an advisory whose vulnerabilities another one has too, with a fix at
   least as new, becomes a line in the other's grounds. It stays when only it says which packages to install.

5. An rpm module's advisory is for packages built for a module, and no other is (the release says `.module`). Which stream
   it is does not stand in the version: of two streams the ranges have to tell.

What is uncertain (a bound that is no version) is never safe and never a finding: it is a sentence for whoever asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from suture.inventory.spans import Span, first_fix, holds
from suture.inventory.statements import Installed, Statement, applies, what_counts
from suture.inventory.versions import BadVersionError, order_of

_MODULAR = ".module"  # in the release of what was built for a module: 1.module+el8.9.0+19562+ab12


@dataclass(frozen=True)
class Claim:
    """An advisory as it speaks of one package. codename: '' for any release. cves: id → relation (stated, mentioned).

    names: its own id and its aliases. plannable: it names the binary packages of the fix. phased: package → percentage.
    """

    advisory_id: str
    ecosystem: str
    package: str
    spans: tuple[Span, ...]
    codename: str = ""
    source: str = ""
    cves: Mapping[str, str] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    published_at: datetime | None = None
    plannable: bool = False
    phased: Mapping[str, int] = field(default_factory=dict)

    def concerns(self, installed: Installed) -> bool:
        return (self.ecosystem, self.package) == (installed.ecosystem, installed.package) and self.codename in (
            "", installed.codename,
        )  # fmt: skip


@dataclass(frozen=True)
class Knowledge:
    """What decides beside ranges. rejected: CVE ids; statements: by (ecosystem, package); canonical: name → first name."""

    rejected: frozenset[str] = frozenset()
    statements: Mapping[tuple[str, str], Sequence[Statement]] = field(default_factory=dict)
    canonical: Mapping[str, str] = field(default_factory=dict)

    def name(self, vulnerability: str) -> str:
        return self.canonical.get(vulnerability, vulnerability)


@dataclass(frozen=True)
class Decision:
    """advisory_pair's row. vulnerabilities: canonical names of what counts."""

    advisory_id: str
    installed: Installed
    status: str
    fixed_version: str | None
    grounds: dict[str, Any]
    vulnerabilities: frozenset[str]


def decide(
    installed: Installed, claims: Iterable[Claim], knowledge: Knowledge
) -> tuple[list[Decision], list[str]]:  # fmt: skip
    """(what the claims that hold this version come to, in their order; what could not be compared)."""
    decisions: list[tuple[Claim, Decision]] = []
    uncertain: list[str] = []
    order = order_of(installed.ecosystem)
    for claim in claims:
        if not claim.concerns(installed):
            continue
        held = []
        for span in claim.spans:
            if installed.ecosystem == "rpm" and bool(span.module) != (_MODULAR in installed.version):
                continue
            try:
                if holds(order, installed.version, span):
                    held.append(span)
            except BadVersionError as error:
                uncertain.append(f"{claim.advisory_id}, {installed.package}: {error.message}")
        if held:
            decisions.append((claim, _decision(installed, claim, held, knowledge)))
    return _one_each(installed, decisions), uncertain


def canonical_names(groups: Iterable[Iterable[str]]) -> dict[str, str]:
    """name → the first name of what it is called elsewhere. groups: ids that one record calls the same.

    A group of several CVEs is a record about several flaws, and joins nothing. A CVE id is the first name of all.
    """
    leader: dict[str, str] = {}

    def lead(name: str) -> str:
        while leader.setdefault(name, name) != name:
            leader[name] = name = leader[leader[name]]
        return name

    for group in groups:
        names = sorted(set(group), key=_cves_first)
        if sum(name.startswith("CVE-") for name in names) > 1:
            continue
        for name in names[1:]:
            one, other = sorted((lead(names[0]), lead(name)), key=_cves_first)
            if not (one != other and other.startswith("CVE-")):  # two CVEs are never made one
                leader[other] = one
    return {name: found for name in leader if (found := lead(name)) != name}


def _cves_first(name: str) -> tuple[bool, str]:
    return not name.startswith("CVE-"), name


def _decision(installed: Installed, claim: Claim, held: Sequence[Span], knowledge: Knowledge) -> Decision:
    named = _named(claim, held)
    rejected = [name for name in named if name in knowledge.rejected]
    excused: list[Statement] = []
    investigated: set[str] = set()
    for name in named:
        counted = _statement(installed, claim, name, knowledge)
        if name in rejected or counted is None:
            continue
        if counted.status in ("fixed", "not_affected") and claim.cves.get(name, "stated") == "stated":
            excused.append(counted)
        elif counted.status == "under_investigation":
            investigated.add(name)
    spared = {*rejected, *(knowledge.name(statement.vulnerability) for statement in excused)}
    left = [name for name in named if name not in spared and knowledge.name(name) not in spared]
    fixed = first_fix(order_of(installed.ecosystem), installed.version, claim.spans)
    status = _status(held, left, investigated, fixed)
    grounds: dict[str, Any] = {
        "sentence": _sentence(installed, held, status, rejected, excused),
        "ranges": [span.sentence for span in held],
        "vulnerabilities": left,
    }
    states = sorted({span.state for span in held} - {"affected"})
    extras = {
        "rejected": rejected, "excused": [statement.grounds() for statement in excused], "states": states,
        "phased": dict(claim.phased), "under_investigation": sorted(investigated),
    }  # fmt: skip
    grounds |= {name: value for name, value in extras.items() if value}
    counted_names = frozenset(map(knowledge.name, left))
    return Decision(claim.advisory_id, installed, status, fixed, grounds, counted_names)


def _named(claim: Claim, held: Sequence[Span]) -> list[str]:
    if all(span.cve_ids for span in held):
        return sorted({name for span in held for name in span.cve_ids})
    return sorted(claim.cves) or [claim.names[0] if claim.names else claim.advisory_id]


def _statement(installed: Installed, claim: Claim, name: str, knowledge: Knowledge) -> Statement | None:
    of_package = knowledge.statements.get((installed.ecosystem, installed.package))
    if not of_package:
        return None
    called = knowledge.name(name)
    about = [
        statement
        for statement in of_package
        if knowledge.name(statement.vulnerability) == called and applies(statement, installed)
    ]
    return what_counts(about, since=claim.published_at)


def _status(held: Sequence[Span], left: Sequence[str], investigated: set[str], fixed: str | None) -> str:
    if not left:
        return "not_affected"
    unclear = all(span.state == "undetermined" for span in held) or (fixed is None and set(left) <= investigated)
    return "under_investigation" if unclear else "affected"


def _sentence(
    installed: Installed, held: Sequence[Span], status: str, rejected: Sequence[str], excused: Sequence[Statement]
) -> str:
    where = f"{installed.package} {installed.version} is in the range {'; '.join(span.sentence for span in held)}"
    if status == "under_investigation":
        return f"{where}, and whether that makes it vulnerable is still under investigation."
    reasons = [f"{', '.join(rejected)} rejected"] if rejected else []
    reasons += [
        f"{item.vulnerability} {item.status.replace('_', ' ')} according to {item.author}"
        + (f" ({item.justification})" if item.justification else "")
        for item in excused
    ]
    if status == "affected":
        return where + (f"; not counted: {'; '.join(reasons)}." if reasons else ".")
    return f"{where}, but nothing of it counts: {'; '.join(reasons)}."


def _one_each(installed: Installed, decisions: Sequence[tuple[Claim, Decision]]) -> list[Decision]:
    """Rule 4. What is not affected stands as it is."""
    order = order_of(installed.ecosystem)

    def newer_or_same(one: str | None, other: str | None) -> bool:
        return one is not None and (other is None or order.compare(one, other) >= 0)

    def covers(first: tuple[Claim, Decision], second: tuple[Claim, Decision]) -> bool:
        (claim, one), (other_claim, other) = first, second
        if not other.vulnerabilities <= one.vulnerabilities or one.status != other.status:
            return False
        if other_claim.plannable and not (claim.plannable and claim.source == other_claim.source):
            return False
        if other.fixed_version is None:
            return one.fixed_version is None or set(claim.cves.values()) <= {"stated"}
        return newer_or_same(one.fixed_version, other.fixed_version)

    kept: list[tuple[Claim, Decision]] = []
    merged: dict[str, list[str]] = {}
    ranked = sorted(decisions, key=lambda found: _rank(found, order.sort_key), reverse=True)
    for found in sorted(ranked, key=lambda item: len(item[1].vulnerabilities), reverse=True):
        by = next((other for other in kept if found[1].status != "not_affected" and covers(other, found)), None)
        if by is None:
            kept.append(found)
        else:
            merged.setdefault(by[1].advisory_id, []).append(found[1].advisory_id)
    for advisory_id, others in merged.items():
        next(item for _claim, item in kept if item.advisory_id == advisory_id).grounds["same_as"] = sorted(others)
    place = {decision.advisory_id: number for number, (_claim, decision) in enumerate(decisions)}
    return sorted((decision for _claim, decision in kept), key=lambda item: place[item.advisory_id])


def _rank(found: tuple[Claim, Decision], sort_key: Any) -> tuple[Any, ...]:
    claim, decision = found
    fix = (0,) if decision.fixed_version is None else (1, sort_key(decision.fixed_version))
    stated = set(claim.cves.values()) <= {"stated"}
    published = -claim.published_at.timestamp() if claim.published_at else float("-inf")
    return claim.plannable, fix, stated, published, claim.advisory_id
