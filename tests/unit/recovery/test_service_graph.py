"""In which order what comes back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suture.recovery.service_graph import DependencyCycleError, dependents, restore_order

LAB = {"staging": (), "web": ("data",), "data": (), "edge": ("web",), "observability": ()}


def test_what_others_need_comes_first() -> None:
    assert restore_order(LAB, {"edge", "web", "data"}) == [("data",), ("web",), ("edge",)]
    assert restore_order(LAB, {"edge", "data"}) == [("data",), ("edge",)]  # through web, which is not touched
    assert restore_order(LAB, {"web", "observability"}) == [("observability",), ("web",)]
    assert restore_order(LAB, set()) == []


def test_dependents() -> None:
    assert dependents(LAB, {"data"}) == ("edge", "web")
    assert dependents(LAB, {"data", "web"}) == ("edge",)
    assert dependents(LAB, {"edge"}) == ()


def test_a_cycle_is_named() -> None:
    with pytest.raises(DependencyCycleError) as caught:
        restore_order({"a": ("b",), "b": ("c",), "c": ("a",), "d": ()}, {"a"})
    assert caught.value.cycle[0] == caught.value.cycle[-1]
    assert set(caught.value.cycle) == {"a", "b", "c"}
    pairs = list(zip(caught.value.cycle, caught.value.cycle[1:], strict=False))
    assert all(needed in {"a": ("b",), "b": ("c",), "c": ("a",)}[group] for group, needed in pairs)
    assert " needs " in str(caught.value)


@given(st.dictionaries(st.integers(0, 30), st.lists(st.integers(0, 30), max_size=4), max_size=20))
def test_any_acyclic_graph_is_ordered_by_need(edges: dict[int, list[int]]) -> None:
    graph = {str(node): tuple(str(need) for need in needs if need < node) for node, needs in edges.items()}
    names = set(graph) | {need for needs in graph.values() for need in needs}
    waves = restore_order(graph, names)
    place = {name: number for number, wave in enumerate(waves) for name in wave}
    assert set(place) == names
    assert all(place[need] < place[group] for group, needs in graph.items() for need in needs)
