"""Asking and signing on a real warehouse: who may, how many must, what is frozen, and that silence and doubt mean no."""

from __future__ import annotations

import itertools
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from suture import evidence
from suture.errors import BadInputError
from suture.model import Priority
from suture.policy import PolicyError
from suture.risk.acceptance_briefing import acceptance_briefing
from suture.risk.acceptance_policy import AcceptancePolicy
from suture.risk.acceptance_request import AcceptanceForm, scope_hash
from suture.risk.acceptance_signing import REJECT, fetch_acceptance, seat_opens, sign, votes_of
from suture.risk.acceptance_states import (
    FIRST_STATE,
    LAWFUL,
    MEANING,
    TERMINAL,
    AcceptanceError,
    AcceptanceState,
    StaleAcceptanceError,
    move_acceptance,
)
from suture.store import Store, StoreError
from tests.fleet_rows import NOW, add_advisory, add_host, install
from tests.unit.risk.acceptances import (
    NGINX,
    POLICY_DIR,
    accept,
    add_fleet,
    add_kev,
    ask,
    fields,
    policy,
    say,
    score,
    statuses,
)

pytestmark = pytest.mark.database
S = AcceptanceState
SYNTAX = (
    "{{ lookup('pipe', 'touch {0}') }} {% raw %}",
    "$(touch {0}) `touch {0}`; touch {0}",
    "'; DROP TABLE finding; --",
    "<script>alert(1)</script> **bold** [x](javascript:1)",
    "\u202eright to left\u2028line \x1b[31mred",
    "%(name)s %s {0} \\x00",
)


@pytest.fixture
def fleet(store: Store) -> Store:
    add_fleet(store)
    score(store)
    return store


def actions(store: Store) -> list[str]:
    return [row["action"] for row in store.fetch_all("evidence/list_evidence", {"campaign_id": None})]


# The table of states


def test_the_table_is_total_every_state_is_reached_and_ends_are_ends() -> None:
    assert set(LAWFUL) == set(MEANING) == set(S)
    reached, frontier = {FIRST_STATE}, [FIRST_STATE]
    while frontier:
        for state in LAWFUL[frontier.pop()] - reached:
            reached.add(state)
            frontier.append(state)
    assert reached == set(S)
    assert {state for state in S if not LAWFUL[state]} == TERMINAL
    # Only the signature leads to active, and nothing leads back.
    assert [state for state in S if S.ACTIVE in LAWFUL[state]] == [S.REQUESTED]


def test_a_move_is_made_exactly_when_it_is_lawful(fleet: Store) -> None:
    acceptance_id = ask(fleet)
    made = 0
    for start, to in itertools.product(S, repeat=2):
        fleet._connection.execute("UPDATE risk_acceptance SET state = %s", (start.value,))
        arguments: dict[str, Any] = {"expected": start, "to": to, "actor": "test", "reason": "Because.", "at": NOW}
        if to in LAWFUL[start]:
            move_acceptance(fleet, acceptance_id, **arguments)
            made += 1
            with pytest.raises((StaleAcceptanceError, AcceptanceError)):
                move_acceptance(fleet, acceptance_id, **arguments)
        else:
            with pytest.raises(AcceptanceError, match="cannot move"):
                move_acceptance(fleet, acceptance_id, **arguments)
            assert fetch_acceptance(fleet, acceptance_id)["state"] == start
    assert made == sum(map(len, LAWFUL.values()))
    assert actions(fleet).count("acceptance_moved") == made


# Asking


