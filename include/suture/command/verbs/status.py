"""`./suture status`: what runs, how it feels, where it is. Exit status 0 when all is up, else 1."""

from __future__ import annotations

import argparse
import json
from typing import Any


def register(subparsers: Any) -> None:
    parser = subparsers.add_parser("status", help="what runs and whether it is healthy")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(handler=run)


def run(args: argparse.Namespace) -> int:
    from suture.command import stack

    found = stack.status()
    if args.json:
        print(json.dumps(found.as_dict(), indent=2, default=str))
        return 0 if found.is_up else 1
    print(f"State folder  {found.home} (instance {found.instance})")
    print(f"Airflow UI    {found.ui_url or 'not set up yet: run ./suture up'}")
    for part in found.processes:
        process = f"process {part.pid}" if part.pid else ""
        memory = f"{part.memory_mib} MiB" if part.memory_mib is not None else ""
        print(f"  {part.name:<14}{part.state:<10}{process:<18}{memory}".rstrip())
    if found.health is not None:
        sick = sorted(name for name, state in found.health.items() if state != "healthy")
        print(f"Health        {'not healthy: ' + ', '.join(sick) if sick else 'all components healthy'}")
    if found.lab is not None:
        print(f"Lab           {_lab_line(found.lab)}")
    return 0 if found.is_up else 1


def _lab_line(lab: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in lab.items() if isinstance(value, str | int | bool))
