"""The report says what evidence says: its figures are counted again here, from raw rows, by other code."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from suture import evidence
from suture.campaign import LifecycleError
from suture.compliance import write_fleet_report, write_report
from suture.compliance.report import anchors_file, draw_report, known_anchors, render
from suture.settings import PROJECT_ROOT, Settings
from suture.store import Store
from suture.store.objects import open_objects
from tests.unit.campaign.campaigns import NOW
from tests.unit.compliance import scene

LATER = NOW + timedelta(minutes=30)
SCHEMAS = PROJECT_ROOT / "include" / "schemas" / "reports"


def _valid(document: dict[str, Any], name: str) -> None:
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema, format_checker=FormatChecker()).validate(document)


class Page(HTMLParser):
    """What a browser would load, run or show."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_verified_campaign_is_fully_covered(store: Store, settings: Settings) -> None:
    campaign_id = scene.verified(store)
    document = draw_report(store, settings, campaign_id, now=LATER)
    _valid(document, "compliance")
    assert document["coverage"]["hosts"] == {
        "counted": 2, "compliant": 2, "share": 1.0,
        "by_status": {**dict.fromkeys(document["coverage"]["hosts"]["by_status"], 0), "verified": 2},
    }  # fmt: skip
    changed = {h["host_id"]: (h["packages"][0]["before"], h["packages"][0]["after"]) for h in document["hosts"]}
    assert changed["app1"] == changed["app2"] == (scene.OLD, scene.NEW)
    assert [row["approver"] for row in document["approvals"]] == ["vera", "amir"]
    assert document["intakes"][0]["chain"]["key_fingerprint"] == "F" * 40
    assert document["exceptions"] == []


def test_the_figures_are_those_of_the_raw_evidence(store: Store, settings: Settings) -> None:
    """Counted again from host_step's raw reports, without the report's own code or queries."""
    campaign_id = scene.verified(store)
    store._connection.execute("UPDATE host SET reachable = FALSE WHERE host_id = 'nobody'")
    document = draw_report(store, settings, campaign_id, now=LATER)
    raw = store._connection.execute(
        "SELECT host_id, report FROM host_step WHERE phase = 'verify' AND status = 'done' AND campaign_id = %s",
        (campaign_id,),
    ).fetchall()
    targets = {p.package: p.version for p in document_plan(store, campaign_id)}
    good = [row["host_id"] for row in raw if row["report"]["state"]["versions"] == targets]
    scope = store._connection.execute("SELECT host_id FROM campaign_host WHERE ring <> 'staging'").fetchall()
    assert document["coverage"]["hosts"]["compliant"] == len(good)
    assert document["coverage"]["hosts"]["counted"] == len(scope)
    records = store.fetch_all("evidence/list_evidence", {"campaign_id": None})
    assert [entry["seq"] for entry in document["timeline"]] == [
        row["seq"] for row in records if row["campaign_id"] == campaign_id
    ]
    assert (document["evidence"]["records"], document["evidence"]["head_hash"]) == (len(records), records[-1]["hash"])
    approvals = [row["actor"] for row in records if row["action"] == "release_approved"]
    assert [row["approver"] for row in document["approvals"]] == approvals


def document_plan(store: Store, campaign_id: str) -> Any:
    from suture.campaign import fetch_campaign

    return fetch_campaign(store, campaign_id).plan.packages


@pytest.mark.parametrize(
    ("spoil", "status"),
    [
        ("UPDATE host SET reachable = FALSE, collected_at = %(later)s WHERE host_id = 'app2'", "unknown"),
        ("UPDATE host_step SET status = 'unknown', finished_at = NULL WHERE host_id = 'app2'", "unknown"),
        ("UPDATE host_step SET status = 'failed', error = 'x' WHERE host_id = 'app2' AND phase = 'verify'", "failed"),
        ("DELETE FROM host_step WHERE host_id = 'app2' AND phase = 'verify'", "unverified"),
        ("DELETE FROM host_step WHERE host_id = 'app2'", "behind"),
        ("UPDATE host SET collected_at = NULL WHERE host_id = 'app2'; DELETE FROM host_step WHERE host_id = 'app2'",
         "unknown"),
        ("UPDATE host_package SET dpkg_status = 'iF'; UPDATE host SET collected_at = '2026-11-24 03:29Z'"
         " WHERE host_id = 'app2'", "failed"),
    ],
)  # fmt: skip
def test_what_is_not_shown_to_be_fine_is_not_compliant(
    store: Store, settings: Settings, spoil: str, status: str
) -> None:
    campaign_id = scene.verified(store)
    for statement in spoil.split("; "):
        store._connection.execute(statement, {"later": LATER})
    document = draw_report(store, settings, campaign_id, now=LATER)
    _valid(document, "compliance")
    assert {host["host_id"]: host["status"] for host in document["hosts"]}["app2"] == status
    assert document["coverage"]["hosts"]["share"] == 0.5
    assert [row["subject"] for row in document["exceptions"] if row["kind"] == "not_compliant"] == ["app2"]


