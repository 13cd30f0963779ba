"""The kinds of sources besides apt: each a module with KIND, a frozen source with prove(), and read() from policy.

They all end in a KindAdoption or in a Refusal with the same reasons as apt's. Hosts are patched from apt sources only: what
these prove is recorded, and goes no further (docs/sourcing/README.md). Modules are imported when their kind is used:
sigstore alone takes a second.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast

from suture.errors import BadInputError
from suture.sourcing.kinds.result import KindAdoption, KindSource, ProvenFile, Request
from suture.sourcing.source import load_entry

KINDS: Mapping[str, str] = {
    "rpm-md": "rpm_md",
    "plain": "plain",
    "tuf": "tuf_repository",
    "python": "python_index",
    "oci": "oci",
}

__all__ = ["KINDS", "KindAdoption", "KindSource", "ProvenFile", "Request", "load_kind_source", "read_entry"]


class _KindModule(Protocol):
    KIND: str

    @staticmethod
    def read(entry: Mapping[str, Any], policy_dir: Path) -> KindSource: ...


def read_entry(entry: Mapping[str, Any], policy_dir: Path) -> KindSource:
    """A source from an entry that the policy's schema has passed. Raises BadInputError for a kind that is not one of KINDS."""
    if entry["kind"] not in KINDS:
        raise BadInputError(f"There is no kind {entry['kind']!r} here; there are {', '.join(KINDS)}.")
    module = cast(_KindModule, import_module(f"{__name__}.{KINDS[entry['kind']]}"))
    return module.read(entry, policy_dir)


def load_kind_source(policy_dir: Path, name: str) -> KindSource:
    """One source of policy_dir/sources.yaml, of a kind other than apt. Raises PolicyError, BadInputError."""
    return read_entry(load_entry(policy_dir, name), policy_dir)
