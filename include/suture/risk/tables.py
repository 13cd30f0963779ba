"""Decision tables as data: which outcome follows from which facts.

The rules:

1. A table is a YAML file of the policy folder (schema decision_table): decision points in order, each with its values
   from the least to the most urgent; outcomes, each with its priority, its time if it has one of its own, and the tasks it
   asks for; and rows, each of which names one value a point and an outcome. "*" in a row stands for every value.
2. A point is bound to one of a closed set of facts (`BINDINGS`). Where the fact is a word, the point's values are the
   fact's own words, or `map` says which value each word gives. Where it is a number (CVSS, EPSS), `bands` says from which
   number on a value holds, and `unknown` which value holds when there is none: unknown is never zero.
3. A table is total: every combination of values is decided by exactly one row, or the table is refused with the
   combination, the file and the line. A value that no fact can give, and an outcome that no row gives, are refused too.
4. Whether more urgent facts never give a less urgent outcome is not assumed: `falls` lists each pair of rows where they do.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from suture import policy
from suture.model import Priority
from suture.policy import LocatedPolicy

Row = tuple[str, ...]  # one value a point, in the points' order
Fact = str | float | None  # a word; a number; None: a number that nobody gives

# What a point can be bound to, with the words that the fact has, from the least to the most urgent. (): a number.
BINDINGS: Mapping[str, tuple[str, ...]] = {
    "in_kev": ("no", "yes"),
    "exploitation": ("none", "poc", "active"),  # SSVC Exploitation 1.1.0; a KEV entry means active
    "automatable": ("no", "yes"),  # SSVC Automatable 2.0.0
    "technical_impact": ("partial", "total"),  # SSVC Technical Impact 1.0.0
    "exposure": ("small", "controlled", "open"),  # SSVC System Exposure 1.0.1, from the asset register
    "publicly_exposed": ("no", "yes"),  # from exposure, by sla.yaml's publicly_exposed
    "criticality": ("low", "medium", "high", "critical"),  # from the asset register
    "human_impact": ("low", "medium", "high", "very_high"),  # SSVC Human Impact 2.0.2, from criticality by sla.yaml
    "epss": (),  # a probability, 0 to 1
    "cvss": (),  # the overall score on this asset, 0 to 10
}
EVERY = "*"
_MOST_KNOWN = 10_000  # combinations of facts, a table


@dataclass(frozen=True)
class Outcome:
    """within: the table's own time from when the finding was seen; None: the time that sla.yaml gives the priority."""

    name: str
    priority: Priority
    within: timedelta | None
    required_tasks: tuple[str, ...]


@dataclass(frozen=True)
class Point:
    """words: the value that each word of the fact gives; floors: (from this number on, value), ascending."""

    name: str
    binding: str
    values: tuple[str, ...]
    words: Mapping[str, str]
    floors: tuple[tuple[float, str], ...]
    unknown: str | None

    def value(self, fact: Fact) -> str:
        """The point's value for a fact. Raises KeyError for a word that is none of the fact's."""
        if isinstance(fact, str):
            return self.words[fact]
        if fact is None:
            assert self.unknown is not None  # the schema asks for it beside bands
            return self.unknown
        return next(value for floor, value in reversed(self.floors) if fact >= floor)


@dataclass(frozen=True)
class DecisionTable:
    """A total table. key: the file's name without its ending; digest: of what the file says."""

    key: str
    name: str
    points: tuple[Point, ...]
    outcomes: Mapping[str, Outcome]
    rows: Mapping[Row, str]
    digest: str

    def row(self, facts: Mapping[str, Fact]) -> Row:
        """The values that these facts (by binding) give, in the points' order."""
        return self._read(facts)[0]

    def decide(self, facts: Mapping[str, Fact]) -> Outcome:
        """The one outcome for these facts, by binding."""
        return self._read(facts)[1]

    def _read(self, facts: Mapping[str, Fact]) -> tuple[Row, Outcome]:
        """What the same facts gave before is kept: a fleet's CVEs differ in few of them."""
        given = tuple([facts[binding] for binding in self._bindings])
        known = self._known.get(given)
        if known is None:
            row = tuple(point.value(fact) for point, fact in zip(self.points, given, strict=True))
            known = row, self.outcomes[self.rows[row]]
            if len(self._known) < _MOST_KNOWN:
                self._known[given] = known
        return known

    @cached_property
    def _bindings(self) -> tuple[str, ...]:
        return tuple(point.binding for point in self.points)

    @cached_property
    def _known(self) -> dict[tuple[Fact, ...], tuple[Row, Outcome]]:
        return {}


