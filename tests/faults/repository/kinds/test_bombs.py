"""What grows, nests or never ends, for every kind besides apt: refused in a child process with little memory and little time.

The child has RLIMIT_AS (what it may map beyond what it has after its imports) and RLIMIT_CPU: a defence that is taken away ends in a
MemoryError, a signal or a crash, never in a refusal.
"""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import re
import resource
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import zstandard

from suture.settings import PROJECT_ROOT
from tests.faults.repository.conftest import Keys
from tests.faults.repository.kinds.test_oci import Layout
from tests.faults.repository.kinds.test_plain import LIST
from tests.faults.repository.kinds.test_plain import Vendor as PlainVendor
from tests.faults.repository.kinds.test_python import Index
from tests.faults.repository.kinds.test_rpm_md import Packages, packages  # noqa: F401 - a fixture
from tests.faults.repository.kinds.test_rpm_md import Vendor as RpmVendor
from tests.faults.repository.kinds.test_tuf import Vendor as TufVendor
from tests.faults.repository.server import serving

MEMORY_BYTES = 512 * 1024 * 1024
CPU_SECONDS = 20
AT = datetime(2026, 6, 1, 12, 5, tzinfo=UTC)
MEBIBYTE = 1024 * 1024

CHILD = """
import json, resource, sys
from datetime import datetime
from pathlib import Path
from suture.sourcing.kinds import KINDS, Request, read_entry
from suture.sourcing.refusal import Refusal
from suture.sourcing.transport import transport_for
task = json.loads(sys.stdin.read())
source = read_entry(task["entry"], Path("/"))
mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (mapped + task["memory"],) * 2)
used = int(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]))
resource.setrlimit(resource.RLIMIT_CPU, (used + task["cpu"],) * 2)
transport = transport_for(source.address, timeout_s=5)
try:
    found = source.prove(transport, Request(datetime.fromisoformat(task["at"])))
    print(json.dumps({"reason": "adopted", "sentence": found.sentence}))
except Refusal as refusal:
    print(json.dumps({"reason": refusal.reason.value, "sentence": refusal.sentence}))
"""


