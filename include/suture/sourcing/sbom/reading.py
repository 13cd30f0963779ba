"""Which format is it? Bytes in, an Sbom out, whatever they are named: a file's suffix is a stranger's word."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from pathlib import Path

from lxml import etree

from suture.errors import BadInputError
from suture.sourcing.sbom import cyclonedx, spdx, spdx3, spdx_library, trees
from suture.sourcing.sbom.model import Fault, Sbom, UnreadableSbomError
from suture.sourcing.sbom.text import MAX_BYTES, decode, shown

_PROTOBUF = re.compile(rb"\x0a\x031\.[2-9]")  # CycloneDX's Bom begins with its field 1, spec_version
_TAG_VALUE = re.compile(r"^SPDXVersion:", re.MULTILINE)
_YAML = re.compile(r"^[\"']?spdxVersion[\"']?:", re.MULTILINE)
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"


def read_file(path: Path) -> Sbom:
    """Raises BadInputError for a file that cannot be opened, UnreadableSbomError for one that is no readable SBOM."""
    return read_bytes(bytes_of(path), path.name)


def bytes_of(path: Path) -> bytes:
    """At most one byte more than is read, so that endless files end. Raises BadInputError."""
    try:
        if not path.is_file():
            raise BadInputError(f"{path} is no file.")
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise BadInputError(f"{path} cannot be read: {error.strerror}.") from error


def read_bytes(raw: bytes, name: str) -> Sbom:
    """name: for sentences. Raises UnreadableSbomError."""
    if _PROTOBUF.match(raw):
        why = "CycloneDX in protobuf is not read here; its tools convert it to JSON or XML"
        raise UnreadableSbomError(name, why, fault=Fault.UNSUPPORTED)
    if raw.startswith((b"\x1f\x8b", b"PK\x03\x04", b"\xfd7zXZ", b"BZh", b"\x28\xb5\x2f\xfd")):
        raise UnreadableSbomError(name, "it is compressed; unpack it first", fault=Fault.UNSUPPORTED)
    text, charset = decode(raw, name)
    return replace(_read(text, charset, name), sha256=hashlib.sha256(raw).hexdigest())


def _read(text: str, charset: str, name: str) -> Sbom:
    start = text.lstrip()[:1]
    if start == "{":
        return _read_json(text, charset, name)
    if start == "<":
        return _read_xml(text, charset, name)
    if _TAG_VALUE.search(text):
        tree, flaws, checked = spdx_library.tree_of_tag_value(text, name)
        return spdx.from_tree(
            tree, name, encoding="tag-value", charset=charset, flaws=flaws, checked=checked,
            lines=spdx_library.lines_of_tag_value(text),
        )  # fmt: skip
    if _YAML.search(text):
        return _read_spdx(trees.read_yaml(text, name), "yaml", charset, name)
    raise UnreadableSbomError(name, f"it is neither CycloneDX nor SPDX; it begins with {shown(text[:40])!r}")


def _read_json(text: str, charset: str, name: str) -> Sbom:
    tree = trees.read_json(text, name)
    if tree.get("bomFormat") == "CycloneDX":
        return cyclonedx.from_json(tree, name, charset)
    if spdx3.is_spdx3(tree):
        return spdx3.from_tree(tree, name, charset)
    if "spdxVersion" in tree:
        return _read_spdx(tree, "json", charset, name)
    raise UnreadableSbomError(name, "it is JSON, but has neither bomFormat CycloneDX nor spdxVersion")


def _read_xml(text: str, charset: str, name: str) -> Sbom:
    root = trees.read_xml(text, name)
    tag = etree.QName(root)
    if tag.localname == "bom" and (tag.namespace or "").startswith(cyclonedx.NAMESPACE):
        return cyclonedx.from_xml(root, name, charset)
    if tag.localname == "RDF" and tag.namespace == _RDF:
        tree, flaws, checked = spdx_library.tree_of_rdf(text, name)
        return spdx.from_tree(tree, name, encoding="rdf-xml", charset=charset, flaws=flaws, checked=checked)
    if tag.localname == "Document":
        return _read_spdx(spdx.xml_tree(root), "xml", charset, name)
    raise UnreadableSbomError(name, f"it is XML, but its root is {shown(str(tag), 80)!r}, neither CycloneDX nor SPDX")


def _read_spdx(tree: object, encoding: str, charset: str, name: str) -> Sbom:
    if not isinstance(tree, dict):
        raise UnreadableSbomError(name, "it is no object at its top")
    spdx.require_version(tree, name)
    flaws, checked = spdx_library.flaws_of_tree(tree)
    return spdx.from_tree(tree, name, encoding=encoding, charset=charset, flaws=flaws, checked=checked)
