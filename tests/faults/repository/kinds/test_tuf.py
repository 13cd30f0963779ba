"""TUF repositories, built by tuf.api; each attack of TUF's own list with its reason."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp
from tuf.api.serialization.json import JSONSerializer

from suture.errors import BadInputError
from suture.sourcing import Refusal, RefusalReason
from suture.sourcing.kinds import KindAdoption, Request
from suture.sourcing.kinds.tuf_repository import TufSource
from suture.sourcing.transport import FolderTransport, HttpTransport
from tests.faults.repository.server import serving

R = RefusalReason
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
ROLES = ("root", "timestamp", "snapshot", "targets")


@dataclass
class Vendor:
    """A repository with consistent snapshots and one target; publish() writes the next version of every role."""

    folder: Path
    signers: dict[str, CryptoSigner] = field(
        default_factory=lambda: {r: CryptoSigner.generate_ed25519() for r in ROLES}
    )
    version: int = 0
    data: bytes = b"agent " * 500
    expires: dict[str, datetime] = field(default_factory=dict)
    hashes: tuple[str, ...] = ("sha256",)
    target: str = "agents/agent.bin"

    @property
    def root(self) -> Path:
        return self.folder / "repository"

    @property
    def metadata(self) -> Path:
        return self.root / "metadata"

    @property
    def pinned(self) -> Path:
        return self.folder / "pinned.json"

    @property
    def target_path(self) -> Path:
        return next((self.root / "targets").rglob("*agent.bin"))

    def end(self, role: str) -> datetime:
        return self.expires.get(role, NOW + timedelta(days=90))

    def publish(self) -> Vendor:
        self.metadata.mkdir(parents=True, exist_ok=True)
        self.version += 1
        if self.version == 1:
            self.write_root(1)
            self.pinned.write_bytes((self.metadata / "1.root.json").read_bytes())
        info = TargetFile.from_data(self.target, self.data, list(self.hashes))
        folder, _slash, name = self.target.rpartition("/")
        stored = self.root / "targets" / folder / f"{next(iter(info.hashes.values()))}.{name}"
        stored.parent.mkdir(parents=True, exist_ok=True)
        stored.write_bytes(self.data)
        self.write("targets", Targets(version=self.version, expires=self.end("targets"), targets={self.target: info}))
        meta = {"targets.json": MetaFile(self.version)}
        self.write("snapshot", Snapshot(version=self.version, expires=self.end("snapshot"), meta=meta))
        snapshot = (self.metadata / f"{self.version}.snapshot.json").read_bytes()
        named = MetaFile.from_data(self.version, snapshot, ["sha256"])
        self.write("timestamp", Timestamp(version=self.version, expires=self.end("timestamp"), snapshot_meta=named))
        return self

    def write_root(self, version: int, *, also_signed_by: tuple[CryptoSigner, ...] = ()) -> None:
        root = Root(version=version, expires=self.end("root"), consistent_snapshot=True)
        for role in ROLES:
            root.add_key(self.signers[role].public_key, role)
        self.write("root", root, also_signed_by=also_signed_by)

    def write(self, role: str, signed: Any, *, also_signed_by: tuple[CryptoSigner, ...] = ()) -> None:
        document: Metadata[Any] = Metadata(signed)
        for signer in (self.signers[role], *also_signed_by):
            document.sign(signer, append=True)
        name = "timestamp.json" if role == "timestamp" else f"{signed.version}.{role}.json"
        document.to_file(str(self.metadata / name), JSONSerializer(compact=True))

    def source(self) -> TufSource:
        return TufSource("vendor", str(self.root), self.pinned)

    def prove(self, *, at: datetime = NOW, state: Path | None = None) -> KindAdoption:
        return self.source().prove(FolderTransport(self.root), Request(at, state))


@pytest.fixture
def vendor(tmp_path: Path) -> Vendor:
    return Vendor(tmp_path / "vendor")


def reason(prove: Callable[[], object]) -> RefusalReason:
    with pytest.raises(Refusal) as found:
        prove()
    assert len(found.value.sentence) > 15
    return found.value.reason


def test_a_repository_is_proven_from_its_pinned_root(vendor: Vendor) -> None:
    found = vendor.publish().prove()
    assert [(f.path, f.size) for f in found.files] == [("agents/agent.bin", len(vendor.data))]
    assert found.chain()["versions"] == dict.fromkeys(ROLES, 1)
    with serving(vendor.root) as (url, _requests):
        assert len(vendor.source().prove(HttpTransport(url), Request(NOW)).files) == 1


def test_the_clock_given_is_the_one_that_counts(vendor: Vendor) -> None:
    """tuf itself looks at the machine's: were its attribute to move, one of the two would pass or fail wrongly."""
    vendor.expires = {role: datetime(2020, 2, 1, tzinfo=UTC) for role in ROLES}
    vendor.publish()
    assert vendor.prove(at=datetime(2020, 1, 15, tzinfo=UTC)).files
    assert reason(lambda: vendor.prove(at=datetime(2020, 2, 2, tzinfo=UTC))) is R.EXPIRED


