"""`suture verify repository --kind …`: the options of the kinds besides apt, and what they print."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from suture.sourcing.kinds import KindAdoption, KindSource

APT = "apt"
KINDS = (APT, "rpm-md", "plain", "tuf", "python", "oci")


def add_kind(parser: argparse.ArgumentParser) -> None:
    # `kind` is what `suture verify` calls its own first argument.
    parser.add_argument(
        "--kind", dest="repository_kind", choices=KINDS, help="of the repository (default: apt, or as --source says)"
    )


def add_options(parser: argparse.ArgumentParser) -> None:
    def many(group: Any, name: str, metavar: str, text: str) -> None:
        group.add_argument(name, nargs="+", action="extend", default=[], metavar=metavar, help=text)

    plain = parser.add_argument_group("--kind plain")
    plain.add_argument("--checksums", metavar="NAME", help="the signed list, such as SHA256SUMS")
    many(plain, "--file", "NAME", "files to prove (also tuf); without --checksums each is signed itself")
    plain.add_argument(
        "--format", choices=["openpgp", "minisign", "signify"], default="openpgp", help="of the signature"
    )
    plain.add_argument("--signature", metavar="SUFFIX", help="what its name ends in (default: .asc, .minisig, .sig)")
    many(plain, "--public-key", "LINE", "minisign's or signify's, base64")
    rpm = parser.add_argument_group("--kind rpm-md")
    rpm.add_argument("--unsigned-packages", action="store_true", help="the packages carry no signature of their own")
    tuf = parser.add_argument_group("--kind tuf")
    tuf.add_argument("--root", type=Path, metavar="FILE", help="the pinned root.json")
    tuf.add_argument("--metadata", metavar="FOLDER", help="below the address (default: metadata)")
    tuf.add_argument("--targets", metavar="FOLDER", help="below the address (default: targets)")
    python = parser.add_argument_group("--kind python")
    many(python, "--project", "NAME==VERSION", "what to prove")
    many(python, "--hash", "SHA256", "of the files that count")
    oci = parser.add_argument_group("--kind oci")
    oci.add_argument("--image", metavar="NAME", help="the repository's name in a registry; not for a folder")
    oci.add_argument("--digest", metavar="sha256:…", help="of the image")
    many(oci, "--platform", "OS/ARCH", "default: all")
    oci.add_argument("--token-variable", metavar="NAME", help="environment variable that holds the registry's password")
    signer = parser.add_argument_group("who must have signed (sigstore: python, oci)")
    signer.add_argument("--trusted-root", type=Path, metavar="FILE", help="Sigstore's trusted_root.json, or your own")
    signer.add_argument("--issuer", metavar="URL", help="that vouched for the signer")
    signer.add_argument("--subject", metavar="TEXT", help="the certificate's: an address, or a workflow's URI")
    signer.add_argument("--repository", metavar="URI", help="that the build was made from")
    signer.add_argument("--workflow", metavar="PATH", help="of the build, in that repository")


def kind_of(args: argparse.Namespace) -> str:
    """The kind asked for; a source of policy says its own. Raises BadInputError."""
    from suture.errors import BadInputError
    from suture.settings import Settings
    from suture.sourcing.source import load_entry

    if not args.source:
        return args.repository_kind or APT
    kind = str(load_entry(Settings.load().policy_dir, args.source)["kind"])
    if args.repository_kind not in {None, kind}:
        raise BadInputError(f"{args.source} is of kind {kind}, not {args.repository_kind}.")
    return kind


def verify(args: argparse.Namespace, kind: str) -> KindAdoption:
    """Raises Refusal, BadInputError."""
    from suture.settings import Settings
    from suture.sourcing.kinds import Request, load_kind_source, read_entry
    from suture.sourcing.transport import FolderTransport, transport_for

    source: KindSource = (
        load_kind_source(Settings.load().policy_dir, args.source)
        if args.source
        else read_entry(_entry(args, kind), Path.cwd())
    )
    request = Request(
        at=args.at or datetime.now(UTC),
        state=args.state,
        names=tuple(args.file or args.package),
        read_files=args.files != "none",
        identity=None if args.source else kind,  # the state folder is this repository's own
    )
    transport = FolderTransport(args.path) if args.path else transport_for(source.address, timeout_s=args.timeout)
    try:
        return source.prove(transport, request)
    finally:
        transport.close()


def _entry(args: argparse.Namespace, kind: str) -> dict[str, Any]:
    """What sources.yaml would say; keys that were not given are left out."""
    from suture.errors import BadInputError

    address = args.url or str(args.path)
    if args.url and not args.url.startswith(("http://", "https://")):
        raise BadInputError(f"{args.url} is no http(s) address; a folder is given by --path.")
    stated: dict[str, Any] = {"keyrings": [str(path) for path in args.keyring], "fingerprints": args.fingerprint}
    if args.max_age_days is not None:
        stated["max_age_days"] = args.max_age_days
    if kind == "plain":
        stated |= _given(checksums=args.checksums, files=args.file, signature=args.signature)
        stated |= {"format": args.format, "public_keys": args.public_key}
    elif kind == "rpm-md":
        stated |= {"packages_signed": not args.unsigned_packages, "architectures": args.architecture}
    elif kind == "tuf":
        _require(kind, root=args.root)
        stated |= _given(root=str(args.root), metadata=args.metadata, targets=args.targets, files=args.file)
    else:
        stated |= _signer(args)
        if kind == "python":
            _require(kind, project=args.project)
            stated["projects"] = [_project(text, args.hash) for text in args.project]
        else:
            _require(kind, digest=args.digest)
            stated |= _given(
                digest=args.digest, repository=args.image, platforms=args.platform, token=args.token_variable
            )
    return {"name": address, "kind": kind, "address": address, **stated}


def _signer(args: argparse.Namespace) -> dict[str, Any]:
    stated = _given(trusted_root=str(args.trusted_root) if args.trusted_root else None)
    identity = _given(issuer=args.issuer, subject=args.subject, repository=args.repository, workflow=args.workflow)
    return stated | ({"identity": identity} if identity else {})


def _project(text: str, hashes: list[str]) -> dict[str, Any]:
    from suture.errors import BadInputError

    name, equals, version = text.partition("==")
    if not (name and equals and version):
        raise BadInputError(f"{text!r} is no project with its version (NAME==VERSION).")
    return {"name": name, "version": version, "hashes": [digest.lower() for digest in hashes]}


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value}


def _require(kind: str, **values: Any) -> None:
    from suture.errors import BadInputError

    for name, value in values.items():
        if not value:
            raise BadInputError(f"--kind {kind} needs --{name}.")


def print_adoption(args: argparse.Namespace, adoption: KindAdoption) -> None:
    if args.json:
        found = {
            "verdict": "adopted",
            "adopted": True,
            "reason": None,
            "sentence": adoption.sentence,
            "replay_checked": args.state is not None,
            "packages_listed": adoption.listed,
            "files_verified": len(adoption.files),
            "files_not_read": max(0, adoption.listed - len(adoption.files)),
            "alarms": list(adoption.alarms),
            "not_proven": list(adoption.not_proven),
            "chain": adoption.chain(),
        }
        print(json.dumps(found, indent=2))
        return
    print(f"adopted: {adoption.sentence}")
    if args.state is None:
        print("  Replays were not looked for (--state DIR).")
    for word, sentences in (("alarm", adoption.alarms), ("note", adoption.notes), ("not proven", adoption.not_proven)):
        for sentence in sentences:
            print(f"  {word}: {sentence}")
