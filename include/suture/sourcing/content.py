"""Is it the very file that the signed list names? Size first, then every strong digest, in one pass over the bytes.

A file that is too short is `truncated` when its own format shows that its end is missing, and `size_mismatch`
when it is whole and still not the file that was listed. Inflating is bounded by the size that the signed list
gives, or by a ratio.
"""

from __future__ import annotations

import hashlib
import lzma
import zlib
from collections.abc import Iterable
from typing import Any, BinaryIO

from suture.sourcing.refusal import Refusal, RefusalReason
from suture.sourcing.release import ListedFile

MAX_INFLATED_BYTES = 512 * 1024 * 1024
MAX_RATIO = 200  # Debian's main index inflates 8-fold; runs of one byte in the thousands
MIN_LIMIT_BYTES = 1024 * 1024
XZ_MEMORY_BYTES = 256 * 1024 * 1024
_AR_MAGIC = b"!<arch>\n"
_AR_HEADER_BYTES = 60


def verify_stream(listed: ListedFile, chunks: Iterable[bytes], *, sink: BinaryIO | None = None) -> str:
    """Check a package file as it flows by, writing it to `sink`; its SHA-256. Raises Refusal.

    Stops at the first byte too many.
    """
    hashes = _hashers(listed)
    walk = _ArWalk()
    length = 0
    for chunk in chunks:
        length += len(chunk)
        if length > listed.size:
            raise _too_long(listed)
        for hasher in hashes.values():
            hasher.update(chunk)
        walk.feed(chunk)
        if sink is not None:
            sink.write(chunk)
    if length < listed.size:
        raise _too_short(listed, length, cut=walk.cut)
    _compare(listed, hashes)
    return str(hashes["SHA256"].hexdigest())


def verify_index(listed: ListedFile, data: bytes) -> str:
    """Check an index in memory; its SHA-256. Raises Refusal."""
    if len(data) > listed.size:
        raise _too_long(listed)
    if len(data) < listed.size:
        raise _too_short(listed, len(data), cut=_index_is_cut(listed.path, data))
    hashes = _hashers(listed)
    for hasher in hashes.values():
        hasher.update(data)
    _compare(listed, hashes)
    return str(hashes["SHA256"].hexdigest())


def inflate(path: str, data: bytes, *, listed_bytes: int | None) -> bytes:
    """The plain index inside `data` (.xz, .gz, or plain). listed_bytes: what the signed list says it inflates to.

    Raises Refusal: TRUNCATED, MALFORMED, SIZE_MISMATCH (more than listed_bytes).
    """
    limit = listed_bytes if listed_bytes is not None else max(len(data) * MAX_RATIO, MIN_LIMIT_BYTES)
    limit = min(limit, MAX_INFLATED_BYTES)
    try:
        if path.endswith(".xz"):
            plain = _inflate_xz(data, limit)
        elif path.endswith(".gz"):
            plain = _inflate_gz(data, limit)
        else:
            plain = data
    except (lzma.LZMAError, zlib.error) as error:
        raise Refusal(RefusalReason.MALFORMED, f"{path} cannot be inflated: {error}.", subject=path) from error
    except EOFError as error:
        raise Refusal(RefusalReason.TRUNCATED, f"{path} ends in the middle of its data.", subject=path) from error
    if len(plain) > limit:
        reason = RefusalReason.SIZE_MISMATCH if limit == listed_bytes else RefusalReason.MALFORMED
        raise Refusal(reason, f"{path} inflates to more than the {limit} bytes allowed.", subject=path)
    return plain


def _inflate_xz(data: bytes, limit: int) -> bytes:
    plain = bytearray()
    while data:
        stream = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY_BYTES)
        plain += stream.decompress(data, limit + 1 - len(plain))
        if len(plain) > limit:
            break
        if not stream.eof:
            raise EOFError
        data = stream.unused_data.lstrip(b"\x00")  # streams may be padded
    return bytes(plain)


def _inflate_gz(data: bytes, limit: int) -> bytes:
    plain = bytearray()
    while data:
        stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
        plain += stream.decompress(data, limit + 1 - len(plain))
        if len(plain) > limit:
            break
        if not stream.eof:
            raise EOFError
        data = stream.unused_data
    return bytes(plain)


def _index_is_cut(path: str, data: bytes) -> bool:
    if not data:
        return True
    if not path.endswith((".xz", ".gz")):
        return not data.endswith(b"\n")
    try:
        inflate(path, data, listed_bytes=None)
    except Refusal as refusal:
        return refusal.reason is RefusalReason.TRUNCATED
    return False


class _ArWalk:
    """Follows the members of an ar archive (a .deb) as its bytes flow by, to tell a cut file from a whole one."""

    def __init__(self) -> None:
        self._position = 0
        self._next_header = len(_AR_MAGIC)
        self._header = b""
        self._magic = b""
        self._is_ar = True

    def feed(self, chunk: bytes) -> None:
        if self._position < len(_AR_MAGIC):
            self._magic += chunk[: len(_AR_MAGIC) - self._position]
            self._is_ar = _AR_MAGIC.startswith(self._magic)
        end = self._position + len(chunk)
        while self._is_ar and self._next_header < end:
            start = max(self._next_header + len(self._header), self._position)
            missing = _AR_HEADER_BYTES - len(self._header)
            self._header += chunk[start - self._position : start - self._position + missing]
            if len(self._header) < _AR_HEADER_BYTES:
                break
            size = self._header[48:58].strip()
            if not size.isdigit():
                self._is_ar = False
                break
            self._next_header += _AR_HEADER_BYTES + int(size) + int(size) % 2
            self._header = b""
        self._position = end

    @property
    def cut(self) -> bool:
        if self._position <= len(_AR_MAGIC):
            return True
        return self._is_ar and (self._next_header > self._position or bool(self._header))


def _hashers(listed: ListedFile) -> dict[str, Any]:
    return {name: hashlib.new(name) for name in sorted({"SHA256", *listed.digests})}


def _compare(listed: ListedFile, hashes: dict[str, Any]) -> None:
    for algorithm, digest in listed.digests.items():
        found = hashes[algorithm].hexdigest()
        if found != digest:
            raise Refusal(
                RefusalReason.HASH_MISMATCH,
                f"{listed.path} is not the file that was signed for: its {algorithm} is {found[:16]}…,"
                f" the signed list says {digest[:16]}….",
                subject=listed.path,
            )


def _too_long(listed: ListedFile) -> Refusal:
    return Refusal(
        RefusalReason.SIZE_MISMATCH,
        f"{listed.path} is longer than the {listed.size} bytes that the signed list gives.",
        subject=listed.path,
    )


def _too_short(listed: ListedFile, length: int, *, cut: bool) -> Refusal:
    if cut:
        sentence = f"{listed.path} breaks off after {length} of {listed.size} bytes."
        return Refusal(RefusalReason.TRUNCATED, sentence, subject=listed.path)
    sentence = f"{listed.path} is {length} bytes long; the signed list says {listed.size}."
    return Refusal(RefusalReason.SIZE_MISMATCH, sentence, subject=listed.path)