def _edit(name: str, change: Callable[[dict[str, Any]], None]) -> Callable[[Vendor], None]:
    """Edits a signed file without signing it again."""

    def attack(vendor: Vendor) -> None:
        path = vendor.publish().metadata / name
        document = json.loads(path.read_bytes())
        change(document)
        path.write_text(json.dumps(document))

    return attack


def _twice(role: str, member: str) -> Callable[[Vendor], None]:
    """Another reading of a well-signed file: the first of two equal keys is what a client sees that takes the first.

    tuf takes the last, and what it takes is signed; so without a check of ours the file would pass.
    """

    def attack(vendor: Vendor) -> None:
        vendor.publish()
        if role == "root":
            vendor.write_root(2, also_signed_by=(vendor.signers["root"],))
        found = {"timestamp": "timestamp.json", "root": "2.root.json"}.get(role, f"1.{role}.json")
        path = vendor.metadata / found
        text = path.read_text()
        if member.startswith('"agents'):
            edited = text.replace('"targets":{', f'"targets":{{{member},', 1)
        else:
            edited = text.replace('"signed":{', f'"signed":{{{member},', 1)
        assert edited != text
        path.write_text(edited)
        if role == "snapshot":  # its length and digest stand in timestamp
            named = MetaFile.from_data(1, path.read_bytes(), ["sha256"])
            vendor.write("timestamp", Timestamp(version=1, expires=vendor.end("timestamp"), snapshot_meta=named))

    return attack


def _other_signer(role: str) -> Callable[[Vendor], None]:
    def attack(vendor: Vendor) -> None:
        vendor.publish()
        good = vendor.signers[role]
        vendor.signers[role] = CryptoSigner.generate_ed25519()
        vendor.publish()
        vendor.signers[role] = good

    return attack


def _expired(role: str) -> Callable[[Vendor], object]:
    def attack(vendor: Vendor) -> None:
        vendor.expires[role] = NOW - timedelta(days=1)
        vendor.publish()

    return attack


def swapped_target(vendor: Vendor) -> None:
    path = vendor.publish().target_path
    path.write_bytes(path.read_bytes()[:-1] + b"!")


def cut_target(vendor: Vendor) -> None:
    path = vendor.publish().target_path
    path.write_bytes(path.read_bytes()[:-10])


def longer_target(vendor: Vendor) -> None:
    path = vendor.publish().target_path
    path.write_bytes(path.read_bytes() + b"!")


def mixed_snapshot(vendor: Vendor) -> None:
    """Another snapshot of the same version, well signed: not the one that timestamp names."""
    vendor.publish()
    meta = {"targets.json": MetaFile(1), "more.json": MetaFile(7)}
    vendor.write("snapshot", Snapshot(version=1, expires=vendor.end("snapshot"), meta=meta))


def mixed_targets(vendor: Vendor) -> None:
    """targets of another version under the name of the one that snapshot names."""
    vendor.publish().publish()
    (vendor.metadata / "2.targets.json").write_bytes((vendor.metadata / "1.targets.json").read_bytes())


def weak_target(vendor: Vendor) -> None:
    vendor.hashes = ("sha1",)
    vendor.publish()


def target_outside(vendor: Vendor) -> None:
    vendor.target = "../../outside/agent.bin"
    vendor.publish()


