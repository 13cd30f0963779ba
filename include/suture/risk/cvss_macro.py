"""CVSS 4.0's score from its macro vector (FIRST, CVSS v4.0 specification, section 8), part by part.

The rules:

1. A vector falls into five independent parts: EQ1 (AV, PR, UI), EQ2 (AC, AT), EQ3 with EQ6 (VC, VI, VA, CR, IR, AR), EQ4 (SC,
   SI, SA) and EQ5 (E). Each part has a level, and a distance in steps from the most severe vector of that level.
2. The score is the macro vector's, less the mean over the parts of (how far the next lower macro vector's score is) x (how
   much of the level's depth has been walked); a part without a lower macro vector does not count. It is rounded half up, after
   the library's epsilon.
3. The tables (scores of macro vectors, most severe vectors, depths) are the `cvss` library's. Each part's state is computed
   once; there are 36, 4, 729, 48 and 3 of them, and each combination that occurs is remembered.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

from cvss.constants4 import CVSS_LOOKUP_GLOBAL, EPSILON, MAX_COMPOSED, MAX_SEVERITY, METRICS_VALUE_NAMES

if TYPE_CHECKING:
    from suture.risk.cvss_lanes import Scheme

Words = dict[str, str]
_LANE_BITS, _LANE = 4, 15
# From the most severe word on; a step is 0.1 in the specification's distances.
_ORDER = {
    "AV": "NALP", "PR": "NLH", "UI": "NPA", "AC": "LH", "AT": "NP", "VC": "HLN", "VI": "HLN", "VA": "HLN",
    "SC": "SHLN", "SI": "SHLN", "SA": "SHLN", "CR": "HML", "IR": "HML", "AR": "HML",
}  # fmt: skip
_WORST = {"E": "A", "CR": "H", "IR": "H", "AR": "H"}  # what "not defined" stands for


def _values() -> dict[str, tuple[str, ...]]:
    base = ("AV", "PR", "UI", "AC", "AT", "VC", "VI", "VA", "SC", "SI", "SA")
    values = {name: ("X", *METRICS_VALUE_NAMES[name]) for name in base}
    modified = {f"M{name}": values[name] for name in base}
    for name in ("MSI", "MSA"):
        modified[name] = (*modified[name], "S")
    rest = [name for name in METRICS_VALUE_NAMES if name not in values and name not in modified]
    return {
        **values,
        **modified,
        **{
            name: ("X", *(word for word in METRICS_VALUE_NAMES[name] if word != "X"))
            for name in sorted(rest, key=_place)
        },
    }


def _place(name: str) -> int:
    order = ("CR", "IR", "AR", "E")
    return order.index(name) if name in order else len(order)


class MacroScores:
    """Scores in tenths of lanes of the 4.0 scheme."""

    BASE: ClassVar[tuple[str, ...]] = ("AV", "PR", "UI", "AC", "AT", "VC", "VI", "VA", "SC", "SI", "SA")
    VALUES: ClassVar[dict[str, tuple[str, ...]]] = _values()

    def __init__(self, scheme: Scheme) -> None:
        self._scheme = scheme
        self._base_bits = _LANE_BITS * len(self.BASE)
        self._base_mask = (1 << self._base_bits) - 1
        parts = (("AV", "PR", "UI"), ("AC", "AT"), ("VC", "VI", "VA", "CR", "IR", "AR"), ("SC", "SI", "SA"), ("E",))
        self._masks = [sum(_LANE << scheme.shift[name] for name in names) for names in parts]
        self._states = [lru_cache(maxsize=10_000)(self._state(names)) for names in parts]
        self._score = lru_cache(maxsize=100_000)(_combined)
        self._needs = sum(_LANE << scheme.shift[name] for name in _WORST)
        self._impacts = [scheme.shift[name] for name in ("VC", "VI", "VA", "SC", "SI", "SA")]
        self._harmless = sum(self.VALUES["VC"].index("N") << shift for shift in self._impacts)
        self._impact_mask = sum(_LANE << shift for shift in self._impacts)

    def base(self, lanes: int) -> int:
        """With the base metrics alone (CVSS-B)."""
        return self._of(lanes & self._base_mask)

    def overall(self, lanes: int) -> int:
        """With threat and environment."""
        from suture.risk.cvss_lanes import _effective

        return self._of(_effective(lanes, self._base_mask, self._base_bits) | (lanes & self._needs))

    def _of(self, lanes: int) -> int:
        if lanes & self._impact_mask == self._harmless:
            return 0
        one, two, three, four, five = [
            state(lanes & mask) for state, mask in zip(self._states, self._masks, strict=True)
        ]
        return self._score(one, two, three, four, five)

    def _state(self, names: tuple[str, ...]) -> Callable[[int], tuple[str, int]]:
        """(lanes of one part) → its level (two digits for EQ3 with EQ6) and its steps from that level's most severe vector."""

        def state(lanes: int) -> tuple[str, int]:
            words = {}
            for name in names:  # read as the modified metric, which may say "S" (safety) where its base metric may not
                word = self.VALUES.get(f"M{name}", self.VALUES[name])[(lanes >> self._scheme.shift[name]) & _LANE]
                words[name] = _WORST[name] if word == "X" else word
            level = _LEVELS[names[0]](words)
            return level, _steps(names[0], level, words)

        return state


