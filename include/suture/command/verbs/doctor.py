"""`./suture doctor`: what is missing, what is wrong, how to mend it. Exit status 1 when something needed is missing."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import Any


def register(subparsers: Any) -> None:
    parser = subparsers.add_parser("doctor", help="what is missing or wrong on this machine, and how to mend it")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(handler=run)


def run(args: argparse.Namespace) -> int:
    from suture.command import doctor

    findings = doctor.examine()
    ill = any(finding.verdict is doctor.Verdict.MISSING for finding in findings)
    if args.json:
        print(json.dumps({"ok": not ill, "findings": [_plain(finding) for finding in findings]}, indent=2))
        return int(ill)
    for finding in findings:
        print(f"{finding.verdict.value:<8} {finding.subject:<18} {finding.text}")
        if finding.remedy:
            print(f"{'':<28}{finding.remedy}")
    print("\nSomething that is needed is missing: see above." if ill else "\nAll that is needed is there.")
    return int(ill)


def _plain(finding: Any) -> dict[str, Any]:
    return asdict(finding) | {"verdict": finding.verdict.value}
