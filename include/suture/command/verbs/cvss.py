"""`suture cvss`: what a CVSS vector says, alone or for an asset of a given criticality."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

# A vector has 400 characters at most: a longer line is no vector, and only so much of it is kept.
_MAX_LINE_BYTES = 4096
_BLOCK_BYTES = 1 << 20
_MEMO_LINES = 100_000


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "cvss",
        help="score CVSS vectors (2.0, 3.0, 3.1, 4.0), with an asset's criticality",
        description="A line per vector: vector, CVSS version, base score, overall score, severity, separated by tabs. "
        "A bad vector gets `error` and the reason in place of the scores, and the status is 2; an empty line is a bad vector. "
        "The overall score takes in every metric of the vector and, with --criticality, the security requirements.",
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
        return _print_all(
            [args.vectors] if args.vectors else _blocks_of(args.batch), _Lines(args.criticality, args.json)
        )
    except BrokenPipeError:  # who reads us has seen enough (head)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 2
    except OSError as error:
        print(f"cvss: {args.batch} cannot be read: {error.strerror or error}", file=sys.stderr)
        return 2


def _print_all(blocks: Iterable[list[str]], lines: _Lines) -> int:
    for block in blocks:
        sys.stdout.write("".join(map(lines.__getitem__, block)))
    sys.stdout.flush()
    return 2 if lines.bad else 0


class _Lines(dict[str, str]):
    """The output line of each vector, remembered: a fleet's vectors repeat. bad: whether one was no vector."""

    def __init__(self, criticality: str | None, as_json: bool) -> None:
        super().__init__()
        from suture.model import Criticality
        from suture.risk.cvss_scoring import NO_REQUIREMENTS, REQUIREMENTS

        self._requirements = REQUIREMENTS[Criticality(criticality)] if criticality else NO_REQUIREMENTS
        self._as_json = as_json
        self.bad = False

    def __missing__(self, vector: str) -> str:
        if len(self) >= _MEMO_LINES:
            self.clear()
        line = self[vector] = self._line(vector)
        return line

    def _line(self, vector: str) -> str:
        from suture.risk.cvss_scoring import BadVectorError, assess

        try:
            found = assess(vector, self._requirements)
        except BadVectorError as error:
            self.bad = True
            if self._as_json:
                return json.dumps({"vector": vector[:_MAX_LINE_BYTES], "error": error.why}) + "\n"
            return f"{_printable(vector)}\terror\t{_printable(error.why)}\n"
        if self._as_json:
            return json.dumps(asdict(found)) + "\n"
        return f"{vector}\t{found.version}\t{found.base_score:.1f}\t{found.overall_score:.1f}\t{found.severity}\n"


def _printable(text: str) -> str:
    """A stranger's text on one line of a tab-separated table, without control characters."""
    return "".join(character if character.isprintable() else "�" for character in text[:400])


def _blocks_of(name: str) -> Iterator[list[str]]:
    if name == "-":
        yield from _blocks(sys.stdin.buffer)
        return
    with Path(name).open("rb") as file:
        yield from _blocks(file)


def _blocks(file: BinaryIO) -> Iterator[list[str]]:
    """The lines, some at a time: ended by LF or CRLF, a BOM taken off, bad UTF-8 replaced, an endless line cut short.

    Bytes are split before they are decoded: a text stream would also break lines at a lone CR, and would read a line without
    an end into memory.
    """
    rest = b""
    first, overlong = True, False
    while block := file.read(_BLOCK_BYTES):
        if first:
            block, first = block.removeprefix(b"\xef\xbb\xbf"), False
        *lines, tail = block.split(b"\n")
        if lines:
            lines[0] = rest if overlong else rest + lines[0]
            overlong, rest = False, b""
            yield [_decoded(line) for line in lines]
        if not overlong:
            rest += tail
            if len(rest) > _MAX_LINE_BYTES:
                overlong, rest = True, rest[:_MAX_LINE_BYTES]
    if rest:
        yield [_decoded(rest)]


def _decoded(line: bytes) -> str:
    return line[:_MAX_LINE_BYTES].removesuffix(b"\r").decode("utf-8", "replace")
