"""What is asked of spdx-tools: to judge documents by the rules of SPDX, and to read tag-value and RDF/XML.

Its checks took 3 s for 800 packages and 13 s for 3,200, so that they are left out beyond MAX_CHECKED elements
(and this is said); its readers of tag-value and RDF/XML refuse a document whole, with all they found.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from suture.sourcing.sbom.model import Fault, Flaw, UnreadableSbomError
from suture.sourcing.sbom.notes import LINE
from suture.sourcing.sbom.text import shown
from suture.sourcing.sbom.trees import without_declaration

MAX_CHECKED = 1_000
MAX_MESSAGES = 20
# Bounds of the library's own readers: 2,000 packages take 1 s in tag-value (1 MB) and 5 s in RDF/XML (4 MB).
MAX_TAG_VALUE_CHARACTERS = 16 * 1024 * 1024
MAX_RDF_CHARACTERS = 8 * 1024 * 1024
_ID_LINE = re.compile(r"^SPDXID:[ \t]*(\S+)[ \t]*$", re.MULTILINE)


def flaws_of_tree(tree: Mapping[str, Any]) -> tuple[list[Flaw], bool]:
    """What the library finds in a document of JSON's shape, and whether it was asked at all."""
    from spdx_tools.spdx.parser.error import SPDXParsingError
    from spdx_tools.spdx.parser.jsonlikedict.json_like_dict_parser import JsonLikeDictParser

    elements = sum(
        len(found)
        for key in ("packages", "files", "relationships", "snippets")
        if isinstance(found := tree.get(key), list)
    )
    if elements > MAX_CHECKED:
        return [], False
    try:
        document = JsonLikeDictParser().parse(_bare(tree))
    except SPDXParsingError as error:
        return [_flaw("", str(message)) for message in error.get_messages()[:MAX_MESSAGES]], True
    except (
        Exception
    ) as error:  # on trees of the wrong shape it raises whatever Python does: our own reader decides then
        return [_flaw("", f"the library for SPDX fails with {type(error).__name__}: {error}")], True
    return _checked(document), True


def tree_of_tag_value(text: str, name: str) -> tuple[dict[str, Any], list[Flaw], bool]:
    """(the document in JSON's shape, flaws, whether it was checked). Raises UnreadableSbomError."""
    from spdx_tools.spdx.parser.tagvalue.parser import Parser

    _refuse_large(text, name, MAX_TAG_VALUE_CHARACTERS)
    return _converted(lambda: Parser(debug=False, write_tables=False).parse(text), name)


def tree_of_rdf(text: str, name: str) -> tuple[dict[str, Any], list[Flaw], bool]:
    """(the document in JSON's shape, flaws, whether it was checked). The XML must have been read by trees.read_xml first.

    Raises UnreadableSbomError.
    """
    from rdflib import Graph
    from spdx_tools.spdx.parser.rdf.rdf_parser import translate_graph_to_document

    _refuse_large(text, name, MAX_RDF_CHARACTERS)
    logging.getLogger("rdflib").setLevel(logging.CRITICAL)  # it writes tracebacks of strangers' dates

    def read() -> Any:
        return translate_graph_to_document(Graph().parse(data=without_declaration(text).strip(), format="xml"))

    return _converted(read, name)


def lines_of_tag_value(text: str) -> dict[str, str]:
    """SPDXID → its line."""
    found: dict[str, str] = {}
    line, place = 1, 0
    for match in _ID_LINE.finditer(text):
        line += text.count("\n", place, match.start())
        place = match.start()
        found.setdefault(match[1], f"line {line}")
    return found


def _converted(read: Callable[[], Any], name: str) -> tuple[dict[str, Any], list[Flaw], bool]:
    from spdx_tools.spdx.jsonschema.document_converter import DocumentConverter
    from spdx_tools.spdx.parser.error import SPDXParsingError

    try:
        document = read()
        tree: dict[str, Any] = DocumentConverter().convert(document)
    except SPDXParsingError as error:
        messages = _sentences(error.get_messages())
        raise UnreadableSbomError(name, f"{len(messages)} errors, the first: {shown(messages[0], 300)}") from error
    except RecursionError as error:
        raise UnreadableSbomError(name, "it is nested too deep", fault=Fault.TOO_LARGE) from error
    except Exception as error:  # the library raises whatever Python does where a document has not the shape it expects
        raise UnreadableSbomError(
            name, f"the library for SPDX fails with {type(error).__name__}: {shown(str(error))}"
        ) from error
    elements = len(document.packages) + len(document.files) + len(document.relationships) + len(document.snippets)
    checked = elements <= MAX_CHECKED
    return tree, _checked(document) if checked else [], checked


def _checked(document: Any) -> list[Flaw]:
    from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

    try:
        found = validate_full_spdx_document(document)
    except Exception as error:
        return [_flaw("", f"the library for SPDX fails with {type(error).__name__}: {error}")]
    return [
        _flaw(str(message.context.spdx_id or message.context.parent_id or ""), message.validation_message)
        for message in found
    ]


def _flaw(place: str, message: str) -> Flaw:
    said = shown(message, 300).rstrip(".")
    where = f"{shown(place)}: " if place else ""
    return Flaw("schema_violation", place, f"{where}the document breaks a rule of SPDX: {said}.", place)


def _sentences(messages: list[Any]) -> list[str]:
    return [str(message).strip("[]'\"").rstrip(".") for message in messages] or ["no reason is given"]


def _bare(tree: Any) -> Any:
    """Without the lines that the XML reader keeps, and with numbers of versions as text."""
    if isinstance(tree, dict):
        return {key: str(value) if key == "versionInfo" else _bare(value) for key, value in _known(tree)}
    return [_bare(value) for value in tree] if isinstance(tree, list) else tree


def _known(tree: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    return ((key, value) for key, value in tree.items() if key != LINE)


def _refuse_large(text: str, name: str, most: int) -> None:
    if len(text) > most:
        raise UnreadableSbomError(
            name, f"it has more than {most} characters, too many for this encoding", fault=Fault.TOO_LARGE
        )
