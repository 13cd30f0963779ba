"""Rollback plans, retired versions and incidents, against a real warehouse."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from suture.campaign import fetch_campaign
from suture.model import Verdict
from suture.model.traffic import RequestCounts, ServiceImpact
from suture.recovery.incident import (
    IncidentError,
    IncidentStatus,
    Severity,
    calls_for_incident,
    declare,
    impact_sentence,
    severity_of,
    update,
)
from suture.recovery.rollback_plan import Tier, rollback_plan_of
from suture.store import Json, Store

from ..adapters.conftest import CAMPAIGN, add_backup, policy_dir, released, warehouse

__all__ = ["policy_dir", "released", "warehouse"]
AT = datetime(2026, 11, 24, 0, 10, tzinfo=UTC)


def impact(bad: int, requests: int = 1000) -> ServiceImpact:
    total = RequestCounts(requests, bad)
    return ServiceImpact(AT, AT + timedelta(minutes=2), total, {"app1": total}, {}, "test")


def actions(store: Store) -> list[str]:
    return [row["action"] for row in store.fetch_all("evidence/list_evidence", {"campaign_id": CAMPAIGN})]


def add_patch(store: Store, host: str, status: str, report: dict[str, object]) -> None:
    columns = ("campaign_id", "host_id", "phase", "plan_hash", "status", "token", "report", "started_at", "finished_at")
    plan_hash = fetch_campaign(store, CAMPAIGN).plan_hash
    store.copy_rows("host_step", columns, [(CAMPAIGN, host, "patch", plan_hash, status, 1, Json(report), AT, AT)])


def test_a_plan_from_rows(released: Store, policy_dir: Path) -> None:
    replaced = {"acme-portal": {"version": "1.0.0"}}
    add_patch(released, "app1", "done", {"way_back": {"replaced": replaced, "added": []}, "changes": {"x": {}}})
    add_patch(released, "app2", "failed", {"changes": {"acme-portal": {"from": "1.0.0", "to": "1.0.1"}}})
    add_patch(released, "app3", "failed", {"changes": {"acme-portal": {"from": "1.0.0", "to": "1.0.1"}}})
    add_backup(released, "app2", AT - timedelta(hours=1))
    add_backup(released, "app3", AT + timedelta(hours=1))  # taken after the patch: no way back
    campaign = fetch_campaign(released, CAMPAIGN)
    plan = rollback_plan_of(released, campaign, policy_dir)
    assert {host.host_id: host.tier for host in plan.hosts} == {
        "app1": Tier.DOWNGRADE,
        "app2": Tier.BACKUP,
        "app3": Tier.NONE,
    }
    assert plan.untouched == ("app4",)
    assert plan.retired == (("acme-portal", "1.0.1"),)


def test_an_incident_is_declared_once_contained_and_closed(released: Store) -> None:
    campaign = fetch_campaign(released, CAMPAIGN)
    first = declare(released, campaign, cause="judge: fail", impact=impact(41), declared_by="suture:test", at=AT)
    again = declare(released, campaign, cause="judge: fail", impact=impact(0), declared_by="suture:test", at=AT)
    assert first == again
    assert actions(released).count("incident_declared") == 1
    row = released.fetch_one("incident/fetch_campaign_incident", {"campaign_id": CAMPAIGN})
    assert row is not None
    assert (row["severity"], row["status"]) == ("high", "open")
    assert (row["impact"]["failed"], row["impact"]["requests"]) == (41, 1000)

    def change(status: IncidentStatus, seen: ServiceImpact | None) -> str | None:
        return update(released, CAMPAIGN, status=status, impact=seen, actor="suture:test", at=AT)

    assert change(IncidentStatus.CONTAINED, impact(60)) == first
    assert change(IncidentStatus.CLOSED, None) == first
    row = released.fetch_one("incident/fetch_campaign_incident", {"campaign_id": CAMPAIGN})
    assert row is not None
    assert (row["status"], row["severity"], row["impact"]["failed"], row["closed_at"]) == ("closed", "critical", 60, AT)
    assert actions(released)[-2:] == ["incident_contained", "incident_closed"]
    with pytest.raises(IncidentError, match="is closed"):
        change(IncidentStatus.CONTAINED, None)


def test_no_incident_nothing_to_update(released: Store) -> None:
    assert update(released, CAMPAIGN, status=IncidentStatus.CONTAINED, impact=None, actor="t", at=AT) is None


@pytest.mark.parametrize(
    ("seen", "severity"),
    [
        (impact(50), Severity.CRITICAL),
        (impact(10), Severity.HIGH),
        (impact(1), Severity.MEDIUM),
        (impact(0), Severity.LOW),
        (impact(0, 0), Severity.HIGH),  # nobody was seen: that is not harmless
        (None, Severity.HIGH),
    ],
)
def test_severity(seen: ServiceImpact | None, severity: Severity) -> None:
    assert severity_of(seen) is severity


def test_what_calls_for_an_incident() -> None:
    assert calls_for_incident(verdict=Verdict.FAIL, verification_failed=False)
    assert calls_for_incident(verdict=None, verification_failed=True)
    assert not calls_for_incident(verdict=Verdict.INCONCLUSIVE, verification_failed=False)
    assert not calls_for_incident(verdict=None, verification_failed=False)


def test_the_sentence() -> None:
    assert impact_sentence(impact(41)) == (
        "41 of 1,000 requests failed between 00:10:00 and 00:12:00 UTC (4.10 %); app1: 41 of 1,000."
    )
    assert "could not be counted" in impact_sentence(impact(0, 0))
    assert "could not be counted" in impact_sentence(None)
