"""A TUF repository (The Update Framework): python-tuf walks the roles, from a pinned root; Suture owns limits and judgement.

The rules, in the order in which they are checked:

1. root: from the pinned root.json, version by version, each signed by the threshold of the one before and of itself.
2. timestamp, snapshot, targets: signed by the keys that root gives, not expired at the time we judge by, no version lower
   than the one seen before; snapshot and targets are those that timestamp and snapshot name (no mix of two states).
3. Each target asked for has the size and the strong digests that its role gives, and a path inside the repository.

What was seen lies in the state folder: tuf's own files, and beside them our memory of the newest timestamp, since tuf takes
a damaged file of its own for none at all, and a replay would come in there.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tuf.api import exceptions
from tuf.api.metadata import TargetFile  # type: ignore[attr-defined]  # exported, not in its __all__
from tuf.ngclient.config import UpdaterConfig
from tuf.ngclient.fetcher import FetcherInterface
from tuf.ngclient.updater import Updater

from suture.errors import BadInputError
from suture.sourcing.keyring import ALARM_BEFORE
from suture.sourcing.kinds import strict_json
from suture.sourcing.kinds.memory import Memory
from suture.sourcing.kinds.result import (
    KindAdoption,
    ProvenFile,
    Request,
    choose,
    count,
    hashed,
    malformed,
    stamp,
    strong_name,
)
from suture.sourcing.refusal import Refusal, RefusalReason
from suture.sourcing.release import is_safe_path
from suture.sourcing.transport import FileMissing, Transport

KIND = "tuf"
MAX_ROOT_BYTES = 512_000  # tuf's own default for a root
MAX_METADATA_BYTES = 5_000_000
_BASE = "repository:/"


@dataclass(frozen=True)
class TufSource:
    """root: the file of the pinned root. metadata, targets: folders below the address. files: wanted; () all."""

    name: str
    address: str
    root: Path
    metadata: str = "metadata"
    targets: str = "targets"
    files: tuple[str, ...] = ()
    kind: str = KIND

    def prove(self, transport: Transport, request: Request) -> KindAdoption:
        return _Proof(self, transport, request).run()


def read(entry: Mapping[str, Any], policy_dir: Path) -> TufSource:
    """A source from its entry in sources.yaml."""
    return TufSource(
        name=entry["name"],
        address=entry["address"],
        root=policy_dir / entry["root"],
        metadata=entry.get("metadata", "metadata"),
        targets=entry.get("targets", "targets"),
        files=tuple(entry.get("files", ())),
    )


class _Fetcher(FetcherInterface):
    """tuf's way to its metadata, through our transport: its limits and deadlines hold. Remembers what came last.

    Metadata that two clients could read in two ways (a key twice, NaN) is refused before tuf reads it: tuf takes the last of two
    equal keys, and checks the signature over what it took.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.last_path = ""
        self.last = b""

    def _fetch(self, url: str) -> Iterator[bytes]:
        path = url.removeprefix(_BASE)
        self.last_path, self.last = path, b""
        if not is_safe_path(path):
            raise malformed(path, "the path leaves the repository's folder")
        try:
            for chunk in self._transport.open(path, expected_bytes=MAX_METADATA_BYTES, size_known=False):
                self.last += chunk
                yield chunk
            _require_one_reading(path, self.last)
        except FileMissing as error:
            raise exceptions.DownloadHTTPError(f"There is no {path}.", 404) from error


def _require_one_reading(path: str, data: bytes) -> None:
    """Raises Refusal (MALFORMED)."""
    try:
        strict_json.loads(data)
    except (ValueError, RecursionError) as error:
        raise malformed(path, f"{error}") from error


