"""`suture score`: how urgent is it, on this kind of asset, and why: from arguments, from CVE records, or for a host."""

from __future__ import annotations

import argparse
import json
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from suture.risk.decision import Decision
    from suture.risk.facts import CveFacts

LEVELS = ["low", "medium", "high", "critical"]


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "score",
        help="how urgent a vulnerability is on an asset, and why",
        description="Decides by the policies in force (sla.yaml, ssvc_deployer.yaml). From arguments or CVE records it needs no "
        "warehouse; --host shows a host's open findings from it. Status 0: decided; 1: the host has no open finding; 2: bad "
        "input.",
    )
    parser.add_argument("--host", help="a host of the warehouse: its open findings, the most urgent first")
    parser.add_argument(
        "--record", metavar="FILE", type=Path, action="append", help="a CVE record 5.x; may be repeated"
    )
    parser.add_argument("--cve", default="CVE", help="what to call it in the answer")
    parser.add_argument("--vector", action="append", default=[], help="a CVSS vector; may be repeated")
    parser.add_argument("--criticality", choices=LEVELS, default="medium", help="of the asset (default: medium)")
    parser.add_argument(
        "--exposure", choices=["small", "controlled", "open"], default="controlled", help="of the asset"
    )
    parser.add_argument("--exploitation", choices=["none", "poc", "active"], help="SSVC; left out: not known")
    parser.add_argument("--automatable", choices=["no", "yes"], help="SSVC; left out: not known")
    parser.add_argument("--kev", metavar="DATE", type=_date, help="when it was added to CISA's catalogue")
    parser.add_argument("--epss", type=_probability, metavar="P", help="EPSS, from 0 to 1")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(handler=run)


def run(args: argparse.Namespace) -> int:
    """0: decided; 1: the host has no open finding; bad input raises."""
    if args.host:
        return _show_host(args)
    from suture.model import Criticality, Exposure
    from suture.risk.cvss_scoring import REQUIREMENTS
    from suture.risk.decision import AssetProfile, decide
    from suture.risk.policies import RiskPolicy
    from suture.settings import Settings

    level = Criticality(args.criticality)
    asset = AssetProfile("the asset", level, Exposure(args.exposure), REQUIREMENTS[level])
    facts = [_facts_of_record(path, args) for path in args.record or ()] or [_facts(args)]
    decision = decide(facts, asset, RiskPolicy.load(Settings.load().policy_dir))
    print(json.dumps(_document(decision), indent=2) if args.json else _text(decision))
    return 0


def _facts(args: argparse.Namespace) -> CveFacts:
    from suture.risk.cvss_scoring import assess, cvss_version
    from suture.risk.facts import CveFacts, ScoreClaim

    for vector in args.vector:
        assess(vector)  # a bad one raises, and is named
    return CveFacts(
        cve_id=args.cve,
        scores=tuple(ScoreClaim("given", cvss_version(v), v, None, None, None) for v in args.vector),
        exploitation=args.exploitation,
        automatable=args.automatable,
        ssvc_source="given" if args.exploitation or args.automatable else None,
        kev_added=args.kev,
        epss=args.epss,
    )


def _facts_of_record(path: Path, args: argparse.Namespace) -> CveFacts:
    from suture.errors import BadInputError
    from suture.feeds.sources import cve5
    from suture.risk.scoring import facts_from_row

    try:
        decoded = cve5.decode(path.read_bytes(), where=str(path))
    except OSError as error:
        raise BadInputError(f"{path} cannot be read: {error.strerror}.") from error
    ssvc = next(iter(decoded.tables["cve_ssvc"]), {})
    (record,) = decoded.tables["cve"]
    return facts_from_row(
        {
            "cve_id": record["cve_id"],
            "state": record["state"],
            "claims": decoded.tables["cve_score"],
            "exploitation": args.exploitation or ssvc.get("exploitation"),
            "automatable": args.automatable or ssvc.get("automatable"),
            "technical_impact": ssvc.get("technical_impact"),
            "ssvc_source": ssvc.get("source", "given"),
            "ssvc_dated_at": None,
            "kev_added": args.kev,
            "kev_due": None,
            "known_ransomware": None,
            "epss": args.epss,
            "epss_date": None,
            "record_status": "found",
            "record_as_of": decoded.data_date,
        }
    )


def _show_host(args: argparse.Namespace) -> int:
    from suture.settings import Settings
    from suture.store import Store

    with Store.connect(Settings.load().require_warehouse()) as store:
        rows = store.fetch_all("finding/list_host_findings", {"host_id": args.host})
    if args.json:
        print(json.dumps([_row_document(row) for row in rows], indent=2))
    for row in rows if not args.json else ():
        score = f"{row['score']:.1f}" if row["score"] is not None else "unscored"
        print(
            f"{row['priority']:<13} {score:>8}  due {row['deadline']:%Y-%m-%d}  {row['source_package']} "
            f"{row['installed_version']} → {row['fixed_version']}"
        )
        print(f"{'':<24}{row['reasons']['sentence']}")
    if not rows and not args.json:
        print(f"{args.host} has no open finding.")
    return 0 if rows else 1


def _document(decision: Decision) -> dict[str, Any]:
    return {
        "priority": decision.priority.value,
        "score": decision.score,
        "scored": decision.scored,
        "within_hours": decision.within.total_seconds() / 3600,
        "due_by": decision.due_by.isoformat() if decision.due_by else None,
        **decision.reasons(),
    }


def _row_document(row: dict[str, Any]) -> dict[str, Any]:
    dated = {name: row[name].isoformat() for name in ("deadline", "first_seen_at", "scored_at")}
    return {**row, **dated, "score": None if row["score"] is None else float(row["score"])}


def _text(decision: Decision) -> str:
    score = f"{decision.score:.1f}" if decision.score is not None else "unscored"
    hours = decision.within.total_seconds() / 3600
    lines = [f"{decision.priority.value}\t{score}\twithin {hours:.0f} hours", decision.sentence]
    for cve in decision.cves:
        lines += [f"  {cve.cve_id}: {cve.priority.value}"]
        lines += [
            f"    {found.name}: {found.value} ({found.source}{', ' + found.as_of if found.as_of else ''})"
            for found in cve.inputs
        ]
    return "\n".join(lines)


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no date (YYYY-MM-DD)") from error


def _probability(text: str) -> float:
    try:
        found = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from error
    if not 0 <= found <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return found
