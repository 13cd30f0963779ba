"""`suture window next`, as a script sees it."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime, timedelta

import pytest

from suture.command.moments import parse_moment, parse_span
from suture.command.verbs import window
from suture.errors import BadInputError
from suture.settings import PROJECT_ROOT


@pytest.fixture(autouse=True)
def own_policies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUTURE_POLICY_DIR", str(PROJECT_ROOT / "include" / "policy"))


def run(*argv: str) -> int:
    parser = argparse.ArgumentParser()
    window.register(parser.add_subparsers())
    args = parser.parse_args(["window", "next", *argv])
    status: int = args.handler(args)
    return status


def test_shows_local_time_and_utc(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--window", "nightly", "--at", "2026-03-28T12:00Z", "--count", "2") == 0
    out = capsys.readouterr().out
    assert "Sun 2026-03-29 01:00 CET to Sun 05:00 CEST   2026-03-29 00:00 to 03-29 03:00 UTC   3 h 00 min" in out
    assert out.count("UTC") == 2


def test_json_of_a_group_with_needed_time(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--group", "web", "--at", "2026-05-01T12:00Z", "--needed", "2h30m", "--json") == 0
    (answer,) = json.loads(capsys.readouterr().out)
    assert answer["window"] == "nightly"
    assert answer["openings"][0]["start"] == "2026-05-01T23:00:00+00:00"
    assert answer["openings"][0]["local_start"] == "2026-05-02T01:00:00+02:00"
    assert answer["open_now"] is False


def test_refusal_is_status_one_and_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--window", "nightly", "--at", "2026-05-01T12:00Z", "--needed", "4h") == 1
    assert "1 h 00 min too little" in capsys.readouterr().out


@pytest.mark.parametrize(
    "argv", [["--window", "x"], ["--at", "2026-05-01T12:00"], ["--needed", "soon"], ["--count", "0"]]
)
def test_bad_input_is_status_two(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*argv) == 2
    assert "suture window:" in capsys.readouterr().err


@pytest.mark.parametrize("at", ["9999-12-30T00:00Z", "0001-01-01T00:00Z"])
def test_a_moment_that_no_calendar_reaches_is_refused_by_name(at: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--at", at) == 2
    assert f"{at!r} lies outside of the years 1970 to 9000." in capsys.readouterr().err


def test_what_a_day_alone_should_be_can_be_used_as_it_is_told() -> None:
    with pytest.raises(BadInputError, match="write 2026-12-31T00:00Z for UTC"):
        parse_moment("2026-12-31")
    assert parse_moment("2026-12-31T00:00Z") == datetime(2026, 12, 31, tzinfo=UTC)


def test_spans() -> None:
    assert parse_span("1h30m") == timedelta(minutes=90)
    assert parse_span("45min") == timedelta(minutes=45)
    for bad in ("", "1", "h", "1h x", "0s", "-1h", "9" * 20 + "d", "9" * 5000 + "s"):
        with pytest.raises(BadInputError):
            parse_span(bad)
