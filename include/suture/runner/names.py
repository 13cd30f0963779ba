"""What may travel to a host: names and versions that are exactly what their standards allow, and nothing that could
be more.

Sources: RFC 1123 2.1 (host names), Debian Policy 5.6.1 and 5.6.12 (package names, versions).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from suture.errors import BadInputError

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.ASCII)
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+", re.ASCII)
_VERSION = re.compile(r"(?:[0-9]+:)?[0-9][A-Za-z0-9.+:~-]*", re.ASCII)
_CAMPAIGN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)
MAX_HOST_LENGTH = 253
# Words that Ansible reads as more than a name where hosts are listed.
_RESERVED_HOSTS = frozenset({"all", "ungrouped", "localhost"})


def is_host_name(name: str) -> bool:
    return len(name) <= MAX_HOST_LENGTH and bool(_HOST.fullmatch(name)) and name.lower() not in _RESERVED_HOSTS


def require_host_name(name: str) -> str:
    """The name. Raises BadInputError unless it is a host name by RFC 1123."""
    if not is_host_name(name):
        raise BadInputError(
            f"{name!r} is no host name by RFC 1123 (letters, digits, hyphens, dots).",
            remedy="Mend it in the inventory. Nothing was run.",
        )
    return name


def require_package(name: str, version: str) -> None:
    """Raises BadInputError unless both are what Debian Policy allows."""
    if not _PACKAGE.fullmatch(name):
        raise BadInputError(f"{name!r} is no Debian package name (Policy 5.6.1). Nothing was run.")
    if len(version) > 200 or not _VERSION.fullmatch(version):
        raise BadInputError(f"{version!r}, of {name}, is no Debian version (Policy 5.6.12). Nothing was run.")


def require_packages(packages: Iterable[Mapping[str, Any]]) -> None:
    for package in packages:
        require_package(package["package"], package["version"])


def require_campaign_id(campaign_id: str) -> str:
    if not _CAMPAIGN.fullmatch(campaign_id):
        raise BadInputError(f"{campaign_id!r} is no campaign id (letters, digits, dots, hyphens, underscores).")
    return campaign_id
