"""A case from its form to the regular release that replaces the hotfix: a real desk over HTTP, real signed repositories, a real
internal and quarantine repository, a real warehouse. Only the rollout itself is told, not done: the main job does rollouts."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import vendor as lab_vendor
from lab.archive import Archive, Source
from lab.gateway import Gateway, Served
from lab.vendor.desk import HOTFIX, HOTFIX_VERSION, Desk
from suture.campaign import CampaignState, fetch_campaign, pin_packages
from suture.errors import BadInputError
from suture.rollout.rings import RingPolicy
from suture.settings import PROJECT_ROOT, Settings
from suture.sourcing.aptly import AptlyError
from suture.sourcing.cases import CaseError, CaseForm, CaseState, VendorRegister, fetch_case, list_events, open_case
from suture.sourcing.cases.advance import advance, first_campaign, watch_cases
from suture.sourcing.cases.asking import acknowledge, look, offer, withdraw
from suture.sourcing.cases.case import describe
from suture.sourcing.cases.desk import DeskError, request_text
from suture.sourcing.intake import quarantine_of, repository_of, validate_campaign
from suture.sourcing.internal import InternalRepository
from suture.sourcing.keyring import load_keyring
from suture.store import Store, sources
from tests.fleet_rows import add_host, install

pytestmark = pytest.mark.database
FORM: dict[str, Any] = {
    "source_package": "acme-portal", "asset_group": "web", "title": "Sessions never end", "summary": "Taken over once, for ever.",
    "tlp": "AMBER", "participants": [], "host_ids": ["app1", "app2"],
}  # fmt: skip


@dataclass
class World:
    """A vendor with a desk behind a gateway, three web hosts with 1.0.1 and a staging host."""

    store: Store
    settings: Settings
    folder: Path
    secrets: Path
    url: str
    now: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))
    clock_s: float = 0.0

    @property
    def register(self) -> VendorRegister:
        return VendorRegister.load(self.settings.policy_dir)

    @property
    def ring_plan(self) -> Any:
        return RingPolicy.load(self.settings.policy_dir).ring_plan

    def open(self, opener: str | None = "nils", run: str = "manual__1", **changes: Any) -> str:
        return open_case(
            self.store, self.register, CaseForm.read({**FORM, **changes}), opener=opener, run_id=run, now=self.now
        )

    def advance(self, case_id: str) -> CaseState:
        return advance(self.store, self.settings, self.register, case_id, ring_plan=self.ring_plan, now=self.now).state

    def watch(self) -> tuple[str, ...]:
        found = watch_cases(self.store, self.settings, self.register, ring_plan=self.ring_plan, now=self.now)
        assert found.faults == {}
        return found.planned

    def pass_time(self, seconds: float) -> None:
        self.clock_s += seconds
        self.now = max(self.now, datetime.now(UTC).replace(microsecond=0))  # the desk dates what it publishes by the real clock

    def publish(self, *versions: str) -> None:
        """The vendor's regular source offers these; dated now, which it is here then, however slow the machine."""
        lab_vendor.publish(self.folder, self.secrets, versions, at=self.now)

    def set_state(self, campaign_id: str, state: CampaignState) -> None:
        self.store._connection.execute("UPDATE campaign SET state = %s WHERE campaign_id = %s", (state.value, campaign_id))

    def set_version(self, version: str, *hosts: str) -> None:
        self.store._connection.execute(
            "UPDATE host_package SET version = %s, source_version = %s WHERE host_id = ANY(%s)", (version, version, list(hosts))
        )


@pytest.fixture(scope="module")
def vendors_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The vendor's key and packages, made once."""
    root = tmp_path_factory.mktemp("vendor")
    lab_vendor.publish(root / "vendor", root / "secrets", ["1.0.0", "1.0.1"])
    return root


