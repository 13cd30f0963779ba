"""A CVSS vector as one integer, and its scores from small tables: how a fleet's vectors are scored without the library's cost.

The rules:

1. Each metric has a lane of four bits, in a fixed order, so that a vector's integer does not depend on the order of its
   fields; "not defined" (X, ND) is 0, as if the metric were left out. Reading is a sum over the fields of one dictionary:
   each field also counts one bit of its own, so that a metric named twice is seen by a carry.
2. What this reading does not take (an unknown field, a metric twice, a mandatory one missing) gets None: the caller asks the
   `cvss` library, which says what is wrong. Nothing is refused here, and nothing is accepted that the library refuses.
3. The scores are the library's own: its parts (impact and exploitability for 3.x in exact decimals, the macro vector's
   distances for 4.0, whole vectors for 2.0 and for base scores) are computed once for each state that occurs, and put
   together by the specification's last steps. tests/unit/risk/test_cvss_lanes.py and benchmarks/cvss_fleet.py compare with
   the library: all base vectors of 2.0, 3.0 and 3.1, all states of 4.0's parts, and large samples with every metric.

Scores are integers in tenths (98 is 9.8), since that is what CVSS rounds to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import ROUND_CEILING, Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from cvss import CVSS2, CVSS3, constants2, constants3

LANE = 4
_FULL = (1 << LANE) - 1
_COUNTED = 64  # the lowest bits count the fields, one bit a metric; the lanes begin above
NOT_DEFINED = ("X", "ND")


class Scheme:
    """One version's metrics in lane order. values: by metric, index 0 is "not defined"; codes: by field."""

    def __init__(self, version: str, prefix: str, values: Mapping[str, tuple[str, ...]], mandatory: int) -> None:
        self.version, self.prefix, self.values = version, prefix, values
        self.names = tuple(values)
        self.shift = {name: LANE * place for place, name in enumerate(self.names)}
        self.codes = {
            f"{name}:{word}": (1 << place) | (values[name].index(word) << (_COUNTED + LANE * place))
            for place, name in enumerate(self.names)
            for word in (*values[name][1:], *NOT_DEFINED)
            if word not in NOT_DEFINED or (place >= mandatory and word == values[name][0])
        }
        self.needed = (1 << mandatory) - 1

    def lanes(self, fields: list[str]) -> int | None:
        """The fields as lanes; None where they are no plain vector of this version."""
        try:
            total = sum(map(self.codes.__getitem__, fields))
        except KeyError:
            return None
        counted = total & ((1 << _COUNTED) - 1)
        if counted.bit_count() != len(fields) or counted & self.needed != self.needed:
            return None
        return total >> _COUNTED

    def pick(self, lanes: int, names: tuple[str, ...]) -> tuple[str, ...]:
        """The words of some metrics; "not defined" is the version's own word for it."""
        return tuple(self.values[name][(lanes >> self.shift[name]) & _FULL] for name in names)

    def vector(self, lanes: int) -> str:
        """The canonical vector of these lanes: what is not defined is left out."""
        words = zip(self.names, self.pick(lanes, self.names), strict=True)
        return self.prefix + "/".join(f"{name}:{word}" for name, word in words if word not in NOT_DEFINED)


class Tenths(NamedTuple):
    """A vector's scores in tenths, and the version."""

    version: str
    base: int
    overall: int


def scores(vector: str, requirements: tuple[tuple[str, str], ...]) -> Tenths | None:
    """The scores for an asset of these requirements (filled in where the vector does not define them); None: rule 2."""
    fields = vector.split("/")
    prepared = _engine(fields[0])
    if prepared is None:
        return None
    scheme, base_of, overall_of = prepared
    lanes = scheme.lanes(fields[1:] if scheme.prefix else fields)
    if lanes is None:
        return None
    full = lanes
    for name, level in requirements:
        shift = scheme.shift[name]
        if not (lanes >> shift) & _FULL:
            full |= scheme.values[name].index(level) << shift
    return Tenths(scheme.version, base_of(lanes), overall_of(full))


_Score = Callable[[int], int]


def _engine(first: str) -> tuple[Scheme, _Score, _Score] | None:
    """Scheme and scorers by a vector's first field; None for a version that CVSS does not have."""
    if first.startswith("CVSS:"):
        version = first[5:]
        return _engine_of(version) if version in ("3.0", "3.1", "4.0") else None
    return _engine_of("2.0")


@lru_cache(maxsize=4)
def _engine_of(version: str) -> tuple[Scheme, _Score, _Score]:
    if version == "2.0":
        return _engine_2()
    return _engine_4() if version == "4.0" else _engine_3(version)


def _ordered(values: Mapping[str, Any], not_defined: str) -> dict[str, tuple[str, ...]]:
    """By metric: "not defined" first, then the words; a modified metric has its base metric's words in their order."""
    return {name: (not_defined, *(word for word in words if word != not_defined)) for name, words in values.items()}


