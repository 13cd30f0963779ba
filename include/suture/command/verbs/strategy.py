"""`suture strategy simulate`: replay past advisories and compare when to patch. `show`: what waits, why and until when."""

from __future__ import annotations

import argparse
import csv
import json
import re
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from suture.command.given_files import text_given
from suture.errors import BadInputError, SutureError
from suture.wording import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from suture.risk.advisory_history import History
    from suture.risk.strategy_simulation import Comparison

_MOST_BYTES = 256 * 1024 * 1024
_PACKAGE = re.compile(r"^[a-z0-9][a-z0-9+.-]{0,99}$")


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("strategy", help="when to patch: compare strategies on past advisories; who waits")
    verbs = parser.add_subparsers(dest="strategy_verb", required=True)
    simulate = verbs.add_parser(
        "simulate",
        help="replay past advisories: exposure, changes, reboots, QA hours and regressions of each strategy",
        description="Works on files, without a database; --group reads the warehouse. Exit status 0: compared; 2: bad input.",
    )
    simulate.add_argument(
        "--history", nargs="+", type=Path, required=True, metavar="FILE", help="DSA/DLA lists of Debian's tracker"
    )
    which = simulate.add_mutually_exclusive_group()
    which.add_argument("--group", metavar="G", help="an asset group: the source packages its hosts run (warehouse)")
    which.add_argument("--packages", type=Path, metavar="FILE", help="source packages, one a line (default: all)")
    simulate.add_argument(
        "--hosts", type=int, default=10, metavar="N", help="hosts that run them (with --group: as known)"
    )
    simulate.add_argument("--codename", metavar="C", help="only fixes for this release, such as bullseye")
    simulate.add_argument("--since", metavar="DAY", help="only advisories from this day on, such as 2015-01-01")
    simulate.add_argument(
        "--kev", type=Path, metavar="FILE", help="CISA's catalogue (JSON): when exploitation was known"
    )
    simulate.add_argument("--epss", type=Path, metavar="FILE", help="EPSS scores (CSV): today's, taken for then")
    simulate.add_argument("--svg", type=Path, metavar="FILE", help="write the chart there")
    simulate.add_argument("--json", action="store_true", help="print JSON")
    simulate.set_defaults(handler=run)
    waiting = verbs.add_parser("show", help="what waits by its group's strategy, why and until when (warehouse)")
    waiting.add_argument("--json", action="store_true", help="print JSON")
    waiting.set_defaults(handler=run)


def run(args: argparse.Namespace) -> int:
    try:
        return _simulate(args) if args.strategy_verb == "simulate" else _show(args)
    except SutureError as error:
        print(json.dumps({"error": str(error)}) if args.json else f"suture strategy: {error}", file=sys.stderr)
        return 2 if isinstance(error, BadInputError) else 1


def _simulate(args: argparse.Namespace) -> int:
    from suture.risk.advisory_history import read_history
    from suture.risk.regressions import by_year, regression_share
    from suture.risk.strategy import StrategyPolicy
    from suture.risk.strategy_chart import comparison_svg
    from suture.risk.strategy_simulation import Scene, compare
    from suture.settings import Settings

    settings = Settings.load()
    strategies = StrategyPolicy.load(settings.policy_dir)
    since = _day(args.since) if args.since else None
    history = read_history(args.history)
    name, hosts = _hosts(args, history)
    scene = Scene(name, hosts, _exploited(args.kev), _epss(args.epss), args.codename)
    found = compare(
        history.advisories, scene, strategies, since=since, regressions=regression_share(history.advisories)
    )
    if args.svg:
        _write(args.svg, comparison_svg(found.as_json()))
    if args.json:
        years = {str(year): counts for year, counts in by_year(history.advisories).items()}
        left_out = [f"{one.file}:{one.line}: {one.reason}: {one.text}" for one in history.left_out]
        print(json.dumps({**found.as_json(), "regressions_by_year": years, "left_out": left_out}, indent=2))
    else:
        _print(args, found, history)
    return 0


