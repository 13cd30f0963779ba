"""The orders of versions, one for each ecosystem that is matched, behind one small interface.

A sort key is made once per distinct version. Where it is bytes (deb, rpm, pypi, npm), its plain byte order is the order
of the ecosystem, in Python as in SQL (bytea); Maven's order has no such key (versions/maven.py) and compares in Python.
"""

from __future__ import annotations

from collections.abc import Mapping

from suture.errors import BadInputError
from suture.inventory import debian_version
from suture.inventory.sortable import BadVersionError
from suture.inventory.versions import maven, npm, pypi, rpm
from suture.inventory.versions.order import Sortable, VersionOrder

__all__ = ["ECOSYSTEMS", "ORDERS", "BadVersionError", "Sortable", "VersionOrder", "order_of"]

ORDERS: Mapping[str, VersionOrder] = {
    "deb": VersionOrder("deb", debian_version.parts, debian_version.sort_key),
    "rpm": VersionOrder("rpm", rpm.parts, rpm.sort_key),
    "pypi": VersionOrder("pypi", pypi.parsed, pypi.sort_key),
    "npm": VersionOrder("npm", npm.parts, npm.sort_key),
    "maven": VersionOrder("maven", maven.items, maven.sort_key),
}
ECOSYSTEMS = tuple(ORDERS)


def order_of(ecosystem: str) -> VersionOrder:
    """Raises BadInputError for an ecosystem that has no order here."""
    if ecosystem not in ORDERS:
        raise BadInputError(f"{ecosystem[:40]!r} has no version order here; known are {', '.join(ECOSYSTEMS)}.")
    return ORDERS[ecosystem]
