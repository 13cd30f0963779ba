"""The demo's third campaign (the good fix, offered in place of the bad one), taken to its end through planted faults.

The tests build on one another, in the order in which they stand: the approvals by the wrong people, a rollout task that is
killed in the middle of an installation, PostgreSQL that crashes while a ring is patched and again while one is judged. At
the end the campaign is closed, every host was patched once, and no client saw an error.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest

from suture.campaign import CampaignState, fetch_campaign
from suture.campaign.campaigns import Campaign
from suture.command.airflow_api import AirflowApiError
from suture.command.installation import read
from suture.command.postgres import EmbeddedPostgres
from suture.model import Ring
from suture.store import StoreUnavailableError
from suture.store.steps import StepStatus, list_steps
from suture.telemetry import impact_from_log
from tests.main_job import MainJob

pytestmark = [pytest.mark.airflow, pytest.mark.lab, pytest.mark.timeout(3600)]

T = TypeVar("T")
FIXED = "1.0.1"
HUMAN_REACTION_S = 6.0  # an answer within half a second of the question can be lost (apache/airflow #66374)
STAGING_PATIENCE_S = 900.0
RECOVERY_PATIENCE_S = 180.0


@dataclass
class Third:
    """The campaign, and who looks at it. begun_at: when these tests began to change something."""

    job: MainJob
    campaign_id: str
    begun_at: datetime
    asked: dict[str, float] = field(default_factory=dict)

    @property
    def campaign(self) -> Campaign:
        return self.patiently(self._fetch)

    def _fetch(self) -> Campaign:
        with self.job.store() as store:
            return fetch_campaign(store, self.campaign_id)

    def patiently(self, look: Callable[[], T], patience_s: float = RECOVERY_PATIENCE_S) -> T:
        """What the look says, also while the warehouse or the API restarts."""
        deadline = time.monotonic() + patience_s
        while True:
            try:
                return look()
            except (StoreUnavailableError, AirflowApiError) as error:
                if time.monotonic() > deadline or not error.retryable:
                    raise
                time.sleep(0.5)

    def until(self, look: Callable[[], T | None], patience_s: float, why: str) -> T:
        """What the look says as soon as it says something; a campaign that stopped ends the wait with its reason."""
        deadline = time.monotonic() + patience_s
        while True:
            found = self.patiently(look)
            if found:
                return found
            campaign = self.campaign
            assert campaign.state not in (CampaignState.HALTED, CampaignState.DECLINED, CampaignState.TEST_FAILED), (
                campaign.state_reason
            )
            assert time.monotonic() < deadline, f"{why}: {campaign.campaign_id} is {campaign.state}"
            time.sleep(0.3)

    def until_state(self, *wanted: CampaignState, patience_s: float) -> Campaign:
        return self.until(lambda: ((c := self.campaign).state in wanted and c) or None, patience_s, f"not {wanted}")

    def step(self, host: str, name: str, *statuses: StepStatus) -> Any:
        """The host's step, once it has one of these statuses."""

        def look() -> Any:
            with self.job.store() as store:
                found = list_steps(store, self.campaign_id, self._fetch().plan_hash, step=name)
            return next((step for step in found if step.host_id == host and step.status in statuses), None)

        return look

    def evidence(self) -> list[dict[str, Any]]:
        def look() -> list[dict[str, Any]]:
            with self.job.store() as store:
                return store.fetch_all("evidence/list_evidence", {"campaign_id": self.campaign_id})

        return self.patiently(look)

    def task(self, dag_id: str, task_id: str) -> dict[str, Any] | None:
        """The newest try of a task in the campaign's run of this DAG; None when there is no run yet."""

        def look() -> dict[str, Any] | None:
            api = self.job.api("audra")
            runs = api.get(f"dags/{dag_id}/dagRuns", partition_key_pattern=self.campaign_id, order_by="-run_after")
            if not runs["dag_runs"]:
                return None
            run = runs["dag_runs"][0]["dag_run_id"]
            return dict(api.get(f"dags/{dag_id}/dagRuns/{run}/taskInstances/{task_id}"))

        return self.patiently(look)

    def question(self, seat: str) -> str:
        """The path of the answer to the seat's open question, when a person has had time to read it."""

        def look() -> str | None:
            pending = self.job.api("audra").get(
                "dags/~/dagRuns/~/hitlDetails", response_received="false", state="awaiting_input", limit=50
            )
            for detail in pending["hitl_details"]:
                asked = detail["task_instance"]
                if self.campaign_id in (detail["subject"] or "") and asked["task_id"] == f"{seat}_seat":
                    return (
                        f"dags/{asked['dag_id']}/dagRuns/{asked['dag_run_id']}/taskInstances/{asked['task_id']}"
                        f"/{asked['map_index']}/hitlDetails"
                    )
            return None

        path = self.until(look, 400, f"no question for the {seat} seat")
        seen = self.asked.setdefault(path, time.monotonic())
        time.sleep(max(0.0, seen + HUMAN_REACTION_S - time.monotonic()))
        return path

    def answer(self, who: str, path: str, **form: str) -> int:
        """The HTTP status of the answer."""
        try:
            self.job.api(who).patch(path, {"chosen_options": ["Approve"], "params_input": form})
        except AirflowApiError as error:
            return error.status or 0
        return 200


