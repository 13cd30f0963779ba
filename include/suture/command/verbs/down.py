"""`./suture down`: end everything that this clone started, also what a crash left."""

from __future__ import annotations

import argparse
import json
from typing import Any


def register(subparsers: Any) -> None:
    parser = subparsers.add_parser("down", help="stop everything; leaves no process behind, also after a crash")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(handler=run)


def run(args: argparse.Namespace) -> int:
    from suture.command import stack

    ended = stack.down()
    print(json.dumps({"ended": ended}) if args.json else "Everything has ended.")
    return 0