def test_a_request_freezes_its_scope_and_accepts_nothing_yet(fleet: Store) -> None:
    acceptance_id = ask(fleet)
    assert acceptance_id == "ACC-2026-0001"
    row = fetch_acceptance(fleet, acceptance_id)
    pairs = [("app1", "debian-security/nginx@1.1"), ("app2", "debian-security/nginx@1.1")]
    assert row["scope_hash"] == scope_hash(reversed(pairs))
    assert fleet.fetch_one("acceptance/fetch_scope_hash", {"acceptance_id": acceptance_id}) == {
        "scope_hash": row["scope_hash"]
    }
    assert (row["state"], row["requested_by"], row["seats"]) == ("requested", "olga", ["risk_owner"])
    assert set(statuses(fleet).values()) == {"open"}
    assert ask(fleet) == acceptance_id  # the task tried again
    assert actions(fleet).count("acceptance_requested") == 1


@pytest.mark.parametrize("requester", [None, ""])
def test_without_a_person_there_is_no_request(fleet: Store, requester: str | None) -> None:
    with pytest.raises(AcceptanceError, match="no requester"):
        ask(fleet, requester=requester)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"source_packages": []}, "never all"),
        ({"asset_groups": []}, "never all"),
        ({"cve_ids": ["CVE-1"]}, "no CVE id"),
        ({"cve_ids": ["CVE-2026-\u0661\u0662\u0663\u0664"]}, "no CVE id"),
        ({"cve_ids": "CVE-2026-1001"}, "a list"),
        ({"justification": "too short"}, "at least 40"),
        ({"justification": " " * 60}, "nothing was given"),
        ({"justification": "x" * 4001}, "at most 4000"),
        ({"compensating_control": None}, "compensating_control: nothing"),
        ({"compensating_control": "a\0" + "b" * 60}, "NUL"),
        ({"residual_risk": "tiny"}, "none of low"),
        ({"expires_on": "soon"}, "no date"),
        ({"expires_on": "2026-11-22"}, "past"),
        ({"expires_on": "2027-11-23"}, "later than policy allows"),
        ({"review_on": "2026-12-24"}, "not between"),
        ({"extends": "ACC-2020-0001"}, "no acceptance"),
    ],
)
def test_a_form_that_cannot_be_used_names_its_field(fleet: Store, change: dict[str, Any], why: str) -> None:
    with pytest.raises(BadInputError, match=why):
        ask(fleet, **change)
    assert fleet.fetch_all("acceptance/list_acceptances", {"acceptance_id": None, "state": None}) == []


def test_a_scope_that_matches_nothing_is_refused(fleet: Store) -> None:
    with pytest.raises(AcceptanceError, match="nothing to accept"):
        ask(fleet, source_packages=["no-such-package"])


@pytest.mark.parametrize("text", SYNTAX)
def test_what_was_typed_is_stored_as_text_in_every_field(fleet: Store, tmp_path: Path, text: str) -> None:
    canary = tmp_path / "canary"
    typed = text.replace("{0}", str(canary))
    long = f"{typed} {'.' * 40}".strip()
    names = {"advisory_ids": [typed.strip()], "host_ids": [typed.strip()]}
    acceptance_id = ask(fleet, justification=long, compensating_control=long, **names)
    say(fleet, acceptance_id, 1, "rosa", comment=typed)
    row = fetch_acceptance(fleet, acceptance_id)
    assert (row["justification"], row["compensating_control"]) == (long, long)
    assert (row["advisory_ids"], row["host_ids"]) == ([typed.strip()], [typed.strip()])
    assert votes_of(fleet, acceptance_id)[0]["comment"] == typed
    briefing = acceptance_briefing(fleet, acceptance_id)
    assert "<script>" not in briefing
    assert not canary.exists()
    assert len(statuses(fleet)) == 6
    records = fleet.fetch_all("evidence/list_evidence", {"campaign_id": None})
    assert evidence.verify_rows(records) == []
    asked = next(record for record in records if record["action"] == "acceptance_requested")
    assert asked["grounds"]["terms"]["justification"] == long


def test_text_in_every_other_field_is_refused(fleet: Store) -> None:
    for field in ("residual_risk", "expires_on", "review_on", "extends"):
        for text in SYNTAX:
            with pytest.raises(BadInputError):
                ask(fleet, **{field: text})


