"""`suture feed load|status` as an operator of a site without a way out uses it."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from suture.command.main import main
from suture.feeds import forks
from suture.settings import PROJECT_ROOT

pytestmark = pytest.mark.database
SNAPSHOT = PROJECT_ROOT / "lab" / "feeds"


@pytest.fixture(autouse=True)
def _warehouse(warehouse_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SUTURE_WAREHOUSE_URL", warehouse_url)
    monkeypatch.setenv("SUTURE_HOME", str(tmp_path))
    monkeypatch.setenv("SUTURE_POLICY_DIR", str(PROJECT_ROOT / "include" / "policy"))


def test_records_are_loaded_from_a_folder_and_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["feed", "load", "cve5", str(SNAPSHOT / "cve5")]) == 0
    assert "cve5: accepted, 62 records." in capsys.readouterr().out
    assert main(["feed", "status", "--json"]) == 1
    feeds = {row["source"]: row for row in json.loads(capsys.readouterr().out)["feeds"]}
    assert (feeds["cve5"]["records"], feeds["cve5"]["stale"]) == (62, False)
    assert (feeds["kev"]["stale"], feeds["kev"]["well_at"]) == (True, None)
    assert feeds["cve5"]["sentence"].startswith("cve5 (from files): 62 records, ")


def test_a_copy_for_a_source_that_is_switched_off_is_shown_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["feed", "load", "openvex", str(Path(__file__).parent / "samples" / "openvex.json")]) == 0
    assert main(["feed", "status", "openvex"]) == 0
    said = capsys.readouterr().out
    assert "openvex: accepted, 1 record." in said
    assert "openvex is switched off by policy; it holds 1 record, well 0 minutes ago." in said



def test_a_refused_copy_ends_with_1_and_a_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # The lab's excerpt has one entry; production policy wants a whole catalogue.
    assert main(["feed", "load", "kev", str(SNAPSHOT / "kev.json")]) == 1
    assert "expected at least 1000" in capsys.readouterr().out
    page = tmp_path / "page.html"
    page.write_text("<!doctype html>", "utf-8")
    assert main(["feed", "load", "epss", str(page)]) == 1
    assert "web page" in capsys.readouterr().out


def test_an_unknown_source_and_a_missing_file_are_misuse(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["feed", "load", "nosuch", "x"]) == 2
    assert "feeds.yaml knows kev" in capsys.readouterr().err
    assert main(["feed", "load", "kev", "/nonexistent"]) == 2
    capsys.readouterr()
    assert main(["feed", "contradictions", "CVE-2024"]) == 2  # a typing error is no answer "none"
    assert "'CVE-2024' is no CVE id" in capsys.readouterr().err
    assert main(["feed", "contradictions", "cve-2024-3094"]) == 0
    assert [main(["feed", "contradictions", "--limit", limit]) for limit in ("0", "9" * 20)] == [2, 2]
    # Here 1 would say that no CVE is known.
    assert [main(["feed", "affected", "--vendor", "acme", "--limit", limit]) for limit in ("0", "9" * 20)] == [2, 2]


EPSS = "#model_version:v2025.03.14,score_date:{day}T00:00:00+0000\ncve,epss,percentile\n"


@pytest.fixture
def lenient(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A policy that takes copies of any size, and a copy of EPSS that is of today."""
    policy = tmp_path / "policy"
    shutil.copytree(PROJECT_ROOT / "include" / "policy", policy)
    feeds = policy / "feeds.yaml"
    found = yaml.safe_load(feeds.read_text("utf-8"))
    for entry in found["sources"]:
        entry["min_records"] = 1
    feeds.write_text(yaml.safe_dump(found), "utf-8")
    monkeypatch.setenv("SUTURE_POLICY_DIR", str(policy))
    epss = tmp_path / "epss.csv"
    day = datetime.now(UTC).date().isoformat()
    epss.write_text(EPSS.format(day=day) + "CVE-2026-84782,0.5,0.9\n", "utf-8")
    return epss


@pytest.mark.parametrize("helping", [True, False])
def test_several_feeds_are_loaded_side_by_side(
    lenient: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, helping: bool
) -> None:
    monkeypatch.setattr(forks.threading, "active_count", lambda: 1)  # other tests may have left one that serves a port
    monkeypatch.setattr(forks, "_helpers", lambda: 2 if helping else 0)
    command = ["feed", "load", "cve5", str(SNAPSHOT / "cve5"), "--with", "epss", str(lenient)]
    command += ["--with", "kev", str(SNAPSHOT / "kev.json")]
    assert main(command) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[:2] == ["cve5: accepted, 62 records.", "epss: accepted, 1 record."]
    assert said[2].startswith("kev: accepted")
    assert main([*command, "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert [(row["source"], row["status"], row["ok"]) for row in again] == [
        (name, "unchanged", True) for name in ("cve5", "epss", "kev")
    ]


@pytest.mark.usefixtures("lenient")
def test_of_several_feeds_one_that_is_refused_keeps_no_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.html"
    page.write_text("<!doctype html>", "utf-8")
    assert main(["feed", "load", "cve5", str(SNAPSHOT / "cve5"), "--with", "epss", str(page)]) == 1
    first, second = capsys.readouterr().out.splitlines()
    assert first == "cve5: accepted, 62 records."
    assert "web page" in second


def test_of_several_feeds_none_is_begun_when_a_file_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["feed", "load", "cve5", str(SNAPSHOT / "cve5"), "--with", "epss", "/nonexistent.csv"]) == 2
    assert "/nonexistent.csv cannot be read" in capsys.readouterr().err
    assert main(["feed", "status", "--json"]) == 1
    feeds = {row["source"]: row for row in json.loads(capsys.readouterr().out)["feeds"]}
    assert feeds["cve5"]["records"] in (None, 0)
