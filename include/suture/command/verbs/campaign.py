"""`suture campaign list|show`: where campaigns stand, why, and what comes next."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("campaign", help="where campaigns stand, why, and what comes next")
    verbs = parser.add_subparsers(dest="campaign_verb", required=True)
    listing = verbs.add_parser("list", help="all campaigns, newest first")
    listing.add_argument("--state", metavar="STATE", help="only those in this state (planned, halted, closed …)")
    listing.add_argument("--json", action="store_true", help="print JSON")
    listing.set_defaults(handler=show_list)
    showing = verbs.add_parser("show", help="one campaign: state, next step, gates, hosts, timeline")
    showing.add_argument("campaign_id", metavar="ID")
    showing.add_argument("--json", action="store_true", help="print JSON")
    showing.set_defaults(handler=show_one)
    again = verbs.add_parser(
        "replan", help="give up a rejected, failed or declined campaign: its findings are planned anew"
    )
    again.add_argument("campaign_id", metavar="ID")
    again.add_argument("--reason", required=True, help="what was mended; kept as evidence")
    again.set_defaults(handler=replan)


def show_list(args: argparse.Namespace) -> int:
    """0: printed, also when there is none; 2: an unknown state."""
    from suture.campaign import CampaignState
    from suture.compliance.document import as_json
    from suture.compliance.overview import campaign_list, visible
    from suture.errors import BadInputError
    from suture.settings import Settings
    from suture.store import Store

    if args.state is not None and args.state not in list(CampaignState):
        raise BadInputError(f"{args.state!r} is no state.", remedy=f"States: {', '.join(CampaignState)}.")
    with Store.connect(Settings.load().require_warehouse()) as store:
        campaigns = campaign_list(store, args.state)
    if args.json:
        print(json.dumps(as_json(campaigns), indent=2, ensure_ascii=False))
        return 0
    if not campaigns:
        print("No campaign." if args.state is None else f"No campaign is {args.state}.")
    for row in campaigns:
        print(f"{row['campaign_id']:<16} {row['state']:<13} {row['priority']:<13} {visible(row['title'])}")
        print(f"{'':<16} {visible(row['state_reason'])}")
        print(f"{'':<16} Next: {row['next_step']}")
    return 0


def show_one(args: argparse.Namespace) -> int:
    """0: printed; 1: there is no such campaign."""
    from suture.compliance.overview import campaign_view
    from suture.settings import Settings
    from suture.store import Store

    settings = Settings.load()
    with Store.connect(settings.require_warehouse()) as store:
        view = campaign_view(store, settings, args.campaign_id, now=datetime.now(UTC))
    if args.json:
        print(json.dumps(view, indent=2, ensure_ascii=False))
    else:
        _print(view)
    return 0


def replan(args: argparse.Namespace) -> int:
    """0: its findings are free for the next run of risk_scoring; 2: it is in no state to be given up."""
    from getpass import getuser

    from suture.campaign import give_up
    from suture.settings import Settings
    from suture.store import Store

    with Store.connect(Settings.load().require_warehouse()) as store:
        give_up(store, args.campaign_id, actor=f"user:{getuser()}", reason=args.reason)
    print(f"{args.campaign_id} is superseded; the next run of risk_scoring plans its findings anew.")
    return 0


def _print(view: Mapping[str, Any]) -> None:
    from suture.compliance.overview import visible
    from suture.compliance.report import coverage_in_words

    campaign = view["campaign"]
    print(f"{campaign['campaign_id']}: {visible(campaign['title'])}")
    print(f"  State     {campaign['state']}: {visible(campaign['state_reason'])}")
    print(f"  Next      {view['next']['next_step']}")
    deadline = campaign["deadline"] or "none"
    print(f"  Priority  {campaign['priority']}, deadline {deadline}, window {visible(campaign['window_name'])}")
    print(f"  Plan      {campaign['plan_hash']}, requested by {visible(campaign['requested_by'])}")
    print(f"  Coverage  {coverage_in_words(view)}")
    print("\nHosts")
    for host in view["hosts"]:
        print(f"  {host['ring']:<9} {host['host_id']:<14} {host['status']:<14} {visible(host['reason'])}")
    print("\nGates")
    for row in view["approvals"]:
        print(f"  release   {row['seat']} seat: {row['decision']} by {visible(row['approver'])}, {row['decided_at']}")
    for row in view["verdicts"]:
        print(f"  judge     {row['ring']}: {row['verdict']}: {visible(row['reason'])}")
        if row["by_hand"]:
            print(f"  by hand   {row['ring']}: {visible(row['by_hand']['by'])}: {visible(row['by_hand']['reason'])}")
    for row in view["incidents"]:
        print(f"  incident  {row['incident_id']} ({row['status']}): {visible(row['summary'])}")
    if not (view["approvals"] or view["verdicts"]):
        print("  none was reached yet")
    print("\nTimeline")
    for entry in view["timeline"]:
        print(f"  {entry['at']}  #{entry['seq']:<5} {visible(entry['sentence'])} [{visible(entry['actor'])}]")
    for report in view["reports"][:3]:
        print(f"\nReport ({report['kind']}): {report['uri']}")
