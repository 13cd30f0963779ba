"""Several knapsacks in a row: which item goes into which, at the most worth (scipy.optimize.milp: HiGHS).

All at once up to a size that HiGHS solves in a moment; beyond it, or where that is not optimal in time and worth less, one
knapsack after the other, each for the items that are left. A time limit holds either way.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

ALL_AT_ONCE = 400  # items x knapsacks; measured in docs/benchmarks/strategy_simulation.md
OPTIMAL, GREEDY = "optimal", "by worth per minute: the solver found no plan in time"
SECONDS = 4.0  # for all at once; one knapsack alone gets a quarter of it
GAP = 1e-3  # the solver may stop this close to the best: priorities are no more exact than that

Places = list[int | None]


def solve(
    weights: Sequence[int], worth: Sequence[Sequence[float]], room: Sequence[int], places: Sequence[int]
) -> tuple[Places, str]:
    """(the knapsack of each item, None: none; how it was found).

    weights: of each item, whole and positive; worth[i][t]: of item i in knapsack t, positive; room, places: what each knapsack
    takes in weight and in number.
    """
    if not weights:
        return [], "nothing to place"
    if len(weights) * len(room) > ALL_AT_ONCE:
        return _one_after_the_other(weights, worth, room, places)
    found = _solved(weights, worth, room, places, SECONDS)
    if found is not None and found[1] == OPTIMAL:
        return found
    apart = _one_after_the_other(weights, worth, room, places)
    return apart if found is None or _total(apart[0], worth) > _total(found[0], worth) else found


def _one_after_the_other(
    weights: Sequence[int], worth: Sequence[Sequence[float]], room: Sequence[int], places: Sequence[int]
) -> tuple[Places, str]:
    chosen: Places = [None] * len(weights)
    words = set()
    for knapsack in range(len(room)):
        left = [item for item, place in enumerate(chosen) if place is None]
        if not left:
            break
        part = [[worth[item][knapsack]] for item in left]
        own = [weights[item] for item in left]
        found = _solved(own, part, [room[knapsack]], [places[knapsack]], SECONDS / 4)
        placed, word = found or (_greedy(own, part, [room[knapsack]], [places[knapsack]]), GREEDY)
        words.add(word)
        for item, place in zip(left, placed, strict=True):
            chosen[item] = None if place is None else knapsack
    return chosen, f"one train after the other: {', '.join(sorted(words))}"


def _total(chosen: Places, worth: Sequence[Sequence[float]]) -> float:
    return sum(worth[item][place] for item, place in enumerate(chosen) if place is not None)


def _solved(
    weights: Sequence[int], worth: Sequence[Sequence[float]], room: Sequence[int], places: Sequence[int], seconds: float
) -> tuple[Places, str] | None:
    """None when the solver gives no solution in time."""
    # Half of what the pages' first opening in a process cost; they show trains and never fill any.
    from scipy.optimize import Bounds, LinearConstraint, milp  # type: ignore[import-untyped]  # scipy has no types
    from scipy.sparse import coo_array  # type: ignore[import-untyped]

    items, knapsacks = len(weights), len(room)
    value = np.array(worth, dtype=float).ravel()
    upper = np.array([float(weights[i] <= room[t]) for i in range(items) for t in range(knapsacks)])
    index = np.arange(items * knapsacks)
    item, knapsack = index // knapsacks, index % knapsacks
    once = coo_array((np.ones(index.size), (item, index)), shape=(items, index.size))
    weight = coo_array((np.array(weights, dtype=float)[item], (knapsack, index)), shape=(knapsacks, index.size))
    number = coo_array((np.ones(index.size), (knapsack, index)), shape=(knapsacks, index.size))
    answer = milp(
        -value,
        integrality=np.ones(index.size),
        bounds=Bounds(0, upper),
        constraints=[
            LinearConstraint(once.tocsr(), -np.inf, 1),
            LinearConstraint(weight.tocsr(), -np.inf, np.array(room, dtype=float)),
            LinearConstraint(number.tocsr(), -np.inf, np.array(places, dtype=float)),
        ],
        options={"time_limit": seconds, "mip_rel_gap": GAP},
    )
    if answer.x is None:
        return None
    taken = np.rint(answer.x).astype(int).reshape(items, knapsacks)
    chosen: Places = [int(row.argmax()) if row.any() else None for row in taken]
    if not _holds(chosen, weights, room, places):  # a solver's tolerance is no licence to overload a train
        return None
    return chosen, OPTIMAL if answer.status == 0 else f"within {float(answer.mip_gap or 0):.1%} of the best"


def _holds(chosen: Places, weights: Sequence[int], room: Sequence[int], places: Sequence[int]) -> bool:
    for knapsack in range(len(room)):
        here = [weight for weight, place in zip(weights, chosen, strict=True) if place == knapsack]
        if sum(here) > room[knapsack] or len(here) > places[knapsack]:
            return False
    return True


def _greedy(
    weights: Sequence[int], worth: Sequence[Sequence[float]], room: Sequence[int], places: Sequence[int]
) -> Places:
    left, seats = list(room), list(places)
    chosen: Places = [None] * len(weights)
    for item in sorted(range(len(weights)), key=lambda i: (-max(worth[i]) / weights[i], i)):
        for knapsack in sorted(range(len(left)), key=lambda t: (-worth[item][t], t)):
            if weights[item] <= left[knapsack] and seats[knapsack] > 0:
                chosen[item] = knapsack
                left[knapsack] -= weights[item]
                seats[knapsack] -= 1
                break
    return chosen
