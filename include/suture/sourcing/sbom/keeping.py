"""The lineage store: SBOMs that were accepted are kept, so that the next one is compared with the last by itself.

The bytes lie in the object store under their digest, what is asked of them in the warehouse (table sbom_document). A package is
known by its root's purl without the version, or its name with its group. Only what was accepted is kept: a refused document
must not become the one that the next is measured by.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from suture.errors import SutureError
from suture.sourcing.examination import Concern
from suture.sourcing.sbom import checks
from suture.sourcing.sbom.checks import Question
from suture.sourcing.sbom.model import Sbom
from suture.sourcing.sbom.reading import read_bytes
from suture.sourcing.sbom.settings import SbomSettings
from suture.store import Json, Store
from suture.store.objects import ObjectStore, digest

MAX_COMPONENTS = 20_000  # of one document, in the warehouse; the document itself is kept whole
_TYPES = {
    "json": "application/json",
    "json-ld": "application/ld+json",
    "xml": "application/xml",
    "rdf-xml": "application/rdf+xml",
}


class LineageError(SutureError):
    """A kept SBOM that is not what was kept, or one that cannot be kept."""


@dataclass(frozen=True)
class KeptSbom:
    """One accepted SBOM. package: purl without version, or name."""

    package: str
    version: str
    sha256: str
    object_key: str
    object_uri: str
    accepted_at: datetime


def package_of(sbom: Sbom) -> str:
    """Raises LineageError for a document that does not say what it is about."""
    if sbom.root is None:
        raise LineageError(
            "An SBOM that does not say what it is about has no lineage.", remedy="Ask for one with a root component."
        )
    return sbom.root.label


def last_kept(store: Store, package: str) -> KeptSbom | None:
    """The one that was accepted last; None: no SBOM of it was ever accepted."""
    row = store.fetch_one("sbom/fetch_last_sbom", {"package": package})
    return KeptSbom(**row) if row else None


def read_kept(objects: ObjectStore, kept: KeptSbom) -> Sbom:
    """Raises LineageError when the object's bytes are not those that were accepted."""
    raw = objects.get(kept.object_key)
    if digest(raw) != kept.sha256:
        raise LineageError(
            f"The SBOM of {kept.package} {kept.version} at {kept.object_uri} was changed after it was accepted.",
            remedy="Restore the object store from its backup; until then nothing of this package is accepted.",
        )
    return read_bytes(raw, kept.object_key)


def compare_with_last(
    store: Store, objects: ObjectStore, sbom: Sbom, question: Question, settings: SbomSettings
) -> tuple[Concern, ...]:
    """As checks.concerns, with the last accepted SBOM of the package as the one before. Raises LineageError."""
    kept = last_kept(store, package_of(sbom))
    # A name that moved to another namespace has no document under its new one: it is looked for by its bare name.
    if kept is None and sbom.root is not None:
        row = store.fetch_one("sbom/fetch_last_sbom_by_name", {"name": sbom.root.name.lower()})
        kept = KeptSbom(**row) if row else None
    old = read_kept(objects, kept) if kept else None
    return checks.concerns(sbom, replace(question, old=old), settings)


def keep(
    store: Store, objects: ObjectStore, sbom: Sbom, raw: bytes, *, accepted_at: datetime, accepted_by: str
) -> KeptSbom:
    """Keep an accepted SBOM; the same bytes again change nothing. raw: what `sbom` was read from. Raises LineageError."""
    if digest(raw) != sbom.sha256:
        raise LineageError(f"The bytes are not those of the SBOM of {sbom.title}.")
    package = package_of(sbom)
    assert sbom.root is not None
    stored = objects.put(f"sboms/{sbom.sha256}", raw, content_type=_TYPES.get(sbom.encoding, "text/plain"))
    store.execute(
        "sbom/insert_sbom",
        {
            "package": package,
            "name": sbom.root.name.lower(),
            "version": sbom.root.stated_version,
            "sha256": sbom.sha256,
            "format": f"{sbom.format} {sbom.spec_version} {sbom.encoding}",
            "serial": sbom.serial,
            "object_key": stored.key,
            "object_uri": stored.uri,
            "components": Json([checks.described(one) for one in sbom.components[:MAX_COMPONENTS]]),
            "component_count": len(sbom.components),
            "accepted_at": accepted_at,
            "accepted_by": accepted_by,
        },
    )
    kept = last_kept(store, package)
    assert kept is not None
    return kept


def packages_with(store: Store, purl: str) -> list[dict[str, str]]:
    """(package, version) of the last accepted SBOMs that hold a component with this purl: who ships it?"""
    return store.fetch_all("sbom/list_packages_with_component", {"component": Json([{"purl": purl}])})
