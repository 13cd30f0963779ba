"""CVSS: the library's scores, the asset's requirements, and the edges."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from suture.command.verbs import cvss as cvss_verb
from suture.model import Criticality
from suture.risk.cvss_scoring import REQUIREMENTS, BadVectorError, assess, without_environment


# Expected scores: the examples of FIRST's CVSS v3.1 and v4.0 documents and calculators, and of the CVSS v2 guide.
@pytest.mark.parametrize(
    ("vector", "version", "base", "overall", "severity"),
    [
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "3.1", 9.8, 9.8, "Critical"),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H/E:H/RL:T/RC:C", "3.1", 7.5, 7.2, "High"),
        ("CVSS:3.0/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", "3.0", 6.1, 6.1, "Medium"),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", "3.1", 0.0, 0.0, "None"),
        ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:H/SI:H/SA:H", "4.0", 10.0, 10.0, "Critical"),
        ("CVSS:4.0/AV:P/AC:H/AT:P/PR:H/UI:A/VC:H/VI:H/VA:H/SC:H/SI:H/SA:H/E:P", "4.0", 7.3, 5.9, "Medium"),
        ("AV:N/AC:L/Au:N/C:N/I:N/A:C", "2.0", 7.8, 7.8, "High"),
        ("AV:L/AC:H/Au:M/C:N/I:N/A:N", "2.0", 0.0, 0.0, "Low"),
    ],
)
def test_scores(vector: str, version: str, base: float, overall: float, severity: str) -> None:
    found = assess(vector)
    assert (found.version, found.base_score, found.overall_score, found.severity) == (version, base, overall, severity)


def test_criticality_moves_the_overall_score_and_never_the_base() -> None:
    vector = "CVSS:3.1/AV:N/AC:H/PR:N/UI:R/S:U/C:H/I:N/A:N"
    scores = {level: assess(vector, REQUIREMENTS[level]) for level in Criticality}
    assert {found.base_score for found in scores.values()} == {assess(vector).base_score}
    assert scores[Criticality.LOW].overall_score < scores[Criticality.MEDIUM].overall_score
    assert scores[Criticality.MEDIUM].overall_score < scores[Criticality.HIGH].overall_score


def test_a_requirement_that_the_vector_states_stands() -> None:
    vector = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"
    stated = assess(f"{vector}/CR:L", REQUIREMENTS[Criticality.CRITICAL])
    assert stated.overall_score == assess(f"{vector}/CR:L/IR:H/AR:H").overall_score
    undefined = assess(f"{vector}/CR:X", REQUIREMENTS[Criticality.CRITICAL])
    assert undefined.overall_score == assess(f"{vector}/CR:H/IR:H/AR:H").overall_score


def test_a_strangers_environment_is_taken_off() -> None:
    assert without_environment("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:L/E:A/CR:H/MAV:P/MSI:S") == (
        "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:L/E:A"
    )
    assert without_environment("AV:N/AC:L/Au:N/C:N/I:N/A:C/CDP:H/TD:L") == "AV:N/AC:L/Au:N/C:N/I:N/A:C"


@pytest.mark.parametrize(
    "vector",
    ["", "CVSS:3.1", "CVSS:5.0/AV:N",
     "CVSS:3.1/AV:N/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "{{ 7*7 }}", "AV:N" * 200, "x\x00"],
)  # fmt: skip
def test_what_is_no_vector_is_refused(vector: str) -> None:
    with pytest.raises(BadVectorError):
        assess(vector)


def test_batch_prints_a_line_a_vector_and_ends_with_2_for_a_bad_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
    file = tmp_path / "vectors"
    file.write_text(f"{good}\nnonsense\n{good}\n", encoding="utf-8")
    args = argparse.Namespace(vectors=[], batch=str(file), criticality=None, json=False)
    assert cvss_verb.run(args) == 2
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == lines[2] == f"{good}\t3.1\t9.8\t9.8\tCritical"
    assert lines[1].split("\t")[:2] == ["nonsense", "error"]
    args.batch, args.vectors, args.json = None, [good], True
    assert cvss_verb.run(args) == 0
    assert json.loads(capsys.readouterr().out)["base_score"] == 9.8