def test_a_look_of_yesterday_is_no_look(store: Store, settings: Settings) -> None:
    campaign_id = scene.verified(store)
    document = draw_report(store, settings, campaign_id, now=NOW + timedelta(hours=26))
    assert document["coverage"]["hosts"]["by_status"]["unknown"] == 2
    assert document["coverage"]["hosts"]["share"] == 0.0


def test_nothing_counted_is_no_figure(store: Store, settings: Settings) -> None:
    campaign_id = scene.verified(store)
    store._connection.execute("UPDATE host_step SET report = '{}'")
    store._connection.execute("DELETE FROM host_package")
    store._connection.execute("UPDATE host SET collected_at = %s", (LATER,))
    document = draw_report(store, settings, campaign_id, now=LATER)
    assert document["coverage"]["hosts"]["share"] is None
    assert "no figure" in render(document, "html").decode()


def test_a_campaign_that_was_rolled_back_says_what_it_cost(store: Store, settings: Settings) -> None:
    campaign_id = scene.rolled_back(store)
    document = draw_report(store, settings, campaign_id, now=LATER)
    _valid(document, "compliance")
    hosts = {host["host_id"]: host for host in document["hosts"]}
    assert (hosts["app1"]["status"], hosts["app2"]["status"]) == ("restored", "behind")
    assert (hosts["app1"]["packages"][0]["before"], hosts["app1"]["packages"][0]["after"]) == (scene.OLD, scene.OLD)
    page = Page(render(document, "html").decode())
    assert "57 of 12,034 requests failed." in page.text
    assert "57 of 1,150" in page.text
    assert "The judge said fail." in page.text


def test_version_changes_before_patched_and_now(store: Store) -> None:
    campaign_id = scene.rolled_back(store)
    rows = store.fetch_all("report/list_version_changes", {"campaign_id": campaign_id})
    assert rows == [
        {
            "host_id": "app1", "ring": "canary", "package": "nginx", "before": scene.OLD, "patched": scene.NEW,
            "after": scene.OLD, "restored": True,
        }
    ]  # fmt: skip


def test_a_second_try_that_found_its_own_work_keeps_the_first_versions(store: Store) -> None:
    campaign_id = scene.released(store)
    scene.step(
        store, campaign_id, "app1", "patch", LATER, before={"versions": {"nginx": scene.NEW}}, changes={},
        after={"versions": {"nginx": scene.NEW}}, way_back={"replaced": {"nginx": {"version": scene.OLD}}},
    )  # fmt: skip
    (row,) = store.fetch_all("report/list_version_changes", {"campaign_id": campaign_id})
    assert (row["before"], row["after"]) == (scene.OLD, scene.NEW)


def test_foreign_text_is_shown_never_run(store: Store, settings: Settings) -> None:
    page = Page(render(draw_report(store, settings, scene.rolled_back(store), now=LATER), "html").decode())
    assert "script" not in page.tags
    assert scene.HOSTILE in page.text
    assert page.links == []  # nothing is loaded from anywhere


def test_csv_has_a_line_a_host_and_package_and_no_formula(store: Store, settings: Settings) -> None:
    document = draw_report(store, settings, scene.verified(store), now=LATER)
    document["hosts"][1]["packages"][0]["reason"] = "=cmd|' /C calc'!A0"
    rows = list(csv.DictReader(io.StringIO(render(document, "csv").decode())))
    versions = {r["host_id"]: (r["version_before"], r["version_after"]) for r in rows if r["ring"] != "staging"}
    assert versions == dict.fromkeys(("app1", "app2"), (scene.OLD, scene.NEW))
    assert rows[1]["reason"].startswith("'=")
    assert all(row["evidence_head_hash"] == document["evidence"]["head_hash"] for row in rows)


def test_a_report_is_kept_and_is_evidence_itself(store: Store, settings: Settings) -> None:
    campaign_id = scene.verified(store)
    files = write_report(store, settings, campaign_id, now=LATER)
    objects = open_objects(settings.store_url)
    for stored in (files.html, files.csv, files.json):
        assert hashlib.sha256(objects.get(stored.key)).hexdigest() == stored.sha256
    assert json.loads(objects.get(files.json.key)) == files.document
    latest = store.fetch_one("report/fetch_latest_report", {"campaign_id": campaign_id})
    assert latest is not None
    assert (latest["uri"], latest["sha256"]) == (files.html.uri, files.html.sha256)
    rows = store.fetch_all("evidence/list_evidence", {"campaign_id": None})
    last = rows[-1]
    assert (last["seq"], last["action"]) == (files.evidence_seq, "report_written")
    assert last["grounds"]["files"]["html"]["sha256"] == files.html.sha256
    assert files.coverage == "2 of 2 hosts are compliant (100.0%)."
    anchors = known_anchors(settings)
    assert anchors[-1].seq == last["seq"]
    assert evidence.verify_rows(rows, anchors) == []
    assert Path(anchors_file(settings)).stat().st_size > 0


