"""`suture score`: all tables side by side, every input with source and date, the deadline by each clock."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from suture.command.main import main
from suture.settings import PROJECT_ROOT

CRITICAL = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
POLICY_DIR = PROJECT_ROOT / "include" / "policy"
RECORD = PROJECT_ROOT / "lab" / "feeds" / "cve5" / "CVE-2023-44487.json"  # as fetched from cvelistV5, see its README


def scored(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(["score", "--seen", "2026-02-02T00:00:00+00:00", *arguments, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_everything_from_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    found = scored(
        capsys, "--cve", "CVE-2026-1", "--asset-group", "data", "--vector", CRITICAL, "--technical-impact", "total",
        "--automatable", "yes", "--kev", "2026-01-30", "--kev-due", "2026-02-20", "--epss", "0.9",
        "--released", "2026-01-31T15:00:00Z",
    )  # fmt: skip
    assert [(t["table"], t["outcome"], t["selected"], t["required_tasks"]) for t in found["tables"]] == [
        ("SSVC Deployer 1.0.0", "out_of_cycle", True, []),
        ("CISA BOD 26-04 1.0.0", "3_days_and_forensic_triage", False, ["forensic_triage"]),
    ]
    assert {clock["name"]: clock["deadline"] for clock in found["clocks"]} == {
        "SSVC Deployer 1.0.0: out of cycle": "2026-02-09T00:00:00+00:00",
        "CISA's catalogue (KEV)": "2026-02-20T23:59:59+00:00",
        "PCI DSS 6.3.3 v4.0.1": "2026-02-28T15:00:00+00:00",
    }
    assert (found["deadline"], found["deadline_by"]) == (
        "2026-02-09T00:00:00+00:00",
        "SSVC Deployer 1.0.0: out of cycle",
    )
    assert [i for i in found["inputs"] if not i["source"] or not i["as_of"]] == []
    assert {i["name"] for i in found["inputs"]} >= {
        "exploitation", "automatable", "technical impact", "exposure", "criticality", "publicly exposed", "human impact",
        "cvss", "cvss on this asset", "kev", "epss", "cve record",
    }  # fmt: skip
    assert set(found["policies"]) == {"sla.yaml", "assets.yaml", "ssvc_deployer.yaml", "bod_26_04.yaml"}


def test_a_record_and_what_is_given_beside_it(capsys: pytest.CaptureFixture[str]) -> None:
    found = scored(capsys, "--record", str(RECORD), "--exposure", "open", "--criticality", "high")
    assert found["cves"][0]["cve_id"] == "CVE-2023-44487"
    inputs = {i["name"]: i for i in found["inputs"]}
    assert (inputs["exposure"]["source"], inputs["exposure"]["as_of"]) == ("given", "2026-02-02")
    assert [name for name, i in inputs.items() if not i["as_of"]] == []


@pytest.mark.parametrize("dated", [True, False])
def test_cisas_kev_mark_in_the_record_counts_where_no_catalogue_is_at_hand(
    dated: bool, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    record = json.loads(RECORD.read_text("utf-8"))
    content = {"dateAdded": "2023-10-10"} if dated else {}
    record["containers"].setdefault("adp", []).append(
        {
            "providerMetadata": {"orgId": "134c704f-9b21-4f2e-91b3-4a467353bcc0", "shortName": "CISA-ADP"},
            "metrics": [{"other": {"type": "kev", "content": content}}],
        }
    )
    marked = tmp_path / "marked.json"
    marked.write_text(json.dumps(record), "utf-8")
    since = "2023-10-10" if dated else record["cveMetadata"]["dateUpdated"][:10]

    found = scored(capsys, "--record", str(marked), "--exposure", "open", "--technical-impact", "total")
    (kev,) = [i for i in found["inputs"] if i["name"] == "kev"]
    assert (kev["value"], kev["source"]) == (f"added {since}", "cve record")
    assert "in CISA's catalogue" in found["sentence"]
    assert found["tables"][1]["outcome"] == "3_days_and_forensic_triage"

    unmarked = scored(capsys, "--record", str(RECORD))
    (kev,) = [i for i in unmarked["inputs"] if i["name"] == "kev"]
    assert (kev["value"], kev["source"]) == ("not looked up", "given")  # not "not listed": nobody looked


def test_nothing_known_is_unscored_on_every_table(capsys: pytest.CaptureFixture[str]) -> None:
    found = scored(capsys)
    assert (found["state"], found["score"]) == ("unscored", None)
    assert [t["outcome"] for t in found["tables"]] == ["unscored", "unscored"]
    assert main(["score"]) == 0
    said = capsys.readouterr().out
    assert "\tno score\t" in said.splitlines()[0]
    assert ": unscored (" in said  # the state keeps its word


def test_text_marks_what_decides_and_what_holds(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--vector", CRITICAL, "--kev", "2023-10-10", "--kev-due", "2023-10-31", "--seen", "2026-02-02"]
    assert main(["score", *arguments]) == 0
    text = capsys.readouterr().out
    assert "SSVC Deployer 1.0.0: out_of_cycle (out_of_cycle, within 168 hours); decides" in text
    assert "2026-02-09 00:00  SSVC Deployer 1.0.0: out of cycle: sla.yaml's time for out of cycle; holds" in text
    assert "2023-10-31 23:59  CISA's catalogue (KEV): CVE's due date there; had passed" in text


def test_the_tables_are_shown_and_a_fall_is_status_1(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["score", "--tables", "--json"]) == 0
    tables = json.loads(capsys.readouterr().out)
    assert [(t["key"], len(t["rows"]), t["falls"]) for t in tables] == [
        ("ssvc_deployer", 72, []),
        ("bod_26_04", 16, []),
    ]
    for path in POLICY_DIR.glob("*.yaml"):
        text = path.read_text("utf-8")
        if path.name == "bod_26_04.yaml":
            text = text.replace('["yes", "yes", "yes", total, 3_days_and', '["yes", "yes", "yes", total, 60_days] #')
        (tmp_path / path.name).write_text(text, "utf-8")
    monkeypatch.setenv("SUTURE_POLICY_DIR", str(tmp_path))
    assert main(["score", "--tables"]) == 1
    assert "bod_26_04: no, yes, yes, total gives 3_days, but in kev yes there gives 60_days." in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["--vector", "nonsense"], ["--asset-group", "nowhere"], ["--record", "/nonexistent"], ["--epss", "nan"],
        ["--epss", "1.1"], ["--kev", "yesterday"], ["--released", "2026-02-30"], ["--exploitation", "maybe"],
    ],
)  # fmt: skip
def test_bad_input_is_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    try:
        status = main(["score", *arguments])
    except SystemExit as left:  # argparse
        status = int(left.code or 0)
    assert status == 2
    assert capsys.readouterr().out == ""
