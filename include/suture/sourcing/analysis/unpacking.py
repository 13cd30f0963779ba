"""Compressed bytes as one bounded stream that can only be read forwards: gz, xz, lzma, bz2, zst, or plain.

Nothing is inflated that nobody reads; each read counts, and the stream stops at the first byte over a limit. What the compressor
itself can tell is told: a stream that ends early (TRUNCATED), bytes after its end (TRAILING_DATA), a checksum that fails (DAMAGED).
"""

from __future__ import annotations

import bz2
import io
import lzma
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

import zstandard

from suture.sourcing.analysis.unreadable import Fault, Limits, PackageUnreadable

COMPRESSIONS = ("", ".gz", ".xz", ".zst", ".bz2", ".lzma")
_BLOCK = 256 * 1024


class Section(io.RawIOBase):
    """`length` bytes of a file from `start`, as a file of their own. The file must be used by nobody else meanwhile."""

    def __init__(self, file: BinaryIO, start: int, length: int) -> None:
        super().__init__()
        self._file, self._left = file, length
        file.seek(start)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(min(len(buffer), self._left))
        self._left -= len(data)
        buffer[: len(data)] = data
        return len(data)


class Unpacked:
    """The plain bytes of a section. `read`, `tell` and forward `seek` are what tarfile needs of a file.

    last: what the last read gave (a tar header is read alone). ended: its end was reached.
    """

    def __init__(
        self, source: Section, compression: str, packed_bytes: int, *, limits: Limits, file: str, member: str, most: int
    ) -> None:
        self._blocks = _blocks(source, compression, limits)
        self._packed, self._limits, self._most = packed_bytes, limits, most
        self._file, self._member = file, member
        self._buffer = memoryview(b"")
        self._position = 0
        self.last = b""
        self.ended = False

    def read(self, wanted: int) -> bytes:
        """`wanted` bytes, fewer only at the end. Raises PackageUnreadable."""
        parts: list[bytes | memoryview] = []
        while wanted > 0 and (self._buffer or self._fill()):
            part = self._buffer[:wanted]
            self._buffer = self._buffer[len(part) :]
            wanted -= len(part)
            parts.append(part)
        self.last = b"".join(parts)
        self._position += len(self.last)
        self._check()
        return self.last

    def tell(self) -> int:
        return self._position

    def seek(self, position: int) -> int:
        """Forward only."""
        if position < self._position:
            raise self.unreadable(Fault.DAMAGED, "its headers point backwards")
        while self._position < position and self.read(min(_BLOCK, position - self._position)):
            pass
        return self._position

    def unreadable(self, fault: Fault, why: str, member: str = "") -> PackageUnreadable:
        return PackageUnreadable(fault, why, file=self._file, member=member or self._member)

    def _fill(self) -> bool:
        try:
            self._buffer = memoryview(next(self._blocks))
        except StopIteration:
            self.ended = True
        except EOFError:
            self.ended = True
            raise self.unreadable(Fault.TRUNCATED, "it breaks off in the middle of its data") from None
        except _TrailingData:
            raise self.unreadable(Fault.TRAILING_DATA, "bytes follow the end of its compressed data") from None
        except (lzma.LZMAError, zlib.error, zstandard.ZstdError, OSError, ValueError, MemoryError) as error:
            raise self.unreadable(Fault.DAMAGED, f"it cannot be inflated ({error})") from error
        return not self.ended

    def _check(self) -> None:
        if self._position > self._most:
            raise self.unreadable(Fault.TOO_LARGE, f"it unpacks to more than the {self._most} bytes allowed")
        if self._position > max(self._limits.ratio_free_bytes, self._packed * self._limits.ratio):
            raise self.unreadable(Fault.BOMB, f"it unpacks to more than {self._limits.ratio} times its size")


class _TrailingData(Exception):
    """Bytes after the end of the compressed data."""


def _blocks(source: Section, compression: str, limits: Limits) -> Iterator[bytes]:
    """Plain blocks of at most _BLOCK bytes. Raises EOFError, _TrailingData, and what the libraries raise."""
    if compression == "":
        while block := source.read(_BLOCK):
            yield block
    elif compression == ".zst":
        yield from _zstd(source, limits)
    elif compression == ".gz":
        yield from _gzip(source)
    else:
        yield from _whole_streams(source, compression, limits)


def _gzip(source: Section) -> Iterator[bytes]:
    data = source.read(_BLOCK) or b""
    while data:
        stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
        while not stream.eof:
            if not data and not (data := source.read(_BLOCK) or b""):
                raise EOFError
            block = stream.decompress(data, _BLOCK)
            data = stream.unconsumed_tail
            if block:
                yield block
        data = _next_stream(stream.unused_data, source, b"\x1f\x8b")


def _whole_streams(source: Section, compression: str, limits: Limits) -> Iterator[bytes]:
    magic = {".xz": b"\xfd7zXZ", ".bz2": b"BZh", ".lzma": b"]\x00\x00"}[compression]
    data = source.read(_BLOCK) or b""
    while data:
        stream: Any
        if compression == ".bz2":
            stream = bz2.BZ2Decompressor()
        else:
            form = lzma.FORMAT_XZ if compression == ".xz" else lzma.FORMAT_ALONE
            stream = lzma.LZMADecompressor(form, memlimit=limits.xz_memory_bytes)
        while not stream.eof:
            if stream.needs_input and not data and not (data := source.read(_BLOCK) or b""):
                raise EOFError
            block = stream.decompress(data, _BLOCK)
            data = b""
            if block:
                yield block
        data = _next_stream(stream.unused_data, source, magic)


def _next_stream(unused: bytes, source: Section, magic: bytes) -> bytes:
    """What follows a stream's end: b'' at the end of the section, else another stream, which all of these formats allow."""
    data = unused or source.read(_BLOCK) or b""
    if data and not data.startswith(magic):
        raise _TrailingData
    return data


def _zstd(source: Section, limits: Limits) -> Iterator[bytes]:
    decompressor = zstandard.ZstdDecompressor(max_window_size=limits.zstd_window_bytes)
    # Its reader tells no cut stream from a whole one: the tar's own end mark does.
    with decompressor.stream_reader(source, read_across_frames=True, closefd=False) as reader:  # type: ignore[arg-type]
        while block := reader.read(_BLOCK):
            yield block
