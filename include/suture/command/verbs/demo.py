"""`./suture demo`: set everything up from nothing and take two real campaigns from feed to report."""

from __future__ import annotations

import argparse
from typing import Any


def register(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "demo",
        help="set everything up and take two real campaigns from feed to report, on real hosts",
        description=(
            "Sets up PostgreSQL, Airflow and the practice fleet, then runs the main job twice: real Debian security updates to "
            "the end, and a vendor's bad fix that is stopped at the canary and rolled back. The UI keeps running afterwards. "
            "Starting it again goes on from where it was; `./suture reset` starts from nothing."
        ),
    )
    parser.add_argument(
        "--hands-on", action="store_true", help="leave the approvals to you at the UI (otherwise the demo answers them)"
    )
    parser.add_argument("--setup-only", action="store_true", help="set up and stop before the campaigns")
    parser.set_defaults(handler=run)


def run(args: argparse.Namespace) -> int:
    from suture.command import os_packages, stack
    from suture.command.demo.narration import Narrator
    from suture.command.demo.scenario import Demo
    from suture.settings import Settings
    from suture.store import Store

    narrator = Narrator()
    narrator.stage("Setting up PostgreSQL, Airflow and the practice fleet")
    os_packages.require()
    running = stack.up(with_lab=True)
    narrator.say(f"All of it runs (after {running.took_s:.0f} s).")
    narrator.look("UI", running.ui_url)
    for name, duty in running.users.items():
        narrator.fact(f"{name:<7} {duty}")
    narrator.fact(f"Their passwords: {running.passwords_file}")
    settings = Settings.load()
    if not args.setup_only:
        with Store.connect(settings.require_warehouse()) as store:
            Demo(
                settings=settings,
                store=store,
                api=stack.airflow_api("olga"),
                narrator=narrator,
                ui_url=running.ui_url,
                hands_on=args.hands_on,
            ).run()
        narrator.stage("Done")
        for title, seconds in narrator.durations():
            narrator.fact(f"{seconds:7.1f} s  {title}")
    narrator.look("The UI keeps running", running.ui_url)
    narrator.fact(f"Passwords: {running.passwords_file}     Stop everything: ./suture down")
    return 0
