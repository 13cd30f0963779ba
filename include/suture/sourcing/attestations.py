"""Where a source's attestations lie, who may sign them, and whether one must be there: `attestations` in sources.yaml.

The rules:

1. No signed list names them: an attestation carries its own signature, and is judged by it (analysis/provenance.py). So it is fetched
   from where policy says, below the source's own address and nowhere else.
2. One that is not there is none; a source that does not answer is no missing attestation, but refuses as it does for a package.
3. What was judged is kept, byte by byte, with the intake that adopted the package.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from suture.errors import BadInputError
from suture.sourcing.examination import AttestationFile, Attested, Examination, Examiner, PackageFile, Subject
from suture.sourcing.refusal import Refusal, RefusalReason
from suture.sourcing.release import is_safe_path
from suture.sourcing.transport import FileMissing, Transport, read_whole
from suture.store.objects import ObjectStore

EXAMINER = "provenance"
DEFAULT_PLACE = "{path}.intoto.jsonl"
MAX_BYTES = 4 * 1024 * 1024  # a bundle has some ten thousand; an intake's are held in memory together
Key = tuple[str, str, str]  # package, version, architecture
_PLACEHOLDER = re.compile(r"\{([a-z0-9]+)\}")


@dataclass(frozen=True)
class AttestationPolicy:
    """at: where the attestation of a file lies, from the source's address; {path}, {folder}, {file}, {package}, {version} and {sha256}
    stand for the file's own. The rest is as in Attested.
    """

    required: bool
    at: str = DEFAULT_PLACE
    keys: tuple[Path, ...] = ()
    trusted_root: Path | None = None
    identities: tuple[tuple[str, str], ...] = ()
    builders: tuple[str, ...] = ()
    source_repositories: tuple[str, ...] = ()

    def place(self, *, path: str, package: str, version: str, sha256: str) -> str:
        """Raises Refusal (MALFORMED) where what a source says of a file would lead out of its address."""
        folder, _slash, file = path.rpartition("/")
        values = {"path": path, "folder": folder, "file": file, "package": package, "version": version, "sha256": sha256}
        found = _PLACEHOLDER.sub(lambda match: values[match[1]], self.at).lstrip("/")
        if not is_safe_path(found):
            sentence = f"The attestation of {path} would lie at {found!r}, which leaves the source's address."
            raise Refusal(RefusalReason.MALFORMED, sentence, subject=path)
        return found

    def require_usable(self) -> None:
        """Raises BadInputError for a key or trusted root that cannot be read: the package is not to blame."""
        from suture.sourcing.sbom.provenance import load_keys

        load_keys(self.keys)
        if self.trusted_root is not None and not self.trusted_root.is_file():
            raise BadInputError(f"The trusted root {self.trusted_root} is no file.")


def read_attestations(entry: Mapping[str, Any], policy_dir: Path) -> AttestationPolicy | None:
    """From an entry of sources.yaml that the schema has passed; None where it says nothing of them. Raises BadInputError."""
    stated = entry.get("attestations")
    if stated is None:
        return None
    root = stated.get("trusted_root")
    identities = tuple((one["subject"], one["issuer"]) for one in stated.get("identities", ()))
    if bool(root) != bool(identities):
        raise BadInputError(f"{entry['name']}: trusted_root and identities of its attestations go together.")
    if not stated.get("keys") and not root:
        raise BadInputError(
            f"{entry['name']}: its attestations name nobody who may sign them, so none of them would prove anything.",
            remedy="Give keys (PEM), or a trusted_root with identities.",
        )
    return AttestationPolicy(
        required=stated["given"] == "required",
        at=stated.get("at", DEFAULT_PLACE),
        keys=tuple(policy_dir / key for key in stated.get("keys", ())),
        trusted_root=policy_dir / root if root else None,
        identities=identities,
        builders=tuple(stated.get("builders", ())),
        source_repositories=tuple(stated.get("source_repositories", ())),
    )


def fetch(
    policy: AttestationPolicy, transport: Transport, folder: Path, *, path: str, package: str, version: str, sha256: str
) -> Attested:
    """What is judged of one file, with its attestation in `folder`. path: the file's, from the address. Raises Refusal."""
    place = policy.place(path=path, package=package, version=version, sha256=sha256)
    attested = Attested(
        place=place, required=policy.required, keys=policy.keys, trusted_root=policy.trusted_root,
        identities=policy.identities, builders=policy.builders, source_repositories=policy.source_repositories,
    )  # fmt: skip
    try:
        raw = read_whole(transport, place, limit_bytes=MAX_BYTES)
    except FileMissing:
        return attested
    digest = hashlib.sha256(raw).hexdigest()
    copy = folder / digest
    copy.write_bytes(raw)
    return replace(attested, file=AttestationFile(place.rpartition("/")[2], copy, digest))


