"""Loading a policy.

The rules:

1. A policy file is YAML; its schema is include/schemas/policy/<name>.schema.json (JSON Schema 2020-12).
2. Unknown keys are refused: every object schema says `additionalProperties: false`, and a test checks that it does.
3. A key that stands twice in one mapping is refused (YAML parsers keep the last one, silently), an alias too.
4. Every mistake is reported at once, each with file, line, the path to it, and what was expected.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from suture.errors import BadInputError
from suture.policy.json_schema import Draft202012Validator, ValidationError
from suture.settings import PROJECT_ROOT

SCHEMAS = PROJECT_ROOT / "include" / "schemas" / "policy"
MAX_POLICY_BYTES = 4 * 1024 * 1024


class PolicyError(BadInputError):
    """A policy that cannot be used. `mistakes`: one sentence each, with file and line."""

    def __init__(self, path: str, mistakes: Sequence[str]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__(
            f"The policy {path} cannot be used:\n  " + "\n  ".join(mistakes),
            remedy="\nNothing was changed; mend the file and try again.",
        )


@dataclass(frozen=True)
class LocatedPolicy:
    """A checked policy whose values know their lines. digest: SHA-256 over the value as
    JSON with sorted keys: a comment or a line break changes nothing."""

    value: dict[str, Any]
    file: str
    digest: str
    _root: yaml.Node | None

    def place(self, *path: str | int) -> str:
        """file:line of the value at `path`, for a mistake that no schema sees."""
        return f"{self.file}:{_line_of(self._root, path)}"


@dataclass(frozen=True)
class _Document:
    value: Any
    root: yaml.Node | None


def load(path: Path, schema_name: str) -> dict[str, Any]:
    """The policy at `path`, checked against the schema of that name. Raises PolicyError with every mistake."""
    return load_located(path, schema_name).value


def load_located(path: Path, schema_name: str) -> LocatedPolicy:
    """As load(), with the digest of what it says and the line of each value."""
    try:
        size = path.stat().st_size
        text = path.read_text("utf-8") if size <= MAX_POLICY_BYTES else None
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyError(str(path), [f"{path.name}: cannot be read: {error}"]) from error
    if text is None:
        raise PolicyError(str(path), [f"{path.name}: {size} bytes; a policy has at most {MAX_POLICY_BYTES}."])
    return _checked(text, schema_name, path.name)


def load_text(text: str, schema_name: str, *, name: str = "<text>") -> dict[str, Any]:
    """As load(), from text."""
    return _checked(text, schema_name, name).value


def _checked(text: str, schema_name: str, name: str) -> LocatedPolicy:
    document = _parse(text, name)
    validator = _validator(schema_name)
    errors = sorted(validator.iter_errors(document.value), key=lambda error: list(map(str, error.absolute_path)))
    if errors:
        raise PolicyError(name, [_sentence(name, document, error) for error in errors])
    plain = json.dumps(document.value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return LocatedPolicy(document.value, name, hashlib.sha256(plain.encode()).hexdigest(), document.root)


@cache
def _validator(schema_name: str) -> Draft202012Validator:
    schema = json.loads((SCHEMAS / f"{schema_name}.schema.json").read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader for JSON values only: dates stay text, .nan and .inf are refused.

    Aliases are refused too: forty lines of them can stand for more nodes than any machine can walk.
    """

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "aliases (*name) are not used in policies", mark)
        return super().compose_node(parent, index)

    def construct_finite(self, node: yaml.ScalarNode) -> float:
        value = self.construct_yaml_float(node)
        if not math.isfinite(value):
            raise yaml.constructor.ConstructorError(None, None, f"{node.value} is not a number", node.start_mark)
        return float(value)


_StrictLoader.add_constructor("tag:yaml.org,2002:float", _StrictLoader.construct_finite)

_StrictLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _parse(text: str, name: str) -> _Document:
    loader = None
    try:
        loader = _StrictLoader(text)
        root = loader.get_single_node()
        if root is not None:
            _refuse_twins(root, name)
        value = None if root is None else loader.construct_document(root)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise PolicyError(name, [f"{name}:{line}: not YAML: {error.problem}."]) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise PolicyError(name, [f"{name}: not YAML: {error}."]) from error
    finally:
        if loader is not None:
            loader.dispose()
    return _Document(value, root)


def _refuse_twins(node: yaml.Node, name: str) -> None:
    mistakes = [
        f"{name}:{key.start_mark.line + 1}: the key {key.value!r} stands here for the second time."
        for mapping in _mappings(node)
        for key in _twins(mapping)
    ]
    if mistakes:
        raise PolicyError(name, mistakes)


def _mappings(node: yaml.Node) -> Iterator[yaml.MappingNode]:
    if isinstance(node, yaml.MappingNode):
        yield node
        for _key, value in node.value:
            yield from _mappings(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _mappings(item)


def _twins(mapping: yaml.MappingNode) -> Iterator[yaml.ScalarNode]:
    seen: set[str] = set()
    for key, _value in mapping.value:
        if isinstance(key, yaml.ScalarNode):
            if key.value in seen:
                yield key
            seen.add(key.value)


def _sentence(name: str, document: _Document, error: ValidationError) -> str:
    path = list(error.absolute_path)
    where = ".".join(str(part) for part in path) or "the document"
    line = _line_of(document.root, path)
    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        schema = error.schema if isinstance(error.schema, dict) else {}
        known = sorted(schema.get("properties", {}))
        unknown = [key for key in error.instance if key not in known]
        line = _line_of(document.root, [*path, unknown[0]], key=True) if unknown else line
        return f"{name}:{line}: {where} has no key {', '.join(map(repr, unknown))}; it knows {', '.join(known)}."
    return f"{name}:{line}: {where}: {error.message}."


def _line_of(node: yaml.Node | None, path: Sequence[str | int], *, key: bool = False) -> int:
    """The line (from 1) of the node at `path`, or of the last one on the way that exists."""
    line = 1 if node is None else node.start_mark.line + 1
    for depth, part in enumerate(path):
        last = depth == len(path) - 1
        if isinstance(node, yaml.MappingNode):
            pair = next(((k, v) for k, v in node.value if k.value == str(part)), None)
            if pair is None:
                return line
            line = (pair[0] if last and key else pair[1]).start_mark.line + 1
            node = pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            return line
    return line
