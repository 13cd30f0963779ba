"""The vendor's product, acme-portal: what each release contains, and its .deb.

1.0.0 reads any file that its user may read (`/files?name=../..`: LABSA-2026-0001); 1.0.1 mends that. 1.0.2 mends a
second weakness (LABSA-2026-0002) and brings a mistake along: its pool recycles database connections, and hands the one
that it has just closed to the next request. It starts after 200 requests and meets one in twenty: function tests do
not see it, traffic does. /healthz has a connection of its own and stays well.

The packages are reproducible: the same sources give the same bytes, so that hosts' layers can be cached.
"""

from __future__ import annotations

import gzip
import os
import subprocess
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

from lab.errors import BuildError
from lab.vendor.bill import bill_of_materials

SOURCES = Path(__file__).with_name("portal")
PACKAGE = "acme-portal"
MAINTAINER = "ACME Lab Vendor <security@vendor.lab.invalid>"


@dataclass(frozen=True)
class Release:
    """One version: which pieces of source it is made of, and what its changelog says."""

    version: str
    pool: str
    files: str
    released_at: datetime
    urgency: str
    changes: tuple[str, ...]


RELEASES = {
    release.version: release
    for release in (
        Release(
            "1.0.0", "pool.py.txt", "files-open.py.txt", datetime(2026, 9, 1, 9, 0, tzinfo=UTC), "medium",
            ("First release.",),
        ),
        Release(
            "1.0.1", "pool.py.txt", "files-checked.py.txt", datetime(2026, 11, 16, 9, 0, tzinfo=UTC), "high",
            ("Refuse names that lead out of the download folder (path traversal, LABSA-2026-0001).",),
        ),
        Release(
            "1.0.2", "pool-recycling.py.txt", "files-checked.py.txt", datetime(2026, 11, 20, 9, 0, tzinfo=UTC), "high",
            ("Recycle database connections, so that a session that was taken over ends (LABSA-2026-0002).",),
        ),
        # Out of band, for who asks at the desk; and the regular release that replaces it.
        Release(
            "1.0.1+hotfix1", "pool-expiring.py.txt", "files-checked.py.txt", datetime(2026, 11, 24, 9, 0, tzinfo=UTC),
            "critical", ("Hotfix: give each database session an age, and open it anew after that (LABSA-2026-0002).",),
        ),
        Release(
            "1.0.3", "pool-expiring.py.txt", "files-checked.py.txt", datetime(2026, 11, 25, 9, 0, tzinfo=UTC), "high",
            ("Give each database session an age, and open it anew after that (LABSA-2026-0002).",),
        ),
    )
}  # fmt: skip


def build_package(release: Release, folder: Path) -> Path:
    """The .deb of a release in `folder`; built only when it is not there. Raises BuildError."""
    target = folder / f"{PACKAGE}_{release.version}_all.deb"
    if target.exists():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="suture-vendor-") as scratch:
        root = Path(scratch) / "root"
        for path, (content, mode) in _contents(release).items():
            file = root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content if isinstance(content, bytes) else content.encode())
            file.chmod(mode)
        _fix_times(root, release.released_at)
        part = target.with_suffix(".part")
        done = subprocess.run(
            ["dpkg-deb", "--root-owner-group", "-Zgzip", "--build", str(root), str(part)],
            capture_output=True, text=True, check=False,
            env={**os.environ, "SOURCE_DATE_EPOCH": str(int(release.released_at.timestamp()))},
        )  # fmt: skip
        if done.returncode != 0:
            raise BuildError(f"dpkg-deb could not build {target.name}: {done.stderr.strip()}")
        part.replace(target)
    return target


def build_bill(release: Release, package: Path) -> bytes:
    """The bill of materials of a release's package. Raises BuildError."""
    control = _source("control")
    stated = next(line for line in control.splitlines() if line.startswith("Depends:")).removeprefix("Depends:")
    depends = tuple(sorted(part.split()[0] for part in stated.split(",")))
    released = release.released_at.isoformat(timespec="seconds")
    return bill_of_materials(package, PACKAGE, release.version, released, depends)


def _source(name: str) -> str:
    return (SOURCES / name).read_text("utf-8")


def _contents(release: Release) -> dict[str, tuple[str | bytes, int]]:
    program = _source("portal.py").replace("@POOL@", _source(release.pool).strip())
    program = program.replace("@FILES@", _source(release.files).strip()).replace("@VERSION@", release.version)
    changelog = gzip.compress(_changelog(release).encode(), mtime=0)
    return {
        "DEBIAN/control": (_source("control").replace("@VERSION@", release.version), 0o644),
        "DEBIAN/conffiles": ("/etc/acme-portal/portal.conf\n", 0o644),
        "DEBIAN/postinst": (_source("postinst"), 0o755),
        "DEBIAN/prerm": (_source("prerm"), 0o755),
        "etc/acme-portal/portal.conf": (_source("portal.conf"), 0o644),
        "lib/systemd/system/acme-portal.service": (_source("acme-portal.service"), 0o644),
        "usr/lib/acme-portal/portal.py": (program, 0o755),
        "usr/share/acme-portal/files/price-list.txt": (_source("price-list.txt"), 0o644),
        "usr/share/doc/acme-portal/changelog.Debian.gz": (changelog, 0o644),
    }


def _changelog(newest: Release) -> str:
    """Debian's format, newest first."""
    stanzas = []
    for release in sorted(RELEASES.values(), key=lambda release: release.released_at, reverse=True):
        if release.released_at <= newest.released_at:
            changes = "\n".join(f"  * {change}" for change in release.changes)
            head = f"{PACKAGE} ({release.version}) stable; urgency={release.urgency}"
            stanzas.append(f"{head}\n\n{changes}\n\n -- {MAINTAINER}  {format_datetime(release.released_at)}\n")
    return "\n".join(stanzas)


def _fix_times(root: Path, moment: datetime) -> None:
    stamp = moment.timestamp()
    for folder, _, files in os.walk(root, topdown=False):
        for name in (*files, "."):
            os.utime(Path(folder) / name, (stamp, stamp))