def test_a_form_has_no_field_for_the_requester() -> None:
    form = AcceptanceForm.read({**fields(), "requested_by": "rosa", "requester": "rosa"})
    assert "rosa" not in str(form)


# Quorum


def test_the_quorum_grows_with_priority_residual_risk_and_exploitation(fleet: Store) -> None:
    assert len(fetch_acceptance(fleet, ask(fleet, run_id="a", residual_risk="critical"))["seats"]) == 2
    add_kev(fleet, NGINX, NOW.date())
    soon = (NOW + timedelta(days=5)).date().isoformat()
    exploited = ask(fleet, run_id="b", expires_on=soon, review_on=soon)
    assert fetch_acceptance(fleet, exploited)["quorum_rule"] == "known_exploited"
    assert len(fetch_acceptance(fleet, exploited)["seats"]) == 3
    with pytest.raises(BadInputError, match="at most 14 days"):
        ask(fleet, run_id="c")


def test_a_policy_that_nobody_could_satisfy_is_refused(tmp_path: Path) -> None:
    text = (POLICY_DIR / "acceptance.yaml").read_text("utf-8").replace("[amir]", "[rosa]")
    (tmp_path / "acceptance.yaml").write_text(text)
    with pytest.raises(PolicyError, match="different people"):
        AcceptancePolicy.load(tmp_path)
    (tmp_path / "acceptance.yaml").write_text(text.replace("seats: [risk_owner]", "seats: [emperor]"))
    with pytest.raises(PolicyError, match="emperor"):
        AcceptancePolicy.load(tmp_path)


def test_what_no_rule_names_cannot_be_accepted() -> None:
    found = policy()
    narrow = AcceptancePolicy(found.roles, found.quorums[:1], 40, found.answer_within, found.max_review)
    with pytest.raises(BadInputError, match="cannot be accepted"):
        narrow.rule_for(in_kev=False, priority=Priority.DEFER, residual_risk="low")


# Signing


def test_the_quorum_signs_and_the_findings_are_accepted(fleet: Store) -> None:
    acceptance_id = ask(fleet, residual_risk="high")
    assert seat_opens(fleet, policy(), acceptance_id, 1, now=NOW) == ("rosa",)
    say(fleet, acceptance_id, 1, "rosa")
    with pytest.raises(AcceptanceError, match="seat 2"):
        sign(fleet, acceptance_id, actor="test", now=NOW)
    assert set(statuses(fleet).values()) == {"open"}
    assert seat_opens(fleet, policy(), acceptance_id, 2, now=NOW) == ("amir",)
    assert seat_opens(fleet, policy(), acceptance_id, 3, now=NOW) == ()
    say(fleet, acceptance_id, 2, "amir")
    assert sign(fleet, acceptance_id, actor="test", now=NOW) is S.ACTIVE
    assert sign(fleet, acceptance_id, actor="test", now=NOW) is S.ACTIVE
    found = statuses(fleet)
    assert {pair for pair, status in found.items() if status == "accepted"} == {("app1", "nginx"), ("app2", "nginx")}
    assert actions(fleet).count("acceptance_moved") == 1


def test_the_requester_never_signs(fleet: Store) -> None:
    acceptance_id = ask(fleet, requester="rosa")
    with pytest.raises(AcceptanceError, match="Nobody may sign"):
        seat_opens(fleet, policy(), acceptance_id, 1, now=NOW)
    with pytest.raises(AcceptanceError, match="may not sign it"):
        say(fleet, acceptance_id, 1, "rosa")
    assert actions(fleet)[-1] == "acceptance_vote_refused"
    assert votes_of(fleet, acceptance_id) == []


