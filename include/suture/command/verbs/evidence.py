"""`suture evidence verify|list`: is the record of every decision whole, and what does it say?"""

from __future__ import annotations

import argparse
import json
import sys

from suture.wording import counted


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("evidence", help="check and read the record of every decision and action")
    verbs = parser.add_subparsers(dest="evidence_verb", required=True)
    verifying = verbs.add_parser(
        "verify",
        help="check the whole chain and its anchors",
        description="Exit status 0: whole; 1: something was edited, removed, reordered, cut or rewritten (named).",
    )
    verifying.add_argument("--json", action="store_true", help="print JSON")
    verifying.set_defaults(handler=verify)
    listing = verbs.add_parser("list", help="the records, one a line, in sentences")
    listing.add_argument("--campaign", metavar="ID", help="only those about this campaign")
    listing.add_argument("--last", type=int, metavar="N", help="only the last N")
    listing.add_argument("--json", action="store_true", help="print the records themselves as JSON lines")
    listing.set_defaults(handler=show_list)


def verify(args: argparse.Namespace) -> int:
    from suture.compliance.document import evidence_state
    from suture.compliance.dossier import read_chain
    from suture.compliance.report import anchors_file, known_anchors
    from suture.evidence import EvidenceKeyError
    from suture.settings import Settings
    from suture.store import Store

    settings = Settings.load()
    forged: str | None = None
    try:
        anchors = known_anchors(settings)
    except EvidenceKeyError as error:
        anchors, forged = [], str(error)
    with Store.connect(settings.require_warehouse()) as store:
        chain = read_chain(store, anchors)
    found = {**evidence_state(chain), "anchors": len(anchors), "anchor_fault": forged}
    found["whole"] = whole = not chain.faults and forged is None
    if args.json:
        print(json.dumps(found, indent=2))
        return 0 if whole else 1
    for fault in chain.faults:
        print(f"record {fault.seq}  {fault.kind.value.replace('_', ' ')}: {fault.sentence}")
    if forged:
        print(f"anchors  {forged}")
    head = f"head {chain.head_seq} {chain.head_hash}" if chain.records else "no head"
    print(f"{'WHOLE' if whole else 'ALTERED'}: {counted(chain.records, 'record')}, {head}, {counted(len(anchors), 'anchor')}.")
    if chain.records and not anchors and forged is None:
        print(f"No anchor yet ({anchors_file(settings)}): a cut tail could not be seen. A report makes one.")
    elif whole and anchors and anchors[-1].seq < chain.head_seq:
        print(
            f"The newest anchor is record {anchors[-1].seq} of {chain.head_seq}: those after it are not anchored yet."
        )
    return 0 if whole else 1


def show_list(args: argparse.Namespace) -> int:
    from suture.compliance.document import as_json
    from suture.compliance.overview import visible
    from suture.compliance.timeline import entries
    from suture.errors import BadInputError
    from suture.settings import Settings
    from suture.store import Store

    if args.last is not None and args.last < 1:
        raise BadInputError(f"--last is 1 or more, not {args.last}.")
    with Store.connect(Settings.load().require_warehouse()) as store:
        records = store.fetch_all("evidence/list_evidence", {"campaign_id": args.campaign})
    records = records[-args.last :] if args.last else records
    if args.json:
        for record in records:
            print(json.dumps(as_json(record), ensure_ascii=False))
        return 0
    for entry in entries(records):
        print(f"{entry.seq:>6}  {entry.at:%Y-%m-%d %H:%M:%S}  {visible(entry.actor):<22} {visible(entry.sentence)}")
    if not records:
        print("No record.", file=sys.stderr)
    return 0
