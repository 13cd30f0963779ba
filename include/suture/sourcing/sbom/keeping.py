"""The lineage store: SBOMs that were accepted are kept, so that those of the next version are compared with them by themselves.

The rules:

1. Only what an intake adopted is kept: a refused document must not become the one that the next is measured by.
2. The bytes lie in the object store under their digest, what is asked of them in the warehouse: `sbom_document` (each document
   once), `sbom_lineage` (with which package of which intake it came, and what it was compared with).
3. A package is known by what the proven index calls it, never by what its SBOM says it is about: a document that names another
   namespace is then compared with the one before, and stands out.
4. The one before is that of the newest version below the one that comes. A version that comes again has the documents that it had.
5. A kept document whose bytes are not those that were accepted stops the intake.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cmp_to_key
from pathlib import Path
from typing import Any

from suture.errors import SutureError
from suture.inventory.debian_version import compare
from suture.sourcing.examination import Examination, PackageFile, SbomFile, Subject
from suture.sourcing.sbom.artifact import Artifact
from suture.sourcing.sbom.examiner import inside
from suture.sourcing.sbom.reading import bytes_of
from suture.store import Json, Store
from suture.store.objects import ObjectStore, digest

_TYPES = {
    "json": "application/json",
    "json-ld": "application/ld+json",
    "xml": "application/xml",
    "rdf-xml": "application/rdf+xml",
}
Key = tuple[str, str]  # package, architecture


class LineageError(SutureError):
    """A kept SBOM that is not what was kept, or one that cannot be kept."""


@dataclass(frozen=True)
class KeptSbom:
    """One accepted SBOM. version: of the package that it came with. document: its name."""

    intake_id: int
    package: str
    version: str
    architecture: str
    document: str
    sha256: str
    object_key: str
    object_uri: str
    accepted_at: datetime


@dataclass(frozen=True)
class Shipped:
    """An SBOM that came with a package of an intake. facts: what its examination says of it; path: of a listed one."""

    package: PackageFile
    facts: Mapping[str, Any]
    components: Sequence[Mapping[str, Any]]
    path: Path | None
    object_key: str = ""
    object_uri: str = ""

    @property
    def sha256(self) -> str:
        return str(self.facts["document"]["sha256"])

    def chain(self) -> dict[str, Any]:
        """For the intake's chain and evidence: JSON values, a few lines."""
        root, before = self.facts["root"], self.facts["before"]
        return {
            "package": self.package.name, "version": self.package.version, "architecture": self.package.architecture,
            "document": self.facts["name"], "place": self.facts["place"], "sha256": self.sha256, "object": self.object_uri,
            "is_of": root["label"] if root else None, "components": self.facts["counts"]["components"],
            "before": None if before is None else {"version": before["version"], "sha256": before["sha256"]},
        }  # fmt: skip


def shipped(subject: Subject, examination: Examination) -> tuple[Examination, tuple[Shipped, ...]]:
    """The examination without its lists of components, which belong to the documents, and the documents that it read."""
    listed = {one.name: one.path for one in subject.sboms}
    found, plain = [], []
    for document in examination.facts.get("documents", ()):
        facts = {name: value for name, value in document.items() if name != "components"}
        plain.append(facts)
        path = listed.get(facts["name"]) if facts["place"] == "listed" else None
        found.append(Shipped(subject.new, facts, document.get("components", ()), path))
    if not plain:
        return examination, ()
    return replace(examination, facts={**examination.facts, "documents": plain}), tuple(found)


def before(store: Store, packages: Iterable[PackageFile]) -> dict[Key, list[KeptSbom]]:
    """Of each package: what was accepted with the newest version below its own, and with its own; nothing for none."""
    wanted = {(package.name, package.architecture): package.version for package in packages}
    rows = store.fetch_all("sbom/list_lineage", {"packages": sorted({name for name, _ in wanted})})
    by_key: dict[Key, list[KeptSbom]] = {}
    for row in rows:
        if (row["package"], row["architecture"]) in wanted:
            by_key.setdefault((row["package"], row["architecture"]), []).append(KeptSbom(**row))
    return {key: _next_below(kept, wanted[key]) for key, kept in by_key.items()}