ATTACKS: list[tuple[str, Callable[[Vendor], object], RefusalReason]] = [
    *[(f"freeze: {role}", _expired(role), R.EXPIRED) for role in ROLES],
    ("timestamp edited", _edit("timestamp.json", lambda d: d["signed"].update(version=9)), R.SIGNATURE_INVALID),
    ("snapshot edited", _edit("1.snapshot.json", lambda d: d["signed"].update(version=9)), R.SIZE_MISMATCH),
    ("targets edited", _edit("1.targets.json", lambda d: d["signed"].update(expires="2030-01-01T00:00:00Z")), R.SIGNATURE_INVALID),
    ("timestamp unsigned", _edit("timestamp.json", lambda d: d.update(signatures=[])), R.SIGNATURE_MISSING),
    ("timestamp by a stranger", _other_signer("timestamp"), R.KEY_UNTRUSTED),
    ("targets by a stranger", _other_signer("targets"), R.KEY_UNTRUSTED),
    ("no timestamp", lambda v: (v.publish().metadata / "timestamp.json").unlink(), R.UNREACHABLE),
    ("no json", lambda v: (v.publish().metadata / "timestamp.json").write_text("<html>"), R.MALFORMED),
    ("key twice in timestamp", _twice("timestamp", '"version":1'), R.MALFORMED),
    ("key twice in snapshot", _twice("snapshot", '"version":1'), R.MALFORMED),
    ("key twice in targets", _twice("targets", '"version":1'), R.MALFORMED),
    ("key twice in root", _twice("root", '"version":2'), R.MALFORMED),
    ("target twice", _twice("targets", '"agents/agent.bin":{}'), R.MALFORMED),
    ("no number", _twice("timestamp", '"x":NaN'), R.MALFORMED),
    ("deep json", lambda v: (v.publish().metadata / "timestamp.json").write_text("[" * 16000), R.MALFORMED),
    ("long timestamp", lambda v: (v.publish().metadata / "timestamp.json").write_bytes(b" " * 20000), R.SIZE_MISMATCH),
    ("mixed snapshot", mixed_snapshot, R.SIZE_MISMATCH),
    ("mixed targets", mixed_targets, R.ROLLBACK),
    ("swapped target", swapped_target, R.HASH_MISMATCH),
    ("cut target", cut_target, R.TRUNCATED),
    ("longer target", longer_target, R.SIZE_MISMATCH),
    ("missing target", lambda v: v.publish().target_path.unlink(), R.UNREACHABLE),
    ("weak target", weak_target, R.WEAK_HASH),
    ("target outside", target_outside, R.MALFORMED),
]  # fmt: skip


@pytest.mark.parametrize(("attack", "expected"), [pytest.param(a, r, id=n) for n, a, r in ATTACKS])
def test_an_attack_is_refused_with_its_reason(
    vendor: Vendor, attack: Callable[[Vendor], object], expected: RefusalReason
) -> None:
    attack(vendor)
    assert reason(vendor.prove) is expected


def test_an_endless_and_a_slow_server_are_cut_off(vendor: Vendor) -> None:
    vendor.publish()
    for where in ("timestamp.json", "agent.bin"):
        with serving(vendor.root, {where: "endless"}) as (url, _requests):
            assert reason(lambda: vendor.source().prove(HttpTransport(url), Request(NOW))) is R.SIZE_MISMATCH
    with serving(vendor.root, {"timestamp.json": "slow_body"}) as (url, _requests):
        assert reason(lambda: vendor.source().prove(HttpTransport(url, timeout_s=0.5), Request(NOW))) is R.UNREACHABLE


def test_an_older_state_is_a_rollback_also_where_tufs_own_file_is_damaged(vendor: Vendor, tmp_path: Path) -> None:
    state = tmp_path / "state"
    vendor.publish().prove(state=state)
    first = (vendor.metadata / "timestamp.json").read_bytes()
    vendor.data = b"newer " * 500
    vendor.publish().prove(state=state)
    vendor.prove(state=state)
    (vendor.metadata / "timestamp.json").write_bytes(first)
    assert reason(lambda: vendor.prove(state=state)) is R.ROLLBACK
    for path in state.rglob("timestamp.json"):
        path.write_text("damaged")  # tuf takes this for "nothing seen yet"
    assert reason(lambda: vendor.prove(state=state)) is R.ROLLBACK
    assert vendor.prove().files  # without a memory it cannot be known
    next(state.glob("tuf-*.json")).write_text("{}")
    with pytest.raises(BadInputError):
        vendor.prove(state=state)


def test_root_keys_change_over_step_by_step(vendor: Vendor) -> None:
    vendor.publish()
    old = vendor.signers["root"]
    vendor.signers = {role: CryptoSigner.generate_ed25519() for role in ROLES}
    vendor.write_root(2, also_signed_by=(old,))
    vendor.publish()
    found = vendor.prove()
    assert found.chain()["versions"]["root"] == 2


def test_a_root_that_the_one_before_did_not_sign_is_refused(vendor: Vendor) -> None:
    vendor.publish()
    thief = copy.copy(vendor)
    thief.signers = {role: CryptoSigner.generate_ed25519() for role in ROLES}
    thief.write_root(2)
    thief.publish()
    assert reason(vendor.prove) in {R.KEY_UNTRUSTED, R.SIGNATURE_INVALID}


def test_the_alarm_comes_before_root_expires(vendor: Vendor) -> None:
    vendor.publish()
    assert vendor.prove(at=NOW + timedelta(days=50)).alarms == ()
    assert "expires" in vendor.prove(at=NOW + timedelta(days=70)).alarms[0]


def test_a_pinned_root_that_is_none_is_bad_input(vendor: Vendor) -> None:
    vendor.publish().pinned.write_text("{}")
    with pytest.raises(BadInputError):
        vendor.prove()