def prove(entry: dict[str, Any], *, at: datetime = AT) -> dict[str, str]:
    """How the child judged; fails the test where it did not come to a judgement."""
    task = {"entry": {"name": "vendor", **entry}, "at": at.isoformat(), "memory": MEMORY_BYTES, "cpu": CPU_SECONDS}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(CHILD)],
        input=json.dumps(task),
        capture_output=True,
        text=True,
        timeout=300,
        cwd=PROJECT_ROOT,
        env={**os.environ, "PYTHONPATH": str(PROJECT_ROOT / "include"), "OPENBLAS_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == 0, f"it died ({done.returncode}): {done.stderr[-600:]}"
    found: dict[str, str] = json.loads(done.stdout)
    return found


@dataclass
class Ground:
    folder: Path
    keys: Keys
    packages: Packages

    # -- rpm-md ------------------------------------------------------------------------------------------------------

    def rpm(self, primary: bytes, form: str, *, says_size: bool = False) -> dict[str, Any]:
        """A repository whose signed primary is this (packed by `form`), and does not say how large it is unpacked."""
        vendor = RpmVendor(self.folder, self.keys, self.packages, now=AT - timedelta(minutes=5))
        vendor.publish(at=vendor.now)
        packed = {"": bytes, ".gz": gzip.compress, ".xz": _xz, ".zst": _zst, ".bz2": bz2.compress}[form](primary)
        text = vendor.repomd.read_text()
        block = re.search(r'<data type="primary">.*?</data>', text, re.DOTALL)
        assert block is not None
        (self.folder / f"repodata/bomb.xml{form}").write_bytes(packed)
        import hashlib

        lines = [
            '<data type="primary">',
            f'<checksum type="sha256">{hashlib.sha256(packed).hexdigest()}</checksum>',
            f'<location href="repodata/bomb.xml{form}"/><timestamp>{int(vendor.now.timestamp())}</timestamp>',
            f"<size>{len(packed)}</size>",
            f"<open-size>{len(primary)}</open-size>" if says_size else "",
            "</data>",
        ]
        vendor.repomd.write_text(text.replace(block[0], "".join(lines)))
        vendor.signature.write_bytes(self.keys.good.sign_at(vendor.repomd.read_bytes(), vendor.now)[1])
        return self.rpm_entry()

    def repomd(self, edit: Callable[[str], str]) -> dict[str, Any]:
        vendor = RpmVendor(self.folder, self.keys, self.packages, now=AT - timedelta(minutes=5))
        vendor.publish(at=vendor.now, edit=edit)
        return self.rpm_entry()

    def rpm_entry(self) -> dict[str, Any]:
        keys = {"keyrings": [str(self.keys.keyring)], "fingerprints": list(self.keys.pins)}
        return {"kind": "rpm-md", "address": str(self.folder), "max_age_days": 3650, **keys}

    # -- the others --------------------------------------------------------------------------------------------------

    def plain(self, text: str) -> dict[str, Any]:
        PlainVendor(self.folder, self.keys).publish(text=text)
        keys = {"keyrings": [str(self.keys.keyring)], "fingerprints": list(self.keys.pins)}
        return {"kind": "plain", "address": str(self.folder), "checksums": LIST, **keys}

    def python(self, page: bytes) -> dict[str, Any]:
        index = Index(self.folder).publish()
        (self.folder / "portal" / "index.json").write_bytes(page)
        projects = [{"name": "portal", "version": "1.0", "hashes": ["0" * 64]}]
        return {"kind": "python", "address": str(index.root), "projects": projects}

    def python_provenance(self, provenance: bytes) -> dict[str, Any]:
        index = Index(self.folder).publish()
        index.provenance.write_bytes(provenance)
        root = index.world.trusted_root(self.folder / "trusted_root.json")
        identity = {"issuer": "https://issuer.test", "repository": "https://forge.test/vendor/portal"}
        projects = [{"name": "portal", "version": "1.0"}]
        return {
            "kind": "python", "address": str(index.root), "projects": projects, "trusted_root": str(root),
            "identity": identity,
        }  # fmt: skip

    def tuf(self, name: str, data: bytes) -> dict[str, Any]:
        vendor = TufVendor(self.folder).publish()
        (vendor.metadata / name).write_bytes(data)
        return {"kind": "tuf", "address": str(vendor.root), "root": str(vendor.pinned)}

    def oci(self, manifest: bytes) -> dict[str, Any]:
        layout = Layout(self.folder).publish()
        found = layout.blob(manifest, "application/vnd.oci.image.manifest.v1+json")
        return {"kind": "oci", "address": str(layout.root), "digest": found["digest"]}


def _xz(data: bytes) -> bytes:
    return lzma.compress(data, preset=1)


def _zst(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=3).compress(data)


HEAD = b'<?xml version="1.0"?><metadata xmlns="http://linux.duke.edu/metadata/common">'
SPACES = HEAD + b" " * (48 * MEBIBYTE) + b"</metadata>"
MORE_SPACES = HEAD + b" " * (300 * MEBIBYTE) + b"</metadata>"
DEEP = b"[" * 200_000
IN_A_PAGE = b'{"name": "portal", "files": %s}'
IN_A_MANIFEST = b'{"schemaVersion": 2, "config": {}, "layers": %s}'
HUGE = b"9" * 5_000_000

Attack = Callable[[Ground], dict[str, Any]]
ATTACKS: list[tuple[str, Attack, str]] = [
    *[(f"rpm-md: {form} of 48 MB", lambda g, form=form: g.rpm(SPACES, form), "malformed") for form in (".gz", ".xz", ".zst", ".bz2")],
    ("rpm-md: 300 MB, and says so", lambda g: g.rpm(MORE_SPACES, ".zst", says_size=True), "malformed"),
    ("rpm-md: one in another", lambda g: g.rpm(gzip.compress(gzip.compress(SPACES)), ".gz"), "malformed"),
    ("rpm-md: 32 MB of elements", lambda g: g.rpm(HEAD + b"<x/>" * 8_000_000, ".zst", says_size=True), "malformed"),
    ("rpm-md: 32 MB in a package", lambda g: g.rpm(HEAD + b"<package>" + b"<x/>" * 8_000_000, ".zst", says_size=True), "malformed"),
    ("rpm-md: a comment of 32 MB", lambda g: g.rpm(HEAD + b"<!--" + b"<" * (32 * MEBIBYTE), ".zst", says_size=True), "malformed"),
    ("rpm-md: many comments", lambda g: g.rpm(HEAD + b"<?a?>" * 500_000, ".zst", says_size=True), "malformed"),
    ("rpm-md: a million deep", lambda g: g.rpm(HEAD + b"<x>" * 1_000_000, ".zst", says_size=True), "malformed"),
    ("rpm-md: an attribute of 32 MB", lambda g: g.rpm(HEAD + b'<x a="' + b"a" * (32 * MEBIBYTE), ".zst", says_size=True), "malformed"),
    ("rpm-md: repomd deep", lambda g: g.repomd(lambda t: t.replace("</repomd>", "<x>" * 200_000)), "malformed"),
    ("rpm-md: repomd wide", lambda g: g.repomd(lambda t: t.replace("</repomd>", "<x/>" * 300_000 + "</repomd>")), "malformed"),
    ("rpm-md: huge number", lambda g: g.repomd(lambda t: re.sub(r"<size>\d+", f"<size>{'9' * 50_000}", t)), "malformed"),
    ("plain: a line without an end", lambda g: g.plain("0" * 10_000_000), "malformed"),
    ("plain: a list beyond the limit", lambda g: g.plain("\n" * (17 * MEBIBYTE)), "size_mismatch"),
    ("plain: a name of 8 MB", lambda g: g.plain(f"{'0' * 64}  {'a/' * 4_000_000}a\n"), "malformed"),
    ("python: deep page", lambda g: g.python(DEEP), "malformed"),
    ("python: deep files", lambda g: g.python(IN_A_PAGE % (b"[" * 90_000 + b"]" * 90_000)), "malformed"),
    ("python: huge number", lambda g: g.python(IN_A_PAGE % (b'[{"size": %s}]' % HUGE)), "malformed"),
    ("python: 60 MB page", lambda g: g.python(IN_A_PAGE % (b"[" + b"0," * (20 * MEBIBYTE) + b"0]")), "size_mismatch"),
    ("python: deep provenance", lambda g: g.python_provenance(DEEP), "malformed"),
    ("python: wide provenance", lambda g: g.python_provenance(b'{"attestation_bundles": [%s]}' % (b"{}," * 5_000_000 + b"{}")), "*"),
    ("tuf: deep timestamp", lambda g: g.tuf("timestamp.json", b"[" * 16_000), "malformed"),
    ("tuf: a next root of 64 MB", lambda g: g.tuf("2.root.json", b" " * (64 * MEBIBYTE)), "size_mismatch"),
    ("oci: deep manifest", lambda g: g.oci(IN_A_MANIFEST % (b"[" * 90_000)), "malformed"),
    ("oci: huge size", lambda g: g.oci(IN_A_MANIFEST % (b'[{"digest": "x", "size": %s}]' % HUGE[:4_000_000])), "*"),
    ("oci: 60 MB manifest", lambda g: g.oci(b" " * (60 * MEBIBYTE)), "size_mismatch"),
]  # fmt: skip


@pytest.mark.parametrize(("attack", "reason"), [pytest.param(a, r, id=n) for n, a, r in ATTACKS])
def test_a_bomb_is_refused_within_its_limits(
    tmp_path: Path, keys: Keys, published_keyring: Path, packages: Packages, attack: Attack, reason: str  # noqa: F811
) -> None:
    assert published_keyring
    found = prove(attack(Ground(tmp_path / "vendor", keys, packages)))
    assert found["reason"] == reason if reason != "*" else found["reason"] in {"malformed", "size_mismatch"}, found
    assert len(found["sentence"]) < 2000  # hostile text of any length ends in no log line


ENDLESS: dict[str, tuple[str, ...]] = {
    "rpm-md": ("repomd.xml.asc", "repomd.xml", "primary", ".rpm"),
    "plain": ("SHA256SUMS.asc", "SHA256SUMS", "agent.bin"),
    "tuf": ("timestamp.json", "snapshot.json", "targets.json", "agent.bin"),
    "python": ("/portal/", ".provenance", ".whl"),
}


def _served(kind: str, folder: Path, keys: Keys, rpms: Packages) -> tuple[dict[str, Any], Path]:
    """The entry without its address, and what is served."""
    pinned = {"keyrings": [str(keys.keyring)], "fingerprints": list(keys.pins)}
    if kind == "rpm-md":
        vendor = RpmVendor(folder, keys, rpms, now=AT - timedelta(minutes=5))
        vendor.publish(at=vendor.now)
        return {"max_age_days": 3650, **pinned}, folder
    if kind == "plain":
        PlainVendor(folder, keys).publish()
        return {"checksums": LIST, **pinned}, folder
    if kind == "tuf":
        tuf = TufVendor(folder).publish()
        return {"root": str(tuf.pinned)}, tuf.root
    index = Index(folder).publish()
    root = index.world.trusted_root(folder / "trusted_root.json")
    identity = {"issuer": "https://issuer.test", "repository": "https://forge.test/vendor/portal"}
    return {"projects": [{"name": "portal", "version": "1.0"}], "trusted_root": str(root), "identity": identity}, folder


@pytest.mark.parametrize("kind", ENDLESS)
def test_an_endless_answer_is_cut_off_wherever_it_comes(
    tmp_path: Path, keys: Keys, published_keyring: Path, packages: Packages, monkeypatch: pytest.MonkeyPatch, kind: str  # noqa: F811
) -> None:
    """A checksum list says no size, so a file of it may be long: there the limit itself is lowered."""
    assert published_keyring
    entry, root = _served(kind, tmp_path / "vendor", keys, packages)
    for where in ENDLESS[kind]:
        if (kind, where) == ("plain", "agent.bin"):
            continue  # test_plain: the endless file of a list is cut off
        with serving(root, {where: "endless"}) as (url, _requests):
            found = prove({"kind": kind, "address": url, **entry})
        assert found["reason"] in {"size_mismatch", "malformed", "unreachable"}, (where, found)


def test_the_limits_of_the_child_are_real(tmp_path: Path, keys: Keys, published_keyring: Path, packages: Packages) -> None:  # noqa: F811
    """The same child without a bomb adopts; and it cannot have the memory that a bomb would take."""
    assert published_keyring
    ground = Ground(tmp_path / "vendor", keys, packages)
    assert prove(ground.repomd(str))["reason"] == "adopted"
    limit = f"resource.setrlimit(resource.RLIMIT_AS, ({2 * MEMORY_BYTES},) * 2)"
    script = f"import resource; {limit}; bytearray({3 * MEMORY_BYTES})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert b"MemoryError" in done.stderr
    assert resource.getrlimit(resource.RLIMIT_AS)[0] != MEMORY_BYTES  # the test's own process is not limited
