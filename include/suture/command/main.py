"""The command's front: finds the verbs, parses, runs one, and turns every error into one clear sentence.

Exit status: 0 yes, 1 no (or it failed), 2 misuse or bad input, 130 interrupted.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from suture.errors import BadInputError, SutureError

VERBS = Path(__file__).parent / "verbs"
DESCRIPTION = "Patch management from the vendor's announcement to the auditor's proof, on Apache Airflow."
GROUPS = {
    "Start here": ("demo", "test"),
    "Run it": ("up", "down", "status", "logs", "doctor", "reset"),
    "Look and decide": ("campaign", "acceptance", "urgency", "report", "evidence", "judge", "window"),
    "Strategy and risk": ("match", "score", "cvss", "strategy", "capacity"),
    "Feeds and files": ("feed", "verify", "vercmp"),
    "Maintain it": ("lock", "docs"),
}
OTHERS = "More"
EPILOG = """\
Exit status: 0 yes, 1 no, 2 misuse or bad input. Most verbs take --json.
Environment: SUTURE_HOME (state folder), SUTURE_PORT_BASE, SUTURE_WAREHOUSE_URL and SUTURE_AIRFLOW_DB_URL (your own
PostgreSQL), SUTURE_INVENTORY, SUTURE_POLICY_DIR, SUTURE_STORE_URL, SUTURE_AIRFLOW__<SECTION>__<KEY>."""


def build_parser(wanted: str | None = None) -> argparse.ArgumentParser:
    """The parser with the verb `wanted` if there is a module of that name, otherwise with all of them."""
    parser = argparse.ArgumentParser(
        prog="suture", description=DESCRIPTION, add_help=False, allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("-h", "--help", action="store_true", help="show this help")
    parser.add_argument("--version", action="store_true", help="show the version")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    subparsers = parser.add_subparsers(dest="verb", metavar="VERB")
    for name in _modules(wanted):
        try:
            module = importlib.import_module(f"suture.command.verbs.{name}")
        except ImportError as error:
            if wanted is not None and name == wanted.replace("-", "_"):
                raise
            print(f"suture: the verb {name} cannot be loaded: {error}", file=sys.stderr)
            continue
        module.register(subparsers)
    return parser


def grouped_help(parser: argparse.ArgumentParser) -> str:
    """The verbs in groups, each with its one line."""
    helps = _verb_helps(parser)
    named = {verb for verbs in GROUPS.values() for verb in verbs}
    groups = {**GROUPS, OTHERS: tuple(sorted(set(helps) - named))}
    lines = [f"usage: {_prog()} VERB [options]", "", DESCRIPTION]
    for title, verbs in groups.items():
        present = [verb for verb in verbs if verb in helps]
        if present:
            lines += ["", f"{title}:", *(f"  {verb:<10} {helps[verb]}" for verb in present)]
    return "\n".join([*lines, "", f"More about one verb: {_prog()} VERB --help", "", EPILOG])


def main(arguments: Sequence[str] | None = None) -> int:
    argv = list(sys.argv[1:] if arguments is None else arguments)
    debug = bool(os.environ.get("SUTURE_DEBUG"))
    if "--debug" in argv[: argv.index("--") if "--" in argv else None]:
        argv.remove("--debug")
        debug = True
    try:
        return _run(argv)
    except SutureError as error:
        _report(error, debug)
        return 2 if isinstance(error, BadInputError) else 1
    except KeyboardInterrupt:
        print("suture: interrupted.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader has left: not an error
        return 0
    except Exception as error:
        if debug:
            traceback.print_exc()
        print(f"suture: this should not happen: {type(error).__name__}: {error}", file=sys.stderr)
        print("  For the place in the code, run it again with --debug.", file=sys.stderr)
        return 1


def _run(argv: Sequence[str]) -> int:
    wanted = argv[0] if argv and not argv[0].startswith("-") else None
    parser = build_parser(wanted)
    args, extra = parser.parse_known_args(argv)
    if args.version:
        from importlib import metadata

        print(f"suture 0.1.0, Airflow {metadata.version('apache-airflow')}, Python {sys.version.split()[0]}")
        return 0
    if args.verb is None:
        print(grouped_help(parser), file=sys.stdout if args.help else sys.stderr)
        return 0 if args.help else 2
    if extra and not getattr(args, "accepts_extra", False):
        print(
            f"suture {args.verb}: not understood: {' '.join(extra)}. See {_prog()} {args.verb} --help.", file=sys.stderr
        )
        return 2
    args.extra = extra
    handler: Callable[[argparse.Namespace], int] | None = getattr(args, "handler", None)
    if handler is None:
        print(f"suture {args.verb}: what of it? See {_prog()} {args.verb} --help.", file=sys.stderr)
        return 2
    return handler(args)


def _modules(wanted: str | None) -> list[str]:
    # One verb's module is imported alone: the others' imports would be paid for at each call.
    if wanted is not None and (VERBS / f"{wanted.replace('-', '_')}.py").is_file():
        return [wanted.replace("-", "_")]
    return sorted(path.stem for path in VERBS.glob("*.py") if not path.stem.startswith("_"))


def _verb_helps(parser: argparse.ArgumentParser) -> dict[str, str]:
    # argparse has no public way to ask for the sub-commands' help lines (seen in 3.11 to 3.13).
    actions: Any = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return {choice.dest: choice.help or "" for action in actions for choice in action._choices_actions}


def _report(error: SutureError, debug: bool) -> None:
    if debug:
        traceback.print_exc()
    print(f"suture: {error.message}", file=sys.stderr)
    if error.remedy:
        print(f"  {error.remedy}", file=sys.stderr)


def _prog() -> str:
    return "./suture"


if __name__ == "__main__":
    sys.exit(main())
