"""`suture window choose`: the next windows of a campaign (or of made-up stakes), what waiting for each costs, and the choice."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from suture.command.moments import parse_moment, parse_span
from suture.errors import BadInputError, SutureError

if TYPE_CHECKING:
    from pathlib import Path

    from suture.risk.exposure_cost import Choice, ExposurePolicy

LEVELS = ("low", "medium", "high", "critical")
REACHES = ("small", "controlled", "open")


def register(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    choose = verbs.add_parser(
        "choose",
        help="which window to take: the expected cost of waiting against the downtime, with the arithmetic",
        description="A campaign needs the warehouse; --window with --needed works on policies alone. Exit status 0: chosen; "
        "1: refused, no window fits; 2: bad input.",
    )
    choose.add_argument("campaign", nargs="?", metavar="CAMPAIGN", help="a campaign, as SUT-2026-0001")
    choose.add_argument("--window", metavar="NAME", help="without a campaign: a window of windows.yaml")
    choose.add_argument("--needed", metavar="SPAN", help="without a campaign: time that the work needs, such as 1h30m")
    choose.add_argument(
        "--epss", type=float, action="append", metavar="P", help="EPSS of a CVE, 0 to 1; may be repeated"
    )
    choose.add_argument("--exploited", metavar="CVE", help="a CVE that is in KEV or known to be exploited")
    choose.add_argument("--criticality", choices=LEVELS, default="high")
    choose.add_argument("--exposure", choices=REACHES, default="controlled")
    choose.add_argument("--hosts", type=int, default=1, metavar="N")
    choose.add_argument("--minutes-per-host", type=float, metavar="M", help="measured (default: the policy's estimate)")
    choose.add_argument("--load-balanced", action="store_true", help="a drained host is no outage")
    choose.add_argument("--deadline", metavar="T", help="ISO 8601 with time zone")
    choose.add_argument("--at", metavar="T", help="as of this moment (default: now)")
    choose.add_argument("--json", action="store_true", help="print JSON")
    choose.set_defaults(handler=run)


def run(args: argparse.Namespace) -> int:
    try:
        return _run(args)
    except SutureError as error:
        print(json.dumps({"error": str(error)}) if args.json else f"suture window: {error}", file=sys.stderr)
        return 2


def _run(args: argparse.Namespace) -> int:
    from suture.risk.exposure_cost import ExposurePolicy
    from suture.settings import Settings

    if bool(args.campaign) == bool(args.window):
        raise BadInputError("Name a campaign, or a window with --window and --needed.")
    at = parse_moment(args.at) if args.at else datetime.now(UTC)
    settings = Settings.load()
    rules = ExposurePolicy.load(settings.policy_dir)
    if args.campaign:
        choice = _of_campaign(args.campaign, settings.require_warehouse(), settings.policy_dir, rules, at)
    else:
        choice = _of_stakes(args, settings.policy_dir, rules, at)
    if args.json:
        print(json.dumps(choice.as_json(), indent=2))
    else:
        _print(choice)
    return 1 if choice.refused else 0


def _of_campaign(campaign_id: str, url: str, policy_dir: Path, rules: ExposurePolicy, at: datetime) -> Choice:
    from suture.campaign import fetch_campaign
    from suture.model.assets import AssetRegister
    from suture.risk.exposure_cost import weigh, with_measured
    from suture.risk.window_choice import stakes_of
    from suture.rollout.candidates import candidates_of
    from suture.store import Store

    with Store.connect(url) as store:
        campaign = fetch_campaign(store, campaign_id)
        cves = store.fetch_all("window_choice/list_campaign_cves", {"states": [campaign.state.value]})
        measured = {row["asset_group"]: row["seconds"] for row in store.fetch_all("window_choice/list_patch_seconds")}
        stakes = stakes_of(
            campaign, AssetRegister.load(policy_dir), [row for row in cves if row["campaign_id"] == campaign_id]
        )
        return weigh(
            candidates_of(store, policy_dir, count=rules.candidates)(campaign, at),
            with_measured(stakes, measured.get(campaign.plan.asset_group)),
            rules,
            now=at,
            since=campaign.created_at,
            deadline=campaign.deadline,
        )


def _of_stakes(args: argparse.Namespace, policy_dir: Path, rules: ExposurePolicy, at: datetime) -> Choice:
    from suture.model import Criticality, Exposure
    from suture.risk.exposure_cost import Stakes, weigh
    from suture.rollout.candidates import next_candidates
    from suture.rollout.windows import WindowPolicy

    if not args.needed:
        raise BadInputError("--window needs --needed: the time that the work takes, such as 1h30m.")
    if not 1 <= args.hosts <= 10_000_000:
        raise BadInputError(f"--hosts is from 1 to 10,000,000, not {args.hosts}.")
    if args.minutes_per_host is not None and not 0 < args.minutes_per_host <= 1440:
        raise BadInputError(f"--minutes-per-host is more than 0 and at most 1440, not {args.minutes_per_host}.")
    stakes = Stakes(
        criticality=Criticality(args.criticality),
        exposure=Exposure(args.exposure),
        hosts=args.hosts,
        epss=tuple(args.epss or ()),
        exploited=args.exploited,
        minutes_per_host=args.minutes_per_host,
        load_balanced=args.load_balanced,
    )
    found = next_candidates(
        WindowPolicy.load(policy_dir), args.window, at, parse_span(args.needed), count=rules.candidates
    )
    deadline = parse_moment(args.deadline) if args.deadline else None
    return weigh(found, stakes, rules, now=at, since=at, deadline=deadline)


def _print(choice: Choice) -> None:
    from suture.compliance.overview import visible
    from suture.rollout.wording import spoken

    facts = choice.arithmetic
    measured = "measured" if facts["minutes_measured"] else "estimated"
    print(visible(f"Hazard: {facts['hazard']}."))
    print(
        f"Impact {facts['impact']:,.0f}; {facts['hosts']} hosts x {facts['minutes_per_host']:.1f} min ({measured});"
        f" outside all windows now: {facts['cost_now_outside_windows']:,.0f}"
    )
    print(f"\n{'window':<30}{'in days':>9}{'waiting':>12}{'if passed':>12}{'downtime':>12}{'sum':>12}")
    for one in choice.windows:
        mark = "►" if choice.chosen == one.candidate else " "
        name = f"{mark} {one.candidate.spoken}"
        if not one.candidate.fits:
            room = one.candidate.end - one.candidate.start
            print(f"{name:<30}  too short: {spoken(room)} of {spoken(one.candidate.needed)}")
            continue
        late = "  after the deadline" if one.after_deadline else ""
        print(
            f"{name:<30}{one.days:>9.1f}{one.waiting_cost:>12,.0f}{one.passing_cost:>12,.0f}{one.downtime_cost:>12,.0f}"
            f"{one.total:>12,.0f}{late}"
        )
    print(f"\n{'REFUSED  ' if choice.refused else ''}{visible(choice.sentence)}")
