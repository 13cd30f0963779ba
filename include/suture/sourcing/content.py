"""Is it the very file that the signed list names? Size first, then every strong digest, in one pass over the bytes.

A file that is too short is `truncated` when its own format shows that its end is missing, and `size_mismatch`
when it is whole and still not the file that was listed. Inflating is bounded by the size that the signed list
gives, or by a ratio.
"""

from __future__ import annotations

import bz2
import hashlib
import lzma
import zlib
from collections.abc import Iterable
from typing import Any, BinaryIO

import zstandard

from suture.sourcing.refusal import Refusal, RefusalReason
from suture.sourcing.release import ListedFile

PACKED_FORMS = (".xz", ".zst", ".bz2", ".lzma", ".gz")  # as archives have them (apt: also .lz4, which none publishes)
# Debian's largest index is 60 MB plain (sid, main); more than four times that is no index.
MAX_INFLATED_BYTES = 256 * 1024 * 1024
MAX_RATIO = 200  # Debian's main index inflates 8-fold; runs of one byte in the thousands
MIN_LIMIT_BYTES = 1024 * 1024
XZ_MEMORY_BYTES = 256 * 1024 * 1024
ZST_WINDOW_BYTES = 128 * 1024 * 1024  # zstd's own default limit (--long=27)
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
    """The plain index inside `data` (PACKED_FORMS by the path's suffix, or plain).

    listed_bytes: what the signed list says it inflates to. Raises Refusal: TRUNCATED, MALFORMED, SIZE_MISMATCH (more
    than listed_bytes).
    """
    limit = listed_bytes if listed_bytes is not None else max(len(data) * MAX_RATIO, MIN_LIMIT_BYTES)
    limit = min(limit, MAX_INFLATED_BYTES)
    suffix = path[path.rfind(".") :] if "." in path.rpartition("/")[2] else ""
    try:
        plain = _inflate(suffix, data, limit) if suffix in PACKED_FORMS else data
    except (lzma.LZMAError, zlib.error, zstandard.ZstdError, OSError, ValueError) as error:
        raise Refusal(RefusalReason.MALFORMED, f"{path} cannot be inflated: {error}.", subject=path) from error
    except EOFError as error:
        raise Refusal(RefusalReason.TRUNCATED, f"{path} ends in the middle of its data.", subject=path) from error
    if len(plain) > limit:
        reason = RefusalReason.SIZE_MISMATCH if limit == listed_bytes else RefusalReason.MALFORMED
        raise Refusal(reason, f"{path} inflates to more than the {limit} bytes allowed.", subject=path)
    return plain


class _Zlib:
    """zlib's gzip reader with the interface of the others."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(zlib.MAX_WBITS | 16)

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._inner.decompress(data, max_length)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data


def _reader(suffix: str) -> Any:
    """A reader of one stream: decompress(data, max_length), eof, unused_data."""
    if suffix == ".xz":
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY_BYTES)
    if suffix == ".lzma":
        return lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=XZ_MEMORY_BYTES)
    return bz2.BZ2Decompressor() if suffix == ".bz2" else _Zlib()


def _inflate(suffix: str, data: bytes, limit: int) -> bytes:
    """At most limit + 1 bytes. Raises EOFError when the data ends inside a stream."""
    if suffix == ".zst":
        return _inflate_zst(data, limit)
    plain = bytearray()
    if not data:
        raise EOFError
    while data:
        stream = _reader(suffix)
        plain += stream.decompress(data, limit + 1 - len(plain))
        if len(plain) > limit:
            break
        if not stream.eof:
            raise EOFError
        data = stream.unused_data
        if suffix == ".xz":
            data = data.lstrip(b"\x00")  # streams may be padded
    return bytes(plain)


def _inflate_zst(data: bytes, limit: int) -> bytes:
    """Frame after frame. The reader does not say whether its last frame ended, so the frame is read again to its end."""
    context = zstandard.ZstdDecompressor(max_window_size=ZST_WINDOW_BYTES)
    with context.stream_reader(data, read_across_frames=True) as reader:
        plain = bytes(reader.read(limit + 1))
    if len(plain) <= limit:
        rest = data
        while rest:
            frame = context.decompressobj()
            frame.decompress(rest)
            if not frame.eof:
                raise EOFError
            rest = frame.unused_data
    return plain


def _index_is_cut(path: str, data: bytes) -> bool:
    if not data:
        return True
    if not path.endswith(PACKED_FORMS):
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
