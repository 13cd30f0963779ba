"""The examiner `provenance`: an attestation that lies beside a package, by who signed it and what it is of (2.5).

The rules:

1. Only packages are examined whose source has `attestations` in sources.yaml: it says where they lie, who may sign, and whether
   one must be there. The file itself proves nothing by where it lies; its signature does.
2. An attestation that is there and wrong is a concern, whether or not one must be there. Where one must be there, it counts when its
   signature was checked, its subject is this very file, and SLSA provenance names what policy names.
3. What it says and who signed it are facts, so that who approves can read them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from suture.sourcing.examination import AttestationFile, Attested, Concern, Examination, Subject
from suture.sourcing.sbom import provenance
from suture.sourcing.sbom.artifact import Artifact
from suture.sourcing.sbom.provenance import Judged
from suture.sourcing.sbom.reading import bytes_of
from suture.sourcing.sbom.settings import Identity, SbomSettings
from suture.sourcing.sbom.text import shown

EXAMINER = "provenance"
MOST_SHOWN = 20
KINDS = {
    "not_examined": "The process that read it died, ran too long, or answered nonsense.",
    "provenance_missing": "Policy demands a proven attestation, and there is none.",
    "provenance_absent": "The source gives attestations, and this package comes without one; policy does not demand it.",
    "provenance_malformed": "An attestation cannot be read.",
    "provenance_mismatch": "An attestation is for another artefact, builder or source repository.",
    "provenance_signature_invalid": "No pinned key or identity signed the attestation.",
    "provenance_unverified": "An attestation's signature could not be checked by what policy gives for this source.",
}


def examine(subject: Subject) -> Examination:
    """Nothing is said where policy says nothing of the source. Raises BadInputError for keys or a trusted root that are none."""
    started = time.monotonic()
    attested, new = subject.attested, subject.new
    concerns: tuple[Concern, ...] = ()
    facts: dict[str, Any] = {}
    if attested is not None:
        settings = SbomSettings(
            provenance_required=attested.required,
            builders=attested.builders,
            source_repositories=attested.source_repositories,
        )
        judged = _judged(subject, attested, settings)
        proven = any(provenance.proves(one, settings) for one in judged)
        concerns = (*(concern for one in judged for concern in one.concerns), *_missing(subject, attested, proven=proven))
        facts = _facts(attested, judged, proven=proven)
    return Examination(
        examiner=EXAMINER, package=new.name, version=new.version, architecture=new.architecture, against=None,
        concerns=concerns, facts=facts, seconds=time.monotonic() - started,
    )  # fmt: skip


def _judged(subject: Subject, attested: Attested, settings: SbomSettings) -> list[Judged]:
    file = attested.file
    if file is None:
        return []
    trust = provenance.Trust(
        keys=provenance.load_keys(attested.keys),
        trusted_root=attested.trusted_root,
        identities=tuple(Identity(*one) for one in attested.identities),
    )
    return list(provenance.judge([(file.name, bytes_of(file.path))], Artifact(subject.new.path).hashes, trust, settings))


def _missing(subject: Subject, attested: Attested, *, proven: bool) -> Iterator[Concern]:
    package, place = f"{shown(subject.new.name)} {shown(subject.new.version)}", shown(attested.place, 200)
    if attested.required and not proven:
        why = "the one that is there does not count" if attested.file else "there is none"
        sentence = f"{package} must come with a proven attestation at {place}, and {why}."
        yield Concern("provenance_missing", subject.new.name, sentence, {"place": attested.place})
    elif attested.file is None:
        sentence = f"{package} comes without an attestation at {place}; policy does not demand one."
        yield Concern("provenance_absent", subject.new.name, sentence, {"place": attested.place})


def _facts(attested: Attested, judged: list[Judged], *, proven: bool) -> dict[str, Any]:
    file: AttestationFile | None = attested.file
    return {
        "required": attested.required, "proven": proven, "place": attested.place,
        "file": {"name": file.name, "sha256": file.sha256} if file else None,
        "attestations": [
            {
                "signed_by": shown(one.by, 300), "wrong": [concern.kind for concern in one.concerns],
                **(provenance.details(one.envelope.statement) if one.envelope else {}),
            }
            for one in judged[:MOST_SHOWN]
        ],
    }  # fmt: skip
