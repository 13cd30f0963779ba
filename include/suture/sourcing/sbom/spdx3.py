"""SPDX 3.0 in JSON-LD: a flat @graph of elements that refer to one another by spdxId.

spdx-tools writes this format and does not read it. Only documents in the compact form that the standard's own context gives
are read; another context is refused, and none is ever fetched. The schema is not checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from suture.sourcing.sbom import graph
from suture.sourcing.sbom.model import Component, Fault, ListedFile, Relationship, Sbom
from suture.sourcing.sbom.notes import MAX_COMPONENTS, Notebook
from suture.sourcing.sbom.text import shown

CONTEXT = "https://spdx.org/rdf/3."
_KINDS = {"contains": "contains", "dependsOn": "depends_on", "describes": "describes"}
_LICENCES = ("hasDeclaredLicense", "hasConcludedLicense")


def is_spdx3(tree: Any) -> bool:
    return isinstance(tree, dict) and "@context" in tree and "@graph" in tree


def from_tree(tree: Mapping[str, Any], name: str, charset: str) -> Sbom:
    """Raises UnreadableSbomError."""
    notebook = Notebook(name)
    if not str(tree["@context"]).startswith(CONTEXT):
        why = "its JSON-LD context is not that of SPDX 3, and none is fetched"
        raise notebook.stop(why, "$.@context", Fault.UNSUPPORTED)
    return _Reader(notebook, tree, charset).read()


class _Reader:
    def __init__(self, notebook: Notebook, tree: Mapping[str, Any], charset: str) -> None:
        self.notebook, self.charset = notebook, charset
        self.nodes = notebook.objects(tree.get("@graph"), "$.@graph")
        self.by_id: dict[str, Mapping[str, Any]] = {}
        self.relationships: list[tuple[Relationship, str]] = []
        self.licences: dict[str, set[str]] = {}

    def read(self) -> Sbom:
        note = self.notebook
        for node, place in self.nodes:
            ref = note.text(node.get("spdxId") or node.get("@id"), place)
            if ref:
                note.ref(ref, place)
                self.by_id.setdefault(ref, node)
        for node, place in self.nodes:
            if _kind(node) in ("Relationship", "LifecycleScopedRelationship"):
                self._relationship(node, place)
        packages, files = [], []
        for node, place in self.nodes:
            if _kind(node) == "software_Package":
                packages.append(self._package(node, place))
            elif _kind(node) == "software_File":
                files.append(
                    ListedFile(self._id(node, place), self._name(node, place), self._hashes(node, place), place)
                )
        if len(packages) + len(files) > MAX_COMPONENTS:
            raise note.stop(f"it has more than {MAX_COMPONENTS} packages and files", "$.@graph", Fault.TOO_LARGE)
        graph.check(note, self.relationships)
        note.flaw("schema_unchecked", "", "The rules of SPDX 3 were not checked: no library here does it.")
        document = next((node for node, _place in self.nodes if _kind(node) == "SpdxDocument"), {})
        root = self._root(document, packages)
        creation = self._resolved(document.get("creationInfo"), "$.@graph")
        return Sbom(
            format="SPDX", spec_version=note.text(creation.get("specVersion"), "specVersion") or "3.0", encoding="json-ld",
            charset=self.charset, serial=note.text(document.get("spdxId"), "$.@graph"), edition=None,
            created=note.text(creation.get("created"), "created"), root=root,
            components=tuple(package for package in packages if package is not root), files=tuple(files),
            relationships=tuple(sorted({relationship for relationship, _place in self.relationships})),
            flaws=note.flaws, schema_checked=False,
        )  # fmt: skip

    def _relationship(self, node: Mapping[str, Any], place: str) -> None:
        note = self.notebook
        kind, source = note.text(node.get("relationshipType"), place), note.text(node.get("from"), place)
        targets = node.get("to") or []
        for target in [note.text(item, place) for item in (targets if isinstance(targets, list) else [targets])]:
            if kind in _LICENCES:
                licence = self.by_id.get(target, {})
                said = licence.get("simplelicensing_licenseExpression") or licence.get("name")
                if said and not target.endswith(("NoAssertionLicense", "NoneLicense")):
                    self.licences.setdefault(source, set()).add(note.text(said, place))
            elif kind in _KINDS:
                self.relationships.append((Relationship(source, _KINDS[kind], target), place))

    def _package(self, node: Mapping[str, Any], place: str) -> Component:
        note = self.notebook
        ref, name = self._id(node, place), self._name(node, place)
        version = note.text(node.get("software_packageVersion"), place)
        text = note.text(node.get("software_packageUrl"), place) or next(
            (
                note.text(item.get("identifier"), where)
                for item, where in note.objects(node.get("externalIdentifier"), f"{place}.externalIdentifier")
                if str(item.get("externalIdentifierType")).lower() == "packageurl"
            ),
            "",
        )
        purl = note.purl(text, place)
        note.compare_purl(purl, name, version, place)
        return Component(
            ref=ref, kind=note.text(node.get("software_primaryPurpose"), place).lower() or "package", name=name, version=version,
            namespace=purl.namespace if purl else "", purl=purl,
            supplier=note.text(self._resolved(node.get("suppliedBy"), place).get("name"), place),
            hashes=self._hashes(node, place), licences=tuple(sorted(self.licences.get(ref, ()))), place=place,
        )  # fmt: skip

    def _hashes(self, node: Mapping[str, Any], place: str) -> tuple[Any, ...]:
        note = self.notebook
        found = [
            note.hash(note.text(item.get("algorithm"), where), note.text(item.get("hashValue"), where), where)
            for item, where in note.objects(node.get("verifiedUsing"), f"{place}.verifiedUsing")
            if _kind(item) == "Hash"
        ]
        return tuple(sorted({hashed for hashed in found if hashed is not None}))

    def _root(self, document: Mapping[str, Any], packages: list[Component]) -> Component | None:
        """What the document's rootElement names; an Sbom there has a rootElement of its own."""
        refs = self._targets(document.get("rootElement"))
        refs |= {ref for sbom in refs for ref in self._targets(self.by_id.get(sbom, {}).get("rootElement"))}
        refs |= {found.target for found, _place in self.relationships if found.kind == "describes"}
        roots = [package for package in packages if package.ref in refs]
        if len(roots) == 1:
            return roots[0]
        self.notebook.flaw(
            "root_missing",
            "$.@graph",
            f"The document has {len(roots)} packages as its root, so that it is not about one.",
        )
        return None

    def _targets(self, value: Any) -> set[str]:
        return {
            self.notebook.text(item, "rootElement") for item in (value if isinstance(value, list) else [value]) if item
        }

    def _resolved(self, value: Any, place: str) -> Mapping[str, Any]:
        """An object that stands there, or the one that its id names."""
        return self.by_id.get(value, {}) if isinstance(value, str) else self.notebook.object(value, place)

    def _id(self, node: Mapping[str, Any], place: str) -> str:
        return self.notebook.text(node.get("spdxId") or node.get("@id"), place)

    def _name(self, node: Mapping[str, Any], place: str) -> str:
        name = self.notebook.text(node.get("name"), place)
        if not name:
            raise self.notebook.stop("an element has no name", shown(place))
        return name


def _kind(node: Mapping[str, Any]) -> str:
    return str(node.get("type") or node.get("@type"))
