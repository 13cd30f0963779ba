"""The service graph: in which order asset groups are brought back (policy assets.yaml, `depends_on`).

A group is restored after every group that it depends on. A cycle has no such order; it is an error that names it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from graphlib import TopologicalSorter

from suture.errors import BadInputError
from suture.model.assets import circle_in


class DependencyCycleError(BadInputError):
    """Groups that depend on one another in a circle. `cycle`: the groups, the first one again at the end."""

    def __init__(self, cycle: tuple[str, ...]) -> None:
        self.cycle = cycle
        super().__init__(
            f"The service graph has a cycle: {' needs '.join(cycle)}; there is no order in which to bring them back.",
            remedy="Take one of these out of depends_on in assets.yaml.",
        )


def restore_order(depends_on: Mapping[str, Collection[str]], wanted: Collection[str]) -> list[tuple[str, ...]]:
    """The wanted groups in waves: a wave needs only earlier ones. Groups in between count for the order as
    well.
    """
    cycle = circle_in(depends_on)
    if cycle:
        raise DependencyCycleError(cycle)
    sorter = TopologicalSorter(depends_on)
    sorter.prepare()
    waves: list[tuple[str, ...]] = []
    while sorter.is_active():
        ready = sorter.get_ready()
        sorter.done(*ready)
        wave = tuple(sorted(set(ready) & set(wanted)))
        if wave:
            waves.append(wave)
    return waves


def dependents(depends_on: Mapping[str, Collection[str]], touched: Collection[str]) -> tuple[str, ...]:
    """Groups that need a touched one, directly or through others, and are not themselves touched."""
    found = set(touched)
    while True:
        more = {group for group, needs in depends_on.items() if set(needs) & found} - found
        if not more:
            return tuple(sorted(found - set(touched)))
        found |= more