@pytest.fixture
def world(tmp_path: Path, store: Store, settings: Settings, vendors_key: Path) -> Iterator[World]:
    shutil.copytree(vendors_key, tmp_path / "lab", symlinks=True)
    folder, secrets = tmp_path / "lab" / "vendor", tmp_path / "lab" / "secrets"
    made = World(store, replace(settings, policy_dir=tmp_path / "policy"), folder, secrets, "")
    served = Served(
        folders={"vendor": folder / "public", "hotfix": folder / HOTFIX / "public"},
        archive=Archive("debian", "bookworm", Source("http://archive.invalid", "bookworm", (), None), None, frozenset()),
        cache=tmp_path / "cache",
        desk=Desk(folder, secrets, clock=lambda: made.clock_s),
    )  # fmt: skip
    gateway = Gateway(0, served)
    threading.Thread(target=gateway.serve_forever, daemon=True).start()
    made.url = f"http://127.0.0.1:{gateway.server_address[1]}"
    write_policies(made)
    for host, group, environment in (
        ("app1", "web", "production"), ("app2", "web", "production"), ("app3", "web", "production"), ("stage1", "staging", "staging"),
    ):  # fmt: skip
        add_host(store, host, asset_group=group, environment=environment)
        install(store, host, "acme-portal", "1.0.1")
    yield made
    gateway.shutdown()
    gateway.server_close()


def write_policies(world: World) -> None:
    shutil.copytree(PROJECT_ROOT / "include" / "policy", world.settings.policy_dir)
    keyring = world.folder / "keyring.gpg"
    document = {
        "sources": [
            {
                "name": name, "kind": "apt", "use": use, "address": f"{world.url}/{path}", "suite": "stable", "components": ["main"],
                "origin": "ACME Lab Vendor", "keyrings": [str(keyring)], "fingerprints": sorted(load_keyring([keyring]).keys),
            }
            for name, path, use in (("acme", "vendor", "patches"), ("acme-hotfix", "hotfix", "out_of_band"))
        ]
    }  # fmt: skip
    (world.settings.policy_dir / "sources.yaml").write_text(yaml.safe_dump(document), "utf-8")
    set_vendor(world)


def set_vendor(world: World, **changes: Any) -> None:
    entry = {
        "name": "acme", "title": "ACME", "products": ["acme-*"], "hotfix_source": "acme-hotfix", "regular_sources": ["acme"],
        "contact": {"kind": "desk", "address": f"{world.url}/desk", "lab": True},
        "acknowledge_within_hours": 4, "fix_within_hours": 24,
    } | changes  # fmt: skip
    path = world.settings.policy_dir / "vendors.yaml"
    document = {"may_open": ["nils", "olga"], "window": "emergency", "vendors": [entry]}
    path.write_text(yaml.safe_dump(document), "utf-8")


def planned(world: World) -> tuple[str, str]:
    """(case, campaign) of a case whose hotfix the vendor has published."""
    case_id = world.open()
    assert world.advance(case_id) is CaseState.ASKED
    world.pass_time(6)
    assert world.advance(case_id) is CaseState.ACKNOWLEDGED
    world.pass_time(20)
    assert world.advance(case_id) is CaseState.ROLLING_OUT
    campaign = fetch_case(world.store, case_id).campaign_id
    assert campaign is not None
    return case_id, campaign


def test_a_hotfix_comes_through_the_gates_into_quarantine_and_is_replaced_by_the_regular_release(world: World) -> None:
    case_id, campaign_id = planned(world)
    campaign = fetch_campaign(world.store, campaign_id)
    assert first_campaign(world.store, fetch_case(world.store, case_id)) == campaign_id
    assert set(campaign.plan.production_hosts) == {"app1", "app2"}  # narrowed: app3 has it too, and was not asked for
    assert campaign.requested_by == "nils"
    assert campaign.window_name == "emergency"
    assert [p.version for p in campaign.plan.packages] == [HOTFIX_VERSION]

    verdict = validate_campaign(world.store, world.settings, campaign_id, now=world.now)
    assert verdict.adopted, verdict.sentence
    pin_packages(world.store, campaign_id, verdict.packages, actor="test")
    assert HOTFIX_VERSION in {p.version for p in quarantine_of(world.settings).state(now=world.now).packages}
    assert repository_of(world.settings).state(now=world.now).packages == ()  # nobody else is offered it
    assert quarantine_of(world.settings).keyring.read_bytes() == repository_of(world.settings).keyring.read_bytes()

    world.set_state(campaign_id, CampaignState.CLOSED)
    world.set_version(HOTFIX_VERSION, "app1", "app2", "stage1")
    assert world.watch() == ()  # in place; the vendor has no regular release that is newer
    assert fetch_case(world.store, case_id).state is CaseState.IN_PLACE

    world.publish("1.0.1", "1.0.3")
    (replacement,) = world.watch()
    assert world.watch() == ()  # once only
    regular = fetch_campaign(world.store, replacement)
    assert set(regular.plan.production_hosts) == {"app1", "app2"}
    assert [p.version for p in regular.plan.packages] == ["1.0.3"]
    assert "repository" not in regular.plan.extra

    world.set_version("1.0.3", "app1", "app2", "stage1")
    world.set_state(replacement, CampaignState.CLOSED)
    world.watch()
    assert fetch_case(world.store, case_id).state is CaseState.REPLACED
    assert HOTFIX_VERSION not in {p.version for p in quarantine_of(world.settings).state(now=world.now).packages}
    assert HOTFIX_VERSION in {r.source_version for r in sources.list_retired_versions(world.store, asset_group="web")}


