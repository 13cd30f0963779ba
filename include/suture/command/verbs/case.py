"""`suture case list|show|request|describe|acknowledge|offer|withdraw`: patches out of band, and the vendor's part said by a person.

Opening a case is a run of the DAG emergency_patch, so that Airflow knows who asked.
"""

from __future__ import annotations

import argparse
import getpass
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from suture.sourcing.cases import Case

_MOST_BYTES = 64 * 1024  # a title and a summary as long as they may be have a quarter of it


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "case", help="patches out of band: what was asked of which vendor, and what came back"
    )
    verbs = parser.add_subparsers(dest="case_verb", required=True)
    listing = verbs.add_parser("list", help="all cases, newest first")
    listing.add_argument("--state", metavar="STATE", help="only those in this state (asked, in_place …)")
    listing.add_argument("--json", action="store_true", help="print JSON")
    listing.set_defaults(handler=show_list)
    for name, handler, text in (
        ("show", show_one, "one case: clocks, hotfix, campaigns, what happened"),
        ("request", show_request, "the request to the vendor, ready to be sent"),
    ):
        one = verbs.add_parser(name, help=text)
        one.add_argument("case_id", metavar="CASE")
        one.set_defaults(handler=handler)
        if name == "show":
            one.add_argument("--json", action="store_true", help="print JSON")
    describing = verbs.add_parser(
        "describe", help="give a case its text (TLP:RED, TLP:AMBER+STRICT), before the vendor is asked"
    )
    describing.add_argument("case_id", metavar="CASE")
    describing.add_argument(
        "file", metavar="FILE", type=Path, help="first line: the title; the rest: the summary; - reads standard input"
    )
    describing.set_defaults(handler=describe)
    acknowledging = verbs.add_parser("acknowledge", help="a vendor without a desk has answered")
    acknowledging.add_argument("case_id", metavar="CASE")
    acknowledging.add_argument("--reference", metavar="TEXT", help="the vendor's own number for it")
    acknowledging.set_defaults(handler=acknowledge)
    offering = verbs.add_parser("offer", help="a vendor without a desk has named a hotfix")
    offering.add_argument("case_id", metavar="CASE")
    offering.add_argument("version", metavar="VERSION", help="source version; its source must prove it")
    offering.set_defaults(handler=offer)
    withdrawing = verbs.add_parser("withdraw", help="give a case up, before its hotfix is under way")
    withdrawing.add_argument("case_id", metavar="CASE")
    withdrawing.add_argument("--reason", metavar="TEXT", required=True)
    withdrawing.set_defaults(handler=withdraw)


def show_list(args: argparse.Namespace) -> int:
    """0: printed, also when there is none; 2: an unknown state."""
    from suture.errors import BadInputError
    from suture.sourcing.cases import CaseState, list_cases

    if args.state is not None and args.state not in list(CaseState):
        raise BadInputError(f"{args.state!r} is no state.", remedy=f"States: {', '.join(CaseState)}.")
    with _open() as store:
        cases = list_cases(store, state=CaseState(args.state) if args.state else None)
    if args.json:
        print(json.dumps([_as_json(case) for case in cases], indent=2, ensure_ascii=False))
        return 0
    from suture.compliance.overview import visible

    if not cases:
        print("No case.")
    for case in cases:
        print(f"{case.case_id:<15} {case.state:<13} TLP:{case.tlp:<13} {case.source_package} ({case.vendor})")
        print(f"{'':<15} {visible(case.state_reason)}{_clock(case)}")
    return 0


def show_one(args: argparse.Namespace) -> int:
    """0: printed; 2: there is no such case."""
    from dataclasses import asdict

    from suture.compliance.overview import visible
    from suture.runner.quarantine import list_quarantined
    from suture.sourcing.cases import fetch_case, list_events
    from suture.sourcing.cases.states import MEANING

    with _open() as store:
        case = fetch_case(store, args.case_id)
        events = list_events(store, case.case_id)
        quarantined = [one for one in list_quarantined(store) if one.case_id == case.case_id]
    if args.json:
        more = {"events": events, "quarantined": [asdict(one) for one in quarantined]}
        print(
            json.dumps(_as_json(case) | json.loads(json.dumps(more, default=str)), indent=2, ensure_ascii=False)
        )
        return 0
    print(f"{case.case_id}: {case.state}. {MEANING[case.state]}")
    rows = {
        "State": case.state_reason + _clock(case),
        "Product": f"{case.source_package} of {case.vendor}{f', {case.cve_id}' if case.cve_id else ''}",
        "TLP": f"{case.tlp}{f', embargo until {case.embargo_until:%Y-%m-%d %H:%M} UTC' if case.embargo_until else ''}",
        "Title": case.title or f"(none yet: ./suture case describe {case.case_id} FILE)",
        "Opened by": f"{case.opened_by}, {case.opened_at:%Y-%m-%d %H:%M} UTC",
        "Participants": ", ".join(case.participants),
        "Where": f"{case.asset_group}: {', '.join(case.host_ids)}",
        "Reference": case.vendor_reference or "none yet",
        "Hotfix": case.hotfix_version or "none yet",
        "Campaign": case.campaign_id or "none yet",
        "Replaced by": case.replacement_campaign_id or "nothing yet",
        "Quarantine": "; ".join(one.sentence for one in quarantined) or "no host reads it",
    }
    for name, value in rows.items():
        print(f"  {name:<14} {visible(value)}")
    print("\nWhat happened")
    for event in events:
        print(
            f"  {event['at']:%Y-%m-%d %H:%M} {event['kind']:<20} {visible(event['sentence'])} ({visible(event['actor'])})"
        )
    return 0


