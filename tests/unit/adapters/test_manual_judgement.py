"""A named person's word lets a rollout follow a ring of which nothing could be shown: only that, and only so long as it holds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from suture.campaign import CampaignState, fetch_campaign, move
from suture.campaign.guidance import next_step
from suture.model import Ring, Verdict
from suture.rollout.judge import Judgement
from suture.rollout.manual_judgement import people
from suture.rollout.trials import latest_verdict
from suture.store import Store
from suture_airflow.sensors.judge import JudgeSensor
from suture_airflow.stages import rollout

from .conftest import CAMPAIGN, add_step

pytestmark = pytest.mark.database
_S = CampaignState
WHY = "the balancer's log is clean and the shop's pages answer"


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def patched(released: Store, now: datetime) -> Store:
    """The canary was patched a quarter of an hour ago."""
    move(released, CAMPAIGN, expected=_S.APPROVED, to=_S.ROLLING_OUT, actor="test", reason="test")
    add_step(released, "app1", now - timedelta(minutes=15))
    return released


def look(context: Any, verdict: Verdict, ring: str = "canary") -> dict[str, Any]:
    """The judge has looked, and said this."""
    at = datetime.now(UTC)
    judgement = Judgement(verdict, "there is no control host to compare with", "", {"compared": {}}, at)
    sensor = JudgeSensor(task_id=f"judge_{ring}", ring=ring)
    return sensor.resume(context, {"status": "judged", "judgement": judgement.as_json()}, started_at=at.isoformat())


def stop(store: Store, context: Any, verdict: Verdict = Verdict.INCONCLUSIVE) -> None:
    """The judge says this of the canary, and the rollout is halted for it."""
    with pytest.raises(AirflowFailException, match=verdict.value):
        look(context, verdict)
    ti = SimpleNamespace(dag_id="canary_rollout", run_id="run", get_task_states=lambda **_: {"run": {"judge_canary": "failed"}})
    if verdict is Verdict.INCONCLUSIVE:
        rollout.halt({**context, "ti": ti})
    else:
        move(store, CAMPAIGN, expected=_S.ROLLING_OUT, to=_S.HALTED, actor="test", reason="the judge of canary says fail")


def form(campaign_id: str | None = CAMPAIGN, reason: str = WHY, who: str | None = "vera") -> dict[str, Any]:
    return {
        "params": {"campaign": campaign_id, "reason": reason},
        "dag_run": SimpleNamespace(run_id="manual__1", triggering_user_name=who),
    }


def words(store: Store) -> int:
    return len(store._connection.execute("SELECT 1 FROM manual_judgement").fetchall())


def test_on_a_named_persons_word_the_rollout_follows_and_the_verdict_stays(
    patched: Store, context: Any, actions: Callable[[], list[str]]
) -> None:
    stop(patched, context)
    halted = fetch_campaign(patched, CAMPAIGN)
    assert halted.state is _S.HALTED
    assert "`manual_judgement`" in next_step(halted.state, halted.state_reason)

    assert rollout.judge_by_hand(form()) == CAMPAIGN  # which starts canary_rollout once more
    assert rollout.judge_by_hand(form()) == CAMPAIGN  # a task tried again
    assert actions()[-1] == "ring_judged_by_hand"
    assert actions().count("ring_judged_by_hand") == 1

    move(patched, CAMPAIGN, expected=_S.HALTED, to=_S.ROLLING_OUT, actor="test", reason="test")
    went_on = look(context, Verdict.INCONCLUSIVE)
    assert (went_on["verdict"], went_on["judged_by"]) == ("inconclusive", "vera")
    assert actions()[-2:] == ["ring_judged", "ring_followed_by_word"]
    found = latest_verdict(patched, CAMPAIGN, Ring.CANARY)
    assert found is not None
    assert found[0] is Verdict.INCONCLUSIVE
    shown = patched.fetch_all("report/list_report_verdicts", {"campaign_id": CAMPAIGN})
    assert [row["verdict"] for row in shown] == ["inconclusive", "inconclusive"]
    assert [(row["by_hand"]["by"], row["by_hand"]["reason"]) for row in shown] == [("vera", WHY)] * 2
    assert datetime.fromisoformat(shown[0]["by_hand"]["at"]).tzinfo is not None

    rollout.conclude(context)
    assert "; by hand: canary by vera." in fetch_campaign(patched, CAMPAIGN).state_reason


def test_a_ring_that_passes_later_needs_no_word(patched: Store, context: Any) -> None:
    stop(patched, context)
    rollout.judge_by_hand(form())
    move(patched, CAMPAIGN, expected=_S.HALTED, to=_S.ROLLING_OUT, actor="test", reason="test")
    assert "judged_by" not in look(context, Verdict.PASS)
    rollout.conclude(context)
    assert "by hand" not in fetch_campaign(patched, CAMPAIGN).state_reason


def test_a_fail_is_never_judged_by_hand(patched: Store, context: Any) -> None:
    stop(patched, context, Verdict.FAIL)
    with pytest.raises(AirflowFailException, match="said fail of canary"):
        rollout.judge_by_hand(form())
    assert words(patched) == 0


def test_a_later_fail_goes_before_the_word(patched: Store, context: Any) -> None:
    stop(patched, context)
    rollout.judge_by_hand(form())
    with pytest.raises(AirflowFailException, match="fail"):
        look(context, Verdict.FAIL)


def test_a_ring_patched_anew_needs_another_word(patched: Store, context: Any, now: datetime) -> None:
    stop(patched, context)
    rollout.judge_by_hand(form())
    patched._connection.execute("UPDATE host_step SET finished_at = %s", (now + timedelta(minutes=5),))
    with pytest.raises(AirflowFailException, match="inconclusive"):
        look(context, Verdict.INCONCLUSIVE)


def test_a_word_is_for_its_ring(patched: Store, context: Any, now: datetime) -> None:
    stop(patched, context)
    rollout.judge_by_hand(form())
    for host in ("app2", "app3"):
        add_step(patched, host, now)
    with pytest.raises(AirflowFailException, match="inconclusive"):
        look(context, Verdict.INCONCLUSIVE, "ring_1")


def test_the_word_of_somebody_whom_policy_names_no_more_does_not_count(
    patched: Store, context: Any, policy_dir: Path
) -> None:
    stop(patched, context)
    rollout.judge_by_hand(form())
    file = policy_dir / "judge.yaml"
    file.write_text(file.read_text("utf-8").replace("people: [vera, amir]", "people: [amir]"), "utf-8")
    assert people(policy_dir) == ("amir",)
    with pytest.raises(AirflowFailException, match="inconclusive"):
        look(context, Verdict.INCONCLUSIVE)


def test_two_people_do_not_judge_the_same_verdict(patched: Store, context: Any) -> None:
    stop(patched, context)
    rollout.judge_by_hand(form())
    with pytest.raises(AirflowFailException, match="vera has judged canary"):
        rollout.judge_by_hand(form(who="amir"))
    assert words(patched) == 1


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"campaign_id": None}, "No campaign is named"),
        ({"campaign_id": "SUT-1999-0001"}, "no campaign"),
        ({"reason": " \n"}, "No reason is given"),
        ({"who": "mallory"}, r"mallory may not judge .* by hand\. Ask vera or amir"),
        ({"who": None}, "An unknown person may not judge"),
    ],
)
def test_what_the_form_lacks_is_said_and_nothing_is_written(
    patched: Store, context: Any, values: dict[str, Any], why: str
) -> None:
    stop(patched, context)
    with pytest.raises(AirflowFailException, match=why):
        rollout.judge_by_hand(form(**values))
    assert words(patched) == 0


def test_the_requester_may_not_judge_their_own(patched: Store, context: Any, policy_dir: Path) -> None:
    file = policy_dir / "judge.yaml"
    file.write_text(file.read_text("utf-8").replace("people: [vera, amir]", "people: [olga, amir]"), "utf-8")
    stop(patched, context)
    with pytest.raises(AirflowFailException, match=r"olga may not judge .* Ask amir"):
        rollout.judge_by_hand(form(who="olga"))


def test_where_policy_names_nobody_nobody_may(patched: Store, context: Any, policy_dir: Path) -> None:
    file = policy_dir / "judge.yaml"
    file.write_text(file.read_text("utf-8").replace("manual_judgement:\n  people: [vera, amir]\n", ""), "utf-8")
    assert people(policy_dir) == ()
    stop(patched, context)
    with pytest.raises(AirflowFailException, match="Ask for somebody to be named"):
        rollout.judge_by_hand(form())


def test_before_anything_was_judged_or_halted_there_is_nothing_to_judge(patched: Store, context: Any) -> None:
    with pytest.raises(AirflowFailException, match=r"No ring of .* was judged yet"):
        rollout.judge_by_hand(form())
    with pytest.raises(AirflowFailException, match="inconclusive"):
        look(context, Verdict.INCONCLUSIVE)
    with pytest.raises(AirflowFailException, match="is rolling_out, not halted"):
        rollout.judge_by_hand(form())
    assert words(patched) == 0


def test_a_service_without_a_judge_is_inconclusive_and_can_be_judged_by_hand(
    patched: Store, context: Any, policy_dir: Path
) -> None:
    file = policy_dir / "judge.yaml"
    file.write_text(file.read_text("utf-8").replace("service: portal", "service: other"), "utf-8")
    sensor = JudgeSensor(task_id="judge_canary", ring="canary")
    with pytest.raises(AirflowFailException, match="inconclusive: No judge knows the service 'portal'"):
        sensor.execute(context)
    found = latest_verdict(patched, CAMPAIGN, Ring.CANARY)
    assert found is not None
    assert found[0] is Verdict.INCONCLUSIVE
    move(patched, CAMPAIGN, expected=_S.ROLLING_OUT, to=_S.HALTED, actor="test", reason="test")
    rollout.judge_by_hand(form())
    assert sensor.execute(context)["judged_by"] == "vera"
    # A ring without hosts has nothing to judge, with or without a judge.
    assert JudgeSensor(task_id="judge_ring_2", ring="ring_2").execute(context) == {"ring": "ring_2", "verdict": None}
