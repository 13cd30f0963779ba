"""CVSS 2.0, 3.0, 3.1 and 4.0 (FIRST), with the asset's security requirements worked in.

The rules:

1. The base score is what the vector gives with its base metrics alone; the overall score is what it gives with all
   of its metrics (threat or temporal, and environmental), of which the requirements CR, IR and AR come from the asset.
2. A requirement that the vector states itself stands; what it leaves out, or states as "not defined" (X, ND), is
   filled. A finding's vectors come from strangers who cannot know our asset: `without_environment` takes their
   environmental metrics off before ours are put in.
3. A score is only ever computed from a vector. There is no default score: what has none is unscored.

There are only some thousands of distinct vectors however many findings there are: a memo by vector and requirements, over the
small tables of `cvss_lanes`, which also do not mind the order of a vector's fields. What those do not take goes to the `cvss`
library, which says what is wrong. `assess_columns` is the same over whole columns.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from cvss import CVSS2, CVSS3, CVSS4
from cvss.exceptions import CVSSError

from suture.errors import BadInputError
from suture.model import Criticality
from suture.risk.cvss_lanes import NOT_DEFINED, scores

Requirements = Mapping[str, str]  # CR, IR, AR → L, M, H

# CVSS v3.1 specification 4.1, v4.0 specification 4.1: how much a loss of each would hurt. CVSS has three steps.
REQUIREMENTS: Mapping[Criticality, Requirements] = {
    Criticality.LOW: {"CR": "L", "IR": "L", "AR": "L"},
    Criticality.MEDIUM: {"CR": "M", "IR": "M", "AR": "M"},
    Criticality.HIGH: {"CR": "H", "IR": "H", "AR": "H"},
    Criticality.CRITICAL: {"CR": "H", "IR": "H", "AR": "H"},
}
NO_REQUIREMENTS: Requirements = {}
MAX_VECTOR_LENGTH = 400
_VECTOR = re.compile(r"[A-Za-z0-9:./]+", re.ASCII)
_ENVIRONMENTAL = re.compile(r"(CR|IR|AR|CDP|TD|M(AV|AC|AT|PR|UI|S|C|I|A|VC|VI|VA|SC|SI|SA))", re.ASCII)


class BadVectorError(BadInputError):
    """A text that is no CVSS vector. `vector` is the text, `why` the reason."""

    def __init__(self, vector: str, why: str) -> None:
        super().__init__(f"{vector[:200]!r} is not a CVSS vector: {why}.")
        self.vector = vector
        self.why = why


@dataclass(frozen=True)
class CvssAssessment:
    """What a vector says. severity: None, Low, Medium, High or Critical, of the overall score; 2.0 has no Critical."""

    vector: str
    version: str
    base_score: float
    overall_score: float
    severity: str


def assess(vector: str, requirements: Requirements = NO_REQUIREMENTS) -> CvssAssessment:
    """Score a vector for an asset of these requirements ({}: the vector as it stands). Raises BadVectorError."""
    return _assess(vector, tuple(sorted(requirements.items())) if requirements else ())


@lru_cache(maxsize=65_536)  # vectors repeat, and each kind of asset asks anew
def without_environment(vector: str) -> str:
    """The vector without its environmental metrics. The text is not checked otherwise."""
    return "/".join(part for part in vector.split("/") if not _ENVIRONMENTAL.fullmatch(part.partition(":")[0]))


def cvss_version(vector: str) -> str:
    """2.0, 3.0, 3.1 or 4.0, by the vector's prefix."""
    prefix, _, version = vector.partition("/")[0].partition(":")
    return version if prefix == "CVSS" else "2.0"


@dataclass(frozen=True)
class CvssColumns:
    """One row a vector. base, overall: float64, NaN where there is no score; errors: reason by bad vector.

    version and severity are "" where there is no score. A vector that is None is unscored, and no error.
    """

    version: npt.NDArray[np.object_]
    base: npt.NDArray[np.float64]
    overall: npt.NDArray[np.float64]
    severity: npt.NDArray[np.object_]
    errors: Mapping[str, str]


