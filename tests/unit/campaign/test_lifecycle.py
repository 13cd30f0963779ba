"""The lifecycle table is total, every state can be reached, and of two who move at once one wins."""

from __future__ import annotations

import itertools
import threading

import pytest

from suture import evidence
from suture.campaign import CampaignState, LifecycleError, StaleMoveError, fetch_campaign, move
from suture.campaign.lifecycle import FIRST_STATE, LAWFUL, MEANING, TERMINAL
from suture.store import Store
from tests.unit.campaign.campaigns import NOW, add_campaign

S = CampaignState


def test_every_state_has_a_meaning_and_its_moves() -> None:
    assert set(MEANING) == set(CampaignState)
    assert set(LAWFUL) == set(CampaignState)
    assert all(text.endswith(".") for text in MEANING.values())


def test_every_state_can_be_reached() -> None:
    reached, frontier = {FIRST_STATE}, [FIRST_STATE]
    while frontier:
        for state in LAWFUL[frontier.pop()] - reached:
            reached.add(state)
            frontier.append(state)
    assert reached == set(CampaignState)


def test_every_state_leads_to_an_end() -> None:
    ends = set(TERMINAL)
    while True:
        more = {state for state, after in LAWFUL.items() if after & ends} - ends
        if not more:
            break
        ends |= more
    assert ends == set(CampaignState)


def test_nothing_leaves_an_end_except_a_rollback_of_what_was_closed() -> None:
    assert {state: LAWFUL[state] for state in TERMINAL} == {
        S.CLOSED: frozenset({S.ROLLING_BACK}),
        S.ROLLED_BACK: frozenset(),
        S.SUPERSEDED: frozenset(),
    }


def _ways(start: CampaignState, without: CampaignState) -> set[CampaignState]:
    seen, frontier = {start}, [start]
    while frontier:
        for state in LAWFUL[frontier.pop()] - seen - {without}:
            seen.add(state)
            frontier.append(state)
    return seen


@pytest.mark.parametrize("gate", [S.VALIDATED, S.TESTED, S.APPROVED])
def test_no_way_to_a_rollout_around_a_gate(gate: CampaignState) -> None:
    assert S.ROLLING_OUT not in _ways(FIRST_STATE, without=gate)


@pytest.mark.parametrize("halfway", [S.ROLLING_OUT, S.VERIFIED])
def test_no_way_to_closed_around_the_rollout_and_its_verification(halfway: CampaignState) -> None:
    assert S.CLOSED not in _ways(FIRST_STATE, without=halfway)


def test_a_move_is_made_exactly_when_it_is_lawful(store: Store) -> None:
    """All pairs of states, against the warehouse."""
    campaign_id = add_campaign(store)
    lawful_seen = 0
    for start, to in itertools.product(CampaignState, repeat=2):
        store._connection.execute("UPDATE campaign SET state = %s, revision = 1", (start.value,))
        before = store.fetch_all("evidence/list_evidence", {"campaign_id": campaign_id})
        if to in LAWFUL[start]:
            lawful_seen += 1
            seq = move(store, campaign_id, expected=start, to=to, actor="test", reason="Because.", at=NOW)
            moved = fetch_campaign(store, campaign_id)
            assert (moved.state, moved.state_reason, moved.revision) == (to, "Because.", 2)
            last = store.fetch_all("evidence/list_evidence", {"campaign_id": campaign_id})[-1]
            assert last["seq"] == seq == before[-1]["seq"] + 1
            assert last["grounds"] == {"from": start.value, "to": to.value, "reason": "Because."}
        else:
            with pytest.raises(LifecycleError, match="cannot move"):
                move(store, campaign_id, expected=start, to=to, actor="test", reason="Because.")
            assert fetch_campaign(store, campaign_id).state is start
            assert store.fetch_all("evidence/list_evidence", {"campaign_id": campaign_id}) == before
    assert lawful_seen == sum(map(len, LAWFUL.values())) > 20


def test_who_comes_second_is_told_where_the_campaign_is(store: Store) -> None:
    campaign_id = add_campaign(store)
    move(store, campaign_id, expected=S.PLANNED, to=S.VALIDATED, actor="test", reason="Proven.")
    with pytest.raises(StaleMoveError, match="is validated, not planned"):
        move(store, campaign_id, expected=S.PLANNED, to=S.REJECTED, actor="test", reason="Late.")


def test_a_campaign_that_is_not_there_is_said_to_be_missing(store: Store) -> None:
    with pytest.raises(StaleMoveError, match="no campaign SUT-0"):
        move(store, "SUT-0", expected=S.PLANNED, to=S.VALIDATED, actor="test", reason="?")


def test_of_many_who_move_at_once_exactly_one_wins(store: Store, warehouse_url: str) -> None:
    campaign_id = add_campaign(store)
    barrier, outcomes, lock = threading.Barrier(6), [], threading.Lock()

    def try_it(name: str) -> None:
        with Store.connect(warehouse_url) as own:
            barrier.wait()
            try:
                move(own, campaign_id, expected=S.PLANNED, to=S.VALIDATED, actor=name, reason=name)
                outcome = "moved"
            except StaleMoveError:
                outcome = "stale"
        with lock:
            outcomes.append(outcome)

    threads = [threading.Thread(target=try_it, args=(f"test-{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["moved", *["stale"] * 5]
    rows = store.fetch_all("evidence/list_evidence", {"campaign_id": None})
    assert [row["action"] for row in rows] == ["campaign_planned", "campaign_moved"]
    assert evidence.verify_rows(rows) == []


def test_a_move_whose_evidence_cannot_be_written_is_not_made(store: Store) -> None:
    campaign_id = add_campaign(store)
    with pytest.raises(Exception, match="not plain JSON"):
        move(
            store,
            campaign_id,
            expected=S.PLANNED,
            to=S.VALIDATED,
            actor="test",
            reason="Proven.",
            grounds={"score": float("nan")},
        )
    assert fetch_campaign(store, campaign_id).state is S.PLANNED
