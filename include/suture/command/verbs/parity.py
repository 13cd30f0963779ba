"""`suture parity [GROUP]`: ask staging and production how alike they are now; the score, and what differs."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime

from suture.errors import BadInputError, SutureError


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "parity",
        help="how alike staging and production are: score and differences",
        description="Asks the hosts and changes nothing. Without a campaign every package counts: one in another version, in a role "
        "of the group, fails by itself. Exit status 0: alike; 1: not, or not comparable; 2: bad input.",
    )
    parser.add_argument(
        "group", nargs="?", metavar="GROUP", help="an asset group with a staging group (default: all of them)"
    )
    parser.add_argument(
        "--host", action="append", metavar="NAME", help="of production, compare with these hosts only (repeat it)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(handler=run)


def run(args: argparse.Namespace) -> int:
    try:
        return _parity(args)
    except SutureError as error:
        print(json.dumps({"error": str(error)}) if args.json else f"suture parity: {error}", file=sys.stderr)
        return 2 if isinstance(error, BadInputError) else 1


def _parity(args: argparse.Namespace) -> int:
    from suture.compliance.overview import visible
    from suture.model.assets import AssetRegister
    from suture.runner.ansible import AnsibleRunner
    from suture.settings import Settings
    from suture.staging.parity_measure import measure

    settings = Settings.load()
    register = AssetRegister.load(settings.policy_dir)
    names = [args.group] if args.group else [one.name for one in register.groups if one.staging_group]
    if not names:
        raise BadInputError("No asset group names a staging group.", remedy="Name one in assets.yaml.")
    runner = AnsibleRunner(settings.inventory_path)
    found = {
        name: measure(runner, settings, name, now=lambda: datetime.now(UTC), only=args.host or None) for name in names
    }
    if args.json:
        print(json.dumps({name: one.as_json() for name, one in found.items()}, indent=2))
    else:
        for name, one in found.items():
            print(visible(f"{name}: {'alike' if one.passed else 'NOT ALIKE'}. {one.sentence}."))
            for role, (asked, hosts) in one.compared.items():
                print(visible(f"  {role}: compared with {asked} of {hosts} production hosts"))
            for each in one.differences:
                mark = "hard" if each.hard else "declared" if each.declared else "differs"
                reason = f" ({each.declared})" if each.declared else ""
                print(visible(f"  {mark:<9} {each.sentence}{reason}"))
    return 0 if all(one.passed for one in found.values()) else 1
