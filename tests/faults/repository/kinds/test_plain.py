"""Plain files: signed lists and signed files, by OpenPGP, minisign and signify; each attack with its reason."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from suture.errors import BadInputError
from suture.sourcing import Refusal, RefusalReason
from suture.sourcing.kinds import KindAdoption, Request
from suture.sourcing.kinds.plain import PlainSource, parse_checksums
from suture.sourcing.transport import FolderTransport, HttpTransport
from tests.faults.repository.conftest import Keys
from tests.faults.repository.server import serving

R = RefusalReason
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
LIST = "SHA256SUMS"


@dataclass
class Vendor:
    """A folder with two files and a signed list of them."""

    root: Path
    keys: Keys

    def publish(self, *, at: datetime = NOW, text: str | None = None, inline: bool = False) -> Vendor:
        self.root.mkdir(exist_ok=True)
        for name, data in (("agent.bin", b"agent " * 500), ("notes.txt", b"notes")):
            (self.root / name).write_bytes(data)
        listed = text if text is not None else self.listed()
        clear, detached = self.keys.good.sign_at(listed.encode(), at)
        (self.root / LIST).write_bytes(clear if inline else listed.encode())
        (self.root / f"{LIST}.asc").write_bytes(b"" if inline else detached)
        return self

    def listed(self) -> str:
        files = sorted(path for path in self.root.iterdir() if path.suffix in {".bin", ".txt"})
        return "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files)

    def source(self, **changes: object) -> PlainSource:
        source = PlainSource("vendor", str(self.root), LIST, keyrings=(self.keys.keyring,))
        return replace(source, **changes)  # type: ignore[arg-type]

    def prove(self, *, at: datetime = NOW, state: Path | None = None, **changes: object) -> KindAdoption:
        return self.source(**changes).prove(FolderTransport(self.root), Request(at, state))


@pytest.fixture
def vendor(tmp_path: Path, keys: Keys, published_keyring: Path) -> Vendor:
    return Vendor(tmp_path / "vendor", keys)


def refused(prove: Callable[[], object]) -> RefusalReason:
    with pytest.raises(Refusal) as found:
        prove()
    assert found.value.remedy
    return found.value.reason


@pytest.mark.parametrize("inline", [False, True])
def test_a_signed_list_proves_its_files(vendor: Vendor, inline: bool) -> None:
    found = vendor.publish(inline=inline).prove()
    assert {file.path: file.sha256 for file in found.files} == {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (vendor.root / "agent.bin", vendor.root / "notes.txt")
    }
    assert found.chain()["keys"] == [vendor.keys.pins[0]]
    with serving(vendor.root) as (url, _requests):
        assert len(vendor.source().prove(HttpTransport(url), Request(NOW)).files) == 2


def swap(vendor: Vendor) -> None:
    path = vendor.publish().root / "agent.bin"
    path.write_bytes(path.read_bytes()[:-1] + b"!")


def edit_list(vendor: Vendor) -> None:
    path = vendor.publish().root / LIST
    path.write_text(path.read_text().replace("notes", "motes"))


def stranger(vendor: Vendor) -> None:
    vendor.publish()
    _inline, detached = vendor.keys.stranger.sign_at((vendor.root / LIST).read_bytes(), NOW)
    (vendor.root / f"{LIST}.asc").write_bytes(detached)


def revoked(vendor: Vendor) -> None:
    vendor.publish()
    _inline, detached = vendor.keys.revoked.sign_at((vendor.root / LIST).read_bytes(), NOW)
    (vendor.root / f"{LIST}.asc").write_bytes(detached)


ATTACKS: list[tuple[Callable[[Vendor], object], RefusalReason]] = [
    (swap, R.HASH_MISMATCH),
    (edit_list, R.SIGNATURE_INVALID),
    (stranger, R.KEY_UNTRUSTED),
    (revoked, R.KEY_REVOKED),
    (lambda v: (v.publish().root / f"{LIST}.asc").unlink(), R.SIGNATURE_MISSING),
    (lambda v: (v.publish().root / f"{LIST}.asc").write_bytes(b""), R.SIGNATURE_MISSING),
    (lambda v: (v.publish().root / "agent.bin").unlink(), R.UNREACHABLE),
    (lambda v: v.publish(at=NOW - timedelta(days=400)), R.EXPIRED),
    (lambda v: v.publish(at=NOW + timedelta(hours=1)), R.NOT_YET_VALID),
    (lambda v: v.publish(text=f"{'0' * 64}  ../../etc/passwd\n"), R.MALFORMED),
    (lambda v: v.publish(text=f"{'0' * 64}  /etc/passwd\n"), R.MALFORMED),
    (lambda v: v.publish(text=f"{'0' * 32}  agent.bin\n"), R.WEAK_HASH),
    (lambda v: v.publish(text=f"{'0' * 40}  agent.bin\n"), R.WEAK_HASH),
    (lambda v: v.publish(text=f"{'0' * 64}  a\n{'1' * 64}  a\n"), R.MALFORMED),
    (lambda v: v.publish(text="<html>Please log in</html>\n"), R.MALFORMED),
    (lambda v: v.publish(text="\n"), R.MALFORMED),
]


@pytest.mark.parametrize(("attack", "reason"), [pytest.param(a, r, id=f"{n}-{r}") for n, (a, r) in enumerate(ATTACKS)])
def test_an_attack_is_refused_with_its_reason(
    vendor: Vendor, tmp_path: Path, attack: Callable[[Vendor], object], reason: RefusalReason
) -> None:
    attack(vendor)
    assert refused(lambda: vendor.prove(state=tmp_path / "state")) is reason
    assert not (tmp_path / "state").exists()  # what was refused is not remembered


def test_an_older_list_is_a_rollback_and_another_one_of_the_same_time_too(vendor: Vendor, tmp_path: Path) -> None:
    state = tmp_path / "state"
    vendor.publish().prove(state=state)
    vendor.prove(state=state)
    old = vendor.publish(at=NOW - timedelta(days=1), text=vendor.listed().splitlines()[0] + "\n")
    assert refused(lambda: old.prove(state=state)) is R.ROLLBACK
    assert old.prove().files
    same_time = vendor.publish(text=vendor.listed().splitlines()[0] + "\n")
    assert refused(lambda: same_time.prove(state=state)) is R.ROLLBACK
    next(state.iterdir()).write_text("{}")
    with pytest.raises(BadInputError):
        vendor.publish().prove(state=state)


def test_both_forms_of_lists_are_read() -> None:
    digest, long = "a" * 64, "b" * 128
    text = f"{digest} *one.iso\nSHA512 (one.iso) = {long}\n{'c' * 32}  one.iso\n\n# a comment\n"
    assert parse_checksums(text.encode(), subject=LIST) == {"one.iso": {"SHA256": digest, "SHA512": long}}


def test_the_endless_file_of_a_list_is_cut_off(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "suture.sourcing.kinds.result.hashed.__kwdefaults__", {"size": None, "limit_bytes": 5_000_000, "sink": None}
    )
    vendor.publish()
    with serving(vendor.root, {"agent.bin": "endless"}) as (url, _requests):
        assert refused(lambda: vendor.source().prove(HttpTransport(url, timeout_s=30), Request(NOW))) is R.SIZE_MISMATCH
    with serving(vendor.root, {"agent.bin": "slow_body"}) as (url, _requests):
        assert refused(lambda: vendor.source().prove(HttpTransport(url, timeout_s=1), Request(NOW))) is R.UNREACHABLE


# -- minisign and signify -----------------------------------------------------------------------------------------------


class Signer:
    """Writes what minisign and signify write."""

    def __init__(self, number: int = 1) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)
        self._id = bytes([number]) * 8

    @property
    def public(self) -> str:
        return base64.b64encode(b"Ed" + self._id + self._key.public_key().public_bytes_raw()).decode()

    def signify(self, data: bytes) -> str:
        return f"untrusted comment: x\n{self._encoded(b'Ed', self._key.sign(data))}\n"

    def minisign(self, data: bytes, *, at: datetime = NOW, file: str = "agent.bin", algorithm: bytes = b"ED") -> str:
        value = self._key.sign(hashlib.blake2b(data).digest() if algorithm == b"ED" else data)
        comment = f"timestamp:{int(at.timestamp())}\tfile:{file}\thashed"
        sealed = base64.b64encode(self._key.sign(value + comment.encode())).decode()
        return f"untrusted comment: x\n{self._encoded(algorithm, value)}\ntrusted comment: {comment}\n{sealed}\n"

    def _encoded(self, algorithm: bytes, value: bytes) -> str:
        return base64.b64encode(algorithm + self._id + value).decode()


DATA = b"agent " * 500


def prove_file(root: Path, signature: str, form: str, *, state: Path | None = None, at: datetime = NOW) -> KindAdoption:
    root.mkdir(exist_ok=True)
    suffix = {"minisign": ".minisig", "signify": ".sig"}[form]
    (root / "agent.bin").write_bytes(DATA)
    (root / f"agent.bin{suffix}").write_text(signature)
    source = PlainSource(
        "vendor", str(root), None, ("agent.bin",), form, suffix, public_keys=(Signer().public,)
    )  # fmt: skip
    return source.prove(FolderTransport(root), Request(at, state))


@pytest.mark.parametrize("algorithm", [b"ED", b"Ed"])
def test_minisign_and_signify_prove_a_file(tmp_path: Path, algorithm: bytes) -> None:
    found = prove_file(tmp_path / "a", Signer().minisign(DATA, algorithm=algorithm), "minisign")
    assert found.files[0].sha256 == hashlib.sha256(DATA).hexdigest()
    assert found.not_proven == ()
    found = prove_file(tmp_path / "a", Signer().signify(DATA), "signify")
    assert "replays" in found.not_proven[0]


@pytest.mark.parametrize(
    ("signature", "reason"),
    [
        (Signer().minisign(DATA + b"!"), R.SIGNATURE_INVALID),
        (Signer(2).minisign(DATA), R.KEY_UNTRUSTED),
        (Signer().minisign(DATA, file="other.bin"), R.IDENTITY_MISMATCH),
        (Signer().minisign(DATA, at=NOW - timedelta(days=400)), R.EXPIRED),
        (Signer().minisign(DATA, at=NOW + timedelta(days=1)), R.NOT_YET_VALID),
        (
            Signer().minisign(DATA).replace(str(int(NOW.timestamp())), str(int(NOW.timestamp()) + 1)),
            R.SIGNATURE_INVALID,
        ),
        ("\n".join(Signer().minisign(DATA).split("\n")[:2]) + "\n", R.TRUNCATED),
        (Signer().minisign(DATA) + "more\n", R.MALFORMED),
        ("", R.SIGNATURE_MISSING),
        ("<html>", R.SIGNATURE_MISSING),
    ],
)
def test_an_attack_on_minisign_is_refused(tmp_path: Path, signature: str, reason: RefusalReason) -> None:
    assert refused(lambda: prove_file(tmp_path / "a", signature, "minisign")) is reason


def test_an_older_minisign_signature_is_a_rollback(tmp_path: Path) -> None:
    state = tmp_path / "state"
    prove_file(tmp_path / "a", Signer().minisign(DATA), "minisign", state=state)
    prove_file(tmp_path / "a", Signer().minisign(DATA, at=NOW - timedelta(1)), "minisign", state=state)  # the same file
    source = PlainSource(
        "vendor", "x", None, ("agent.bin",), "minisign", ".minisig", public_keys=(Signer().public,)
    )  # fmt: skip
    old = os.urandom(100)
    (tmp_path / "a" / "agent.bin").write_bytes(old)
    (tmp_path / "a" / "agent.bin.minisig").write_text(Signer().minisign(old, at=NOW - timedelta(days=1)))
    assert refused(lambda: source.prove(FolderTransport(tmp_path / "a"), Request(NOW, state))) is R.ROLLBACK
