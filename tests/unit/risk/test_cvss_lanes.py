"""The lanes give the library's scores, whatever the order of the fields, and take nothing that the library refuses."""

from __future__ import annotations

import ast
import itertools
import os
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from cvss import CVSS2, CVSS3, CVSS4, constants2, constants3, constants4
from cvss.exceptions import CVSSError
from hypothesis import given
from hypothesis import strategies as st

from suture.model import Criticality
from suture.risk import cvss_scoring
from suture.risk.cvss_lanes import scores
from suture.risk.cvss_macro import MacroScores
from suture.risk.cvss_scoring import NO_REQUIREMENTS, REQUIREMENTS, BadVectorError, assess, assess_columns

# A folder with the `cvss` library's own vector files (vectors_*, each line "vector - scores"), of its source, not of the wheel.
DATA = Path(os.environ.get("SUTURE_CVSS_VECTORS", "/nonexistent"))
GRAMMAR: Mapping[str, tuple[Mapping[str, Sequence[str]], Sequence[str]]] = {
    "": (constants2.METRICS_VALUES, constants2.METRICS_MANDATORY),
    "CVSS:3.0/": (constants3.METRICS_VALUES, constants3.METRICS_MANDATORY),
    "CVSS:3.1/": (constants3.METRICS_VALUES, constants3.METRICS_MANDATORY),
    "CVSS:4.0/": (constants4.METRICS_VALUE_NAMES, constants4.METRICS_MANDATORY),
}


def by_library(vector: str) -> tuple[float, float]:
    """Base (4.0: of the base metrics alone) and overall score, straight from the library."""
    if vector.startswith("CVSS:4.0/"):
        names = set(constants4.METRICS_MANDATORY) | {"CVSS"}
        bare = "/".join(field for field in vector.split("/") if field.partition(":")[0] in names)
        return CVSS4(bare).base_score, CVSS4(vector).base_score
    if vector.startswith("CVSS:3"):
        found = CVSS3(vector).scores()
        return found[0], found[2]
    two = [score for score in CVSS2(vector).scores() if score is not None]
    return two[0] + 0.0, two[-1] + 0.0


def all_base(prefix: str) -> Iterator[str]:
    values, names = GRAMMAR[prefix]
    for words in itertools.product(*(values[name] for name in names)):
        yield prefix + "/".join(f"{name}:{word}" for name, word in zip(names, words, strict=True))


def drawn(rng: random.Random, prefix: str, share: float) -> str:
    values, mandatory = GRAMMAR[prefix]
    fields = [f"{n}:{rng.choice(list(w))}" for n, w in values.items() if n in mandatory or rng.random() < share]
    rng.shuffle(fields)
    return prefix + "/".join(fields)


def own(vector: str) -> tuple[float, float]:
    found = assess(vector)
    return found.base_score, found.overall_score


def metrics(fields: str) -> dict[str, str]:
    pairs = (field.partition(":") for field in fields.split("/"))
    return {name: word for name, _, word in pairs}


@pytest.mark.parametrize(("prefix", "count"), [("", 729), ("CVSS:3.0/", 2592), ("CVSS:3.1/", 2592)])
def test_every_base_vector(prefix: str, count: int) -> None:
    vectors = list(all_base(prefix))
    assert len(vectors) == count
    assert [vector for vector in vectors if own(vector) != by_library(vector)] == []


@pytest.mark.parametrize(("prefix", "count"), [("", 400), ("CVSS:3.0/", 800), ("CVSS:3.1/", 1500), ("CVSS:4.0/", 1500)])
@pytest.mark.parametrize("share", [0.15, 0.6, 1.0])
def test_a_sample_with_every_metric_in_any_order(prefix: str, count: int, share: float) -> None:
    rng = random.Random(f"{prefix}{share}")
    vectors = [drawn(rng, prefix, share) for _ in range(count)]
    assert [vector for vector in vectors if own(vector) != by_library(vector)] == []


def test_every_state_of_the_parts_of_4_0() -> None:
    """Each part's states with the other parts at their worst and at their mildest: a wrong level or distance shows."""
    values = {
        **constants4.METRICS_VALUE_NAMES,
        "MSI": "SHLN",
        "MSA": "SHLN",
        "CR": "HML",
        "IR": "HML",
        "AR": "HML",
        "E": "APU",
    }
    parts = [("AV", "PR", "UI"), ("AC", "AT"), ("VC", "VI", "VA", "CR", "IR", "AR"), ("MSC", "MSI", "MSA"), ("E",)]
    worst = metrics("AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:H/SI:H/SA:H")
    mild = metrics("AV:P/AC:H/AT:P/PR:H/UI:A/VC:N/VI:N/VA:L/SC:N/SI:N/SA:N/E:U/CR:L/IR:L")
    seen, wrong = 0, []
    for part in parts:
        for words in itertools.product(*([w for w in values[name] if w != "X"] for name in part)):
            for rest in (worst, mild):
                fields = {**rest, **dict(zip(part, words, strict=True))}
                vector = "CVSS:4.0/" + "/".join(f"{name}:{word}" for name, word in fields.items())
                seen += 1
                if own(vector) != by_library(vector):
                    wrong.append(vector)
    assert (seen, wrong) == (2 * (36 + 4 + 729 + 48 + 3), [])
    assert set(MacroScores.VALUES) == set(constants4.METRICS_VALUE_NAMES)


