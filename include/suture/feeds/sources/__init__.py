"""The feeds' formats: one plug-in folder each, listed here once.

A folder holds `__init__.py` (its `FORMAT`), config.yaml (its default entry of feeds.yaml), schema.json (the rows that it
gives), suite.json (what must be true of them) and page.md (its page in docs/feeds). docs/feeds/README.md says how to add
one.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from suture.errors import SutureError
from suture.feeds.format import FeedFormat
from suture.feeds.sources import (
    atom,
    csaf_provider,
    cve5,
    debian_lists,
    debian_tracker,
    epss,
    kev,
    mbox,
    nvd,
    openvex,
    osv,
    redhat_csaf,
    stix,
    ubuntu_usn,
)

MODULES: tuple[ModuleType, ...] = (
    atom, csaf_provider, cve5, debian_lists, debian_tracker, epss, kev, mbox,
    nvd, openvex, osv, redhat_csaf, stix, ubuntu_usn,
)  # fmt: skip


class BrokenSourceError(SutureError):
    """A source's plug-in folder is not whole. This is a fault of the installation, never of a feed."""


def registered(modules: Iterable[ModuleType]) -> dict[str, FeedFormat]:
    """name → format. Raises BrokenSourceError for a module without FORMAT, a name that is not its folder's, a name twice."""
    found: dict[str, FeedFormat] = {}
    for module in modules:
        folder = folder_of(module).name
        entry = getattr(module, "FORMAT", None)
        if not isinstance(entry, FeedFormat):
            raise BrokenSourceError(f"The source {folder} has no FORMAT: its __init__.py must define one.")
        if entry.name in found:
            raise BrokenSourceError(f"Two sources are named {entry.name!r}: each format has a name of its own.")
        if entry.name != folder:
            raise BrokenSourceError(f"The source in the folder {folder} is named {entry.name!r}: the two must agree.")
        found[entry.name] = entry
    return found


def folder_of(module: ModuleType) -> Path:
    return Path(str(module.__file__)).resolve().parent


FORMATS: dict[str, FeedFormat] = registered(MODULES)
FOLDERS: dict[str, Path] = {module.FORMAT.name: folder_of(module) for module in MODULES}
