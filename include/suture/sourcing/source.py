"""What is expected of a source: where it lies, whose keys sign it, what it calls itself, how old it may be.

Pins: `fingerprints` holds primary or subkey fingerprints (40 hexadecimal digits, upper case). Empty means
that every key of the keyrings is trusted, which is what the command line gives; policy always pins.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from suture import policy
from suture.errors import BadInputError
from suture.sourcing import machine

DEFAULT_MAX_AGE = timedelta(days=7)  # as long as Debian's security suite says of itself (Valid-Until - Date)
MACHINE_ADDRESS = "machine"
_SUITE = re.compile(r"^[A-Za-z0-9][A-Za-z0-9.+_~-]*(/[A-Za-z0-9.+_~-]+)*$")


@dataclass(frozen=True)
class AptSource:
    """One suite of one apt repository.

    address: http(s) URL or folder of the repository's root (the parent of dists/). components, architectures: () means
    all that the Release file names; but where default_architecture is among those, only that one (and "all"). codename,
    origin, label: None means not checked. max_age: how old a Release file without Valid-Until may be. stated_address: how
    policy words the address (`machine`), for records; None: as it is. predecessors: sources of policy that have the versions
    before this source's, for comparison only.
    """

    name: str
    address: str
    suite: str
    keyrings: tuple[Path, ...]
    fingerprints: frozenset[str] = frozenset()
    components: tuple[str, ...] = ()
    architectures: tuple[str, ...] = ()
    default_architecture: str | None = None
    codename: str | None = None
    origin: str | None = None
    label: str | None = None
    max_age: timedelta = DEFAULT_MAX_AGE
    contact: str | None = None
    stated_address: str | None = None
    predecessors: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not _SUITE.match(self.suite) or ".." in self.suite:
            raise BadInputError(f"{self.suite!r} is not a suite's name.")
        if not self.keyrings:
            raise BadInputError(f"The source {self.name} names no keyring: nothing could be proven.")


def load_sources(policy_dir: Path, *, machine_sources: Path = machine.APT_FOLDER) -> dict[str, AptSource]:
    """The sources of policy_dir/sources.yaml by name. Raises PolicyError, BadInputError."""
    found = policy.load(policy_dir / "sources.yaml", "sources")
    sources: dict[str, AptSource] = {}
    for entry in found["sources"]:
        if entry["name"] in sources:
            raise BadInputError(f"sources.yaml names the source {entry['name']!r} twice.")
        sources[entry["name"]] = _source(entry, policy_dir, machine_sources)
    return sources


def load_source(policy_dir: Path, name: str) -> AptSource:
    """One source of policy_dir/sources.yaml. Raises BadInputError when there is none of that name."""
    sources = load_sources(policy_dir)
    if name not in sources:
        raise BadInputError(f"sources.yaml knows no source {name!r}; it knows {', '.join(sorted(sources))}.")
    return sources[name]


def _source(entry: Mapping[str, Any], policy_dir: Path, machine_sources: Path) -> AptSource:
    address = entry["address"]
    if address == MACHINE_ADDRESS:
        address = machine.address_of_suite(entry["suite"], folder=machine_sources)
    return AptSource(
        name=entry["name"],
        address=address,
        suite=entry["suite"],
        # Relative keyrings lie beside the policy; joining with an absolute path keeps the absolute one.
        keyrings=tuple(policy_dir / keyring for keyring in entry["keyrings"]),
        fingerprints=frozenset(pin.replace(" ", "").upper() for pin in entry["fingerprints"]),
        components=tuple(entry.get("components", ())),
        architectures=tuple(entry.get("architectures", ())),
        codename=entry.get("codename"),
        origin=entry.get("origin"),
        label=entry.get("label"),
        max_age=timedelta(days=entry["max_age_days"]) if "max_age_days" in entry else DEFAULT_MAX_AGE,
        contact=entry.get("contact"),
        stated_address=entry["address"],
        predecessors=tuple(entry.get("predecessors", ())),
    )
