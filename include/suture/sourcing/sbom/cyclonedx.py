"""CycloneDX 1.2 to 1.7 (ECMA-424) in JSON and XML.

cyclonedx-python-lib brings the official schemas and says whether a document fits; this module reads what Suture compares, with
the place of each thing. XML is turned into the shape of the JSON format first, so that there is one reader. Rules:

1. Components inside components are flattened; that the outer contains the inner is kept as a relationship.
2. A component of type `file` is a listed file, not a package.
3. The supplier is `supplier`, else `publisher`; of the root also `metadata.supplier`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from lxml import etree

from suture.sourcing.sbom import cyclonedx_schema, graph
from suture.sourcing.sbom.model import Component, Fault, ListedFile, Relationship, Sbom
from suture.sourcing.sbom.notes import LINE, MAX_COMPONENTS, Notebook
from suture.sourcing.sbom.text import shown

VERSIONS = ("1.2", "1.3", "1.4", "1.5", "1.6", "1.7")
NAMESPACE = "http://cyclonedx.org/schema/bom/"
_SERIAL = re.compile(r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def from_json(tree: Mapping[str, Any], name: str, charset: str) -> Sbom:
    """Raises UnreadableSbomError."""
    notebook = Notebook(name)
    version = notebook.text(tree.get("specVersion"), "$.specVersion")
    _refuse_version(notebook, version)
    for place, why in cyclonedx_schema.json_errors(tree, version):
        notebook.flaw("schema_violation", place, f"{place} does not fit the schema of CycloneDX {version}: {why}.")
    return _Reader(notebook, tree, version, "json", charset).read()


def from_xml(root: etree._Element, name: str, charset: str) -> Sbom:
    """Raises UnreadableSbomError."""
    notebook = Notebook(name)
    version = etree.QName(root).namespace.removeprefix(NAMESPACE)
    _refuse_version(notebook, version)
    for place, why in cyclonedx_schema.xml_errors(root, version):
        notebook.flaw("schema_violation", place, f"{place} does not fit the schema of CycloneDX {version}: {why}.")
    return _Reader(notebook, _bom(root), version, "xml", charset).read()


def _refuse_version(notebook: Notebook, version: str) -> None:
    if version not in VERSIONS:
        why = f"CycloneDX {shown(version, 20) or 'without a version'} is not read here (1.2 to 1.7 are)"
        raise notebook.stop(why, "specVersion", Fault.UNSUPPORTED)


class _Reader:
    def __init__(self, notebook: Notebook, tree: Mapping[str, Any], version: str, encoding: str, charset: str) -> None:
        self.notebook, self.tree = notebook, tree
        self.version, self.encoding, self.charset = version, encoding, charset
        self.components: list[Component] = []
        self.files: list[ListedFile] = []
        self.relationships: list[tuple[Relationship, str]] = []

    def read(self) -> Sbom:
        note, tree = self.notebook, self.tree
        for ref, place in _refs(tree):
            note.ref(note.text(ref, place), place)
        metadata = note.object(tree.get("metadata"), "$.metadata")
        root = self._root(metadata)
        self._list(tree.get("components"), "$.components", parent="")
        self._dependencies()
        graph.check(note, self.relationships)
        return Sbom(
            format="CycloneDX", spec_version=self.version, encoding=self.encoding, charset=self.charset,
            serial=self._serial(), edition=self._edition(),
            created=note.text(metadata.get("timestamp"), "$.metadata.timestamp"),
            root=root, components=tuple(self.components), files=tuple(self.files),
            relationships=tuple(sorted({relationship for relationship, _place in self.relationships})), flaws=note.flaws,
        )  # fmt: skip

    def _root(self, metadata: Mapping[str, Any]) -> Component | None:
        note, place = self.notebook, "$.metadata.component"
        if metadata.get("component") is None:
            note.flaw("root_missing", "$.metadata", "The document does not say what it is about (metadata.component).")
            return None
        node = note.object(metadata["component"], place)
        supplier = note.object(metadata.get("supplier"), "$.metadata.supplier").get("name")
        found = self._component(node, _line(node, place), note.text(supplier, "$.metadata.supplier.name"))
        self._list(node.get("components"), f"{place}.components", parent=found.ref)
        return found

    def _list(self, value: Any, place: str, parent: str) -> None:
        """Without recursion: how deep it nests is a stranger's choice."""
        work = [(node, where, parent) for node, where in self.notebook.objects(value, place)][::-1]
        while work:
            node, where, above = work.pop()
            found = self._component(node, where)
            if found.kind == "file":
                self.files.append(ListedFile(found.ref, found.name, found.hashes, found.place))
            else:
                self.components.append(found)
            if len(self.components) + len(self.files) > MAX_COMPONENTS:
                raise self.notebook.stop(f"it has more than {MAX_COMPONENTS} components", where, Fault.TOO_LARGE)
            if above and found.ref:
                self.relationships.append((Relationship(above, "contains", found.ref), where))
            inner = self.notebook.objects(node.get("components"), f"{where}.components")
            work += [(child, at, found.ref) for child, at in inner][::-1]

    def _component(self, node: Mapping[str, Any], place: str, supplier: str = "") -> Component:
        note = self.notebook
        name, version = note.text(node.get("name"), f"{place}.name"), note.text(node.get("version"), f"{place}.version")
        if not name:
            raise note.stop("a component has no name", place)
        purl = note.purl(note.text(node.get("purl"), f"{place}.purl"), f"{place}.purl")
        note.compare_purl(purl, name, version, place)
        own = note.object(node.get("supplier"), f"{place}.supplier").get("name") or node.get("publisher")
        hashes = [
            note.hash(note.text(item.get("alg"), where), note.text(item.get("content"), where), where)
            for item, where in note.objects(node.get("hashes"), f"{place}.hashes")
        ]
        return Component(
            ref=note.text(node.get("bom-ref"), f"{place}.bom-ref"),
            kind=note.text(node.get("type"), f"{place}.type"),
            name=name,
            version=version,
            namespace=note.text(node.get("group"), f"{place}.group") or (purl.namespace if purl else ""),
            purl=purl,
            supplier=note.text(own, f"{place}.supplier.name") or supplier,
            hashes=tuple(sorted({found for found in hashes if found is not None})),
            licences=tuple(sorted(set(self._licences(node.get("licenses"), f"{place}.licenses")))),
            place=place,
        )

    def _licences(self, value: Any, place: str) -> Iterator[str]:
        for item, where in self.notebook.objects(value, place):
            licence = self.notebook.object(item.get("license"), f"{where}.license")
            said = item.get("expression") or licence.get("id") or licence.get("name")
            if said:
                yield self.notebook.text(said, where)

    def _dependencies(self) -> None:
        note = self.notebook
        for node, where in note.objects(self.tree.get("dependencies"), "$.dependencies"):
            source = note.text(node.get("ref"), f"{where}.ref")
            for key, kind in (("dependsOn", "depends_on"), ("provides", "provides")):
                targets = node.get(key) or []
                if not isinstance(targets, list):
                    raise note.stop("a list is expected", f"{where}.{key}")
                for target in targets:
                    ref = note.text(target, f"{where}.{key}")
                    self.relationships.append((Relationship(source, kind, ref), where))

    def _serial(self) -> str:
        serial = self.notebook.text(self.tree.get("serialNumber"), "$.serialNumber")
        if serial and not _SERIAL.fullmatch(serial.lower()):
            sentence = f"The serial number {shown(serial)!r} is no urn:uuid: with a UUID."
            self.notebook.flaw("serial_malformed", "$.serialNumber", sentence, serial)
        return serial

    def _edition(self) -> int | None:
        edition = self.tree.get("version")
        if edition is not None and (not isinstance(edition, int) or isinstance(edition, bool) or edition < 1):
            self.notebook.flaw("serial_malformed", "$.version", "The document's own version is no number from 1 on.")
            return None
        return edition


