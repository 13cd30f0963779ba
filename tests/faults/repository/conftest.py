"""The ground of the attack lab: a vendor with keys of every kind, a campaign that wants its packages, and an internal
repository that already holds something."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from suture.campaign import create_campaign
from suture.command.postgres import EmbeddedPostgres
from suture.model import CampaignPlan, PlannedPackage, Priority, Ring
from suture.settings import PROJECT_ROOT, Settings
from suture.sourcing.intake import IntakeVerdict, validate_campaign
from suture.sourcing.internal import InternalRepository
from suture.store import Store
from tests.conftest import TEMPLATE
from tests.faults.repository.builder import SUITE, Key, Repository, good_repository


@dataclass(frozen=True)
class Keys:
    """good: pinned. expired, revoked: pinned once. unpinned: in the keyring, but not pinned. stranger: unknown. short: pinned, RSA of
    1024 bits.."""

    good: Key
    expired: Key
    revoked: Key
    unpinned: Key
    stranger: Key
    short: Key
    keyring: Path
    pins: tuple[str, ...]


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    folder = tmp_path_factory.mktemp("keys")
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    made = {
        name: Key(folder / name, owner=f"Vendor {name}").make(
            made_at=long_ago,
            lifetime="30d" if name == "expired" else "never",
            algorithm="rsa1024" if name == "short" else "ed25519",
        )
        for name in ("good", "expired", "revoked", "unpinned", "stranger", "short")
    }
    fingerprints = {name: key.ensure() for name, key in made.items()}
    return Keys(
        **made,
        keyring=folder / "vendor.gpg",
        pins=tuple(fingerprints[name] for name in ("good", "expired", "revoked", "short")),
    )


@pytest.fixture(scope="session")
def published_keyring(keys: Keys) -> Path:
    """Binary; the revoked key goes in with its revocation, while its secret key can still sign."""
    copy = Key(keys.keyring.parent / "revoked-copy", owner="unused")
    _copy_folder(keys.keyring.parent / "revoked", keys.keyring.parent / "revoked-copy")
    copy.revoke()
    parts = [key.public_key() for key in (keys.good, keys.expired, copy, keys.unpinned, keys.short)]
    keys.keyring.write_bytes(b"".join(parts))
    return keys.keyring


def _copy_folder(source: Path, target: Path) -> None:
    for path in source.rglob("*"):
        if path.is_file():
            copy = target / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            copy.write_bytes(path.read_bytes())


ROLL_OVER = datetime(2026, 6, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Pair:
    """A vendor's key and its successor. old expires 20 days after ROLL_OVER; new lasts.

    old_revoked: a keyring of both, with old's revocation. pins: old's, new's.
    """

    old: Key
    new: Key
    pins: tuple[str, str]
    both: Path
    only_old: Path
    old_revoked: Path


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    folder = tmp_path_factory.mktemp("pair")
    old = Key(folder / "old", owner="Old").make(made_at=ROLL_OVER - timedelta(days=345), lifetime="365d")
    new = Key(folder / "new", owner="New").make(made_at=ROLL_OVER - timedelta(days=5))
    _copy_folder(folder / "old", folder / "revoked")
    revoked = Key(folder / "revoked", owner="unused")
    revoked.revoke()
    rings = {"both": (old, new), "old": (old,), "revoked": (revoked, new)}
    for name, members in rings.items():
        (folder / f"{name}.gpg").write_bytes(b"".join(key.public_key() for key in members))
    paths = [folder / f"{name}.gpg" for name in rings]
    return Pair(old, new, (old.ensure(), new.ensure()), *paths)


@pytest.fixture(scope="session")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One internal repository for all attacks: none of them may change it."""
    return tmp_path_factory.mktemp("home")


