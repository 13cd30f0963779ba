"""The examiner `sbom`: looks for SBOMs that are shipped in a package or lie beside it, and judges what they say.

The rules:

1. Listed: what a signed repository lists beside the package (listed.py). Beside: the package's file name with .cdx.json, .cdx.xml,
   .spdx, .spdx.json, .spdx.yaml, .spdx.rdf, .sbom.json or .bom.json behind it, for packages examined by hand. Inside: where their
   worlds put them (PEP 770's dist-info/sboms/, META-INF/sbom/ of jars, usr/share/doc/ and usr/share/sbom/ of distributions).
2. None is a fact; a concern where policy demands one, or where the version before came with one.
3. An SBOM says what it is about. Where that is neither the package nor its source, or another version, it is a concern:
   a true SBOM of something else proves nothing.
4. The one before is the one that an intake accepted with the version before; where none was, that of the older package.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from suture.sourcing.examination import Concern, Examination, PackageFile, Subject
from suture.sourcing.sbom import checks
from suture.sourcing.sbom.artifact import Artifact, ArtifactError
from suture.sourcing.sbom.checks import Question
from suture.sourcing.sbom.model import Sbom, UnreadableSbomError
from suture.sourcing.sbom.reading import bytes_of, read_bytes
from suture.sourcing.sbom.settings import SbomSettings
from suture.sourcing.sbom.text import MAX_BYTES, shown

EXAMINER = "sbom"
BESIDE = (
    ".cdx.json", ".cdx.xml", ".spdx", ".spdx.json", ".spdx.yaml", ".spdx.rdf", ".spdx.xml", ".sbom.json", ".bom.json"
)  # fmt: skip
MAX_FOUND = 20
TOTAL_BYTES = 2 * MAX_BYTES  # of one package: they are held in memory together
MAX_COMPONENTS = 20_000  # of one document, for the warehouse; the document itself is kept whole
_NAMES = r"[^/]*(\.cdx\.(json|xml)|\.spdx(\.(json|ya?ml|rdf|xml))?|\.sbom\.json|(^|/)s?bom\.(json|xml))"
_INSIDE = re.compile(
    rf"(?i)^(\./)?/?([^/]+\.dist-info/sboms/[^/]+|META-INF/sbom/[^/]+|(usr/share/(doc|sbom)/([^/]+/){{0,3}}|package/)?{_NAMES})$"
)


@dataclass(frozen=True)
class _Document:
    """place: listed, beside or inside."""

    name: str
    place: str
    raw: bytes


@dataclass(frozen=True)
class _Before:
    """One of an earlier version. kept: an intake accepted it."""

    name: str
    version: str
    sbom: Sbom
    kept: bool


def examine(subject: Subject, settings: SbomSettings | None = None) -> Examination:
    """settings: None for the defaults (nothing is demanded). Raises BadInputError for a package that cannot be opened."""
    started = time.monotonic()
    chosen = settings or SbomSettings()
    if subject.attested is not None:  # then `provenance` judges its attestations, by what policy says of its source
        chosen = replace(chosen, provenance_required=False)
    new = subject.new
    found: list[Concern] = []
    facts: list[dict[str, object]] = []
    documents = list(_documents(subject, found))
    before = _before(subject, found)
    artifact = Artifact(new.path, f"{new.name}_{new.version}_{new.architecture}.deb" if _is_cached(new) else "")
    for document in documents:
        name, inside = document.name, document.place == "inside"
        try:
            sbom = read_bytes(document.raw, name)
        except UnreadableSbomError as error:
            found.append(checks.unreadable(error, name))
            continue
        old = _predecessor(sbom, name, before)
        question = Question(old=old.sbom if old else None, artifact=artifact, inside=inside)
        about = [*checks.concerns(sbom, question, chosen), *_reissued(subject, document)]
        if not inside or len(documents) == 1:
            about += _identity(sbom, new, name)
        found += [replace(one, details={**one.details, "document": name}) for one in about]
        facts.append({
            "name": name, "place": document.place, "bytes": len(document.raw), **checks.facts(sbom, old.sbom if old else None),
            "before": None if old is None else {
                "name": old.name, "version": old.version, "sha256": old.sbom.sha256, "accepted": old.kept,
            },
            "components": [checks.described(one) for one in sbom.components[:MAX_COMPONENTS]],
        })  # fmt: skip
    found += _missing(subject, documents, before, chosen)
    return Examination(
        examiner=EXAMINER, package=new.name, version=new.version, architecture=new.architecture,
        against=subject.old.version if subject.old else None, concerns=tuple(found),
        facts={"documents": facts, "found": len(documents)}, seconds=time.monotonic() - started,
    )  # fmt: skip


def inside(artifact: Artifact) -> Iterator[tuple[str, bytes]]:
    """(path, bytes, cut at one more than is read) of the SBOMs that lie in a package. Raises ArtifactError."""
    return artifact.read(lambda name: _INSIDE.match(name) is not None, most=MAX_BYTES + 1)


def _documents(subject: Subject, found: list[Concern]) -> Iterator[_Document]:
    """MAX_FOUND at most, and TOTAL_BYTES of them together; that there are more is a concern."""
    package, count, left = subject.new, 0, TOTAL_BYTES
    try:
        for document in _all_documents(subject):
            count, left = count + 1, left - len(document.raw)
            if count > MAX_FOUND or left < 0:
                sentence = (
                    f"{shown(package.name)} comes with more than {MAX_FOUND} SBOMs, or with more than {TOTAL_BYTES} bytes"
                    f" of them: {shown(document.name)} and those after it were not read."
                )
                found.append(Concern("too_large", document.name, sentence))
                return
            yield document
    except ArtifactError as error:
        sentence = f"{shown(package.name)} {shown(package.version)} could not be searched: {error}."
        found.append(Concern("artifact_unreadable", package.name, sentence))


def _all_documents(subject: Subject) -> Iterator[_Document]:
    package = subject.new
    for listed in subject.sboms:
        yield _Document(listed.name, "listed", bytes_of(listed.path))
    for suffix in BESIDE:
        path = Path(f"{package.path}{suffix}")
        if path.is_file():
            yield _Document(path.name, "beside", bytes_of(path))
    artifact = Artifact(package.path)
    if artifact.is_archive:
        for name, raw in inside(artifact):
            yield _Document(name, "inside", raw)


def _is_cached(package: PackageFile) -> bool:
    """In the intake's cache a file is named by its digest, which says nothing to people."""
    return package.path.name == package.sha256


