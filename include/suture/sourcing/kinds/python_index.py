"""Python packages from a simple index (PEP 691, PEP 700) or a folder in its form: pinned digests, PEP 740 attestations.

The rules, in the order in which they are checked:

1. The index's page of each project is read as JSON; in a folder it is PROJECT/index.json. A file's address must be below
   the index's own (mirrors have it so): an index may not send us elsewhere.
2. Only files of exactly the version that policy names count. Where policy pins digests, only those files, and all of them.
3. Each file is read and matches the SHA-256 (and size) that the page lists.
4. Where policy names an identity, each file has a provenance (PEP 740) with an attestation by that identity, over this
   file's name and digest.

The page itself is signed by nobody. So policy must pin digests, or an identity, or both; and since a page has no date, a
withheld newer version is not noticed here (the version is policy's, so no older one can be slipped in).
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version

from suture.errors import BadInputError
from suture.sourcing.kinds import strict_json
from suture.sourcing.kinds.attested import IN_TOTO, MAX_BUNDLE_BYTES, Attestation, Attester, read_attester
from suture.sourcing.kinds.result import KindAdoption, ProvenFile, Request, count, hashed, malformed, missing
from suture.sourcing.refusal import Refusal, RefusalReason
from suture.sourcing.release import is_safe_path
from suture.sourcing.transport import FileMissing, HttpTransport, Transport, read_whole

KIND = "python"
ACCEPT = "application/vnd.pypi.simple.v1+json"
MAX_PAGE_BYTES = 16 * 1024 * 1024  # read as JSON it may take twenty times that
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Project:
    """hashes: SHA-256 of the files that count; (): those that the identity attests."""

    name: str
    version: str
    hashes: tuple[str, ...] = ()


@dataclass(frozen=True)
class PythonSource:
    name: str
    address: str
    projects: tuple[Project, ...]
    attester: Attester | None = None
    kind: str = KIND

    def __post_init__(self) -> None:
        for project in self.projects:
            if not project.hashes and self.attester is None:
                raise BadInputError(
                    f"The source {self.name} pins neither digests of {project.name} nor an identity: nothing could be proven."
                )
            with suppress(InvalidVersion):
                Version(project.version)
                continue
            raise BadInputError(f"{project.version!r} is no version of a Python package (PEP 440).")

    def prove(self, transport: Transport, request: Request) -> KindAdoption:
        if not isinstance(transport, HttpTransport):
            return _Proof(self, transport, request).run()
        asking = transport.with_headers({"Accept": ACCEPT})
        try:
            return _Proof(self, asking, request).run()
        finally:
            asking.close()


def read(entry: Mapping[str, Any], policy_dir: Path) -> PythonSource:
    """A source from its entry in sources.yaml."""
    projects = tuple(Project(one["name"], one["version"], tuple(one.get("hashes", ()))) for one in entry["projects"])
    return PythonSource(entry["name"], entry["address"], projects, read_attester(entry, policy_dir))


@dataclass(frozen=True)
class _Listed:
    """A file of the page. path: below the index's address."""

    filename: str
    path: str
    sha256: str
    size: int | None
    provenance: str | None
    yanked: bool


