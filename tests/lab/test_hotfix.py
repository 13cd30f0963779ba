"""A hotfix on real hosts: from the vendor's desk into quarantine, to one staging host and one production host, and away again, once
by rollback and once by the regular release.

What the DAGs run is run here, in their order: the stages' functions and the operator. Left out are the judge, for there is one host
and no Prometheus, and waiting for a window.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from lab import policies
from lab.vendor.desk import HOTFIX_VERSION
from suture.campaign import Campaign, CampaignState, fetch_campaign, move
from suture.campaign.approvals import APPROVE, Gate, decide
from suture.command.main import main
from suture.inventory.collect import collect
from suture.model import Ring
from suture.model.assets import AssetRegister
from suture.runner.ansible import AnsibleRunner
from suture.runner.briefs import HostRepository
from suture.runner.interface import Phase
from suture.runner.quarantine import list_quarantined
from suture.settings import Settings
from suture.sourcing.cases import Case, CaseForm, CaseState, VendorRegister, fetch_case, open_case
from suture.sourcing.intake import quarantine_of, repository_of
from suture.staging.traffic_replay import TrafficUnavailableError
from suture.store import Store, sources
from suture_airflow.operators.ansible import AnsiblePhaseOperator
from suture_airflow.stages import approval, cases, compliance, recovery, rollout, sourcing, staging
from tests.lab.conftest import HOSTS, OwnFleet, install_portal

pytestmark = [pytest.mark.lab, pytest.mark.database, pytest.mark.timeout(1200)]
_S = CampaignState
FIRST, REGULAR = "1.0.0", "1.0.3"
PORTAL = ("app1", "stg-app1")
SOURCE = "/etc/apt/sources.list.d/suture.sources"
FORM = {
    "source_package": "acme-portal", "asset_group": "web", "host_ids": ["app1"], "tlp": "AMBER", "participants": [],
    "title": "Sessions never end", "summary": "Taken over once, for ever.",
}  # fmt: skip


@dataclass
class Site:
    """An installation that manages the small fleet, and the hands of its people."""

    store: Store
    settings: Settings
    fleet: Callable[..., str]
    publish: Callable[..., object]

    def collect(self) -> None:
        register = AssetRegister.load(self.settings.policy_dir)
        found = collect(self.store, AnsibleRunner(self.settings.inventory_path), register, now=datetime.now(UTC))
        assert set(found.collected) == set(HOSTS)

    def context(self, campaign_id: str) -> dict[str, Any]:
        form = {"campaign": campaign_id, "confirm": campaign_id, "reason": "it hurts"}
        run = SimpleNamespace(partition_key=campaign_id, run_id="run", triggering_user_name="nils")
        ti = SimpleNamespace(dag_id="a_test", run_id="run", task_id="t", map_index=-1, try_number=1, max_tries=2)
        return {"dag_run": run, "ti": ti, "params": form}

    def run(self, campaign_id: str, step: str, ring: str) -> dict[str, Any]:
        """A step as the DAGs take it."""
        operator = AnsiblePhaseOperator(task_id=step, phase=step, ring=ring, campaign_id=campaign_id)
        found: dict[str, Any] = operator.execute(self.context(campaign_id))
        return found

    def state(self, campaign_id: str) -> CampaignState:
        return fetch_campaign(self.store, campaign_id).state

    def go(self, campaign_id: str, *way: CampaignState) -> None:
        for to in way:
            move(self.store, campaign_id, expected=self.state(campaign_id), to=to, actor="test", reason="a test says so")

    def validated(self, campaign_id: str) -> Campaign:
        sourcing.validate_sources(self.context(campaign_id))
        campaign = fetch_campaign(self.store, campaign_id)
        assert campaign.state is _S.VALIDATED
        return campaign

    def release(self, campaign: Campaign) -> None:
        gate = Gate.load(self.settings.policy_dir)
        for seat, who in (("first", "vera"), ("second", "amir")):
            decide(
                self.store, campaign_id=campaign.campaign_id, gate=gate, seat_name=seat, approver=who, decision=APPROVE,
                plan_hash=campaign.plan_hash,
            )  # fmt: skip
        assert approval.release(self.context(campaign.campaign_id)) == ["vera", "amir"]

    def close(self, campaign_id: str) -> None:
        """The end of canary_rollout, and compliance_reporting's."""
        rollout.conclude(self.context(campaign_id))
        self.run(campaign_id, "patch_mirror", "followers")
        self.run(campaign_id, "leave_quarantine", "quarantined")
        compliance.close_campaign(self.context(campaign_id))

    def ask(self, run: str) -> str:
        """Open a case and ask the vendor's desk, which takes its time: the case."""
        register = VendorRegister.load(self.settings.policy_dir)
        case_id = open_case(self.store, register, CaseForm.read(FORM), opener="nils", run_id=run, now=datetime.now(UTC))
        cases.await_hotfix(case_id)
        return case_id

    def offered(self, case_id: str) -> str:
        """The campaign of the hotfix, once the vendor has published it."""
        patience = time.monotonic() + 300
        while not (found := cases.await_hotfix(case_id)).is_done:
            assert time.monotonic() < patience, self.case(case_id)
            time.sleep(1)
        return str(found.xcom_value)

    def case(self, case_id: str) -> Case:
        return fetch_case(self.store, case_id)

    def watch(self) -> list[str]:
        """One look of vendor_case_watch at all cases: the campaigns that it planned."""
        try:
            return cases.watch()
        except AirflowSkipException:
            return []

    def as_built(self, folder: Path) -> None:
        for host in PORTAL:
            if self.version(host) != FIRST:
                install_portal(self.fleet, folder, host, FIRST)

    # -- what hosts say -------------------------------------------------------------------------------------------

    def version(self, host: str) -> str:
        return self.fleet(host, "dpkg-query -W -f '${Version}' acme-portal")

    def answers(self, host: str) -> str:
        """The version of the program that runs, as it says itself."""
        return self.fleet(host, "curl -fsS http://127.0.0.1:8081/version").strip()

    def offers(self, host: str) -> str:
        """What apt knows of the product, and from where."""
        return self.fleet(host, "apt-cache policy acme-portal")

    def knows_quarantine(self, host: str) -> bool:
        """By its apt source, by what apt says, or by an index that it kept."""
        return bool(self.fleet(host, f"cat {SOURCE} 2>/dev/null; apt-cache policy; ls /var/lib/apt/lists").count("quarantine"))


