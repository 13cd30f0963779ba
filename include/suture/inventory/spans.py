"""Ranges of versions, with holes: is a version in them, and which version takes it out again.

The rules:

1. A package is affected when any of its spans holds the version: a range [introduced, fixed) or [introduced,
   last_affected], cut off at its limit, or a list of versions. Several spans make a range with holes: vulnerable, fixed,
   vulnerable again.
2. A listed version is the same version where the order calls the two equal (1.0 and 1.0.0 of PyPI), not only where the
   texts are.
3. The fix for a version is the lowest `fixed` above it that no span holds: a fix that was taken back is none.
4. A bound or a version that cannot be read raises BadVersionError: uncertain is not safe, and the caller says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from suture.inventory.versions import BadVersionError, VersionOrder

STATES = ("affected", "undetermined", "end_of_life")


@dataclass(frozen=True)
class Span:
    """One stretch of versions, or a list of them, as advisory_range keeps it. None: no bound on that side.

    state: affected; undetermined (nobody has looked yet); end_of_life (affected, no fix to come). cve_ids: (): all of the
    advisory's. key: its name in the warehouse, "" for a span from a file. module: the rpm module (name:stream) it is about.
    """

    introduced: str | None = None
    fixed: str | None = None
    last_affected: str | None = None
    limit_before: str | None = None
    versions: tuple[str, ...] = ()
    state: str = "affected"
    cve_ids: tuple[str, ...] = ()
    key: str = ""
    module: str = ""

    @property
    def sentence(self) -> str:
        """The span in words of vers: `>=1.0, <1.2`."""
        if self.versions:
            shown = ", ".join(self.versions[:5])
            return f"one of {shown}" + (f" and {len(self.versions) - 5} more" if len(self.versions) > 5 else "")
        bounds = ((">=", self.introduced), ("<", self.fixed), ("<=", self.last_affected), ("<", self.limit_before))
        return ", ".join(sign + version for sign, version in bounds if version is not None) or "any version"


def holds(order: VersionOrder, version: str, span: Span) -> bool:
    """Is the version affected by this span? Raises BadVersionError for any of the versions."""
    key = order.sort_key(version)
    if span.versions:
        return version in span.versions or any(_same(order, key, listed) for listed in span.versions)
    return (
        (span.introduced is None or key >= order.sort_key(span.introduced))
        and (span.fixed is None or key < order.sort_key(span.fixed))
        and (span.last_affected is None or key <= order.sort_key(span.last_affected))
        and (span.limit_before is None or key < order.sort_key(span.limit_before))
    )


def first_fix(order: VersionOrder, version: str, spans: Iterable[Span]) -> str | None:
    """The lowest `fixed` above the version that no span holds again; None: no fix. Unreadable bounds give no fix."""
    known = list(spans)
    key = order.sort_key(version)
    candidates = []
    for fixed in {span.fixed for span in known if span.fixed is not None}:
        try:
            if order.sort_key(fixed) > key and not any(holds(order, fixed, span) for span in known):
                candidates.append(fixed)
        except BadVersionError:
            continue
    return min(candidates, key=order.sort_key, default=None)


def _same(order: VersionOrder, key: object, listed: str) -> bool:
    try:
        return bool(order.sort_key(listed) == key)
    except BadVersionError:
        return False  # lists carry odd spellings; another version's cannot be this one's
