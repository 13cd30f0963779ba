"""Images by digest, from an OCI image layout (a folder) or a registry (distribution API v2).

The rules, in the order in which they are checked:

1. The manifest (or index) has exactly the pinned digest. Tags are not asked for: they can be moved.
2. An index leads to the manifests of the platforms asked for; each manifest's configuration and layers are read, and each
   has the size and digest that the manifest gives. Only sha256 and sha512 count. Depth and number are bounded.
3. Where policy names an identity, a sigstore bundle is attached (a referrer) whose statement, by that identity, is about
   the pinned digest.
4. A registry that wants a token gets one from its own host only; a password is sent there and nowhere else.

By a pinned digest the image is the one that was reviewed; whether a newer one exists is not asked here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from suture.errors import BadInputError
from suture.sourcing.kinds import strict_json
from suture.sourcing.kinds.attested import MAX_BUNDLE_BYTES, Attestation, Attester, read_attester
from suture.sourcing.kinds.registry import authorised
from suture.sourcing.kinds.result import (
    KindAdoption,
    ProvenFile,
    Request,
    count,
    hashed,
    malformed,
    missing,
    require_digest,
    strong_name,
)
from suture.sourcing.refusal import Refusal, RefusalReason
from suture.sourcing.release import STRONG_HASHES
from suture.sourcing.transport import FileMissing, HttpTransport, Transport, read_whole

KIND = "oci"
MAX_MANIFEST_BYTES = 4 * 1024 * 1024  # as registries have it
MAX_MANIFESTS, MAX_LAYERS, MAX_REFERRERS = 64, 256, 32
WORKERS = 4
BUNDLE = "application/vnd.dev.sigstore.bundle"
_INDICES = {"application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"}
_MANIFESTS = {"application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"}
ACCEPT = ", ".join(sorted(_INDICES | _MANIFESTS))
_DIGEST = re.compile(r"(sha256|sha512):([0-9a-f]+)")


@dataclass(frozen=True)
class OciSource:
    """repository: the image's name in a registry; None for a folder. platforms: os/architecture[/variant]; (): all.
    token: the environment variable with `user:password` for the registry; None: anonymous."""

    name: str
    address: str
    digest: str
    repository: str | None = None
    platforms: tuple[str, ...] = ()
    attester: Attester | None = None
    token: str | None = None
    kind: str = KIND

    def __post_init__(self) -> None:
        if not _is_digest(self.digest):
            raise BadInputError(f"{self.digest!r} is no digest of an image (sha256:…).")

    def prove(self, transport: Transport, request: Request) -> KindAdoption:
        with _blobs(self, transport) as blobs:
            return _Proof(self, blobs, request).run()


def read(entry: Mapping[str, Any], policy_dir: Path) -> OciSource:
    """A source from its entry in sources.yaml."""
    return OciSource(
        name=entry["name"],
        address=entry["address"],
        digest=entry["digest"],
        repository=entry.get("repository"),
        platforms=tuple(entry.get("platforms", ())),
        attester=read_attester(entry, policy_dir),
        token=entry.get("token"),
    )


@dataclass(frozen=True)
class _Descriptor:
    """What a manifest says of a blob."""

    digest: str
    size: int
    media_type: str
    platform: str

    @property
    def listed(self) -> dict[str, str]:
        algorithm, _colon, digest = self.digest.partition(":")
        return {strong_name(algorithm) or "SHA256": digest}


class _Layout:
    """An image layout: blobs by digest below blobs/."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    def manifest_path(self, digest: str) -> str:
        return self.blob_path(digest)

    def blob_path(self, digest: str) -> str:
        return f"blobs/{digest.replace(':', '/')}"

    def referrers(self, digest: str) -> list[_Descriptor]:
        """Manifests of index.json whose subject is that digest."""
        listed = _descriptors(_json(self.transport, "index.json"), "manifests", "index.json", MAX_MANIFESTS)
        found = []
        for one in listed:
            with_subject = _json(self.transport, self.manifest_path(one.digest), wanted=one)
            subject = with_subject.get("subject")
            if isinstance(subject, dict) and subject.get("digest") == digest:
                found.append(one)
        return found