def load_table(path: Path) -> DecisionTable:
    """Read a decision table. Raises PolicyError with every combination that is missing or decided twice."""
    found = policy.load_located(path, "decision_table")
    mistakes: list[str] = []
    points = tuple(_point(found, number, entry, mistakes) for number, entry in enumerate(found.value["points"]))
    names = [point.name for point in points]
    mistakes += [
        f"{found.place('points', number)}: a second point is named {name!r}."
        for number, name in enumerate(names)
        if name in names[:number]
    ]
    outcomes = {name: _outcome(name, entry) for name, entry in found.value["outcomes"].items()}
    rows = {} if mistakes else _rows(found, points, outcomes, mistakes)
    if mistakes:
        raise policy.PolicyError(str(path), mistakes)
    return DecisionTable(path.stem, found.value["name"], points, outcomes, rows, found.digest)


def falls(table: DecisionTable) -> list[str]:
    """Where one point more urgent gives a less urgent outcome (a lower priority, or more time): a sentence each."""
    found = []
    for row, number in itertools.product(table.rows, range(len(table.points))):
        point = table.points[number]
        step = point.values.index(row[number]) + 1
        if step == len(point.values):
            continue
        higher = (*row[:number], point.values[step], *row[number + 1 :])
        before, after = (table.outcomes[table.rows[each]] for each in (row, higher))
        if _slowness(after) > _slowness(before):
            found.append(
                f"{table.key}: {', '.join(row)} gives {before.name}, but {point.name} {point.values[step]} there "
                f"gives {after.name}."
            )
    return found


def _slowness(outcome: Outcome) -> tuple[int, timedelta]:
    return outcome.priority.rank, outcome.within or timedelta.max


def _outcome(name: str, entry: Mapping[str, Any]) -> Outcome:
    days = entry.get("within_days")
    return Outcome(
        name=name,
        priority=Priority(entry["priority"]),
        within=None if days is None else timedelta(days=days),
        required_tasks=tuple(entry.get("required_tasks", ())),
    )


def _point(found: LocatedPolicy, number: int, entry: Mapping[str, Any], mistakes: list[str]) -> Point:
    binding, values = entry["from"], tuple(entry["values"])
    domain = BINDINGS[binding]
    place = found.place("points", number)
    bands: Mapping[str, float] = entry.get("bands", {})
    words: Mapping[str, str] = entry.get("map", {})
    if domain:
        if "bands" in entry or "unknown" in entry:
            mistakes.append(f"{place}: {binding} is a word; bands and unknown are for numbers.")
        words = words or {word: word for word in domain}
        if set(words) != set(domain):
            mistakes.append(f"{place}: {binding} has the words {', '.join(domain)}; map must name each of them.")
        reached = set(words.values())
    else:
        if "map" in entry or not bands or "unknown" not in entry:
            mistakes.append(f"{place}: {binding} is a number; it needs bands and unknown, and no map.")
        if bands and (min(bands.values()) > 0 or len(set(bands.values())) < len(bands)):
            mistakes.append(f"{place}: the lowest band of {binding} begins at 0, and no two begin at the same number.")
        words, reached = {}, {*bands, entry.get("unknown", next(iter(values)))}
    if reached != set(values):
        odd = ", ".join(sorted(reached ^ set(values)))
        mistakes.append(
            f"{place}: {odd}: each value of {entry['name']!r} must come from a fact, and each fact must give one of its "
            f"values ({', '.join(values)})."
        )
    floors = tuple(sorted((float(floor), value) for value, floor in bands.items()))
    return Point(entry["name"], binding, values, dict(words), floors, entry.get("unknown"))


def _rows(
    found: LocatedPolicy, points: tuple[Point, ...], outcomes: Mapping[str, Outcome], mistakes: list[str]
) -> dict[Row, str]:
    decided: dict[Row, tuple[str, int]] = {}
    for number, (*values, outcome) in enumerate(found.value["rows"]):
        place = found.place("rows", number)
        if len(values) != len(points):
            mistakes.append(f"{place}: {len(values)} values for {len(points)} decision points.")
            continue
        strange = [f"{p.name} {v!r}" for p, v in zip(points, values, strict=True) if v not in (*p.values, EVERY)]
        if outcome not in outcomes:
            strange.append(f"outcome {outcome!r}")
        if strange:
            mistakes.append(f"{place}: the table knows no {', no '.join(strange)}.")
            continue
        for row in itertools.product(*(p.values if v == EVERY else (v,) for p, v in zip(points, values, strict=True))):
            if row in decided:
                first = found.place("rows", decided[row][1])
                mistakes.append(f"{place}: decides {', '.join(row)} for the second time; {first} decided it.")
            else:
                decided[row] = (outcome, number)
    end = found.place("rows")
    mistakes += [
        f"{end}: no row decides {', '.join(row)}."
        for row in itertools.product(*(point.values for point in points))
        if row not in decided
    ]
    given = {outcome for outcome, _ in decided.values()}
    mistakes += [
        f"{found.place('outcomes', name)}: no row gives the outcome {name!r}." for name in outcomes if name not in given
    ]
    return {row: outcome for row, (outcome, _) in decided.items()}
