"""`./suture test`: the checks and the tests, each timed, with a summary. Unknown arguments go to pytest."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

ALL_NEEDS = "database,lab,airflow,browser"


def register(subparsers: Any) -> None:
    parser = subparsers.add_parser("test", help="set up and run all checks and tests", allow_abbrev=False)
    parser.add_argument("--fast", action="store_true", help="leave out what needs the lab, Airflow or a browser")
    parser.add_argument("--only", metavar="STEP", help="run one step: ruff, mypy, sqlfluff, ansible-lint, docs, pytest")
    parser.add_argument(
        "--strict-needs", action="store_true", help="a test that cannot run fails instead of being skipped (CI: always)"
    )
    parser.set_defaults(handler=run, accepts_extra=True)


def run(args: argparse.Namespace) -> int:
    from suture.command import checks, os_packages

    strict = args.strict_needs or bool(os.environ.get("CI"))
    if not args.fast and args.only in (None, "pytest"):
        # The lab's tests need them. Without root they are named; the tests then say themselves what they lack.
        os_packages.offer()
    if strict and not args.fast:
        os.environ.setdefault("SUTURE_REQUIRE", ALL_NEEDS)
    extra = [argument for argument in args.extra if argument != "--"]
    outcomes = checks.run(checks.steps(fast=args.fast, pytest_arguments=extra), only=args.only)
    print(checks.summary(outcomes), flush=True)
    sys.stdout.flush()
    return 0 if outcomes and all(outcome.passed for outcome in outcomes) else 1
