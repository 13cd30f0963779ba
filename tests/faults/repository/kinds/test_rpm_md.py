"""rpm repositories, built by rpmbuild and createrepo_c and signed by gpg; each attack with its reason."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from suture.sourcing import Refusal, RefusalReason
from suture.sourcing.keyring import PinRule
from suture.sourcing.kinds import KindAdoption, Request
from suture.sourcing.kinds.rpm_md import REPOMD, RpmSource
from suture.sourcing.transport import FolderTransport, HttpTransport
from tests.faults.repository.builder import PACKERS, Key
from tests.faults.repository.conftest import Keys
from tests.faults.repository.server import serving

R = RefusalReason
NEEDED = ("rpmbuild", "rpmsign", "rpmkeys", "createrepo_c")
pytestmark = pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in NEEDED), reason=f"needs {', '.join(NEEDED)} (packages rpm, createrepo-c)"
)
SPEC = """Name: portal
Version: {version}
Release: 1
Summary: a test package
License: MIT
BuildArch: noarch
%description
A test package.
%install
mkdir -p %{{buildroot}}/usr/share/portal
echo {version} > %{{buildroot}}/usr/share/portal/version
%files
/usr/share/portal/version
"""


def run(*command: str, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **(env or {})})
    assert done.returncode == 0, done.stderr
    return done.stdout


def build(folder: Path, version: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    spec = folder / "portal.spec"
    spec.write_text(SPEC.format(version=version))
    run("rpmbuild", "-bb", "--quiet", "--define", f"_topdir {folder}", str(spec))
    return next((folder / "RPMS").rglob("*.rpm"))


def sign(package: Path, key: Key, target: Path, *, at: datetime | None = None) -> Path:
    """As rpmsign does it, with the key's own agent. at: the clock of the one who signs; None: the machine's."""
    shutil.copy(package, target)
    with key._home() as home:
        # rpmsign asks gpg for a passphrase on a terminal; the key has none.
        command = "%{__gpg} gpg --homedir %{_gpg_path} --batch --no-autostart --pinentry-mode loopback --passphrase '' "
        if at is not None:
            command += f"--faked-system-time {at:%Y%m%dT%H%M%S}! "
        command += "-u '%{_gpg_name}' --digest-algo sha512 -sbo %{__signature_filename} %{__plaintext_filename}"
        run(
            *("rpmsign", "--define", f"_gpg_name {key._owner}", "--define", f"_gpg_path {home}"),
            *("--define", f"__gpg_sign_cmd {command}", "--define", "__gpg /usr/bin/gpg", "--addsign", str(target)),
        )
    return target


@dataclass(frozen=True)
class Packages:
    """portal 1.0 unsigned, and signed by the vendor's good and stranger's key."""

    unsigned: Path
    good: Path
    stranger: Path


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory, keys: Keys) -> Packages:
    folder = tmp_path_factory.mktemp("rpm")
    unsigned = build(folder / "build", "1.0")
    return Packages(
        unsigned,
        sign(unsigned, keys.good, folder / "good.rpm"),
        sign(unsigned, keys.stranger, folder / "stranger.rpm"),
    )


@dataclass
class Vendor:
    root: Path
    keys: Keys
    packages: Packages
    now: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))

    def publish(
        self,
        package: Path | None = None,
        *options: str,
        edit: Callable[[str], str] = str,
        edit_primary: Callable[[str], str] | None = None,
        form: str = ".gz",
        key: Key | None = None,
        at: datetime | None = None,
    ) -> Vendor:
        shutil.rmtree(self.root, ignore_errors=True)
        (self.root / "Packages").mkdir(parents=True)
        shutil.copy(package or self.packages.good, self.root / "Packages" / "portal-1.0-1.noarch.rpm")
        run("createrepo_c", "--quiet", "--no-database", *options, str(self.root))
        text = self.repomd.read_text()
        if edit_primary is not None:
            text = self._with_primary(text, edit_primary, form)
        if at is not None:
            text = re.sub(r"<timestamp>\d+", f"<timestamp>{int(at.timestamp())}", text)
            text = re.sub(r"<revision>\d+", f"<revision>{int(at.timestamp())}", text)
        self.repomd.write_text(edit(text))
        _inline, detached = (key or self.keys.good).sign_at(self.repomd.read_bytes(), self.now)
        self.signature.write_bytes(detached)
        return self

    def _with_primary(self, text: str, edit: Callable[[str], str], form: str) -> str:
        """Another primary, named and hashed by repomd.xml as it should be."""
        block = re.search(r'<data type="primary">.*?</data>', text, re.DOTALL)
        assert block is not None
        old = self.root / re.search(r'href="([^"]+)"', block[0])[1]  # type: ignore[index]
        plain = edit(gzip.decompress(old.read_bytes()).decode()).encode()
        data = PACKERS[form](plain)
        new = old.with_name(f"edited-primary.xml{form}")
        new.write_bytes(data)
        facts = {"checksum": data, "open-checksum": plain}
        edited = block[0].replace(old.name, new.name)
        for name, body in facts.items():
            edited = re.sub(
                rf"(<{name} type=\"sha256\">)[0-9a-f]+", rf"\g<1>{hashlib.sha256(body).hexdigest()}", edited
            )
        edited = re.sub(r"<size>\d+", f"<size>{len(data)}", edited)
        edited = re.sub(r"<open-size>\d+", f"<open-size>{len(plain)}", edited)
        return text.replace(block[0], edited)

    @property
    def repomd(self) -> Path:
        return self.root / REPOMD

    @property
    def signature(self) -> Path:
        return self.root / f"{REPOMD}.asc"

    @property
    def package(self) -> Path:
        return next((self.root / "Packages").glob("*.rpm"))

    def primary(self) -> Path:
        return next((self.root / "repodata").glob("*primary.xml*"))

    def source(self, **changes: object) -> RpmSource:
        pins = dict.fromkeys(self.keys.pins, PinRule())
        source = RpmSource("vendor", str(self.root), (self.keys.keyring,), pins, pins)
        return replace(source, **changes)  # type: ignore[arg-type]

    def prove(self, *, at: datetime | None = None, state: Path | None = None, **changes: object) -> KindAdoption:
        moment = at or self.now + timedelta(minutes=5)
        return self.source(**changes).prove(FolderTransport(self.root), Request(moment, state))


@pytest.fixture
def vendor(tmp_path: Path, keys: Keys, published_keyring: Path, packages: Packages) -> Vendor:
    return Vendor(tmp_path / "vendor", keys, packages)


def refused(prove: Callable[[], object]) -> Refusal:
    with pytest.raises(Refusal) as found:
        prove()
    return found.value


@pytest.mark.parametrize("form", ["", ".gz", ".xz", ".zst", ".bz2"])
def test_a_repository_is_proven_in_every_compression(vendor: Vendor, form: str) -> None:
    found = vendor.publish(edit_primary=str, form=form).prove()
    assert [(f.name, f.version, f.sha256) for f in found.files] == [
        ("portal", "0:1.0-1", hashlib.sha256(vendor.package.read_bytes()).hexdigest())
    ]
    assert found.chain()["package_keys"] == [vendor.keys.pins[0]]
    assert found.chain()["key_fingerprint"] == vendor.keys.pins[0]


@pytest.mark.parametrize("compression", ["xz", "bz2"])
def test_what_createrepo_packs_otherwise_is_read_too(vendor: Vendor, compression: str) -> None:
    assert vendor.publish(None, f"--general-compress-type={compression}").prove().files


def test_it_is_proven_over_http_too(vendor: Vendor) -> None:
    vendor.publish()
    with serving(vendor.root) as (url, _requests):
        found = vendor.source().prove(HttpTransport(url), Request(vendor.now + timedelta(minutes=5)))
    assert len(found.files) == 1


@pytest.mark.parametrize("which", ["good", "stranger", "unsigned", "damaged"])
def test_rpmkeys_agrees_about_the_package(vendor: Vendor, tmp_path: Path, which: str) -> None:
    """The same packages, the same key: what rpm's own tool refuses we refuse, and what it takes we take."""
    path = vendor.packages.good if which == "damaged" else getattr(vendor.packages, which)
    copy = tmp_path / "p.rpm"
    data = path.read_bytes()
    copy.write_bytes(data[:-5] + b"!" + data[-4:] if which == "damaged" else data)
    database = tmp_path / "rpmdb"
    key = tmp_path / "good.asc"
    with vendor.keys.good._home() as home:
        key.write_bytes(vendor.keys.good._gpg(home, ["--armor", "--export"]))
    run("rpmkeys", "--dbpath", str(database), "--import", str(key))
    checked = subprocess.run(
        ["rpmkeys", "--dbpath", str(database), "--define", "_pkgverify_level all", "--checksig", str(copy)],
        capture_output=True, check=False,
    )  # fmt: skip
    vendor.publish(copy)
    try:
        vendor.prove()
        ours = True
    except Refusal:
        ours = False
    assert ours == (checked.returncode == 0) == (which == "good")


