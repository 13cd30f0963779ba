"""`suture urgency list|release`, as an engineer on call sees it: what rose and why, and a person's word that lowers it."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from suture.command.main import main
from suture.risk.urgency import watch_threats
from suture.risk.urgency_policy import UrgencyPolicy
from suture.settings import PROJECT_ROOT
from suture.store import Store
from tests.fleet_rows import NOW
from tests.unit.risk import acceptances as risk

pytestmark = pytest.mark.database
POLICY = UrgencyPolicy.load(PROJECT_ROOT / "include" / "policy")


@pytest.fixture(autouse=True)
def _warehouse(warehouse_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SUTURE_WAREHOUSE_URL", warehouse_url)
    monkeypatch.setenv("SUTURE_HOME", str(tmp_path))
    monkeypatch.setenv("SUTURE_POLICY_DIR", str(PROJECT_ROOT / "include" / "policy"))


@pytest.fixture
def risen(store: Store) -> Store:
    """nginx's CVE went into KEV, expat's became exploited, an hour later."""
    risk.add_fleet(store)
    risk.score(store)
    assert watch_threats(store, POLICY, now=NOW) == []
    risk.add_kev(store, risk.NGINX, NOW.date())
    watch_threats(store, POLICY, now=NOW + timedelta(hours=1))
    risk.say_exploitation(store, risk.EXPAT, "active")
    watch_threats(store, POLICY, now=NOW + timedelta(hours=2))
    return store


def test_nothing_that_rose_is_said_so(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert store is not None
    assert main(["urgency", "list"]) == 0
    assert "Nothing became more urgent" in capsys.readouterr().out
    assert main(["urgency", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


@pytest.mark.usefixtures("risen")
def test_changes_stand_newest_first_with_their_reason_and_reach(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["urgency", "list"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert "exploitation" in first
    assert f"{risk.EXPAT}: exploitation rose from none to active" in first
    assert "3 findings on 3 hosts" in second
    assert f"{risk.NGINX} was added to CISA's catalogue" in second
    assert main(["urgency", "list", "--limit", "1"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1


@pytest.mark.usefixtures("risen")
def test_one_cve_is_picked_in_any_letter_case(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["urgency", "list", "--cve", risk.NGINX.lower(), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["cve_id"], row["kind"], row["findings"], row["hosts"]) == (risk.NGINX, "kev_added", 3, 3)
    assert main(["urgency", "list", "--cve", "CVE-1999-0001"]) == 0
    assert "Nothing became more urgent" in capsys.readouterr().out
    assert main(["urgency", "list", "--cve", "'; DROP TABLE urgency_change; --"]) == 2
    assert "is no CVE id" in capsys.readouterr().err


def test_a_strangers_text_has_no_power_over_the_terminal(risen: Store, capsys: pytest.CaptureFixture[str]) -> None:
    risen._connection.execute(
        "INSERT INTO urgency_change (cve_id, kind, after, source, reason, findings, hosts, asset_groups, detected_at)"
        " VALUES (%s, 'indicator', 'x', 'stix', %s, 1, 1, '{web}', now())",
        (risk.NGINX, "red \x1b[31m\u202etxt"),
    )
    assert main(["urgency", "list"]) == 0
    out = capsys.readouterr().out
    assert "1 finding on 1 host " in out
    assert "\x1b" not in out
    assert "\u202e" not in out


def held(store: Store, cve: str) -> str | None:
    row = store._connection.execute("SELECT kev_added FROM threat_state WHERE cve_id = %s", (cve,)).fetchone()
    return None if row is None or row["kev_added"] is None else str(row["kev_added"])


def test_only_a_reasoned_release_lowers_and_it_is_kept_as_evidence(
    risen: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    risen._connection.execute("DELETE FROM kev")
    watch_threats(risen, POLICY, now=NOW + timedelta(hours=3))
    assert held(risen, risk.NGINX) is not None  # a feed lowers nothing
    assert main(["urgency", "release", risk.NGINX, "--reason", "CISA withdrew the entry by mail"]) == 0
    assert "risk_scoring may lower its findings" in capsys.readouterr().out
    assert held(risen, risk.NGINX) is None
    rows = risen.fetch_all("evidence/list_evidence", {"campaign_id": None})
    (kept,) = [row for row in rows if row["action"] == "urgency_released"]
    assert kept["actor"].startswith("user:")
    assert "CISA withdrew the entry by mail" in kept["grounds"]["reason"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["release", risk.NGINX, "--reason", "no"], "at least ten characters"),
        (["release", risk.NGINX, "--reason", " " * 40], "at least ten characters"),
        (["release", "CVE-1999-0001", "--reason", "a reason of some length"], "Nothing is held of 'CVE-1999-0001'"),
        (["list", "--limit", "0"], "--limit"),
        (["list", "--cve", "CVE-2026"], "'CVE-2026' is no CVE id"),
        (["list", "--limit", "-3"], "--limit"),
    ],
)
def test_bad_input_changes_nothing_and_says_what_is_wrong(
    risen: Store, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    before = risen.fetch_all("evidence/list_evidence", {"campaign_id": None})
    assert main(["urgency", *arguments]) == 2
    assert said in capsys.readouterr().err
    assert risen.fetch_all("evidence/list_evidence", {"campaign_id": None}) == before


@pytest.mark.parametrize("arguments", [[], ["nosuch"], ["release", "CVE-2026-1"], ["list", "--limit", "many"]])
def test_misuse_ends_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["urgency", *arguments])
    assert ended.value.code == 2