def show_request(args: argparse.Namespace) -> int:
    """0: printed; 1: the case has no text yet; 2: there is no such case."""
    from suture.settings import Settings
    from suture.sourcing.cases import VendorRegister, fetch_case
    from suture.sourcing.cases.desk import request_text
    from suture.sourcing.cases.states import CaseError

    with _open() as store:
        case = fetch_case(store, args.case_id)
    if not case.described:
        raise CaseError(f"{case.case_id} has no text yet.", remedy=f"./suture case describe {case.case_id} FILE")
    vendor = VendorRegister.load(Settings.load().policy_dir).vendor(case.vendor)
    by = case.acknowledge_by or datetime.now(UTC) + vendor.acknowledge_within
    print(request_text(case, vendor, acknowledge_by=by))
    return 0


def describe(args: argparse.Namespace) -> int:
    """0: done; 1: the vendor was asked already; 2: no such case, or a file without title and summary."""
    from suture.command.given_files import text_given
    from suture.sourcing.cases import fetch_case
    from suture.sourcing.cases.case import MOST_CHARACTERS, MOST_TITLE
    from suture.sourcing.cases.case import describe as give_text

    remedy = f"A title has at most {MOST_TITLE} characters, a summary {MOST_CHARACTERS}: shorten the text."
    given = text_given(args.file, most=_MOST_BYTES, remedy=remedy).replace("\r\n", "\n")
    title, _, summary = given.strip().partition("\n")
    with _open() as store:
        case = fetch_case(store, args.case_id)
        give_text(store, case, title=title, summary=summary, actor=_me(), now=datetime.now(UTC))
    print(f"{case.case_id} has its text. The vendor is asked within half a minute, while emergency_patch runs.")
    return 0


def acknowledge(args: argparse.Namespace) -> int:
    """0: done; 1: the case does not wait for that; 2: no such case."""
    from suture.sourcing.cases.asking import acknowledge as say

    return _said(args.case_id, lambda store, register, case, now: say(
        store, register, case, reference=args.reference, actor=_me(), now=now))  # fmt: skip


def offer(args: argparse.Namespace) -> int:
    """0: done; 1: the case does not wait for that, or policy names no source for it; 2: no such case."""
    from suture.sourcing.cases.asking import offer as say

    return _said(args.case_id, lambda store, register, case, now: say(
        store, register, case, version=args.version, actor=_me(), now=now))  # fmt: skip


def withdraw(args: argparse.Namespace) -> int:
    """0: done; 1: its hotfix is under way; 2: no such case."""
    from suture.sourcing.cases.asking import withdraw as say

    return _said(args.case_id, lambda store, _register, case, now: say(
        store, case, actor=_me(), reason=args.reason, now=now))  # fmt: skip


def _said(case_id: str, act: Any) -> int:
    from suture.settings import Settings
    from suture.sourcing.cases import VendorRegister, fetch_case

    register = VendorRegister.load(Settings.load().policy_dir)
    with _open() as store:
        case = act(store, register, fetch_case(store, case_id), datetime.now(UTC))
    print(f"{case.case_id} is {case.state}. {case.state_reason}")
    return 0


def _open() -> Any:
    from suture.settings import Settings
    from suture.store import Store

    return Store.connect(Settings.load().require_warehouse())


def _me() -> str:
    """Who is at the terminal: an account of this machine, said to be one."""
    return f"terminal:{getpass.getuser()}"


def _clock(case: Case) -> str:
    now = datetime.now(UTC)
    due = {"asked": case.acknowledge_by, "acknowledged": case.fix_by, "refused": case.fix_by}.get(case.state.value)
    if due is None:
        return ""
    return f" Due {due:%Y-%m-%d %H:%M} UTC{' (OVERDUE)' if now > due else ''}."


def _as_json(case: Case) -> dict[str, Any]:
    from dataclasses import asdict

    found: dict[str, Any] = json.loads(json.dumps(asdict(case), default=str))
    return found
