"""The main job from feed to report, looked at from outside: on the hosts, in the clients' record, in the evidence."""

from __future__ import annotations

import itertools
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from suture.campaign import fetch_campaign
from suture.campaign.campaigns import Campaign
from suture.model import PRODUCTION_RINGS, Ring
from suture.store import Store
from suture.telemetry import impact_from_log
from tests.main_job import MainJob

pytestmark = [pytest.mark.airflow, pytest.mark.lab, pytest.mark.timeout(3600)]
DEBIAN, VENDOR = "debian-security", "lab-vendor"
VULNERABLE, BAD = "1.0.0", "1.0.2"


def _first(job: MainJob, source: str) -> str:
    found = [row for row in job.campaigns(source) if row["state"] != "superseded"]
    assert found, f"no campaign of {source} was ever planned"
    return str(found[0]["campaign_id"])


def _campaign(job: MainJob, source: str) -> Campaign:
    with job.store() as store:
        return fetch_campaign(store, _first(job, source))


def _steps(store: Store, campaign: Campaign) -> list[dict[str, Any]]:
    key = {"campaign_id": campaign.campaign_id, "plan_hash": campaign.plan_hash}
    return store.fetch_all("host_step/list_host_steps", key)


def test_the_debian_campaign_is_closed_and_its_hosts_run_what_was_approved(main_job: MainJob) -> None:
    campaign = _campaign(main_job, DEBIAN)
    assert campaign.state == "closed", campaign.state_reason
    assert len(campaign.plan.production_hosts) == 6
    planned = {package.package: package.version for package in campaign.plan.packages}
    assert len(planned) >= 10
    for host in campaign.plan.production_hosts:
        said = main_job.on(host, "dpkg-query", "-W", "-f", "'${Package} ${Version}\\n'")
        installed = dict(line.split(" ", 1) for line in said.splitlines())
        wrong = {n: installed.get(n) for n, v in planned.items() if n in installed and installed[n] != v}
        assert not wrong, f"{host}: {wrong}"
        assert main_job.on(host, "dpkg", "--audit") == ""


def test_the_report_shows_real_versions_before_and_after(main_job: MainJob) -> None:
    campaign = _campaign(main_job, DEBIAN)
    with main_job.store() as store:
        changes = store.fetch_all("report/list_version_changes", {"campaign_id": campaign.campaign_id})
        report = store.fetch_one("report/fetch_latest_report", {"campaign_id": campaign.campaign_id})
    production = [row for row in changes if row["ring"] != "staging"]
    assert production
    assert all(row["before"] != row["patched"] for row in production)
    assert report is not None
    html = Path(unquote(urlsplit(report["uri"]).path)).read_text("utf-8")
    assert "dated snapshot" in html.lower()
    for row in production[:5]:
        assert row["before"] in html
        assert row["patched"] in html


def test_two_people_released_it_and_neither_asked_for_it(main_job: MainJob) -> None:
    for source in (DEBIAN, VENDOR):
        campaign = _campaign(main_job, source)
        with main_job.store() as store:
            rows = store.fetch_all("approval/list_approvals", {"campaign_id": campaign.campaign_id})
        approvers = [row["approver"] for row in rows]
        assert len(approvers) == len(set(approvers)) == 2
        assert campaign.requested_by not in approvers
        assert {row["plan_hash"] for row in rows} == {campaign.plan_hash}


def test_no_host_was_touched_before_its_backup_was_proven(main_job: MainJob) -> None:
    campaign = _campaign(main_job, DEBIAN)
    with main_job.store() as store:
        proven = {
            row["host_id"]: row["restored_at"]
            for row in store.fetch_all("backup/list_campaign_backups", {"campaign_id": campaign.campaign_id})
            if row["status"] == "verified"
        }
        patched = {row["host_id"]: row["started_at"] for row in _steps(store, campaign) if row["phase"] == "patch"}
    for host in campaign.plan.production_hosts:
        assert proven[host] < patched[host], host


