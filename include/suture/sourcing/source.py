"""What is expected of a source: where it lies, whose keys sign it, what it calls itself, how old it may be.

Pins: `fingerprints` holds primary or subkey fingerprints (40 hexadecimal digits, upper case). Empty means
that every key of the keyrings is trusted, which is what the command line gives; policy always pins. While a key changes
over, old and new are pinned together; a pin may say from when until when it counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from suture import policy
from suture.errors import BadInputError
from suture.sourcing import machine
from suture.sourcing.attestations import AttestationPolicy, read_attestations
from suture.sourcing.keyring import PinRule

DEFAULT_MAX_AGE = timedelta(days=7)  # as long as Debian's security suite says of itself (Valid-Until - Date)
MACHINE_ADDRESS = "machine"
APT = "apt"
_SUITE = re.compile(r"^[A-Za-z0-9][A-Za-z0-9.+_~-]*(/[A-Za-z0-9.+_~-]+)*$")


@dataclass(frozen=True)
class Scope:
    """What a source may ship, to whom. packages: shell patterns of source package names; groups: asset groups. (): any.

    A vendor's repository that may ship only its own packages cannot replace a library of the distribution's (dependency
    confusion), whatever it lists and however well it is signed.
    """

    packages: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()

    def ships(self, source_package: str) -> bool:
        return not self.packages or any(fnmatchcase(source_package, pattern) for pattern in self.packages)

    def serves(self, asset_group: str) -> bool:
        return not self.groups or asset_group in self.groups


class Use(StrEnum):
    """What a source is for. Only PATCHES is looked at by feed_sync and planned from."""

    PATCHES = "patches"
    OUT_OF_BAND = "out_of_band"  # a vendor's hotfixes: only cases take from it, into quarantine
    COMPARISON = "comparison"  # has the versions before another source's; nothing is ever taken from it


@dataclass(frozen=True)
class AptSource:
    """One suite of one apt repository.

    address: http(s) URL or folder of the repository's root (the parent of dists/). components, architectures: () means
    all that the Release file names; but where default_architecture is among those, only that one (and "all"). codename,
    origin, label: None means not checked. max_age: how old a Release file without Valid-Until may be. stated_address: how
    policy words the address (`machine`), for records; None: as it is. pin_rules: by fingerprint, for pins that count for
    a time only. scope: what the source may ship, to whom. use: what it is for. predecessors: sources of policy that have the
    versions before this source's, for comparison only. attestations: of its packages; None: nothing is said of them.
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
    pin_rules: Mapping[str, PinRule] = field(default_factory=dict)
    scope: Scope = field(default_factory=lambda: Scope())
    use: Use = Use.PATCHES
    predecessors: tuple[str, ...] = ()
    attestations: AttestationPolicy | None = None

    def __post_init__(self) -> None:
        if not _SUITE.match(self.suite) or ".." in self.suite:
            raise BadInputError(f"{self.suite!r} is not a suite's name.")
        if not self.keyrings:
            raise BadInputError(f"The source {self.name} names no keyring: nothing could be proven.")


def load_sources(policy_dir: Path, *, machine_sources: Path = machine.APT_FOLDER) -> dict[str, AptSource]:
    """The sources of kind apt in policy_dir/sources.yaml, by name: those that hosts can be patched from.

    Sources of other kinds can be proven (`sourcing.kinds`), and are left out here, as is one for comparison only whose suite this
    machine does not have. Raises PolicyError, BadInputError.
    """
    found: dict[str, AptSource] = {}
    for name, entry in load_entries(policy_dir).items():
        if entry["kind"] != APT:
            continue
        try:
            found[name] = _source(entry, policy_dir, machine_sources)
        except BadInputError:
            if entry.get("use") != Use.COMPARISON:
                raise
    return found


