"""Whether a CSAF document is the provider's: its hash file, and the signature of a pinned key.

The rules:

1. A document without a hash file is refused, and so is one whose SHA-512 or SHA-256 differs, or whose hash file names
   another file or holds no such hash. The first hash file that is there decides.
2. Where policy pins keys, a document without a signature, with a bad one, or by another key is refused.
3. Of a file that is loaded by hand, the hash file that lies beside it must fit, and where policy pins keys its signature
   must lie there too and be good. Without either a file is taken at the word of who loads it. What lies beside a packed
   file (.gz) is of its bytes as they lie there. What cannot be looked at is refused: it does not count as not there.
4. Nothing lies beside what is no file of its own (an archive's member, a pipe): nothing is opened by its name, and where
   policy pins keys it is refused.
5. The keys come from policy. What provider-metadata.json says of keys is the provider's own word and proves nothing.
"""

from __future__ import annotations

import errno
import hashlib
import re
import stat
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from suture.feeds.errors import FeedRefusedError, FeedUnreachableError
from suture.feeds.feed_source import FeedSource
from suture.feeds.fetch import Fetched, Fetcher, bounded_gunzip
from suture.feeds.sources.csaf_provider.listing import Listed
from suture.sourcing.proof import DetachedProof, Refusal

_LINE = re.compile(r"([0-9A-Fa-f]{64}|[0-9A-Fa-f]{128})(?:[ \t]+\*?([^\s/]+))?")
_GZIP = b"\x1f\x8b"


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
        if not _is_file(path):
            if signed is None:
                return
            raise UnprovenError(
                "policy pins its keys, and no signature (.asc) is looked for within an archive or a pipe: "
                "unpack it first, and load the folder"
            )
        content = _as_it_lies(path, content, source)
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


def _is_file(path: Path) -> bool:
    """Whether a regular file is called so; what an archive's member is called (unpack.py) is no path. Raises UnprovenError when
    that cannot be told."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:  # of an archive and its member: no file has such a name
            return False
        raise UnprovenError(f"it cannot be told what lies beside it: {error.strerror}") from error


def _as_it_lies(path: Path, content: bytes, source: FeedSource) -> bytes:
    """The bytes that a hash or a signature beside the file is of: its content, or what that was inflated from. Raises
    UnprovenError when the file cannot be read again, or holds other content by now."""
    try:
        with path.open("rb") as stream:
            if stream.read(2) != _GZIP:
                return content
            packed = _GZIP + stream.read(max(source.max_bytes, source.max_total_bytes))
        same = bounded_gunzip(packed, source) == content
    except OSError as error:
        raise UnprovenError(f"it cannot be read again for its proof: {error.strerror}") from error
    except (FeedRefusedError, FeedUnreachableError):
        same = False
    if not same:
        raise UnprovenError("it changed while it was loaded: load it again")
    return packed


def _beside(path: Path, suffix: str) -> bytes | None:
    """What lies there (of a signature: no more than one may have); None: nothing does. Raises UnprovenError for what lies there
    and cannot be read."""
    try:
        with path.with_name(path.name + suffix).open("rb") as stream:
            return stream.read(100_000)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UnprovenError(f"its {suffix} file cannot be read: {error.strerror}") from error


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