def _engine_2() -> tuple[Scheme, _Score, _Score]:
    """2.0 is rare and old: whole vectors, remembered (729 base vectors for each asset's requirements)."""
    mandatory = len(constants2.METRICS_MANDATORY)
    scheme = Scheme("2.0", "", _ordered(constants2.METRICS_VALUES, "ND"), mandatory)
    mask = (1 << LANE * mandatory) - 1

    @lru_cache(maxsize=1_000)
    def base_of_bare(bare: int) -> int:
        return _tenths(CVSS2(scheme.vector(bare)).scores()[0])

    @lru_cache(maxsize=100_000)
    def overall(lanes: int) -> int:
        # The library leaves out a group none of whose metrics is given: then the narrower score is the overall one.
        return _tenths([score for score in CVSS2(scheme.vector(lanes)).scores() if score is not None][-1])

    return scheme, lambda lanes: base_of_bare(lanes & mask), overall


def _engine_3(version: str) -> tuple[Scheme, _Score, _Score]:
    """3.x: Roundup(Roundup(min(impact + exploitability, 10)) x E x RL x RC), each part exact, from the library's decimals."""
    base = ("AV", "AC", "PR", "UI", "S", "C", "I", "A")
    temporal, needs = ("E", "RL", "RC"), ("CR", "IR", "AR")
    values = _ordered(constants3.METRICS_VALUES, "X")
    for name in base:
        values[f"M{name}"] = values[name]
    scheme = Scheme(
        version,
        f"CVSS:{version}/",
        {n: values[n] for n in (*base, *(f"M{n}" for n in base), *temporal, *needs)},
        len(base),
    )
    ways = sum(_FULL << scheme.shift[name] for name in ("AV", "AC", "PR", "UI", "S"))
    harms = sum(_FULL << scheme.shift[name] for name in ("S", "C", "I", "A"))
    times = sum(_FULL << scheme.shift[name] for name in temporal)
    wants = sum(_FULL << scheme.shift[name] for name in needs)
    mask = (1 << LANE * len(base)) - 1
    mildest = scheme.lanes(["AV:P", "AC:H", "PR:H", "UI:R", "S:U", "C:N", "I:N", "A:N"])
    assert mildest is not None
    changed = values["S"].index("C") << scheme.shift["S"]
    scope = _FULL << scheme.shift["S"]

    def library(lanes: int, given: int) -> Any:
        """The library on these lanes where `given` covers them, and on the mildest vector elsewhere."""
        return CVSS3(scheme.vector((lanes & given) | (mildest & ~given & mask)))

    @lru_cache(maxsize=10_000)
    def base_of_bare(bare: int) -> int:
        return _tenths(float(library(bare, mask).base_score))

    @lru_cache(maxsize=10_000)
    def impact(lanes: int) -> Decimal:
        return Decimal(library(lanes, harms | wants).modified_isc)

    @lru_cache(maxsize=1_000)
    def exploitability(lanes: int) -> Decimal:
        return Decimal(library(lanes, ways).modified_esc)

    @lru_cache(maxsize=1_000)
    def temporal_factor(lanes: int) -> int:
        """E x RL x RC in millionths: each has two decimals at most."""
        product = Decimal(1)
        for name, word in zip(temporal, scheme.pick(lanes, temporal), strict=True):
            product *= constants3.METRICS_VALUES[name][word]
        return int(product * 1_000_000)

    @lru_cache(maxsize=100_000)
    def without_time(lanes: int) -> int:
        harm = impact(lanes & (harms | wants))
        if harm <= 0:
            return 0
        factor = Decimal("1.08") if lanes & scope == changed else Decimal(1)
        found = min(factor * (harm + exploitability(lanes & ways)), Decimal(10))
        return int(found.quantize(Decimal("0.1"), rounding=ROUND_CEILING) * 10)

    def overall(lanes: int) -> int:
        found = without_time(_effective(lanes, mask, LANE * len(base)) | (lanes & wants))
        return -(-found * temporal_factor(lanes & times) // 1_000_000)

    return scheme, lambda lanes: base_of_bare(lanes & mask), overall


def _effective(lanes: int, mask: int, shift: int) -> int:
    """The base metrics with each defined modified metric in its place."""
    modified = (lanes >> shift) & mask
    defined = modified | modified >> 1 | modified >> 2 | modified >> 3
    covered = (defined & (mask // _FULL)) * _FULL
    return modified | (lanes & mask & ~covered)


def _tenths(score: float) -> int:
    return round(score * 10)


def _engine_4() -> tuple[Scheme, _Score, _Score]:
    from suture.risk.cvss_macro import MacroScores

    scheme = Scheme("4.0", "CVSS:4.0/", MacroScores.VALUES, len(MacroScores.BASE))
    macro = MacroScores(scheme)
    return scheme, macro.base, macro.overall
