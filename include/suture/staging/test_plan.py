"""The test plan: what is asked of the staging hosts at each stage, and what the answers must be.

The rules:

1. Remediation tests must fail before the patch and after a rollback, and pass after the patch and forward again. One
   that passes before would pass without the patch too: it proves nothing, and the stage fails.
2. Function tests must pass at every stage.
3. There is at least one remediation test: a campaign that changes nothing on staging was not tested.
4. Every stage asks the same questions. A test that was there before and is missing now fails the stage: tests do not
   vanish.
5. A test that could not be run (an error, a skip) is not a pass.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from suture import evidence
from suture.campaign import Campaign
from suture.errors import SutureError
from suture.model.assets import AssetRegister
from suture.model.services import ServiceRegister
from suture.runner import processes
from suture.runner.inventory import Inventory
from suture.runner.ssh import ssh_config
from suture.settings import Settings
from suture.store import Json, Store, hosts, test_runs
from suture.store.objects import open_objects

TESTS = Path(__file__).parent / "tests"
TIMEOUT_SECONDS = 600
REMEDIATION = "test_remediation"


class Stage(StrEnum):
    BEFORE = "before"
    AFTER = "after"
    ROLLED_BACK = "rolled_back"
    FORWARD_AGAIN = "forward_again"


VULNERABLE = frozenset({Stage.BEFORE, Stage.ROLLED_BACK})


class TestPlanError(SutureError):
    """The test plan could not be run, or did not end as it must."""

    __test__ = False  # pytest takes classes of this name for tests


@dataclass(frozen=True)
class Case:
    """One question to one host. expected and outcome: passed or failed (outcome also error, skipped, vanished)."""

    test_id: str
    host: str
    expected: str
    outcome: str
    seconds: float
    message: str

    @property
    def well(self) -> bool:
        return self.outcome == self.expected

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True)
class TestOutcome:
    """How a stage ended. junit_uri: pytest's own record in the object store."""

    __test__ = False

    stage: str
    cases: tuple[Case, ...]
    junit_uri: str
    duration_seconds: float

    @property
    def wrong(self) -> tuple[Case, ...]:
        return tuple(case for case in self.cases if not case.well)

    @property
    def passed(self) -> bool:
        return bool(self.cases) and not self.wrong

    @property
    def sentence(self) -> str:
        told = [f"{case.test_id} {case.outcome}, expected {case.expected} ({case.message})" for case in self.wrong[:5]]
        head = f"{self.stage}: {len(self.cases) - len(self.wrong)} of {len(self.cases)} tests as expected"
        return "; ".join([head, *told])

    def require_passed(self) -> TestOutcome:
        """Itself. Raises TestPlanError unless every test ended as expected."""
        if not self.passed:
            raise TestPlanError(f"{self.sentence}.", remedy=f"The whole record: {self.junit_uri}")
        return self


def run_test_plan(
    store: Store,
    settings: Settings,
    campaign: Campaign,
    stage: Stage | str,
    host_ids: Sequence[str],
    *,
    log: Callable[[str], None] = lambda _line: None,
) -> TestOutcome:
    """Ask the plan's questions of these hosts, keep the results, say whether they are what the stage needs.

    stage: a Stage, or another name (a ring's) for which everything must pass. Raises TestPlanError when the tests could
    not be run at all.
    """
    inventory = Inventory.load(settings.inventory_path)
    questions = _questions(store, settings, campaign, host_ids, inventory)
    started_at = datetime.now(UTC)
    junit, tail = _ask(questions, inventory, host_ids)
    for line in tail:
        log(line)
    cases = _with_vanished(store, campaign, _read(junit, str(stage)), str(stage), host_ids)
    stored = open_objects(settings.store_url).put(
        f"junit/{campaign.campaign_id}/{stage}/{hashlib.sha256(junit).hexdigest()[:16]}.xml",
        junit,
        content_type="application/xml",
    )
    duration = round((datetime.now(UTC) - started_at).total_seconds(), 3)
    outcome = TestOutcome(str(stage), cases, stored.uri, duration)
    _keep(store, campaign, outcome, stored.sha256, started_at, host_ids)
    return outcome


def _questions(
    store: Store, settings: Settings, campaign: Campaign, host_ids: Sequence[str], inventory: Inventory
) -> dict[str, Any]:
    """{host: {test name without test_: [its items]}}."""
    assets, services = AssetRegister.load(settings.policy_dir), ServiceRegister.load(settings.policy_dir)
    planned = {package.package: package.version for package in campaign.plan.packages}
    found: dict[str, Any] = {}
    for host in host_ids:
        if host not in inventory.hosts:
            raise TestPlanError(f"{host} is not in the inventory: it cannot be tested.")
        groups = inventory.hosts[host].groups
        owner = assets.owner_of(groups)
        checks = services.checks(owner.service if owner else None, groups, writes=True)
        installed = hosts.installed_packages(store, host)
        found[host] = {
            "package": [{"package": n, "version": v} for n, v in sorted(planned.items()) if n in installed],
            "unit": [{"name": unit} for unit in checks["units"]],
            "port": [{"name": str(port), "port": port} for port in checks["ports"]],
            "http": checks["http"],
            "database": [{"name": name} for name in checks["databases"]],
            "dpkg": [{"name": "dpkg"}],
        }
    if not any(body["package"] for body in found.values()):
        raise TestPlanError(
            f"None of {campaign.campaign_id}'s packages is installed on {', '.join(host_ids)}: staging proves nothing.",
            remedy="Make the staging hosts mirror production (same packages), then plan the campaign anew.",
        )
    return found


