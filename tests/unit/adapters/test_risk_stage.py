"""Planning as a task: planned and handed over, or neither; windows weighed and strategies compared from the same warehouse."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from suture.inventory.matching import match_all
from suture.risk import capacity_run
from suture.risk.policies import RiskPolicy
from suture.store import Store
from suture_airflow.stages import risk, strategy, urgency
from tests.fleet_rows import NOW, add_advisory, add_host, install
from tests.unit.risk.acceptances import add_kev

pytestmark = pytest.mark.database


@pytest.fixture
def open_finding(store: Store, warehouse: str, policy_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """One finding to plan; the feeds count as fresh, which is tested elsewhere."""
    monkeypatch.setattr(risk, "stale_feeds", lambda *_args, **_more: [])
    monkeypatch.setattr(risk, "require_fresh", lambda *_args, **_more: None)
    add_host(store, "app1")
    install(store, "app1", "nginx", "1.22.1-9+deb12u9")
    add_advisory(store, "nginx", "1.22.1-9+deb12u11", cves=("CVE-2026-0001",))
    rules = RiskPolicy.load(policy_dir)
    match_all(store, now=NOW, unscored_priority=rules.unscored_priority, unscored_deadline=rules.unscored_deadline)
    return store


def campaigns(store: Store) -> list[str]:
    return [row["campaign_id"] for row in store.fetch_all("campaign/list_campaigns", {"state": None})]


def edit(policy_dir: Path, file: str, before: str, after: str) -> None:
    text = (policy_dir / file).read_text()
    assert before in text
    (policy_dir / file).write_text(text.replace(before, after))


def test_by_default_what_is_planned_is_handed_over_and_weighed(open_finding: Store) -> None:
    planned = risk.plan_campaigns()
    assert planned == campaigns(open_finding)
    assert len(planned) == 1
    assert "1 campaign weighed, 0 fit no window" in risk.weigh_windows()
    assert risk.plan_campaigns() == []


def test_a_failure_between_planning_and_handing_over_leaves_nothing_planned(
    open_finding: Store, policy_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_args: object, **_more: object) -> list[str]:
        raise ValueError("broken")

    with monkeypatch.context() as patched:
        patched.setattr(capacity_run, "hand_over", broken)
        with pytest.raises(ValueError, match="broken"):
            risk.plan_campaigns()
    assert campaigns(open_finding) == []
    edit(policy_dir, "capacity.yaml", "FREQ=WEEKLY;BYDAY=TU", "FREQ=WEEKLY;UNTIL=20260201T000000Z")
    with pytest.raises(AirflowFailException, match="rule of the trains has ended"):
        risk.plan_campaigns()
    assert campaigns(open_finding) == []


def test_enforced_capacity_holds_a_campaign_back(open_finding: Store, policy_dir: Path) -> None:
    edit(policy_dir, "capacity.yaml", "enforce: false", "enforce: true")
    edit(policy_dir, "capacity.yaml", "qa_hours_per_train: 16", "qa_hours_per_train: 0.5")
    assert risk.plan_campaigns() == []
    (held,) = campaigns(open_finding)
    edit(policy_dir, "capacity.yaml", "qa_hours_per_train: 0.5", "qa_hours_per_train: 8")
    assert risk.plan_campaigns() == [held]
    assert risk.plan_campaigns() == []


def test_a_strategy_of_the_policy_steers_planning(open_finding: Store, policy_dir: Path) -> None:
    edit(policy_dir, "strategy.yaml", "groups: {} ", "groups: {web: on_exploit} ")
    edit(policy_dir, "strategy.yaml", "lead_days: 3", "lead_days: 0")
    edit(policy_dir, "sla.yaml", "scheduled: 720", "scheduled: 90000")
    open_finding._connection.execute(
        "UPDATE finding SET deadline = now() + interval '400 days'; UPDATE advisory SET published_at = now()"
    )
    assert risk.plan_campaigns() == []
    open_finding.copy_rows("kev", ["cve_id", "date_added"], [("CVE-2026-0001", NOW.date())])
    assert len(risk.plan_campaigns()) == 1


def test_strategies_are_compared_and_nothing_to_compare_skips(
    open_finding: Store, actions: Callable[[], list[str]]
) -> None:
    assert "1 asset groups compared: web: " in strategy.compare_strategies()
    open_finding._connection.execute("UPDATE advisory SET withdrawn_at = now()")
    with pytest.raises(AirflowSkipException, match="nothing to compare"):
        strategy.compare_strategies()
    assert actions() == []  # evidence of a group is no evidence of a campaign


@pytest.mark.usefixtures("policy_dir", "warehouse")
def test_a_kev_entry_in_the_hour_after_the_finding_is_news_and_not_what_was_known(store: Store) -> None:
    add_host(store, "app1")
    install(store, "app1", "nginx", "1.22.1-9+deb12u9")
    add_advisory(store, "nginx", "1.22.1-9+deb12u11", cves=("CVE-2026-0001",))
    risk.match_findings()
    with pytest.raises(AirflowSkipException):
        urgency.watch()  # nothing has happened yet
    add_kev(store, "CVE-2026-0001", NOW.date())
    assert "CVE-2026-0001 was added to CISA's catalogue" in urgency.watch()[0]