def _level_1(w: Words) -> str:
    easy = (w["AV"] == "N", w["PR"] == "N", w["UI"] == "N")
    if all(easy):
        return "0"
    return "1" if any(easy) and w["AV"] != "P" else "2"


def _level_3_6(w: Words) -> str:
    both = w["VC"] == "H" and w["VI"] == "H"
    one = w["VC"] == "H" or w["VI"] == "H" or w["VA"] == "H"
    wanted = any(w[need] == "H" and w[harm] == "H" for need, harm in (("CR", "VC"), ("IR", "VI"), ("AR", "VA")))
    return ("0" if both else "1" if one else "2") + ("0" if wanted else "1")


def _level_4(w: Words) -> str:
    if w["SI"] == "S" or w["SA"] == "S":
        return "0"
    return "1" if "H" in (w["SC"], w["SI"], w["SA"]) else "2"


_LEVELS: dict[str, Callable[[Words], str]] = {
    "AV": _level_1,
    "AC": lambda w: "0" if w == {"AC": "L", "AT": "N"} else "1",
    "VC": _level_3_6,
    "SC": _level_4,
    "E": lambda w: {"A": "0", "P": "1", "U": "2"}[w["E"]],
}
_EQ = {"AV": "eq1", "AC": "eq2", "SC": "eq4"}


def _steps(part: str, level: str, words: Words) -> int:
    if part == "E":
        return 0
    most_severe = MAX_COMPOSED["eq3"][level[0]][level[1]] if part == "VC" else MAX_COMPOSED[_EQ[part]][level]
    for vector in most_severe:
        top = dict(field.split(":") for field in vector.strip("/").split("/"))
        steps = [_ORDER[name].index(word) - _ORDER[name].index(top[name]) for name, word in words.items()]
        if min(steps) >= 0:
            return sum(steps)
    raise ValueError(
        f"no most severe vector of level {level} lies above {words}"
    )  # a test walks all states: none is so


def _combined(
    one: tuple[str, int], two: tuple[str, int], three: tuple[str, int], four: tuple[str, int], five: tuple[str, int]
) -> int:
    """Rule 2, in tenths."""
    eq1, eq2, eq3, eq6, eq4, eq5 = map(int, one[0] + two[0] + three[0] + four[0] + five[0])

    def score(*levels: int) -> float | None:
        found = CVSS_LOOKUP_GLOBAL.get("".join(map(str, levels)))
        return None if found is None else float(found)

    value = score(eq1, eq2, eq3, eq4, eq5, eq6)
    assert value is not None
    if eq6 == 1:
        below = [score(eq1, eq2, eq3 + 1, eq4, eq5, eq6)]
    elif eq3 == 1:
        below = [score(eq1, eq2, eq3, eq4, eq5, 1)]
    else:
        below = [score(eq1, eq2, 0, eq4, eq5, 1), score(eq1, eq2, 1, eq4, eq5, 0)]
    lower: list[tuple[float | None, int, int]] = [
        (score(eq1 + 1, eq2, eq3, eq4, eq5, eq6), one[1], MAX_SEVERITY["eq1"][eq1]),
        (score(eq1, eq2 + 1, eq3, eq4, eq5, eq6), two[1], MAX_SEVERITY["eq2"][eq2]),
        (max((s for s in below if s is not None), default=None), three[1], MAX_SEVERITY["eq3eq6"][eq3][eq6]),
        (score(eq1, eq2, eq3, eq4 + 1, eq5, eq6), four[1], MAX_SEVERITY["eq4"][eq4]),
        (score(eq1, eq2, eq3, eq4, eq5 + 1, eq6), 0, 1),
    ]
    walked = [(value - found) * steps / depth for found, steps, depth in lower if found is not None and value >= found]
    if walked:
        value -= sum(walked) / len(walked)
    value = min(max(value, 0.0), 10.0)
    return int(Decimal(value + EPSILON).quantize(Decimal("0.1"), rounding=ROUND_HALF_UP) * 10)