@dataclass(frozen=True)
class Ground:
    """Everything that an attack needs. attack() builds on repository(), intake() runs the gate."""

    root: Path
    now: datetime
    keys: Keys
    store: Store
    settings: Settings
    source: str
    campaign: str

    def repository(self, **changes: object) -> Repository:
        return good_repository(self.root, self.now, **changes)

    def good(self) -> Repository:
        return self.repository().publish(self.keys.good)

    def point_at(self, address: str, **expected: str) -> None:
        """Write the policy; expected: further keys of the source."""
        self.settings.policy_dir.mkdir(parents=True, exist_ok=True)
        expected = {"codename": SUITE, "origin": "Vendor", **expected}
        lines = [
            "sources:",
            f"  - name: {self.source}",
            "    kind: apt",
            f"    address: {address}",
            f"    suite: {SUITE}",
            "    components: [main]",
            "    architectures: [amd64]",
            f"    keyrings: [{self.keys.keyring}]",
            f"    fingerprints: [{', '.join(self.keys.pins)}]",
            *(f"    {name}: {value}" for name, value in expected.items()),
        ]
        (self.settings.policy_dir / "sources.yaml").write_text("\n".join(lines) + "\n", "utf-8")
        # What is in the packages is test_examination.py's business: here it would cost each intake two processes.
        examination = (PROJECT_ROOT / "include" / "policy" / "examination.yaml").read_text("utf-8")
        (self.settings.policy_dir / "examination.yaml").write_text(
            examination.replace("enabled: true", "enabled: false"), "utf-8"
        )

    def intake(self, *, at: datetime | None = None) -> IntakeVerdict:
        return validate_campaign(self.store, self.settings, self.campaign, now=at or self.now)

    def public_digest(self) -> str:
        return folder_digest(self.settings.repository_dir / "public")


def folder_digest(folder: Path) -> str:
    """Names, kinds, link targets, modes and bytes of everything below a folder."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        digest.update(f"{path.relative_to(folder)} {path.lstat().st_mode}\0".encode())
        if path.is_symlink():
            digest.update(str(path.readlink()).encode())
        elif path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()


@pytest.fixture(scope="session")
def shared_store(postgres: EmbeddedPostgres) -> Iterator[Store]:
    """One database for all attacks: each has a source and a campaign of its own name."""
    postgres.create_database("attacks", template=TEMPLATE)
    with Store.connect(postgres.dsn("attacks"), application_name="suture-test") as opened:
        yield opened
    postgres.drop_database("attacks")


@pytest.fixture(scope="session")
def shared_repository(shared_home: Path) -> Path:
    InternalRepository(shared_home / "repository").ensure(now=datetime.now(UTC) - timedelta(minutes=1))
    return shared_home / "repository"


_number = itertools.count(1)


@pytest.fixture
def ground(tmp_path: Path, keys: Keys, published_keyring: Path, shared_repository: Path, shared_store: Store) -> Ground:
    settings = Settings.load({"SUTURE_HOME": str(tmp_path / "state"), "SUTURE_POLICY_DIR": str(tmp_path / "policy")})
    return break_ground(tmp_path, keys, shared_store, replace(settings, repository_dir=shared_repository))


def plan_campaign(ground: Ground, version: str, packages: tuple[PlannedPackage, ...] = ()) -> None:
    """A campaign of `version` of portal and portal-data (or of these packages), in planned."""
    plan = CampaignPlan(
        asset_group="web",
        source=ground.source,
        window_name="always",
        rings={ring: (("app1",) if ring is Ring.CANARY else ()) for ring in Ring},
        packages=packages
        or (
            PlannedPackage("portal", "amd64", version, "portal", version),
            PlannedPackage("portal-data", "all", version, "portal", version),
        ),
    )
    create_campaign(
        ground.store,
        campaign_id=ground.campaign,
        title="portal",
        requested_by="olga",
        priority=Priority.SCHEDULED,
        deadline=ground.now + timedelta(days=7),
        plan=plan,
        reasons=["a test"],
        at=ground.now,
    )


def break_ground(tmp_path: Path, keys: Keys, store: Store, settings: Settings) -> Ground:
    """A planned campaign of a source that lies in tmp_path/vendor."""
    number = next(_number)
    ground = Ground(
        root=tmp_path / "vendor",
        now=datetime.now(UTC).replace(microsecond=0),
        keys=keys,
        store=store,
        settings=settings,
        source=f"vendor-{number}",
        campaign=f"SUT-2026-{number:04}",
    )
    ground.point_at(str(ground.root))
    store._connection.execute(
        "INSERT INTO host (host_id, asset_group, environment, criticality, exposure)"
        " VALUES ('app1', 'web', 'production', 'high', 'open') ON CONFLICT DO NOTHING"
    )
    plan_campaign(ground, "2.0")
    return ground
