"""Whether a CSAF document is the provider's: its hash file, and the signature of a pinned key.

The rules:

1. A document without a hash file is refused, and so is one whose SHA-512 or SHA-256 differs, or whose hash file names
   another file or holds no such hash. The first hash file that is there decides.
2. Where policy pins keys, a document without a signature, with a bad one, or by another key is refused.
3. Of a file that is loaded by hand, the hash file that lies beside it must fit, and where policy pins keys its signature
   must lie there too and be good. Without either a file is taken at the word of who loads it.
4. The keys come from policy. What provider-metadata.json says of keys is the provider's own word and proves nothing.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from suture.feeds.feed_source import FeedSource
from suture.feeds.fetch import Fetched, Fetcher
from suture.feeds.sources.csaf_provider.listing import Listed
from suture.sourcing.proof import DetachedProof, Refusal

_LINE = re.compile(r"([0-9A-Fa-f]{64}|[0-9A-Fa-f]{128})(?:[ \t]+\*?([^\s/]+))?")


class UnprovenError(ValueError):
    """A document that is not proven; the sentence says why."""


class Prover:
    """Checks documents as policy asks."""

    def __init__(self, source: FeedSource, fetcher: Fetcher) -> None:
        """Raises BadInputError for a keyring that cannot be read."""
        self._fetcher = fetcher
        self._signed = None if source.unsigned else DetachedProof(source.keyrings, source.fingerprints)

    def require(self, listed: Listed, content: bytes, *, now: datetime) -> None:
        """Raises UnprovenError, and FeedUnreachableError or FeedRefusedError for what cannot be fetched."""
        self._hash(listed, content)
        if self._signed is None:
            return
        answer = self._fetcher.fetch(listed.signature)
        if not isinstance(answer, Fetched):
            raise UnprovenError("it has no signature file")
        try:
            self._signed.require(content, answer.content, at=now, subject=listed.file_name)
        except Refusal as refusal:
            raise UnprovenError(f"{refusal.reason.value}: {refusal.sentence.rstrip('.')}") from refusal

    def _hash(self, listed: Listed, content: bytes) -> None:
        for address in listed.hashes:
            answer = self._fetcher.fetch(address)
            if isinstance(answer, Fetched):
                return require_hash(answer.content, content, file_name=listed.file_name, address=address)
        raise UnprovenError("it has no hash file (.sha512 or .sha256)")


def beside(source: FeedSource, now: datetime) -> Callable[[str, bytes], None]:
    """What is asked of files that are loaded by hand (rule 3). It raises UnprovenError; this raises BadInputError for a keyring
    that cannot be read."""
    signed = DetachedProof(source.keyrings, source.fingerprints) if source.fingerprints else None

    def require(place: str, content: bytes) -> None:
        path = Path(place)
        for suffix in (".sha512", ".sha256"):
            if (found := _beside(path, suffix)) is not None:
                require_hash(found, content, file_name=path.name, address=suffix)
                break
        if signed is None:
            return
        signature = _beside(path, ".asc")
        if signature is None:
            raise UnprovenError("policy pins its keys, and no signature (.asc) lies beside it")
        try:
            signed.require(content, signature, at=now, subject=path.name)
        except Refusal as refusal:
            raise UnprovenError(f"{refusal.reason.value}: {refusal.sentence.rstrip('.')}") from refusal

    return require


def _beside(path: Path, suffix: str) -> bytes | None:
    """What lies there (of a signature: no more than one may have); None: nothing does."""
    try:
        with path.with_name(path.name + suffix).open("rb") as stream:
            return stream.read(100_000)
    except (OSError, ValueError):
        return None


def require_hash(hash_file: bytes, content: bytes, *, file_name: str, address: str) -> None:
    """Raises UnprovenError unless the hash file (`<hex>  <name>`, as sha512sum writes it) is this content's."""
    found = _LINE.fullmatch(hash_file[:1000].decode("ascii", "replace").strip())
    if found is None:
        raise UnprovenError("its hash file holds no single SHA-256 or SHA-512")
    value, name = found.groups()
    if name is not None and name != file_name:
        raise UnprovenError(f"its hash file is of another file ({name[:80]})")
    digest = hashlib.sha512(content) if len(value) == 128 else hashlib.sha256(content)
    if address.endswith(".sha512") and len(value) != 128:
        raise UnprovenError("its .sha512 file holds a shorter hash")
    if digest.hexdigest() != value.lower():
        raise UnprovenError(f"its {digest.name.upper()} is not the one that the provider publishes")
