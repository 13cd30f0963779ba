"""`suture capacity plan` and `suture window choose`, as a script sees them: without a database."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from suture.command.main import main
from suture.settings import PROJECT_ROOT

AT = ["--at", "2026-11-26T12:00Z"]


@pytest.fixture(autouse=True)
def own_policies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUTURE_POLICY_DIR", str(PROJECT_ROOT / "include" / "policy"))
    monkeypatch.setenv("SUTURE_HOME", str(tmp_path / "none"))
    monkeypatch.delenv("SUTURE_WAREHOUSE_URL", raising=False)


def capacity(tmp_path: Path, campaigns: Any, *argv: str) -> int:
    (tmp_path / "c.json").write_text(campaigns if isinstance(campaigns, str) else json.dumps(campaigns))
    return main(["capacity", "plan", "--file", str(tmp_path / "c.json"), *AT, *argv])


def test_trains_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    campaigns = [
        {"id": "A", "priority": "immediate", "minutes": 600, "created_at": "2026-11-20T00:00Z"},
        {"id": "B", "priority": "scheduled", "minutes": 500, "created_at": "2026-11-20T00:00Z"},
        {"id": "C", "priority": "scheduled", "packages": 10, "deadline": "2026-12-03T00:00Z"},
    ]
    assert capacity(tmp_path, campaigns, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [train["campaigns"] for train in found["trains"][:2]] == [["A", "C"], ["B"]]
    assert all(train["planned_minutes"] <= train["capacity_minutes"] for train in found["trains"])
    assert found["forecast"]["backlog_campaigns"] == 3
    assert capacity(tmp_path, campaigns) == 0
    assert "the train before is full" in capsys.readouterr().out


def test_who_waits_is_status_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert capacity(tmp_path, [{"id": "huge", "priority": "defer", "minutes": 9999}]) == 1
    assert "Fits no train" in capsys.readouterr().out
    assert capacity(tmp_path, [{"id": "over", "priority": "immediate", "minutes": 9999}]) == 1
    assert "OVER CAPACITY" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("campaigns", "why"),
    [
        ("<html>", "not a JSON file"),
        ({"campaigns": []}, "JSON list"),
        ([{"id": "A", "priority": "urgent"}], "priority is one of"),
        ([{"id": "A", "priority": "defer", "minutes": 0}], "whole number"),
        ([{"id": "A", "priority": "defer", "minutes": True}], "whole number"),
        ([{"id": "A", "priority": "defer", "owner": "x"}], "has the key 'owner'"),
        ([{"id": "a\x1b[31m", "priority": "defer"}], "printable"),
        ([{"id": "A", "priority": "defer"}] * 2, "twice"),
        ([{"id": "A", "priority": "defer", "deadline": "soon"}], "campaign 1, A: deadline: 'soon' is not a moment"),
        ([{"id": "A", "priority": "defer", "deadline": 20261201}], "campaign 1, A: deadline: '20261201' has no time zone"),
        ([{"id": "A", "priority": "defer", "deadline": ["2026-12-01T00:00Z"]}], "A: deadline"),
        ([{"id": "A", "priority": "defer", "created_at": False}], "campaign 1, A: created_at: 'False' is not a moment"),
    ],
)
def test_a_bad_file_is_status_two(
    tmp_path: Path, campaigns: Any, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert capacity(tmp_path, campaigns) == 2
    assert why in capsys.readouterr().err


def choose(*argv: str) -> int:
    return main(["window", "choose", *argv, *AT])


def test_window_choose_shows_the_arithmetic(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ("--window", "nightly", "--needed", "2h", "--epss", "0.3", "--hosts", "3")
    assert choose(*argv, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["chosen"]["start"] == "2026-11-27T00:00:00+00:00"
    assert found["windows"][0]["downtime_cost"] == 3 * 4 * 2
    assert found["arithmetic"]["hazard_per_day"] == pytest.approx(0.011819, abs=1e-6)
    assert choose(*argv) == 0
    assert "letting it pass would bring the cost of waiting to" in capsys.readouterr().out


def test_window_choose_refuses_with_the_arithmetic(capsys: pytest.CaptureFixture[str]) -> None:
    assert choose("--window", "nightly", "--needed", "4h") == 1
    assert "1 h 00 min too little" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        ((), "Name a campaign"),
        (("SUT-2026-0001", "--window", "nightly"), "Name a campaign"),
        (("--window", "nightly"), "needs --needed"),
        (("--window", "never", "--needed", "1h"), "no maintenance window 'never'"),
        (("--window", "nightly", "--needed", "1h", "--epss", "30"), "from 0 to 1"),
        (("--window", "nightly", "--needed", "1h", "--epss", "nan"), "from 0 to 1"),
        (("--window", "nightly", "--needed", "1h", "--hosts", "0"), "--hosts"),
        (("SUT-2026-0001",), "No warehouse is known"),
    ],
)
def test_window_choose_bad_input(argv: tuple[str, ...], why: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert choose(*argv) == 2
    assert why in capsys.readouterr().err


def test_one_bad_window_is_closed_and_the_others_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SUTURE_POLICY_DIR", str(tmp_path))
    opening = {"first": "2026-01-01T01:00", "rule": "FREQ=DAILY", "duration": "PT3H"}
    windows = [{"name": "good", "time_zone": "UTC", "openings": [opening]},
               {"name": "bad", "time_zone": "Mars/Base", "openings": [opening]}]  # fmt: skip
    (tmp_path / "windows.yaml").write_text(json.dumps({"windows": windows}))
    assert main(["window", "next", *AT]) == 2
    out = capsys.readouterr().out
    assert "Fri 2026-11-27 01:00" in out
    assert "CLOSED  windows.yaml, window 'bad'" in out
    assert main(["window", "next", "--window", "good", *AT]) == 0