def fetch_all(
    policy: AttestationPolicy, transport: Transport, subjects: Sequence[Subject], paths: Mapping[Key, str], folder: Path
) -> list[Subject]:
    """Each subject with what is judged of it. paths: from the source's address. Raises Refusal."""
    found = []
    for subject in subjects:
        new = subject.new
        path = paths[new.name, new.version, new.architecture]
        attested = fetch(policy, transport, folder, path=path, package=new.name, version=new.version, sha256=new.sha256)
        found.append(replace(subject, attested=attested))
    return found


def fitting(chosen: Mapping[str, Examiner], attesting: AttestationPolicy | None, source: str) -> dict[str, Examiner]:
    """The examiners that have something to look at: `provenance` only where policy says that the source gives attestations.

    Raises BadInputError where it says so, and that examiner is switched off, or whose keys cannot be read.
    """
    if attesting is None:
        return {name: examiner for name, examiner in chosen.items() if name != EXAMINER}
    if EXAMINER not in chosen:
        raise BadInputError(
            f"sources.yaml says that {source} gives attestations, and examination.yaml has the examiner {EXAMINER} switched off.",
            remedy=f"Enable the examiner {EXAMINER}, or take the attestations out of sources.yaml.",
        )
    attesting.require_usable()
    return dict(chosen)


@dataclass(frozen=True)
class KeptAttestation:
    """One that was judged with a package of an intake. facts: of its examination. object_uri: '' until it is kept."""

    package: PackageFile
    facts: Mapping[str, Any]
    raw: bytes
    object_uri: str = ""

    def chain(self) -> dict[str, Any]:
        """For the intake's chain and evidence: JSON values, a few lines."""
        file = self.facts["file"]
        return {
            "package": self.package.name, "version": self.package.version, "architecture": self.package.architecture,
            "package_sha256": self.package.sha256, "file": file["name"], "sha256": file["sha256"], "object": self.object_uri or None,
            "required": self.facts["required"], "proven": self.facts["proven"],
            "attestations": [
                {name: one.get(name) for name in ("signed_by", "predicate_type", "builder", "sources", "wrong")}
                for one in self.facts["attestations"]
            ],
        }  # fmt: skip


def judged(subjects: Sequence[Subject], examined: Iterable[Examination]) -> tuple[KeptAttestation, ...]:
    """What there was, with its bytes, while it still lies there. examined: of all examiners, in the order of the subjects."""
    said = (examination for examination in examined if examination.examiner == EXAMINER)
    return tuple(
        KeptAttestation(subject.new, examination.facts, subject.attested.file.path.read_bytes())
        for subject, examination in zip(subjects, said, strict=False)
        if subject.attested is not None and subject.attested.file is not None and "file" in examination.facts
    )


def put(objects: ObjectStore, found: Iterable[KeptAttestation]) -> tuple[KeptAttestation, ...]:
    """The bytes into the object store; each with where it lies now. Raises ObjectStoreError."""
    kept = []
    for one in found:
        key = f"attestations/{one.facts['file']['sha256']}"
        kept.append(replace(one, object_uri=objects.put(key, one.raw, content_type="application/json").uri))
    return tuple(kept)
