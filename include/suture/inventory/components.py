"""What language package managers and rpm have installed on a host, from a list that the host (or its SBOM) gives.

The rules:

1. A list replaces what was known of the ecosystems that it is for, and of no other: `pip freeze` does not remove npm's
   packages. An empty list for an ecosystem says that nothing of it is installed.
2. Only a host that is managed has components; Debian packages come with the inventory, not from here.
3. An entry that names no version, or another ecosystem, is left out and said.
4. A list that is not complete (the host's search ended at one of its bounds) adds what it holds and removes nothing: what
   was not looked at is not gone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from suture.errors import BadInputError
from suture.inventory.installed_files import InstalledPackage
from suture.inventory.purl import pypi_name
from suture.store import Store, hosts

ECOSYSTEMS = ("rpm", "pypi", "npm", "maven")
_SOURCE_RPM = re.compile(r"(.+)-([^-]+-[^-]+)\.(?:no)?src\.rpm")
_PLAIN = re.compile(r"[!-~]+(?: [!-~]+)*")
_MAX_NAME, _MAX_VERSION, _MAX_LOCATION = 300, 120, 900


@dataclass(frozen=True)
class ComponentCounts:
    """written: components that the host has now of these ecosystems; left_out: Debian packages in the list."""

    written: int
    left_out: int


def load_components(
    store: Store,
    host_id: str,
    packages: Sequence[InstalledPackage],
    *,
    now: datetime,
    ecosystems: Sequence[str] | None = None,
    location: str = "",
    complete: bool = True,
) -> ComponentCounts:
    """Write a host's list in place of the old one. ecosystems: what the list is for; None: those that it holds; location:
    of the packages that name none of their own; complete: False where something may be missing (rule 4).

    Raises BadInputError for a host that is not managed, or an ecosystem that has no components.
    """
    if store.fetch_one("component/fetch_known_host", {"host_id": host_id}) is None:
        raise BadInputError(f"{host_id[:80]!r} is no managed host: inventory_sync has to see it first.")
    kept = [package for package in packages if package.ecosystem in ECOSYSTEMS]
    about = sorted(set(ecosystems if ecosystems is not None else (package.ecosystem for package in kept)))
    unknown = sorted({*about, *(package.ecosystem for package in kept)} - set(ECOSYSTEMS)) or sorted(
        {package.ecosystem for package in kept} - set(about)
    )
    if unknown:
        raise BadInputError(f"{', '.join(unknown)}: no list of components of {host_id} is for that.")
    rows = {(p.ecosystem, p.package, p.version, p.location or location): p for p in kept}
    hosts.write_components(
        store,
        host_id,
        about,
        [
            (
                p.ecosystem, p.package, p.version,
                p.source_package if p.source_package != p.package else None,
                p.source_version if p.source_version != p.version else None,
                where, now,
            )
            for (*_name, where), p in rows.items()
        ],
        complete=complete,
    )
    return ComponentCounts(len(rows), len(packages) - len(kept))


def read_reported(found: Mapping[str, Any]) -> tuple[list[InstalledPackage], int]:
    """A host's own report (`components` of collect_inventory) as packages, and how many entries say nothing of use.

    The host is not believed: names and versions are printable ASCII of bounded length, and compared as their world does.
    """
    packages, left_out = [], 0
    for entry in found["components"]:
        kind, name, version = entry["ecosystem"], entry["name"], entry["version"]
        place = "".join(one if one.isprintable() else "�" for one in entry["location"])[:_MAX_LOCATION]
        if not (_is_plain(name, _MAX_NAME) and _is_plain(version, _MAX_VERSION)):
            left_out += 1
            continue
        if kind == "pypi":
            name = pypi_name(name)
        source = _SOURCE_RPM.fullmatch(entry["source"] or "") if kind == "rpm" else None
        named = source[1] if source is not None and _is_plain(source[1], _MAX_NAME) else name
        packages.append(InstalledPackage(name, version, named, version, kind, location=place))
    return packages, left_out


def _is_plain(text: str, most: int) -> bool:
    return len(text) <= most and _PLAIN.fullmatch(text) is not None
