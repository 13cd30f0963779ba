"""`./suture up`: start PostgreSQL and Airflow, and say where to look."""

from __future__ import annotations

import argparse
import json
from typing import Any


def register(subparsers: Any) -> None:
    parser = subparsers.add_parser("up", help="start PostgreSQL and Airflow (and the practice fleet with --lab)")
    parser.add_argument("--lab", action="store_true", help="boot the practice fleet as well")
    parser.add_argument("--port-base", type=int, metavar="N", help="choose all ports anew, from N upwards")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=PORT", help="one port, for example ui_port=8080; repeatable"
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(handler=run)


def run(args: argparse.Namespace) -> int:
    from suture.command import installation, os_packages, ports, stack

    overrides = installation.parse_overrides(args.set)
    base = None if args.port_base is None else ports.checked_port(args.port_base, "--port-base")
    if args.lab:
        os_packages.require()
    running = stack.up(with_lab=args.lab, port_base=base, overrides=overrides)
    if args.json:
        users = sorted(running.users)
        found = {"ui_url": running.ui_url, "users": users, "passwords_file": str(running.passwords_file)}
        print(json.dumps(found | {"took_s": round(running.took_s, 1), "started": running.started}))
        return 0
    print(describe(running))
    return 0


def describe(running: Any) -> str:
    """What a person needs after the start: the address, the users, where the passwords lie."""
    from suture.command.credentials import USERS

    head = f"Airflow is up after {running.took_s:.0f} s" if running.started else "Airflow is up"
    width = max(len(user.name) for user in USERS)
    users = [f"  {user.name:<{width}}  {user.duty}" for user in USERS]
    return "\n".join([f"{head}: {running.ui_url}", "Users:", *users, f"Their passwords: {running.passwords_file}"])
