"""`suture window next`: when a maintenance window opens next, in local time and in UTC. `choose`: which one to take."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from suture.command import window_choice
from suture.command.moments import parse_moment, parse_span
from suture.errors import BadInputError, SutureError

if TYPE_CHECKING:
    from suture.rollout.windows import MaintenanceWindow, Opening

DEFAULT_COUNT = 5


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("window", help="maintenance windows: when hosts may be touched")
    verbs = parser.add_subparsers(dest="window_verb", required=True)
    following = verbs.add_parser(
        "next",
        help="show the next openings; with --needed, the first that has room",
        description="Exit status 0: there is one; 1: none fits (the reason is printed); 2: bad input.",
    )
    which = following.add_mutually_exclusive_group()
    which.add_argument("--window", metavar="NAME", help="a window of windows.yaml (default: all of them)")
    which.add_argument("--group", metavar="G", help="an asset group of assets.yaml: its window")
    following.add_argument("--at", metavar="T", help="from this moment on, ISO 8601 with time zone (default: now)")
    following.add_argument("--count", type=int, default=DEFAULT_COUNT, metavar="N")
    following.add_argument("--needed", metavar="SPAN", help="time that the work needs, such as 20m or 1h30m")
    following.add_argument("--json", action="store_true", help="print JSON")
    following.set_defaults(handler=show_next)
    window_choice.register(verbs)


def show_next(args: argparse.Namespace) -> int:
    try:
        return _show_next(args)
    except SutureError as error:
        print(json.dumps({"error": str(error)}) if args.json else f"suture window: {error}", file=sys.stderr)
        return 2


def _show_next(args: argparse.Namespace) -> int:
    from itertools import islice

    from suture.model.assets import AssetRegister
    from suture.rollout.windows import Opening, Refusal, WindowPolicy, next_window
    from suture.settings import Settings

    if not 1 <= args.count <= 1000:
        raise BadInputError(f"--count is from 1 to 1000, not {args.count}.")
    policy_dir = Settings.load().policy_dir
    windows = WindowPolicy.load(policy_dir)
    at = parse_moment(args.at) if args.at else datetime.now(UTC)
    if args.group:
        chosen = [windows.window(AssetRegister.load(policy_dir).group(args.group).window)]
    else:
        chosen = [windows.window(args.window)] if args.window else list(windows.windows.values())
    broken = {} if args.group or args.window else windows.broken
    answers: list[dict[str, object]] = [{"window": name, "error": str(error)} for name, error in broken.items()]
    refused = False
    for window in chosen:
        found = list(islice(window.openings(at), args.count))
        answer = next_window(windows, window.name, at, parse_span(args.needed)) if args.needed else None
        refusal = answer if isinstance(answer, Refusal) else None
        refused = refused or refusal is not None or not found
        if isinstance(answer, Opening):
            found = [answer]
        answers.append(
            {
                "window": window.name,
                "at": at.isoformat(),
                "open_now": bool(found) and found[0].is_open(at),
                "openings": [] if refusal else [opening.as_json() for opening in found],
                "refusal": str(refusal) if refusal else None,
            }
        )
        if not args.json:
            _print(window, at, found, refusal)
    if args.json:
        print(json.dumps(answers, indent=2))
    else:
        for name, error in broken.items():
            print(f"{name}\n  CLOSED  {error}")
    return 2 if broken else 1 if refused else 0


def _print(window: MaintenanceWindow, at: datetime, openings: list[Opening], refusal: object | None) -> None:
    from zoneinfo import ZoneInfo

    from suture.rollout.wording import spoken

    print(f"{window.name} ({window.time_zone}){': ' + window.description if window.description else ''}")
    if refusal is not None:
        print(f"  REFUSED  {refusal}")
        return
    if not openings:
        print("  never opens again: its rules have ended")
    zone = ZoneInfo(window.time_zone)
    for opening in openings:
        local, local_end = opening.start.astimezone(zone), opening.end.astimezone(zone)
        now = "  open now" if opening.is_open(at) else ""
        more = " and on" if opening.continues else ""
        changed = f"{local: %Z}" if local.tzname() != local_end.tzname() else ""  # the clock changes within
        print(
            f"  {local:%a %Y-%m-%d %H:%M}{changed} to {local_end:%a %H:%M} {local_end:%Z}"
            f"   {opening.start:%Y-%m-%d %H:%M} to {opening.end:%m-%d %H:%M} UTC"
            f"   {spoken(opening.duration)}{more}{now}"
        )
