"""Keeping what a proof reads: one reading for the proof and for the store, so that both are of the same bytes.

What is read whole, from its beginning, lies in a folder under its SHA-256 afterwards, whatever it was called. Nothing here is
proven: the caller takes only what the proof names by that digest, and drops the folder.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from suture.errors import SutureError
from suture.sourcing.transport import FolderTransport, HttpTransport, Transport


class KeepingError(SutureError):
    """The machine could not keep what was read (disk full, no permission): nothing is said about the source."""

    retryable = True


class Keeper:
    """Copies of what passed, by SHA-256 in lower-case hexadecimal. Safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path_of(self, sha256: str) -> Path:
        return self._folder / sha256

    def copying(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """The chunks, unchanged. Raises KeepingError where they cannot be written."""
        digest = hashlib.sha256()
        descriptor, name = tempfile.mkstemp(dir=self._folder, prefix="part-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                for chunk in chunks:
                    digest.update(chunk)
                    _write(file, chunk)
                    yield chunk
                _write(file, b"")
            Path(name).replace(self._folder / digest.hexdigest())
        finally:
            Path(name).unlink(missing_ok=True)  # broken off, or not read to its end


def _write(file: BinaryIO, chunk: bytes) -> None:
    try:
        file.write(chunk)
        if not chunk:
            file.flush()
    except OSError as error:
        raise KeepingError(
            f"What was read could not be kept: {error.strerror}.", remedy="Make room below the repository's folder; it is tried again."
        ) from error


class KeepingFolder(FolderTransport):
    def __init__(self, root: Path, keeper: Keeper) -> None:
        super().__init__(root)
        self._keeper = keeper

    def open(self, path: str, *, expected_bytes: int, offset: int = 0, size_known: bool = True) -> Iterator[bytes]:
        chunks = super().open(path, expected_bytes=expected_bytes, offset=offset, size_known=size_known)
        return chunks if offset else self._keeper.copying(chunks)


class KeepingHttp(HttpTransport):
    def __init__(self, url: str, keeper: Keeper, *, timeout_s: float = 20) -> None:
        super().__init__(url, timeout_s=timeout_s)
        self._keeper = keeper

    def with_headers(self, headers: Mapping[str, str], *, address: str | None = None) -> HttpTransport:
        other = KeepingHttp(address or self.address, self._keeper, timeout_s=self._timeout_s)
        other._session.headers.update({**self._session.headers, **headers})
        return other

    def open(self, path: str, *, expected_bytes: int, offset: int = 0, size_known: bool = True) -> Iterator[bytes]:
        chunks = super().open(path, expected_bytes=expected_bytes, offset=offset, size_known=size_known)
        return chunks if offset else self._keeper.copying(chunks)


def keeping_transport(address: str, keeper: Keeper, *, timeout_s: float = 20) -> Transport:
    """As transport_for, with a copy of all that is read."""
    if address.startswith(("http://", "https://")):
        return KeepingHttp(address, keeper, timeout_s=timeout_s)
    return KeepingFolder(Path(address.removeprefix("file://")), keeper)
