"""Which packages of a proven source an intake takes in: the plan's, their closure, and what hosts need to go back.

Every package of the plan is taken in exactly the version that the plan names, from that source and no other. A version that was
retired is refused, also where only the closure would bring it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from suture.inventory.debian_version import compare
from suture.sourcing.dependencies import Closure, close_over
from suture.sourcing.intake_refusal import IntakeReason, IntakeRefused, require_in_scope
from suture.sourcing.packages import BinaryPackage
from suture.sourcing.repository import Adoption
from suture.sourcing.source import AptSource, Use
from suture.store import Store, sources


@dataclass(frozen=True)
class Selection:
    """What will be adopted: the plan's packages, the closure's, and earlier versions for going back."""

    planned: tuple[BinaryPackage, ...]
    closure: Closure
    earlier: tuple[BinaryPackage, ...]
    installed: Mapping[str, Mapping[str, str]]  # host → package → version, the oldest of its architectures

    @property
    def all(self) -> tuple[BinaryPackage, ...]:
        unique = {(p.name, p.version, p.architecture): p for p in (*self.planned, *self.closure.added, *self.earlier)}
        return tuple(unique.values())


def select(
    store: Store, campaign_id: str, asset_group: str, rows: Sequence[Mapping[str, Any]], proven: Adoption
) -> Selection:
    """Raises IntakeRefused, UnresolvedDependencyError."""
    planned = tuple(_exact(row, proven) for row in rows)
    installed: dict[str, dict[str, str]] = {}
    for row in sources.installed_on_campaign_hosts(store, campaign_id):
        host = installed.setdefault(row["host_id"], {})
        # Of a package installed for several architectures the oldest counts: it must fit as well.
        known = host.get(row["package"])
        host[row["package"]] = row["version"] if known is None or compare(row["version"], known) < 0 else known
    closure = close_over(planned, proven.packages, installed)
    retired = {
        (r.source_package, r.source_version): r
        for r in sources.list_retired_versions(store, asset_group=asset_group)
        if r.asset_group in {"*", asset_group}
    }
    for package in (*planned, *closure.added):
        require_in_scope(package, asset_group, proven.source)
        found = retired.get((package.source, package.source_version))
        if found is not None:
            raise IntakeRefused(
                IntakeReason.VERSION_RETIRED,
                f"{package.name} {package.version} is of {package.source} {package.source_version}, which was retired"
                f" on {found.retired_at:%Y-%m-%d}: {found.reason}",
                "A retired version is never offered again: wait for the vendor's next one.",
            )
    earlier = tuple(_earlier(planned, closure.added, installed, proven, retired))
    return Selection(planned, closure, earlier, installed)


def require_use(source: AptSource, *, out_of_band: bool) -> None:
    """A campaign takes from sources of its own use only. Raises IntakeRefused."""
    if source.use is (Use.OUT_OF_BAND if out_of_band else Use.PATCHES):
        return
    raise IntakeRefused(
        IntakeReason.OUT_OF_SCOPE,
        f"{source.name} is for {source.use.replace('_', ' ')}; this campaign {'is' if out_of_band else 'is not'} out of band.",
        "Hotfixes come by a case (emergency_patch); everything else from sources whose `use` in sources.yaml is patches.",
    )


def _exact(row: Mapping[str, Any], proven: Adoption) -> BinaryPackage:
    """The package that the plan names; packages for all architectures are planned under the host's or under `all`."""
    named = proven.packages.named(row["package"])
    for architecture in (row["architecture"], "all"):
        for package in named:
            if (package.version, package.architecture) == (row["version"], architecture):
                return package
    offered = sorted({package.version for package in named})
    raise IntakeRefused(
        IntakeReason.VERSION_MISSING,
        f"{proven.source.name} does not offer {row['package']} {row['version']} ({row['architecture']}); it offers"
        f" {', '.join(offered) or 'no version of it'}.",
        "The source has moved on since the plan was made: run risk_scoring again for a plan with the present version.",
    )


def _earlier(
    planned: Iterable[BinaryPackage],
    added: Iterable[BinaryPackage],
    installed: Mapping[str, Mapping[str, str]],
    proven: Adoption,
    retired: Mapping[tuple[str, str], Any],
) -> Iterable[BinaryPackage]:
    names = {package.name for package in (*planned, *added)}
    present = {(name, version) for host in installed.values() for name, version in host.items() if name in names}
    for package in proven.packages.named(*names):
        if (package.name, package.version) in present and (package.source, package.source_version) not in retired:
            yield package