@pytest.fixture
def site(
    own_fleet: OwnFleet, lab_settings: Settings, fleet: Callable[..., str], store: Store, run_on: Any, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Site]:  # fmt: skip
    monkeypatch.setenv("SUTURE_HOME", str(own_fleet.home))
    policy_dir, inventory = tmp_path / "policy", tmp_path / "hosts.yaml"
    policies.render_here().rename(policy_dir)
    document = yaml.safe_load((policy_dir / "parity.yaml").read_text("utf-8"))
    document["traffic"][0].update(speed=4)
    (policy_dir / "parity.yaml").write_text(yaml.safe_dump(document), "utf-8")
    inventory.write_text(yaml.safe_dump(_only(HOSTS, yaml.safe_load(lab_settings.inventory_path.read_text("utf-8")))))
    settings = replace(lab_settings, policy_dir=policy_dir, inventory_path=inventory)
    for name, value in (
        ("POLICY_DIR", policy_dir), ("INVENTORY", inventory), ("WAREHOUSE_URL", settings.require_warehouse()),
        ("STORE_URL", settings.store_url),
    ):  # fmt: skip
        monkeypatch.setenv(f"SUTURE_{name}", str(value))
    monkeypatch.delenv("AIRFLOW_CONN_SUTURE_WAREHOUSE", raising=False)

    made = Site(store, settings, fleet, lambda *versions: own_fleet.lab("publish", *versions))
    made.as_built(tmp_path)
    made.collect()
    yield made
    # As it was: the tests of the whole fleet come after these.
    own_fleet.lab("publish", FIRST)
    assert run_on(Phase.WITHDRAW, *PORTAL, "db1").failed == {}
    made.as_built(tmp_path)


def _only(hosts: tuple[str, ...], document: Any) -> Any:
    """The inventory with these hosts alone."""
    if not isinstance(document, dict):
        return document
    return {
        name: {host: values for host, values in body.items() if host in hosts} if name == "hosts" else _only(hosts, body)
        for name, body in document.items()
    }


def test_a_hotfix_that_is_rolled_back_is_gone_from_hosts_and_quarantine_and_never_comes_again(site: Site) -> None:
    case_id, another = site.ask("first"), site.ask("second")
    campaign_id = site.offered(case_id)
    campaign = site.validated(campaign_id)
    site.go(campaign_id, _S.TESTED)
    site.release(campaign)
    site.go(campaign_id, _S.ROLLING_OUT)
    site.run(campaign_id, "patch", "canary")
    site.run(campaign_id, "verify", "canary")
    assert (site.version("app1"), site.answers("app1")) == (HOTFIX_VERSION, HOTFIX_VERSION)
    assert site.knows_quarantine("app1")
    site.go(campaign_id, _S.HALTED)

    # The DAG rollback, in its order.
    print(recovery.accept_request(site.context(campaign_id)))
    for step in ("fence", "restore", "data_check", "release"):
        site.run(campaign_id, step, "touched")
    recovery.conclude(site.context(campaign_id))
    assert site.run(campaign_id, "leave_quarantine", "quarantined")["done"] == ["app1"]
    assert site.state(campaign_id) is _S.ROLLED_BACK
    assert (site.version("app1"), site.answers("app1")) == (FIRST, FIRST)
    assert not site.knows_quarantine("app1")
    assert HOTFIX_VERSION not in site.offers("app1")

    # Nobody is offered it any more: not from the quarantine, not by its case, not by another.
    assert quarantine_of(site.settings).state(now=datetime.now(UTC)).packages == ()
    assert site.watch() == []
    case = site.case(case_id)
    assert case.state is CaseState.REFUSED
    assert "rolled back" in case.state_reason
    assert site.watch() == []
    assert site.case(case_id).hotfix_version == HOTFIX_VERSION
    site.collect()
    again = site.offered(another)
    with pytest.raises(AirflowFailException, match="version_retired"):
        site.validated(again)
    assert site.state(again) is _S.REJECTED