@pytest.mark.parametrize("end", [CampaignState.TEST_FAILED, CampaignState.DECLINED, CampaignState.REJECTED])
def test_a_replacement_that_was_stopped_is_not_planned_again_until_it_is_given_up(world: World, end: CampaignState) -> None:
    case_id, campaign_id = planned(world)
    world.set_state(campaign_id, CampaignState.CLOSED)
    world.set_version(HOTFIX_VERSION, "app1", "app2", "stage1")
    world.publish("1.0.1", "1.0.3")
    (replacement,) = world.watch()
    world.set_state(replacement, end)
    assert world.watch() == world.watch() == ()
    (said,) = [e["sentence"] for e in list_events(world.store, case_id) if e["kind"] == "replacement_stopped"]
    assert said.startswith(f"{replacement}, which was to bring 1.0.3, is {end.replace('_', ' ')}.")
    assert fetch_case(world.store, case_id).state is CaseState.IN_PLACE
    world.set_state(replacement, CampaignState.SUPERSEDED)
    (another,) = world.watch()
    assert another != replacement


def test_a_regular_release_that_was_retired_does_not_replace_a_hotfix(world: World) -> None:
    case_id, campaign_id = planned(world)
    world.set_state(campaign_id, CampaignState.CLOSED)
    world.set_version(HOTFIX_VERSION, "app1", "app2", "stage1")
    world.publish("1.0.1", "1.0.3")
    sources.retire_version(
        world.store, source_package="acme-portal", source_version="1.0.3", campaign_id=None, reason="It was rolled back.",
        retired_at=world.now,
    )  # fmt: skip
    assert world.watch() == world.watch() == ()
    assert fetch_case(world.store, case_id).state is CaseState.IN_PLACE


def test_a_hotfix_in_place_that_is_rolled_back_is_refused_and_not_taken_again(world: World) -> None:
    case_id, campaign_id = planned(world)
    world.set_state(campaign_id, CampaignState.CLOSED)
    world.set_version(HOTFIX_VERSION, "app1", "app2", "stage1")
    world.watch()
    assert fetch_case(world.store, case_id).state is CaseState.IN_PLACE
    world.publish("1.0.1", "1.0.3")
    world.set_state(campaign_id, CampaignState.ROLLING_BACK)
    assert world.watch() == ()  # nothing else is planned there while its hosts go back
    world.set_state(campaign_id, CampaignState.ROLLED_BACK)
    world.set_version("1.0.1", "app1", "app2", "stage1")
    assert world.watch() == ()
    case = fetch_case(world.store, case_id)
    assert case.state is CaseState.REFUSED
    assert f"{campaign_id} is rolled back" in case.state_reason
    with pytest.raises(CaseError, match="was refused already"):
        offer(world.store, world.register, case, version=HOTFIX_VERSION, actor="nils", now=world.now)


