"""Policies refuse what they do not know: every object in every policy schema is closed, and says what it is for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from suture.policy.loader import SCHEMAS
from suture.settings import PROJECT_ROOT

FILES = sorted(SCHEMAS.glob("*.schema.json"))
EVERY_SCHEMA = sorted((PROJECT_ROOT / "include" / "schemas").rglob("*.json"))


def _open_objects(schema: Any, path: str = "") -> Iterator[str]:
    if isinstance(schema, dict):
        is_object = schema.get("type") == "object" or "properties" in schema
        closed = schema.get("additionalProperties")
        # A map from free names to values of one schema is closed too: it says what its values are.
        if is_object and closed is not False and not (isinstance(closed, dict) and closed):
            yield path or "/"
        for key, value in schema.items():
            yield from _open_objects(value, f"{path}/{key}")
    elif isinstance(schema, list):
        for number, value in enumerate(schema):
            yield from _open_objects(value, f"{path}/{number}")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_object_of_a_policy_is_closed(path: Path) -> None:
    assert list(_open_objects(json.loads(path.read_text("utf-8")))) == []


@pytest.mark.parametrize("path", EVERY_SCHEMA, ids=lambda path: path.name)
def test_every_schema_is_one(path: Path) -> None:
    schema = json.loads(path.read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    assert schema["title"]


def test_every_policy_has_a_schema_and_every_schema_a_policy() -> None:
    """A decision table's schema is decision_table: there may be any number of them."""
    policies = {path.stem for path in (PROJECT_ROOT / "include" / "policy").glob("*.yaml")}
    tables = {"ssvc_deployer", "bod_26_04"}
    assert tables < policies
    policies = policies - tables | {"decision_table"}
    assert policies == {path.name.removesuffix(".schema.json") for path in FILES}


def test_the_guard_sees_an_open_object() -> None:
    assert list(_open_objects({"properties": {"a": {"type": "object", "properties": {}}}})) == ["/", "/properties/a"]


def test_no_schema_asks_for_the_formats_that_are_not_loaded() -> None:
    """suture.policy.json_schema keeps the grammar of IRIs out, which takes 1.5 s to build."""
    sources = sorted((PROJECT_ROOT / "include" / "suture" / "feeds" / "sources").rglob("schema.json"))
    assert len(sources) > 5
    for path in (*EVERY_SCHEMA, *sources):
        assert '"iri' not in path.read_text("utf-8"), path