def _ask(questions: Mapping[str, Any], inventory: Inventory, host_ids: Sequence[str]) -> tuple[bytes, list[str]]:
    """(JUnit XML, the last lines of what pytest said)."""
    with tempfile.TemporaryDirectory(prefix="suture-tests-") as folder:
        config, brief, junit = (Path(folder) / name for name in ("ssh_config", "brief.json", "junit.xml"))
        config.write_text(ssh_config([inventory.hosts[host] for host in host_ids]), "utf-8")
        brief.write_text(json.dumps({"ssh_config": str(config), "hosts": questions}), "utf-8")
        processes.adopt_orphans()
        before = processes.descendants()
        try:
            done = subprocess.run(
                [
                    *(sys.executable, "-m", "pytest", "-q", "-c", str(TESTS / "pytest.ini")),
                    *(f"--rootdir={TESTS}", f"--junitxml={junit}", str(TESTS)),
                ],
                env={**os.environ, "SUTURE_TEST_BRIEF": str(brief), "PYTHONDONTWRITEBYTECODE": "1"},
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=TIMEOUT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise TestPlanError(f"The test plan did not end within {TIMEOUT_SECONDS} s.") from error
        finally:
            processes.end_new(before)  # ssh's shared connections outlive pytest
        tail = done.stdout.decode("utf-8", "replace").splitlines()[-40:]
        if done.returncode not in (0, 1) or not junit.exists():
            raise TestPlanError(f"The test plan could not be run (pytest: {done.returncode}): {' '.join(tail[-5:])}")
        return junit.read_bytes(), tail


def _read(junit: bytes, stage: str) -> list[Case]:
    cases = []
    for element in ElementTree.fromstring(junit).iter("testcase"):  # noqa: S314 - written by our own pytest
        module = element.get("classname", "").rsplit(".", 1)[-1]
        name = element.get("name", "")
        failing = module == REMEDIATION and stage in VULNERABLE
        outcome, message = "passed", ""
        for kind, word in (("failure", "failed"), ("error", "error"), ("skipped", "skipped")):
            found = element.find(kind)
            if found is not None:
                outcome, message = word, (found.get("message") or "")[:500]
        host = name.partition("[")[2].partition(":")[0]
        cases.append(
            Case(
                test_id=f"{module}::{name}",
                host=host,
                expected="failed" if failing else "passed",
                outcome=outcome,
                seconds=float(element.get("time") or 0),
                message=message,
            )
        )
    return cases


def _with_vanished(
    store: Store, campaign: Campaign, cases: Sequence[Case], stage: str, host_ids: Sequence[str]
) -> tuple[Case, ...]:
    """The cases, and one `vanished` for each test that an earlier stage had and this one has not."""
    present = {case.test_id for case in cases}
    earlier = {
        case["test_id"]: case["host"]
        for row in test_runs.list_test_runs(store, campaign.campaign_id)
        if row["host_id"] in host_ids
        for case in row["cases"]
    }
    return (
        *cases,
        *(
            Case(test_id, host, "passed", "vanished", 0.0, f"it was there before {stage}")
            for test_id, host in sorted(earlier.items())
            if test_id not in present
        ),
    )


def _keep(
    store: Store,
    campaign: Campaign,
    outcome: TestOutcome,
    sha256: str,
    started_at: datetime,
    host_ids: Sequence[str],
) -> None:
    rows = []
    for host in host_ids:
        own = [case for case in outcome.cases if case.host == host]
        wrong = [case for case in own if not case.well]
        rows.append(
            {
                "campaign_id": campaign.campaign_id,
                "stage": outcome.stage,
                "host_id": host,
                "passed": bool(own) and not wrong,
                "tests": len(own),
                "failures": len(wrong),
                "duration_seconds": sum(case.seconds for case in own),
                "junit_uri": outcome.junit_uri,
                "cases": Json([case.as_json() for case in own]),
                "started_at": started_at,
            }
        )
    with store.transaction():
        test_runs.write_test_runs(store, rows)
        evidence.record(
            store,
            actor="suture:staging_test",
            action="test_plan_passed" if outcome.passed else "test_plan_failed",
            subject=f"campaign:{campaign.campaign_id}",
            campaign_id=campaign.campaign_id,
            grounds={
                "stage": outcome.stage,
                "hosts": list(host_ids),
                "tests": len(outcome.cases),
                "wrong": [case.test_id for case in outcome.wrong],
                "seconds": outcome.duration_seconds,
                "junit": {"uri": outcome.junit_uri, "sha256": sha256},
            },
        )
