"""What every kind of source ends in: an adoption with the files that were proven, or a Refusal out of the same reasons."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from suture.sourcing.refusal import Refusal, RefusalReason
from suture.sourcing.release import STRONG_HASHES
from suture.sourcing.transport import FileMissing, Transport

MAX_FUTURE = timedelta(seconds=10)  # as for Release files
MAX_FILE_BYTES = 2 * 1024**3  # of a file whose size nothing signed tells


@dataclass(frozen=True)
class ProvenFile:
    """A file that was read whole and matched. name, version: of what it is, '' where the kind does not say."""

    path: str
    size: int
    sha256: str
    name: str = ""
    version: str = ""


@dataclass(frozen=True)
class KindAdoption:
    """What was proven.

    listed: how many files the signed list names. grounds: the kind's own part of the chain, JSON values. not_proven: what
    this kind, as it is set up, cannot prove, one sentence each.
    """

    source: str
    kind: str
    address: str
    judged_at: datetime
    sentence: str
    files: tuple[ProvenFile, ...]
    listed: int
    grounds: Mapping[str, Any]
    alarms: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    not_proven: tuple[str, ...] = field(default=())

    def chain(self) -> dict[str, Any]:
        """The proof as JSON, for evidence."""
        return {
            "source": self.source,
            "kind": self.kind,
            "address": self.address,
            "judged_at": self.judged_at.astimezone(UTC).isoformat(),
            **self.grounds,
            "alarms": list(self.alarms),
            "notes": list(self.notes),
            "not_proven": list(self.not_proven),
            "files": [
                {"path": f.path, "size": f.size, "sha256": f.sha256}
                | ({"package": f.name, "version": f.version} if f.name else {})
                for f in self.files
            ],
        }


@dataclass(frozen=True)
class Request:
    """What a caller wants proven. at: the clock to judge by. state: folder of what was seen before; None: no memory.

    names: of the files or packages to read; (): all. read_files: False proves the lists only. identity: by what name the
    source is remembered; None: its own. (Not its key's: a replay may be signed by the key before.)
    """

    at: datetime
    state: Path | None = None
    names: tuple[str, ...] = ()
    read_files: bool = True
    identity: str | None = None


class KindSource(Protocol):
    """A source of some kind: what is expected of it, and how it is proven."""

    name: str
    kind: str
    address: str

    def prove(self, transport: Transport, request: Request) -> KindAdoption:
        """Raises Refusal, BadInputError (keys or state that cannot be read)."""


def require_time(made: datetime, max_age: timedelta, *, at: datetime, subject: str) -> None:
    """Raises Refusal: NOT_YET_VALID, EXPIRED."""
    if made > at + MAX_FUTURE:
        sentence = f"{subject} is dated {stamp(made)}, which is later than {stamp(at)}."
        raise Refusal(RefusalReason.NOT_YET_VALID, sentence, subject=subject)
    if at - made >= max_age:
        days = (at - made).total_seconds() / 86400
        sentence = f"{subject} is of {stamp(made)}, {days:.1f} days old; it may be {max_age.total_seconds() / 86400:g}."
        raise Refusal(RefusalReason.EXPIRED, sentence, subject=subject)


def hashed(
    transport: Transport,
    path: str,
    digests: Mapping[str, str],
    *,
    size: int | None = None,
    limit_bytes: int = MAX_FILE_BYTES,
    sink: BinaryIO | None = None,
) -> ProvenFile:
    """Read a file (into `sink`) and check it by its strong digests (by algorithm, lower-case hexadecimal) and known size.

    Raises Refusal: SIZE_MISMATCH, TRUNCATED, HASH_MISMATCH, UNREACHABLE.
    """
    hashes = {name: hashlib.new(name) for name in sorted({"SHA256", *digests})}
    length, limit = 0, limit_bytes if size is None else size
    try:
        for chunk in transport.open(path, expected_bytes=limit, size_known=size is not None):
            length += len(chunk)
            if length > limit:
                sentence = (
                    f"{path} is longer than the {limit} bytes {'allowed' if size is None else 'that were signed for'}."
                )
                raise Refusal(RefusalReason.SIZE_MISMATCH, sentence, subject=path)
            for hasher in hashes.values():
                hasher.update(chunk)
            if sink is not None:
                sink.write(chunk)
    except FileMissing as error:
        raise missing(path, transport) from error
    if size is not None and length < size:
        sentence = f"{path} breaks off after {length} of {size} bytes."
        raise Refusal(RefusalReason.TRUNCATED, sentence, subject=path)
    for name, digest in digests.items():
        found = hashes[name].hexdigest()
        if found != digest:
            raise mismatch(path, name, found, digest)
    return ProvenFile(path, length, hashes["SHA256"].hexdigest())


def require_digest(data: bytes, algorithm: str, digest: str, *, subject: str) -> None:
    """Raises Refusal: HASH_MISMATCH. algorithm: one of STRONG_HASHES."""
    found = hashlib.new(algorithm, data).hexdigest()
    if found != digest:
        raise mismatch(subject, algorithm, found, digest)


def strong_name(algorithm: str) -> str | None:
    """SHA256 for sha256, sha-256 …; None for an algorithm that proves nothing, or that is not known."""
    plain = algorithm.upper().replace("-", "")
    return plain if plain in STRONG_HASHES else None


def mismatch(path: str, algorithm: str, found: str, listed: str) -> Refusal:
    sentence = f"{path} is not the file that was signed for: its {algorithm} is {found[:16]}…, the signed list says {listed[:16]}…."
    return Refusal(RefusalReason.HASH_MISMATCH, sentence, subject=path)


def missing(path: str, transport: Transport) -> Refusal:
    return Refusal(RefusalReason.UNREACHABLE, f"{transport.address} does not have {path}.", subject=path)


def malformed(subject: str, why: str) -> Refusal:
    return Refusal(RefusalReason.MALFORMED, f"{subject} cannot be read: {why}.", subject=subject)


def count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def choose(available: Iterable[str], wanted: Iterable[str], *, subject: str) -> list[str]:
    """The wanted names, all of the available ones where none is wanted. Raises Refusal: a wanted one is not signed for."""
    known = list(available)
    for name in wanted:
        if name not in known:
            raise Refusal(RefusalReason.UNREACHABLE, f"{subject} lists no {name}.", subject=name)
    return list(wanted) or known


def stamp(when: datetime) -> str:
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
