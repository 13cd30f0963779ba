"""Where sources disagree: found, kept with both claims, ended when they agree; and each row's origin is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from suture.command.main import main
from suture.feeds import (
    ContradictionKind,
    contradiction_counts,
    contradictions,
    load_files,
    provenance,
    refresh_contradictions,
)
from suture.settings import PROJECT_ROOT
from suture.store import Store
from tests.fleet_rows import NOW
from tests.unit.feeds.test_bad_input import sample, source

pytestmark = pytest.mark.database
HTTP2, LOG4J = "CVE-2023-44487", "CVE-2021-44228"


def load(store: Store, name: str, raw: bytes, folder: Path) -> None:
    (folder / name).write_bytes(raw)
    outcome = load_files(store, source(name), [folder / name], now=NOW)
    assert outcome.ok, outcome.sentence


def record(cve: str = HTTP2, **changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(sample("cve5"))
    found["cveMetadata"].update(cveId=cve, **changes)
    return found


def kinds(store: Store, cve: str) -> dict[str, list[str]]:
    return {item.kind.value: [claim.says for claim in item.claims] for item in contradictions(store, cve_id=cve)}


def test_sources_that_agree_contradict_nothing(store: Store, tmp_path: Path) -> None:
    for name in ("cve5", "kev", "epss", "nvd"):
        load(store, name, sample(name), tmp_path)
    assert contradictions(store) == []


def test_each_kind_is_found_and_ends_when_the_sources_agree(store: Store, tmp_path: Path) -> None:
    silent = record(LOG4J)
    adp = silent["containers"]["adp"][0]["metrics"]
    adp[0]["cvssV3_1"] = {"vectorString": "CVSS:3.1/AV:L/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H", "baseScore": 6.2}
    silent["containers"]["cna"]["metrics"][0]["cvssV3_1"]["baseScore"] = 9.9
    adp[1]["other"]["content"]["options"][0] = {"exploitation": "Public PoC"}
    del adp[2]
    marked = record("CVE-2024-10000")
    other_day = record(HTTP2)
    other_day["containers"]["adp"][0]["metrics"][2]["other"] = {"type": "KEV", "content": {"dateAdded": "2023-10-11"}}
    rejected = {**record("CVE-2024-10001", state="rejected"), "containers": {"cna": {"rejectedReasons": []}}}
    for number, document in enumerate((silent, marked, other_day, rejected)):
        load(store, "cve5", json.dumps(document).encode(), tmp_path)
        assert number < 4
    catalogue = json.loads(sample("kev"))
    catalogue["vulnerabilities"].append(
        {**catalogue["vulnerabilities"][0], "cveID": "CVE-2024-10001", "dueDate": "2023-10-09"}
    )
    catalogue["count"] = 3
    load(store, "kev", json.dumps(catalogue).encode(), tmp_path)
    load(store, "epss", sample("epss") + b"CVE-2024-10001,0.5,0.5\n", tmp_path)
    load(store, "nvd", sample("nvd"), tmp_path)
    assert set(kinds(store, LOG4J)) == {
        "score_not_of_vector",
        "scores_differ",
        "kev_not_in_record",
        "kev_but_not_active",
    }
    assert kinds(store, LOG4J)["score_not_of_vector"] == ["7.5 by CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H", "9.9"]
    (differ,) = contradictions(store, kind=ContradictionKind.SCORES_DIFFER)
    assert [claim.source for claim in differ.claims] == ["cna:mitre", "adp:CISA-ADP", "nvd:nvd@nist.gov"]
    assert "the CNA" in differ.sentence.replace("The", "the")
    assert set(kinds(store, "CVE-2024-10000")) == {"record_not_in_kev"}
    assert kinds(store, HTTP2) == {"kev_dates_differ": ["added 2023-10-10", "added 2023-10-11"]}
    assert set(kinds(store, "CVE-2024-10001")) == {
        "kev_due_before_added", "rejected_but_in_kev", "rejected_but_in_epss", "kev_not_in_record",
    }  # fmt: skip
    assert set(contradiction_counts(store)) == set(ContradictionKind)
    assert store.fetch_all("feed/list_kev_ids")[-1]["cve_id"] == "CVE-2024-10001", "kept, and shown as a contradiction"

    before = store._connection.execute("SELECT xmin, kind, cve_id FROM contradiction ORDER BY 2, 3").fetchall()
    refresh_contradictions(store, now=NOW)
    assert store._connection.execute("SELECT xmin, kind, cve_id FROM contradiction ORDER BY 2, 3").fetchall() == before

    load(store, "cve5", json.dumps(record(HTTP2, dateUpdated="2026-01-01T00:00:00Z")).encode(), tmp_path)
    assert kinds(store, HTTP2) == {}
    (ended,) = contradictions(store, cve_id=HTTP2, with_ended=True)
    assert ended.ended_at == NOW


def test_every_row_says_which_copy_it_is_from(store: Store, tmp_path: Path) -> None:
    for name in ("cve5", "kev", "epss"):
        load(store, name, sample(name), tmp_path)
    rows = provenance(store, HTTP2)
    assert {row["stated_in"] for row in rows} == {"cve", "kev", "epss", "cve_score", "cve_ssvc", "cve_product"}
    assert {row["feed"] for row in rows} == {"cve5", "kev", "epss"}
    assert all(len(row["content_sha256"]) == 64 and row["fetched_at"] == NOW for row in rows)
    assert {row["stated_in"] for row in rows if row["record_sha256"]} == {"cve", "kev", "cve_product"}


def test_vectors_that_cannot_be_read_are_noted_and_contradict_nothing(store: Store, tmp_path: Path) -> None:
    odd = record()
    odd["containers"]["cna"]["metrics"] = [{"cvssV3_1": {"vectorString": "'; DROP TABLE cve; --", "baseScore": 5.0}}]
    del odd["containers"]["adp"]
    load(store, "cve5", json.dumps(odd).encode(), tmp_path)
    assert contradictions(store) == []
    (row,) = store._connection.execute("SELECT base_score, error FROM vector_score").fetchall()
    assert "DROP" not in (row["error"] or "")[:3]
    assert row["base_score"] is None


def test_the_verb_shows_both_claims_and_which_holds(
    store: Store,
    warehouse_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SUTURE_WAREHOUSE_URL", warehouse_url)
    monkeypatch.setenv("SUTURE_HOME", str(tmp_path))
    monkeypatch.setenv("SUTURE_POLICY_DIR", str(PROJECT_ROOT / "include" / "policy"))
    assert main(["feed", "contradictions"]) == 0
    assert "No source contradicts another." in capsys.readouterr().out
    catalogue = json.loads(sample("kev"))
    catalogue["vulnerabilities"][0]["dueDate"] = "2023-10-09"
    load(store, "kev", json.dumps(catalogue).encode(), tmp_path)
    assert main(["feed", "contradictions", "--kind", "kev_due_before_added"]) == 1
    shown = capsys.readouterr().out
    assert "kev: added 2023-10-10; kev: due 2023-10-09" in shown
    assert "What holds: The date added" in shown
    assert main(["feed", "contradictions", HTTP2.lower(), "--json"]) == 1
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["kind"], found["ended_at"]) == ("kev_due_before_added", None)
    assert main(["feed", "contradictions", "--kind", "nosuch"]) == 2


def test_status_counts_them_and_says_which_holds(
    store: Store,
    warehouse_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SUTURE_WAREHOUSE_URL", warehouse_url)
    monkeypatch.setenv("SUTURE_HOME", str(tmp_path))
    monkeypatch.setenv("SUTURE_POLICY_DIR", str(PROJECT_ROOT / "include" / "policy"))
    main(["feed", "status"])
    assert "disagree" not in capsys.readouterr().out
    catalogue = json.loads(sample("kev"))
    catalogue["vulnerabilities"][0]["dueDate"] = "2023-10-09"
    load(store, "kev", json.dumps(catalogue).encode(), tmp_path)
    main(["feed", "status"])
    shown = capsys.readouterr().out
    assert "kev_due_before_added: 1. KEV's due date lies before the date added. What holds: The date added starts" in shown
    main(["feed", "status", "--json"])
    (one,) = json.loads(capsys.readouterr().out)["contradictions"]
    assert (one["kind"], one["count"]) == ("kev_due_before_added", 1)
    main(["feed", "status", "kev", "--json"])
    assert "contradictions" not in json.loads(capsys.readouterr().out)
