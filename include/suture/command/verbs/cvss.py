"""`suture cvss`: what a CVSS vector says, alone or for an asset of a given criticality."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "cvss",
        help="score CVSS vectors (2.0, 3.0, 3.1, 4.0), with an asset's criticality",
        description="A line per vector: vector, CVSS version, base score, overall score, severity, separated by tabs. "
        "A bad vector gets `error` and the reason in place of the scores, and the status is 2.",
    )
    parser.add_argument("vectors", nargs="*", metavar="VECTOR")
    parser.add_argument("--batch", metavar="FILE", help="one vector a line; - reads standard input")
    parser.add_argument(
        "--criticality",
        choices=["low", "medium", "high", "critical"],
        help="fill the security requirements (CR, IR, AR) that a vector does not state",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    parser.set_defaults(handler=run)


def run(args: argparse.Namespace) -> int:
    """0: every vector scored; 2: a bad vector, or no input."""
    if bool(args.vectors) == (args.batch is not None):
        print("cvss: give vectors, or --batch FILE", file=sys.stderr)
        return 2
    try:
        return _score(args.vectors or _lines(args.batch), args)
    except (OSError, UnicodeDecodeError) as error:
        print(f"cvss: {args.batch} cannot be read: {error}", file=sys.stderr)
        return 2


def _score(vectors: Iterable[str], args: argparse.Namespace) -> int:
    from suture.model import Criticality
    from suture.risk.cvss_scoring import NO_REQUIREMENTS, REQUIREMENTS, BadVectorError, assess

    requirements = REQUIREMENTS[Criticality(args.criticality)] if args.criticality else NO_REQUIREMENTS
    status = 0
    for vector in vectors:
        try:
            found = assess(vector, requirements)
        except BadVectorError as error:
            status = 2
            shown = _printable(vector)
            print(json.dumps({"vector": vector, "error": error.why}) if args.json else f"{shown}\terror\t{error.why}")
            continue
        if args.json:
            print(json.dumps(asdict(found)))
        else:
            print(
                f"{found.vector}\t{found.version}\t{found.base_score:.1f}\t{found.overall_score:.1f}\t{found.severity}"
            )
    return status


def _printable(text: str) -> str:
    """A stranger's text on one line of a tab-separated table, without control characters."""
    return "".join(character if character.isprintable() else "�" for character in text[:400])


def _lines(name: str) -> Iterator[str]:
    if name == "-":
        for line in sys.stdin:
            yield line.rstrip("\r\n")
        return
    with Path(name).open(encoding="utf-8") as file:
        for line in file:
            yield line.rstrip("\r\n")
