"""`suture verify repository`: prove a repository from pinned key to package file, or say why not.

The other kinds of `verify` have a module each, and are registered here.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from suture.command import kind_verification, package_verdict, verify_sbom

if TYPE_CHECKING:
    from suture.sourcing import Adoption, AptSource, Refusal
    from suture.sourcing.packages import BinaryPackage, PackageList
    from suture.sourcing.seen import SeenState
    from suture.sourcing.transport import Transport

# Files of a suite are read over the network without being asked only up to here; a folder is always read whole.
AUTO_DOWNLOAD_BYTES = 1024**3
# What sources.yaml says of a source, so that it means nothing beside --source.
_OF_POLICY = ("suite", "keyring", "fingerprint", "component", "architecture", "codename", "origin", "label", "max_age_days")


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    verify = subparsers.add_parser("verify", help="prove what comes from outside before it is used")
    kinds = verify.add_subparsers(dest="kind", required=True, metavar="KIND")
    parser = kinds.add_parser(
        "repository",
        help="prove a repository (apt, rpm-md, plain, tuf, python, oci): key, dates, identity, hashes, files",
        description="Walks the whole chain of a repository. Of apt: signature by a trusted key, Date and Valid-Until, no "
        "step back against what was seen before, suite and origin, strong hashes, sizes, indices, package files. Other "
        "kinds (--kind) as docs/sourcing says. Exit status 0: adopted; 1: refused, with the reason; 2: misuse or "
        "unreadable input.",
    )
    kind_verification.add_kind(parser)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--url", help="http(s) address of the repository's root")
    where.add_argument("--path", type=Path, help="folder of the repository's root (the one that holds dists/)")
    where.add_argument("--source", help="a source of policy/sources.yaml, with its pins and expectations")
    parser.add_argument("--suite", help="suite or codename, the folder below dists/ (not with --source)")
    parser.add_argument(
        "--keyring",
        nargs="+",
        action="extend",
        type=Path,
        default=[],
        metavar="FILE",
        help="trusted keys, .gpg or .asc",
    )
    parser.add_argument(
        "--fingerprint",
        nargs="+",
        action="extend",
        type=_fingerprint,
        default=[],
        metavar="HEX",
        help="40 digits: of the keyring, trust these only (not with --source)",
    )
    parser.add_argument("--component", nargs="+", action="extend", default=[], metavar="NAME", help="default: all")
    parser.add_argument(
        "--architecture",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME",
        help="default: this machine's, as apt does; all that there are where it has none, and with --path",
    )
    parser.add_argument("--codename", help="the Codename that the Release file must give")
    parser.add_argument("--origin", help="the Origin that the Release file must give")
    parser.add_argument("--label", help="the Label that the Release file must give")
    parser.add_argument(
        "--max-age-days", type=float, metavar="DAYS", help="for a Release file without Valid-Until (default: 7)"
    )
    parser.add_argument("--at", type=_moment, metavar="TIME", help="the clock to judge by, ISO 8601 (default: now)")
    parser.add_argument("--state", type=Path, metavar="DIR", help="what was seen before; without it no replay is found")
    parser.add_argument(
        "--files",
        choices=["auto", "all", "none"],
        default="auto",
        help="package files to read: auto is all of a folder, and all of a URL up to 1 GiB",
    )
    parser.add_argument(
        "--package", nargs="+", action="extend", default=[], metavar="NAME", help="read these files only"
    )
    parser.add_argument("--timeout", type=float, default=20, metavar="SECONDS", help="for an answer (default: 20)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    kind_verification.add_options(parser)
    parser.set_defaults(handler=run)
    package_verdict.register(kinds)
    verify_sbom.register(kinds)


def run(args: argparse.Namespace) -> int:
    """0 adopted, 1 refused, 2 bad input."""
    from suture.errors import BadInputError
    from suture.sourcing import Refusal
    from suture.sourcing.signature import SignatureToolError

    try:
        _require_no_own_expectations(args)
        kind = kind_verification.kind_of(args)
        if kind != kind_verification.APT:
            kind_verification.print_adoption(args, kind_verification.verify(args, kind))
            return 0
        source = _source(args)
        adoption, skipped = _verify(args, source)
    except Refusal as refusal:
        _print_refusal(args, refusal)
        return 1
    except (BadInputError, SignatureToolError) as error:
        print(f"verify repository: {error}", file=sys.stderr)
        return 2
    _print_adoption(args, adoption, skipped)
    return 0


def _require_no_own_expectations(args: argparse.Namespace) -> None:
    """Nobody is to believe that a source of policy was held to what stands on the command line. Raises BadInputError."""
    from suture.errors import BadInputError

    given = [name for name in _OF_POLICY if getattr(args, name) not in (None, [])]
    if args.source and given:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise BadInputError(
            f"{options} would not count: with --source, sources.yaml says what is expected of {args.source}.",
            remedy=f"Leave {options} out, or prove the address by hand with --url.",
        )


def _source(args: argparse.Namespace) -> AptSource:
    from suture.errors import BadInputError
    from suture.settings import Settings
    from suture.sourcing import AptSource, load_source
    from suture.sourcing.source import DEFAULT_MAX_AGE

    if args.source:
        return load_source(Settings.load().policy_dir, args.source)
    missing = [name for name, value in (("--suite", args.suite), ("--keyring", args.keyring)) if not value]
    if missing:
        raise BadInputError(
            f"{' and '.join(missing)} missing: with --url or --path, an apt repository needs both.",
            remedy="Or name a source of sources.yaml, which says both: --source NAME.",
        )
    max_age = DEFAULT_MAX_AGE if args.max_age_days is None else timedelta(days=args.max_age_days)
    address = args.url or str(args.path)
    if args.url and not args.url.startswith(("http://", "https://")):
        raise BadInputError(f"{args.url} is no http(s) address; a folder is given by --path.")
    return AptSource(
        name=address,
        address=address,
        suite=args.suite,
        keyrings=tuple(args.keyring),
        fingerprints=frozenset(args.fingerprint),
        components=tuple(args.component),
        architectures=tuple(args.architecture),
        codename=args.codename,
        origin=args.origin,
        label=args.label,
        max_age=max_age,
    )


def _verify(args: argparse.Namespace, source: AptSource) -> tuple[Adoption, int]:
    """The adoption, and how many package files were listed but not read."""
    from suture.sourcing import verify_repository
    from suture.sourcing.seen import FolderSeen, NothingSeen
    from suture.sourcing.transport import FolderTransport, transport_for

    seen: SeenState = FolderSeen(args.state) if args.state else NothingSeen()
    transport: Transport = (
        FolderTransport(args.path) if args.path else transport_for(source.address, timeout_s=args.timeout)
    )

    def choose(packages: PackageList) -> Sequence[BinaryPackage]:
        return _chosen(args, packages, is_folder=isinstance(transport, FolderTransport))

    if args.url and not source.architectures:
        source = replace(source, default_architecture=_native_architecture())
    try:
        adoption = verify_repository(source, transport, at=args.at or datetime.now(UTC), seen=seen, choose_files=choose)
    finally:
        transport.close()
    return adoption, len(adoption.packages) - len(adoption.files)


def _native_architecture() -> str | None:
    """As dpkg names it; None where there is no dpkg."""
    if shutil.which("dpkg") is None:
        return None
    done = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or None


def _chosen(args: argparse.Namespace, packages: PackageList, *, is_folder: bool) -> Sequence[BinaryPackage]:
    from suture.errors import BadInputError

    if args.package:
        found = packages.named(*args.package)
        known = {package.name for package in found}
        for name in args.package:
            if name not in known:
                raise BadInputError(f"the repository lists no package {name!r}.")
        return found
    if args.files == "none" or (
        args.files == "auto" and not is_folder and packages.total_bytes > AUTO_DOWNLOAD_BYTES
    ):
        return ()
    return packages


def _print_refusal(args: argparse.Namespace, refusal: Refusal) -> None:
    if args.json:
        found = {
            "verdict": "refused",
            "adopted": False,
            "reason": refusal.reason.value,
            "sentence": refusal.sentence,
            "subject": refusal.subject,
            "next_step": refusal.remedy,
        }
        print(json.dumps(found, indent=2))
        return
    print(f"refused: {refusal.reason}: {refusal.sentence}")
    print(f"  {refusal.remedy}")


def _print_adoption(args: argparse.Namespace, adoption: Adoption, skipped: int) -> None:
    sentence = _adopted_sentence(args, adoption, skipped)
    if args.json:
        found: dict[str, Any] = {
            "verdict": "adopted",
            "adopted": True,
            "reason": None,
            "sentence": sentence,
            "replay_checked": args.state is not None,
            "packages_listed": len(adoption.packages),
            "files_verified": len(adoption.files),
            "files_not_read": skipped,
            "alarms": list(adoption.alarms),
            "chain": adoption.chain(),
        }
        print(json.dumps(found, indent=2))
        return
    print(f"adopted: {sentence}")
    for alarm in adoption.alarms:
        print(f"  alarm: {alarm}")
    for note in adoption.signed.notes:
        print(f"  note: {note}")


def _adopted_sentence(args: argparse.Namespace, adoption: Adoption, skipped: int) -> str:
    release = adoption.release
    parts = [
        f"{adoption.address} {adoption.source.suite} of {release.date:%Y-%m-%d %H:%M} UTC is signed by"
        f" {adoption.signed.key_fingerprint} ({adoption.signed.key_owner}), valid until"
        f" {release.expires_at(adoption.source.max_age):%Y-%m-%d %H:%M} UTC;",
        f"{len(adoption.indices)} indices with {len(adoption.packages)} packages and"
        f" {len(adoption.files)} package files match.",
    ]
    if skipped:
        parts.append(f"{skipped} package files were not read (--files all reads them).")
    if args.state is None:
        parts.append("Replays were not looked for (--state DIR).")
    return " ".join(parts)


def _fingerprint(text: str) -> str:
    """Without blanks, upper case."""
    found = text.replace(" ", "").upper()
    if not re.fullmatch(r"[0-9A-F]{40}", found):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no fingerprint: 40 hexadecimal digits, in quotes where it has blanks (gpg --show-keys FILE shows it)"
        )
    return found


def _moment(text: str) -> datetime:
    """ISO 8601; without a zone it is UTC."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no time (ISO 8601, such as 2026-11-23T12:00:00Z)") from error
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
