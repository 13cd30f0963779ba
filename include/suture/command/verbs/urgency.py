"""`suture urgency list|release`: what threat intelligence made more urgent; and a person's word that lowers it again."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime

from suture.errors import BadInputError
from suture.wording import counted

MOST_SHOWN = 10_000


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("urgency", help="what threat intelligence made more urgent, and why")
    verbs = parser.add_subparsers(dest="urgency_verb", required=True)
    listing = verbs.add_parser("list", help="changes of urgency, newest first")
    listing.add_argument("--cve", metavar="CVE", help="only those of this CVE")
    listing.add_argument("--limit", metavar="N", type=int, default=50, help="at most so many (50)")
    listing.add_argument("--json", action="store_true", help="print JSON")
    listing.set_defaults(handler=show_list)
    releasing = verbs.add_parser(
        "release", help="set what is held of a CVE back to what the feeds say now; findings may then fall"
    )
    releasing.add_argument("cve_id", metavar="CVE")
    releasing.add_argument("--reason", required=True, help="why; kept as evidence")
    releasing.set_defaults(handler=release)


def show_list(args: argparse.Namespace) -> int:
    """0: printed, also when there is none; 2: a limit that is none."""
    from suture.compliance.overview import visible
    from suture.compliance.urgency import urgency_feed
    from suture.model import is_cve_id
    from suture.settings import Settings
    from suture.store import Store

    if not 1 <= args.limit <= MOST_SHOWN:
        raise BadInputError(f"--limit is {args.limit}; it must be 1 to {MOST_SHOWN}.")
    if args.cve is not None and not is_cve_id(args.cve.upper()):  # a typing error is no answer "none"
        raise BadInputError(f"--cve: {args.cve[:60]!r} is no CVE id such as CVE-2024-3094.")
    with Store.connect(Settings.load().require_warehouse()) as store:
        rows = urgency_feed(store, limit=args.limit, cve_id=args.cve.upper() if args.cve else None)
    if args.json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return 0
    if not rows:
        print("Nothing became more urgent since it was first looked at.")
    for row in rows:
        touched = f"{counted(row['findings'], 'finding')} on {counted(row['hosts'], 'host')}"
        print(f"{row['detected_at']}  {row['kind']:<13} {touched:<28} {visible(row['reason'])}")
    return 0


def release(args: argparse.Namespace) -> int:
    """0: released; 2: no reason, or nothing is held of this CVE."""
    from getpass import getuser

    from suture.risk import urgency
    from suture.settings import Settings
    from suture.store import Store

    with Store.connect(Settings.load().require_warehouse()) as store:
        urgency.release(store, args.cve_id.upper(), actor=f"user:{getuser()}", reason=args.reason, now=datetime.now(UTC))
    print(f"{args.cve_id} is as the feeds say; the next run of risk_scoring may lower its findings.")
    return 0
