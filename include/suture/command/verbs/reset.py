"""`./suture reset`: stop everything and remove the state folder. Asks first."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any


def register(subparsers: Any) -> None:
    parser = subparsers.add_parser("reset", help="stop everything and delete this clone's state (asks first)")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(handler=run)


def run(args: argparse.Namespace) -> int:
    from suture.command import installation, stack
    from suture.settings import PROJECT_ROOT

    home = installation.home_folder(PROJECT_ROOT)
    if not args.yes and not _agreed(str(home)):
        print("Nothing was changed.", file=sys.stderr)
        return 1
    removed = stack.reset()
    if args.json:
        print(json.dumps({"removed": [str(path) for path in removed]}))
    else:
        print("\n".join(f"Removed {path}" for path in removed) or "There was nothing to remove.")
    return 0


def _agreed(home: str) -> bool:
    if not sys.stdin.isatty():
        print("There is nobody to ask at this input: give --yes.", file=sys.stderr)
        return False
    print(f"This ends everything and deletes {home}: the warehouse with its evidence, reports, the lab, passwords.")
    return input("Type yes to go on: ").strip().lower() == "yes"