class _Proof:
    def __init__(self, source: TufSource, transport: Transport, request: Request) -> None:
        self._source, self._transport, self._request = source, transport, request
        self._fetcher = _Fetcher(transport)

    def run(self) -> KindAdoption:
        request, identity = self._request, self._request.identity or self._source.name
        memory = Memory(request.state, KIND, [identity])
        memory.require_readable()
        with self._state_folder(identity) as folder:
            updater = self._updater(folder)
            with self._translated(updater):
                updater.refresh()
            trusted = updater._trusted_set
            order = [trusted.root.version, trusted.timestamp.version]
            sha256 = hashlib.sha256(json.dumps(trusted.timestamp.to_dict(), sort_keys=True).encode()).hexdigest()
            memory.require_not_older(order, sha256, subject=f"{self._source.metadata}/timestamp.json")
            listed = sorted(trusted.targets.targets)
            files: tuple[ProvenFile, ...] = ()
            if request.read_files:
                files = tuple(self._file(updater, path) for path in self._wanted(listed))
            memory.remember(order, sha256, at=request.at)
            return self._adoption(updater, files, len(listed))

    def _wanted(self, listed: list[str]) -> list[str]:
        """Delegated targets can be asked for by name; all means those of the top-level role."""
        names = self._request.names or self._source.files
        return list(names) or choose(listed, (), subject=self._source.name)

    @contextmanager
    def _state_folder(self, identity: str) -> Iterator[Path]:
        if self._request.state is None:
            with tempfile.TemporaryDirectory(prefix="suture-tuf-") as folder:
                yield Path(folder)
            return
        kept = self._request.state / f"tuf-{hashlib.sha256(identity.encode()).hexdigest()[:16]}"
        kept.mkdir(parents=True, exist_ok=True)
        yield kept

    def _updater(self, folder: Path) -> Updater:
        try:
            pinned = self._source.root.read_bytes()
            if len(pinned) > MAX_ROOT_BYTES:
                raise BadInputError(f"The pinned root {self._source.root} has more than {MAX_ROOT_BYTES} bytes.")
            strict_json.loads(pinned)
            updater = Updater(
                metadata_dir=str(folder),
                metadata_base_url=f"{_BASE}{self._source.metadata}/",
                fetcher=self._fetcher,
                config=UpdaterConfig(root_max_length=MAX_ROOT_BYTES, targets_max_length=MAX_METADATA_BYTES),
                bootstrap=pinned,
            )
        except OSError as error:
            raise BadInputError(f"The pinned root {self._source.root} cannot be read: {error.strerror}.") from error
        except (exceptions.RepositoryError, ValueError, RecursionError) as error:
            raise BadInputError(f"{self._source.root} is no root of a TUF repository: {error}.") from error
        # tuf judges by the clock of its start; ours is the one that we were given (a test fails when this moves).
        updater._trusted_set.reference_time = self._request.at
        return updater

    def _file(self, updater: Updater, path: str) -> ProvenFile:
        with self._translated(updater):
            target = updater.get_targetinfo(path)
        if target is None:
            raise Refusal(RefusalReason.UNREACHABLE, f"No role of {self._source.name} lists {path}.", subject=path)
        where = f"{self._source.targets}/{self._stored_as(updater, target)}"
        if not is_safe_path(path) or not is_safe_path(where):
            raise malformed(path, "the target's path leaves the repository's folder")
        digests = {strong: digest.lower() for name, digest in target.hashes.items() if (strong := strong_name(name))}
        if not digests:
            sentence = f"{path} is listed by {', '.join(sorted(target.hashes))} only; only SHA-256 and SHA-512 count."
            raise Refusal(RefusalReason.WEAK_HASH, sentence, subject=path)
        return replace(hashed(self._transport, where, digests, size=target.length), path=path)

    @staticmethod
    def _stored_as(updater: Updater, target: TargetFile) -> str:
        """With consistent snapshots a target lies under its digest and its name (TUF specification, 6.2)."""
        if not updater._trusted_set.root.consistent_snapshot:
            return target.path
        folder, slash, name = target.path.rpartition("/")
        return f"{folder}{slash}{next(iter(target.hashes.values()))}.{name}"

    @contextmanager
    def _translated(self, updater: Updater) -> Iterator[None]:
        """tuf's errors in our words. A Refusal of the transport passes through."""
        subject = self._fetcher.last_path or self._source.metadata
        try:
            yield
        except exceptions.ExpiredMetadataError as error:
            raise self._refusal(RefusalReason.EXPIRED, f"it is expired at {stamp(self._request.at)}") from error
        except exceptions.BadVersionNumberError as error:
            raise self._refusal(RefusalReason.ROLLBACK, f"its version is not the one due: {error}") from error
        except exceptions.UnsignedMetadataError as error:
            raise self._unsigned(updater) from error
        except exceptions.LengthOrHashMismatchError as error:
            is_size = "length" in str(error)
            reason = RefusalReason.SIZE_MISMATCH if is_size else RefusalReason.HASH_MISMATCH
            raise self._refusal(reason, f"it is not the file that was signed for: {error}") from error
        except exceptions.DownloadLengthMismatchError as error:
            raise self._refusal(RefusalReason.SIZE_MISMATCH, "it is longer than allowed") from error
        except exceptions.DownloadError as error:
            if isinstance(error.__cause__, Refusal):
                raise error.__cause__ from error
            raise self._refusal(RefusalReason.UNREACHABLE, "it cannot be had") from error
        except exceptions.RepositoryError as error:
            raise self._refusal(RefusalReason.MALFORMED, f"it cannot be read: {error}") from error
        except (ValueError, RecursionError) as error:
            raise malformed(subject, f"{error}") from error

    def _unsigned(self, updater: Updater) -> Refusal:
        """tuf says only how many of the signatures count; which reason it is stands in the file."""
        try:
            found = json.loads(self._fetcher.last)
            signers = {one["keyid"] for one in found["signatures"]}
            role = updater._trusted_set.root.roles.get(found["signed"]["_type"])
        except (ValueError, KeyError, TypeError):
            return self._refusal(RefusalReason.SIGNATURE_INVALID, "its signatures do not count")
        if not signers:
            return self._refusal(RefusalReason.SIGNATURE_MISSING, "it carries no signature")
        if role is not None and not signers & set(role.keyids):
            return self._refusal(RefusalReason.KEY_UNTRUSTED, "no key that root trusts for it has signed it")
        return self._refusal(RefusalReason.SIGNATURE_INVALID, "too few of its signatures are valid")

    def _refusal(self, reason: RefusalReason, why: str) -> Refusal:
        subject = self._fetcher.last_path or self._source.metadata
        return Refusal(reason, f"{subject}: {why.rstrip('.')}.", subject=subject)

    def _adoption(self, updater: Updater, files: tuple[ProvenFile, ...], listed: int) -> KindAdoption:
        trusted, at = updater._trusted_set, self._request.at
        versions = {
            "root": trusted.root.version,
            "timestamp": trusted.timestamp.version,
            "snapshot": trusted.snapshot.version,
            "targets": trusted.targets.version,
        }
        root_ends = _utc(trusted.root.expires)
        alarms: tuple[str, ...] = ()
        if root_ends - at <= ALARM_BEFORE:
            days = max(0, (root_ends - at).days)
            alarms = (f"The root of {self._source.name} expires on {stamp(root_ends)}, {days} days from now.",)
        return KindAdoption(
            source=self._source.name,
            kind=KIND,
            address=self._transport.address,
            judged_at=at,
            sentence=f"timestamp {versions['timestamp']} is signed down from root {versions['root']}, valid until"
            f" {stamp(_utc(trusted.timestamp.expires))}; {count(listed, 'target')} listed,"
            f" {count(len(files), 'file')} match.",
            files=files,
            listed=listed,
            grounds={
                "root_sha256": hashlib.sha256(self._source.root.read_bytes()).hexdigest(),
                "versions": versions,
                "keys": {name: sorted(role.keyids) for name, role in trusted.root.roles.items()},
                "expires_at": _utc(trusted.timestamp.expires).isoformat(),
            },
            alarms=alarms,
        )


def _utc(when: datetime) -> datetime:
    return when if when.tzinfo else when.replace(tzinfo=UTC)
