"""`suture report`: a compliance report, kept in the object store and noted in evidence, or only drawn to a file."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from suture.settings import Settings
    from suture.store import Store


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "report",
        help="the compliance report of a campaign or of all hosts",
        description="Without --format and --output the report is written to the object store (HTML, CSV, JSON) and "
        "noted in evidence. With either, it is only drawn: to standard output or to a file; nothing else is changed.",
    )
    parser.add_argument("campaign_id", nargs="?", metavar="CAMPAIGN")
    parser.add_argument("--all", action="store_true", help="over all hosts and open findings")
    parser.add_argument(
        "--format", choices=["html", "csv", "json"], help="draw this one (default with --output: its suffix)"
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="draw into this file instead of standard output")
    parser.add_argument("--json", action="store_true", help="print what was written as JSON")
    parser.set_defaults(handler=run)


def run(args: argparse.Namespace) -> int:
    """0: written; 1: no such campaign; 2: misuse."""
    from suture.errors import BadInputError
    from suture.settings import Settings
    from suture.store import Store

    if (args.campaign_id is None) != args.all:
        raise BadInputError("Name one campaign, or say --all.", remedy="`./suture campaign list` shows them.")
    settings = Settings.load()
    with Store.connect(settings.require_warehouse()) as store:
        if args.format or args.output:
            return _draw(args, store, settings)
        return _write(args, store, settings)


def _draw(args: argparse.Namespace, store: Store, settings: Settings) -> int:
    from suture.compliance.report import draw_fleet_report, draw_report, render
    from suture.errors import BadInputError

    form = args.format or args.output.suffix.removeprefix(".")
    if form not in ("html", "csv", "json"):
        raise BadInputError(f"{args.output} does not say which format: add --format html, csv or json.")
    now = datetime.now(UTC)
    document = (
        draw_fleet_report(store, settings, now=now)
        if args.all
        else draw_report(store, settings, args.campaign_id, now=now)
    )
    content = render(document, form)
    if args.output is None:
        sys.stdout.write(content.decode())
        return 0
    try:
        args.output.write_bytes(content)
    except OSError as error:
        raise BadInputError(f"{args.output} cannot be written: {error.strerror}.") from error
    print(json.dumps({"file": str(args.output)}) if args.json else f"Drawn into {args.output}.")
    return 0


def _write(args: argparse.Namespace, store: Store, settings: Settings) -> int:
    from suture.compliance import write_fleet_report, write_report

    written = write_fleet_report(store, settings) if args.all else write_report(store, settings, args.campaign_id)
    files = {"html": written.html, "csv": written.csv, "json": written.json}
    if args.json:
        shown = {form: {"uri": item.uri, "sha256": item.sha256} for form, item in files.items()}
        print(
            json.dumps({"evidence_seq": written.evidence_seq, "coverage": written.coverage, "files": shown}, indent=2)
        )
        return 0
    print(f"{written.coverage[:1].upper()}{written.coverage[1:]} Noted as evidence record {written.evidence_seq}.")
    for form, item in files.items():
        print(f"  {form:<5} {item.uri}")
    return 0
