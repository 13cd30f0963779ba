"""`suture vercmp`: which of two package versions is older, in the package manager's own order."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

ECOSYSTEMS = ("deb", "rpm", "pypi", "npm", "maven")
_MOST_CHARACTERS = 64 * 1024  # of one line: a pair of versions has some dozens
WORDS = {"<": "older", "=": "equal", ">": "newer"}


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "vercmp",
        help="compare package versions exactly as the package manager does",
        description="Prints <, = or >: the relation of A to B. With --batch, one relation a line, in the order of the "
        "lines; a line that holds no pair of versions gives `error`, is named on standard error, and the status is 2.",
    )
    parser.add_argument(
        "ecosystem",
        choices=ECOSYSTEMS,
        help="whose order: deb and rpm as their package "
        "managers, pypi by PEP 440, npm by Semantic Versioning 2.0, maven as Maven 4",
    )
    parser.add_argument("versions", nargs="*", metavar="VERSION", help="A and B")
    parser.add_argument("--batch", metavar="FILE", help="tab-separated pairs, one a line; - reads standard input")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(handler=run)


def run(args: argparse.Namespace) -> int:
    """0: compared; 2: bad input, named."""
    if (args.batch is None) == (len(args.versions) != 2):
        print("vercmp: give two versions, or --batch FILE", file=sys.stderr)
        return 2
    return _compare_batch(args) if args.batch is not None else _compare_pair(args)


def _compare_pair(args: argparse.Namespace) -> int:
    from suture.inventory.versions import BadVersionError, order_of

    one, other = args.versions
    try:
        found = order_of(args.ecosystem).relation(one, other)
    except BadVersionError as error:
        print(f"vercmp: {error}", file=sys.stderr)
        return 2
    print(json.dumps({"a": one, "b": other, "relation": found, "a_is": WORDS[found]}) if args.json else found)
    return 0


def _compare_batch(args: argparse.Namespace) -> int:
    from suture.inventory.versions import BadVersionError, order_of

    relation = order_of(args.ecosystem).relation
    status = 0
    try:
        for number, line in enumerate(_lines(args.batch), start=1):
            pair = line.split("\t")
            try:
                if len(pair) != 2:
                    raise ValueError(f"{len(pair)} tab-separated fields instead of 2")
                found = relation(*pair)
            except (BadVersionError, ValueError) as error:
                print(f"vercmp: {args.batch}, line {number}: {error}", file=sys.stderr)
                found, status = "error", 2
            if args.json:
                print(json.dumps({"line": number, "a": pair[0], "b": pair[-1], "relation": found}))
            else:
                print(found)
    except (OSError, UnicodeDecodeError) as error:
        print(f"vercmp: {args.batch} cannot be read: {error}", file=sys.stderr)
        return 2
    return status


def _lines(name: str) -> Iterator[str]:
    """Raises BadInputError at a line that is longer than one may be: where it ends, and whether, is not known."""
    if name == "-":
        yield from _short_lines(sys.stdin, name)
        return
    with Path(name).open(encoding="utf-8", newline="\n") as file:
        yield from _short_lines(file, name)


def _short_lines(file: TextIO, name: str) -> Iterator[str]:
    from suture.errors import BadInputError

    number = 0
    while line := file.readline(_MOST_CHARACTERS + 1):
        number += 1
        line = line.removesuffix("\n")
        if len(line) > _MOST_CHARACTERS:
            raise BadInputError(
                f"{name}, line {number}: it has more than the {_MOST_CHARACTERS} characters that are read of a line.",
                remedy="One pair of versions a line, with a tab between them. The lines before it are compared.",
            )
        yield line