class _Registry(_Layout):
    """A repository of a registry."""

    def __init__(self, transport: HttpTransport, repository: str) -> None:
        super().__init__(transport)
        self._root = f"v2/{repository}"

    def manifest_path(self, digest: str) -> str:
        return f"{self._root}/manifests/{digest}"

    def blob_path(self, digest: str) -> str:
        return f"{self._root}/blobs/{digest}"

    def referrers(self, digest: str) -> list[_Descriptor]:
        """By the referrers API, or the tag that stands for it where a registry has none (OCI distribution 1.1)."""
        for path in (f"{self._root}/referrers/{digest}", self.manifest_path(digest.replace(":", "-"))):
            try:
                return _descriptors(_json(self.transport, path), "manifests", path, MAX_MANIFESTS)
            except FileMissing:
                continue
        return []


@contextmanager
def _blobs(source: OciSource, transport: Transport) -> Iterator[_Layout]:
    if not isinstance(transport, HttpTransport):
        yield _Layout(transport)
        return
    if source.repository is None:
        raise BadInputError(f"The source {source.name} names no repository of the registry.")
    password = os.environ.get(source.token, "") if source.token else ""
    if source.token and not password:
        raise BadInputError(f"The environment variable {source.token} is not set: {source.name} needs its password.")
    with authorised(transport, source.repository, password, accept=ACCEPT) as ready:
        yield _Registry(ready, source.repository)


class _Proof:
    def __init__(self, source: OciSource, blobs: _Layout, request: Request) -> None:
        self._source, self._blobs, self._request = source, blobs, request

    def run(self) -> KindAdoption:
        root = _Descriptor(self._source.digest, -1, "", "")
        try:
            manifests, layers = self._walk(root)
            files: tuple[ProvenFile, ...] = ()
            if self._request.read_files:
                with ThreadPoolExecutor(WORKERS) as pool:
                    files = tuple(pool.map(self._blob, layers.values()))
            attestation = self._attested() if self._source.attester else None
        except FileMissing as error:
            raise missing(str(error), self._blobs.transport) from error
        return self._adoption(manifests, files, len(layers), attestation)

    def _walk(self, root: _Descriptor) -> tuple[dict[str, str], dict[str, _Descriptor]]:
        """(manifest's digest → platform, blob's digest → descriptor). An index in an index is malformed."""
        document = _json(self._blobs.transport, self._blobs.manifest_path(root.digest), wanted=root)
        if not _is_index(document):
            return {root.digest: ""}, self._parts(document, root.digest)
        manifests: dict[str, str] = {}
        parts: dict[str, _Descriptor] = {}
        wanted = [
            one
            for one in _descriptors(document, "manifests", root.digest, MAX_MANIFESTS)
            if not self._source.platforms or one.platform in self._source.platforms
        ]
        absent = sorted(set(self._source.platforms) - {one.platform for one in wanted})
        if absent or not wanted:
            sentence = f"{root.digest} holds no image for {', '.join(absent) or 'any platform'}."
            raise Refusal(RefusalReason.IDENTITY_MISMATCH, sentence, subject=root.digest)
        for one in wanted:
            manifest = _json(self._blobs.transport, self._blobs.manifest_path(one.digest), wanted=one)
            if _is_index(manifest):
                raise malformed(one.digest, "an index inside an index")
            manifests[one.digest] = one.platform
            parts |= self._parts(manifest, one.digest)
        return manifests, parts

    def _parts(self, manifest: Mapping[str, Any], subject: str) -> dict[str, _Descriptor]:
        found = [_descriptor(manifest.get("config"), subject)]
        found += _descriptors(manifest, "layers", subject, MAX_LAYERS)
        return {one.digest: one for one in found}

    def _blob(self, one: _Descriptor) -> ProvenFile:
        return hashed(self._blobs.transport, self._blobs.blob_path(one.digest), one.listed, size=one.size)

    def _attested(self) -> Attestation:
        attester, digest = self._source.attester, self._source.digest
        assert attester is not None
        refusals: list[Refusal] = []
        for one in self._blobs.referrers(digest)[:MAX_REFERRERS]:
            manifest = _json(self._blobs.transport, self._blobs.manifest_path(one.digest), wanted=one)
            for layer in _descriptors(manifest, "layers", one.digest, MAX_LAYERS):
                if not layer.media_type.startswith(BUNDLE):
                    continue
                try:
                    return attester.require(
                        self._bundle(layer), digest.partition(":")[2], name=None, at=self._request.at, subject=digest
                    )
                except Refusal as refusal:
                    refusals.append(refusal)
        if refusals:
            raise refusals[0]
        sentence = f"No sigstore bundle is attached to {digest}."
        raise Refusal(RefusalReason.SIGNATURE_MISSING, sentence, subject=digest)

    def _bundle(self, layer: _Descriptor) -> bytes:
        if layer.size > MAX_BUNDLE_BYTES:
            raise malformed(layer.digest, f"an attestation of {layer.size} bytes")
        data = read_whole(self._blobs.transport, self._blobs.blob_path(layer.digest), limit_bytes=MAX_BUNDLE_BYTES)
        ((algorithm, digest),) = layer.listed.items()
        require_digest(data, algorithm, digest, subject=layer.digest)
        return data

    def _adoption(
        self, manifests: dict[str, str], files: tuple[ProvenFile, ...], listed: int, attestation: Attestation | None
    ) -> KindAdoption:
        source = self._source
        who = f", attested by {attestation.signer}" if attestation else ""
        return KindAdoption(
            source=source.name,
            kind=KIND,
            address=self._blobs.transport.address,
            judged_at=self._request.at,
            sentence=f"{source.repository or 'the image'}@{source.digest} is whole{who}: {count(len(manifests), 'manifest')},"
            f" {count(len(files), 'blob')} of {listed} match.",
            files=files,
            listed=listed,
            grounds={
                "repository": source.repository,
                "digest": source.digest,
                "manifests": manifests,
                "attestation": attestation.chain() if attestation else None,
            },
            not_proven=() if attestation else ("Nobody's signature was asked for: the digest is policy's word alone.",),
        )


