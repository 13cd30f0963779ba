"""`suture acceptance list|show|check`: which risks were accepted, by whom, until when, and whether that still holds."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from suture.wording import counted


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "acceptance", help="which risks were accepted, until when, and whether it still holds"
    )
    verbs = parser.add_subparsers(dest="acceptance_verb", required=True)
    listing = verbs.add_parser("list", help="all acceptances, newest first")
    listing.add_argument("--state", metavar="STATE", help="only those in this state (requested, active, voided …)")
    listing.add_argument("--json", action="store_true", help="print JSON")
    listing.set_defaults(handler=show_list)
    showing = verbs.add_parser("show", help="one acceptance: terms, signatures, covered findings")
    showing.add_argument("acceptance_id", metavar="ID")
    showing.add_argument("--json", action="store_true", help="print JSON")
    showing.set_defaults(handler=show_one)
    checking = verbs.add_parser(
        "check", help="whether the signed acceptances hold by what is known now; changes nothing"
    )
    checking.add_argument("acceptance_id", metavar="ID", nargs="?", help="only this one")
    checking.add_argument("--json", action="store_true", help="print JSON")
    checking.set_defaults(handler=check)


def show_list(args: argparse.Namespace) -> int:
    """0: printed, also when there is none; 2: an unknown state."""
    from suture.errors import BadInputError
    from suture.risk.acceptance_states import AcceptanceState

    if args.state is not None and args.state not in list(AcceptanceState):
        raise BadInputError(f"{args.state!r} is no state.", remedy=f"States: {', '.join(AcceptanceState)}.")
    return _print_rows(_rows(args.state), args.json)


def show_one(args: argparse.Namespace) -> int:
    """0: printed; 2: there is no such acceptance."""
    from suture.compliance.acceptances import acceptance_view
    from suture.settings import Settings
    from suture.store import Store

    with Store.connect(Settings.load().require_warehouse()) as store:
        view = acceptance_view(store, args.acceptance_id, now=datetime.now(UTC))
    if args.json:
        print(json.dumps(view, indent=2, ensure_ascii=False))
    else:
        _print_one(view)
    return 0


def check(args: argparse.Namespace) -> int:
    """0: every signed acceptance (or this one) holds; 1: one does not; 2: there is no such acceptance."""
    from suture.errors import BadInputError

    rows = _rows(None)
    if args.acceptance_id is not None:
        rows = [row for row in rows if row["acceptance_id"] == args.acceptance_id]
        if not rows:
            raise BadInputError(f"There is no acceptance {args.acceptance_id!r}.")
    else:
        rows = [row for row in rows if row["state"] == "active"]
    _print_rows(rows, args.json)
    return 0 if all(row["valid"] for row in rows) else 1


def _rows(state: str | None) -> list[dict[str, Any]]:
    from suture.compliance.acceptances import acceptance_list
    from suture.settings import Settings
    from suture.store import Store

    with Store.connect(Settings.load().require_warehouse()) as store:
        return acceptance_list(store, now=datetime.now(UTC), state=state)


def _print_rows(rows: list[dict[str, Any]], as_json: bool) -> int:
    from suture.compliance.overview import visible

    if as_json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return 0
    if not rows:
        print("No acceptance.")
    for row in rows:
        holds = "holds" if row["valid"] else "NOT VALID"
        print(
            f"{row['acceptance_id']:<14} {row['state']:<11} {holds:<10} "
            f"{counted(row['findings'], 'finding')} on {counted(row['hosts'], 'host')}, "
            f"residual risk {row['residual_risk']}, until {row['expires_at']}"
        )
        print(f"{'':<14} {visible(row['why_not'] or row['state_reason'])}")
    return 0


def _print_one(view: Mapping[str, Any]) -> None:
    from suture.compliance.overview import visible

    print(f"{view['acceptance_id']}: {view['state']}, {'holds' if view['valid'] else 'NOT VALID'}")
    print(f"  State          {visible(view['state_reason'])}")
    if view["why_not"]:
        print(f"  Not valid      {visible(view['why_not'])}")
    print(f"  Requested by   {visible(view['requested_by'])}, {view['requested_at']}")
    print(
        f"  Until          {view['expires_at']}, review on {view['review_on']}{' (due)' if view['review_due'] else ''}"
    )
    print(f"  Priority       {view['priority']}, residual risk {view['residual_risk']}")
    print(f"  Justification  {visible(view['justification'])}")
    print(f"  Control        {visible(view['compensating_control'])}")
    print(f"  Terms          {view['terms_hash']}")
    print("\nSignatures")
    for row in view["votes"]:
        print(f"  {row['role']:<16} {row['decision']:<7} {visible(row['voter'])}, {row['decided_at']}")
    print(f"\nCovered ({counted(view['findings'], 'finding')} on {counted(view['hosts'], 'host')})")
    for row in view["covered"][:50]:
        print(f"  {visible(row['host_id']):<20} {row['status'] or 'gone':<10} {visible(row['advisory_id'])}")