def load_source(policy_dir: Path, name: str) -> AptSource:
    """One apt source of policy_dir/sources.yaml. Raises BadInputError when there is none of that name, or of another kind."""
    entry = load_entry(policy_dir, name)
    if entry["kind"] != APT:
        raise BadInputError(
            f"The source {name!r} is of kind {entry['kind']}: it can be proven, but hosts cannot be patched from it.",
            remedy="Campaigns take packages from sources of kind apt only (docs/sourcing/README.md).",
        )
    return _source(entry, policy_dir, machine.APT_FOLDER)


def load_entries(policy_dir: Path) -> dict[str, Mapping[str, Any]]:
    """The entries of policy_dir/sources.yaml, whatever their kind, by name. Raises PolicyError, BadInputError."""
    found: dict[str, Mapping[str, Any]] = {}
    for entry in policy.load(policy_dir / "sources.yaml", "sources")["sources"]:
        if entry["name"] in found:
            raise BadInputError(f"sources.yaml names the source {entry['name']!r} twice.")
        found[entry["name"]] = entry
    return found


def load_entry(policy_dir: Path, name: str) -> Mapping[str, Any]:
    """Raises BadInputError when there is none of that name."""
    entries = load_entries(policy_dir)
    if name not in entries:
        raise BadInputError(f"sources.yaml knows no source {name!r}; it knows {', '.join(sorted(entries))}.")
    return entries[name]


def _source(entry: Mapping[str, Any], policy_dir: Path, machine_sources: Path) -> AptSource:
    address = entry["address"]
    if address == MACHINE_ADDRESS:
        address = machine.address_of_suite(entry["suite"], folder=machine_sources)
    pins = read_pins(entry["fingerprints"])
    return AptSource(
        name=entry["name"],
        address=address,
        suite=entry["suite"],
        # Relative keyrings lie beside the policy; joining with an absolute path keeps the absolute one.
        keyrings=tuple(policy_dir / keyring for keyring in entry["keyrings"]),
        fingerprints=frozenset(pins),
        pin_rules={pin: rule for pin, rule in pins.items() if rule != PinRule()},
        components=tuple(entry.get("components", ())),
        architectures=tuple(entry.get("architectures", ())),
        codename=entry.get("codename"),
        origin=entry.get("origin"),
        label=entry.get("label"),
        max_age=timedelta(days=entry["max_age_days"]) if "max_age_days" in entry else DEFAULT_MAX_AGE,
        contact=entry.get("contact"),
        stated_address=entry["address"],
        scope=read_scope(entry),
        use=Use(entry.get("use", Use.PATCHES)),
        predecessors=tuple(entry.get("predecessors", ())),
        attestations=read_attestations(entry, policy_dir),
    )


def read_pins(entries: Sequence[str | Mapping[str, str]]) -> dict[str, PinRule]:
    """Fingerprint (upper case, no spaces) → its rule, from policy's list. Raises BadInputError for a day that is none."""
    return _rules(entries, lambda key: key.replace(" ", "").upper())


def read_keys(entries: Sequence[str | Mapping[str, str]]) -> dict[str, PinRule]:
    """As read_pins, for keys that policy gives whole (minisign, signify): as they are written."""
    return _rules(entries, str)


def _rules(entries: Sequence[str | Mapping[str, str]], written: Callable[[str], str]) -> dict[str, PinRule]:
    pins: dict[str, PinRule] = {}
    for entry in entries:
        stated = {"key": entry} if isinstance(entry, str) else entry
        pin = written(stated["key"])
        if pin in pins:
            raise BadInputError(f"sources.yaml pins the key {pin} twice in one source.")
        pins[pin] = PinRule(_day(stated.get("accept_from")), _day(stated.get("accept_until")))
    return pins


def read_scope(entry: Mapping[str, Any]) -> Scope:
    stated = entry.get("ships", {})
    return Scope(tuple(stated.get("packages", ())), tuple(stated.get("groups", ())))


def _day(text: str | None) -> datetime | None:
    """Midnight UTC, at the day's beginning."""
    if text is None:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise BadInputError(f"sources.yaml: {text!r} is no day (such as 2027-01-31).") from error
