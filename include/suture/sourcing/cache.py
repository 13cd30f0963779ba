"""Proven files (packages, their SBOMs) by their digest: downloaded once, several at a time, resumed where a download broke off.

A file lies at <root>/sha256/<two digits>/<digest> only after it was proven; until then it is `<digest>.part`. What lies
there is proven again each time it is asked for: a disk can change a file as well as an attacker can.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from suture.sourcing.content import verify_stream
from suture.sourcing.packages import BinaryPackage
from suture.sourcing.refusal import Refusal, RefusalReason
from suture.sourcing.release import ListedFile
from suture.sourcing.transport import CHUNK_BYTES, FileMissing, Transport

DOWNLOADS_AT_ONCE = 4
_TRIES = 3
_MAY_PASS = {RefusalReason.UNREACHABLE, RefusalReason.TRUNCATED}


@dataclass(frozen=True)
class CachedFile:
    """A proven package file, and where it lies."""

    package: BinaryPackage
    sha256: str
    path: Path


class FileCache:
    """Safe to use from several processes: a finished file appears by rename, and all writers write the same bytes."""

    def __init__(self, root: Path) -> None:
        self._root = root / "sha256"

    def fetch_all(self, transport: Transport, packages: Sequence[BinaryPackage]) -> tuple[CachedFile, ...]:
        """Every package's file, proven, in the order given. Raises the first Refusal; finished files stay."""
        with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
            futures = [pool.submit(self.fetch, transport, package) for package in packages]
            try:
                return tuple(future.result() for future in futures)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def fetch(self, transport: Transport, package: BinaryPackage) -> CachedFile:
        """One package's file. Raises Refusal."""
        sha256, path = self.fetch_listed(transport, package.listed())
        return CachedFile(package, sha256, path)

    def fetch_listed(self, transport: Transport, listed: ListedFile) -> tuple[str, Path]:
        """(SHA-256, where it lies) of any file that a signed list names with a strong digest. Raises Refusal."""
        # Named by the listed digest: the file's SHA-256 is known only afterwards where an index gives SHA-512 alone.
        name = listed.digests.get("SHA256") or hashlib.sha256(listed.digests["SHA512"].encode()).hexdigest()
        path = self._root / name[:2] / name
        if path.exists():
            try:
                return verify_stream(listed, _read(path)), path
            except Refusal:
                path.unlink(missing_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        for attempt in range(1, _TRIES + 1):
            try:
                sha256 = self._download(transport, listed, part)
            except Refusal as refusal:
                if refusal.reason not in _MAY_PASS:
                    part.unlink(missing_ok=True)
                if attempt == _TRIES or (refusal.reason not in _MAY_PASS and attempt > 1):
                    raise
                continue
            part.replace(path)
            return sha256, path
        raise AssertionError("the last try returns or raises")

    def _download(self, transport: Transport, listed: ListedFile, part: Path) -> str:
        have = part.stat().st_size if part.exists() else 0
        if have >= listed.size:
            part.unlink(missing_ok=True)
            have = 0
        try:
            rest = transport.open(listed.path, expected_bytes=listed.size, offset=have)
            with part.open("ab") as sink:
                # What is there already is hashed, what is new is written too.
                return verify_stream(listed, chain(_read(part, have), _kept(rest, sink)))
        except FileMissing as error:
            sentence = f"{listed.path} is listed and signed, but {transport.address} does not have it."
            raise Refusal(RefusalReason.UNREACHABLE, sentence, subject=listed.path) from error
        except Refusal as refusal:
            if have and refusal.reason is RefusalReason.UNREACHABLE:
                part.unlink(missing_ok=True)  # perhaps a server that cannot resume: the next try starts anew
            raise


def _kept(chunks: Iterator[bytes], sink: BinaryIO) -> Iterator[bytes]:
    """Passes chunks on after writing them, so that a download that breaks off can be resumed."""
    for data in chunks:
        sink.write(data)
        yield data


def _read(path: Path, length: int | None = None) -> Iterator[bytes]:
    """The first `length` bytes of a file (None: all)."""
    remaining = length
    with path.open("rb") as file:
        while data := file.read(CHUNK_BYTES if remaining is None else min(CHUNK_BYTES, remaining)):
            yield data
            if remaining is not None:
                remaining -= len(data)