def assess_columns(
    vectors: Sequence[str | None],
    profiles: Sequence[Requirements] = (NO_REQUIREMENTS,),
    profile_of_row: npt.NDArray[np.integer[Any]] | None = None,
) -> CvssColumns:
    """assess() for each row: its vector, and the requirements profiles[profile_of_row[row]] (None: profiles[0] for all).

    Each distinct pair is scored once, and the rows look their pair up. Bad vectors are reported, and raise nothing.
    """
    import pandas as pd

    codes, distinct = pd.factorize(np.asarray(vectors, dtype=object))
    pair = codes * len(profiles) + (0 if profile_of_row is None else profile_of_row)
    pair = np.where(codes < 0, len(distinct) * len(profiles), pair)  # the last place: no vector
    size = len(distinct) * len(profiles) + 1
    base, overall = np.full(size, np.nan), np.full(size, np.nan)
    version, severity = np.full(size, "", dtype=object), np.full(size, "", dtype=object)
    errors: dict[str, str] = {}
    for place in np.flatnonzero(np.bincount(pair, minlength=size)[:-1]).tolist():
        vector = str(distinct[place // len(profiles)])
        try:
            found = assess(vector, profiles[place % len(profiles)])
        except BadVectorError as error:
            errors[vector] = error.why
            continue
        base[place], overall[place] = found.base_score, found.overall_score
        version[place], severity[place] = found.version, found.severity
    return CvssColumns(version[pair], base[pair], overall[pair], severity[pair], errors)


@lru_cache(maxsize=100_000)
def _assess(vector: str, requirements: tuple[tuple[str, str], ...]) -> CvssAssessment:
    if len(vector) > MAX_VECTOR_LENGTH:
        raise BadVectorError(vector, f"it has more than {MAX_VECTOR_LENGTH} characters")
    if not _VECTOR.fullmatch(vector):
        raise BadVectorError(vector, "it is empty" if not vector else "it has characters that no vector has")
    found = scores(vector, requirements)
    if found is None:
        return _by_library(vector, requirements)
    return CvssAssessment(
        vector, found.version, found.base / 10, found.overall / 10, _severity(found.version, found.overall)
    )


def _severity(version: str, tenths: int) -> str:
    """FIRST's words; NVD's for 2.0, which has no "None" and no "Critical"."""
    if version == "2.0":
        return "Low" if tenths < 40 else "Medium" if tenths < 70 else "High"
    if tenths == 0:
        return "None"
    return "Low" if tenths < 40 else "Medium" if tenths < 70 else "High" if tenths < 90 else "Critical"


def _by_library(vector: str, requirements: tuple[tuple[str, str], ...]) -> CvssAssessment:
    """What the library says of a vector that the lanes do not take: as a rule, why it is none."""
    version = cvss_version(vector)
    if version == "4.0":
        base, overall, severity = _assess_4(vector, requirements)
    elif version in ("3.0", "3.1"):
        base, overall, severity = _assess_3(vector, requirements)
    elif version == "2.0":
        base, overall, severity = _assess_2(vector, requirements)
    else:
        raise BadVectorError(vector, f"there is no CVSS version {version!r}")
    return CvssAssessment(vector, version, base, overall, severity)


def _assess_4(vector: str, requirements: tuple[tuple[str, str], ...]) -> tuple[float, float, str]:
    try:
        full = CVSS4(_filled(vector, requirements))
        bare = CVSS4(_base_only(vector, _BASE_4))
    except CVSSError as error:
        raise BadVectorError(vector, _reason(error)) from error
    return float(bare.base_score), float(full.base_score), str(full.severity)


def _assess_3(vector: str, requirements: tuple[tuple[str, str], ...]) -> tuple[float, float, str]:
    try:
        full = CVSS3(_filled(vector, requirements))
    except CVSSError as error:
        raise BadVectorError(vector, _reason(error)) from error
    return float(full.base_score), float(full.environmental_score), str(full.severities()[2])


def _assess_2(vector: str, requirements: tuple[tuple[str, str], ...]) -> tuple[float, float, str]:
    try:
        full = CVSS2(_filled(vector, requirements))
    except CVSSError as error:
        raise BadVectorError(vector, _reason(error)) from error
    # The library leaves out a group none of whose metrics is given: then the narrower score is the overall one.
    scores = [score for score in full.scores() if score is not None]
    overall = scores[-1] + 0.0
    # NVD's scale for 2.0 has no "None" and no "Critical".
    severity = "Low" if overall < 4 else "Medium" if overall < 7 else "High"
    return scores[0] + 0.0, overall, severity  # + 0.0 turns the -0.0 of an empty impact into 0.0


_BASE_4 = frozenset({"CVSS", "AV", "AC", "AT", "PR", "UI", "VC", "VI", "VA", "SC", "SI", "SA"})


def _base_only(vector: str, base: frozenset[str]) -> str:
    return "/".join(part for part in vector.split("/") if part.partition(":")[0] in base)


def _filled(vector: str, requirements: tuple[tuple[str, str], ...]) -> str:
    if not requirements:
        return vector
    parts = vector.split("/")
    stated = {part.partition(":")[0]: part.partition(":")[2] for part in parts}
    missing = {name: level for name, level in requirements if stated.get(name, "X") in NOT_DEFINED}
    kept = [part for part in parts if part.partition(":")[0] not in missing]
    return "/".join([*kept, *(f"{name}:{level}" for name, level in missing.items())])


def _reason(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