def test_a_vote_of_the_requester_that_got_into_the_table_signs_nothing(fleet: Store) -> None:
    acceptance_id = ask(fleet, requester="rosa")
    row = fetch_acceptance(fleet, acceptance_id)
    assert len(row["seats"]) == 1
    columns = ["acceptance_id", "seat", "role", "voter", "decision", "terms_hash", "decided_at"]
    forged = [(acceptance_id, 1, row["seats"][0], "rosa", "accept", row["terms_hash"], NOW)]
    fleet.copy_rows("risk_acceptance_vote", columns, forged)
    with pytest.raises(AcceptanceError, match="not taken by different people"):
        sign(fleet, acceptance_id, actor="test", now=NOW)
    assert set(statuses(fleet).values()) == {"open"}


@pytest.mark.parametrize("voter", ["nils", "admin", "", "role:admin", "ROSA"])
def test_a_stranger_never_signs(fleet: Store, voter: str) -> None:
    acceptance_id = ask(fleet)
    with pytest.raises(AcceptanceError, match="holds no role"):
        say(fleet, acceptance_id, 1, voter)


def test_nobody_signs_twice_and_a_told_vote_counts_once(fleet: Store, tmp_path: Path) -> None:
    text = (POLICY_DIR / "acceptance.yaml").read_text("utf-8").replace("[amir]", "[amir, rosa]")
    (tmp_path / "acceptance.yaml").write_text(text)
    acceptance_id = ask(fleet, residual_risk="high")
    say(fleet, acceptance_id, 1, "rosa")
    say(fleet, acceptance_id, 1, "rosa")  # the task died after its vote was written
    assert len(votes_of(fleet, acceptance_id)) == 1
    assert actions(fleet).count("acceptance_signed") == 1
    from suture.risk.acceptance_signing import ACCEPT, vote

    with pytest.raises(AcceptanceError, match="already voted"):
        vote(fleet, AcceptancePolicy.load(tmp_path), acceptance_id=acceptance_id, seat=2, voter="rosa",
             decision=ACCEPT, terms_hash=fetch_acceptance(fleet, acceptance_id)["terms_hash"], comment=None, now=NOW)  # fmt: skip


def test_a_vote_for_other_terms_or_for_another_request_does_not_count(fleet: Store) -> None:
    first, second = ask(fleet, run_id="a"), ask(fleet, run_id="b")
    with pytest.raises(AcceptanceError, match="not those that were shown"):
        say(fleet, second, 1, "rosa", terms_hash=fetch_acceptance(fleet, first)["terms_hash"])
    say(fleet, first, 1, "rosa", decision=REJECT, comment="no")
    with pytest.raises(AcceptanceError, match="takes no vote"):  # replayed after its end, turned round
        say(fleet, first, 1, "rosa")
    assert fetch_acceptance(fleet, first)["state"] == "rejected"


def test_a_rejection_is_no(fleet: Store) -> None:
    acceptance_id = ask(fleet)
    say(fleet, acceptance_id, 1, "rosa", decision=REJECT, comment="patch it")
    row = fetch_acceptance(fleet, acceptance_id)
    assert (row["state"], row["state_reason"]) == ("rejected", "rosa (risk owner) said no. patch it")
    assert sign(fleet, acceptance_id, actor="test", now=NOW) is S.REJECTED
    assert set(statuses(fleet).values()) == {"open"}


def test_an_answer_that_comes_late_is_no(fleet: Store) -> None:
    acceptance_id = ask(fleet)
    with pytest.raises(AcceptanceError, match="came later"):
        say(fleet, acceptance_id, 1, "rosa", now=NOW + timedelta(hours=49))


