"""Running one step of a campaign on its hosts: leases, steps and evidence around the runner.

The rules:

1. Before each batch the campaign is looked at again: it must be in a state that allows the step, and its plan must
   be the one the step began with. Otherwise nothing more is started.
2. A host is touched only under a lease. The lease is renewed while the run goes on; when it is lost, the run is
   stopped. While the warehouse does not answer nobody can be granted it either: the run goes on until the lease
   would have expired, and its end is recorded when the warehouse is back.
3. A host that has finished this step for this plan is not touched again; the report that it gave stands.
4. A report is believed only as far as it proves what it says: a host that says `done` and shows other versions than
   the plan's has failed.
5. Patches go in batches of the plan's `max_unavailable`, less what is out of service already (`disruption.py`); on
   staging all at once. After a batch with a failed or lost host no further batch is started.
6. A lost host is `unknown`: not failed, not done. The next try looks before it acts.
7. Each host's end is a step and an evidence record in one transaction.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from suture import evidence
from suture.campaign import Campaign, CampaignState, fetch_campaign
from suture.campaign.lifecycle import StaleMoveError
from suture.errors import BadInputError, SutureError
from suture.model import Ring
from suture.runner.briefs import Policies, write_brief
from suture.runner.claims import contradiction
from suture.runner.disruption import hosts_out_of_service, next_batch
from suture.runner.held_leases import HeldLeases
from suture.runner.interface import Phase, PlaybookResult, PlaybookRun, Report, Runner, quiet
from suture.settings import Settings
from suture.store import Store, backups, leases, steps
from suture.store.leases import Lease
from suture.store.steps import StepStatus

LEASE_WAIT = timedelta(seconds=90)  # longer than a lease lives: a killed try's lease has expired by then
TOUCHED, PRODUCTION = "touched", "production"

_S = CampaignState


@dataclass(frozen=True)
class Step:
    """A step that a DAG may name: its playbook, the states in which a campaign may take it, whether in batches."""

    phase: Phase
    states: frozenset[CampaignState]
    batched: bool = False


_STAGING, _BACK = frozenset({_S.VALIDATED}), frozenset({_S.ROLLING_BACK})
_MIRRORED = frozenset({_S.VERIFIED, _S.CLOSED})
_ENDED = _MIRRORED | {_S.REJECTED, _S.TEST_FAILED, _S.DECLINED, _S.ROLLED_BACK, _S.SUPERSEDED}
STEPS: Mapping[str, Step] = {
    "prepare": Step(Phase.PREFLIGHT, _STAGING | {_S.ROLLING_OUT}),
    "patch": Step(Phase.PATCH, _STAGING | {_S.ROLLING_OUT}, batched=True),
    "patch_again": Step(Phase.PATCH, _STAGING | {_S.ROLLING_OUT}, batched=True),
    "restore_mirror": Step(Phase.RESTORE, _STAGING | {_S.TEST_FAILED}),
    "patch_mirror": Step(Phase.PATCH, _MIRRORED, batched=True),
    "verify": Step(Phase.VERIFY, _STAGING | {_S.ROLLING_OUT}),
    "backup": Step(Phase.BACKUP, frozenset({_S.TESTED, _S.APPROVED, _S.ROLLING_OUT})),
    "fence": Step(Phase.FENCE, _BACK),
    "restore": Step(Phase.RESTORE, _BACK | _STAGING),
    "data_check": Step(Phase.DATA_CHECK, _BACK | _STAGING),
    "release": Step(Phase.RELEASE, _BACK),
    "leave_quarantine": Step(Phase.ENROLL, _ENDED),  # quarantine.py
}


class PhaseFailedError(SutureError):
    """Hosts failed. Trying the same again would not help before somebody looked."""


class PhaseUnknownError(SutureError):
    """Hosts were lost on the way: what happened there is not known. Trying again looks first."""

    retryable = True


@dataclass(frozen=True)
class PhaseOutcome:
    """How a step ended, by host. `already_done`: finished by an earlier try; `not_started`: a batch before it
    failed."""

    campaign_id: str
    step: str
    done: Mapping[str, Report] = field(default_factory=dict)
    already_done: Mapping[str, Report] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)
    unknown: Mapping[str, str] = field(default_factory=dict)
    not_started: tuple[str, ...] = ()
    duration_seconds: float = 0.0

    @property
    def ok(self) -> bool:
        return not (self.failed or self.unknown or self.not_started)

    @property
    def sentence(self) -> str:
        parts = [f"{len(self.done) + len(self.already_done)} done"]
        parts += [f"{host} failed: {why}" for host, why in sorted(self.failed.items())]
        parts += [f"{host} was lost, its state is unknown: {why}" for host, why in sorted(self.unknown.items())]
        if self.not_started:
            parts.append(f"not started: {', '.join(self.not_started)}")
        return f"{self.step} of {self.campaign_id}: " + "; ".join(parts)

    def require_ok(self) -> PhaseOutcome:
        """Itself. Raises PhaseFailedError, or PhaseUnknownError when hosts were only lost."""
        if self.failed:
            raise PhaseFailedError(
                f"{self.sentence}.", remedy="Failed hosts stay out of service. Read the task's log, mend or roll back."
            )
        if self.unknown or self.not_started:
            raise PhaseUnknownError(f"{self.sentence}.", remedy="The next try looks at them before it acts.")
        return self


def run_phase(
    store: Store,
    runner: Runner,
    settings: Settings,
    *,
    campaign_id: str,
    step: str,
    ring: str | None = None,
    hosts: Sequence[str] | None = None,
    actor: str,
    holder: str,
    log: Callable[[str], None] = quiet,
    lease_wait: timedelta = LEASE_WAIT,
    timeout: timedelta = timedelta(hours=1),
) -> PhaseOutcome:
    """Run `step` (a key of STEPS) on the hosts of a ring, on all of `production`, on those already `touched`, or on the
    hosts named.

    holder: names this try, no other (run, task, try number). Raises StaleMoveError when the campaign's state forbids
    it, LeaseHeldError (retryable) when a host is being changed by somebody else, RunnerError.
    """
    if step not in STEPS:
        raise BadInputError(f"{step!r} is no step; known are {', '.join(STEPS)}.")
    campaign = fetch_campaign(store, campaign_id)
    _require_state(store, campaign, STEPS[step])
    selected = tuple(hosts) if hosts is not None else _hosts_of(store, campaign, ring)
    work = _Work(store, runner, settings, campaign, step, actor, holder, log, lease_wait, timeout)
    return work.through(selected)


class _Work:
    """One call of run_phase."""

    def __init__(
        self,
        store: Store,
        runner: Runner,
        settings: Settings,
        campaign: Campaign,
        step: str,
        actor: str,
        holder: str,
        log: Callable[[str], None],
        lease_wait: timedelta,
        timeout: timedelta,
    ) -> None:
        self.store = store
        self.runner = runner
        self.settings = settings
        self.campaign = campaign
        self.name = step
        self.step = STEPS[step]
        self.actor = actor
        self.holder = holder
        self.log = log
        self.lease_wait = lease_wait
        self.timeout = timeout

    def through(self, hosts: Sequence[str]) -> PhaseOutcome:
        started = time.monotonic()
        finished = {
            found.host_id: found.report
            for found in steps.list_steps(
                self.store, self.campaign.campaign_id, self.campaign.plan_hash, step=self.name
            )
            if found.status is StepStatus.DONE and found.host_id in hosts
        }
        for host in sorted(finished):
            self.log(f"{host} has finished {self.name} already: not touched again.")
        done: dict[str, Report] = {}
        failed: dict[str, str] = {}
        unknown: dict[str, str] = {}
        waiting = [host for host in hosts if host not in finished]
        while waiting and not failed and not unknown:
            batch = self._next_batch(waiting)
            waiting = [host for host in waiting if host not in batch]
            ended = self._run_batch(batch)
            done.update(ended[0])
            failed.update(ended[1])
            unknown.update(ended[2])
        return PhaseOutcome(
            campaign_id=self.campaign.campaign_id,
            step=self.name,
            done=done,
            already_done=finished,
            failed=failed,
            unknown=unknown,
            not_started=tuple(waiting),
            duration_seconds=round(time.monotonic() - started, 3),
        )

    def _next_batch(self, waiting: Sequence[str]) -> list[str]:
        plan = self.campaign.plan
        if not self.step.batched or set(waiting) <= set(plan.hosts(Ring.STAGING)):  # nobody is served from staging
            return list(waiting)
        group, out = hosts_out_of_service(self.store, plan.asset_group)
        self.log("".join(f"{host} is out of service already: {why}. " for host, why in out.items()) or "All serve.")
        return next_batch(waiting, group, out, plan.max_unavailable)

    def _run_batch(self, batch: Sequence[str]) -> tuple[dict[str, Report], dict[str, str], dict[str, str]]:
        _require_state(self.store, self.campaign, self.step)
        granted = leases.acquire_all(
            self.store, batch, holder=self.holder, campaign_id=self.campaign.campaign_id, wait=self.lease_wait
        )
        held = HeldLeases(self.store, list(granted.values()), self.log)
        try:
            brief = write_brief(
                phase=self.step.phase,
                campaign_id=self.campaign.campaign_id,
                plan=self.campaign.plan,
                leases=granted,
                inventory_groups=self.runner.hosts(),
                policies=Policies.load(self.settings),
                settings=self.settings,
            )
            for host, lease in granted.items():
                steps.begin(self.store, host_id=host, token=lease.token, **self._key())
            run = PlaybookRun(
                phase=self.step.phase,
                hosts=tuple(sorted(batch)),
                variables=brief,
                campaign_id=self.campaign.campaign_id,
                timeout=self.timeout,
            )
            result = self.runner.run(run, log=self.log, tick=held.renew)
            held.await_store()
            return self._conclude(result, granted)
        finally:
            held.give_back()

    def _conclude(
        self, result: PlaybookResult, granted: Mapping[str, Lease]
    ) -> tuple[dict[str, Report], dict[str, str], dict[str, str]]:
        done: dict[str, Report] = {}
        failed = dict(result.failed)
        for host, report in result.reports.items():
            lie = contradiction(self.step.phase, report, self.campaign.plan)
            if lie is None:
                done[host] = report
            else:
                failed[host] = f"its report contradicts itself: {lie}"
        for host, report in done.items():
            self._finish(host, granted[host], StepStatus.DONE, report, None)
        for host, why in failed.items():
            self._finish(host, granted[host], StepStatus.FAILED, result.failed_reports.get(host, {}), why)
        for host, why in result.unreachable.items():
            self._finish(host, granted[host], StepStatus.UNKNOWN, {}, why)
        return done, failed, dict(result.unreachable)

    def _finish(self, host: str, lease: Lease, status: StepStatus, report: Report, error: str | None) -> None:
        with self.store.transaction():
            kept = steps.finish(
                self.store,
                host_id=host,
                token=lease.token,
                status=status,
                report=report,
                error=error,
                **self._key(),
            )
            if self.step.phase is Phase.BACKUP and status is StepStatus.DONE:
                backups.record_backup(
                    self.store, campaign_id=self.campaign.campaign_id, host_id=host, backup=report["backup"]
                )
            evidence.record(
                self.store,
                actor=self.actor,
                action=f"host_{self.name}_{status.value}",
                subject=f"host:{host}",
                campaign_id=self.campaign.campaign_id,
                grounds={
                    "plan_hash": self.campaign.plan_hash,
                    "token": lease.token,
                    "counted": kept,
                    "reason": error,
                    **_gist(report),
                },
            )

    def _key(self) -> dict[str, Any]:
        return {
            "campaign_id": self.campaign.campaign_id,
            "step": self.name,
            "plan_hash": self.campaign.plan_hash,
        }


def touched_hosts(store: Store, campaign: Campaign) -> tuple[str, ...]:
    """The production hosts on which a patch was begun, whatever became of it."""
    production = set(campaign.plan.production_hosts)
    found = {
        step.host_id
        for step in steps.list_steps(store, campaign.campaign_id, campaign.plan_hash)
        if STEPS[step.step].phase is Phase.PATCH and step.host_id in production
    }
    return tuple(sorted(found))


def _hosts_of(store: Store, campaign: Campaign, ring: str | None) -> tuple[str, ...]:
    if ring is None:
        raise BadInputError("Name a ring, or hosts: no selector means none, never all.")
    if ring == PRODUCTION:
        return campaign.plan.production_hosts
    if ring == TOUCHED:
        return touched_hosts(store, campaign)
    return campaign.plan.hosts(Ring(ring))


def _require_state(store: Store, campaign: Campaign, step: Step) -> None:
    now = fetch_campaign(store, campaign.campaign_id)
    if now.state not in step.states:
        wanted = " or ".join(sorted(step.states))
        raise StaleMoveError(
            f"{campaign.campaign_id} is {now.state}, not {wanted}: {step.phase} is not started. ({now.state_reason})"
        )
    if now.plan_hash != campaign.plan_hash:
        raise StaleMoveError(f"{campaign.campaign_id}'s plan was changed meanwhile: {step.phase} is not started.")


def _gist(report: Report) -> dict[str, Any]:
    """What evidence keeps of a report: what changed and from where to where, not the whole state."""
    kept = ("changes", "skipped", "removed", "restarted", "healed", "fenced", "backup", "paths")
    gist = {name: report[name] for name in kept if name in report}
    state = report.get("after") or report.get("state")
    if state:
        gist["versions"] = state.get("versions", {})
    return gist
