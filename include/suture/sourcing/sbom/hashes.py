"""Are the hashes in the SBOM the files' hashes?

The rules: each hash that the SBOM gives for the artefact and that can be computed here must be the real one, the weak ones too; at
least one strong one must be given; of files inside an archive, those that the SBOM lists are compared one by one.
"""

from __future__ import annotations

from collections.abc import Iterator

from suture.sourcing.examination import Concern
from suture.sourcing.sbom.artifact import STRONG, WEAK, Artifact, ArtifactError, plain_path
from suture.sourcing.sbom.model import Hash, ListedFile, Sbom
from suture.sourcing.sbom.text import shown

MAX_NAMED = 20
_LISTS = (
    ".cdx.json", ".cdx.xml", ".spdx", ".spdx.json", ".spdx.yaml", ".spdx.yml", ".spdx.rdf", ".spdx.xml", ".sbom.json", ".bom.json",
    "/bom.json", "/bom.xml", "/sbom.json", "/sbom.xml", "/record",
)  # fmt: skip


def check(sbom: Sbom, artifact: Artifact, *, inside: bool = False) -> Iterator[Concern]:
    """inside: the SBOM lies in the artefact, so that it cannot give its hash; files are compared all the same."""
    if not inside:
        yield from _whole(sbom, artifact)
    if sbom.files and artifact.is_archive:
        yield from _files(sbom, artifact)


def only_weak(sbom: Sbom) -> Iterator[Concern]:
    """Components of whose hashes none is strong, in one concern."""
    weak = [component for component in sbom.components if component.hashes and not _strong(component.hashes)]
    if weak:
        names = ", ".join(shown(component.label, 60) for component in weak[:5]) + (" …" if len(weak) > 5 else "")
        yield Concern(
            "hash_weak", weak[0].label, f"{len(weak)} components have no hash stronger than SHA-1: {names}.",
            {"components": [component.label for component in weak[:MAX_NAMED]], "count": len(weak)},
        )  # fmt: skip


def _whole(sbom: Sbom, artifact: Artifact) -> Iterator[Concern]:
    name = artifact.name
    named = next((file for file in sbom.files if plain_path(file.path).rpartition("/")[2] == name), None)
    given = sbom.root.hashes if sbom.root and sbom.root.hashes else named.hashes if named else ()
    wrong: list[tuple[Hash, str]] = []
    right: list[tuple[Hash, str]] = []
    for given_hash in given:
        real = artifact.hashes.get(given_hash.algorithm)
        if real is not None:
            (right if real == given_hash.value else wrong).append((given_hash, real))
    for given_hash, real in wrong:
        yield Concern(
            "hash_mismatch",
            name,
            f"{shown(name)} has the {given_hash.algorithm} {real[:16]}…, and the SBOM of {shown(sbom.title)} says"
            f" {given_hash.value[:16]}…",
            {"algorithm": given_hash.algorithm, "real": real, "given": given_hash.value},
        )
    if not right and not wrong:
        sentence = f"The SBOM of {shown(sbom.title)} gives no hash that {shown(name)} could be compared with."
        yield Concern("hash_missing", name, sentence)
    elif not wrong and not any(given_hash.algorithm in STRONG for given_hash, _real in right):
        algorithms = ", ".join(given_hash.algorithm for given_hash, _real in right)
        yield Concern("hash_weak", name, f"Only weak hashes ({algorithms}) tie the SBOM to {shown(name)}.")


def _files(sbom: Sbom, artifact: Artifact) -> Iterator[Concern]:
    algorithms = frozenset(found.algorithm for file in sbom.files for found in file.hashes)
    try:
        real = artifact.members(algorithms & frozenset((*STRONG, *WEAK)))
    except ArtifactError as error:
        name = artifact.name
        yield Concern("artifact_unreadable", name, f"The files in {shown(name)} could not be compared: {error}.")
        return
    listed = {plain_path(file.path): file for file in sbom.files}
    missing = []
    for path, file in listed.items():
        if path not in real:
            missing.append(path)
            continue
        yield from _file(file, path, real[path])
    if missing and len(missing) < len(listed):  # none at all: the list is of something else (the sources)
        yield _many("file_missing", missing, "files stand in the SBOM and not in the artefact")
    own = artifact.name
    unlisted = sorted(path for path in real if path not in listed and not _is_sbom(path))
    if unlisted and len(missing) < len(listed):
        yield _many("file_unlisted", unlisted, f"files of {shown(own)} do not stand in the SBOM")


def _file(file: ListedFile, path: str, real: object) -> Iterator[Concern]:
    assert isinstance(real, dict)
    for given in file.hashes:
        if given.algorithm in real and real[given.algorithm] != given.value:
            found = f"has the {given.algorithm} {real[given.algorithm][:16]}…"
            sentence = f"The file {shown(path)} {found}, and the SBOM says {given.value[:16]}…"
            yield Concern(
                "hash_mismatch",
                path,
                sentence,
                {"algorithm": given.algorithm, "real": real[given.algorithm], "given": given.value},
            )


def _many(kind: str, paths: list[str], what: str) -> Concern:
    names = ", ".join(shown(path, 60) for path in paths[:5]) + (" …" if len(paths) > 5 else "")
    return Concern(kind, paths[0], f"{len(paths)} {what}: {names}.", {"paths": paths[:MAX_NAMED], "count": len(paths)})


def _strong(hashes: tuple[Hash, ...]) -> bool:
    return any(
        found.algorithm in STRONG or found.algorithm in ("blake3", "streebog_256", "streebog_512") for found in hashes
    )


def _is_sbom(path: str) -> bool:
    """A list of files cannot hold the digest of itself; neither can a wheel's RECORD."""
    return path.lower().endswith(_LISTS)
