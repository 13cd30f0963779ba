"""What it is to run a phase on hosts: the interface that Ansible and the simulator both implement.

The rules:

1. A run names its hosts. An empty list is refused: it never means all.
2. Whatever a run carries is data: no value is ever evaluated as a template or a shell command, here or on a host.
3. Each host answers with a report that fits include/schemas/reports/<phase>.schema.json. A host without one has failed.
4. A host that could not be reached, or was lost on the way, is `unreachable`: what happened there is not known.
5. When run() has returned or raised, nothing that it started on this machine is left.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any, Protocol

from suture.errors import BadInputError, SutureError
from suture.runner.names import require_host_name

Report = Mapping[str, Any]


class Phase(StrEnum):
    """The playbooks, include/playbooks/<phase>.yml."""

    COLLECT_INVENTORY = "collect_inventory"
    ENROLL = "enroll"
    WITHDRAW = "withdraw"
    PREFLIGHT = "preflight"
    PATCH = "patch"
    VERIFY = "verify"
    BACKUP = "backup"
    FENCE = "fence"
    RESTORE = "restore"
    DATA_CHECK = "data_check"
    RELEASE = "release"
    PARITY = "parity"
    TRAFFIC = "traffic"


READ_ONLY_PHASES = frozenset(
    {Phase.COLLECT_INVENTORY, Phase.VERIFY, Phase.DATA_CHECK, Phase.PARITY, Phase.TRAFFIC}
)


class RunnerError(SutureError):
    """The run itself could not be made (Ansible missing, inventory unreadable): nothing is said about any host."""


class RunCancelledError(RunnerError):
    """The run was stopped from here: its task was killed, timed out, or lost its lease. Hosts may be half-way."""

    retryable = True


@dataclass(frozen=True)
class PlaybookRun:
    """One phase on some hosts. `variables` is plain JSON; the playbooks see it as `suture`."""

    phase: Phase
    hosts: tuple[str, ...]
    variables: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    campaign_id: str | None = None
    timeout: timedelta = timedelta(hours=1)

    def __post_init__(self) -> None:
        if not self.hosts:
            raise BadInputError(f"The phase {self.phase} was given no host: an empty list means none, never all.")
        for host in self.hosts:
            require_host_name(host)
        if len(set(self.hosts)) != len(self.hosts):
            raise BadInputError(f"The phase {self.phase} was given a host twice: {', '.join(self.hosts)}.")


@dataclass(frozen=True)
class PlaybookResult:
    """What came back, by host: every host of the run is in exactly one of the three. log_tail: the last lines of the
    log."""

    reports: Mapping[str, Report]
    failed: Mapping[str, str]
    unreachable: Mapping[str, str]
    failed_reports: Mapping[str, Report]
    log_tail: Sequence[str]
    rc: int
    duration_seconds: float


def nothing() -> None:
    """The default `tick`: nothing to do while a run goes on."""


def quiet(_line: str) -> None:
    """The default `log`."""


class Runner(Protocol):
    """Runs phases. One run at a time."""

    def run(
        self, run: PlaybookRun, *, log: Callable[[str], None] = quiet, tick: Callable[[], None] = nothing
    ) -> PlaybookResult:
        """Run a phase. `log` gets each line as it comes; `tick` is called about once a second, and what it raises stops
        the run and is raised again. Raises RunnerError, RunCancelledError."""
        ...

    def stop(self) -> None:
        """Stop the run that goes on, from a signal handler or another thread. Returns when nothing of it is left."""
        ...

    def hosts(self) -> Mapping[str, tuple[str, ...]]:
        """Every host of the inventory with the groups that hold it. Raises RunnerError."""
        ...
