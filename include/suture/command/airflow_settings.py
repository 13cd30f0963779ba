"""airflow_settings.yaml: the pools, connections and variables that a deployment needs, read and checked.

The format is the Astro CLI's, with two fields more: `include_deferred` of a pool and `variable_description`. Unknown
keys are refused by name: a misspelt `pool_slots` would otherwise leave every task of that pool waiting for ever.
No secret belongs into this file: connections with a password come from the environment (AIRFLOW_CONN_…).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from suture.errors import BadInputError


@dataclass(frozen=True)
class PoolSetting:
    """`include_deferred`: a deferred task keeps its slot."""

    name: str
    slots: int
    description: str
    include_deferred: bool


@dataclass(frozen=True)
class ConnectionSetting:
    """`extra` is a JSON object. There is no password: see the module."""

    conn_id: str
    conn_type: str
    host: str | None
    schema: str | None
    login: str | None
    port: int | None
    extra: Mapping[str, Any]
    description: str | None


@dataclass(frozen=True)
class VariableSetting:
    name: str
    value: str
    description: str | None


@dataclass(frozen=True)
class AirflowSettings:
    pools: tuple[PoolSetting, ...]
    connections: tuple[ConnectionSetting, ...]
    variables: tuple[VariableSetting, ...]


def load(path: Path) -> AirflowSettings:
    """Read and check the file. Raises BadInputError that names the file, the entry and the key."""
    try:
        found = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise BadInputError(f"{path} cannot be read: {error.strerror}.") from error
    except yaml.YAMLError as error:
        raise BadInputError(f"{path} is not YAML: {str(error).replace(chr(10), ' ')}.") from error
    return parse(found, source=path.name)


def parse(found: Any, *, source: str = "airflow_settings.yaml") -> AirflowSettings:
    """`found` is the YAML's content: {airflow: {pools: [...], connections: [...], variables: [...]}}."""
    top = _Entry(found, source, {"airflow"})
    sections = _Entry(top.values.get("airflow") or {}, f"{source}: airflow", {"pools", "connections", "variables"})
    settings = AirflowSettings(
        pools=tuple(_pool(entry) for entry in sections.entries("pools", _POOL_KEYS)),
        connections=tuple(_connection(entry) for entry in sections.entries("connections", _CONNECTION_KEYS)),
        variables=tuple(_variable(entry) for entry in sections.entries("variables", _VARIABLE_KEYS)),
    )
    _refuse_doubles(source, "pool", [pool.name for pool in settings.pools])
    _refuse_doubles(source, "connection", [connection.conn_id for connection in settings.connections])
    _refuse_doubles(source, "variable", [variable.name for variable in settings.variables])
    return settings


_POOL_KEYS = {"pool_name", "pool_slot", "pool_description", "include_deferred"}
_CONNECTION_KEYS = {
    "conn_id", "conn_type", "conn_host", "conn_schema", "conn_login", "conn_port", "conn_extra", "conn_description",
}  # fmt: skip
_VARIABLE_KEYS = {"variable_name", "variable_value", "variable_description"}
_SECRET_KEYS = {"conn_password", "conn_uri"}


class _Entry:
    """One mapping of the file, with its place for messages."""

    def __init__(self, values: Any, place: str, known: set[str]) -> None:
        if not isinstance(values, dict):
            raise BadInputError(f"{place} must be a mapping, not {type(values).__name__}.")
        self.values: dict[str, Any] = values
        self.place = place
        secret = sorted(_SECRET_KEYS & set(values))
        if secret:
            raise BadInputError(
                f"{place}: {secret[0]} does not belong into this file, as it may hold a password.",
                remedy="Give the connection in the environment: AIRFLOW_CONN_<ID>='{\"conn_type\": …}'.",
            )
        unknown = sorted(str(key) for key in set(values) - known)
        if unknown:
            raise BadInputError(
                f"{place}: unknown key {', '.join(unknown)}.", remedy=f"Known keys: {', '.join(sorted(known))}."
            )

    def entries(self, section: str, known: set[str]) -> list[_Entry]:
        listed = self.values.get(section) or []
        if not isinstance(listed, list):
            raise BadInputError(f"{self.place}.{section} must be a list, not {type(listed).__name__}.")
        return [_Entry(item, f"{self.place}.{section}[{index}]", known) for index, item in enumerate(listed)]

    def text(self, key: str) -> str:
        value = self.values.get(key)
        if not isinstance(value, str) or not value:
            raise BadInputError(f"{self.place}: {key} must be a text, not {value!r}.")
        return value

    def optional_text(self, key: str) -> str | None:
        return self.text(key) if self.values.get(key) not in (None, "") else None

    def number(self, key: str) -> int:
        value = self.values.get(key)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise BadInputError(f"{self.place}: {key} must be a whole number, not {value!r}.")
        return value


def _pool(entry: _Entry) -> PoolSetting:
    include_deferred = entry.values.get("include_deferred", False)
    if not isinstance(include_deferred, bool):
        raise BadInputError(f"{entry.place}: include_deferred must be true or false, not {include_deferred!r}.")
    return PoolSetting(
        name=entry.text("pool_name"),
        slots=entry.number("pool_slot"),
        description=entry.optional_text("pool_description") or "",
        include_deferred=include_deferred,
    )


def _connection(entry: _Entry) -> ConnectionSetting:
    extra = entry.values.get("conn_extra") or {}
    if not isinstance(extra, dict):
        raise BadInputError(f"{entry.place}: conn_extra must be a mapping, not {type(extra).__name__}.")
    return ConnectionSetting(
        conn_id=entry.text("conn_id"),
        conn_type=entry.text("conn_type"),
        host=entry.optional_text("conn_host"),
        schema=entry.optional_text("conn_schema"),
        login=entry.optional_text("conn_login"),
        port=entry.number("conn_port") if entry.values.get("conn_port") is not None else None,
        extra=extra,
        description=entry.optional_text("conn_description"),
    )


def _variable(entry: _Entry) -> VariableSetting:
    value = entry.values.get("variable_value")
    if not isinstance(value, str):
        # YAML reads `yes` as true and 08:00 as a number: only what was quoted arrives as it was written.
        raise BadInputError(f"{entry.place}: variable_value must be a text in quotes, not {value!r}.")
    return VariableSetting(entry.text("variable_name"), value, entry.optional_text("variable_description"))


def _refuse_doubles(source: str, noun: str, names: list[str]) -> None:
    doubles = sorted({name for name in names if names.count(name) > 1})
    if doubles:
        raise BadInputError(f"{source}: the {noun} {', '.join(doubles)} is given more than once.")