def _print(args: argparse.Namespace, found: Comparison, history: History) -> None:
    share = found.regressions
    print(
        f"{found.group}: {counted(found.advisories, 'advisory')} on {counted(found.packages, 'source package')},"
        f" {found.first} to {found.last}, up to {counted(found.hosts, 'host')}"
    )
    if share.share is not None and share.interval is not None:
        low, high = share.interval
        print(
            f"Regressions: {share.broken:,} of {counted(share.advisories, 'advisory')} ({share.share:.2%}, 95 %: {low:.2%} to"
            f" {high:.2%}); {share.known_within(8):.0%} of them were known within 8 days"
        )
    print(
        f"\n{'strategy':<22}{'exposure':>12}{'exploited':>11}{'changes':>9}{'reboots':>9}{'QA h':>8}{'regr.':>7}{'total':>13}"
    )
    for one in found.outcomes:
        print(
            f"{one.strategy:<22}{one.exposure_days:>12,}{one.exploited_exposure_days:>11,}{one.changes:>9,}"
            f"{one.reboots:>9,}{one.qa_hours:>8,.0f}{one.regressions_expected:>7.1f}{one.total:>13,.0f}"
        )
    if not args.kev:
        print("\nExploited exposure is not known without --kev.", end="")
    print("\nExposure in host-days; regr.: regressions expected; total in the points of strategy.yaml.")
    print(found.sentence)
    if history.left_out:
        first = history.left_out[0]
        print(f"{counted(len(history.left_out), 'line')} left out, the first: {first.file}:{first.line}: {first.reason}.")


def _show(args: argparse.Namespace) -> int:
    from suture.compliance.overview import visible
    from suture.risk.readiness import waiting_findings
    from suture.risk.strategy import StrategyPolicy
    from suture.settings import Settings
    from suture.store import Store

    settings = Settings.load()
    strategies = StrategyPolicy.load(settings.policy_dir)
    with Store.connect(settings.require_warehouse()) as store:
        waiting = waiting_findings(store, strategies, datetime.now(UTC))
    if args.json:
        rows = [{**one.__dict__, "until": one.until.isoformat() if one.until else None} for one in waiting]
        print(json.dumps(rows, indent=2))
        return 0
    for one in waiting:
        print(visible(f"{one.asset_group}: {one.source_package} on {counted(one.hosts, 'host')} ({one.priority}). {one.reason}"))
    if not waiting:
        print("Nothing waits: what is open is planned, or its group plans at once.")
    return 0


def _hosts(args: argparse.Namespace, history: History) -> tuple[str, Mapping[str, int]]:
    """(name, hosts by source package)"""
    if not 1 <= args.hosts <= 10_000_000:
        raise BadInputError(f"--hosts is from 1 to 10,000,000, not {args.hosts}.")
    if args.group:
        from suture.risk.strategy_review import fleets
        from suture.settings import Settings
        from suture.store import Store

        with Store.connect(Settings.load().require_warehouse()) as store:
            known = fleets(store, args.group)
        if not known:
            raise BadInputError(f"No production host of the asset group {args.group!r} is known to the warehouse.")
        return args.group, known[0].hosts
    if args.packages:
        return args.packages.name, dict.fromkeys(_packages(args.packages), args.hosts)
    return "every package", {entry.source_package: args.hosts for entry in history.advisories if entry.source_package}


def _packages(path: Path) -> list[str]:
    names = [line.partition("#")[0].strip() for line in _read(path).splitlines()]
    bad = [name for name in names if name and not _PACKAGE.match(name)]
    if bad:
        raise BadInputError(f"{path} holds {bad[0][:60]!r}, which is no source package's name.")
    found = [name for name in names if name]
    if not found:
        raise BadInputError(f"{path} names no package.")
    return found


def _exploited(path: Path | None) -> dict[str, date]:
    """The day of each CVE's entry in a copy of CISA's catalogue."""
    if path is None:
        return {}
    try:
        entries: Any = json.loads(_read(path))["vulnerabilities"]
        return {str(entry["cveID"]): date.fromisoformat(entry["dateAdded"]) for entry in entries}
    except (ValueError, KeyError, TypeError) as error:
        raise BadInputError(f"{path} is not CISA's catalogue (vulnerabilities[].cveID, dateAdded): {error}.") from error


def _epss(path: Path | None) -> dict[str, float]:
    """The probability of each CVE in a copy of FIRST's daily CSV (its first line is a comment with the model's version)."""
    if path is None:
        return {}
    lines = [line for line in _read(path).splitlines() if not line.startswith("#")]
    try:
        found = {row["cve"]: float(row["epss"]) for row in csv.DictReader(lines)}
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise BadInputError(f"{path} is not an EPSS list (columns cve and epss): {error}.") from error
    bad = next((cve for cve, probability in found.items() if not 0 <= probability <= 1), None)
    if bad is not None or not found:
        raise BadInputError(f"{path}: {f'the EPSS of {bad} is not from 0 to 1' if bad else 'no score in it'}.")
    return found


def _read(path: Path) -> str:
    return text_given(path, most=_MOST_BYTES)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise BadInputError(f"{path} cannot be written: {error}.") from error


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise BadInputError(f"{text!r} is not a day such as 2015-01-01.") from error
