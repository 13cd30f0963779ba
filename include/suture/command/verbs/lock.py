"""`./suture lock`: resolve the requirements anew and write the hashed locks. Needs the package index."""

from __future__ import annotations

import argparse
import subprocess
from pathlib import Path
from typing import Any

COMMON = (
    "--generate-hashes", "--universal", "--python-version", "3.11", "--no-emit-index-url", "--no-emit-find-links",
    "--custom-compile-command", "./suture lock", "--quiet",
)  # fmt: skip
# The development lock first: the run-time lock takes its versions, so that both agree.
LOCKS = (
    ("requirements-bootstrap.in", "requirements-bootstrap.txt", ()),
    ("requirements-dev.in", "requirements-dev.txt", ()),
    ("requirements.in", "requirements.txt", ("-c", "requirements-dev.txt")),
)


def register(subparsers: Any) -> None:
    parser = subparsers.add_parser("lock", help="resolve requirements*.in into the hashed locks")
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions that fit, not the locked ones")
    parser.set_defaults(handler=run)


def run(args: argparse.Namespace) -> int:
    from suture.errors import SutureError
    from suture.settings import PROJECT_ROOT

    uv = PROJECT_ROOT / ".venv" / "bootstrap" / "bin" / "uv"
    if not uv.exists():
        raise SutureError(f"uv is missing: {uv}.", remedy="Remove .venv and run ./suture lock again.")
    for source, target, more in LOCKS:
        upgrade = ["--upgrade"] if args.upgrade else []
        command = [str(uv), "pip", "compile", *COMMON, *upgrade, source, *more, "-o", target]
        if subprocess.run(command, cwd=PROJECT_ROOT, check=False).returncode != 0:
            raise SutureError(f"{source} could not be resolved (see above).", remedy=f"{target} is as it was.")
        _refuse_addresses(PROJECT_ROOT / target)
        print(f"{target}: {_count(PROJECT_ROOT / target)} packages")
    return 0


def _refuse_addresses(path: Path) -> None:
    """A lock names packages and hashes, never where this machine gets them from."""
    from suture.errors import SutureError

    lines = path.read_text("utf-8").splitlines()
    found = [number for number, line in enumerate(lines, 1) if "://" in line or line.startswith("--")]
    if found:
        raise SutureError(f"{path.name} line {found[0]} names an address or an option of this machine.")


def _count(path: Path) -> int:
    return sum(1 for line in path.read_text("utf-8").splitlines() if "==" in line and line[:1].isalnum())