@given(st.sampled_from(sorted(GRAMMAR)), st.randoms(use_true_random=False), st.data())
def test_the_order_of_the_fields_changes_nothing(prefix: str, rng: random.Random, data: st.DataObject) -> None:
    vector = drawn(rng, prefix, 0.5)
    fields = vector.removeprefix(prefix).split("/")
    other = prefix + "/".join(data.draw(st.permutations(fields)))
    for requirements in (NO_REQUIREMENTS, *REQUIREMENTS.values()):
        assert own(other) == own(vector)
        assert assess(other, requirements).overall_score == assess(vector, requirements).overall_score


@given(st.sampled_from(sorted(GRAMMAR)), st.randoms(use_true_random=False), st.data())
def test_a_broken_vector_is_refused_where_the_library_refuses_it(
    prefix: str, rng: random.Random, data: st.DataObject
) -> None:
    """One field dropped, doubled, mistyped, or a piece of text put anywhere: same scores, or refused by both."""
    vector = drawn(rng, prefix, 0.4)
    fields = vector.split("/")
    place = data.draw(st.integers(0, len(fields) - 1))
    noise = data.draw(
        st.sampled_from(["", "/", ":", "X", "AV:N", "CR:H", "S:C", "av:n", "AV:", "AV:N:N", "CVSS:3.1", "E:X"])
    )
    broken = data.draw(
        st.sampled_from(
            [
                "/".join(fields[:place] + fields[place + 1 :]),
                "/".join([*fields[:place], noise, *fields[place:]]),
                "/".join([*fields, fields[place]]),
                vector[: len(vector) // 2] + noise + vector[len(vector) // 2 :],
            ]
        )
    )
    try:
        expected: tuple[float, float] | None = by_library(broken)
    except CVSSError:
        expected = None
    try:
        found: tuple[float, float] | None = own(broken)
    except BadVectorError:
        found = None
    assert found == expected


def test_requirements_fill_what_the_vector_leaves_open() -> None:
    rng = random.Random(7)
    for prefix in GRAMMAR:
        vectors = (drawn(rng, prefix, 0.3) for _ in range(150))
        for vector, (level, needs) in zip(vectors, itertools.cycle(REQUIREMENTS.items()), strict=False):
            stated = {field.partition(":")[0]: field.partition(":")[2] for field in vector.split("/")}
            kept = [
                f
                for f in vector.split("/")
                if f.partition(":")[0] not in needs or f.partition(":")[2] not in ("X", "ND")
            ]
            filled = "/".join(kept + [f"{n}:{v}" for n, v in needs.items() if stated.get(n, "X") in ("X", "ND")])
            assert assess(vector, needs).overall_score == by_library(filled)[1], (vector, level)
            assert assess(vector, needs).base_score == by_library(vector)[0]


def test_columns_are_the_rows_one_by_one() -> None:
    rng = random.Random(3)
    vectors: list[str | None] = [drawn(rng, prefix, 0.3) for prefix in GRAMMAR for _ in range(40)]
    vectors = [*vectors * 3, None, "nonsense", "", *vectors]
    profiles = [NO_REQUIREMENTS, *(REQUIREMENTS[level] for level in Criticality)]
    rows = np.array([rng.randrange(len(profiles)) for _ in vectors])
    found = assess_columns(vectors, profiles, rows)
    assert set(found.errors) == {"nonsense", ""}
    for number, vector in enumerate(vectors):
        if vector in (None, "nonsense", ""):
            assert np.isnan(found.base[number])
            assert np.isnan(found.overall[number])
            assert (found.version[number], found.severity[number]) == ("", "")
            continue
        assert vector is not None
        one = assess(vector, profiles[rows[number]])
        row = (found.version[number], found.base[number], found.overall[number], found.severity[number])
        assert row == (one.version, one.base_score, one.overall_score, one.severity)
    assert len(assess_columns([]).base) == 0


def test_the_lanes_are_what_scores_and_the_library_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Good vectors never take the slow way: otherwise the comparison above would compare the library with itself."""

    def fail(*_args: object) -> None:
        raise AssertionError("the slow way was taken")

    monkeypatch.setattr(cvss_scoring, "_by_library", fail)
    rng = random.Random(5)
    for prefix in GRAMMAR:
        for _ in range(50):
            vector = drawn(rng, prefix, 0.5)
            assert scores(vector, ()) is not None
            cvss_scoring._assess.__wrapped__(vector, ())


@pytest.mark.skipif(
    not DATA.is_dir(), reason="needs SUTURE_CVSS_VECTORS: the folder of the cvss library's own vector files"
)
def test_the_librarys_vector_files() -> None:
    checked = 0
    for line in "".join(path.read_text("utf-8") for path in sorted(DATA.glob("vectors_*"))).splitlines():
        vector, _, text = line.partition(" - ")
        told = ast.literal_eval(text)
        expected = [score + 0.0 for score in (told if isinstance(told, tuple) else (told,)) if score is not None]
        found = assess(vector)
        assert found.overall_score == expected[-1], line
        if found.version != "4.0":  # 4.0's files give the score with all metrics only
            assert found.base_score == expected[0], line
        checked += 1
    assert checked >= 7_000
