"""An rpm repository (rpm-md: dnf, zypper): repomd.xml, its signature, the lists it names, the packages these name.

The rules, in the order in which they are checked:

1. repodata/repomd.xml is signed (repomd.xml.asc) by a pinned key that is neither revoked nor expired at the time we judge
   by. XML is read without DTDs and entities (defusedxml): a document type is malformed.
2. It is not from the future, not older than max_age, and not an older state than the one seen last. Its time is that of its
   newest list; rpm-md has no Valid-Until.
3. The list of packages (primary) and the advisories (updateinfo) have the size and the strong digest that repomd.xml gives,
   packed and unpacked; inflating is bounded.
4. Each package has a strong digest and a path inside the repository, without a base of its own; no two different files are
   listed as one name, version and architecture.
5. Each package file asked for has the size and digest listed; its own signature is by a pinned key, and its header calls it
   what the list calls it.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, cast

from suture.errors import BadInputError
from suture.sourcing.content import inflate
from suture.sourcing.keyring import PinRule, load_keyring
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
    require_digest,
    require_time,
    stamp,
)
from suture.sourcing.kinds.rpm_lists import ListedData, Repomd, RpmPackage, parse_primary, parse_repomd
from suture.sourcing.kinds.rpm_package import verify_package
from suture.sourcing.refusal import Refusal, RefusalReason
from suture.sourcing.signature import SignedText, verify_detached
from suture.sourcing.source import DEFAULT_MAX_AGE, read_pins
from suture.sourcing.transport import FileMissing, Transport, read_whole

KIND = "rpm-md"
REPOMD = "repodata/repomd.xml"
MAX_REPOMD_BYTES = 4 * 1024 * 1024
MAX_LIST_BYTES = 256 * 1024 * 1024
WORKERS = 4
PackageKey = tuple[str, str]  # fingerprints of the primary key and of the (sub)key that signed


@dataclass(frozen=True)
class RpmSource:
    """pins: keys that may sign repomd.xml; package_pins: those that may sign packages."""

    name: str
    address: str
    keyrings: tuple[Path, ...]
    pins: Mapping[str, PinRule] = field(default_factory=dict)
    package_pins: Mapping[str, PinRule] = field(default_factory=dict)
    packages_signed: bool = True
    architectures: tuple[str, ...] = ()
    max_age: timedelta = DEFAULT_MAX_AGE
    kind: str = KIND

    def __post_init__(self) -> None:
        if not self.keyrings:
            raise BadInputError(f"The source {self.name} names no keyring: nothing could be proven.")

    def prove(self, transport: Transport, request: Request) -> KindAdoption:
        return _Proof(self, transport, request).run()


def read(entry: Mapping[str, Any], policy_dir: Path) -> RpmSource:
    """A source from its entry in sources.yaml."""
    return RpmSource(
        name=entry["name"],
        address=entry["address"],
        keyrings=tuple(policy_dir / keyring for keyring in entry["keyrings"]),
        pins=read_pins(entry["fingerprints"]),
        package_pins=read_pins(entry.get("package_fingerprints", entry["fingerprints"])),
        packages_signed=entry.get("packages_signed", True),
        architectures=tuple(entry.get("architectures", ())),
        max_age=timedelta(days=entry["max_age_days"]) if "max_age_days" in entry else DEFAULT_MAX_AGE,
    )


class _Proof:
    def __init__(self, source: RpmSource, transport: Transport, request: Request) -> None:
        self._source, self._transport, self._request = source, transport, request
        self._keyring = load_keyring(source.keyrings, source.pins, source.pins)
        pins = source.package_pins
        self._package_keyring = replace(self._keyring, pins=frozenset(pins) or self._keyring.pins, rules=pins)

    def run(self) -> KindAdoption:
        source, request = self._source, self._request
        signed = self._signed()
        repomd = parse_repomd(signed.text, subject=REPOMD)
        require_time(repomd.made_at, source.max_age, at=request.at, subject=REPOMD)
        order, sha256 = [repomd.revision, int(repomd.made_at.timestamp())], hashlib.sha256(signed.text).hexdigest()
        memory = Memory(request.state, KIND, [request.identity or source.name])
        memory.require_not_older(order, sha256, subject=REPOMD)
        plain = {kind: self._list(repomd.data[kind]) for kind in ("primary", "updateinfo") if kind in repomd.data}
        packages = parse_primary(plain["primary"], subject=repomd.data["primary"].path)
        if source.architectures:
            packages = [p for p in packages if p.architecture in {*source.architectures, "noarch"}]
        files: tuple[ProvenFile, ...] = ()
        keys: set[PackageKey] = set()
        if request.read_files:
            files, keys = self._files(packages)
        memory.remember(order, sha256, at=request.at)
        return self._adoption(signed, repomd, packages, files, keys, sha256)

    def _signed(self) -> SignedText:
        try:
            data = read_whole(self._transport, REPOMD, limit_bytes=MAX_REPOMD_BYTES)
        except FileMissing as error:
            raise missing(REPOMD, self._transport) from error
        try:
            signature = read_whole(self._transport, f"{REPOMD}.asc", limit_bytes=MAX_REPOMD_BYTES)
        except FileMissing as error:
            sentence = f"{REPOMD} is not signed: there is no {REPOMD}.asc."
            raise Refusal(RefusalReason.SIGNATURE_MISSING, sentence, subject=REPOMD) from error
        if not signature.strip():
            raise Refusal(RefusalReason.SIGNATURE_MISSING, f"{REPOMD}.asc is empty.", subject=REPOMD)
        return verify_detached(data, signature, self._keyring, at=self._request.at, subject=REPOMD)

    def _list(self, listed: ListedData) -> bytes:
        buffer = BytesIO()
        if listed.size > MAX_LIST_BYTES:
            raise malformed(
                listed.path, f"it is said to have {listed.size} bytes; no list has more than {MAX_LIST_BYTES}"
            )
        hashed(self._transport, listed.path, listed.digests, size=listed.size, sink=buffer)
        plain = inflate(listed.path, buffer.getvalue(), listed_bytes=listed.open_size)
        for algorithm, digest in listed.open_digests.items():
            require_digest(plain, algorithm, digest, subject=f"{listed.path} (unpacked)")
        return plain

    def _files(self, packages: list[RpmPackage]) -> tuple[tuple[ProvenFile, ...], set[PackageKey]]:
        names = dict.fromkeys(package.name for package in packages)
        wanted = set(choose(names, self._request.names, subject=REPOMD)) if names else set()
        with ThreadPoolExecutor(WORKERS) as pool:
            checked = list(pool.map(self._file, (p for p in packages if p.name in wanted)))
        return tuple(file for file, _key in checked), {key for _file, key in checked if key}

    def _file(self, package: RpmPackage) -> tuple[ProvenFile, PackageKey | None]:
        """The file, and the key that signed the package itself."""
        with tempfile.TemporaryFile(prefix="suture-rpm-") as file:
            sink = cast(BinaryIO, file)
            found = hashed(
                self._transport, package.path, {package.algorithm: package.digest}, size=package.size, sink=sink
            )
            proven = replace(found, name=package.name, version=package.evr)
            if not self._source.packages_signed:
                return proven, None
            own = verify_package(sink, self._package_keyring, at=self._request.at, subject=package.path)
        said = (own.name, f"{own.version}-{own.release}", own.architecture)
        if said != (package.name, package.evr.partition(":")[2], package.architecture):
            sentence = f"{package.path} calls itself {' '.join(said)}, and is listed as {package.name} {package.evr}."
            raise Refusal(RefusalReason.IDENTITY_MISMATCH, sentence, subject=package.path)
        return proven, (own.signed.key_fingerprint, own.signed.signing_fingerprint)

    def _adoption(
        self,
        signed: SignedText,
        repomd: Repomd,
        packages: list[RpmPackage],
        files: tuple[ProvenFile, ...],
        keys: set[PackageKey],
        sha256: str,
    ) -> KindAdoption:
        at, own, packages_own = self._request.at, self._keyring, self._package_keyring
        alarms = [*own.alarms(signed.key_fingerprint, signed.signing_fingerprint, at=at)]
        for primary, signing in sorted(keys):
            alarms += packages_own.alarms(primary, signing, at=at)
        return KindAdoption(
            source=self._source.name,
            kind=KIND,
            address=self._transport.address,
            judged_at=self._request.at,
            sentence=f"{REPOMD} of {stamp(repomd.made_at)} is signed by {signed.key_fingerprint} ({signed.key_owner});"
            f" {count(len(packages), 'package')} listed, {count(len(files), 'package file')} match.",
            files=files,
            listed=len(packages),
            grounds={
                "key_fingerprint": signed.key_fingerprint,
                "signing_fingerprint": signed.signing_fingerprint,
                "key_owner": signed.key_owner,
                "repomd_sha256": sha256,
                "revision": repomd.revision,
                "date": repomd.made_at.isoformat(),
                "lists": {one.kind: dict(one.digests) for one in repomd.data.values()},
                "package_keys": sorted({primary for primary, _signing in keys}),
            },
            alarms=tuple(dict.fromkeys(alarms)),
            notes=signed.notes,
            not_proven=()
            if self._source.packages_signed
            else ("The packages' own signatures were not looked at (packages_signed: false).",),
        )