def _json(transport: Transport, path: str, *, wanted: _Descriptor | None = None) -> Mapping[str, Any]:
    """A document, checked by its descriptor where there is one. Raises FileMissing, Refusal."""
    data = read_whole(transport, path, limit_bytes=MAX_MANIFEST_BYTES)
    if wanted is not None:
        if wanted.size >= 0 and len(data) != wanted.size:
            reason = RefusalReason.TRUNCATED if len(data) < wanted.size else RefusalReason.SIZE_MISMATCH
            sentence = f"{wanted.digest} is {len(data)} bytes long; its descriptor says {wanted.size}."
            raise Refusal(reason, sentence, subject=wanted.digest)
        ((algorithm, digest),) = wanted.listed.items()
        require_digest(data, algorithm, digest, subject=wanted.digest)
    try:
        found = strict_json.loads(data)
    except (ValueError, RecursionError) as error:
        raise malformed(path, f"no JSON: {error}") from error
    if not isinstance(found, dict) or found.get("schemaVersion") != 2:
        raise malformed(path, "no manifest of schema version 2")
    return found


def _is_index(document: Mapping[str, Any]) -> bool:
    """A document that could be read as both would be two images under one digest (CVE-2021-41190)."""
    both = "manifests" in document and ("layers" in document or "config" in document)
    stated = document.get("mediaType")
    is_index = "manifests" in document
    if both or (stated in _INDICES and not is_index) or (stated in _MANIFESTS and is_index):
        raise malformed("the manifest", "it could be read as an index and as an image")
    return is_index


def _descriptors(document: Mapping[str, Any], key: str, subject: str, limit_count: int) -> list[_Descriptor]:
    listed = document.get(key)
    if not isinstance(listed, list) or len(listed) > limit_count:
        raise malformed(subject, f"{key} is no list of at most {limit_count}")
    return [_descriptor(one, subject) for one in listed]


def _descriptor(one: Any, subject: str) -> _Descriptor:
    if not isinstance(one, dict) or not isinstance(one.get("digest"), str) or not isinstance(one.get("size"), int):
        raise malformed(subject, "a part of it has no digest or no size")
    digest, size = one["digest"], one["size"]
    if not _is_digest(digest):
        weak = re.fullmatch(r"(md5|sha1):[0-9a-f]+", digest)
        if weak:
            sentence = f"{subject} names a part by {weak[1]} only; it can be forged."
            raise Refusal(RefusalReason.WEAK_HASH, sentence, subject=subject)
        raise malformed(subject, f"{digest!r} is no digest")
    if size < 0 or isinstance(size, bool):
        raise malformed(subject, f"the size {size!r} of {digest} is none")
    platform = one.get("platform")
    words = (
        [str(platform.get(key, "")) for key in ("os", "architecture", "variant")] if isinstance(platform, dict) else []
    )
    return _Descriptor(digest, size, str(one.get("mediaType", "")), "/".join(filter(None, words)))


def _is_digest(digest: str) -> bool:
    match = _DIGEST.fullmatch(digest)
    return match is not None and len(match[2]) == STRONG_HASHES[match[1].upper()]