def test_each_ring_was_judged_before_the_next_was_touched(main_job: MainJob) -> None:
    campaign = _campaign(main_job, DEBIAN)
    with main_job.store() as store:
        verdicts = {
            row["ring"]: row
            for row in store.fetch_all("report/list_report_verdicts", {"campaign_id": campaign.campaign_id})
        }
        started = {row["host_id"]: row["started_at"] for row in _steps(store, campaign) if row["phase"] == "patch"}
    rings = [ring for ring in PRODUCTION_RINGS if campaign.plan.hosts(ring)]
    for ring, following in itertools.pairwise(rings):
        assert verdicts[ring.value]["verdict"] == "pass"
        assert verdicts[ring.value]["judged_at"] < min(started[host] for host in campaign.plan.hosts(following))


def test_the_bad_fix_passed_staging_and_was_stopped_at_the_canary(main_job: MainJob) -> None:
    campaign = _campaign(main_job, VENDOR)
    assert campaign.state == "rolled_back", campaign.state_reason
    assert {package.version for package in campaign.plan.packages} == {BAD}
    with main_job.store() as store:
        tests = store.fetch_all("test_run/list_campaign_tests", {"campaign_id": campaign.campaign_id})
        verdicts = store.fetch_all("report/list_report_verdicts", {"campaign_id": campaign.campaign_id})
        touched = {row["host_id"] for row in _steps(store, campaign) if row["phase"] == "patch"}
    assert {"before", "after", "rolled_back", "forward_again"} <= {run["stage"] for run in tests}
    assert all(run["passed"] for run in tests)
    assert [(row["ring"], row["verdict"]) for row in verdicts] == [("canary", "fail")]
    assert touched - set(campaign.plan.hosts(Ring.STAGING)) == set(campaign.plan.hosts(Ring.CANARY))
    for host in campaign.plan.production_hosts:
        assert main_job.on(host, "dpkg-query", "-W", "-f", "'${Version}'", "acme-portal") == VULNERABLE


def test_the_incident_counts_what_the_clients_saw(main_job: MainJob) -> None:
    campaign = _campaign(main_job, VENDOR)
    with main_job.store() as store:
        incident = store.fetch_one("incident/fetch_campaign_incident", {"campaign_id": campaign.campaign_id})
    assert incident is not None
    assert incident["status"] == "contained"
    impact = incident["impact"]
    assert 0 < impact["failed"] < impact["requests"]
    canary = set(campaign.plan.hosts(Ring.CANARY))
    failed = {name: counts["failed"] for name, counts in impact["by_server"].items() if counts["failed"]}
    # A connection that broke names no server ("-"); more than one in a thousand of them would be a fault of its own.
    assert failed.pop("-", 0) <= impact["requests"] / 1000
    assert set(failed) <= canary
    record = main_job.home / "lab" / "fleet" / "load" / "requests.tsv"
    recount = impact_from_log(
        [record.with_name("requests.old.tsv"), record],
        datetime.fromisoformat(impact["since"]),
        datetime.fromisoformat(impact["until"]),
    )
    assert (recount.total.requests, recount.total.bad) == (impact["requests"], impact["failed"])


def test_the_bad_version_is_never_offered_again(main_job: MainJob) -> None:
    with main_job.store() as store:
        retired = store.fetch_all("retired_version/list_retired_versions", {"asset_group": "web"})
    assert ("acme-portal", BAD) in {(row["source_package"], row["source_version"]) for row in retired}
    rolled_back_at = _campaign(main_job, VENDOR).updated_at
    for later in main_job.campaigns(VENDOR):
        if later["created_at"] < rolled_back_at:
            continue
        with main_job.store() as store:
            packages = fetch_campaign(store, later["campaign_id"]).plan.packages
        assert BAD not in {package.version for package in packages}


def test_the_evidence_is_whole(main_job: MainJob) -> None:
    done = main_job.command("evidence", "verify")
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_secret_is_in_the_logs_or_the_evidence(main_job: MainJob) -> None:
    secrets = [
        path.read_text("utf-8").strip()
        for path in main_job.settings.secrets_dir.glob("*")
        if path.is_file() and path.stat().st_size < 200
    ]
    assert secrets
    with main_job.store() as store:
        told = str(store.fetch_all("evidence/list_evidence", {"campaign_id": None}))
    logs = [path for path in (main_job.home / "airflow" / "logs").rglob("*.log") if path.is_file()]
    assert logs
    for secret in secrets:
        assert secret not in told
        for path in logs:
            assert secret.encode() not in path.read_bytes(), path
