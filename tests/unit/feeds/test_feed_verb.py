"""`suture feed load|status` as an operator of a site without a way out uses it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from suture.command.main import main
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
