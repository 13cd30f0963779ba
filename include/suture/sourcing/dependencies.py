"""Which packages a campaign needs besides those it names: the closure inside one source.

The rules:

1. A dependency (Depends, Pre-Depends) is met by a package of the campaign, or by one installed on every host that gets
   the dependent package, in a version that fits (Debian policy 7.1; a versioned Provides counts as that version).
2. A dependency that is not met is taken from the same source: the newest version that fits, first alternative first.
3. Where the source has none either: when a host has the package in a version that does not fit, the campaign is
   refused. When no host reports the name at all it may be virtual (hosts report real names only), so it is assumed to
   be met, and the assumption is recorded.

apt on the staging pair has the last word; the closure is there so that what apt will ask for is on offer, and proven.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from suture.errors import SutureError
from suture.inventory.debian_version import BadVersionError, compare, sort_key
from suture.sourcing.packages import BinaryPackage, PackageList, PlainPackageList

MAX_CLOSURE = 2_000
_ATOM = re.compile(
    r"^(?P<name>[a-z0-9][a-z0-9+.-]*)(?::[a-z0-9-]+)?\s*(?:\((?P<operator><<|<=|=|>=|>>|<|>)\s*(?P<version>[^)\s]+)\s*\))?"
    r"\s*(?:\[[^\]]*\])?\s*(?:<[^>]*>\s*)*$"
)
_HOLDS = {
    "<<": lambda order: order < 0,
    "<": lambda order: order <= 0,  # deprecated, and means <=
    "<=": lambda order: order <= 0,
    "=": lambda order: order == 0,
    ">=": lambda order: order >= 0,
    ">": lambda order: order >= 0,
    ">>": lambda order: order > 0,
}


class UnresolvedDependencyError(SutureError):
    """A package needs something that neither the hosts nor the source have."""

    def __init__(self, package: BinaryPackage, dependency: str) -> None:
        super().__init__(
            f"{package.name} {package.version} needs {dependency}; the hosts have another version, its source none.",
            remedy="Add what is missing to the campaign from its own source, or take the package out of the plan.",
        )
        self.package = package
        self.dependency = dependency


@dataclass(frozen=True)
class Atom:
    """One alternative of a dependency. operator and version: None for any version."""

    name: str
    operator: str | None
    version: str | None

    def fits(self, version: str) -> bool:
        if self.operator is None or self.version is None:
            return True
        try:
            return bool(_HOLDS[self.operator](compare(version, self.version)))
        except BadVersionError:
            return False


@dataclass(frozen=True)
class Closure:
    """added: what the campaign needs besides; assumed: dependencies taken for met, as no host knows the names."""

    added: tuple[BinaryPackage, ...]
    assumed: tuple[str, ...]


@dataclass
class _Offer:
    """Names (real and provided) with the versions under which they can be had."""

    versions: dict[str, list[tuple[str | None, BinaryPackage]]] = field(default_factory=dict)

    def add(self, package: BinaryPackage) -> None:
        self.versions.setdefault(package.name, []).append((package.version, package))
        for atom in _provided(package):
            self.versions.setdefault(atom.name, []).append((atom.version, package))

    def under(self, name: str) -> Sequence[tuple[str | None, BinaryPackage]]:
        return self.versions.get(name, ())

    def fitting(self, atom: Atom) -> list[BinaryPackage]:
        """An unversioned Provides never meets a versioned dependency (policy 7.5)."""
        return [
            package
            for version, package in self.under(atom.name)
            if atom.operator is None or (version is not None and atom.fits(version))
        ]


class _SourceOffer(_Offer):
    """What a whole source has, looked up name by name: of its thousands of packages a closure needs some."""

    def __init__(self, packages: PackageList) -> None:
        super().__init__()
        self._packages = packages
        self._providers: dict[str, frozenset[str]] = {}

    def under(self, name: str) -> Sequence[tuple[str | None, BinaryPackage]]:
        if name not in self.versions:
            self.versions[name] = [
                (version, package)
                for package in self._packages.offering(name)
                for version in _versions_under(package, name)
            ]
        return self.versions[name]

    def providers(self, name: str) -> frozenset[str]:
        """The real packages that provide a virtual one, as far as the source knows them; hosts report real names only."""
        if name not in self._providers:
            self._providers[name] = frozenset(package.name for _version, package in self.under(name)) - {name}
        return self._providers[name]


def parse_dependencies(text: str) -> list[list[Atom]]:
    """A Depends field: all of the outer list, one of each inner list. What cannot be read is left out by its caller."""
    groups = []
    for group in text.replace("\n", " ").split(","):
        atoms = [atom for part in group.split("|") if (atom := _atom(part)) is not None]
        if atoms:
            groups.append(atoms)
    return groups


def close_over(
    wanted: Sequence[BinaryPackage],
    offered: Sequence[BinaryPackage],
    installed: Mapping[str, Mapping[str, str]],
) -> Closure:
    """What must come along. offered: a PackageList is asked by name, and its other packages are not made; installed: host →
    package → version, {}: no host is known.

    Raises UnresolvedDependencyError.
    """
    source = _SourceOffer(offered if isinstance(offered, PackageList) else PlainPackageList(offered))
    chosen = {(package.name, package.architecture): package for package in wanted}
    plan = _Offer()
    for package in wanted:
        plan.add(package)
    assumed: list[str] = []
    queue = list(wanted)
    while queue:
        package = queue.pop(0)
        hosts = [found for found in installed.values() if package.name in found] or list(installed.values())
        for group in parse_dependencies(f"{package.pre_depends}, {package.depends}"):
            if any(plan.fitting(atom) for atom in group) or _met_on(hosts, group, source):
                continue
            pick = next((best for atom in group if (best := _newest(source.fitting(atom), package))), None)
            if pick is not None and len(chosen) < MAX_CLOSURE:
                chosen.setdefault((pick.name, pick.architecture), pick)
                plan.add(pick)
                queue.append(pick)
            elif any(atom.name in host for host in hosts for atom in group):
                raise UnresolvedDependencyError(package, _written(group))
            else:
                assumed.append(f"{package.name}: {_written(group)}")
    asked = {(package.name, package.architecture) for package in wanted}
    return Closure(
        added=tuple(package for key, package in chosen.items() if key not in asked),
        assumed=tuple(dict.fromkeys(assumed)),
    )


def _atom(text: str) -> Atom | None:
    match = _ATOM.match(text.strip())
    return Atom(match["name"], match["operator"], match["version"]) if match else None


def _provided(package: BinaryPackage) -> Iterator[Atom]:
    for group in parse_dependencies(package.provides):
        yield from group


def _versions_under(package: BinaryPackage, name: str) -> Iterator[str | None]:
    if package.name == name:
        yield package.version
    for atom in _provided(package):
        if atom.name == name:
            yield atom.version


def _met_on(hosts: Sequence[Mapping[str, str]], group: Sequence[Atom], source: _SourceOffer) -> bool:
    """Whether every host has something of the group already; no host at all: no."""
    return bool(hosts) and all(any(_has(host, atom, source) for atom in group) for host in hosts)


def _has(host: Mapping[str, str], atom: Atom, source: _SourceOffer) -> bool:
    if atom.name in host:
        return atom.fits(host[atom.name])
    return atom.operator is None and any(name in host for name in source.providers(atom.name))


def _newest(candidates: Sequence[BinaryPackage], dependent: BinaryPackage) -> BinaryPackage | None:
    """The newest that fits; of the dependent's own source and version first, since siblings belong together."""
    if not candidates:
        return None
    siblings = [c for c in candidates if (c.source, c.source_version) == (dependent.source, dependent.source_version)]
    return max(siblings or candidates, key=lambda package: sort_key(package.version))


def _written(group: Sequence[Atom]) -> str:
    return " | ".join(f"{a.name} ({a.operator} {a.version})" if a.operator else a.name for a in group)
