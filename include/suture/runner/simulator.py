"""A fleet in memory that implements the runner's interface: for tests, and to rehearse a plan where there are no hosts.

Its hosts keep the rules that real ones keep (fencing tokens, reports that fit their schema, drained while in doubt)
and can be given faults: slow to answer, gone, dying in the middle of a patch, dpkg left half-configured, lying about
what they did.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from suture.runner.interface import (
    READ_ONLY_PHASES,
    Phase,
    PlaybookResult,
    PlaybookRun,
    Report,
    RunCancelledError,
    RunnerError,
    nothing,
    quiet,
)
from suture.runner.reports import mistake_in

NOW = "2026-01-01T00:00:00Z"


class Fault(StrEnum):
    """What is wrong with a simulated host."""

    GONE = "gone"  # cannot be reached
    DIES_MID_UPGRADE = "dies_mid_upgrade"  # reached, then lost while dpkg works: half of the packages are new
    HALF_CONFIGURED = "half_configured"  # dpkg's audit names a package, until healed
    LIES = "lies"  # says done, and shows the old versions
    SILENT = "silent"  # ends without a report
    UNWELL = "unwell"  # its service does not come back after a patch
    SLOW = "slow"  # answers after `delay_seconds`


@dataclass
class SimulatedHost:
    name: str
    groups: tuple[str, ...] = ("app", "production")
    packages: dict[str, str] = field(default_factory=dict)
    faults: set[Fault] = field(default_factory=set)
    delay_seconds: float = 0.0
    token: int = 0
    drained: bool = False
    fenced: bool = False
    reads: tuple[str, ...] = ()  # the repositories in its apt source
    before: dict[str, dict[str, str]] = field(default_factory=dict)
    phases: list[Phase] = field(default_factory=list)
    components: dict[str, Any] | None = None  # what it finds of other ecosystems; None: it cannot look
    files: dict[str, str] = field(default_factory=dict)  # path → what parity compares of it
    cut_off: set[str] = field(default_factory=set)  # the flows that it cannot make
    foreign: list[dict[str, Any]] = field(default_factory=list)  # its connections to the other side
    requests: list[dict[str, Any]] = field(default_factory=list)  # of its access log, as suture_traffic masks them


class FleetSimulator:
    """Hosts by name. What was done to them can be read from them afterwards."""

    def __init__(self, hosts: Mapping[str, SimulatedHost]) -> None:
        self.fleet = dict(hosts)
        self._stopped = False

    def hosts(self) -> Mapping[str, tuple[str, ...]]:
        return {name: host.groups for name, host in self.fleet.items()}

    def stop(self) -> None:
        self._stopped = True

    def run(
        self, run: PlaybookRun, *, log: Callable[[str], None] = quiet, tick: Callable[[], None] = nothing
    ) -> PlaybookResult:
        unknown = [host for host in run.hosts if host not in self.fleet]
        if unknown:
            raise RunnerError(f"{', '.join(unknown)}: not in the inventory.")
        self._stopped = False
        started = time.monotonic()
        reports: dict[str, Report] = {}
        failed: dict[str, str] = {}
        failed_reports: dict[str, Report] = {}
        unreachable: dict[str, str] = {}
        for name in run.hosts:
            tick()
            if self._stopped:
                raise RunCancelledError(f"The phase {run.phase} was stopped.")
            host = self.fleet[name]
            log(f"{run.phase} on {name}")
            try:
                report = self._host(host, run, tick)
            except _LostError as error:
                unreachable[name] = str(error)
                continue
            except _RefusedError as error:
                failed[name] = str(error)
                continue
            mistake = "it handed over no report" if report is None else mistake_in(run.phase, report)
            if report is None or mistake is not None:
                failed[name] = mistake or "it handed over no report"
            elif report["status"] == "done":
                reports[name] = report
            else:
                failed[name] = report["reason"]
                failed_reports[name] = report
        rc = 4 if unreachable else 2 if failed else 0
        return PlaybookResult(
            reports, failed, unreachable, failed_reports, (), rc, round(time.monotonic() - started, 3)
        )

    def _host(self, host: SimulatedHost, run: PlaybookRun, tick: Callable[[], None]) -> Report | None:
        if Fault.GONE in host.faults:
            raise _LostError("no route to host")
        if Fault.SLOW in host.faults:
            deadline = time.monotonic() + host.delay_seconds
            while time.monotonic() < deadline and not self._stopped:
                tick()
                time.sleep(0.01)
            if self._stopped:
                raise RunCancelledError(f"The phase {run.phase} was stopped.")
        host.phases.append(run.phase)
        if Fault.SILENT in host.faults:
            return None
        self._claim(host, run)
        act = getattr(self, f"_{run.phase.value}")
        body: dict[str, Any] = act(host, run)
        return {"phase": run.phase.value, "status": "done", "reason": "", **body}

    def _claim(self, host: SimulatedHost, run: PlaybookRun) -> None:
        token = run.variables.get("hosts", {}).get(host.name, {}).get("token")
        if token is None or run.phase in READ_ONLY_PHASES:
            return
        if token < host.token:
            raise _RefusedError(f"token {token} is refused: this host knows token {host.token}")
        host.token = token

    # -- the phases ---------------------------------------------------------------------------------------------

    def _collect_inventory(self, host: SimulatedHost, run: PlaybookRun) -> dict[str, Any]:
        asked = "components" in run.variables and host.components is not None
        return {
            **({"components": host.components} if asked else {}),
            "inventory": {
                "collected_at": NOW,
                "os_id": "debian",
                "os_codename": "bookworm",
                "architecture": "amd64",
                "kernel_running": "6.1.0",
                "kernel_installed": None,
                "boot_id": host.name,
                "uptime_seconds": 60.0,
                "reboot_required": False,
                "services": [{"unit": "ssh.service", "active": "active", "sub": "running"}],
                "services_needing_restart": [],
                "mounts": [{"path": "/", "free_bytes": 10**9, "total_bytes": 10**10, "free_inodes": 10**5}],
                "apt": {"options": {}, "sources": [], "internal_only": True},
                "dpkg_audit": self._audit(host),
                "lease": {"token": host.token, "holder": None, "campaign_id": None},
                "packages": [_package(name, version) for name, version in sorted(host.packages.items())],
            }
        }

    def _enroll(self, host: SimulatedHost, run: PlaybookRun) -> dict[str, Any]:
        return {"paths": _write_source(host, run)}

    def _withdraw(self, host: SimulatedHost, _run: PlaybookRun) -> dict[str, Any]:
        host.reads = ()
        return {"paths": []}

    def _preflight(self, host: SimulatedHost, run: PlaybookRun) -> dict[str, Any]:
        _write_source(host, run)
        healed = self._heal(host)
        return {"free_bytes": {"/": 10**9}, "healed": healed, "state": self._state(host, run)}

    def _patch(self, host: SimulatedHost, run: PlaybookRun) -> dict[str, Any]:
        _write_source(host, run)
        healed = self._heal(host)
        before = self._state(host, run)
        planned = {p["package"]: p["version"] for p in run.variables["packages"] if p["package"] in host.packages}
        changes = {name: new for name, new in planned.items() if host.packages[name] != new}
        kept = host.before.setdefault(str(run.campaign_id), {})
        for name in changes:
            kept.setdefault(name, host.packages[name])
        host.drained = bool(changes)
        if Fault.DIES_MID_UPGRADE in host.faults:
            for name in sorted(changes)[: max(1, len(changes) // 2)]:
                host.packages[name] = changes[name]
            host.faults |= {Fault.HALF_CONFIGURED}
            raise _LostError("the connection was lost in the middle of apt-get install")
        shown = {name: {"from": host.packages[name], "to": new} for name, new in changes.items()}
        if Fault.LIES not in host.faults:
            host.packages.update(changes)
        after = self._state(host, run)
        body = {
            "before": before,
            "after": after,
            "changes": shown,
            "skipped": {},
            "way_back": {"replaced": {n: _kept(v["from"]) for n, v in shown.items()}, "added": []},
            "healed": healed,
        }
        if Fault.UNWELL in host.faults:
            after["units"]["acme-portal.service"] = "failed"
            after["faults"].append("acme-portal.service is failed")
            return {**body, "status": "failed", "reason": f"{host.name} is not well: acme-portal.service is failed"}
        host.drained = False
        return body

    def _verify(self, host: SimulatedHost, run: PlaybookRun) -> dict[str, Any]:
        return {"state": self._state(host, run)}

    _data_check = _verify

    def _backup(self, host: SimulatedHost, _run: PlaybookRun) -> dict[str, Any]:
        times = {"taken_at": NOW, "checked_at": NOW, "restored_at": NOW}
        snapshot = {"tool": "simulator", "repository": "memory", "snapshot_ref": f"{host.name}-1"}
        return {"backup": {**snapshot, **times, "size_bytes": 1, "restored_files": 1}}

    def _fence(self, host: SimulatedHost, _run: PlaybookRun) -> dict[str, Any]:
        host.drained = host.fenced = True
        return {"fenced": True, "control": "127.0.0.1"}

    def _restore(self, host: SimulatedHost, run: PlaybookRun) -> dict[str, Any]:
        self._heal(host)
        old = host.before.pop(str(run.campaign_id), {})
        changes = {name: {"from": host.packages[name], "to": v} for name, v in old.items() if host.packages[name] != v}
        host.packages.update(old)
        return {"after": self._state(host, run), "changes": changes, "removed": []}

    def _release(self, host: SimulatedHost, run: PlaybookRun) -> dict[str, Any]:
        host.drained = host.fenced = False
        return {"state": self._state(host, run)}

    def _parity(self, host: SimulatedHost, run: PlaybookRun) -> dict[str, Any]:
        brief = run.variables["hosts"][host.name]
        flows = {
            flow["name"]: {
                "reached": flow["name"] not in host.cut_off,
                "detail": "Connection refused" if flow["name"] in host.cut_off else "",
            }
            for flow in brief["flows"]
        }
        return {
            "parity": {
                "taken_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "packages": {n: {"version": v, "depends": [], "provides": []} for n, v in host.packages.items()},
                "files": dict(host.files),
                "units": dict.fromkeys(brief["units"], "enabled, running"),
                "ports": {"tcp/22 any": "ssh.service"},
                "flows": flows,
                "dependencies": {},
                "foreign": [one for one in host.foreign if one["host"] in brief["foreign"]],
            }
        }

    def _traffic(self, host: SimulatedHost, _run: PlaybookRun) -> dict[str, Any]:
        found = list(host.requests)
        return {"traffic": {"taken_at": NOW, "requests": found, "read": len(found), "unreadable": 0}}

    # -- state --------------------------------------------------------------------------------------------------

    def _heal(self, host: SimulatedHost) -> list[str]:
        healed = self._audit(host)
        host.faults -= {Fault.HALF_CONFIGURED}
        return healed

    def _audit(self, host: SimulatedHost) -> list[str]:
        return ["libexample is half-configured"] if Fault.HALF_CONFIGURED in host.faults else []

    def _state(self, host: SimulatedHost, run: PlaybookRun) -> dict[str, Any]:
        names = [package["package"] for package in run.variables.get("packages", [])]
        return {
            "taken_at": NOW,
            "versions": {name: host.packages[name] for name in names if name in host.packages},
            "dpkg_audit": self._audit(host),
            "units": {"acme-portal.service": "active"},
            "ports": {},
            "http": [],
            "databases": [],
            "processes": {},
            "boot_id": host.name,
            "kernel_running": "6.1.0",
            "waited_seconds": 0.0,
            "faults": [],
        }


class _LostError(Exception):
    """The host cannot be reached (any more)."""


class _RefusedError(Exception):
    """The host refused."""


def _write_source(host: SimulatedHost, run: PlaybookRun) -> list[str]:
    """Point the host to the run's repositories (a run without any changes nothing); the files that were written."""
    repository = run.variables.get("repository")
    if repository is None:
        return []
    reads = (repository["uri"], *repository["more_uris"])
    written = [] if host.reads == reads else ["/etc/apt/sources.list.d/suture.sources"]
    host.reads = reads
    return written


def _package(name: str, version: str) -> dict[str, Any]:
    return {
        "package": name,
        "architecture": "amd64",
        "version": version,
        "source_package": name,
        "source_version": version,
        "dpkg_status": "ii",
        "held": False,
    }


def _kept(version: str) -> dict[str, str]:
    return {"version": version, "file": "kept.deb", "sha256": "0" * 64, "origin": "kept"}
