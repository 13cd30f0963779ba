"""Does a CycloneDX document fit its schema? The schemas are those that cyclonedx-python-lib ships.

Its own JSON validator is not safe with strangers. It compares each component with each other (`uniqueItems`): 3,200 components
took 37 s. And it checks each link by an Earley parser of RFC 3987 (`iri-reference`, jsonschema 4.26): a real document of 62
components took nine minutes. Here uniqueness is asked of a set, links by a pattern; for XML the library's schema is asked as
it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import as_file, files
from typing import Any

import jsonschema
from jsonschema.validators import Draft7Validator
from lxml import etree
from referencing import Registry
from referencing.jsonschema import DRAFT7

MAX_ERRORS = 20
MAX_CHARACTERS = 160
_RESOURCES = files("cyclonedx.schema") / "_res"
_LINK = re.compile(r"[^\s<>\"{}|\\^`\x00-\x1f]*")  # what no IRI reference may hold
_SHARED = ("spdx", "jsf-0.82", "cryptography-defs")


def json_errors(tree: Mapping[str, Any], version: str) -> Iterator[tuple[str, str]]:
    """(JSON path, why) of at most MAX_ERRORS violations."""
    for number, error in enumerate(_json_validator(version).iter_errors(tree)):
        if number == MAX_ERRORS:
            break
        yield str(error.json_path)[:MAX_CHARACTERS], _short(str(error.message))


def xml_errors(root: etree._Element, version: str) -> Iterator[tuple[str, str]]:
    """(line, why) of at most MAX_ERRORS violations."""
    schema = _xml_schema(version)
    if not schema.validate(root):
        for error in list(schema.error_log)[:MAX_ERRORS]:
            yield f"line {error.line}", _short(error.message.replace("{http://cyclonedx.org/schema/bom/", "{"))


def _short(message: str) -> str:
    text = " ".join(message.split()).rstrip(".")
    return text if len(text) <= MAX_CHARACTERS else f"{text[: MAX_CHARACTERS // 2]} … {text[-MAX_CHARACTERS // 2 :]}"


@cache
def _json_validator(version: str) -> Any:
    strict = _RESOURCES / f"bom-{version}-strict.SNAPSHOT.schema.json"
    schema = strict if strict.is_file() else _RESOURCES / f"bom-{version}.SNAPSHOT.schema.json"
    shared = [
        (f"http://cyclonedx.org/schema/{name}.SNAPSHOT.schema.json", _resource(f"{name}.SNAPSHOT.schema.json"))
        for name in _SHARED
    ]
    kind = jsonschema.validators.extend(Draft7Validator, {"uniqueItems": _unique})  # type: ignore[no-untyped-call]
    registry: Registry[Any] = Registry().with_resources(shared)
    return kind(json.loads(schema.read_text("utf-8")), registry=registry, format_checker=_formats())


def _formats() -> jsonschema.FormatChecker:
    """Only formats whose check takes linear time."""
    checker = jsonschema.FormatChecker(formats=("date-time", "email", "idn-email"))
    checker.checkers["iri-reference"] = (
        lambda value: not isinstance(value, str) or _LINK.fullmatch(value) is not None,
        (),
    )
    return checker


def _resource(name: str) -> Any:
    return DRAFT7.create_resource(json.loads((_RESOURCES / name).read_text("utf-8")))


def _unique(_validator: Any, wanted: bool, instance: Any, _schema: Any) -> Iterator[jsonschema.ValidationError]:
    if wanted and isinstance(instance, list):
        seen = {json.dumps(item, sort_keys=True) for item in instance}
        if len(seen) != len(instance):
            yield jsonschema.ValidationError("two entries of the list are the same")


@cache
def _xml_schema(version: str) -> etree.XMLSchema:
    with as_file(_RESOURCES) as folder:  # the schema imports its neighbour
        return etree.XMLSchema(file=str(folder / f"bom-{version}.SNAPSHOT.xsd"))
