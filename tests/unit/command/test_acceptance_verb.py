"""`suture acceptance list|show|check`: what holds now, what does not any more and why; it changes nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from suture.command.main import main
from suture.settings import PROJECT_ROOT
from suture.store import Store
from tests.unit.risk import acceptances as risk

pytestmark = pytest.mark.database


@pytest.fixture(autouse=True)
def _warehouse(warehouse_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SUTURE_WAREHOUSE_URL", warehouse_url)
    monkeypatch.setenv("SUTURE_HOME", str(tmp_path))
    monkeypatch.setenv("SUTURE_POLICY_DIR", str(PROJECT_ROOT / "include" / "policy"))


@pytest.fixture
def today() -> datetime:
    """The command asks the real clock."""
    return datetime.now(UTC)


@pytest.fixture
def signed(store: Store, today: datetime) -> str:
    risk.add_fleet(store)
    risk.score(store, today)
    days = {"expires_on": 20, "review_on": 10}
    return risk.accept(
        store, now=today, **{name: (today + timedelta(days=n)).date().isoformat() for name, n in days.items()}
    )


def test_no_acceptance_is_said_so_and_holds(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert store is not None
    assert main(["acceptance", "list"]) == 0
    assert "No acceptance." in capsys.readouterr().out
    assert main(["acceptance", "check"]) == 0


def test_a_signed_one_holds_and_is_shown_with_terms_signatures_and_scope(
    signed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["acceptance", "list"]) == 0
    out = capsys.readouterr().out
    assert "active" in out
    assert "holds" in out
    assert "2 findings on 2 hosts" in out
    assert main(["acceptance", "list", "--state", "voided"]) == 0
    assert "No acceptance." in capsys.readouterr().out
    assert main(["acceptance", "show", signed]) == 0
    out = capsys.readouterr().out
    for said in (f"{signed}: active, holds", risk.WHY, risk.CONTROL, "rosa", "Covered (2 findings on 2 hosts)", "app1"):
        assert said in out
    assert main(["acceptance", "show", signed, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["acceptance_id"], found["valid"], len(found["covered"])) == (signed, True, 2)
    assert main(["acceptance", "check"]) == 0
    assert main(["acceptance", "check", signed]) == 0


def test_a_kev_entry_ends_it_at_once_before_any_run(
    store: Store, signed: str, today: datetime, capsys: pytest.CaptureFixture[str]
) -> None:
    risk.add_kev(store, risk.NGINX, today.date())
    before = store.fetch_all("evidence/list_evidence", {"campaign_id": None})
    assert main(["acceptance", "check"]) == 1
    out = capsys.readouterr().out
    assert "NOT VALID" in out
    assert risk.NGINX in out
    assert main(["acceptance", "check", signed, "--json"]) == 1
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["state"], row["valid"]) == ("active", False)
    assert main(["acceptance", "show", signed]) == 0
    assert "Not valid" in capsys.readouterr().out
    assert store.fetch_all("evidence/list_evidence", {"campaign_id": None}) == before  # it looks, and does nothing


def test_one_that_waits_for_signatures_does_not_hold(
    store: Store, today: datetime, capsys: pytest.CaptureFixture[str]
) -> None:
    risk.add_fleet(store)
    risk.score(store, today)
    days = {"expires_on": 20, "review_on": 10}
    name = risk.ask(
        store, now=today, **{key: (today + timedelta(days=n)).date().isoformat() for key, n in days.items()}
    )
    assert main(["acceptance", "check"]) == 0  # none that was signed is broken
    assert main(["acceptance", "check", name]) == 1
    assert "requested" in capsys.readouterr().out


def test_a_requesters_text_has_no_power_over_the_terminal(
    store: Store, signed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = store._connection.execute
    run("SET session_replication_role = replica")  # triggers keep the terms; a hostile form would have come like this
    run("UPDATE risk_acceptance SET justification = %(bad)s, state_reason = %(bad)s", {"bad": "x\x1b[2J\u202e{{ 7*7 }}"})
    run("SET session_replication_role = DEFAULT")
    for arguments in (["list"], ["show", signed], ["check"]):
        main(["acceptance", *arguments])
        out = capsys.readouterr().out
        assert "\x1b" not in out
        assert "\u202e" not in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["list", "--state", "sleeping"], "States: requested"),
        (["show", "ACC-1999-0001"], "ACC-1999-0001"),
        (["show", "'; DROP TABLE risk_acceptance; --"], "DROP TABLE"),
        (["check", "ACC-1999-0001"], "There is no acceptance 'ACC-1999-0001'"),
    ],
)
@pytest.mark.usefixtures("signed")
def test_bad_input_ends_with_2_and_says_what_is_wrong(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert main(["acceptance", *arguments]) == 2
    assert said in capsys.readouterr().err
    assert main(["acceptance", "list"]) == 0


@pytest.mark.parametrize("arguments", [[], ["nosuch"], ["show"]])
def test_misuse_ends_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["acceptance", *arguments])
    assert ended.value.code == 2
