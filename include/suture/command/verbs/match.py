"""`suture match`: which advisories are open on a host, from files alone."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from suture.inventory.deciding import Claim
    from suture.inventory.file_matching import FileFinding
    from suture.inventory.statements import Statement

FORMS = ("dpkg", "rpm", "pip", "purl", "cyclonedx")
_MOST_BYTES = 512 * 1024 * 1024  # Debian's tracker has 70 MB
_DEBIAN_LIST = re.compile(r"\s*\[\d{1,2} [A-Z][a-z]{2} \d{4}\] D[SL]A-\d")
_OSV_YAML = re.compile(r"^(?:id|modified):[ \t]*\S[^\t\n]*$", re.MULTILINE)


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "match",
        help="which advisories are open on a host, from files alone",
        description="Needs neither the warehouse nor the network. A line per open advisory, separated by tabs: source "
        "package, installed version, fixed version (- for none), packages, CVEs, advisory. Status 0: something is open; "
        "1: nothing is; 2: bad input, or something that could not be compared. With --json also what VEX excuses, and "
        "what is still under investigation, with the grounds of each.",
    )
    parser.add_argument(
        "--packages",
        required=True,
        metavar="FILE",
        help="dpkg's status file, or lines of package, version[, source package, source version] separated by tabs; "
        "`rpm -qa`; `pip freeze`; a purl a line; CycloneDX JSON",
    )
    parser.add_argument(
        "--form", choices=FORMS, help="what the packages file is, where it cannot be told from its text"
    )
    parser.add_argument(
        "--advisories",
        required=True,
        action="append",
        metavar="FILE",
        help="OSV (JSON or YAML), Debian's security tracker (JSON), Debian's DSA and DLA lists, CSAF, or lines of source "
        "package, fixed version[, CVEs] separated by tabs; may be given several times",
    )
    parser.add_argument(
        "--vex", action="append", default=[], metavar="FILE", help="OpenVEX or CSAF; may be given several times"
    )
    parser.add_argument(
        "--codename",
        default="",
        metavar="NAME",
        help="the host's release (bookworm, jammy, el9), where no file says it",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(handler=run)


def run(args: argparse.Namespace) -> int:
    """0: something is open; 1: nothing is; 2: bad input or something uncertain."""
    from suture.inventory.file_matching import match_files
    from suture.inventory.installed_files import read_installed

    installed = read_installed(_text(args.packages), where=args.packages, form=args.form)
    claims: list[Claim] = []
    statements: list[Statement] = []
    left_out = list(installed.left_out)
    if not installed.packages and not left_out:
        left_out.append(f"{args.packages}: it holds no package, so nothing was looked at.")
    for name in (*args.advisories, *args.vex):
        found, said, faults = _document(_text(name), name, is_vex=name not in args.advisories)
        if name in args.vex and not said:
            faults.append(f"{name}: it holds no VEX statement on a package that is matched.")
        claims += found if name in args.advisories else []
        statements += said
        left_out += faults
    decided, uncertain = match_files(installed.packages, claims, statements, codename=args.codename)
    if any(claim.codename for claim in claims):
        left_out += _without_release(installed.packages, claims, args.codename)
    uncertain = [*left_out, *uncertain]
    _show(args, decided, len(installed.packages), len(claims), uncertain)
    for sentence in uncertain:
        print(f"match: not compared: {sentence}", file=sys.stderr)
    return 2 if uncertain else 0 if any(found.status == "affected" for found in decided) else 1


def _show(
    args: argparse.Namespace, decided: Sequence[FileFinding], packages: int, advisories: int, uncertain: list[str]
) -> None:  # fmt: skip
    if args.json:
        by_status = {
            name: [asdict(found) for found in decided if found.status == status]
            for name, status in (
                ("findings", "affected"), ("excused", "not_affected"), ("under_investigation", "under_investigation"),
            )
        }  # fmt: skip
        document = {"packages": packages, "advisories": advisories, **by_status, "uncertain": uncertain}
        print(json.dumps(document, indent=2, ensure_ascii=False))
        return
    for found in decided:
        if found.status == "affected":
            columns = (
                found.source_package, found.installed_version, found.fixed_version or "-", ",".join(found.packages),
                ",".join(found.cves), found.advisory_id,
            )  # fmt: skip
            print("\t".join(columns))


def _without_release(packages: Sequence[Any], claims: Sequence[Claim], given: str) -> list[str]:
    """Advisories for releases, and packages whose release nobody said, or said to be another: that is uncertain, not safe."""
    unsaid = {(item.ecosystem, item.source_package) for item in packages if not item.codename}
    about = {(claim.ecosystem, claim.package) for claim in claims if claim.codename}
    known = sorted({claim.codename for claim in claims if claim.codename})
    if not unsaid & about or given in known:
        return []
    if given:
        return [f"the advisories are for {', '.join(known)}, and none is for the release {given!r} of --codename."]
    return [f"the advisories are for {', '.join(known)}, and nothing says which release the host has: give --codename."]


def _document(text: str, where: str, *, is_vex: bool) -> tuple[list[Claim], list[Statement], list[str]]:
    """(what can be matched, what is said of it, why something cannot)."""
    from suture.inventory.file_matching import claims_of, statements_of

    nothing = [f"{where}: it holds no advisory on a package that is matched, so nothing was looked for."]
    from suture.feeds.sources import FORMATS
    from suture.feeds.strict_json import refuse_web_page

    raw = text.encode("utf-8")
    if text.strip():
        refuse_web_page(raw, where=where)
    kind = _format_of(text)
    if kind is None:
        found = _from_lines(text, where)
        return found, [], [] if found or is_vex else nothing
    decoded = FORMATS[kind].decode(raw, where=where, feed=Path(where).name)
    claims = claims_of(decoded.tables)
    faults = [item.reason for item in decoded.rejected]
    said = statements_of(decoded.tables)
    if not (is_vex or faults or said or decoded.tables.get("advisory")):
        faults = nothing
    return _with_record_names(claims, decoded.tables), said, faults


def _format_of(text: str) -> str | None:
    """The name of the feed format, by what only it has; None: lines. OSV where no other JSON fits: its decoder refuses."""
    if _DEBIAN_LIST.match(text):
        return "debian_lists"
    if text.lstrip()[:1] not in ("{", "["):
        return "osv" if len(_OSV_YAML.findall(text)) == 2 else None
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return "osv"  # its decoder says what is wrong
    if not isinstance(document, dict):
        return "osv"
    if "openvex" in str(document.get("@context", "")):
        return "openvex"
    if isinstance(document.get("document"), dict) and "csaf_version" in document["document"]:
        return "csaf_provider"
    first = next(iter(document.values()), None)
    entry = next(iter(first.values()), None) if isinstance(first, dict) else None
    return "debian_tracker" if isinstance(entry, dict) and "releases" in entry else "osv"


def _with_record_names(claims: list[Claim], tables: Mapping[str, Any]) -> list[Claim]:
    """Called by the id of the record, which the reader of the file knows, where that is not ambiguous."""
    from dataclasses import replace

    named = {row["advisory_id"]: row["details"].get("osv_id") for row in tables.get("advisory", ())}
    return [
        replace(claim, advisory_id=f"{named[claim.advisory_id]}") if named.get(claim.advisory_id) else claim
        for claim in claims
    ]


def _from_lines(text: str, where: str) -> list[Claim]:
    from suture.errors import BadInputError
    from suture.inventory.deciding import Claim
    from suture.inventory.spans import Span
    from suture.inventory.versions import BadVersionError, order_of

    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        fields = line.split("\t")
        if len(fields) not in (2, 3):
            raise BadInputError(f"{where}, line {number}: {len(fields)} tab-separated fields instead of 2 or 3.")
        try:
            order_of("deb").sort_key(fields[1])
        except BadVersionError as error:
            raise BadInputError(f"{where}, {fields[0][:80]}: {error.message}") from error
        cves = dict.fromkeys(fields[2].replace(",", " ").split() if len(fields) == 3 else (), "stated")
        name = f"{fields[0]}@{fields[1]}"
        found.append(Claim(name, "deb", fields[0], (Span(fixed=fields[1]),), cves=cves))
    return found


def _text(name: str) -> str:
    from suture.command.given_files import text_given

    return text_given(name, most=_MOST_BYTES).replace("\r\n", "\n")