def _refs(tree: Mapping[str, Any]) -> Iterator[tuple[Any, str]]:
    """Every bom-ref of the document, with its place, in the document's order; a licence's and a vulnerability's count too."""
    work: list[tuple[Any, str]] = [(tree, "$")]
    while work:
        node, place = work.pop()
        if isinstance(node, dict):
            place = _line(node, place)
            if node.get("bom-ref") is not None:
                yield node["bom-ref"], place
            work += [(value, f"{place}.{key}") for key, value in node.items() if isinstance(value, dict | list)][::-1]
        else:
            work += [(value, f"{place}[{n}]") for n, value in enumerate(node) if isinstance(value, dict | list)][::-1]


def _line(node: Mapping[str, Any], place: str) -> str:
    return f"line {node[LINE]}" if LINE in node else place


def _bom(root: etree._Element) -> dict[str, Any]:
    """The XML document in the shape of the JSON format, as far as it is read; elements with a ref keep it."""
    tree: dict[str, Any] = {"serialNumber": root.get("serialNumber")}
    if (edition := root.get("version")) is not None:
        tree["version"] = int(edition) if re.fullmatch(r"[0-9]{1,9}", edition) else edition
    for child in root:
        match _tag(child):
            case "metadata":
                tree["metadata"] = _metadata(child)
            case "components":
                tree["components"] = [_xml_component(item) for item in child if _tag(item) == "component"]
            case "dependencies":
                tree["dependencies"] = [_xml_dependency(item) for item in child if _tag(item) == "dependency"]
            case other:
                tree[other] = [
                    {"bom-ref": ref, LINE: item.sourceline} for item in child.iter() if (ref := item.get("bom-ref"))
                ]
    return tree


