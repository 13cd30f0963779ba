"""Text in JSON, YAML or XML as a tree, read so that it has one meaning and an end.

The rules: no key twice in one object, no NaN and no Infinity, no aliases in YAML (a page of them inflates to gigabytes),
no document type and no entity in XML, nothing fetched, nesting at most text.MAX_DEPTH deep.
"""

from __future__ import annotations

import json
import re
from typing import Any
from xml.etree.ElementTree import ParseError

import yaml
from defusedxml import ElementTree as DefusedTree
from defusedxml.common import DefusedXmlException
from lxml import etree

from suture.sourcing.sbom.model import Fault, UnreadableSbomError
from suture.sourcing.sbom.text import MAX_DEPTH

Tree = Any
_DECLARATION = re.compile(r"\s*<\?xml[^>]*\?>")


def read_json(text: str, name: str) -> Tree:
    """Raises UnreadableSbomError with the line, or with the doubled key."""

    def pairs(found: list[tuple[str, Tree]]) -> dict[str, Tree]:
        kept = dict(found)
        if len(kept) != len(found):
            keys = [key for key, _value in found]
            double = next(key for key in keys if keys.count(key) > 1)
            raise UnreadableSbomError(name, f"the key {double[:80]!r} stands twice in one object")
        return kept

    def constant(word: str) -> float:
        raise UnreadableSbomError(name, f"{word} is no JSON number")

    try:
        tree = json.loads(text, object_pairs_hook=pairs, parse_constant=constant)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise UnreadableSbomError(name, f"it is not JSON: {error.msg}", place=place) from error
    except RecursionError as error:
        raise _too_deep(name) from error
    except ValueError as error:  # a number of thousands of digits
        raise UnreadableSbomError(name, f"it is not JSON: {error}", fault=Fault.TOO_LARGE) from error
    _refuse_depth(tree, name)
    return tree


class _Loader(yaml.SafeLoader):
    """Text stays text: no dates (SPDX has them as text), no numbers with a point (1.10 is a version), no double keys."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own shape
        first: [(tag, pattern) for tag, pattern in found if tag.rpartition(":")[2] in ("bool", "int", "null")]
        for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        found = super().construct_mapping(node, deep=deep)
        if len(found) != len(node.value):
            raise yaml.constructor.ConstructorError(None, None, "a key stands twice in one object", node.start_mark)
        return found


def read_yaml(text: str, name: str) -> Tree:
    """Raises UnreadableSbomError with the line."""
    depth = 0
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            if isinstance(event, yaml.AliasEvent):
                place = f"line {_line(event.start_mark)}"
                raise UnreadableSbomError(name, "it has aliases, which no SBOM needs", place=place)
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH:
                raise _too_deep(name)
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        place = f"line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise UnreadableSbomError(name, f"it is not YAML: {error.problem}", place=place) from error
    except (yaml.YAMLError, ValueError) as error:
        raise UnreadableSbomError(name, f"it is not YAML: {str(error).splitlines()[0]}") from error


def read_xml(text: str, name: str) -> etree._Element:
    """The root element, with line numbers. Raises UnreadableSbomError."""
    raw = without_declaration(text).encode("utf-8", "surrogatepass")
    try:
        DefusedTree.fromstring(raw, forbid_dtd=True)
        parser = etree.XMLParser(
            resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True, remove_pis=True
        )
        root = etree.fromstring(raw, parser)
    except DefusedXmlException as error:
        raise UnreadableSbomError(name, "it has a document type or entities, which no SBOM needs") from error
    except ParseError as error:
        line, column = error.position
        why = f"it is not XML: {str(error).partition(':')[0]}"
        raise UnreadableSbomError(name, why, place=f"line {line}, column {column}") from error
    except etree.XMLSyntaxError as error:
        raise UnreadableSbomError(name, f"it is not XML: {error.msg}", place=f"line {error.lineno}") from error
    level, depth = [root], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise _too_deep(name)
        level = [inner for element in level for inner in element]
    return root


def without_declaration(text: str) -> str:
    """XML without its first line's declaration: the text is decoded already, whatever it says of its encoding."""
    found = _DECLARATION.match(text)
    return text if found is None else found[0].count("\n") * "\n" + text[found.end() :]


def _line(mark: Any) -> int:
    return int(mark.line) + 1


def _refuse_depth(tree: Tree, name: str) -> None:
    level, depth = [tree], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise _too_deep(name)
        level = [
            inner
            for item in level
            for inner in (item.values() if isinstance(item, dict) else item if isinstance(item, list) else ())
            if isinstance(inner, dict | list)
        ]


def _too_deep(name: str) -> UnreadableSbomError:
    return UnreadableSbomError(name, f"it is nested more than {MAX_DEPTH} deep", fault=Fault.TOO_LARGE)
