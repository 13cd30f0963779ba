"""`suture judge`, as a script sees it: a file of counts, and a Prometheus on loopback."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import pytest

from suture.command.verbs import judge
from suture.settings import PROJECT_ROOT

from ..telemetry.conftest import FakePrometheus, prometheus_api

__all__ = ["prometheus_api"]


@pytest.fixture(autouse=True)
def own_policies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUTURE_POLICY_DIR", str(PROJECT_ROOT / "include" / "policy"))


def run(*argv: str) -> int:
    parser = argparse.ArgumentParser()
    judge.register(parser.add_subparsers())
    args = parser.parse_args(["judge", *argv])
    status: int = args.handler(args)
    return status


def counts(path: Path, canary: tuple[int, int], control: tuple[int, int], seconds: int = 60) -> str:
    data = {
        "canary": {"app1": {"requests": canary[0], "bad": canary[1]}},
        "control": {
            "app2": {"requests": control[0] // 2, "bad": control[1]},
            "app3": {"requests": control[0] // 2, "bad": 0},
        },
        "seconds": seconds,
    }
    path.write_text(json.dumps(data))
    return str(path)


@pytest.mark.parametrize(
    ("canary", "control", "status", "word"),
    [
        ((800, 0), (1600, 1), 0, "PASS"),
        ((800, 34), (1600, 3), 1, "FAIL"),
        ((80, 0), (400, 0), 1, "INCONCLUSIVE"),
        ((0, 0), (0, 0), 1, "INCONCLUSIVE"),
    ],
)
def test_counts_from_a_file(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    canary: tuple[int, int],
    control: tuple[int, int],
    status: int,
    word: str,
) -> None:
    assert run("--file", counts(tmp_path / "c.json", canary, control)) == status
    assert capsys.readouterr().out.startswith(word)


def test_steps_from_a_file_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    step = json.loads(Path(counts(tmp_path / "c.json", (100, 0), (200, 0), 10)).read_text())
    (tmp_path / "s.json").write_text(json.dumps({"steps": [step] * 6}))
    assert run("--file", str(tmp_path / "s.json"), "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["verdict"] == "pass"
    assert found["measures"]["compared"]["errors"]["by_host"]["app1"] == {"requests": 600, "bad": 0}


@pytest.mark.parametrize(
    "text",
    ["[]", "{", '{"canary": {}, "control": {}, "seconds": 1}', '{"canary": {"a": 3}, "control": {}, "seconds": 1}',
     '{"canary": {"a": {"requests": 1.5, "bad": 0}}, "control": {}, "seconds": 1}',
     '{"canary": {"a": {"requests": 1, "bad": 2}}, "control": {}, "seconds": 1}'],
)  # fmt: skip
def test_bad_files_are_status_two(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    (tmp_path / "c.json").write_text(text)
    assert run("--file", str(tmp_path / "c.json")) == 2
    assert "suture judge:" in capsys.readouterr().err


def series(now: float, per_second: dict[str, float]) -> list[dict[str, Any]]:
    return [
        {"metric": {"server": host}, "values": [[now + s, str(round(rate * s))] for s in range(-120, 1, 2)]}
        for host, rate in per_second.items()
    ]


def test_prometheus(prometheus_api: FakePrometheus, capsys: pytest.CaptureFixture[str]) -> None:
    from suture.rollout.judge_rules import JudgePolicy

    rules = JudgePolicy.load(PROJECT_ROOT / "include" / "policy").for_service("portal")
    now = time.time()
    hosts = ("app1", "app2", "app3")
    prometheus_api.says(rules.measures[0].requests, series(now, dict.fromkeys(hosts, 12.0)))
    prometheus_api.says(rules.measures[0].bad, series(now, dict.fromkeys(hosts, 0.0)))
    still = [{"metric": {"server": host}, "values": [[now, "1"]]} for host in hosts]
    prometheus_api.says(str(rules.healthy), still)
    assert rules.latency is not None
    quick = [{"metric": {"server": host}, "values": [[now, "0.02"]]} for host in hosts]
    prometheus_api.says(rules.latency.mean_seconds, quick)
    asked = ("--prometheus", prometheus_api.url, "--canary", "app1", "--control", "app2,app3", "--for", "1s")
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now - 120))
    assert run(*asked, "--since", since, "--json") == 0
    assert json.loads(capsys.readouterr().out)["measures"]["compared"]["errors"]["requests"]["requests"] == 1440
    prometheus_api.says(rules.measures[0].bad, series(now, {"app1": 0.6, "app2": 0, "app3": 0}))
    assert run(*asked, "--since", since) == 1
    assert capsys.readouterr().out.startswith("FAIL  errors: app1 had 72 bad of 1440 requests (5.00 %)")


def test_no_prometheus_is_inconclusive(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("--prometheus", "http://127.0.0.1:9", "--canary", "app1", "--control", "app2", "--for", "1s")
    assert run(*asked) == 1
    assert "INCONCLUSIVE" in (out := capsys.readouterr().out)
    assert "cannot be reached" in out


@pytest.mark.parametrize("argv", [["--control", "a"], ["--canary", "a"], ["--canary", "a", "--control", "a"],
                                  ["--canary", "a", "--control", "b", "--service", "nobody"]])  # fmt: skip
def test_misuse_is_status_two(argv: list[str]) -> None:
    assert run(*argv) == 2
