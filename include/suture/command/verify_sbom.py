"""`suture verify sbom`: is this bill of materials what it says, of this file, and the next after the one before?"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from suture.sourcing.examination import Actions, Concern, Examination
    from suture.sourcing.sbom.checks import Question
    from suture.sourcing.sbom.model import Sbom
    from suture.sourcing.sbom.settings import SbomSettings


def register(kinds: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = kinds.add_parser(
        "sbom",
        help="prove a bill of materials: form, hashes, lineage, names, provenance",
        description="Reads CycloneDX (1.2 to 1.7; JSON, XML) and SPDX (2.2, 2.3; JSON, YAML, XML, tag-value, RDF/XML; 3.0 JSON-LD) "
        "and compares it with the artefact, with the SBOM before, with known names and with attestations. What each finding "
        "leads to stands in policy/examination.yaml. Exit status 0: accepted; 1: refused, with the reason; 2: misuse or "
        "unreadable input.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the SBOM")
    parser.add_argument("--against", type=Path, metavar="OLD", help="the SBOM of the version before")
    parser.add_argument("--artifact", type=Path, metavar="FILE", help="what the SBOM is about: its hashes are compared")
    parser.add_argument(
        "--attestation", nargs="+", action="extend", type=Path, default=[], metavar="FILE",
        help="in-toto statements: DSSE envelopes, sigstore bundles, PEP 740 attestations",
    )  # fmt: skip
    parser.add_argument(
        "--key", nargs="+", action="extend", type=Path, default=[], metavar="FILE",
        help="PEM public keys (Ed25519, ECDSA) that attestations may be signed by, beside policy's",
    )  # fmt: skip
    parser.add_argument(
        "--trusted-root", type=Path, metavar="FILE", help="sigstore's trusted root, to check bundles by"
    )
    parser.add_argument(
        "--names", type=Path, metavar="FILE", help="purls that you use already, one a line: known names"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(handler=run)


def run(args: argparse.Namespace) -> int:
    """0 accepted, 1 refused, 2 bad input."""
    from suture.errors import BadInputError
    from suture.settings import Settings
    from suture.sourcing.examination import load_policy
    from suture.sourcing.sbom import checks
    from suture.sourcing.sbom.settings import SbomSettings

    try:
        policy_dir = Settings.load().policy_dir
        policy = load_policy(policy_dir)
        examination = _examine(args, SbomSettings.read(policy.settings("sbom"), policy_dir))
    except BadInputError as error:
        print(f"verify sbom: {error}", file=sys.stderr)
        return 2
    refused = checks.refusal(examination, policy.actions)
    if args.json:
        print(json.dumps(_as_json(examination, policy.actions, refused), indent=2))
    else:
        _print(examination, policy.actions, refused)
    return 1 if refused else 0


def _examine(args: argparse.Namespace, settings: SbomSettings) -> Examination:
    """Raises BadInputError, also for an SBOM before that cannot be read: lineage was asked for."""
    from suture.errors import BadInputError
    from suture.sourcing.examination import Examination
    from suture.sourcing.sbom import checks
    from suture.sourcing.sbom.model import UnreadableSbomError
    from suture.sourcing.sbom.reading import bytes_of, read_bytes, read_file

    started = time.monotonic()
    raw = bytes_of(args.file)
    try:
        old = read_file(args.against) if args.against else None
    except UnreadableSbomError as error:
        raise BadInputError(f"The SBOM before: {error.message}") from error
    question = _question(args, old, settings)
    try:
        sbom = read_bytes(raw, args.file.name)
    except UnreadableSbomError as error:
        concern = checks.unreadable(error, args.file.name)
        return Examination("sbom", args.file.name, "", "", _version(old), (concern,), {}, time.monotonic() - started)
    name, version = (sbom.root.label, sbom.root.stated_version) if sbom.root else (args.file.name, "")
    found = checks.concerns(sbom, question, settings)
    facts = checks.facts(sbom, old)
    return Examination("sbom", name, version, "", _version(old), found, facts, time.monotonic() - started)


def _question(args: argparse.Namespace, old: Sbom | None, settings: SbomSettings) -> Question:
    from suture.errors import BadInputError
    from suture.sourcing.sbom import checks, provenance
    from suture.sourcing.sbom.artifact import Artifact
    from suture.sourcing.sbom.reading import bytes_of

    if args.artifact and not args.artifact.is_file():
        raise BadInputError(f"{args.artifact} is no file.")
    if args.trusted_root and not args.trusted_root.is_file():
        raise BadInputError(f"{args.trusted_root} is no file.")
    used: tuple[Any, ...] = ()
    if args.names:
        used = checks.used_components(bytes_of(args.names).decode("utf-8", "replace").splitlines(), args.names.name)
    return checks.Question(
        old=old,
        artifact=Artifact(args.artifact) if args.artifact else None,
        attestations=tuple((path.name, bytes_of(path)) for path in args.attestation),
        trust=provenance.Trust(
            keys=provenance.load_keys((*settings.keys, *args.key)),
            trusted_root=args.trusted_root,
            identities=settings.identities,
        ),
        used=used,
    )


def _version(old: Sbom | None) -> str | None:
    return None if old is None else old.root.stated_version if old.root else ""


def _sentence(examination: Examination, actions: Actions, refused: Concern | None) -> str:
    from suture.sourcing.examination import Action

    if refused is not None:
        return refused.sentence
    review = sum(actions.of("sbom", one.kind) is Action.REVIEW for one in examination.concerns)
    counts = examination.facts["counts"]
    found = f"{examination.package} {examination.version}".strip()
    parts = [
        f"The SBOM of {found} holds {counts['components']} components and {counts['files']} files; nothing in it is refused."
    ]
    if examination.against is None:
        parts.append("Lineage was not compared (--against OLD).")
    if review:
        parts.append(f"{review} findings want a look.")
    return " ".join(parts)


def _as_json(examination: Examination, actions: Actions, refused: Concern | None) -> dict[str, Any]:
    return {
        "verdict": "refused" if refused else "accepted",
        "accepted": refused is None,
        "reason": refused.kind if refused else None,
        "sentence": _sentence(examination, actions, refused),
        "next_step": _NEXT_STEP if refused else None,
        **examination.as_dict(actions),
    }


def _print(examination: Examination, actions: Actions, refused: Concern | None) -> None:
    sentence = _sentence(examination, actions, refused)
    print(f"refused: {refused.kind}: {sentence}" if refused else f"accepted: {sentence}")
    for concern in examination.as_dict(actions)["concerns"]:
        if refused is None or concern["sentence"] != refused.sentence:
            print(f"  {concern['action']}: {concern['kind']}: {concern['sentence']}")
    if refused:
        print(f"  {_NEXT_STEP}")


_NEXT_STEP = (
    "Ask the vendor what this is. If it is meant, a change of examination.yaml lets it through, reviewed and recorded."
)
