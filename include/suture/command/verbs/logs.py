"""`./suture logs NAME`: the end of one process's log."""

from __future__ import annotations

import argparse
import subprocess
from collections import deque
from typing import Any


def register(subparsers: Any) -> None:
    parser = subparsers.add_parser("logs", help="show a process's log: api-server, scheduler, postgres, …")
    parser.add_argument("name", nargs="?", help="which one; without it, the names are listed")
    parser.add_argument("-n", "--lines", type=int, default=100, help="how many lines (default: 100)")
    parser.add_argument("-f", "--follow", action="store_true", help="keep showing what is added")
    parser.set_defaults(handler=run)


def run(args: argparse.Namespace) -> int:
    from suture.command import stack
    from suture.command.postgres import EmbeddedPostgres
    from suture.errors import BadInputError

    here = stack.require_installation()
    known = {path.stem: path for path in sorted(here.logs_dir.glob("*.log"))}
    server_log = EmbeddedPostgres(here.home, here.ports["postgres"]).log
    if server_log.exists():
        known["postgres"] = server_log
    if args.name is None:
        print("\n".join(f"{name:<14}{path}" for name, path in sorted(known.items())))
        return 0
    if args.name not in known:
        raise BadInputError(f"There is no log {args.name!r}.", remedy=f"Known: {', '.join(sorted(known))}.")
    path = known[args.name]
    if args.follow:
        return subprocess.run(["tail", "-n", str(args.lines), "-F", str(path)], check=False).returncode
    with path.open(encoding="utf-8", errors="replace") as file:
        print("".join(deque(file, maxlen=max(args.lines, 0))), end="")
    return 0
