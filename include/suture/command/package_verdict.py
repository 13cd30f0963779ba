"""`suture verify package`: what a new package brings that the one before had not, and whether its notes say so."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from suture.sourcing.examination import Actions, Examination

MAX_ADVISORY_BYTES = 1024 * 1024


def register(kinds: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """A kind of `verify`."""
    parser = kinds.add_parser(
        "package",
        help="compare a package with the version before: what its notes claim, and what is in it",
        description="Runs the examiners that examination.yaml enables over two .deb files, without Airflow and database; "
        "nothing of the packages is unpacked to disk or run. Exit status 0: nothing that policy wants reviewed or refused; "
        "1: something to review or to refuse, or a package that is refused unread (with its reason); 2: misuse, or a file "
        "that cannot be opened or compared.",
    )
    parser.add_argument("new", type=Path, metavar="NEW", help="the .deb to look at")
    parser.add_argument("--against", type=Path, metavar="OLD", help="the .deb of the version before (default: none)")
    parser.add_argument(
        "--advisory",
        nargs="+",
        action="extend",
        type=Path,
        default=[],
        metavar="FILE",
        help="what the vendor says, as text",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(handler=run)


def run(args: argparse.Namespace) -> int:
    """0 nothing above a note, 1 something to review or refused, 2 bad input."""
    from suture.errors import BadInputError
    from suture.policy import PolicyError
    from suture.settings import Settings
    from suture.sourcing.analysis import examiners
    from suture.sourcing.analysis.deb import package_file
    from suture.sourcing.analysis.unreadable import PackageUnreadable
    from suture.sourcing.attestations import fitting
    from suture.sourcing.examination import Action, Subject, load_policy

    try:
        policy = load_policy(Settings.load().policy_dir)
        advisories = tuple((path.name, _text(path)) for path in args.advisory)
        new = package_file(args.new)
        old = package_file(args.against) if args.against else None
        if old is not None and old.name != new.name:
            raise BadInputError(
                f"{args.new} is {new.name} and {args.against} is {old.name}: two packages are not compared."
            )
        chosen = fitting(examiners(policy), None, "")  # a file by hand is of no source, which would give attestations
        found = [examine(Subject(new, old, advisories)) for examine in chosen.values()]
    except PackageUnreadable as error:
        if args.against and error.file == args.against.name and error.file != args.new.name:
            print(f"verify package: {error}", file=sys.stderr)
            return 2
        _print_unreadable(args, error)
        return 1
    except (BadInputError, PolicyError) as error:
        print(f"verify package: {error}", file=sys.stderr)
        return 2
    verdict = policy.actions.sternest(found)
    _print(args, found, policy.actions)
    return 1 if verdict in {Action.REVIEW, Action.REFUSE} else 0


def _text(path: Path) -> str:
    from suture.errors import BadInputError

    try:
        with path.open("rb") as file:
            data = file.read(MAX_ADVISORY_BYTES + 1)
    except OSError as error:
        raise BadInputError(f"{path} cannot be read: {error.strerror}.") from error
    if len(data) > MAX_ADVISORY_BYTES:
        raise BadInputError(f"{path} is larger than {MAX_ADVISORY_BYTES} bytes: that is no advisory.")
    return data.decode("utf-8", "replace")


def _print_unreadable(args: argparse.Namespace, error: object) -> None:
    from suture.sourcing.analysis.unreadable import PackageUnreadable

    assert isinstance(error, PackageUnreadable)
    if args.json:
        found: dict[str, object] = {
            "verdict": "refused", "reason": error.reason.value, "fault": error.fault.value, "sentence": error.sentence,
            "file": error.file, "member": error.member, "next_step": error.remedy, "examinations": [],
        }  # fmt: skip
        print(json.dumps(found, indent=2))
        return
    print(f"refused: {error.reason}: {error.sentence}")
    print(f"  {error.remedy}")


def _print(args: argparse.Namespace, found: list[Examination], actions: Actions) -> None:
    verdict = actions.sternest(found)
    refusal = actions.refusal(found)
    word = {"refuse": "refused"}.get(verdict.value, verdict.value) if verdict else "nothing"
    if args.json:
        document = {
            "verdict": word, "reason": refusal.reason if refusal else None, "sentence": str(refusal) if refusal else None,
            "examinations": [examination.as_dict(actions) for examination in found],
        }  # fmt: skip
        print(json.dumps(document, indent=2))
        return
    for examination in found:
        against = f" against {examination.against}" if examination.against else ""
        print(f"{examination.examiner}: {examination.package} {examination.version}{against}")
        for concern in examination.as_dict(actions)["concerns"]:
            print(f"  {concern['action']:<7} {concern['kind']}: {concern['sentence']}")
        if not examination.concerns:
            print("  nothing that somebody has to know")
    print(word if word != "nothing" else "nothing to review")
