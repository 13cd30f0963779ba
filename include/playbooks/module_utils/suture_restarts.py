"""Which processes still run replaced files, and which of them may be restarted.

Never restarted from here, but named: the message bus and log-ins (they take sessions with them), a user's own
processes, and the sshd processes of open connections. PID 1 is told to execute itself anew.
"""

from __future__ import annotations

from typing import Any

from ansible.module_utils import suture_host as host

NEVER = ("dbus", "systemd-logind", "getty", "serial-getty", "console-getty", "user@", "polkit", "suture-")


def triage(owned: set[str] | None) -> dict[str, list[dict[str, Any]]]:
    """{"restart": [...], "deferred": [...]} of the processes that map deleted files of `owned` (None: of anything).

    A deferred process has a `why`.
    """
    found: dict[str, list[dict[str, Any]]] = {"restart": [], "deferred": []}
    for process in host.stale_processes():
        if owned is not None:
            process["files"] = [name for name in process["files"] if name in owned]
        if not process["files"]:
            continue
        why = _why_deferred(process)
        if why:
            found["deferred"].append({**process, "why": why})
        else:
            found["restart"].append(process)
    return found


def _why_deferred(process: dict[str, Any]) -> str | None:
    unit = process["unit"]
    if process["pid"] == 1:
        return None
    if unit is None:
        return "belongs to no service: a session or a program started by hand"
    if unit.startswith(NEVER):
        return f"{unit} is never restarted while people are logged in: a reboot clears it"
    if process["command"].startswith("sshd") and str(process["pid"]) != _main_pid(unit):
        return "an open ssh connection: it ends by itself"
    return None


def _main_pid(unit: str) -> str:
    return host.run(["systemctl", "show", "--property=MainPID", "--value", "--", unit]).strip()