@pytest.fixture(scope="module")
def third(main_job: MainJob) -> Third:
    found = main_job.campaigns("lab-vendor")
    deadline = time.monotonic() + 300
    while len(found) < 2:
        assert time.monotonic() < deadline, "no campaign was planned in place of the bad fix"
        time.sleep(2)
        found = main_job.campaigns("lab-vendor")
    third = Third(main_job, str(found[-1]["campaign_id"]), datetime.now(UTC))
    third.until_state(CampaignState.TESTED, patience_s=STAGING_PATIENCE_S)
    third.begun_at = datetime.now(UTC)
    return third


@pytest.fixture
def tell(
    record_testsuite_property: Callable[[str, object], None], capsys: pytest.CaptureFixture[str]
) -> Callable[[str], None]:
    """Says a figure on the terminal and in the JUnit file."""

    def tell(text: str) -> None:
        record_testsuite_property("measured", text)
        with capsys.disabled():
            print(f"\n    {text}", flush=True)

    return tell


def test_waiting_for_a_person_holds_no_slot(third: Third) -> None:
    third.question("first")
    found = third.task("release_approval", "first_seat")
    assert found is not None
    assert found["state"] == "awaiting_input"

    def idle() -> bool:
        pool = third.job.api("audra").get(f"pools/{found['pool']}")
        return int(pool["occupied_slots"]) == 0

    third.until(idle, 240, "the pool is not empty while nothing but the question is open")
    now = third.task("release_approval", "first_seat")
    assert now is not None
    assert now["state"] == "awaiting_input"


@pytest.mark.parametrize("who", ["rosa", "olga", "nils", "admin", "audra"])
def test_who_is_not_of_the_seat_is_refused(third: Third, who: str) -> None:
    """Not assigned, the requester, on call, the administrator, a viewer."""
    assert third.answer(who, third.question("first")) == 403
    assert third.campaign.state is CampaignState.TESTED
    assert not [row for row in third.evidence() if row["action"] == "release_approved"]


