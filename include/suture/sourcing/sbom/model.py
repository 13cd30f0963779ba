"""A bill of materials in our own words, whatever format it was written in.

What a reader finds wrong without being stopped by it is a Flaw, with its place; what stops it is an UnreadableSbomError. All
text is from strangers: control characters are gone (text.py), nothing else is promised of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from suture.errors import SutureError
from suture.sourcing.sbom.purls import Purl


class Fault(StrEnum):
    """Why a document cannot be read at all."""

    MALFORMED = "malformed"  # broken, ambiguous, or hostile
    UNSUPPORTED = "unsupported"  # whole, but of a format or version that is not read here
    TOO_LARGE = "too_large"  # beyond the limits


class UnreadableSbomError(SutureError):
    """A document that cannot be read. place: line, JSON path or '' for the whole."""

    def __init__(self, name: str, why: str, *, place: str = "", fault: Fault = Fault.MALFORMED) -> None:
        where = f" at {place}" if place else ""
        super().__init__(
            f"{name} cannot be read as an SBOM{where}: {why}.",
            remedy="Ask whoever made it for a sound one: what cannot be read proves nothing.",
        )
        self.place = place
        self.fault = fault


@dataclass(frozen=True, order=True)
class Hash:
    """algorithm: as hashlib names it where it knows it (sha256, sha3_256, blake2b), lower case. value: lower-case hex."""

    algorithm: str
    value: str


@dataclass(frozen=True)
class Component:
    """One component.

    ref: bom-ref or SPDXID, '' where there is none. namespace: group (CycloneDX) or the purl's. purl: None where there is
    none or it does not parse (then a flaw says so). supplier: who supplies it, '' where nobody is named; manufacturer and
    author are not suppliers. licences: ids, names or expressions, sorted. place: line or JSON path in the document.
    """

    ref: str
    kind: str
    name: str
    version: str = ""
    namespace: str = ""
    purl: Purl | None = None
    supplier: str = ""
    hashes: tuple[Hash, ...] = ()
    licences: tuple[str, ...] = ()
    place: str = field(default="", compare=False)

    @property
    def identity(self) -> tuple[str, str, str]:
        """(ecosystem, namespace, name): what stays the same from version to version. Ecosystem '' without a purl."""
        if self.purl is not None:
            return self.purl.type, self.purl.namespace, self.purl.name
        return "", self.namespace, self.name

    @property
    def label(self) -> str:
        """For sentences: the purl without version and qualifiers, or the name with its group."""
        if self.purl is not None:
            return self.purl.without_version
        return f"{self.namespace}/{self.name}" if self.namespace else self.name

    @property
    def stated_version(self) -> str:
        """The version that counts: the purl's where it gives one, as ecosystems compare those."""
        return self.purl.version if self.purl is not None and self.purl.version else self.version


@dataclass(frozen=True)
class ListedFile:
    """A file that the document says is part of something. path: as written."""

    ref: str
    path: str
    hashes: tuple[Hash, ...] = ()
    place: str = field(default="", compare=False)


@dataclass(frozen=True, order=True)
class Relationship:
    """source `kind` target, by refs. kind: depends_on, contains, describes, or another in snake_case."""

    source: str
    kind: str
    target: str


@dataclass(frozen=True)
class Flaw:
    """Something wrong that does not stop the reading. kind: of the examiner's closed set (kinds.py)."""

    kind: str
    place: str
    sentence: str
    subject: str = ""


@dataclass(frozen=True)
class Sbom:
    """A document. format: CycloneDX or SPDX. encoding: json, xml, yaml, tag-value, rdf-xml, json-ld. charset: of its bytes.

    serial: serialNumber or documentNamespace, '' for none. edition: CycloneDX's `version` of the document, None for SPDX.
    created: as written, '' for none. root: what the document is about, None where it does not say (or names several).
    components: without the root, in the document's order. schema_checked: False where it was too large to be validated.
    sha256: of the bytes as they were read.
    """

    format: str
    spec_version: str
    encoding: str
    charset: str
    serial: str
    edition: int | None
    created: str
    root: Component | None
    components: tuple[Component, ...]
    files: tuple[ListedFile, ...]
    relationships: tuple[Relationship, ...]
    flaws: tuple[Flaw, ...] = field(default=(), compare=False)
    schema_checked: bool = field(default=True, compare=False)
    sha256: str = field(default="", compare=False)

    @cached_property
    def by_ref(self) -> Mapping[str, Component]:
        """Components by ref; of doubles the first."""
        found: dict[str, Component] = {}
        for component in (*((self.root,) if self.root else ()), *self.components):
            if component.ref:
                found.setdefault(component.ref, component)
        return found

    @property
    def title(self) -> str:
        """For sentences: what the document is about."""
        if self.root is None:
            return f"{self.format} {self.spec_version} document without a root"
        return f"{self.root.label} {self.root.stated_version}".strip()