def tampered(vendor: Vendor) -> None:
    vendor.publish().repomd.write_text(vendor.repomd.read_text().replace("primary", "primory", 1))


def swapped(vendor: Vendor) -> None:
    path = vendor.publish().package
    path.write_bytes(path.read_bytes()[:-1] + b"!")


def tampered_primary(vendor: Vendor) -> None:
    path = vendor.publish().primary()
    data = path.read_bytes()
    path.write_bytes(data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])


def bomb(vendor: Vendor) -> None:
    vendor.publish(edit_primary=lambda text: text + " " * 64 * 1024 * 1024)
    text = re.sub(r"<open-size>\d+</open-size>", "", vendor.repomd.read_text())
    vendor.repomd.write_text(re.sub(r"<open-checksum[^/]*/open-checksum>", "", text))
    vendor.signature.write_bytes(vendor.keys.good.sign_at(vendor.repomd.read_bytes(), vendor.now)[1])


ENTITIES = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>'
EXTERNAL = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'


def _doctype(declaration: str) -> Callable[[str], str]:
    return lambda text: declaration + text.partition("?>")[2].replace("portal", "&a;", 1)


ATTACKS: list[tuple[str, Callable[[Vendor], object], RefusalReason]] = [
    ("unsigned", lambda v: v.publish().signature.unlink(), R.SIGNATURE_MISSING),
    ("empty signature", lambda v: v.publish().signature.write_bytes(b""), R.SIGNATURE_MISSING),
    ("tampered", tampered, R.SIGNATURE_INVALID),
    ("stranger", lambda v: v.publish(key=v.keys.stranger), R.KEY_UNTRUSTED),
    ("unpinned", lambda v: v.publish(key=v.keys.unpinned), R.KEY_UNTRUSTED),
    ("revoked", lambda v: v.publish(key=v.keys.revoked), R.KEY_REVOKED),
    ("frozen", lambda v: v.publish(at=v.now - timedelta(days=9)), R.EXPIRED),
    ("future", lambda v: v.publish(at=v.now + timedelta(days=1)), R.NOT_YET_VALID),
    ("weak lists", lambda v: v.publish(None, "--repomd-checksum=sha"), R.WEAK_HASH),
    ("weak packages", lambda v: v.publish(None, "--checksum=sha"), R.WEAK_HASH),
    ("doctype", lambda v: v.publish(edit=_doctype(ENTITIES)), R.MALFORMED),
    ("external", lambda v: v.publish(edit_primary=_doctype(EXTERNAL)), R.MALFORMED),
    ("entities in primary", lambda v: v.publish(edit_primary=_doctype(ENTITIES)), R.MALFORMED),
    ("no xml", lambda v: v.publish(edit=lambda _t: "<html>Please log in"), R.MALFORMED),
    ("list elsewhere", lambda v: v.publish(edit=lambda t: t.replace('href="repodata', 'href="../repodata')), R.MALFORMED),
    ("tampered primary", tampered_primary, R.HASH_MISMATCH),
    ("longer primary", lambda v: v.publish().primary().open("ab").write(b"\0"), R.SIZE_MISMATCH),
    ("cut primary", lambda v: os.truncate(v.publish().primary(), 100), R.TRUNCATED),
    ("missing primary", lambda v: v.publish().primary().unlink(), R.UNREACHABLE),
    ("bomb", bomb, R.MALFORMED),
    ("path", lambda v: v.publish(edit_primary=lambda t: t.replace("Packages/", "../../")), R.MALFORMED),
    ("base", lambda v: v.publish(edit_primary=lambda t: t.replace("<location ", '<location xml:base="http://x/" ')), R.MALFORMED),
    ("name", lambda v: v.publish(edit_primary=lambda t: t.replace("<name>portal", "<name>--eval=x")), R.MALFORMED),
    ("another name", lambda v: v.publish(edit_primary=lambda t: t.replace("<name>portal", "<name>glibc")), R.IDENTITY_MISMATCH),
    ("newer than it is", lambda v: v.publish(edit_primary=lambda t: t.replace('ver="1.0"', 'ver="9.0"')), R.IDENTITY_MISMATCH),
    ("swapped", swapped, R.HASH_MISMATCH),
    ("cut package", lambda v: os.truncate(v.publish().package, 3000), R.TRUNCATED),
    ("longer package", lambda v: v.publish().package.open("ab").write(b"\0"), R.SIZE_MISMATCH),
    ("unsigned package", lambda v: v.publish(v.packages.unsigned), R.SIGNATURE_MISSING),
    ("stranger's package", lambda v: v.publish(v.packages.stranger), R.KEY_UNTRUSTED),
]  # fmt: skip


@pytest.mark.parametrize(("attack", "reason"), [pytest.param(a, r, id=n) for n, a, r in ATTACKS])
def test_an_attack_is_refused_with_its_reason(
    vendor: Vendor, tmp_path: Path, attack: Callable[[Vendor], object], reason: RefusalReason
) -> None:
    attack(vendor)
    found = refused(lambda: vendor.prove(state=tmp_path / "state"))
    assert found.reason is reason, found.sentence
    assert not (tmp_path / "state").exists()


def test_an_older_state_is_a_rollback(vendor: Vendor, tmp_path: Path) -> None:
    state = tmp_path / "state"
    vendor.publish().prove(state=state)
    vendor.publish(at=vendor.now - timedelta(hours=2))
    assert refused(lambda: vendor.prove(state=state)).reason is R.ROLLBACK
    assert vendor.prove().files


def test_unsigned_packages_pass_only_where_policy_says_so_and_it_is_said(vendor: Vendor) -> None:
    found = vendor.publish(vendor.packages.unsigned).prove(packages_signed=False)
    assert "own signatures" in found.not_proven[0]
