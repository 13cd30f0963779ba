"""What language package managers and rpm have installed on a host, from a list that the host (or its SBOM) gives.

The rules:

1. A list replaces what was known of the ecosystems that it is for, and of no other: `pip freeze` does not remove npm's
   packages. An empty list for an ecosystem says that nothing of it is installed.
2. Only a host that is managed has components; Debian packages come with the inventory, not from here.
3. An entry that names no version, or another ecosystem, is left out and said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from suture.errors import BadInputError
from suture.inventory.installed_files import InstalledPackage
from suture.store import Store, hosts

ECOSYSTEMS = ("rpm", "pypi", "npm", "maven")


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
) -> ComponentCounts:
    """Write a host's list in place of the old one. ecosystems: what the list is for; None: those that it holds.

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
    rows = {(p.ecosystem, p.package, p.version): p for p in kept}
    hosts.write_components(
        store,
        host_id,
        about,
        [
            (
                p.ecosystem, p.package, p.version,
                p.source_package if p.source_package != p.package else None,
                p.source_version if p.source_version != p.version else None,
                location, now,
            )
            for p in rows.values()
        ],
    )
    return ComponentCounts(len(rows), len(packages) - len(kept))
