"""The verbs that look: campaign, evidence, report. Their exit status is what scripts go by."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from suture.command.main import main
from suture.settings import Settings
from suture.store import Store
from tests.unit.campaign.campaigns import add_campaign
from tests.unit.compliance import scene


@pytest.fixture(autouse=True)
def installation(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUTURE_HOME", str(settings.home))
    monkeypatch.setenv("SUTURE_WAREHOUSE_URL", settings.require_warehouse())
    for name in ("SUTURE_STORE_URL", "SUTURE_POLICY_DIR", "SUTURE_INVENTORY"):
        monkeypatch.delenv(name, raising=False)


def _json(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> Any:
    assert main([*arguments, "--json"]) == status
    return json.loads(capsys.readouterr().out)


def test_campaign_list_says_state_reason_and_next_step(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["campaign", "list"]) == 0
    assert capsys.readouterr().out == "No campaign.\n"
    scene.rolled_back(store)
    assert main(["campaign", "list"]) == 0
    out = capsys.readouterr().out
    assert "SUT-2026-0001" in out
    assert "post-mortem" in out
    assert [row["state"] for row in _json(capsys, "campaign", "list", "--state", "rolled_back")] == ["rolled_back"]
    assert _json(capsys, "campaign", "list", "--state", "closed") == []
    assert main(["campaign", "list", "--state", "nonsense"]) == 2


def test_campaign_show_tells_the_whole_way(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    campaign_id = scene.rolled_back(store)
    assert main(["campaign", "show", campaign_id]) == 0
    out = capsys.readouterr().out
    for words in ("first seat: approve by vera", "canary: fail: app1 had 57", "From halted to rolling back", "INC-1"):
        assert words in out
    view = _json(capsys, "campaign", "show", campaign_id)
    assert view["next"]["next_step"]
    assert main(["campaign", "show", "SUT-0"]) == 1


def test_text_from_outside_cannot_write_to_the_terminal(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    campaign_id = add_campaign(store)
    store._connection.execute("UPDATE campaign SET title = %s", ("\x1b[2Jgone\u202e",))
    for arguments in (["campaign", "list"], ["campaign", "show", campaign_id]):
        assert main(arguments) == 0
        out = capsys.readouterr().out
        assert "\x1b" not in out
        assert "\u202e" not in out
        assert "\\u001b[2Jgone\\u202e" in out


def test_evidence_verify_is_one_when_something_was_altered(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    campaign_id = scene.verified(store)
    assert main(["evidence", "verify"]) == 0
    assert "No anchor yet" in capsys.readouterr().out
    assert main(["report", campaign_id]) == 0
    capsys.readouterr()
    found = _json(capsys, "evidence", "verify")
    assert (found["whole"], found["anchors"], found["anchor"]["seq"]) == (True, 1, found["head_seq"])
    store._connection.execute("ALTER TABLE evidence DISABLE TRIGGER USER")
    store._connection.execute("DELETE FROM evidence WHERE seq = (SELECT max(seq) FROM evidence)")
    found = _json(capsys, "evidence", "verify", status=1)
    assert [fault["kind"] for fault in found["faults"]] == ["tail_cut"]
    store._connection.execute("UPDATE evidence SET actor = 'x' WHERE seq = 2")
    assert main(["evidence", "verify"]) == 1
    out = capsys.readouterr().out
    assert "record 2  edited" in out
    assert "ALTERED" in out


def test_a_forged_anchor_is_named(store: Store, settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", scene.verified(store)]) == 0
    file = settings.home / "store" / "anchors" / "evidence.jsonl"
    file.write_text(file.read_text().replace('"seq": ', '"seq": 1'))
    capsys.readouterr()
    assert "line 1" in _json(capsys, "evidence", "verify", status=1)["anchor_fault"]


def test_evidence_list_is_in_sentences(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    campaign_id = scene.verified(store)
    assert main(["evidence", "list", "--campaign", campaign_id, "--last", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert "From rolling out to verified: All verified." in lines[-1]
    assert main(["evidence", "list", "--last", "0"]) == 2


def test_report_is_kept_or_only_drawn(store: Store, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    campaign_id = scene.verified(store)
    assert main(["report", campaign_id, "--format", "csv"]) == 0
    assert capsys.readouterr().out.startswith("campaign_id,host_id")
    for suffix in ("html", "csv", "json"):
        assert main(["report", campaign_id, "--output", str(tmp_path / f"r.{suffix}")]) == 0
    assert store.fetch_all("report/list_reports", {"campaign_id": None}) == []
    capsys.readouterr()
    written = _json(capsys, "report", campaign_id)
    assert set(written["files"]) == {"html", "csv", "json"}
    assert main(["report", "--all"]) == 0
    assert len(store.fetch_all("report/list_reports", {"campaign_id": None})) == 6


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ([], 2),
        (["SUT-1", "--all"], 2),
        (["SUT-0"], 1),
        (["--all", "--output", "x.pdf"], 2),
    ],
)
def test_misuse_of_report_is_named(arguments: list[str], status: int) -> None:
    assert main(["report", *arguments]) == status
