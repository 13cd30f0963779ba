"""Examining the files of a source of another kind than apt, before they are put on the shelf.

Each file lies under the name that it was listed by, with what was listed beside it, so that a bill of materials beside a file is
found.
The examiners `notes` and `binary` read Debian packages, and are not asked.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from suture.sourcing import attestations
from suture.sourcing.analysis import examiners
from suture.sourcing.analysis.pool import examine_all
from suture.sourcing.attestations import AttestationPolicy
from suture.sourcing.examination import Attested, Examination, ExaminationPolicy, PackageFile, Subject
from suture.sourcing.examining import Examined
from suture.sourcing.kinds import KindAdoption, ProvenFile
from suture.sourcing.release import is_safe_path
from suture.sourcing.sbom.examiner import BESIDE
from suture.sourcing.transport import Transport

FITTING = ("sbom", "provenance")
MOST_NAME_BYTES = 255  # of one name, on the usual file systems


def fetch_attestations(
    attesting: AttestationPolicy | None, transport: Transport, adoption: KindAdoption, folder: Path
) -> dict[str, Attested]:
    """By the file's path; nothing where policy says nothing of the source's attestations. Raises Refusal.

    A list may name the attestations as well as the files: such a one is judged with its file, and needs none of its own.
    """
    if attesting is None:
        return {}
    folder.mkdir()
    found = {
        file.path: attestations.fetch(
            attesting, transport, folder, path=file.path, package=file.name, version=file.version, sha256=file.sha256
        )
        for file in adoption.files
    }
    places = {attested.place for attested in found.values() if attested.file is not None}
    return {path: attested for path, attested in found.items() if path not in places}


def examine(
    rules: ExaminationPolicy,
    source: str,
    attesting: AttestationPolicy | None,
    files: tuple[ProvenFile, ...],
    kept: Mapping[str, Path],
    attested: Mapping[str, Attested],
    folder: Path,
) -> Examined:
    """kept: where the files lie, by SHA-256. attested: by path. Raises PolicyError, BadInputError."""
    fitting = {name: examiner for name, examiner in examiners(rules).items() if name in FITTING}
    chosen = list(attestations.fitting(fitting, attesting, source).values())
    subjects = []
    places: dict[str, int] = {}
    for file in files:
        parent, _slash, base = file.path.rpartition("/")
        place = folder / str(places.setdefault(parent, len(places)))
        place.mkdir(parents=True, exist_ok=True)
        path = place / (base if is_safe_path(base) and len(base.encode()) <= MOST_NAME_BYTES else file.sha256)
        if not path.exists():
            os.link(kept[file.sha256], path)
        if not file.path.lower().endswith(BESIDE):
            new = PackageFile(path, file.name or path.name, file.version, "", file.sha256)
            subjects.append((file, Subject(new, attested=attested.get(file.path))))
    examinations = examine_all([subject for _file, subject in subjects], chosen)
    order = [file for file, _subject in subjects for _examiner in chosen]
    judged = attestations.judged([subject for _file, subject in subjects], examinations)
    of_files = tuple(_of_file(found, file) for found, file in zip(examinations, order, strict=True))
    return Examined(rules.actions, of_files, attestations=judged)


def _of_file(found: Examination, file: ProvenFile) -> Examination:
    """Under its path, since a release may have several files of one name; one without a name is compared with none."""
    concerns = found.concerns
    facts = dict(found.facts)
    if not file.name:
        concerns = tuple(one for one in concerns if one.kind != "identity_mismatch")
        facts["identity"] = "not compared: this kind of source names no package"
    return replace(found, package=file.path, concerns=concerns, facts=facts)
