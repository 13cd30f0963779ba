"""The vendor's apt repository: suite `stable`, signed, dated, with an end of validity; and its advisories in OSV form.

The signed Release lists the packages' bills of materials too.

`publish` writes the tree for a set of versions as the vendor would: all of it anew, then swapped in as one. Suture and
its hosts know the vendor by the exported key only.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

from lab.errors import BuildError, LabError
from lab.vendor.bill import SUFFIX
from lab.vendor.packages import PACKAGE, RELEASES, build_bill, build_package

SUITE = "stable"
COMPONENT = "main"
VALID_FOR = timedelta(days=14)
KEY_NAME = "ACME Lab Vendor Archive Key <archive@vendor.lab.invalid>"
ADVISORIES = Path(__file__).with_name("advisories")


def publish(folder: Path, secrets: Path, versions: Iterable[str], *, at: datetime | None = None) -> Path:
    """Publish these versions of the product; the public tree, `folder`/public. `at` dates it (aware; default: now).

    Raises LabError for a version that the vendor does not have.
    """
    wanted = sorted(set(versions))
    unknown = [version for version in wanted if version not in RELEASES]
    if unknown or not wanted:
        raise LabError(
            f"The vendor has no {PACKAGE} {', '.join(unknown) or '(no version given)'}.",
            remedy=f"It has {', '.join(RELEASES)}.",
        )
    moment = at or datetime.now(UTC)
    folder.mkdir(parents=True, exist_ok=True)
    packages = {version: build_package(RELEASES[version], folder / "packages") for version in wanted}
    fresh = Path(tempfile.mkdtemp(prefix="public.", dir=folder))
    fresh.chmod(0o755)
    _write_tree(fresh, packages, moment)
    with keyring_home(secrets) as home:
        _sign(home, fresh / "dists" / SUITE)
        _gpg(home, "--output", str(fresh / "keyring.gpg"), "--export")
    shutil.copy(fresh / "keyring.gpg", folder / "keyring.gpg")
    _write_advisories(fresh, wanted, moment)
    _swap(folder, fresh)
    return folder / "public"


@contextmanager
def keyring_home(secrets: Path) -> Iterator[Path]:
    """A throw-away gpg home with the vendor's key, made at first use and kept in `secrets`/vendor-signing-key.asc.

    Throw-away and short-named: gpg's agent lives in it, and its socket's path must stay under 108 characters.
    """
    secrets.mkdir(parents=True, exist_ok=True, mode=0o700)
    kept = secrets / "vendor-signing-key.asc"
    home = Path(tempfile.mkdtemp(prefix="suture-gpg-"))
    try:
        if kept.exists():
            _gpg(home, "--import", str(kept))
        else:
            _gpg(home, "--passphrase", "", "--quick-generate-key", KEY_NAME, "ed25519", "sign", "2y")
            part = kept.with_suffix(".part")
            _gpg(home, "--output", str(part), "--armor", "--export-secret-keys")
            part.chmod(0o600)
            part.replace(kept)
        yield home
    finally:
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "gpg-agent"], check=False, capture_output=True)
        shutil.rmtree(home, ignore_errors=True)


def _write_tree(root: Path, packages: dict[str, Path], moment: datetime) -> None:
    pool = root / "pool" / COMPONENT / PACKAGE
    binary = root / "dists" / SUITE / COMPONENT / "binary-all"
    bills = root / "dists" / SUITE / COMPONENT / "sbom"
    for path in (pool, binary, bills):
        path.mkdir(parents=True)
    for version, package in packages.items():
        shutil.copy(package, pool / package.name)
        (bills / (package.name + SUFFIX)).write_bytes(build_bill(RELEASES[version], package))
    index = _run(["apt-ftparchive", "packages", f"pool/{COMPONENT}"], root)
    machine = subprocess.run(
        ["dpkg", "--print-architecture"], capture_output=True, text=True, check=True
    ).stdout.strip()
    for architecture in ("all", machine):
        target = root / "dists" / SUITE / COMPONENT / f"binary-{architecture}"
        target.mkdir(exist_ok=True)
        (target / "Packages").write_bytes(index)
        _run(["gzip", "-9nk", "Packages"], target)
    options = {
        "Origin": "ACME Lab Vendor", "Label": "ACME Security", "Suite": SUITE, "Codename": SUITE,
        "Architectures": f"all {machine}", "Components": COMPONENT, "Date": _debian_date(moment),
        "Valid-Until": _debian_date(moment + VALID_FOR), "Description": "ACME products: security updates",
    }  # fmt: skip
    arguments = [f"-oAPT::FTPArchive::Release::{name}={value}" for name, value in options.items()]
    release = _run(
        ["apt-ftparchive", *arguments, "-oAPT::FTPArchive::DoByHash=false",
         f"-oAPT::FTPArchive::Release::Patterns::=*{SUFFIX}", "release", "."],
        root / "dists" / SUITE,
    )  # fmt: skip
    lines = [line for line in release.decode().splitlines() if not line.startswith(("Date:", "Valid-Until:"))]
    dates = [f"Date: {options['Date']}", f"Valid-Until: {options['Valid-Until']}"]
    (root / "dists" / SUITE / "Release").write_text("\n".join([*lines[:4], *dates, *lines[4:]]) + "\n", "utf-8")


def _sign(home: Path, suite: Path) -> None:
    _gpg(home, "--clearsign", "--output", str(suite / "InRelease"), str(suite / "Release"))
    _gpg(home, "--armor", "--detach-sign", "--output", str(suite / "Release.gpg"), str(suite / "Release"))


def _write_advisories(root: Path, versions: list[str], moment: datetime) -> None:
    """advisories.json: those whose fix is among the published versions, as the vendor announces them."""
    found = []
    for path in sorted(ADVISORIES.glob("*.json")):
        advisory = json.loads(path.read_text("utf-8"))
        fixes = {event["fixed"] for part in advisory["affected"] for span in part["ranges"]
                 for event in span["events"] if "fixed" in event}  # fmt: skip
        if fixes & set(versions):
            found.append(advisory)
    body = json.dumps({"published": moment.isoformat(timespec="seconds"), "advisories": found}, indent=2) + "\n"
    (root / "advisories.json").write_text(body, "utf-8")
    digest = hashlib.sha256(body.encode()).hexdigest()
    (root / "advisories.json.sha256").write_text(f"{digest}  advisories.json\n", "utf-8")


def _swap(folder: Path, fresh: Path) -> None:
    """`public` is a link: readers see the old tree or the new one, never half of each."""
    link = folder / "public"
    part = folder / "public.new"
    part.unlink(missing_ok=True)
    part.symlink_to(fresh.name)
    part.replace(link)
    for old in folder.glob("public.*"):
        if old.is_dir() and not old.is_symlink() and old != fresh:
            shutil.rmtree(old, ignore_errors=True)


def _debian_date(moment: datetime) -> str:
    return format_datetime(moment.astimezone(UTC)).replace("+0000", "UTC")


def _gpg(home: Path, *arguments: str) -> None:
    command = ["gpg", "--homedir", str(home), "--batch", "--yes", "--quiet", "--pinentry-mode", "loopback", *arguments]
    environment = {**os.environ, "GNUPGHOME": str(home)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode != 0:
        raise BuildError(
            f"gpg failed for the lab's vendor: {done.stderr.strip()}", remedy="Is gnupg whole (gpg, gpg-agent)?"
        )


def _run(command: list[str], folder: Path) -> bytes:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    except FileNotFoundError as error:
        raise BuildError(f"{command[0]} is missing.", remedy="apt-get install apt-utils gnupg") from error
    if done.returncode != 0:
        raise BuildError(f"{command[0]} failed: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout
