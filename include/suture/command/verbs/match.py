"""`suture match`: which advisories are open on a host, from files alone."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from suture.inventory.installed_files import FixedSource


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "match",
        help="which advisories are open on a host, from files alone",
        description="Needs neither the warehouse nor the network. A line per open advisory, separated by tabs: source "
        "package, installed version, fixed version, binary packages, CVEs, advisory. Status 0: something is open; 1: nothing "
        "is; 2: bad input, or a version that could not be compared.",
    )
    parser.add_argument(
        "--packages",
        required=True,
        metavar="FILE",
        help="dpkg's status file, or lines of package, version[, source package, source version] separated by tabs",
    )
    parser.add_argument(
        "--advisories",
        required=True,
        metavar="FILE",
        help="OSV (JSON), or lines of source package, fixed version[, CVEs] separated by tabs",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(handler=run)


def run(args: argparse.Namespace) -> int:
    """0: something is open; 1: nothing is; 2: bad input or something uncertain."""
    from suture.inventory.installed_files import match_installed, read_installed

    installed = read_installed(_text(args.packages), where=args.packages)
    advisories, left_out = _advisories(_text(args.advisories), args.advisories)
    findings, uncertain = match_installed(installed, advisories)
    uncertain = [*left_out, *uncertain]
    if args.json:
        document = {
            "packages": len(installed),
            "advisories": len(advisories),
            "findings": [asdict(finding) for finding in findings],
            "uncertain": uncertain,
        }
        print(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        for found in findings:
            columns = (
                found.source_package, found.installed_version, found.fixed_version, ",".join(found.packages),
                ",".join(found.cves), found.advisory_id,
            )  # fmt: skip
            print("\t".join(columns))
    for sentence in uncertain:
        print(f"match: not compared: {sentence}", file=sys.stderr)
    return 2 if uncertain else 0 if findings else 1


def _advisories(text: str, where: str) -> tuple[list[FixedSource], list[str]]:
    """(what can be matched, why something cannot)."""
    from suture.errors import BadInputError
    from suture.inventory.installed_files import FixedSource

    if text.lstrip()[:1] in ("{", "["):
        return _from_osv(text, where)
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        fields = line.split("\t")
        if len(fields) not in (2, 3):
            raise BadInputError(f"{where}, line {number}: {len(fields)} tab-separated fields instead of 2 or 3.")
        cves = tuple(fields[2].replace(",", " ").split()) if len(fields) == 3 else ()
        found.append(FixedSource(f"{fields[0]}@{fields[1]}", fields[0], fields[1], cves))
    return [_checked(advisory, where) for advisory in found], []


def _from_osv(text: str, where: str) -> tuple[list[FixedSource], list[str]]:
    from suture.feeds.sources import osv
    from suture.inventory.installed_files import FixedSource

    decoded = osv.decode(text.encode("utf-8"), where=where, feed=Path(where).name)
    cves: dict[str, list[str]] = {}
    for row in decoded.tables["advisory_cve"]:
        cves.setdefault(row["advisory_id"], []).append(row["cve_id"])
    matchable = [
        FixedSource(
            row["details"]["osv_id"], row["source_package"], row["fixed_version"], tuple(cves[row["advisory_id"]])
        )
        for row in decoded.tables["advisory"]
        if row["withdrawn_at"] is None
    ]
    return [_checked(advisory, where) for advisory in matchable], [item.reason for item in decoded.rejected]


def _checked(advisory: FixedSource, where: str) -> FixedSource:
    from suture.errors import BadInputError
    from suture.inventory.debian_version import BadVersionError, sort_key

    try:
        sort_key(advisory.fixed_version)
    except BadVersionError as error:
        raise BadInputError(f"{where}, {advisory.source_package}: {error.message}") from error
    return advisory


def _text(name: str) -> str:
    from suture.errors import BadInputError

    try:
        return sys.stdin.read() if name == "-" else Path(name).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(f"{name} cannot be read: {error}.") from error
