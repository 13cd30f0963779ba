"""Drain a server at a load balancer, or take it back, through HAProxy's runtime socket (HAProxy management guide 9.3).

`drain`: no new sessions; waits until the running ones have ended. `ready`: takes it back and waits until its checks say
UP. Returns {status, sessions, waited_seconds}. Runs on the load balancer (delegate_to).
"""

from __future__ import annotations

import csv
import io
import re
import socket
import time

from ansible.module_utils.basic import AnsibleModule

NAME = re.compile(r"[A-Za-z0-9_.:-]{1,64}")  # what HAProxy allows in proxy and server names


class RuntimeSocketError(Exception):
    """HAProxy refused a command, or knows no such server."""


class RuntimeSocket:
    def __init__(self, path: str) -> None:
        self.path = path

    def ask(self, command: str) -> str:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(5)
            connection.connect(self.path)
            connection.sendall(command.encode() + b"\n")
            answer = b""
            while True:
                block = connection.recv(65536)
                if not block:
                    return answer.decode("utf-8", "replace")
                answer += block

    def order(self, command: str) -> None:
        answer = self.ask(command).strip()
        if answer:
            raise RuntimeSocketError(f"HAProxy answered {answer!r} to {command!r}")

    def server(self, backend: str, name: str) -> dict[str, str]:
        text = self.ask("show stat").lstrip("# ")
        for row in csv.DictReader(io.StringIO(text)):
            if row["pxname"] == backend and row["svname"] == name:
                return row
        raise RuntimeSocketError(f"backend {backend} has no server {name}")


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "socket": {"type": "path", "default": "/run/haproxy/admin.sock"},
            "backend": {"type": "str", "required": True},
            "server": {"type": "str", "required": True},
            "state": {"choices": ["drain", "ready"], "required": True},
            "wait_seconds": {"type": "int", "default": 30},
        }
    )
    values = module.params
    backend, server, state = values["backend"], values["server"], values["state"]
    for name in (backend, server):
        if not NAME.fullmatch(name):
            module.fail_json(msg=f"{name!r} is not a name that HAProxy knows.")
    haproxy = RuntimeSocket(values["socket"])
    started = time.monotonic()
    try:
        before = haproxy.server(backend, server)
        haproxy.order(f"set server {backend}/{server} state {state}")
        while True:
            row = haproxy.server(backend, server)
            sessions = int(row["scur"] or 0)
            arrived = sessions == 0 if state == "drain" else row["status"].startswith(("UP", "no check"))
            waited = round(time.monotonic() - started, 3)
            if arrived:
                break
            if waited > values["wait_seconds"]:
                raise RuntimeSocketError(
                    f"{backend}/{server} is {row['status']} with {sessions} sessions after {waited:.0f} s"
                )
            time.sleep(0.2)
    except (OSError, RuntimeSocketError) as error:
        module.fail_json(msg=f"The load balancer did not {state} {server}: {error}.")
    module.exit_json(
        changed=before["status"] != row["status"],
        status=row["status"],
        status_before=before["status"],
        sessions=sessions,
        waited_seconds=waited,
    )


if __name__ == "__main__":
    main()
