"""`suture docs`: draw the generated documents, or check that they are current."""

from __future__ import annotations

import argparse
import difflib
import json
import sys


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "docs",
        help="draw the documents that come from the code",
        description="Writes docs/STATES.md, DAGS.md, CAPABILITIES.md, VERBS.md and docs/feeds. With --check nothing is written: exit "
        "status 1 when one of them is not current, with the difference.",
    )
    parser.add_argument("--check", action="store_true", help="write nothing; 1 when a document is not current")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(handler=run)


def run(args: argparse.Namespace) -> int:
    from suture.command.documents import documents

    changed = []
    for path, text in documents().items():
        present = path.read_text("utf-8") if path.exists() else ""
        if present == text:
            continue
        changed.append(path.name)
        if args.check:
            difference = difflib.unified_diff(
                present.splitlines(), text.splitlines(), path.name, "as it should be", n=1
            )
            print("\n".join(list(difference)[:60]), file=sys.stderr)
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, "utf-8")
    if args.json:
        print(json.dumps({"changed": changed, "written": not args.check}))
    elif changed:
        print(f"{'Not current' if args.check else 'Written'}: {', '.join(changed)}.")
        if args.check:
            print("Run ./suture docs and commit.", file=sys.stderr)
    else:
        print("All generated documents are current.")
    return 1 if args.check and changed else 0
