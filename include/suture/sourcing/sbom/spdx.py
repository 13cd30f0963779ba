"""SPDX 2.2 and 2.3 (ISO/IEC 5962), in the shape of their JSON format.

JSON and YAML have that shape, XML is turned into it here; tag-value and RDF/XML are read by spdx-tools, which turns them
into it (spdx_library.py). Rules:

1. The root is the one package that the document DESCRIBES; of several none is taken, and that is said.
2. NOASSERTION and NONE are no supplier, no licence and no target.
3. Relationships that are written backwards (DEPENDENCY_OF, CONTAINED_BY) are turned round.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from lxml import etree

from suture.sourcing.sbom import graph
from suture.sourcing.sbom.model import Component, Fault, Flaw, ListedFile, Relationship, Sbom
from suture.sourcing.sbom.notes import LINE, MAX_COMPONENTS, Notebook
from suture.sourcing.sbom.text import shown

VERSIONS = ("SPDX-2.2", "SPDX-2.3")
NOTHING = ("", "NOASSERTION", "NONE")
_NAMESPACE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s#]+")
_ACTOR = re.compile(r"(?:Organization|Person|Tool):\s*(.*?)\s*(?:\([^()]*\))?\s*")
_TURNED = {
    "CONTAINED_BY": "CONTAINS", "DESCRIBED_BY": "DESCRIBES", "DEPENDENCY_OF": "DEPENDS_ON", "GENERATED_FROM": "GENERATES",
    "BUILD_DEPENDENCY_OF": "DEPENDS_ON", "DEV_DEPENDENCY_OF": "DEPENDS_ON", "OPTIONAL_DEPENDENCY_OF": "DEPENDS_ON",
    "PROVIDED_DEPENDENCY_OF": "DEPENDS_ON", "RUNTIME_DEPENDENCY_OF": "DEPENDS_ON", "TEST_DEPENDENCY_OF": "DEPENDS_ON",
}  # fmt: skip
# Elements of the XML format that may stand once and are lists in JSON.
_LISTS = {
    "creators", "externalDocumentRefs", "hasExtractedLicensingInfos", "seeAlsos", "annotations", "relationships", "snippets",
    "reviewers", "fileTypes", "licenseInfoFromFiles", "licenseInfoInFiles", "artifactOf", "fileContributors",
    "fileDependencies", "files", "documentDescribes", "packages", "checksums", "hasFiles", "externalRefs", "ranges",
    "licenseInfoInSnippets", "packageVerificationCodeExcludedFiles", "attributionTexts",
}  # fmt: skip


def require_version(tree: Mapping[str, Any], name: str) -> str:
    """2.2 or 2.3. Raises UnreadableSbomError."""
    notebook = Notebook(name)
    version = notebook.text(tree.get("spdxVersion"), "$.spdxVersion")
    if version not in VERSIONS:
        why = f"{shown(version, 20) or 'SPDX without a version'} is not read here (SPDX-2.2, SPDX-2.3 and 3.0 are)"
        raise notebook.stop(why, "spdxVersion", Fault.UNSUPPORTED)
    return version.removeprefix("SPDX-")


def from_tree(
    tree: Mapping[str, Any], name: str, *, encoding: str, charset: str, flaws: Iterable[Flaw] = (),
    lines: Mapping[str, str] | None = None, checked: bool = True,
) -> Sbom:  # fmt: skip
    """flaws: what the library found. lines: SPDXID → place, where the tree has none. Raises UnreadableSbomError."""
    notebook = Notebook(name)
    for flaw in flaws:
        notebook.flaw(flaw.kind, flaw.place, flaw.sentence, flaw.subject)
    if not checked:
        notebook.flaw("schema_unchecked", "", "The document is too large to be checked by the rules of SPDX.")
    return _Reader(notebook, tree, encoding, charset, lines or {}, checked).read()


class _Reader:
    def __init__(
        self,
        notebook: Notebook,
        tree: Mapping[str, Any],
        encoding: str,
        charset: str,
        lines: Mapping[str, str],
        checked: bool,
    ) -> None:
        self.notebook, self.tree, self.encoding, self.charset = notebook, tree, encoding, charset
        self.lines, self.checked = lines, checked
        self.relationships: list[tuple[Relationship, str]] = []

    def read(self) -> Sbom:
        note, tree = self.notebook, self.tree
        version = require_version(tree, note.name)
        own = note.text(tree.get("SPDXID"), "$.SPDXID") or "SPDXRef-DOCUMENT"
        note.ref(own, "$")
        packages = [self._package(node, place) for node, place in note.objects(tree.get("packages"), "$.packages")]
        files = [self._file(node, place) for node, place in note.objects(tree.get("files"), "$.files")]
        if len(packages) + len(files) > MAX_COMPONENTS:
            raise note.stop(f"it has more than {MAX_COMPONENTS} packages and files", "$.packages", Fault.TOO_LARGE)
        for node, place in note.objects(tree.get("snippets"), "$.snippets"):
            note.ref(note.text(node.get("SPDXID"), place), place)
        self._relationships(own)
        graph.check(note, self.relationships)
        root = self._root(own, packages)
        creation = note.object(tree.get("creationInfo"), "$.creationInfo")
        return Sbom(
            format="SPDX", spec_version=version, encoding=self.encoding, charset=self.charset, serial=self._serial(),
            edition=None, created=note.text(creation.get("created"), "$.creationInfo.created"), root=root,
            components=tuple(package for package in packages if package is not root), files=tuple(files),
            relationships=tuple(sorted({relationship for relationship, _place in self.relationships})),
            flaws=note.flaws, schema_checked=self.checked,
        )  # fmt: skip

    def _place(self, ref: str, place: str) -> str:
        return self.lines.get(ref, place)

    def _package(self, node: Mapping[str, Any], place: str) -> Component:
        note = self.notebook
        ref = note.text(node.get("SPDXID"), f"{place}.SPDXID")
        place = self._place(ref, place)
        name, version = (
            note.text(node.get("name"), f"{place}.name"),
            note.text(node.get("versionInfo"), f"{place}.versionInfo"),
        )
        if not name or not ref:
            raise note.stop("a package has no name or no SPDXID", place)
        note.ref(ref, place)
        locators = [
            (note.text(item.get("referenceLocator"), where), where)
            for item, where in note.objects(node.get("externalRefs"), f"{place}.externalRefs")
            if str(item.get("referenceType")).rpartition("/")[2] == "purl"
        ]
        purl = next((found for text, where in locators if (found := note.purl(text, where)) is not None), None)
        note.compare_purl(purl, name, version, place)
        licence = next(
            (said for key in ("licenseDeclared", "licenseConcluded") if (said := self._said(node, key, place))), ""
        )
        return Component(
            ref=ref, kind=note.text(node.get("primaryPackagePurpose"), place).lower() or "package", name=name, version=version,
            namespace=purl.namespace if purl else "", purl=purl, supplier=_actor(self._said(node, "supplier", place)),
            hashes=self._hashes(node, place), licences=(licence,) if licence else (), place=place,
        )  # fmt: skip

    def _file(self, node: Mapping[str, Any], place: str) -> ListedFile:
        note = self.notebook
        ref, path = (
            note.text(node.get("SPDXID"), f"{place}.SPDXID"),
            note.text(node.get("fileName"), f"{place}.fileName"),
        )
        place = self._place(ref, place)
        if not ref or not path:
            raise note.stop("a file has no name or no SPDXID", place)
        note.ref(ref, place)
        return ListedFile(ref, path, self._hashes(node, place), place)

    def _hashes(self, node: Mapping[str, Any], place: str) -> tuple[Any, ...]:
        note = self.notebook
        found = [
            note.hash(
                note.text(item.get("algorithm"), where).rpartition("_")[2]
                if str(item.get("algorithm")).startswith("checksumAlgorithm_")
                else note.text(item.get("algorithm"), where),
                note.text(item.get("checksumValue"), where),
                where,
            )
            for item, where in note.objects(node.get("checksums"), f"{place}.checksums")
        ]
        return tuple(sorted({hashed for hashed in found if hashed is not None}))

    def _said(self, node: Mapping[str, Any], key: str, place: str) -> str:
        """'' for what says nothing."""
        said = self.notebook.text(node.get(key), f"{place}.{key}")
        return "" if said in NOTHING else said

    def _relationships(self, own: str) -> None:
        note = self.notebook
        for node, place in note.objects(self.tree.get("relationships"), "$.relationships"):
            kind = note.text(node.get("relationshipType"), place).upper()
            source, target = (
                note.text(node.get("spdxElementId"), place),
                note.text(node.get("relatedSpdxElement"), place),
            )
            if target in NOTHING or "DocumentRef-" in source + target:
                continue  # says that there is none, or points into another document
            if kind in _TURNED:
                kind, source, target = _TURNED[kind], target, source
            self.relationships.append((Relationship(source, kind.lower(), target), place))
        for ref in self._refs(self.tree, "documentDescribes", "$"):
            self.relationships.append((Relationship(own, "describes", ref), "$.documentDescribes"))
        for node, place in note.objects(self.tree.get("packages"), "$.packages"):
            source = note.text(node.get("SPDXID"), place)
            for ref in self._refs(node, "hasFiles", place):
                self.relationships.append((Relationship(source, "contains", ref), self._place(source, place)))

    def _refs(self, node: Mapping[str, Any], key: str, place: str) -> list[str]:
        refs = node.get(key) or []
        if not isinstance(refs, list):
            raise self.notebook.stop("a list is expected", f"{place}.{key}")
        return [self.notebook.text(ref, f"{place}.{key}") for ref in refs]

    def _root(self, own: str, packages: list[Component]) -> Component | None:
        described = {
            relationship.target
            for relationship, _place in self.relationships
            if relationship.kind == "describes" and relationship.source == own
        }
        roots = [package for package in packages if package.ref in described]
        if len(roots) == 1:
            return roots[0]
        if not described and len(packages) == 1:
            return packages[0]
        why = f"{len(roots)} packages" if roots else "no package"
        self.notebook.flaw("root_missing", "$", f"The document describes {why}, so that it is not about one.")
        return None

    def _serial(self) -> str:
        serial = self.notebook.text(self.tree.get("documentNamespace"), "$.documentNamespace")
        if not _NAMESPACE.fullmatch(serial):
            sentence = f"The document's namespace {shown(serial)!r} is no URI, or has a fragment."
            self.notebook.flaw("serial_malformed", "$.documentNamespace", sentence, serial)
        return serial


def xml_tree(root: etree._Element) -> dict[str, Any]:
    """The XML format in the shape of JSON, each object with its line."""
    found = _xml_value(root)
    return found if isinstance(found, dict) else {}


def _xml_value(element: etree._Element) -> Any:
    if len(element) == 0:
        return (element.text or "").strip()
    tree: dict[str, Any] = {LINE: element.sourceline}
    for child in element:
        key, value = str(etree.QName(child).localname), _xml_value(child)
        if key in _LISTS:
            if value != "":
                tree.setdefault(key, []).append(value)
        elif key in tree:
            tree[key] = [*tree[key], value] if isinstance(tree[key], list) else [tree[key], value]
        else:
            tree[key] = value
    return tree


def _actor(said: str) -> str:
    """The name alone: an address may change while the supplier stays."""
    found = _ACTOR.fullmatch(said)
    return found[1] if found and found[1] else said
