"""The SBOMs that a signed apt repository lists beside its packages.

The rules:

1. What counts is what the Release file lists with a strong hash: dists/SUITE/COMPONENT/sbom/<file name of the .deb><suffix>, as
   `main/sbom/acme-portal_1.0.1_all.deb.cdx.json` (other data of packages stand in Release in the same way: Contents, DEP-11).
   So the chain from the pinned key reaches the SBOM as it reaches the package.
2. A file beside the .deb in the pool that no signed list names proves nothing, and is not even fetched.
3. What is listed must be there and be what is listed: anything else refuses the source, as it does for a package.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from suture.sourcing.cache import FileCache
from suture.sourcing.examination import SbomFile
from suture.sourcing.packages import BinaryPackage
from suture.sourcing.refusal import Refusal, RefusalReason
from suture.sourcing.release import ListedFile
from suture.sourcing.repository import Adoption
from suture.sourcing.sbom.examiner import BESIDE
from suture.sourcing.sbom.text import MAX_BYTES
from suture.sourcing.transport import Transport


def listed_beside(proven: Adoption, package: BinaryPackage) -> Iterator[ListedFile]:
    """Those of one package, with their paths from the suite's folder."""
    file_name = package.filename.rpartition("/")[2]
    for suffix in BESIDE:
        found = proven.release.files.get(f"{package.component}/sbom/{file_name}{suffix}")
        if found is not None:
            yield found


def fetch_beside(
    proven: Adoption, transport: Transport, cache: FileCache, package: BinaryPackage
) -> tuple[SbomFile, ...]:
    """Proven, and in the cache. Raises Refusal."""
    return tuple(_fetch(proven, transport, cache, package, listed) for listed in listed_beside(proven, package))


def _fetch(
    proven: Adoption, transport: Transport, cache: FileCache, package: BinaryPackage, listed: ListedFile
) -> SbomFile:
    suite = f"dists/{proven.source.suite}"
    if listed.size > MAX_BYTES:
        sentence = f"{suite}/{listed.path} is listed with {listed.size} bytes; an SBOM may have {MAX_BYTES}."
        raise Refusal(RefusalReason.MALFORMED, sentence, subject=f"{suite}/{listed.path}")
    places = [f"{suite}/{listed.path}"]
    if proven.release.acquire_by_hash and "SHA256" in listed.digests:
        folder = listed.path.rpartition("/")[0]
        places.insert(0, f"{suite}/{folder}/by-hash/SHA256/{listed.digests['SHA256']}")
    for place in places[:-1]:
        try:
            sha256, path = cache.fetch_listed(transport, replace(listed, path=place))
        except Refusal as refusal:
            if refusal.reason is not RefusalReason.UNREACHABLE:
                raise
        else:
            return SbomFile(listed.path.rpartition("/")[2], path, sha256, package.version)
    sha256, path = cache.fetch_listed(transport, replace(listed, path=places[-1]))
    return SbomFile(listed.path.rpartition("/")[2], path, sha256, package.version)
