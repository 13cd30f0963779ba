"""`suture strategy simulate`, as a script sees it: files in, a comparison out, without a database."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from suture.command.main import main
from suture.settings import PROJECT_ROOT

LIST = """\
[20 Jan 2020] DSA-3-1 curl - security update
\t{CVE-2020-0003}
[13 Jan 2020] DSA-2-2 nginx - regression update
\t[buster] - nginx 1.14.2-2+deb10u3
[10 Jan 2020] DSA-2-1 nginx - security update
\t{CVE-2020-0002}
\t[buster] - nginx 1.14.2-2+deb10u2
not an entry
"""


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("SUTURE_POLICY_DIR", str(PROJECT_ROOT / "include" / "policy"))
    monkeypatch.setenv("SUTURE_HOME", str(tmp_path / "none"))
    monkeypatch.delenv("SUTURE_WAREHOUSE_URL", raising=False)
    path = tmp_path / "list"
    path.write_text(LIST)
    return str(path)


def test_text_names_the_recommendation_and_what_was_left_out(history: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["strategy", "simulate", "--history", history]) == 0
    out = capsys.readouterr().out
    assert "would have been cheapest" in out
    assert "1 of 2 advisories (50.00%" in out
    assert "1 line left out, the first: list:8:" in out


def test_json_with_packages_kev_and_chart(history: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "packages").write_text("nginx  # the web\n\ncurl\n")
    (tmp_path / "kev.json").write_text(
        json.dumps({"vulnerabilities": [{"cveID": "CVE-2020-0003", "dateAdded": "2020-01-22"}]})
    )
    argv = ["--packages", str(tmp_path / "packages"), "--kev", str(tmp_path / "kev.json"), "--hosts", "3"]
    assert main(["strategy", "simulate", "--history", history, *argv, "--svg", str(tmp_path / "c.svg"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    weekly = next(one for one in found["outcomes"] if one["strategy"] == "weekly")
    assert weekly["exposure_days"] == 3 * 6 + 3 * 2
    assert weekly["exploited_exposure_days"] == 3 * 2
    assert found["regressions_by_year"] == {"2020": [2, 1]}
    assert (tmp_path / "c.svg").read_text().startswith("<svg")
    assert main(["strategy", "simulate", "--history", history, "--codename", "buster", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["packages"] == 1


def test_epss_brings_a_fix_forward_and_must_be_a_probability(
    history: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scores = tmp_path / "epss.csv"
    argv = ["strategy", "simulate", "--history", history, "--epss", str(scores), "--json"]
    scores.write_text("#model_version:v2025.03.14,score_date:2026-05-01\ncve,epss,percentile\nCVE-2020-0002,0.4,0.9\n")
    assert main(argv) == 0
    outcomes = {one["strategy"]: one for one in json.loads(capsys.readouterr().out)["outcomes"]}
    assert outcomes["monthly_and_triggers"]["exposure_days"] < outcomes["monthly"]["exposure_days"]
    for bad, why in (("cve,epss\nCVE-2020-0002,7\n", "not from 0 to 1"), ("cve,epss\n", "no score")):
        scores.write_text(bad)
        assert main(argv) == 2
        assert why in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        (["--since", "last week"], "not a day"),
        (["--hosts", "0"], "--hosts"),
        (["--packages", "/nowhere"], "cannot be read"),
        (["--codename", "trixie"], "No advisory of this history"),
        (["--group", "web"], "No warehouse is known"),
        (["--kev", __file__], "not CISA's catalogue"),
        (["--epss", __file__], "not an EPSS list"),
    ],
)
def test_bad_input_is_status_two_with_a_sentence(
    history: str, argv: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["strategy", "simulate", "--history", history, *argv]) == 2
    assert why in capsys.readouterr().err