def test_a_hotfix_reaches_its_hosts_alone_and_the_regular_release_replaces_it(
    site: Site, run_on: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    case_id = site.ask("first")
    everyone = HostRepository.load(site.settings).as_json()
    assert run_on(Phase.ENROLL, "db1", repository=everyone).failed == {}  # a host like any other
    hotfix = site.offered(case_id)
    campaign = site.validated(hotfix)
    assert (campaign.plan.hosts(Ring.STAGING), campaign.plan.production_hosts) == (("stg-app1",), ("app1",))
    _staging_test(site, hotfix)
    assert site.version("stg-app1") == FIRST  # a true mirror again
    site.release(campaign)

    rollout.start(site.context(hotfix))
    site.run(hotfix, "patch", "canary")
    site.run(hotfix, "verify", "canary")
    assert (site.version("app1"), site.answers("app1")) == (HOTFIX_VERSION, HOTFIX_VERSION)
    from_there = [line for line in site.offers("app1").splitlines() if "/quarantine suture/main" in line]
    assert from_there, site.offers("app1")
    site.fleet("db1", "apt-get -qq update")
    assert not site.knows_quarantine("db1")
    assert "acme-portal" not in site.fleet("db1", "apt-cache policy acme-portal; apt-cache madison acme-portal")

    # One host cannot be written: it is named, the other has left, and the watch tries it again.
    rollout.conclude(site.context(hotfix))
    site.run(hotfix, "patch_mirror", "followers")
    assert site.version("stg-app1") == HOTFIX_VERSION
    site.fleet("stg-app1", f"mkdir {SOURCE}.suture-new")
    with pytest.raises(AirflowFailException, match=r"stg-app1 failed: .*The sources could not be set"):
        site.run(hotfix, "leave_quarantine", "quarantined")
    assert not site.knows_quarantine("app1")
    (left,) = list_quarantined(site.store)
    assert (left.host_id, left.ended, left.case_id) == ("stg-app1", True, case_id)
    capsys.readouterr()
    assert main(["case", "show", case_id]) == 0
    assert "  Quarantine     stg-app1: " in (said := capsys.readouterr().out)
    assert "The sources could not be set" in said
    site.fleet("stg-app1", f"rmdir {SOURCE}.suture-new")
    assert cases.campaigns_in_quarantine() == [hotfix]
    assert site.run(hotfix, "leave_quarantine", "quarantined")["done"] == ["stg-app1"]
    assert cases.campaigns_in_quarantine() == []
    assert not site.knows_quarantine("stg-app1")

    compliance.close_campaign(site.context(hotfix))
    site.collect()
    assert site.watch() == []  # in place; nothing replaces it yet
    assert site.case(case_id).state is CaseState.IN_PLACE
    site.publish(FIRST, "1.0.1", REGULAR)
    (replacement,) = site.watch()
    regular = site.validated(replacement)
    assert [p.version for p in regular.plan.packages] == [REGULAR]
    assert not regular.plan.in_quarantine
    site.go(replacement, _S.TESTED)
    site.release(regular)
    site.go(replacement, _S.ROLLING_OUT)
    site.run(replacement, "patch", "canary")
    assert (site.version("app1"), site.answers("app1")) == (REGULAR, REGULAR)
    site.close(replacement)
    site.collect()
    assert site.watch() == []
    assert site.case(case_id).state is CaseState.REPLACED

    now = datetime.now(UTC)
    assert quarantine_of(site.settings).state(now=now).packages == ()
    assert REGULAR in {p.version for p in repository_of(site.settings).state(now=now).packages}
    retired = sources.list_retired_versions(site.store, asset_group="web")
    assert [(r.source_package, r.source_version) for r in retired] == [("acme-portal", HOTFIX_VERSION)]
    for host in (*PORTAL, "db1"):
        assert not site.knows_quarantine(host)
    assert [site.version(host) for host in PORTAL] == [REGULAR, REGULAR]


def _replay(context: dict[str, Any], stage: str) -> None:
    """As Airflow does it: where the machine was too busy to send on time, it is tried again."""
    for _ in range(4):
        with contextlib.suppress(TrafficUnavailableError):
            staging.replay_traffic(context, stage)
            return
        time.sleep(10)
    staging.replay_traffic(context, stage)


def _staging_test(site: Site, campaign_id: str) -> None:
    """The DAG staging_test, in its order, without its way back and forward again: the way back is the other test's."""
    context = site.context(campaign_id)
    site.run(campaign_id, "prepare", "staging")
    staging.measure_parity(context)
    staging.run_tests(context, "before")
    _replay(context, "before")
    site.run(campaign_id, "patch", "staging")
    assert site.answers("stg-app1") == HOTFIX_VERSION
    staging.run_tests(context, "after")
    _replay(context, "after")
    site.run(campaign_id, "restore_mirror", "staging")
    staging.conclude(context)
