"""A host's state as a patch must leave it: versions, dpkg, services, functions, databases, processes on deleted files.

Changes nothing. Waits up to `wait_seconds` for services and functions to be well. Returns {state: {...}};
`state.faults` is a list of sentences, [] when all is well.
"""

from __future__ import annotations

import os
import re
import socket
import time
from typing import Any

from ansible.module_utils import suture_host as host
from ansible.module_utils import suture_restarts
from ansible.module_utils.basic import AnsibleModule

DATABASE = re.compile(r"[a-z_][a-z0-9_]{0,62}")
DATABASE_STATE = """
SELECT pg_database_size(current_database()), coalesce(sum(checksum_failures), 0),
  (SELECT count(*) FROM pg_catalog.pg_stat_user_tables)
FROM pg_catalog.pg_stat_database WHERE datname = current_database()
"""


def listening(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(3)
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            return True
    with open("/proc/net/tcp") as tcp, open("/proc/net/tcp6") as tcp6:
        rows = [line.split() for line in (*tcp, *tcp6)]
    return any(row[3] == "0A" and int(row[1].rsplit(":", 1)[1], 16) == port for row in rows if row[1][0] != "l")


def database(name: str) -> dict[str, Any]:
    """Reads every row of the database (pg_dump to nowhere), so that a damaged page or TOAST value shows."""
    if not DATABASE.fullmatch(name):
        raise host.HostError(f"{name!r} is not a database's name")
    started = time.monotonic()
    as_postgres = ["runuser", "-u", "postgres", "--"]
    host.run([*as_postgres, "pg_dump", "--no-password", "--file=/dev/null", name], timeout_seconds=900)
    query = ["psql", "-AtX", "--no-password", "-d", name, "-F", "\t", "-c", DATABASE_STATE]
    size, failures, tables = host.run([*as_postgres, *query]).split("\t")
    return {
        "name": name,
        "size_bytes": int(size),
        "checksum_failures": int(failures),
        "tables": int(tables),
        "read_seconds": round(time.monotonic() - started, 3),
    }


def look(checks: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """(services, ports and functions as they are now, what is wrong with them)."""
    units = host.unit_states(checks.get("units", []))
    ports = {str(port): listening(port) for port in checks.get("ports", [])}
    http = [host.http_check(check) for check in checks.get("http", [])]
    faults = [f"{unit} is {state}" for unit, state in units.items() if state != "active"]
    faults += [f"nothing listens on port {port}" for port, up in ports.items() if not up]
    faults += [
        "{} answered {} ({})".format(check["url"], check["status"] or "nothing", check["detail"].strip())
        for check in http
        if not check["ok"]
    ]
    return {"units": units, "ports": ports, "http": http}, faults


def versions(planned: list[dict[str, Any]], expected: str) -> tuple[dict[str, str], list[str]]:
    found = host.installed_versions(package["package"] for package in planned)
    if expected != "planned":
        return found, []
    faults = [
        "{} is {}, not the plan's {}".format(package["package"], found[package["package"]], package["version"])
        for package in planned
        if package["package"] in found and host.older(found[package["package"]], package["version"])
    ]
    return found, faults


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "packages": {"type": "list", "elements": "dict", "default": []},
            "expected": {"choices": ["planned", "any"], "default": "any"},
            "checks": {"type": "dict", "default": {}},
            "databases": {"type": "bool", "default": False},
            "processes": {"type": "bool", "default": True},
            "wait_seconds": {"type": "int", "default": 0},
        },
        supports_check_mode=True,
    )
    values = module.params
    started = time.monotonic()
    try:
        planned = host.checked_packages(values["packages"])
        found, faults = versions(planned, values["expected"])
        while True:
            services, service_faults = look(values["checks"])
            if not service_faults or time.monotonic() - started >= values["wait_seconds"]:
                break
            time.sleep(0.5)
        audit = host.dpkg_audit()
        names = values["checks"].get("databases", []) if values["databases"] else []
        databases = [database(name) for name in names]
        processes = suture_restarts.triage(host.files_of(found)) if values["processes"] and found else {}
        with open("/proc/sys/kernel/random/boot_id") as boot:
            boot_id = boot.read().strip()
    except (host.HostError, OSError, ValueError) as error:
        module.fail_json(msg="The state of this host cannot be read: {}.".format(str(error).rstrip(".")))
    faults += service_faults
    faults += ["dpkg's audit: {}".format(" ".join(audit)[:400])] if audit else []
    faults += ["database {} has checksum failures".format(d["name"]) for d in databases if d["checksum_failures"]]
    if values["expected"] == "planned":
        faults += [
            f"{p['command']} (pid {p['pid']}) still runs replaced files: {', '.join(p['files'][:3])}"
            for p in processes.get("restart", [])
        ]
    state = {
        "taken_at": host.now(),
        "versions": found,
        "dpkg_audit": audit,
        **services,
        "databases": databases,
        "processes": processes,
        "boot_id": boot_id,
        "kernel_running": os.uname().release,
        "waited_seconds": round(time.monotonic() - started, 3),
        "faults": faults,
    }
    module.exit_json(changed=False, state=state)


if __name__ == "__main__":
    main()