@pytest.mark.parametrize("end", [CampaignState.TEST_FAILED, CampaignState.ROLLED_BACK])
def test_a_hotfix_refused_after_its_intake_leaves_the_quarantine_and_evidence_says_so(
    world: World, end: CampaignState
) -> None:
    case_id, campaign_id = planned(world)
    verdict = validate_campaign(world.store, world.settings, campaign_id, now=world.now)
    assert verdict.adopted, verdict.sentence
    pin_packages(world.store, campaign_id, verdict.packages, actor="test")
    public = quarantine_of(world.settings).public
    assert list(public.rglob("*hotfix1*.deb"))
    world.set_state(campaign_id, end)
    world.watch()
    case = fetch_case(world.store, case_id)
    assert case.state is CaseState.REFUSED
    assert "taken out of the quarantine repository" in case.state_reason
    assert not list(public.rglob("*hotfix1*.deb")), "hosts could still ask for it"
    assert HOTFIX_VERSION not in {p.version for p in quarantine_of(world.settings).state(now=world.now).packages}
    told = world.store.fetch_all("evidence/list_evidence", {"campaign_id": campaign_id})
    (withdrawn,) = [one for one in told if one["action"] == "hotfix_withdrawn"]
    assert [file["sha256"] for file in withdrawn["grounds"]["files"]] == [p.sha256 for p in verdict.packages]
    assert withdrawn["grounds"]["was_on_offer"]
    assert campaign_id in withdrawn["grounds"]["reason"]