def _next_below(kept: list[KeptSbom], version: str) -> list[KeptSbom]:
    older = {one.version for one in kept if compare(one.version, version) < 0}
    newest = max(older, key=cmp_to_key(compare), default=None)
    found = []
    for wanted in (newest, version):
        last = next((one.intake_id for one in kept if one.version == wanted), None)  # the last accepted comes first
        found += [one for one in kept if one.version == wanted and one.intake_id == last]
    return found


def bring(objects: ObjectStore, kept: Iterable[KeptSbom], folder: Path) -> tuple[SbomFile, ...]:
    """Kept documents as files in `folder`. Raises LineageError when the bytes are not those that were accepted."""
    found = []
    for one in kept:
        path = folder / one.sha256
        if not path.exists():
            path.write_bytes(read_kept(objects, one))
        found.append(SbomFile(one.document, path, one.sha256, one.version, kept=True))
    return tuple(found)


def read_kept(objects: ObjectStore, kept: KeptSbom) -> bytes:
    """Raises LineageError when the object's bytes are not those that were accepted."""
    raw = objects.get(kept.object_key)
    if digest(raw) != kept.sha256:
        raise LineageError(
            f"The SBOM of {kept.package} {kept.version} at {kept.object_uri} was changed after it was accepted.",
            remedy="Restore the object store from its backup; until then nothing of this package is accepted.",
        )
    return raw


def put(objects: ObjectStore, sboms: Sequence[Shipped]) -> tuple[Shipped, ...]:
    """The bytes into the object store; each with where it lies now. Raises LineageError, ObjectStoreError."""
    stored = []
    held: tuple[Path, dict[str, bytes]] | None = None  # of one package at a time
    for one in sboms:
        path = one.package.path
        if one.facts["place"] == "inside":
            if held is None or held[0] != path:
                held = (path, _inside(path, {str(other.facts["name"]) for other in sboms if other.package.path == path}))
            raw = held[1].get(str(one.facts["name"]), b"")
        else:
            raw = bytes_of(one.path or path.with_name(str(one.facts["name"])))
        if digest(raw) != one.sha256:
            raise LineageError(
                f"The SBOM {one.facts['name']} of {one.package.name} {one.package.version} is not the one that was examined.",
                remedy="Run the intake again; if it stays, somebody changes files in the intake's cache.",
            )
        kind = _TYPES.get(str(one.facts["document"]["encoding"]), "text/plain")
        kept = objects.put(f"sboms/{one.sha256}", raw, content_type=kind)
        stored.append(replace(one, object_key=kept.key, object_uri=kept.uri))
    return tuple(stored)


def _inside(package: Path, names: set[str]) -> dict[str, bytes]:
    return {name: raw for name, raw in inside(Artifact(package)) if name in names}


def write(store: Store, sboms: Iterable[Shipped], *, intake_id: int, accepted_at: datetime, accepted_by: str) -> None:
    """What an adopted intake's packages came with, after `put`; joins the caller's transaction."""
    for one in sboms:
        document, root = one.facts["document"], one.facts["root"]
        row = store.fetch_one(
            "sbom/insert_sbom",
            {
                # A document that does not say what it is about is of the package that it came with.
                "package": root["label"] if root else one.package.name,
                "name": str(root["name"] if root else one.package.name).lower(),
                "version": root["stated_version"] if root else "",
                "sha256": one.sha256,
                "format": f"{document['format']} {document['spec_version']} {document['encoding']}",
                "serial": document["serial"],
                "object_key": one.object_key,
                "object_uri": one.object_uri,
                "components": Json(list(one.components)),
                "component_count": one.facts["counts"]["components"],
                "accepted_at": accepted_at,
                "accepted_by": accepted_by,
            },
        )
        assert row is not None
        last = one.facts["before"]
        store.execute(
            "sbom/insert_lineage",
            {
                "intake_id": intake_id,
                "package": one.package.name,
                "version": one.package.version,
                "architecture": one.package.architecture,
                "package_sha256": one.package.sha256,
                "document": one.facts["name"],
                "place": one.facts["place"],
                "sbom_id": row["sbom_id"],
                "before_sha256": last["sha256"] if last else None,
                "accepted_at": accepted_at,
            },
        )
