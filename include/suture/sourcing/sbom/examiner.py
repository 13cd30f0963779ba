"""The examiner `sbom`: looks for SBOMs that are shipped in a package or lie beside it, and judges what they say.

The rules:

1. Beside: the package's file name with .cdx.json, .cdx.xml, .spdx, .spdx.json, .spdx.yaml, .spdx.rdf, .sbom.json or
   .bom.json behind it. Inside: where their worlds put them (PEP 770's dist-info/sboms/, META-INF/sbom/ of jars,
   usr/share/doc/ and usr/share/sbom/ of distributions).
2. None is a fact; a concern only where policy demands one.
3. An SBOM says what it is about. Where that is neither the package nor its source, or another version, it is a concern:
   a true SBOM of something else proves nothing.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import replace
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
_NAMES = r"[^/]*(\.cdx\.(json|xml)|\.spdx(\.(json|ya?ml|rdf|xml))?|\.sbom\.json|(^|/)s?bom\.(json|xml))"
_INSIDE = re.compile(
    rf"(?i)^(\./)?/?([^/]+\.dist-info/sboms/[^/]+|META-INF/sbom/[^/]+|(usr/share/(doc|sbom)/([^/]+/){{0,3}}|package/)?{_NAMES})$"
)


def examine(subject: Subject, settings: SbomSettings | None = None) -> Examination:
    """settings: None for the defaults (nothing is demanded). Raises BadInputError for a package that cannot be opened."""
    started = time.monotonic()
    chosen = settings or SbomSettings()
    new = subject.new
    found: list[Concern] = []
    facts: list[dict[str, object]] = []
    reading = list(_documents(new, found))
    before = _readable(subject.old) if subject.old else {}
    for name, inside, raw in reading:
        try:
            sbom = read_bytes(raw, name)
        except UnreadableSbomError as error:
            found.append(checks.unreadable(error, name))
            continue
        old = _predecessor(sbom, name, before)
        question = Question(old=old, artifact=Artifact(new.path), inside=inside)
        found += [
            replace(one, details={**one.details, "document": name}) for one in checks.concerns(sbom, question, chosen)
        ]
        if not inside or len(reading) == 1:
            found += list(_identity(sbom, new, name))
        facts.append({"name": name, "inside": inside, **checks.facts(sbom, old)})
    if not reading and chosen.required:
        found.append(
            Concern(
                "sbom_missing",
                new.name,
                f"{shown(new.name)} {shown(new.version)} comes without an SBOM, and policy demands one.",
            )
        )
    return Examination(
        examiner=EXAMINER, package=new.name, version=new.version, architecture=new.architecture,
        against=subject.old.version if subject.old else None, concerns=tuple(found),
        facts={"documents": facts, "found": len(reading)}, seconds=time.monotonic() - started,
    )  # fmt: skip


def _documents(package: PackageFile, found: list[Concern] | None) -> Iterator[tuple[str, bool, bytes]]:
    """(name, whether it lies inside, bytes), MAX_FOUND at most."""
    count = 0
    for suffix in BESIDE:
        path = Path(f"{package.path}{suffix}")
        if path.is_file():
            count += 1
            yield path.name, False, bytes_of(path)
    artifact = Artifact(package.path)
    if not artifact.is_archive:
        return
    try:
        for name, raw in artifact.read(lambda name: _INSIDE.match(name) is not None, most=MAX_BYTES + 1):
            count += 1
            if count > MAX_FOUND:
                break
            yield name, True, raw
    except ArtifactError as error:
        if found is not None:
            found.append(
                Concern(
                    "artifact_unreadable", package.name, f"{shown(package.path.name)} could not be searched: {error}."
                )
            )


def _readable(package: PackageFile) -> dict[str, Sbom]:
    """The old package's SBOMs by name; one that cannot be read is not there, and the new one says that it has none before."""
    found = {}
    for name, _inside, raw in _documents(package, None):
        try:
            found[name] = read_bytes(raw, name)
        except UnreadableSbomError:
            continue
    return found


def _predecessor(sbom: Sbom, name: str, before: dict[str, Sbom]) -> Sbom | None:
    """Of the same root, else of the same name without the version in it, else the only one."""
    for old in before.values():
        if sbom.root is not None and old.root is not None and old.root.identity == sbom.root.identity:
            return old
    plain = {re.sub(r"[0-9]+", "", other): old for other, old in before.items()}
    return plain.get(re.sub(r"[0-9]+", "", name)) or (next(iter(before.values())) if len(before) == 1 else None)


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