def test_a_quarantine_that_cannot_be_changed_leaves_the_case_for_the_next_run(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    case_id, campaign_id = planned(world)
    assert validate_campaign(world.store, world.settings, campaign_id, now=world.now).adopted
    world.set_state(campaign_id, CampaignState.TEST_FAILED)

    def fail(*_arguments: Any, **_named: Any) -> None:
        raise AptlyError("no space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(InternalRepository, "retire", fail)
        found = watch_cases(world.store, world.settings, world.register, ring_plan=world.ring_plan, now=world.now)
    assert "no space left" in found.faults[case_id]
    assert fetch_case(world.store, case_id).state is CaseState.ROLLING_OUT
    actions = [one["action"] for one in world.store.fetch_all("evidence/list_evidence", {"campaign_id": campaign_id})]
    assert "hotfix_withdrawn" not in actions
    world.watch()
    assert fetch_case(world.store, case_id).state is CaseState.REFUSED
    assert not list(quarantine_of(world.settings).public.rglob("*hotfix1*.deb"))


def test_a_hotfix_without_the_vendors_signature_stops_and_the_vendor_can_offer_another(world: World) -> None:
    case_id = world.open()
    world.advance(case_id)
    world.pass_time(30)
    look(world.store, world.register, world.settings.secrets_dir, case_id, now=world.now)  # the desk publishes it
    inrelease = world.folder / HOTFIX / "public" / "dists" / "stable" / "InRelease"
    kept = inrelease.read_bytes()
    for name in ("InRelease", "Release.gpg"):
        (inrelease.parent / name).unlink()

    assert world.advance(case_id) is CaseState.REFUSED
    case = fetch_case(world.store, case_id)
    assert "signature_missing" in case.state_reason
    assert case.campaign_id is None
    assert world.advance(case_id) is CaseState.REFUSED  # the same version is not tried again by itself

    inrelease.write_bytes(kept)
    with pytest.raises(CaseError, match="was refused already"):
        offer(world.store, world.register, case, version=HOTFIX_VERSION, actor="nils", now=world.now)
    offered = offer(world.store, world.register, case, version="1.0.1", actor="nils", now=world.now)
    assert offered.state is CaseState.OFFERED
    assert world.advance(case_id) is CaseState.REFUSED
    assert "not newer" in fetch_case(world.store, case_id).state_reason


def test_a_hotfix_tampered_with_between_plan_and_intake_is_rejected_and_the_case_says_so(world: World) -> None:
    case_id, campaign_id = planned(world)
    package = next((world.folder / HOTFIX / "public" / "pool").rglob("*hotfix1*.deb"))
    package.write_bytes(package.read_bytes()[:-1] + b"x")
    verdict = validate_campaign(world.store, world.settings, campaign_id, now=world.now)
    assert (verdict.adopted, verdict.reason) == (False, "hash_mismatch")
    assert not (quarantine_of(world.settings).public / "dists").exists()
    world.set_state(campaign_id, CampaignState.REJECTED)
    world.watch()
    case = fetch_case(world.store, case_id)
    assert case.state is CaseState.REFUSED
    assert campaign_id in case.state_reason


def test_a_regular_release_that_sorts_before_the_hotfix_is_said_and_not_planned(world: World) -> None:
    case_id, campaign_id = planned(world)
    world.set_state(campaign_id, CampaignState.CLOSED)
    world.set_version("1.0.2+hotfix1", "app1", "app2", "stage1")
    world.store._connection.execute("UPDATE vendor_case SET hotfix_version = '1.0.2+hotfix1'")
    assert world.watch() == ()  # 1.0.1 is what it is a hotfix of: nothing to say
    world.publish("1.0.1", "1.0.2")
    assert world.watch() == ()
    assert world.watch() == ()
    (said,) = [e["sentence"] for e in list_events(world.store, case_id) if e["kind"] == "sorts_older"]
    assert "1.0.2, which sorts before the hotfix 1.0.2+hotfix1" in said


def test_embargoed_text_is_in_the_request_and_nowhere_else(world: World) -> None:
    planned(world)
    asked = json.loads((world.folder / HOTFIX / "cases.json").read_text("utf-8"))
    assert list(asked)
    for table in ("evidence", "campaign", "vendor_case_event", "intake"):
        for row in world.store._connection.execute(f"SELECT t::text AS line FROM {table} AS t").fetchall():
            assert FORM["title"] not in row["line"], table
            assert FORM["summary"] not in row["line"], table


@pytest.mark.parametrize("tlp", ["RED", "AMBER+STRICT"])
def test_under_a_strict_tlp_the_form_takes_no_text_and_the_vendor_is_asked_once_it_is_given(world: World, tlp: str) -> None:
    with pytest.raises(BadInputError, match="do not belong into a form"):
        world.open(tlp=tlp)
    case_id = world.open(tlp=tlp, title="", summary="")
    assert world.advance(case_id) is CaseState.OPEN
    assert not (world.folder / HOTFIX / "cases.json").exists()
    case = describe(world.store, fetch_case(world.store, case_id), title="T", summary="S", actor="terminal:root", now=world.now)
    assert case.readable_by("nils")
    assert case.readable_by("vera") is (tlp != "RED")
    assert world.advance(case_id) is CaseState.ASKED
    with pytest.raises(CaseError, match="until the vendor is asked"):
        describe(world.store, fetch_case(world.store, case_id), title="T2", summary="S", actor="x", now=world.now)


def test_what_the_vendor_owes_is_said_once(world: World) -> None:
    case_id = world.open()
    world.advance(case_id)
    world.now += timedelta(hours=5)
    for _ in range(2):
        world.advance(case_id)
    overdue = [e["sentence"] for e in list_events(world.store, case_id) if e["kind"] == "overdue"]
    assert len(overdue) == 1
    assert "owed an answer" in overdue[0]
    world.pass_time(6)
    world.advance(case_id)
    world.now += timedelta(hours=25)
    world.advance(case_id)
    assert len([e for e in list_events(world.store, case_id) if e["kind"] == "overdue"]) == 2


def test_a_vendor_without_a_desk_is_written_to_and_a_person_says_what_came_back(world: World) -> None:
    set_vendor(world, contact={"kind": "manual", "address": "security@acme.invalid"})
    case_id = world.open(cve_id="CVE-2026-12345", embargo_until="2099-01-01T00:00Z")
    assert world.advance(case_id) is CaseState.ASKED
    case = fetch_case(world.store, case_id)
    text = request_text(case, world.register.vendor("acme"), acknowledge_by=world.now)
    assert "TLP:AMBER" in text and FORM["summary"] in text and case_id in text and "CVE-2026-12345" in text  # noqa: PT018
    case = acknowledge(world.store, world.register, case, reference="V-1", actor="terminal:root", now=world.now)
    lab_vendor.publish(world.folder / HOTFIX, world.secrets, ["1.0.1", HOTFIX_VERSION], at=world.now)
    offer(world.store, world.register, case, version=HOTFIX_VERSION, actor="terminal:root", now=world.now)
    assert world.advance(case_id) is CaseState.ROLLING_OUT
    with pytest.raises(CaseError, match="cannot move"):
        withdraw(world.store, fetch_case(world.store, case_id), actor="x", reason="y", now=world.now)


def test_a_product_that_the_desk_does_not_make_is_declined(world: World) -> None:
    for host in ("app1", "app2"):
        install(world.store, host, "acme-shop", "3.0")
    case_id = world.open(source_package="acme-shop")
    assert world.advance(case_id) is CaseState.DECLINED


def test_the_same_run_opens_one_case(world: World) -> None:
    assert world.open() == world.open()
    assert world.open(run="manual__2") != world.open()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"source_package": "acme portal; rm"}, "source_package"),
        ({"source_package": "nobody-makes-it"}, "No vendor"),
        ({"asset_group": "data"}, "nothing to mend"),
        ({"host_ids": ["app1", "elsewhere"]}, "elsewhere"),
        ({"host_ids": "app1"}, "host_ids"),
        ({"tlp": "WHITE"}, "tlp"),
        ({"cve_id": "CVE-1"}, "cve_id"),
        ({"title": "  "}, "title"),
        ({"summary": "x" * 4001}, "4001"),
        ({"summary": "a\0b"}, "NUL"),
        ({"embargo_until": "soon"}, "embargo_until"),
        ({"embargo_until": "2020-01-01T00:00Z"}, "past"),
    ],
)
def test_a_form_that_cannot_be_taken_names_the_field(world: World, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInputError, match=said):
        world.open(**changes)
    assert world.store._connection.execute("SELECT count(*) AS n FROM vendor_case").fetchone() == {"n": 0}


