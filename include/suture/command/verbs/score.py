"""`suture score`: how urgent is it, on this kind of asset, until when, and why: from arguments, CVE records, or for a host."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from suture.risk.decision import AssetProfile, Decision
    from suture.risk.facts import CveFacts
    from suture.risk.policies import RiskPolicy

LEVELS = ["low", "medium", "high", "critical"]

_MOST_BYTES = 16 * 1024 * 1024  # of one record, as feeds.yaml has it for cve5


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "score",
        help="how urgent a vulnerability is on an asset, until when, and why",
        description="Decides by the policies in force (sla.yaml and the decision tables it names), shows what each table says, "
        "every input with its source and date, and the deadline by each clock. From arguments or CVE records it needs no "
        "warehouse; --host shows a host's open findings from it. Status 0: decided; 1: the host has no open finding, or a table "
        "falls (--tables); 2: bad input.",
    )
    parser.add_argument("--host", help="a host of the warehouse: its open findings, the most urgent first")
    parser.add_argument(
        "--tables", action="store_true", help="show the decision tables, and where a more urgent fact waits longer"
    )
    parser.add_argument(
        "--record", metavar="FILE", type=Path, action="append", help="a CVE record 5.x; may be repeated"
    )
    parser.add_argument("--cve", default="CVE", help="what to call it in the answer")
    parser.add_argument("--vector", action="append", default=[], help="a CVSS vector; may be repeated")
    parser.add_argument("--asset-group", metavar="NAME", help="of assets.yaml: its worth, exposure, table and clocks")
    parser.add_argument("--criticality", choices=LEVELS, help="of the asset (default: the group's, or medium)")
    parser.add_argument(
        "--exposure", choices=["small", "controlled", "open"], help="of the asset (default: the group's, or controlled)"
    )
    parser.add_argument("--exploitation", choices=["none", "poc", "active"], help="SSVC; left out: not known")
    parser.add_argument("--automatable", choices=["no", "yes"], help="SSVC; left out: not known")
    parser.add_argument("--technical-impact", choices=["partial", "total"], help="SSVC; left out: not known")
    parser.add_argument("--kev", metavar="DATE", type=_date, help="when it was added to CISA's catalogue")
    parser.add_argument("--kev-due", metavar="DATE", type=_date, help="its due date there")
    parser.add_argument("--epss", type=_probability, metavar="P", help="EPSS, from 0 to 1")
    parser.add_argument("--released", metavar="TIME", type=_moment, help="when the update was released (ISO 8601)")
    parser.add_argument("--seen", metavar="TIME", type=_moment, help="when it was seen on the asset (default: now)")
    parser.add_argument("--as-of", metavar="DATE", type=_date, help="the date of what is given here (default: today)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(handler=run)


def run(args: argparse.Namespace) -> int:
    """0: decided; 1: the host has no open finding, or a table falls; bad input raises."""
    from suture.risk.decision import decide
    from suture.risk.policies import RiskPolicy
    from suture.settings import Settings

    if args.host:
        return _show_host(args)
    policy_dir = Settings.load().policy_dir
    policy = RiskPolicy.load(policy_dir)
    if args.tables:
        return _show_tables(policy, as_json=args.json)
    seen_at = args.seen or datetime.now(UTC)
    args.as_of = args.as_of or seen_at.date()
    facts = [_facts_of_record(path, args) for path in args.record or ()] or [_facts(args)]
    decision = decide(facts, _asset(args, policy_dir), policy, released_at=args.released)
    print(json.dumps(_document(decision, seen_at), indent=2) if args.json else _text(decision, seen_at))
    return 0


def _asset(args: argparse.Namespace, policy_dir: Path) -> AssetProfile:
    from suture.model import Criticality, Exposure
    from suture.model.assets import AssetRegister
    from suture.risk.cvss_scoring import REQUIREMENTS
    from suture.risk.decision import AssetProfile

    if not args.asset_group:
        level = Criticality(args.criticality or "medium")
        exposure = Exposure(args.exposure or "controlled")
        return AssetProfile("the asset", level, exposure, REQUIREMENTS[level], args.as_of.isoformat())
    group = AssetRegister.load(policy_dir).group(args.asset_group)
    level = Criticality(args.criticality) if args.criticality else group.criticality
    exposure = Exposure(args.exposure) if args.exposure else group.exposure
    given = args.as_of.isoformat() if args.criticality or args.exposure else None
    return AssetProfile(group.name, level, exposure, {**REQUIREMENTS[level], **group.cvss_requirements}, given)


def _facts(args: argparse.Namespace) -> CveFacts:
    from suture.risk.cvss_scoring import assess, cvss_version
    from suture.risk.facts import CveFacts, ScoreClaim

    for vector in args.vector:
        assess(vector)  # a bad one raises, and is named
    given = datetime.combine(args.as_of, datetime.min.time(), UTC)
    return CveFacts(
        cve_id=args.cve,
        scores=tuple(ScoreClaim("given", cvss_version(v), v, None, None, given) for v in args.vector),
        exploitation=args.exploitation,
        automatable=args.automatable,
        technical_impact=args.technical_impact,
        ssvc_source="given",
        ssvc_dated_at=given,
        kev_added=args.kev,
        kev_due=args.kev_due,
        epss=args.epss,
        epss_date=args.as_of,
        record_as_of=given,
        kev_as_of=args.as_of,
        kev_source="kev" if args.kev else "given",
    )


def _facts_of_record(path: Path, args: argparse.Namespace) -> CveFacts:
    from suture.command.given_files import read_given
    from suture.feeds.sources import cve5
    from suture.risk.scoring import facts_from_row

    decoded = cve5.decode(read_given(path, most=_MOST_BYTES), where=str(path))
    ssvc = next(iter(decoded.tables["cve_ssvc"]), {})
    (record,) = decoded.tables["cve"]
    given = {name: getattr(args, name) for name in ("exploitation", "automatable", "technical_impact")}
    kev_added, kev_source = args.kev, "kev" if args.kev else "given"
    if kev_added is None and record["record_kev"]:
        # No catalogue is at hand here, and the record repeats it: a mark without a date counts from the record's own.
        marked = record["record_kev_added"] or record["modified_at"] or args.as_of.isoformat()
        kev_added, kev_source = date.fromisoformat(marked[:10]), "cve record"
    source = ssvc.get("source", "given")
    dated = ssvc.get("dated_at")
    facts = facts_from_row(
        {
            "cve_id": record["cve_id"],
            "state": record["state"],
            "claims": decoded.tables["cve_score"],
            **{name: value or ssvc.get(name) for name, value in given.items()},
            "ssvc_source": f"given, else {source}" if any(given.values()) and ssvc else source,
            "ssvc_dated_at": datetime.fromisoformat(dated) if isinstance(dated, str) else dated,
            "kev_added": kev_added,
            "kev_due": args.kev_due,
            "known_ransomware": None,
            "epss": args.epss,
            "epss_date": args.as_of,
            "record_status": "found",
            "record_as_of": decoded.data_date,
            "kev_as_of": args.as_of,
        }
    )
    return replace(facts, kev_source=kev_source)


def _show_tables(policy: RiskPolicy, *, as_json: bool) -> int:
    from suture.risk.tables import falls

    tables = {table.key: table for table in (policy.table, *policy.table_by_group.values(), *policy.compared)}
    found = {key: falls(table) for key, table in tables.items()}
    if as_json:
        documents = [
            {
                "key": table.key,
                "name": table.name,
                "digest": table.digest,
                "points": [point.name for point in table.points],
                "rows": [[*row, outcome] for row, outcome in table.rows.items()],
                "falls": found[table.key],
            }
            for table in tables.values()
        ]
        print(json.dumps(documents, indent=2))
    for table in tables.values() if not as_json else ():
        print(
            f"{table.name} ({table.key}.yaml): {len(table.rows)} rows by {', '.join(point.name for point in table.points)}"
        )
        for row, outcome in table.rows.items():
            print("\t" + "\t".join((*row, outcome)))
        print("\n".join(found[table.key]) or "\tNo fact that is more urgent ever waits longer.")
    return 1 if any(found.values()) else 0


def _show_host(args: argparse.Namespace) -> int:
    from suture.risk.clocks import holder
    from suture.settings import Settings
    from suture.store import Store

    with Store.connect(Settings.load().require_warehouse()) as store:
        rows = store.fetch_all("finding/list_host_findings", {"host_id": args.host})
    if args.json:
        print(json.dumps([_row_document(row) for row in rows], indent=2))
    for row in rows if not args.json else ():
        score = f"{row['score']:.1f}" if row["score"] is not None else "no score"
        print(
            f"{row['priority']:<13} {score:>8}  due {row['deadline']:%Y-%m-%d}  {row['source_package']} "
            f"{row['installed_version']} → {row['fixed_version']}"
        )
        print(f"{'':<24}{row['reasons']['sentence']}")
        clock = holder(row["reasons"].get("clocks", ()), row["deadline"])
        if clock:
            print(f"{'':<24}Due by {clock}.")
    if not rows and not args.json:
        print(f"{args.host} has no open finding.")
    return 0 if rows else 1


def _document(decision: Decision, seen_at: datetime) -> dict[str, Any]:
    deadline, clock = decision.deadline(seen_at)
    return {
        "priority": decision.priority.value,
        "score": decision.score,
        "scored": decision.scored,
        "within_hours": decision.within.total_seconds() / 3600,
        "due_by": decision.due_by.isoformat() if decision.due_by else None,
        "seen_at": seen_at.isoformat(),
        "deadline": deadline.isoformat(),
        "deadline_by": clock.name,
        **decision.reasons(),
        "clocks": [{**each.as_json(), "deadline": each.deadline(seen_at).isoformat()} for each in decision.clocks],
    }


def _row_document(row: dict[str, Any]) -> dict[str, Any]:
    dated = {name: row[name].isoformat() for name in ("deadline", "first_seen_at", "scored_at")}
    return {**row, **dated, "score": None if row["score"] is None else float(row["score"])}


def _text(decision: Decision, seen_at: datetime) -> str:
    _, holds = decision.deadline(seen_at)
    score = f"{decision.score:.1f}" if decision.score is not None else "no score"
    hours = decision.within.total_seconds() / 3600
    lines = [f"{decision.priority.value}\t{score}\twithin {hours:.0f} hours", decision.sentence, "Tables:"]
    for answer in decision.answers:
        tasks = f", asks for {', '.join(answer.required_tasks)}" if answer.required_tasks else ""
        lines.append(
            f"  {answer.table}: {answer.outcome} ({answer.priority.value}, within "
            f"{answer.within.total_seconds() / 3600:.0f} hours{tasks}){'; decides' if answer.selected else ''}"
        )
    lines.append(f"Clocks, seen {seen_at:%Y-%m-%d %H:%M} {seen_at:%Z}:")
    for clock in decision.clocks:
        due = clock.deadline(seen_at)
        mark = "; holds" if clock is holds else "; had passed" if due <= seen_at else ""
        lines.append(f"  {due:%Y-%m-%d %H:%M}  {clock.name}: {clock.why}{mark}")
    for cve in decision.cves:
        lines += [f"{cve.cve_id}: {cve.priority.value}"]
        lines += [
            f"  {found.name}: {found.value} ({found.source}{', ' + found.as_of if found.as_of else ''})"
            for found in cve.inputs
        ]
    return "\n".join([*lines, *(f"policy {file}: {digest}" for file, digest in decision.policies)])


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no date (YYYY-MM-DD)") from error


def _moment(text: str) -> datetime:
    """A time with its zone; a date or a time without one is UTC."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no time (ISO 8601)") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _probability(text: str) -> float:
    try:
        found = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from error
    if not 0 <= found <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return found
