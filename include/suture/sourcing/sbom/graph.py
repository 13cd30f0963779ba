"""References between components: what points nowhere, and what runs in a ring."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from suture.sourcing.sbom.model import Relationship
from suture.sourcing.sbom.notes import Notebook
from suture.sourcing.sbom.text import shown

_SHOWN = 6  # members of a ring that a sentence names


def check(notebook: Notebook, relationships: Iterable[tuple[Relationship, str]], known: Iterable[str] = ()) -> None:
    """relationships: each with its place. known: refs that may be pointed to without standing in the document."""
    there = {*notebook.refs, *known}
    edges: dict[str, list[str]] = {}
    for relationship, place in relationships:
        for ref in (relationship.source, relationship.target):
            if ref not in there:
                notebook.flaw("dangling_reference", place, f"{shown(ref)!r} at {place} is not in the document.", ref)
        if relationship.kind == "depends_on":
            edges.setdefault(relationship.source, []).append(relationship.target)
    for ring in rings(edges):
        names = " → ".join(shown(ref, 60) for ref in ring[:_SHOWN]) + (
            " → …" if len(ring) > _SHOWN else f" → {shown(ring[0], 60)}"
        )
        place = notebook.refs.get(ring[0], "")
        notebook.flaw("dependency_cycle", place, f"{len(ring)} components depend on one another: {names}.", ring[0])


def rings(edges: Mapping[str, list[str]]) -> list[list[str]]:
    """Strongly connected sets of more than one node, and nodes that depend on themselves (Tarjan, without recursion)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    waiting: set[str] = set()
    found: list[list[str]] = []
    for start in edges:
        if start in index:
            continue
        work = [(start, iter(edges.get(start, ())))]
        index[start] = low[start] = len(index)
        stack.append(start)
        waiting.add(start)
        while work:
            node, targets = work[-1]
            target = next(targets, None)
            if target is None:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    ring = _popped(stack, waiting, node)
                    if len(ring) > 1 or node in edges.get(node, ()):
                        found.append(ring)
            elif target not in index:
                index[target] = low[target] = len(index)
                stack.append(target)
                waiting.add(target)
                work.append((target, iter(edges.get(target, ()))))
            elif target in waiting:
                low[node] = min(low[node], index[target])
    return found


def _popped(stack: list[str], waiting: set[str], node: str) -> list[str]:
    ring: list[str] = []
    while not ring or ring[-1] != node:
        ring.append(stack.pop())
        waiting.discard(ring[-1])
    return ring[::-1]
