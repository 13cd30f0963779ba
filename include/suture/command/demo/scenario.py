"""The two campaigns of the demo.

1. Real Debian security updates for the web tier, all the way to `closed`.
2. The lab vendor's bad fix: it passes staging (its fault needs real traffic to show), is stopped at the canary by the judge,
   and is rolled back.

Nothing here does any of Suture's work: it starts DAGs, answers approvals through Airflow's API as the named users would
(unless a person at the UI does), and tells what the evidence says. Starting it again goes on from where it was.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime

from suture.campaign import Campaign, CampaignState, fetch_campaign
from suture.command import stack
from suture.command.airflow_api import AirflowApi
from suture.command.demo.followed import DemoError, Followed, answer_as
from suture.command.demo.narration import Narrator
from suture.settings import Settings
from suture.store import Store
from suture.wording import counted

APPROVERS = ("vera", "amir")
WEB = "web"
DEBIAN, VENDOR = "debian-security", "lab-vendor"
VULNERABLE, GOOD_FIX, BAD_FIX = "1.0.0", "1.0.1", "1.0.2"
FEED_PATIENCE_S, PLAN_PATIENCE_S, CAMPAIGN_PATIENCE_S = 900.0, 300.0, 3600.0
REPORT_PATIENCE_S = 600.0

STAGE_OF = {
    CampaignState.PLANNED: ("Proving the packages", "signature_validation"),
    CampaignState.VALIDATED: ("Testing on the staging pair", "staging_test"),
    CampaignState.TESTED: ("Waiting for two releases", "release_approval"),
    CampaignState.APPROVED: ("Backup, and the maintenance window", "backup_coordination"),
    CampaignState.ROLLING_OUT: ("Rolling out: canary, judge, rings", "canary_rollout"),
    CampaignState.HALTED: ("Halted", "canary_rollout"),
    CampaignState.ROLLING_BACK: ("Rolling back", "rollback"),
    CampaignState.VERIFIED: ("Writing the report", "compliance_reporting"),
}


@dataclass
class Demo:
    settings: Settings
    store: Store
    api: AirflowApi
    narrator: Narrator
    ui_url: str
    hands_on: bool

    def run(self) -> None:
        first = self.first_campaign()
        self.narrator.say(f"{first.campaign_id} is {first.state}: {first.state_reason}")
        self.show_report(first)
        second = self.second_campaign()
        self.narrator.say(f"{second.campaign_id} is {second.state}: {second.state_reason}")
        self.show_report(second)
        self.show_incident(second)
        self.never_again(second)

    def first_campaign(self) -> Campaign:
        found = self._campaign_of(DEBIAN)
        if found is None:
            self.narrator.stage("Reading what vendors say and what hosts run")
            self.narrator.look("UI", f"{self.ui_url}/dags/feed_sync")
            self._run_dag("inventory_sync")
            self._run_dag("feed_sync")
            self.tell_findings()
            found = self._await_campaign(DEBIAN)
        return self._follow(found, {CampaignState.CLOSED})

    def second_campaign(self) -> Campaign:
        found = self._campaign_of(VENDOR, version=BAD_FIX)
        if found is None:
            from lab import layout, vendor

            self.narrator.stage("The lab's vendor announces a fix")
            self.narrator.say(
                f"The hosts run acme-portal {VULNERABLE}, with a path traversal (LABSA-2026-0001, fixed in {GOOD_FIX}) and sessions "
                f"that never expire (LABSA-2026-0002, fixed in {BAD_FIX}). The vendor publishes both fixes, signed and in order. "
                f"{BAD_FIX} returns errors on about 5 % of requests, but only under real traffic."
            )
            here = layout.prepare()
            vendor.publish(here.vendor, here.secrets, [VULNERABLE, GOOD_FIX, BAD_FIX])
            self._run_dag("feed_sync")
            found = self._await_campaign(VENDOR)
        return self._follow(found, {CampaignState.ROLLED_BACK})

    def tell_findings(self) -> None:
        for row in self.store.fetch_all("report/list_report_sources"):
            dated = ", a dated snapshot" if row["dated_snapshot"] else ""
            records = counted(row["record_count"] or 0, "record", width=6)
            self.narrator.fact(f"{row['source']:<18} {row['status']:<10} {records}{dated}")
        for row in self.store.fetch_all("report/count_open_findings", {"at": datetime.now(UTC)}):
            self.narrator.fact(
                f"{counted(row['findings'], 'finding', width=5):<14} {row['priority']:<13} "
                f"{counted(row['advisories'], 'advisory')} on {counted(row['hosts'], 'host')}"
            )

    def show_report(self, campaign: Campaign) -> None:
        deadline = time.monotonic() + REPORT_PATIENCE_S
        while True:
            row = self.store.fetch_one("report/fetch_latest_report", {"campaign_id": campaign.campaign_id})
            if row is not None:
                break
            if time.monotonic() > deadline:
                raise DemoError(f"No report of {campaign.campaign_id} was written within {REPORT_PATIENCE_S:.0f} s.")
            time.sleep(2)
        self.narrator.look("Report", row["uri"])
        for line in self.store.fetch_all("report/list_version_changes", {"campaign_id": campaign.campaign_id})[:12]:
            self.narrator.fact(
                f"{line['host_id']:<9} {line['package']:<24} {line['before'] or '–':<26} → {line['after'] or '–'}"
            )

    def show_incident(self, campaign: Campaign) -> None:
        row = self.store.fetch_one("incident/fetch_campaign_incident", {"campaign_id": campaign.campaign_id})
        if row is None:
            raise DemoError(f"{campaign.campaign_id} was rolled back, but no incident is on record.")
        self.narrator.say(f"Incident {row['incident_id']} ({row['status']}): {row['summary']}")

    def never_again(self, campaign: Campaign) -> None:
        """The retired version is not planned again; the older good fix is, and waits for a person."""
        self.narrator.stage("Is the bad version offered again?")
        self._run_dag("inventory_sync")
        deadline = time.monotonic() + PLAN_PATIENCE_S
        while (again := self._campaign_of(VENDOR, other_than=campaign.campaign_id)) is None:
            if time.monotonic() > deadline:
                self.narrator.say(f"No: acme-portal {BAD_FIX} is retired for good, and nothing else is to be had.")
                return
            time.sleep(1)
        versions = {package.version for package in fetch_campaign(self.store, again).plan.packages}
        if BAD_FIX in versions:
            raise DemoError(f"{again} offers a version again that was rolled back.")
        self.narrator.say(
            f"No: {BAD_FIX} is retired for good. Risk scoring plans {again} with {', '.join(sorted(versions))} instead; "
            "it is tested on staging by itself and then waits for two releases: yours, if you like."
        )
        self.narrator.look("Answer", f"{self.ui_url}/required_actions")

    def _follow(self, campaign_id: str, ends: set[CampaignState]) -> Campaign:
        apis = {name: stack.airflow_api(name) for name in APPROVERS}
        followed = Followed(
            store=self.store,
            api=self.api,
            campaign_id=campaign_id,
            say=self.narrator.say,
            on_state=self._on_state,
            answer=None if self.hands_on else answer_as(apis),
        )
        return followed.until(ends, patience_s=24 * 3600.0 if self.hands_on else CAMPAIGN_PATIENCE_S)

    def _on_state(self, campaign: Campaign) -> None:
        stage = STAGE_OF.get(campaign.state)
        if stage is None:
            return
        title, dag_id = stage
        self.narrator.stage(f"{campaign.campaign_id}: {title}")
        self.narrator.look("UI", f"{self.ui_url}/dags/{dag_id}")
        if campaign.state is CampaignState.TESTED and self.hands_on:
            self.narrator.say(
                "It is your turn: log in as one of the approvers and answer under Browse ▸ Required Actions; then as the other."
            )
            self.narrator.look("Answer", f"{self.ui_url}/required_actions")

    def _run_dag(self, dag_id: str) -> None:
        run = self.api.post(f"dags/{dag_id}/dagRuns", {"logical_date": None})
        deadline = time.monotonic() + FEED_PATIENCE_S
        while run["state"] not in ("success", "failed"):
            if time.monotonic() > deadline:
                raise DemoError(
                    f"{dag_id} did not end within {FEED_PATIENCE_S:.0f} s.", remedy=f"{self.ui_url}/dags/{dag_id}"
                )
            time.sleep(1)
            run = self.api.get(f"dags/{dag_id}/dagRuns/{run['dag_run_id']}")
        if run["state"] == "failed":
            raise DemoError(
                f"The run of {dag_id} failed.", remedy=f"See {self.ui_url}/dags/{dag_id}/runs/{run['dag_run_id']}."
            )
        self.narrator.say(f"{dag_id} is done.")

    def _await_campaign(self, source: str) -> str:
        deadline = time.monotonic() + PLAN_PATIENCE_S
        while (found := self._campaign_of(source)) is None:
            if time.monotonic() > deadline:
                raise DemoError(
                    f"Risk scoring planned no campaign of {source} for {WEB} within {PLAN_PATIENCE_S:.0f} s.",
                    remedy=f"See {self.ui_url}/dags/risk_scoring.",
                )
            time.sleep(1)
        campaign = fetch_campaign(self.store, found)
        self.narrator.say(
            f"Risk scoring planned {found}: {campaign.title}; priority {campaign.priority}, "
            f"{counted(len(campaign.plan.packages), 'package')}, {counted(len(campaign.plan.production_hosts), 'host')}."
        )
        return found

    def _campaign_of(self, source: str, *, version: str | None = None, other_than: str | None = None) -> str | None:
        """The oldest campaign of a source for the web tier that was not superseded; with `version`, one that brings it."""
        for row in self.store.fetch_all("campaign/list_campaigns", {"state": None}):
            if row["state"] == CampaignState.SUPERSEDED or row["campaign_id"] == other_than:
                continue
            if row["source"] != source or row["asset_group"] != WEB:
                continue
            plan = fetch_campaign(self.store, row["campaign_id"]).plan
            if version is None or version in {package.version for package in plan.packages}:
                return str(row["campaign_id"])
        return None