def test_two_people_release_and_their_words_stay_words(third: Third, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    comment = (
        f"{{{{ lookup('pipe', 'touch {canary}') }}}} {{{{ 7*7 }}}} $(touch {canary}) `touch {canary}`; touch {canary}"
    )
    assert third.answer("vera", third.question("first"), comment=comment) == 200
    second = third.question("second")
    assert third.answer("vera", second) == 403
    assert third.answer("amir", second) == 200
    third.until_state(CampaignState.APPROVED, CampaignState.ROLLING_OUT, patience_s=300)
    given = [row for row in third.evidence() if row["action"] == "release_approved"]
    assert [row["actor"] for row in given] == ["vera", "amir"]
    assert given[0]["grounds"]["comment"] == comment
    assert not canary.exists()


@pytest.mark.parametrize(
    "form",
    [
        {"campaign": "SUT-2026-0001; touch /canary", "confirm": "SUT-2026-0001; touch /canary"},
        {"campaign": "{{ dag.dag_id }}", "confirm": "{{ dag.dag_id }}"},
        {"campaign": "$(touch /canary)", "confirm": "x", "reason": "x"},
        {"campaign": "SUT-2026-0001\n", "confirm": "SUT-2026-0001\n", "reason": ["not", "a", "text"]},
        {"campaign": "SUT-2026-0001", "confirm": "SUT-2026-0001", "reason": "x" * 2001},
    ],
)
def test_a_rollbacks_form_takes_no_syntax(third: Third, form: dict[str, Any]) -> None:
    with pytest.raises(AirflowApiError) as refused:
        third.job.api("olga").post("dags/rollback/dagRuns", {"logical_date": None, "conf": form})
    assert refused.value.status == 400
    assert not Path("/canary").exists()


def test_a_task_killed_in_the_middle_of_an_installation_is_tried_again(
    third: Third, tell: Callable[[str], None]
) -> None:
    host = third.campaign.plan.hosts(Ring.CANARY)[0]
    before = _jobs(third, host)
    begun = third.until(
        third.step(host, "patch", StepStatus.RUNNING, StepStatus.DONE), 1200, "the canary's patch never began"
    )
    assert begun.status is StepStatus.RUNNING
    # The host itself says when it installs; from here a look takes too long.
    third.job.on(host, f"until ls -d /var/lib/suture/jobs/install-{begun.token}-*; do sleep 0.05; done >/dev/null 2>&1", timeout_s=400)
    task, orphans = _task_on(third, host)
    os.kill(task.pid, signal.SIGKILL)
    killed = time.monotonic()
    assert orphans, "Ansible had ended already: the kill proves nothing"

    def second_try() -> Any:
        step = third.step(host, "patch", StepStatus.RUNNING, StepStatus.DONE)()
        return step if step is not None and step.token > begun.token else None

    again = third.until(second_try, 400, "no second try began")
    tell(f"killed task: the second try held the host after {time.monotonic() - killed:.0f} s")
    done = third.until(third.step(host, "patch", StepStatus.DONE), 600, "the second try did not finish")
    tell(f"killed task: {host} was done after {time.monotonic() - killed:.0f} s")
    assert done.token == again.token

    found = third.task("canary_rollout", "patch_canary")
    assert found is not None
    assert found["try_number"] == 2
    ends = [
        row for row in third.evidence() if row["subject"] == f"host:{host}" and row["action"].startswith("host_patch")
    ]
    assert [(row["action"], row["grounds"]["token"]) for row in ends if row["grounds"]["counted"]] == [
        ("host_patch_done", done.token)
    ]
    # On the host: the two tries' jobs never ran at the same time, and the version was installed once.
    jobs = {name: span for name, span in _jobs(third, host).items() if name not in before}
    first = [span for (token, _), span in jobs.items() if token == begun.token]
    second = [span for (token, _), span in jobs.items() if token == done.token]
    assert first, "the first try had begun no job on the host"
    assert second, "the second try had begun no job on the host"
    assert max(end for _, end in first) <= min(start for start, _ in second)
    assert {token for token, _ in jobs} == {begun.token, done.token}
    assert _installations(third, host) == 1
    assert not [process for process in orphans if _lives(process)], "the killed try's Ansible still runs"


def test_postgresql_crashes_while_a_ring_is_patched(third: Third, tell: Callable[[str], None]) -> None:
    host = third.campaign.plan.hosts(Ring.RING_1)[0]
    begun = third.until(third.step(host, "patch", StepStatus.RUNNING, StepStatus.DONE), 800, f"{host} was never begun")
    assert begun.status is StepStatus.RUNNING
    _crash_postgres(third, tell, f"while {host} is patched")
    done = third.until(third.step(host, "patch", StepStatus.DONE), 600, f"{host} did not finish")
    assert done.error is None


def test_postgresql_crashes_while_a_ring_is_judged(third: Third, tell: Callable[[str], None]) -> None:
    ring = next(ring for ring in (Ring.RING_2, Ring.RING_3) if third.campaign.plan.hosts(ring))

    def judging() -> bool:
        found = third.task("canary_rollout", f"judge_{ring.value}")
        assert found is None or found["state"] not in ("failed", "success"), found
        return found is not None and found["state"] == "deferred"

    third.until(judging, 1000, f"{ring} was never judged")
    _crash_postgres(third, tell, f"while {ring} is judged")


def test_the_campaign_is_closed_and_nothing_was_lost(third: Third, tell: Callable[[str], None]) -> None:
    campaign = third.until_state(CampaignState.CLOSED, patience_s=1200)
    until = datetime.now(UTC)
    tell(f"from the first refused answer to closed: {(until - third.begun_at).total_seconds():.0f} s")
    told = third.evidence()
    for host in campaign.plan.production_hosts:
        counted = [
            row
            for row in told
            if row["action"] == "host_patch_done" and row["subject"] == f"host:{host}" and row["grounds"]["counted"]
            and row["grounds"]["plan_hash"] == campaign.plan_hash
        ]  # fmt: skip
        assert len(counted) == 1, f"{host}: {counted}"
        assert _installations(third, host) == 1
        assert third.job.on(host, "dpkg-query", "-W", "-f", "'${Version}'", "acme-portal") == FIXED
        assert third.job.on(host, "dpkg", "--audit") == ""
    moves = [row["grounds"]["to"] for row in told if row["action"] == "campaign_moved"]
    assert moves == ["validated", "tested", "approved", "rolling_out", "verified", "closed"]
    done = third.job.command("evidence", "verify")
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_client_saw_an_error(third: Third, tell: Callable[[str], None]) -> None:
    record = third.job.home / "lab" / "fleet" / "load" / "requests.tsv"
    seen = impact_from_log([record.with_name("requests.old.tsv"), record], third.begun_at, datetime.now(UTC))
    tell(f"clients: {seen.total.bad} of {seen.total.requests} requests failed")
    assert seen.total.requests > 1000
    assert seen.total.bad == 0, {name: counts for name, counts in seen.by_server.items() if counts.bad}


def _crash_postgres(third: Third, tell: Callable[[str], None], when: str) -> None:
    here = read(third.job.home)
    assert here is not None
    server = EmbeddedPostgres(third.job.home, here.ports["postgres"])
    before = server.pid()
    server.stop(immediate=True)
    crashed = time.monotonic()
    while not server.is_running():  # Suture's own supervisor starts it, not this test
        assert time.monotonic() - crashed < RECOVERY_PATIENCE_S, "nobody started PostgreSQL again"
        time.sleep(0.1)
    answered = time.monotonic()
    assert server.pid() != before
    while not json.loads(third.job.command("status", "--json").stdout)["up"]:
        assert time.monotonic() - crashed < 2 * RECOVERY_PATIENCE_S, third.job.command("status").stdout
        time.sleep(1)
    tell(
        f"PostgreSQL crashed {when}: it answered again after {answered - crashed:.1f} s, "
        f"all of Suture was up after {time.monotonic() - crashed:.0f} s"
    )


def _task_on(third: Third, host: str) -> tuple[psutil.Process, list[psutil.Process]]:
    """The process of the Airflow task that patches this host, and everything of Ansible's below it."""
    home = f"SUTURE_HOME={third.job.home}".encode()
    for process in psutil.process_iter():
        try:
            command = process.cmdline()
            if "--limit" not in command or command[command.index("--limit") + 1] != host:
                continue
            if home not in Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0"):
                continue
            task = process.parent()
            if task is None or "ansible-playbook" in " ".join(task.cmdline()):
                continue  # a worker of the playbook
            return task, [process, *process.children(recursive=True)]
        except (psutil.Error, OSError):
            continue
    raise AssertionError(f"no Ansible of {third.job.home} works on {host}")


def _jobs(third: Third, host: str) -> dict[tuple[int, str], tuple[float, float]]:
    """The jobs that ran on the host: (token, folder) → when it began and ended, by the host's clock."""
    told = third.job.on(
        host,
        "for f in /var/lib/suture/jobs/*/result.json; do [ -e $f ] && stat -c '%Y.%y %n' $f && cat $f && echo; done; true",
    )
    found: dict[tuple[int, str], tuple[float, float]] = {}
    lines = iter(told.splitlines())
    for line in lines:
        stamp, path = line.rsplit(" ", 1)
        folder = Path(path).parent.name
        whole = int(stamp.partition(".")[0])
        fraction = float("0." + stamp.rpartition(".")[2].split()[0])
        seconds = sum(step["seconds"] for step in json.loads(next(lines))["steps"])
        found[int(folder.rsplit("-", 2)[1]), folder] = (whole + fraction - seconds, whole + fraction)
    return found


def _installations(third: Third, host: str) -> int:
    """How often the fixed version was put on the host since these tests began, by dpkg's own log."""
    lines = third.job.on(host, f"grep -E ' (upgrade|install) acme-portal:\\S+ \\S+ {FIXED}$' /var/log/dpkg.log || true")
    since = third.begun_at.strftime("%Y-%m-%d %H:%M:%S")
    return len([line for line in lines.splitlines() if line >= since])


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False
