"""All that is asked of one SBOM, in one place: what the document is, whether it fits its artefact, what came before, who says so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from suture.errors import BadInputError
from suture.sourcing.examination import Action, Actions, Concern, Examination
from suture.sourcing.sbom import hashes, lineage, lookalike, provenance
from suture.sourcing.sbom.artifact import Artifact
from suture.sourcing.sbom.kinds import REASONS
from suture.sourcing.sbom.model import Component, Sbom, UnreadableSbomError
from suture.sourcing.sbom.settings import SbomSettings
from suture.sourcing.sbom.text import shown


@dataclass(frozen=True)
class Question:
    """What is known beside the SBOM. old: the one before. inside: the SBOM lies in the artefact. attestations: (name, bytes).

    used: components that the organisation uses already, as known names.
    """

    old: Sbom | None = None
    artifact: Artifact | None = None
    inside: bool = False
    attestations: tuple[tuple[str, bytes], ...] = ()
    trust: provenance.Trust = field(default_factory=provenance.Trust)
    used: tuple[Component, ...] = ()


def concerns(sbom: Sbom, question: Question, settings: SbomSettings) -> tuple[Concern, ...]:
    """In the order in which they were asked. Raises BadInputError for a file that cannot be read."""
    return tuple(_concerns(sbom, question, settings))


def _concerns(sbom: Sbom, question: Question, settings: SbomSettings) -> Iterator[Concern]:
    for flaw in sbom.flaws:
        yield Concern(flaw.kind, flaw.subject, flaw.sentence, {"place": flaw.place})
    if question.artifact is not None:
        yield from hashes.check(sbom, question.artifact, inside=question.inside)
    yield from hashes.only_weak(sbom)
    if question.old is not None:
        yield from lineage.check(question.old, sbom, settings.moves)
    else:
        yield Concern(
            "no_predecessor",
            sbom.title,
            f"No SBOM before that of {shown(sbom.title)} is known: lineage was not compared.",
        )
    yield from _names(sbom, question, settings)
    if question.attestations or settings.provenance_required:
        yield from provenance.check(question.attestations, _digests(sbom, question), question.trust, settings)


def _names(sbom: Sbom, question: Question, settings: SbomSettings) -> Iterator[Concern]:
    before = _all(question.old) if question.old else ()
    names = lookalike.known_names((*before, *question.used), settings.known_names)
    known = lookalike.KnownNames(names, lookalike.known_names((), settings.near_names))
    seen = {component.identity for component in before}
    new = {component.identity: component for component in _all(sbom) if component.identity not in seen}
    yield from lookalike.check(new.values(), known)


def _all(sbom: Sbom) -> tuple[Component, ...]:
    return (*((sbom.root,) if sbom.root else ()), *sbom.components)


def _digests(sbom: Sbom, question: Question) -> Mapping[str, str]:
    """Of the artefact itself; without one, what the SBOM gives for its root."""
    if question.artifact is not None:
        return question.artifact.hashes
    return {one.algorithm: one.value for one in sbom.root.hashes} if sbom.root else {}


def facts(sbom: Sbom, old: Sbom | None) -> dict[str, Any]:
    """What is worth showing: bounded, JSON values."""
    found: dict[str, Any] = {
        "document": {
            "format": sbom.format, "spec_version": sbom.spec_version, "encoding": sbom.encoding, "charset": sbom.charset,
            "serial": shown(sbom.serial, 200), "edition": sbom.edition, "created": shown(sbom.created, 40),
            "sha256": sbom.sha256, "schema_checked": sbom.schema_checked,
        },
        "root": None if sbom.root is None else described(sbom.root) | {
            "label": sbom.root.label, "stated_version": sbom.root.stated_version,
        },
        "counts": {
            "components": len(sbom.components), "files": len(sbom.files), "relationships": len(sbom.relationships),
            "by_ecosystem": dict(Counter(component.identity[0] or "none" for component in sbom.components).most_common(20)),
            "with_purl": sum(component.purl is not None for component in sbom.components),
            "with_hashes": sum(bool(component.hashes) for component in sbom.components),
        },
    }  # fmt: skip
    if old is not None:
        found["difference"] = lineage.difference(old, sbom).as_dict()
    return found


def described(component: Component) -> dict[str, Any]:
    """JSON values."""
    return {
        "name": component.name, "namespace": component.namespace, "version": component.version,
        "purl": str(component.purl) if component.purl else None, "supplier": component.supplier,
        "hashes": {one.algorithm: one.value for one in component.hashes}, "licences": list(component.licences[:20]),
    }  # fmt: skip


def unreadable(error: UnreadableSbomError, name: str) -> Concern:
    """What could not be read, as a concern."""
    return Concern(error.fault.value, name, error.message, {"place": error.place})


def refusal(examination: Examination, actions: Actions) -> Concern | None:
    """The concern that gives the reason, where policy refuses any: the gravest by kinds.REASONS, then the first."""
    refused = [one for one in examination.concerns if actions.of(examination.examiner, one.kind) is Action.REFUSE]
    order = {kind: rank for rank, kind in enumerate(REASONS)}
    return min(refused, key=lambda one: order.get(one.kind, len(order)), default=None)


def used_components(lines: Iterable[str], name: str) -> tuple[Component, ...]:
    """A list of purls, one a line, # for comments. Raises BadInputError with the line."""
    from suture.sourcing.sbom import purls

    found = []
    for number, line in enumerate(lines, 1):
        text = line.partition("#")[0].strip() if line.lstrip().startswith("#") else line.strip()
        if not text:
            continue
        try:
            purl = purls.parse(text)
        except purls.BadPurlError as error:
            raise BadInputError(f"{name}, line {number}: {error.message}") from error
        found.append(Component("", "library", purl.name, purl.version, purl.namespace, purl))
    return tuple(found)
