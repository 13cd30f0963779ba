"""The pages of sourcing: what was proven and refused is shown with its reason, a case's text only to those who may read it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from suture.feeds import FeedsPolicy, load_files
from suture.model.plan import QUARANTINE
from suture.settings import PROJECT_ROOT, Settings
from suture.sourcing.attestations import KeptAttestation
from suture.sourcing.cases import CaseForm, VendorRegister, fetch_case, open_case
from suture.sourcing.cases.case import describe
from suture.sourcing.examination import (
    Action,
    Actions,
    Concern,
    Examination,
    PackageFile,
    SbomFile,
    Subject,
    load_policy,
)
from suture.sourcing.examining import Examined
from suture.sourcing.sbom import keeping
from suture.sourcing.sbom.examiner import examine
from suture.store import Json, Store, sources
from suture.store.objects import FolderObjects, digest
from suture_airflow.ui import URL_PREFIX
from suture_airflow.ui.access import reader
from suture_airflow.ui.pages import build
from tests.fleet_rows import add_host, install
from tests.unit.campaign.campaigns import PLAN, add_campaign
from tests.unit.compliance.test_report import Page
from tests.unit.risk.test_affected import record
from tests.unit.sourcing.sbom.documents import PARTS, Part, cyclonedx

HOSTILE = "<script>alert('x')</script>{{ 7*7 }}"
NOW = datetime.now(UTC)
CAMPAIGN = "SUT-2026-0001"


@pytest.fixture
def user() -> SimpleNamespace:
    """Who is logged in; a test may change the name."""
    person = SimpleNamespace(name="olga")
    person.get_name = lambda: person.name
    return person


@pytest.fixture
def browser(settings: Settings, monkeypatch: pytest.MonkeyPatch, user: SimpleNamespace) -> Iterator[TestClient]:
    monkeypatch.setenv("SUTURE_HOME", str(settings.home))
    monkeypatch.setenv("SUTURE_WAREHOUSE_URL", settings.require_warehouse())
    monkeypatch.setenv("SUTURE_POLICY_DIR", str(PROJECT_ROOT / "include" / "policy"))
    pages = build()
    pages.dependency_overrides[reader] = lambda: user
    airflow = FastAPI()
    airflow.mount(URL_PREFIX, pages)
    with TestClient(airflow, raise_server_exceptions=False) as client:
        yield client


def text_of(browser: TestClient, path: str, status: int = 200) -> str:
    answer = browser.get(URL_PREFIX + path)
    assert answer.status_code == status, answer.text[:2000]
    assert "<script>alert" not in answer.text
    return " ".join(Page(answer.text).text.split())


def a_case(store: Store, *, tlp: str) -> str:
    add_host(store, "app1")
    install(store, "app1", "openssl", "3.0.1")
    form: dict[str, Any] = {"source_package": "openssl", "asset_group": "web", "tlp": tlp, "participants": ["rosa"]}
    register = VendorRegister.load(PROJECT_ROOT / "include" / "policy")
    if tlp != "RED":
        form |= {"title": f"Secret hole {HOSTILE}", "summary": "How it is done"}
    case_id = open_case(store, register, CaseForm.read(form), opener="nils", run_id="r1", now=NOW)
    if tlp == "RED":
        describe(store, fetch_case(store, case_id), title=f"Secret hole {HOSTILE}", summary="How it is done", actor="t", now=NOW)
    return case_id


@pytest.mark.parametrize("name", ["nils", "rosa"])
def test_a_red_case_is_read_by_its_participants(
    browser: TestClient, store: Store, user: SimpleNamespace, name: str
) -> None:
    case_id, user.name = a_case(store, tlp="RED"), name
    shown = text_of(browser, f"/cases/{case_id}")
    assert "Secret hole <script>alert('x')</script>{{ 7*7 }}" in shown
    assert "How it is done" in shown


@pytest.mark.parametrize("path", ["/cases", "/cases/{}"])
def test_a_red_case_is_known_to_others_but_not_read(browser: TestClient, store: Store, path: str) -> None:
    case_id = a_case(store, tlp="RED")
    shown = text_of(browser, path.format(case_id))
    assert case_id in shown
    assert "openssl" in shown
    assert "Secret hole" not in shown
    assert "How it is done" not in shown


def test_a_late_vendor_is_red_and_the_contact_is_named(browser: TestClient, store: Store) -> None:
    case_id = a_case(store, tlp="AMBER")
    store._connection.execute(
        "UPDATE vendor_case SET state = 'asked', acknowledge_by = %s", (NOW - timedelta(hours=1),)
    )
    assert "overdue" in text_of(browser, "/cases")
    shown = text_of(browser, f"/cases/{case_id}")
    assert "Debian security team is late." in shown
    assert "https://www.debian.org/security/faq" in shown


def test_a_case_shows_what_is_published_of_its_vendors_products(
    browser: TestClient, store: Store, tmp_path: Path
) -> None:
    case_id = a_case(store, tlp="AMBER")
    assert "Published of this vendor's products" not in text_of(browser, f"/cases/{case_id}")
    records = (("a", record(1000, 2, 9.8, ("Debian", "dpkg"))), ("b", record(1001, 4, None, ("debian", HOSTILE))),
               ("c", record(1002, 3, 7.8, ("Acme", "dpkg"))))  # fmt: skip
    for name, content in records:
        (tmp_path / f"{name}.json").write_bytes(content)
    load_files(store, FeedsPolicy.load(PROJECT_ROOT / "include" / "policy").source("cve5"), [tmp_path], now=NOW)
    shown = text_of(browser, f"/cases/{case_id}")
    listed = shown[shown.index("Published of this vendor's products") :]
    assert listed.index("CVE-2026-1001") < listed.index("CVE-2026-1000")  # the newest first
    assert "CVE-2026-1002" not in listed
    assert "9.8" in listed
    assert "no score" in listed


@pytest.mark.parametrize(("state", "shown"), [("rolling_out", False), ("rolled_back", True)])
def test_hosts_that_ought_to_have_left_the_quarantine_stand_in_the_case(
    browser: TestClient, store: Store, state: str, shown: bool
) -> None:
    case_id = a_case(store, tlp="AMBER")
    plan = replace(PLAN, extra={"repository": QUARANTINE, "case_id": case_id})
    store._connection.execute("DELETE FROM host_package; DELETE FROM host")
    add_campaign(store, CAMPAIGN, plan)
    store._connection.execute("UPDATE campaign SET state = %s", (state,))
    steps = [("patch", "done", None, NOW), ("leave_quarantine", "failed", HOSTILE, NOW + timedelta(minutes=1))]
    store.copy_rows(
        "host_step",
        ("host_id", "phase", "status", "error", "started_at", "campaign_id", "plan_hash", "token"),
        [("app1", *step, CAMPAIGN, plan.hash, 1) for step in steps if shown or step[0] == "patch"],
    )
    page = text_of(browser, f"/cases/{case_id}")
    assert ("Hosts still know the quarantine repository." in page) is shown
    assert (f"app1: {HOSTILE}" in page) is shown


def test_no_case_and_an_unknown_case(browser: TestClient, store: Store) -> None:
    assert "No case was ever opened" in text_of(browser, "/cases")
    assert "There is no case" in text_of(browser, "/cases/CASE-2026-0009", 404)
    assert "No campaign has come to its intake" in text_of(browser, "/intakes")


def an_intake(store: Store, *, reason: str | None, concerns: tuple[Concern, ...] = ()) -> None:
    chain = {
        "source": "debian-security", "suite": "bookworm-security", "key_fingerprint": "A" * 40, "date": "2026-11-20T10:00:00+00:00",
        "files": [{"package": "nginx", "version": "1.2", "architecture": "amd64", "path": "p", "size": 12345, "sha256": "b" * 64}],
    }  # fmt: skip
    intake_id = sources.record_intake(
        store, campaign_id=CAMPAIGN, source="debian-security", adopted=reason is None, reason=reason, sentence=f"Said {HOSTILE}",
        snapshot_ref="snap" if reason is None else None, chain=chain, decided_at=NOW,
    )  # fmt: skip
    actions = Actions({"notes": {"undeclared_setuid": Action.REFUSE, "undeclared_file": Action.NOTE}}, Action.REVIEW)
    examination = Examination("notes", "nginx", "1.2", "amd64", "1.1", concerns, {"files": 3}, 0.2)
    store.execute(
        "intake/insert_examinations",
        {"intake_id": intake_id, "campaign_id": CAMPAIGN, "rows": Json([examination.as_dict(actions)]), "examined_at": NOW},
    )


def test_provenance_shows_chain_concerns_and_files(browser: TestClient, store: Store) -> None:
    add_campaign(store, CAMPAIGN)
    assert "has not come to its intake" in text_of(browser, f"/campaigns/{CAMPAIGN}/provenance")
    an_intake(
        store,
        reason="undeclared_setuid",
        concerns=(
            Concern("undeclared_file", "usr/a", "usr/a is new."),
            Concern("undeclared_setuid", "usr/b", f"usr/b {HOSTILE} is setuid."),
        ),
    )
    shown = text_of(browser, f"/campaigns/{CAMPAIGN}/provenance")
    assert "A" * 40 in shown
    assert "b" * 64 in shown
    assert "usr/b <script>alert('x')</script>{{ 7*7 }} is setuid." in shown
    assert "1 refused, 0 to review, 1 noted" in shown
    assert shown.index("undeclared_setuid: usr/b") < shown.index("undeclared_file: usr/a")  # the sternest first
    assert CAMPAIGN in text_of(browser, "/intakes")


@pytest.mark.parametrize("adopted", [True, False])
def test_provenance_shows_each_sbom_with_its_verdict_and_evidence(
    browser: TestClient, store: Store, tmp_path: Path, adopted: bool
) -> None:
    """What the page gets from a real examination of a real document, hostile text and all."""
    add_campaign(store, CAMPAIGN)
    package = tmp_path / "billing-2.0.1-py3-none-any.whl"
    package.write_bytes(b"PK\x05\x06" + bytes(18))
    new = PackageFile(package, "billing", "2.0.1", "all", "a" * 64)
    files = []
    for version, parts in (("2.0.0", PARTS), ("2.0.1", (PARTS[0].moved("pkg:pypi/requests@2.30.0"), *PARTS[1:]))):
        raw = cyclonedx("1.6", "json", Part(f"pkg:pypi/billing@{version}", supplier=HOSTILE), parts)
        path = tmp_path / digest(raw)
        path.write_bytes(raw)
        files.append(SbomFile("billing.cdx.json", path, path.name, version, kept=version == "2.0.0"))
    subject = Subject(new, sboms=(files[1],), sboms_before=(files[0],))
    examination, shipped = keeping.shipped(subject, examine(subject))
    intake_id = sources.record_intake(
        store, campaign_id=CAMPAIGN, source="acme", adopted=adopted, reason=None if adopted else "downgraded", sentence="s",
        snapshot_ref="snap" if adopted else None, chain={"source": "acme"}, decided_at=NOW,
    )  # fmt: skip
    examined = Examined(
        load_policy(PROJECT_ROOT / "include" / "policy").actions, (examination,),
        sboms=keeping.put(FolderObjects(tmp_path / "objects"), shipped),
    )  # fmt: skip
    examined.write(store, intake_id=intake_id, campaign_id=CAMPAIGN, adopted=adopted, now=NOW, actor="test")
    shown = text_of(browser, f"/campaigns/{CAMPAIGN}/provenance")
    section = shown[shown.index("Bills of materials Package") :]
    assert "billing.cdx.json (listed in the signed Release): CycloneDX 1.6 of pkg:pypi/billing 2.0.1, 4 components" in section
    assert f"SHA-256 {files[1].sha256}" in section
    assert "2.0.0, accepted by an intake" in section
    assert f"SHA-256 {files[0].sha256}" in section
    assert "1 downgraded" in section
    assert "A component went back: pkg:pypi/requests 2.31.0 → 2.30.0" in section
    kept = (tmp_path / "objects" / "sboms" / files[1].sha256).as_uri()
    assert (kept in section, "not kept: nothing was adopted" in section) == (adopted, not adopted)


@pytest.mark.parametrize("adopted", [True, False])
def test_attestations_stand_with_who_says_what(browser: TestClient, store: Store, tmp_path: Path, adopted: bool) -> None:
    add_campaign(store, CAMPAIGN)
    new = PackageFile(tmp_path / "p.deb", "nginx", "1.2", "amd64", "b" * 64)
    said = {"signed_by": HOSTILE, "predicate_type": "https://slsa.dev/provenance/v1", "builder": HOSTILE, "sources": ["https://s/x"]}
    file = {"name": "p.json", "sha256": "c" * 64}
    facts = {"required": True, "proven": adopted, "place": "p.json", "file": file, "attestations": [said | {"wrong": []}]}
    none = {**facts, "proven": False, "file": None, "attestations": []}
    concern = Concern("provenance_mismatch", "p.json", f"It is of another file: {HOSTILE}.")
    found = Examination("provenance", "nginx", "1.2", "amd64", None, () if adopted else (concern,), facts)
    bare = Examination("provenance", "libnginx", "1.2", "amd64", None, (), none)
    kept = KeptAttestation(new, facts, b"{}")
    examined = Examined(load_policy(PROJECT_ROOT / "include" / "policy").actions, (found, bare), attestations=(kept,))
    if adopted:
        examined = examined.kept(FolderObjects(tmp_path / "objects"))
    intake_id = sources.record_intake(
        store, campaign_id=CAMPAIGN, source="acme", adopted=adopted, reason=None if adopted else "provenance_mismatch", sentence="s",
        snapshot_ref="snap" if adopted else None, chain={"source": "acme", "examination": examined.chain()}, decided_at=NOW,
    )  # fmt: skip
    examined.write(store, intake_id=intake_id, campaign_id=CAMPAIGN, adopted=adopted, now=NOW, actor="test")
    shown = text_of(browser, f"/campaigns/{CAMPAIGN}/provenance")
    section = shown[shown.index("Attestations Package") :]
    assert f"signed by {HOSTILE}: https://slsa.dev/provenance/v1, built by {HOSTILE} from https://s/x" in section
    assert "nothing at p.json" in section
    uri = (tmp_path / "objects" / "attestations" / ("c" * 64)).as_uri()
    assert (uri in section, "not kept: nothing was adopted" in section) == (adopted, not adopted)
    assert (f"It is of another file: {HOSTILE}." in section) is not adopted


def test_a_refused_intake_says_what_to_do_next(browser: TestClient, store: Store) -> None:
    add_campaign(store, CAMPAIGN)
    an_intake(store, reason="rollback")
    for path in ("/intakes", f"/campaigns/{CAMPAIGN}/provenance"):
        assert "compare with another mirror" in text_of(browser, path)


def test_the_sources_proven_on_schedule_stand_with_their_alarms_and_what_to_do(browser: TestClient, store: Store) -> None:
    row: dict[str, Any] = {"kind": "tuf", "reason": None, "next_step": None, "intake_id": None, "judged_at": NOW}
    row |= {"sentence": "2 files are proven.", "alarms": Json([]), "not_proven": Json([])}
    sources.save_source_proof(store, {**row, "source": "agents", "verdict": "adopted", "alarms": Json([f"Key {HOSTILE} ends."])})
    sources.save_source_proof(store, {**row, "source": "calm", "verdict": "proven", "not_proven": Json(["Who built it."])})
    refused = {"source": "portal", "verdict": "refused", "reason": "rollback", "sentence": f"{HOSTILE} is older than before."}
    sources.save_source_proof(store, {**row, **refused, "next_step": "Ask the vendor."})
    text = text_of(browser, "/intakes")
    told = text[text.index("Sources, proven every day") :]
    assert told.index("portal") < told.index("agents") < told.index("calm")  # what wants somebody first
    assert f"rollback {HOSTILE} is older than before.Next: Ask the vendor." in told
    assert f"2 files are proven.Alarm: Key {HOSTILE} ends." in told
    assert "Not proven: Who built it." in told
    sources.save_source_proof(store, {**row, "source": "portal", "verdict": "adopted", "judged_at": NOW - timedelta(hours=1)})
    assert "Ask the vendor." in text_of(browser, "/intakes")  # a later judgement is never written over


def test_provenance_of_an_unknown_campaign_is_not_found(browser: TestClient) -> None:
    text_of(browser, "/campaigns/SUT-2026-0999/provenance", 404)