def test_the_same_report_again_is_a_second_record_never_an_overwrite(store: Store, settings: Settings) -> None:
    campaign_id = scene.verified(store)
    first = write_report(store, settings, campaign_id, now=LATER)
    second = write_report(store, settings, campaign_id, now=LATER)
    assert first.html.key != second.html.key
    assert len(store.fetch_all("report/list_reports", {"campaign_id": campaign_id})) == 6


def test_altered_evidence_stands_on_the_front_of_the_report(store: Store, settings: Settings) -> None:
    campaign_id = scene.verified(store)
    store._connection.execute("ALTER TABLE evidence DISABLE TRIGGER USER")
    store._connection.execute("UPDATE evidence SET actor = 'mallory' WHERE seq = 3")
    document = draw_report(store, settings, campaign_id, now=LATER)
    _valid(document, "compliance")
    assert document["evidence"]["whole"] is False
    text = Page(render(document, "html").decode()).text
    assert "ALTERED" in text
    assert "Record 3" in text


def test_feeds_say_their_age_and_whether_they_are_a_dated_snapshot(store: Store, settings: Settings) -> None:
    document = draw_report(store, settings, scene.released(store), now=LATER)
    sources = {row["source"]: row for row in document["sources"]}
    assert sources["nvd"]["dated_snapshot"] is True
    assert sources["nvd"]["age_hours"] == 72.5
    assert (sources["kev"]["status"], sources["kev"]["age_hours"]) == ("unreachable", None)
    text = Page(render(document, "html").decode()).text
    assert "dated snapshot" in text
    assert "none that was ever good" in text


def test_the_report_over_all_hosts(store: Store, settings: Settings) -> None:
    scene.rolled_back(store)
    files = write_fleet_report(store, settings, now=LATER)
    _valid(dict(files.document), "fleet")
    assert files.document["coverage"]["hosts"]["counted"] == 2
    assert scene.HOSTILE in Page(open_objects(settings.store_url).get(files.html.key).decode()).text
    rows = list(csv.DictReader(io.StringIO(open_objects(settings.store_url).get(files.csv.key).decode())))
    assert {row["host_id"] for row in rows} == {"app1", "app2", "stg-app1"}


def test_a_campaign_that_is_not_there_is_said_to_be_missing(store: Store, settings: Settings) -> None:
    with pytest.raises(LifecycleError, match="no campaign"):
        write_report(store, settings, "SUT-0", now=LATER)


def test_staging_that_went_back_and_forward_again_is_not_restored(store: Store, settings: Settings) -> None:
    campaign_id = scene.released(store)
    scene.install(store, "stg-app1", scene.OLD, NOW)
    scene.patch(store, campaign_id, "stg-app1", NOW + timedelta(minutes=1))
    scene.step(
        store, campaign_id, "stg-app1", "restore", NOW + timedelta(minutes=2),
        after={"versions": {"nginx": scene.OLD}, "dpkg_audit": []},
    )  # fmt: skip
    scene.step(
        store, campaign_id, "stg-app1", "patch_again", NOW + timedelta(minutes=3),
        after={"versions": {"nginx": scene.NEW}, "dpkg_audit": []},
    )  # fmt: skip
    (row,) = store.fetch_all("report/list_version_changes", {"campaign_id": campaign_id})
    assert (row["before"], row["after"], row["restored"]) == (scene.OLD, scene.NEW, False)
    hosts = {host["host_id"]: host for host in draw_report(store, settings, campaign_id, now=LATER)["hosts"]}
    assert hosts["stg-app1"]["status"] == "unverified"  # patched, and nobody has looked since


def test_staging_is_what_its_last_step_made_of_it(store: Store, settings: Settings) -> None:
    """Forward, back, forward again, put back; and after the rollout the pair follows production."""
    campaign_id = scene.verified(store)
    old, new = ({"versions": {"nginx": version}, "dpkg_audit": []} for version in (scene.OLD, scene.NEW))
    scene.patch(store, campaign_id, "stg-app1", NOW - timedelta(minutes=9))
    for minutes, phase, after in ((8, "restore", old), (7, "patch_again", new), (6, "restore_mirror", old)):
        scene.step(store, campaign_id, "stg-app1", phase, NOW - timedelta(minutes=minutes), after=after)

    def staging() -> tuple[str, bool]:
        rows = store.fetch_all("report/list_version_changes", {"campaign_id": campaign_id})
        return next((row["after"], row["restored"]) for row in rows if row["host_id"] == "stg-app1")

    assert staging() == (scene.OLD, True)
    host = next(h for h in draw_report(store, settings, campaign_id, now=LATER)["hosts"] if h["host_id"] == "stg-app1")
    assert host["status"] == "restored"
    scene.step(store, campaign_id, "stg-app1", "patch_mirror", NOW + timedelta(minutes=9), after=new)
    assert staging() == (scene.NEW, False)