@pytest.mark.parametrize("opener", [None, "audra"])
def test_only_people_of_policy_open_cases(world: World, opener: str | None) -> None:
    with pytest.raises(CaseError, match=r"vendors\.yaml|may not open|Nobody"):
        world.open(opener=opener)


class Liar(BaseHTTPRequestHandler):
    """Answers with what the server carries: (status, body)."""

    def do_POST(self) -> None:
        status, body = self.server.answer  # type: ignore[attr-defined]
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None: ...


@pytest.mark.parametrize(
    ("answer", "said", "retryable"),
    [
        ((500, b""), "answered with 500", True),
        ((302, b""), "refused POST with 302", False),
        ((200, b"<html>maintenance</html>"), "no JSON", False),
        ((200, b"[" * 60000), "no JSON", False),
        ((200, b'{"reference": "V-1", "status": "' + b"x" * 70000), "more than", False),
        ((200, b"[]"), "no JSON object", False),
        ((200, b'{"reference": "../../x", "status": "received"}'), "reference", False),
        ((200, b'{"reference": "V-1", "status": "maybe"}'), "status", False),
        ((200, b'{"reference": "V-1", "status": "fix_available", "hotfix": {"version": "-o Dpkg"}}'), "no version", False),
    ],
)
def test_a_desk_that_answers_strangely_is_named_and_the_case_stays_open(
    world: World, answer: tuple[int, bytes], said: str, retryable: bool
) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Liar)
    server.answer = answer  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        set_vendor(world, contact={"kind": "desk", "address": f"http://127.0.0.1:{server.server_address[1]}/d", "lab": True})
        case_id = world.open()
        with pytest.raises(DeskError, match=said) as raised:
            world.advance(case_id)
        assert raised.value.retryable is retryable
        assert fetch_case(world.store, case_id).state is CaseState.OPEN
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("contact", "said"),
    [
        ({"kind": "desk", "address": "http://vendor.example/desk"}, "https"),
        ({"kind": "desk", "address": "http://vendor.example/desk", "lab": True}, "https"),
        ({"kind": "desk", "address": "https://user:secret@vendor.example/desk"}, "password"),
    ],
)
def test_a_desk_must_be_reached_safely(world: World, contact: dict[str, Any], said: str) -> None:
    set_vendor(world, contact=contact)
    with pytest.raises(BadInputError, match=said):
        _ = world.register
