"""A small fleet with scored findings, and a request to accept some of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from suture.inventory.matching import match_all
from suture.model import Ring
from suture.model.assets import AssetGroup, AssetRegister
from suture.risk.acceptance_policy import AcceptancePolicy
from suture.risk.acceptance_request import AcceptanceForm, request_acceptance
from suture.risk.acceptance_signing import ACCEPT, fetch_acceptance, sign, vote
from suture.risk.policies import RiskPolicy
from suture.risk.scoring import score_all
from suture.settings import PROJECT_ROOT
from suture.store import Store
from tests.fleet_rows import NOW, add_advisory, add_host, install

POLICY_DIR = PROJECT_ROOT / "include" / "policy"
NGINX, EXPAT = "CVE-2026-1001", "CVE-2026-1002"
WHY = "The vendor of the portal certifies the new version only in spring."
CONTROL = "The load balancer's rule 4711 drops the requests that reach the flaw."


def first_is_canary(_group: AssetGroup, hosts: Sequence[str]) -> Mapping[Ring, tuple[str, ...]]:
    return {Ring.CANARY: tuple(hosts[:1]), Ring.RING_1: tuple(hosts[1:]), Ring.RING_2: (), Ring.RING_3: ()}


def policy() -> AcceptancePolicy:
    return AcceptancePolicy.load(POLICY_DIR)


def risk() -> RiskPolicy:
    return RiskPolicy.load(POLICY_DIR)


def add_fleet(store: Store) -> None:
    """Two web hosts and their staging twin, behind on nginx and expat; CVEs of which little is known."""
    for host in ("app1", "app2"):
        add_host(store, host)
    add_host(store, "stg-app1", asset_group="staging", environment="staging", criticality="low", exposure="small")
    for host in ("app1", "app2", "stg-app1"):
        install(store, host, "nginx", "1.0")
        install(store, host, "expat", "2.0")
    add_advisory(store, "nginx", "1.1", cves=(NGINX,))
    add_advisory(store, "expat", "2.1", cves=(EXPAT,))
    for cve in (NGINX, EXPAT):
        say_exploitation(store, cve, "none")


def say_exploitation(store: Store, cve: str, word: str) -> None:
    store._connection.execute(
        "INSERT INTO cve_ssvc VALUES (%s, %s, 'no', 'partial', %s, 'adp:CISA')"
        " ON CONFLICT (cve_id) DO UPDATE SET exploitation = excluded.exploitation",
        (cve, word, NOW),
    )


def add_kev(store: Store, cve: str, added: date, *, due: date | None = None, ransomware: bool = False) -> None:
    store.copy_rows(
        "kev", ["cve_id", "date_added", "due_date", "known_ransomware", "name"], [(cve, added, due, ransomware, "x")]
    )


def set_epss(store: Store, cve: str, value: float, *, model: str = "v4") -> None:
    store._connection.execute(
        "INSERT INTO epss VALUES (%s, %s, %s, %s, %s) ON CONFLICT (cve_id) DO UPDATE"
        " SET probability = excluded.probability, model_version = excluded.model_version",
        (cve, value, value, NOW.date(), model),
    )


def score(store: Store, now: datetime = NOW, *, may_lower: bool = True) -> None:
    found = risk()
    match_all(store, now=now, unscored_priority=found.unscored_priority, unscored_deadline=found.unscored_deadline)
    score_all(store, found, AssetRegister.load(POLICY_DIR), now=now, may_lower=may_lower)


def fields(**other: Any) -> dict[str, Any]:
    return {
        "source_packages": ["nginx"],
        "asset_groups": ["web"],
        "justification": WHY,
        "compensating_control": CONTROL,
        "residual_risk": "low",
        "expires_on": (NOW + timedelta(days=20)).date().isoformat(),
        "review_on": (NOW + timedelta(days=10)).date().isoformat(),
        **other,
    }


def ask(store: Store, *, requester: str | None = "olga", run_id: str = "run-1", now: datetime = NOW, **other: Any) -> str:
    return request_acceptance(
        store, policy(), AcceptanceForm.read(fields(**other)), requester=requester, run_id=run_id, now=now
    )


def say(store: Store, acceptance_id: str, seat: int, voter: str, **other: Any) -> None:
    given: dict[str, Any] = {
        "decision": ACCEPT,
        "comment": None,
        "terms_hash": fetch_acceptance(store, acceptance_id)["terms_hash"],
        "now": NOW,
        **other,
    }
    vote(store, policy(), acceptance_id=acceptance_id, seat=seat, voter=voter, **given)


MEMBERS = {"risk_owner": "rosa", "change_manager": "amir", "service_owner": "vera"}


def accept(store: Store, *, now: datetime = NOW, run_id: str = "run-1", **other: Any) -> str:
    """Ask and have every seat sign; the id of the active acceptance."""
    acceptance_id = ask(store, now=now, run_id=run_id, **other)
    for seat, role in enumerate(fetch_acceptance(store, acceptance_id)["seats"], start=1):
        say(store, acceptance_id, seat, MEMBERS[role], now=now)
    assert sign(store, acceptance_id, actor="test", now=now) == "active"
    return acceptance_id


def statuses(store: Store) -> dict[tuple[str, str], str]:
    return {(row["host_id"], row["source_package"]): row["status"] for row in store.fetch_all("finding/list_findings")}