def _metadata(element: etree._Element) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for child in element:
        match _tag(child):
            case "timestamp":
                tree["timestamp"] = child.text
            case "component":
                tree["component"] = _xml_component(child)
            case "supplier":
                tree["supplier"] = {"name": _child_text(child, "name")}
    return tree


def _xml_component(element: etree._Element) -> dict[str, Any]:
    tree: dict[str, Any] = {"bom-ref": element.get("bom-ref"), "type": element.get("type"), LINE: element.sourceline}
    for child in element:
        match _tag(child):
            case "group" | "name" | "version" | "purl" | "publisher" as key:
                tree[key] = child.text
            case "supplier":
                tree["supplier"] = {"name": _child_text(child, "name")}
            case "hashes":
                tree["hashes"] = [
                    {"alg": item.get("alg"), "content": item.text, LINE: item.sourceline} for item in child
                ]
            case "licenses":
                tree["licenses"] = [_xml_licence(item) for item in child]
            case "components":
                tree["components"] = [_xml_component(item) for item in child if _tag(item) == "component"]
    return tree


def _xml_licence(element: etree._Element) -> dict[str, Any]:
    tree: dict[str, Any] = {LINE: element.sourceline, "bom-ref": element.get("bom-ref")}
    if _tag(element) == "expression":
        return tree | {"expression": element.text}
    return tree | {"license": {"id": _child_text(element, "id"), "name": _child_text(element, "name")}}


def _xml_dependency(element: etree._Element) -> dict[str, Any]:
    inner: dict[str, list[str | None]] = {"dependency": [], "provides": []}
    for child in element:
        if _tag(child) in inner:
            inner[_tag(child)].append(child.get("ref"))
    return {
        "ref": element.get("ref"), "dependsOn": inner["dependency"], "provides": inner["provides"], LINE: element.sourceline,
    }  # fmt: skip


def _tag(element: etree._Element) -> str:
    return str(etree.QName(element).localname)


def _child_text(element: etree._Element, tag: str) -> str | None:
    return next((child.text for child in element if _tag(child) == tag), None)