class _Proof:
    def __init__(self, source: PythonSource, transport: Transport, request: Request) -> None:
        self._source, self._transport, self._request = source, transport, request

    def run(self) -> KindAdoption:
        files: list[ProvenFile] = []
        attestations: dict[str, dict[str, Any]] = {}
        notes: list[str] = []
        listed = 0
        for project in self._source.projects:
            if self._request.names and project.name not in self._request.names:
                continue
            wanted = self._wanted(project)
            listed += len(wanted)
            notes += [f"{one.filename} is yanked: its maker withdrew it." for one in wanted if one.yanked]
            for one in wanted if self._request.read_files else ():
                found = hashed(self._transport, one.path, {"SHA256": one.sha256}, size=one.size)
                files.append(replace(found, path=one.filename, name=project.name, version=project.version))
                if self._source.attester is not None:
                    attestations[one.filename] = self._attested(one, self._source.attester).chain()
        return self._adoption(tuple(files), listed, attestations, notes)

    def _wanted(self, project: Project) -> list[_Listed]:
        name = canonicalize_name(project.name)
        found = [one for one in self._page(name) if _is_of(one.filename, name, project.version)]
        if not found:
            sentence = f"{self._transport.address} offers no file of {project.name} {project.version}."
            raise Refusal(RefusalReason.UNREACHABLE, sentence, subject=project.name)
        if not project.hashes:
            return found
        absent = sorted(set(project.hashes) - {one.sha256 for one in found})
        if absent:
            sentence = (
                f"{self._transport.address} lists {project.name} {project.version} with other digests than the pinned"
                f" {', '.join(digest[:16] + '…' for digest in absent)}."
            )
            raise Refusal(RefusalReason.HASH_MISMATCH, sentence, subject=project.name)
        return [one for one in found if one.sha256 in project.hashes]

    def _page(self, name: str) -> list[_Listed]:
        path = f"{name}/" if isinstance(self._transport, HttpTransport) else f"{name}/index.json"
        page = self._json(path, MAX_PAGE_BYTES)
        if canonicalize_name(str(page.get("name", ""))) != name:
            sentence = f"{path} is the page of {page.get('name')!r}."
            raise Refusal(RefusalReason.IDENTITY_MISMATCH, sentence, subject=path)
        files = page.get("files")
        if not isinstance(files, list) or not all(isinstance(one, dict) for one in files):
            raise malformed(path, "it lists no files")
        return [self._listed(one, path) for one in files]

    def _listed(self, entry: Mapping[str, Any], page: str) -> _Listed:
        filename, url, hashes, size = (entry.get(key) for key in ("filename", "url", "hashes", "size"))
        if not isinstance(filename, str) or not isinstance(url, str) or not is_safe_path(filename) or "/" in filename:
            raise malformed(page, f"{filename!r} is no file's name, or it has no address")
        if not isinstance(hashes, dict) or not _HEX.fullmatch(str(hashes.get("sha256", ""))):
            sentence = f"{page} lists {filename} without a SHA-256."
            raise Refusal(RefusalReason.WEAK_HASH, sentence, subject=filename)
        if size is not None and (not isinstance(size, int) or size < 0):
            raise malformed(page, f"the size of {filename}, {size!r}, is none")
        provenance = entry.get("provenance")
        return _Listed(
            filename, self._path(url, page), hashes["sha256"], size,
            self._path(provenance, page) if isinstance(provenance, str) else None, bool(entry.get("yanked")),
        )  # fmt: skip

    def _path(self, url: str, page: str) -> str:
        """Where it lies below the index's address."""
        base = self._transport.address if isinstance(self._transport, HttpTransport) else "http://folder.invalid"
        target = urljoin(f"{base}/{page}", url)
        plain, root = urlsplit(target), urlsplit(f"{base}/")
        path = unquote(plain.path)
        inside = (plain.scheme, plain.netloc) == (root.scheme, root.netloc) and path.startswith(root.path)
        path = path.removeprefix(root.path)
        if not inside or not is_safe_path(path) or plain.query:
            raise malformed(page, f"the address {url!r} leaves the index")
        return path

    def _attested(self, one: _Listed, attester: Attester) -> Attestation:
        if one.provenance is None:
            sentence = f"{one.filename} has no provenance: nobody attests where it comes from."
            raise Refusal(RefusalReason.SIGNATURE_MISSING, sentence, subject=one.filename)
        refusals: list[Refusal] = []
        for bundle in _bundles(self._json(one.provenance, MAX_BUNDLE_BYTES), one.filename):
            try:
                return attester.require(
                    bundle, one.sha256, name=one.filename, at=self._request.at, subject=one.filename
                )
            except Refusal as refusal:
                refusals.append(refusal)
        if refusals:
            raise refusals[0]
        sentence = f"The provenance of {one.filename} holds no attestation."
        raise Refusal(RefusalReason.SIGNATURE_MISSING, sentence, subject=one.filename)

    def _json(self, path: str, limit_bytes: int) -> Mapping[str, Any]:
        try:
            found = strict_json.loads(read_whole(self._transport, path, limit_bytes=limit_bytes))
        except FileMissing as error:
            raise missing(path, self._transport) from error
        except (ValueError, RecursionError) as error:
            raise malformed(path, f"no JSON: {error}") from error
        if not isinstance(found, dict):
            raise malformed(path, "no JSON object")
        return found

    def _adoption(
        self, files: tuple[ProvenFile, ...], listed: int, attestations: dict[str, dict[str, Any]], notes: list[str]
    ) -> KindAdoption:
        attester = self._source.attester
        how = "attested by the identity of policy" if attester else "of the pinned digests"
        return KindAdoption(
            source=self._source.name,
            kind=KIND,
            address=self._transport.address,
            judged_at=self._request.at,
            sentence=f"{count(len(files), 'file')} of {count(len(self._source.projects), 'project')} are {how}.",
            files=files,
            listed=listed,
            grounds={
                "projects": [f"{one.name}=={one.version}" for one in self._source.projects],
                "attestations": attestations,
                "identity": vars(attester.identity) if attester else None,
            },
            notes=tuple(notes),
            not_proven=("An index has no date and no signature: a newer version that it withholds is not noticed.",),
        )


def _is_of(filename: str, name: str, version: str) -> bool:
    try:
        if filename.endswith(".whl"):
            found, said = parse_wheel_filename(filename)[:2]
        else:
            found, said = parse_sdist_filename(filename)
    except (InvalidWheelFilename, InvalidSdistFilename, InvalidVersion):
        return False
    return found == name and said == Version(version)


def _bundles(provenance: Mapping[str, Any], subject: str) -> list[bytes]:
    """PEP 740 attestations as sigstore bundles: the same parts under other names."""
    try:
        return [
            json.dumps(
                {
                    "mediaType": BUNDLE,
                    "verificationMaterial": {
                        "certificate": {"rawBytes": one["verification_material"]["certificate"]},
                        "tlogEntries": one["verification_material"]["transparency_entries"],
                    },
                    "dsseEnvelope": {
                        "payload": base64.b64encode(base64.b64decode(one["envelope"]["statement"])).decode(),
                        "payloadType": IN_TOTO,
                        "signatures": [{"sig": one["envelope"]["signature"]}],
                    },
                }
            ).encode()
            for group in provenance["attestation_bundles"]
            for one in group["attestations"]
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise malformed(subject, f"its provenance is not as PEP 740 has it: {error!r}") from error
