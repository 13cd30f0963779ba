"""The Ansible inventory as Suture reads it: YAML, its host names checked, its values data and never templates.

The file is read here and not by Ansible, since Ansible would evaluate Jinja that stands in its values. Group
variables go down to their hosts (all < parent < child < host). A value that must be looked up or decrypted belongs
into ssh's own configuration or agent; `!vault` and other tags are refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from suture.runner.interface import RunnerError
from suture.runner.names import is_host_name
from suture.runner.unsafe import wrapped

_GROUP_KEYS = frozenset({"hosts", "vars", "children"})


class InventoryError(RunnerError):
    """The inventory file cannot be used: the message says where it is wrong."""


@dataclass(frozen=True)
class InventoryHost:
    name: str
    groups: tuple[str, ...]
    variables: Mapping[str, Any]


@dataclass(frozen=True)
class Inventory:
    hosts: Mapping[str, InventoryHost]

    @classmethod
    def load(cls, path: Path) -> Inventory:
        """Read an inventory file. Raises InventoryError."""
        try:
            document = yaml.safe_load(path.read_text("utf-8"))
        except OSError as error:
            raise InventoryError(
                f"The inventory {path} cannot be read: {error.strerror}.",
                remedy="Set SUTURE_INVENTORY to your inventory, or start the practice fleet with `./suture up`.",
            ) from error
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise InventoryError(
                f"The inventory {path} is not plain YAML: {error}.",
                remedy="`ansible-inventory --list --yaml` makes YAML of other formats. Vaulted values cannot be used.",
            ) from error
        return cls.parse(document, name=path.name)

    @classmethod
    def parse(cls, document: Any, *, name: str = "inventory") -> Inventory:
        if not isinstance(document, Mapping):
            raise InventoryError(f"{name} must be a mapping of groups, as `all: {{children: …}}`.")
        groups: dict[str, set[str]] = {}
        variables: dict[str, dict[str, Any]] = {}
        for host, found_in, values in _walk(document, {}, (), name):
            groups.setdefault(host, set()).update(found_in)
            variables.setdefault(host, {}).update(values)
        if not variables:
            raise InventoryError(f"{name} names no host.")
        return cls(
            {
                host: InventoryHost(host, tuple(sorted(groups[host] - {"all"})), variables[host])
                for host in sorted(variables)
            }
        )

    def members(self, group: str) -> tuple[str, ...]:
        """The hosts of a group, sorted; () when it has none or does not exist."""
        return tuple(host.name for host in self.hosts.values() if group in host.groups)

    def as_ansible(self) -> dict[str, Any]:
        """The same as JSON for Ansible: flat, each host with all of its variables, every text inert."""
        names = {group for host in self.hosts.values() for group in host.groups}
        return {
            "all": {
                "hosts": {host.name: wrapped(dict(host.variables)) for host in self.hosts.values()},
                "children": {group: {"hosts": {host: {} for host in self.members(group)}} for group in sorted(names)},
            }
        }


def _walk(
    groups: Mapping[str, Any], inherited: Mapping[str, Any], above: tuple[str, ...], name: str
) -> Iterator[tuple[str, tuple[str, ...], dict[str, Any]]]:
    """(host, groups that hold it, its variables), parents before children."""
    for group, body in groups.items():
        body = body or {}
        if not isinstance(body, Mapping) or not set(body) <= _GROUP_KEYS:
            raise InventoryError(f"{name}: the group {group!r} may hold hosts, vars and children, and nothing else.")
        inside = (*above, str(group))
        values = {**inherited, **_mapping(body, "vars", group, name)}
        for host, own in _mapping(body, "hosts", group, name).items():
            if not isinstance(host, str) or not is_host_name(host):
                raise InventoryError(
                    f"{name}: {host!r}, in the group {group!r}, is no host name by RFC 1123.",
                    remedy="Give it a plain name, and its address as ansible_host. Ranges are not read.",
                )
            yield host, inside, {**values, **(own or {})}
        yield from _walk(_mapping(body, "children", group, name), values, inside, name)


def _mapping(body: Mapping[str, Any], key: str, group: str, name: str) -> Mapping[str, Any]:
    found = body.get(key) or {}
    if not isinstance(found, Mapping):
        raise InventoryError(f"{name}: {key} of the group {group!r} must be a mapping.")
    return found
