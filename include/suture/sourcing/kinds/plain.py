"""Plain files: a signed checksum list (SHA256SUMS), or a signature beside each file.

The rules, in the order in which they are checked:

1. The list (or each file) is signed by a pinned key: OpenPGP by gpgv, clear-signed or detached, or Ed25519 as minisign
   and signify write it.
2. The signature is not from the future and not older than max_age, and not older than the one seen last. signify has no
   time: there neither can be known, and the adoption says so.
3. A list names each file once, by SHA-256 or SHA-512, and below its own folder.
4. Each file asked for matches all strong digests. A list gives no size, so a file is read up to MAX_FILE_BYTES, and a
   short one is a hash_mismatch.
5. A minisign signature that names a file is of that file: two well-signed files cannot be swapped. An OpenPGP or signify
   signature beside a file names none.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from suture.errors import BadInputError
from suture.sourcing.keyring import PinRule, load_keyring
from suture.sourcing.kinds import ed25519
from suture.sourcing.kinds.memory import Memory
from suture.sourcing.kinds.result import (
    KindAdoption,
    ProvenFile,
    Request,
    choose,
    count,
    hashed,
    malformed,
    missing,
    require_time,
    stamp,
)
from suture.sourcing.refusal import Refusal, RefusalReason
from suture.sourcing.release import STRONG_HASHES, WEAK_HASHES, is_safe_path
from suture.sourcing.signature import verify_clearsigned, verify_detached
from suture.sourcing.source import read_keys, read_pins
from suture.sourcing.transport import FileMissing, Transport, read_whole

KIND = "plain"
MAX_LIST_BYTES = 16 * 1024 * 1024
MAX_SIGNED_BYTES = 256 * 1024 * 1024  # of a file that is signed itself: it is held in memory
DEFAULT_MAX_AGE = timedelta(days=365)
SUFFIXES = {"openpgp": ".asc", "minisign": ".minisig", "signify": ".sig"}
WORKERS = 4
MAX_PATH = 1024
_BY_DIGITS = {digits: name for name, digits in STRONG_HASHES.items()}
_WEAK_DIGITS = {32, 40}
_GNU = re.compile(r"\\?(?P<digest>[0-9a-fA-F]{32,128}) [ *](?P<path>.+)")
_BSD = re.compile(r"(?P<name>[A-Z0-9-]+) \((?P<path>.+)\) = (?P<digest>[0-9a-fA-F]{32,128})")


@dataclass(frozen=True)
class PlainSource:
    """checksums: the signed list's path; None: each of `files` is signed itself. files: wanted; () all of the list.

    public_keys: minisign's or signify's lines; key_rules: by line, for keys that count for a time only.
    """

    name: str
    address: str
    checksums: str | None
    files: tuple[str, ...] = ()
    format: str = "openpgp"
    suffix: str = ".asc"
    keyrings: tuple[Path, ...] = ()
    pins: Mapping[str, PinRule] = field(default_factory=dict)
    public_keys: tuple[str, ...] = ()
    key_rules: Mapping[str, PinRule] = field(default_factory=dict)
    max_age: timedelta = DEFAULT_MAX_AGE
    kind: str = KIND

    def __post_init__(self) -> None:
        if not self.checksums and not self.files:
            raise BadInputError(f"The source {self.name} names neither a checksum list nor files.")
        if self.format == "openpgp" and not self.keyrings:
            raise BadInputError(f"The source {self.name} names no keyring: nothing could be proven.")
        if self.format != "openpgp" and not self.public_keys:
            raise BadInputError(f"The source {self.name} names no public key: nothing could be proven.")
        for path in filter(None, (self.checksums, *self.files)):
            if not is_safe_path(path):
                raise BadInputError(f"{path!r} is no path below the address of {self.name}.")

    def prove(self, transport: Transport, request: Request) -> KindAdoption:
        return _Proof(self, transport, request).run()


def read(entry: Mapping[str, Any], policy_dir: Path) -> PlainSource:
    """A source from its entry in sources.yaml."""
    form = entry.get("format", "openpgp")
    public_keys = read_keys(entry.get("public_keys", ()))
    return PlainSource(
        name=entry["name"],
        address=entry["address"],
        checksums=entry.get("checksums"),
        files=tuple(entry.get("files", ())),
        format=form,
        suffix=entry.get("signature", SUFFIXES[form]),
        keyrings=tuple(policy_dir / keyring for keyring in entry.get("keyrings", ())),
        pins=read_pins(entry.get("fingerprints", ())),
        public_keys=tuple(public_keys),
        key_rules=public_keys,
        max_age=timedelta(days=entry["max_age_days"]) if "max_age_days" in entry else DEFAULT_MAX_AGE,
    )


@dataclass(frozen=True)
class _Signed:
    text: bytes
    key: str
    owner: str
    signed_at: datetime | None
    notes: tuple[str, ...] = ()
    alarms: tuple[str, ...] = ()


class _Proof:
    def __init__(self, source: PlainSource, transport: Transport, request: Request) -> None:
        self._source, self._transport, self._request = source, transport, request
        self._notes: list[tuple[Memory, list[int], str]] = []
        if source.format == "openpgp":
            self._keyring = load_keyring(source.keyrings, source.pins, source.pins)
        else:
            self._keys = ed25519.read_public_keys(source.public_keys, source.key_rules)

    def run(self) -> KindAdoption:
        source, request = self._source, self._request
        if source.checksums:
            return self._by_list(source.checksums)
        wanted = choose(source.files, request.names, subject=source.name)
        proven = [self._one_by_one(path) for path in wanted]
        for memory, order, sha256 in self._notes:
            memory.remember(order, sha256, at=request.at)
        return self._adoption(
            tuple(file for file, _signed in proven), [signed for _file, signed in proven], len(wanted)
        )

    def _by_list(self, checksums: str) -> KindAdoption:
        request = self._request
        signed = self._signed(checksums, MAX_LIST_BYTES)
        listed = parse_checksums(signed.text, subject=checksums)
        sha256 = hashlib.sha256(signed.text).hexdigest()
        memory = self._memory(checksums)
        order = [int(signed.signed_at.timestamp())] if signed.signed_at else None
        if order is not None:
            memory.require_not_older(order, sha256, subject=checksums)
        folder = checksums.rpartition("/")[0]
        files: tuple[ProvenFile, ...] = ()
        if request.read_files:
            wanted = choose(listed, request.names or self._source.files, subject=checksums)
            files = self._read(folder, {path: listed[path] for path in wanted})
        if order is not None:
            memory.remember(order, sha256, at=request.at)
        return self._adoption(files, [signed], len(listed))

    def _memory(self, path: str) -> Memory:
        return Memory(self._request.state, KIND, [self._request.identity or self._source.name, path])

    def _read(self, folder: str, wanted: Mapping[str, Mapping[str, str]]) -> tuple[ProvenFile, ...]:
        def check(path: str) -> ProvenFile:
            return hashed(self._transport, f"{folder}/{path}" if folder else path, wanted[path])

        with ThreadPoolExecutor(WORKERS) as pool:
            return tuple(pool.map(check, wanted))

    def _one_by_one(self, path: str) -> tuple[ProvenFile, _Signed]:
        signed = self._signed(path, MAX_SIGNED_BYTES)
        sha256 = hashlib.sha256(signed.text).hexdigest()
        if signed.signed_at is not None:
            memory, order = self._memory(path), [int(signed.signed_at.timestamp())]
            memory.require_not_older(order, sha256, subject=path)
            self._notes.append((memory, order, sha256))
        return ProvenFile(path, len(signed.text), sha256), signed

    def _signed(self, path: str, limit_bytes: int) -> _Signed:
        try:
            data = read_whole(self._transport, path, limit_bytes=limit_bytes)
        except FileMissing as error:
            raise missing(path, self._transport) from error
        signed = (
            self._signed_openpgp(data, path) if self._source.format == "openpgp" else self._signed_ed25519(data, path)
        )
        if signed.signed_at is not None:
            require_time(signed.signed_at, self._source.max_age, at=self._request.at, subject=path)
        return signed

    def _signed_openpgp(self, data: bytes, path: str) -> _Signed:
        at, keyring = self._request.at, self._keyring
        if data.lstrip().startswith(b"-----BEGIN PGP SIGNED MESSAGE-----"):
            found = verify_clearsigned(data, keyring, at=at, subject=path)
        else:
            found = verify_detached(data, self._signature(path), keyring, at=at, subject=path)
        alarms = keyring.alarms(found.key_fingerprint, found.signing_fingerprint, at=at)
        return _Signed(found.text, found.key_fingerprint, found.key_owner, found.signed_at, found.notes, alarms)

    def _signed_ed25519(self, data: bytes, path: str) -> _Signed:
        is_minisign, at = self._source.format == "minisign", self._request.at
        signature = self._signature(path)
        found = ed25519.verify(data, signature, self._keys, is_minisign=is_minisign, at=at, subject=path)
        if is_minisign and found.signed_at is None:
            raise malformed(f"{path}{self._source.suffix}", "it has no timestamp, so nothing says how old it is")
        if found.file is not None and found.file.rpartition("/")[2] != path.rpartition("/")[2]:
            sentence = f"{path} carries the signature of another file, {found.file!r}."
            raise Refusal(RefusalReason.IDENTITY_MISMATCH, sentence, subject=path)
        alarms = ed25519.alarms(self._keys, found.key_id, at=at)
        return _Signed(data, found.key_id, "", found.signed_at, alarms=alarms)

    def _signature(self, path: str) -> bytes:
        where = path + self._source.suffix
        try:
            found = read_whole(self._transport, where, limit_bytes=MAX_LIST_BYTES)
        except FileMissing as error:
            sentence = f"{path} is not signed: there is no {where}."
            raise Refusal(RefusalReason.SIGNATURE_MISSING, sentence, subject=path) from error
        if not found.strip():
            raise Refusal(RefusalReason.SIGNATURE_MISSING, f"{where} is empty.", subject=path)
        return found

    def _adoption(self, files: tuple[ProvenFile, ...], signed: list[_Signed], listed: int) -> KindAdoption:
        source, first = self._source, signed[0]
        when = f" of {stamp(first.signed_at)}" if first.signed_at else ""
        what = f"{source.checksums}{when}" if source.checksums else count(listed, "file")
        not_proven = []
        if first.signed_at is None:
            not_proven.append("signify's signatures have no time: how old the files are, and replays, cannot be known.")
        if not source.checksums and source.format != "minisign":
            not_proven.append("The signatures name no file: two files signed by the same key can be swapped.")
        return KindAdoption(
            source=source.name,
            kind=KIND,
            address=self._transport.address,
            judged_at=self._request.at,
            sentence=f"{what} is signed by {first.key}{f' ({first.owner})' if first.owner else ''};"
            f" {count(len(files), 'file')} of {listed} match.",
            files=files,
            listed=listed,
            grounds={
                "checksums": source.checksums,
                "checksums_sha256": hashlib.sha256(first.text).hexdigest() if source.checksums else None,
                "format": source.format,
                "keys": sorted({one.key for one in signed}),
                "signed_at": first.signed_at.isoformat() if first.signed_at else None,
            },
            alarms=tuple(dict.fromkeys(alarm for one in signed for alarm in one.alarms)),
            notes=tuple(dict.fromkeys(note for one in signed for note in one.notes)),
            not_proven=tuple(not_proven),
        )


def parse_checksums(data: bytes, *, subject: str) -> dict[str, dict[str, str]]:
    """Path → its strong digests by algorithm, from a list in the form of sha256sum (also with --tag).

    Raises Refusal: MALFORMED, WEAK_HASH (a file that is listed by MD5 or SHA-1 only).
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise malformed(subject, f"not UTF-8 at byte {error.start}") from error
    listed: dict[str, dict[str, str]] = {}
    weak: set[str] = set()
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        path, name, digest = _checksum(line, number, subject)
        if name is None:
            weak.add(path)
        elif listed.setdefault(path, {}).setdefault(name, digest) != digest:
            raise malformed(subject, f"{path} is listed twice, differently")
    if weak - listed.keys():
        first = min(weak - listed.keys())
        sentence = f"{subject} lists {first} by {' or '.join(WEAK_HASHES)} only; these can be forged."
        raise Refusal(RefusalReason.WEAK_HASH, sentence, subject=subject)
    if not listed:
        raise malformed(subject, "it lists no file")
    return listed


def _checksum(line: str, number: int, subject: str) -> tuple[str, str | None, str]:
    """(path, algorithm or None for a weak one, digest)."""
    match = _GNU.fullmatch(line) or _BSD.fullmatch(line)
    if match is None or line.startswith("\\"):
        raise malformed(subject, f"line {number} is no checksum and file name")
    path, digest = match["path"].removeprefix("./"), match["digest"].lower()
    if len(path) > MAX_PATH:
        raise malformed(subject, f"the path in line {number} has {len(path)} characters")
    stated = match.groupdict().get("name")
    name = _BY_DIGITS.get(len(digest))
    if stated is not None and stated.replace("-", "") != name and len(digest) not in _WEAK_DIGITS:
        raise malformed(subject, f"line {number} gives {stated} with {len(digest)} digits")
    if name is None and len(digest) not in _WEAK_DIGITS:
        raise malformed(subject, f"line {number} gives a digest of {len(digest)} digits")
    if not is_safe_path(path):
        raise malformed(subject, f"the path {path!r} in line {number} leaves the list's folder")
    return path, name, digest