@pytest.mark.parametrize("seats", [(1, 1), (1, 2)])
def test_of_concurrent_votes_each_seat_counts_one_and_each_person_once(
    fleet: Store, warehouse_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seats: tuple[int, int]
) -> None:
    """Eight connections at once: rosa, who holds both roles, for the same seat or for two; only one of her votes stands."""
    import tests.unit.risk.acceptances as scene

    text = (POLICY_DIR / "acceptance.yaml").read_text("utf-8").replace("[amir]", "[amir, rosa]")
    (tmp_path / "acceptance.yaml").write_text(text)
    monkeypatch.setattr(scene, "POLICY_DIR", tmp_path)
    acceptance_id = ask(fleet, residual_risk="high")
    barrier, said = threading.Barrier(8), []

    def one(number: int) -> None:
        with Store.connect(warehouse_url) as own:
            barrier.wait()
            try:
                say(own, acceptance_id, seats[number % 2], "rosa", comment=str(number))
                said.append("counted")
            except AcceptanceError as error:
                said.append(str(error))

    threads = [threading.Thread(target=one, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(said) == 8
    assert len(votes_of(fleet, acceptance_id)) == 1
    assert actions(fleet).count("acceptance_signed") == 1


def test_of_two_signatures_at_once_one_activates(fleet: Store, warehouse_url: str) -> None:
    acceptance_id = ask(fleet)
    say(fleet, acceptance_id, 1, "rosa")
    barrier, states = threading.Barrier(4), []

    def one() -> None:
        with Store.connect(warehouse_url) as own:
            barrier.wait()
            states.append(sign(own, acceptance_id, actor="test", now=NOW))

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert states == [S.ACTIVE] * 4
    assert actions(fleet).count("acceptance_moved") == 1


def test_what_changed_between_request_and_signature_is_not_accepted(fleet: Store) -> None:
    acceptance_id = ask(fleet)
    say(fleet, acceptance_id, 1, "rosa")
    add_host(fleet, "app3")
    install(fleet, "app3", "nginx", "1.0")
    score(fleet)
    assert sign(fleet, acceptance_id, actor="test", now=NOW) is S.VOIDED
    assert "app3" in fetch_acceptance(fleet, acceptance_id)["state_reason"]
    assert set(statuses(fleet).values()) == {"open"}


# The record stands


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE risk_acceptance SET justification = 'other'",
        "UPDATE risk_acceptance SET expires_at = expires_at + interval '1 year'",
        "UPDATE risk_acceptance SET requested_by = 'nils'",
        "DELETE FROM risk_acceptance",
        "TRUNCATE risk_acceptance CASCADE",
        "UPDATE risk_acceptance_vote SET voter = 'nils'",
        "DELETE FROM risk_acceptance_vote",
        "UPDATE risk_acceptance_finding SET host_id = 'app9'",
        "DELETE FROM risk_acceptance_finding",
        "DELETE FROM risk_acceptance_cve",
    ],
)
def test_the_decision_cannot_be_edited(fleet: Store, statement: str) -> None:
    accept(fleet)
    with pytest.raises(Exception, match=r"refused|append-only"):
        fleet._connection.execute(statement)


def test_one_vote_a_seat_and_a_person_are_the_warehouses_rule_too(fleet: Store) -> None:
    acceptance_id = accept(fleet)
    columns = ["acceptance_id", "seat", "role", "voter", "decision", "terms_hash", "decided_at"]
    for seat, voter in ((2, "rosa"), (1, "nils")):
        with pytest.raises(StoreError, match="duplicate key"):
            fleet.copy_rows(
                "risk_acceptance_vote", columns, [(acceptance_id, seat, "x", voter, "accept", "h", NOW)]
            )


def test_an_extension_is_a_new_request_and_takes_the_old_ones_place(fleet: Store) -> None:
    first = accept(fleet)
    second = ask(fleet, run_id="run-2", extends=first, expires_on="2026-12-23", now=NOW + timedelta(days=5))
    assert fetch_acceptance(fleet, first)["state"] == "active"
    assert votes_of(fleet, second) == []
    say(fleet, second, 1, "rosa", now=NOW + timedelta(days=5))
    assert sign(fleet, second, actor="test", now=NOW + timedelta(days=5)) is S.ACTIVE
    assert fetch_acceptance(fleet, first)["state"] == "superseded"
    assert statuses(fleet)["app1", "nginx"] == "accepted"
    add_advisory(fleet, "unrelated", "1")