def _before(subject: Subject, found: list[Concern]) -> list[_Before]:
    """Of the version before. A kept one that cannot be read any more is a concern; another one is as if it were not there."""
    read: list[_Before] = []
    for one in subject.sboms_before:
        if one.version == subject.new.version:
            continue
        try:
            read.append(_Before(one.name, one.version, read_bytes(bytes_of(one.path), one.name), one.kept))
        except UnreadableSbomError as error:
            if one.kept:
                sentence = f"The SBOM {shown(one.name)} that was accepted with {shown(one.version)}: {error.message}"
                found.append(Concern("not_examined", one.name, sentence))
    if subject.old is None or any(one.kept for one in read):
        return read
    alone = Subject(subject.old)
    for document in _documents(alone, []):
        try:
            read.append(_Before(document.name, subject.old.version, read_bytes(document.raw, document.name), False))
        except UnreadableSbomError:
            continue
    return read


def _missing(
    subject: Subject, documents: list[_Document], before: list[_Before], settings: SbomSettings
) -> Iterator[Concern]:
    if documents:
        return
    package = f"{shown(subject.new.name)} {shown(subject.new.version)}"
    if settings.required:
        yield Concern(
            "sbom_missing", subject.new.name, f"{package} comes without an SBOM, and policy demands one."
        )
    if before:
        last = before[0]
        sentence = f"{package} comes without an SBOM; {shown(last.version)} came with {shown(last.name)}."
        yield Concern("sbom_gone", subject.new.name, sentence, {"before": last.name, "version": last.version})


def _reissued(subject: Subject, document: _Document) -> Iterator[Concern]:
    """The same version was accepted before, by another campaign: then its SBOMs are those that were accepted."""
    accepted = {one.sha256 for one in subject.sboms_before if one.kept and one.version == subject.new.version}
    sha256 = hashlib.sha256(document.raw).hexdigest()
    if accepted and sha256 not in accepted:
        sentence = (
            f"The SBOM {shown(document.name)} is another one than was accepted with the same"
            f" {shown(subject.new.name)} {shown(subject.new.version)}."
        )
        yield Concern("sbom_reissued", document.name, sentence, {"accepted": sorted(accepted), "now": sha256})


def _predecessor(sbom: Sbom, name: str, before: list[_Before]) -> _Before | None:
    """Of the same root, else of the same name without the version in it, else the only one."""
    for old in before:
        if sbom.root is not None and old.sbom.root is not None and old.sbom.root.identity == sbom.root.identity:
            return old
    plain = {re.sub(r"[0-9]+", "", old.name): old for old in before}
    return plain.get(re.sub(r"[0-9]+", "", name)) or (before[0] if len(before) == 1 else None)


def _identity(sbom: Sbom, package: PackageFile, name: str) -> Iterator[Concern]:
    if sbom.root is None:
        return
    ours = {_plain(package.name), _plain(package.source or package.name)}
    versions = {package.version, package.source_version or package.version}
    said = {_plain(sbom.root.name), _plain(sbom.root.purl.name if sbom.root.purl else sbom.root.name)}
    if not ours & said:
        sentence = f"The SBOM {shown(name)} is of {shown(sbom.root.label)}, and the package is {shown(package.name)}."
        yield Concern("identity_mismatch", name, sentence)
    elif sbom.root.stated_version and not {_upstream(one) for one in versions} & {_upstream(sbom.root.stated_version)}:
        said_version = shown(sbom.root.stated_version)
        sentence = f"The SBOM {shown(name)} is of version {said_version}, and the package has {shown(package.version)}."
        yield Concern("identity_mismatch", name, sentence)


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.lower())


def _upstream(version: str) -> str:
    """Without epoch and revision: an SBOM of a vendor has his version, the package a distribution's."""
    return re.sub(r"[-~+].*$", "", version.partition(":")[2] if ":" in version else version)
