"""Phases through ansible-runner: the only module that imports it.

What killing taught (ansible-runner 2.4.3, ansible-core 2.19, measured): without a `cancel_callback`, run() replaces
the caller's SIGTERM handler, so a task's on_kill never ran; pexpect's default timeout let a cancel wait for the next
line of output; workers and shared connections sit in sessions of their own and outlive the playbook. Hence the
callback, `pexpect_timeout`, the sub-reaper, one private folder and one control-path folder a run, and the end of the
whole tree on every way out.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import ansible_runner
import pexpect

from suture.runner import processes
from suture.runner.interface import (
    PlaybookResult,
    PlaybookRun,
    Report,
    RunCancelledError,
    RunnerError,
    nothing,
    quiet,
)
from suture.runner.inventory import Inventory
from suture.runner.reports import mistake_in
from suture.runner.unsafe import wrapped
from suture.settings import PROJECT_ROOT

PLAYBOOKS = PROJECT_ROOT / "include" / "playbooks"
MAX_FORKS = 10  # on two cores more only wait for one another (measured: 50 hosts, 10 or 50 forks, 30 s both)
LOG_TAIL_LINES = 200
TICK_SECONDS = 1.0
SSH_ARGS = (
    "-o ControlMaster=auto -o ControlPersist=20s -o ConnectTimeout=10 -o ServerAliveInterval=5 -o ServerAliveCountMax=4"
)
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f]")
_FINAL = {"successful", "failed"}


class AnsibleRunner:
    """Runs playbooks of `playbooks` on hosts of the inventory file, read anew for each run."""

    def __init__(self, inventory_path: Path, *, playbooks: Path = PLAYBOOKS, forks: int = MAX_FORKS) -> None:
        self._inventory_path = inventory_path
        self._playbooks = playbooks
        self._forks = forks
        self._cancel = threading.Event()
        self._before: set[Any] | None = None

    def hosts(self) -> Mapping[str, tuple[str, ...]]:
        return {host.name: host.groups for host in Inventory.load(self._inventory_path).hosts.values()}

    def run(
        self, run: PlaybookRun, *, log: Callable[[str], None] = quiet, tick: Callable[[], None] = nothing
    ) -> PlaybookResult:
        inventory = Inventory.load(self._inventory_path)
        unknown = [host for host in run.hosts if host not in inventory.hosts]
        if unknown:
            raise RunnerError(
                f"{', '.join(unknown)}: not in the inventory {self._inventory_path.name}.",
                remedy="Add the host to the inventory, or plan the campaign anew without it. Nothing was run.",
            )
        self._cancel.clear()
        processes.adopt_orphans()
        self._before = processes.descendants()
        watch = _Watch(run, log, tick, self._cancel)
        private = Path(tempfile.mkdtemp(prefix="suture-run-"))
        sockets = Path(tempfile.mkdtemp(prefix="s", dir=_short_folder()))
        started = time.monotonic()
        found = None
        try:
            found = self._start(run, inventory, private, sockets, watch)
        except pexpect.ExceptionPexpect:  # stop() ended the playbook and took its exit status before ansible-runner could
            if not self._cancel.is_set():
                raise
        finally:
            left = processes.end_new(self._before, grace_seconds=1.0)
            self._before = None
            shutil.rmtree(private, ignore_errors=True)
            shutil.rmtree(sockets, ignore_errors=True)
            if left and self._cancel.is_set():
                log(f"Ended {left} processes of the run.")
        if watch.raised is not None:
            raise watch.raised
        if found is None or found.status not in _FINAL:
            status = found.status if found else "canceled"
            raise RunCancelledError(
                f"The phase {run.phase} was stopped ({status}) after {time.monotonic() - started:.0f} s.",
                remedy="What its hosts had begun ends there by itself; the next try looks before it acts.",
            )
        if not watch.finished:
            raise RunnerError(
                f"Ansible could not run the phase {run.phase} (status {found.rc}): {watch.last_words()}",
                remedy="No host was touched by what did not start; mend the playbook or the inventory, then try again.",
            )
        return watch.result(rc=int(found.rc), duration_seconds=time.monotonic() - started)

    def stop(self) -> None:
        self._cancel.set()
        if self._before is not None:
            processes.end_new(self._before, grace_seconds=2.0)

    def _start(self, run: PlaybookRun, inventory: Inventory, private: Path, sockets: Path, watch: _Watch) -> Any:
        (private / "inventory").mkdir()
        # An empty configuration: none of the machine's or the user's may change what a phase does.
        (private / "ansible.cfg").write_text("", "utf-8")
        (private / "inventory" / "hosts.json").write_text(json.dumps(inventory.as_ansible()), "utf-8")
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        return ansible_runner.run(
            private_data_dir=str(private),
            project_dir=str(self._playbooks),
            playbook=f"{run.phase.value}.yml",
            inventory=str(private / "inventory" / "hosts.json"),
            limit=",".join(run.hosts),
            extravars={"suture": wrapped(dict(run.variables))},
            tags=",".join(run.tags) or None,
            forks=min(self._forks, len(run.hosts)),
            ident="run",
            quiet=True,
            event_handler=watch.on_event,
            cancel_callback=watch.cancelled,
            suppress_env_files=True,
            timeout=int(run.timeout.total_seconds()),
            settings={"pexpect_timeout": 1},
            envvars={
                "PATH": path,
                "ANSIBLE_CONFIG": str(private / "ansible.cfg"),
                "ANSIBLE_HOME": str(private / "home"),
                "ANSIBLE_LOCAL_TEMP": str(private / "tmp"),
                "ANSIBLE_SSH_CONTROL_PATH_DIR": str(sockets),
                "ANSIBLE_SSH_ARGS": SSH_ARGS,
                "ANSIBLE_PIPELINING": "1",
                "ANSIBLE_NOCOLOR": "1",
                "ANSIBLE_RETRY_FILES_ENABLED": "0",
                "ANSIBLE_DEPRECATION_WARNINGS": "0",
                "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3",
                "ANSIBLE_TIMEOUT": "15",
            },
        )


class _Watch:
    """Listens to the events of one run and makes its result of them."""

    def __init__(
        self, run: PlaybookRun, log: Callable[[str], None], tick: Callable[[], None], cancel: threading.Event
    ) -> None:
        self._run = run
        self._log = log
        self._tick = tick
        self._cancel = cancel
        self._next_tick = 0.0
        self._tail: deque[str] = deque(maxlen=LOG_TAIL_LINES)
        self._reports: dict[str, Report] = {}
        self._failures: dict[str, str] = {}
        self._unreachable: dict[str, str] = {}
        self.raised: BaseException | None = None
        self.finished = False

    def cancelled(self) -> bool:
        """Asked by ansible-runner about once a second. Nothing may be raised in here: it would leave the
        run unended.
        """
        if self._cancel.is_set():
            return True
        if time.monotonic() < self._next_tick:
            return False
        self._next_tick = time.monotonic() + TICK_SECONDS
        try:
            self._tick()
        except BaseException as error:
            self.raised = error
            self._cancel.set()
            return True
        return False

    def on_event(self, event: Mapping[str, Any]) -> bool:
        for line in _CONTROL.sub("", event.get("stdout") or "").splitlines():
            if line.strip():
                self._tail.append(line)
                self._log(line)
        data = event.get("event_data") or {}
        host = str(data.get("host", ""))
        kind = event.get("event")
        if kind == "runner_on_unreachable":
            self._unreachable[self._blamed(data)] = _message(data, "it could not be reached")
        elif kind == "runner_on_failed" and not data.get("ignore_errors"):
            self._failures[host] = f"{data.get('task', 'a task')}: {_message(data, 'it failed')}"
        elif kind == "playbook_on_stats":
            self.finished = True
            found = (data.get("artifact_data") or {}).get("suture_report") or {}
            self._reports = {name: report for name, report in found.items() if name in self._run.hosts}
        return False  # event files are not kept: what matters is in the report, and they may hold secrets

    def last_words(self) -> str:
        return " ".join(list(self._tail)[-3:])[-800:] or "it said nothing"

    def _blamed(self, data: Mapping[str, Any]) -> str:
        """The host of the run for which a task was tried, also where it was delegated to another."""
        return str(data.get("host", ""))

    def result(self, *, rc: int, duration_seconds: float) -> PlaybookResult:
        done: dict[str, Report] = {}
        failed: dict[str, str] = {}
        failed_reports: dict[str, Report] = {}
        unreachable: dict[str, str] = {}
        for host in self._run.hosts:
            report = self._reports.get(host)
            if host in self._unreachable:
                unreachable[host] = self._unreachable[host]
            elif report is None:
                failed[host] = self._failures.get(host, "it handed over no report")
            elif (mistake := mistake_in(self._run.phase, report)) is not None:
                failed[host] = mistake
            elif report["status"] != "done":
                failed[host] = report["reason"]
                failed_reports[host] = report
            else:
                done[host] = report
        return PlaybookResult(done, failed, unreachable, failed_reports, tuple(self._tail), rc, duration_seconds)


def _message(data: Mapping[str, Any], otherwise: str) -> str:
    result = data.get("res") or {}
    text = str(result.get("msg") or result.get("stderr") or otherwise)
    return _CONTROL.sub("", text).strip()[:2000]


def _short_folder() -> str:
    """Where sockets go: their path must stay under 108 characters (unix(7))."""
    folder = tempfile.gettempdir()
    return folder if len(folder) <= 40 else "/tmp"  # noqa: S108 - mkdtemp makes a folder of mode 700 in it
