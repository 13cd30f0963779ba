"""packages.txt: the operating system's packages that Suture needs, and how missing ones get here.

The rules:

- Nothing is installed before it was named to the person, and only as root; otherwise the command to run is printed.
- Services of newly installed packages are neither started nor enabled: they are tools of the lab, not of this machine.
  A policy-rc.d that forbids starting stands for the moment of the installation, unless the machine has its own.
- The lists of the machine's own package sources are used; they are renewed once when a package is not found in them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from suture.errors import BadInputError, SutureError
from suture.settings import PROJECT_ROOT

PACKAGES = PROJECT_ROOT / "packages.txt"
POLICY = Path("/usr/sbin/policy-rc.d")
POLICY_MARK = "# suture: no service is started while packages are installed; this file goes away afterwards"
UNITS = Path("/etc/systemd/system")
INSTALL_TIMEOUT_S = 1800
TESTS_SECTION = "[tests]"
OPTIONS = ("-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Options::=--force-confold")


class PackagesError(SutureError):
    """Packages are missing and could not be installed."""


@dataclass(frozen=True)
class Package:
    """One line: any of `names` will do, the first is installed. `purpose` is the line's comment; `only_tests`: it stands
    below the line [tests]."""

    names: tuple[str, ...]
    purpose: str
    only_tests: bool = False


def parse(text: str, *, source: str = "packages.txt") -> list[Package]:
    """Lines `name` or `name | other`, with `# purpose`, and once `[tests]`. Raises BadInputError with the line's number."""
    found = []
    only_tests = False
    for number, line in enumerate(text.splitlines(), 1):
        content, _, comment = line.partition("#")
        if not content.strip():
            continue
        if content.strip() == TESTS_SECTION:
            only_tests = True
            continue
        names = tuple(name.strip() for name in content.split("|"))
        for name in names:
            if not name or not all(character.isalnum() or character in "+-." for character in name):
                raise BadInputError(f"{source} line {number}: {name!r} is not a package's name.")
        found.append(Package(names, comment.strip(), only_tests))
    return found


def missing(
    path: Path = PACKAGES, *, for_tests: bool = False, installed: Callable[[], set[str]] | None = None
) -> list[Package]:
    """What packages.txt names and the machine lacks; what only tests need is left out unless for_tests. Raises
    PackagesError where there is no dpkg."""
    have = (installed or _installed)()
    return [
        package
        for package in parse(path.read_text("utf-8"), source=path.name)
        if not have & set(package.names) and (for_tests or not package.only_tests)
    ]


def install_command(packages: Sequence[Package]) -> list[str]:
    return ["apt-get", "install", *OPTIONS, *(package.names[0] for package in packages)]


def offer() -> bool:
    """Install what the lab and the tests lack if we may; otherwise name it. Whether everything is there now.

    The lab's come first and by themselves: a system that has no browser to install can still have its lab.
    """
    try:
        require()
        require(for_tests=True)
    except PackagesError as error:
        print(f"suture: {error}", file=sys.stderr, flush=True)
        return False
    return True


def require(*, for_tests: bool = False) -> None:
    """Install what is missing, after saying so. Raises PackagesError where that is not possible."""
    lacking = missing(for_tests=for_tests)
    if not lacking:
        return
    names = " ".join(package.names[0] for package in lacking)
    if os.geteuid() != 0:
        raise PackagesError(
            f"These packages are missing: {names}.",
            remedy=f"As root: apt-get install --no-install-recommends {names}",
        )
    print("suture: These packages are missing and will be installed through apt:", file=sys.stderr)
    for package in lacking:
        print(f"  {package.names[0]:<20} {package.purpose}".rstrip(), file=sys.stderr, flush=True)
    enabled_before = _enabled_units()
    with no_service_starts():
        if _apt(install_command(lacking)) != 0 and (
            _apt(["apt-get", "update", "-o", "APT::Update::Error-Mode=any"]) != 0 or _apt(install_command(lacking)) != 0
        ):
            raise PackagesError(
                f"apt-get could not install: {names}.", remedy="Its messages stand above; mend that, then try again."
            )
    _disable(sorted(_enabled_units() - enabled_before))
    still = missing(for_tests=for_tests)
    if still:
        raise PackagesError(f"apt-get ended well, yet these are missing: {' '.join(p.names[0] for p in still)}.")


@contextmanager
def no_service_starts(policy: Path = POLICY) -> Iterator[None]:
    """Forbid invoke-rc.d to start anything meanwhile. A policy of the machine's own is left as it is."""
    ours_from_before = policy.exists() and POLICY_MARK in policy.read_text("utf-8", errors="replace")
    if policy.exists() and not ours_from_before:
        yield
        return
    policy.write_text(f"#!/bin/sh\n{POLICY_MARK}\nexit 101\n", "utf-8")
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink(missing_ok=True)


def forgotten_policy(policy: Path = POLICY) -> bool:
    """Whether a killed installation left our policy-rc.d behind."""
    return policy.exists() and POLICY_MARK in policy.read_text("utf-8", errors="replace")


def _apt(command: Sequence[str]) -> int:
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_SUSPEND": "1", "LC_ALL": "C"}
    try:
        return subprocess.run(
            command, env=env, stdin=subprocess.DEVNULL, stdout=sys.stderr, timeout=INSTALL_TIMEOUT_S, check=False
        ).returncode
    except subprocess.TimeoutExpired:
        raise PackagesError(
            f"apt-get did not end within {INSTALL_TIMEOUT_S // 60} minutes.",
            remedy="Check the machine's package sources, then: dpkg --configure -a, and try again.",
        ) from None


def _installed() -> set[str]:
    if shutil.which("dpkg-query") is None:
        raise PackagesError(
            "This is not a Debian or Ubuntu system: its packages cannot be checked.",
            remedy=f"See {PACKAGES.name} for what the lab needs.",
        )
    done = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n"], capture_output=True, text=True, check=True
    )
    return {line.split()[0] for line in done.stdout.splitlines() if line.endswith(" installed")}


def _enabled_units() -> set[str]:
    return {link.name for link in UNITS.glob("*.wants/*") if link.is_symlink()}


def _disable(units: Sequence[str]) -> None:
    for unit in units:
        print(f"suture: {unit} came with a package; it is not to start with this machine.", file=sys.stderr)
        for link in UNITS.glob(f"*.wants/{unit}"):
            link.unlink()
