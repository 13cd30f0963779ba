"""What this machine lacks for the practice fleet, and how to mend it. Changes nothing."""

from __future__ import annotations

import ctypes
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab import archive, cgroup, namespace
from lab.errors import LabError

PROGRAMS = {
    "unshare": "util-linux", "ip": "iproute2", "ssh": "openssh-client", "ssh-keygen": "openssh-client", "tar": "tar",
    "socat": "socat", "mmdebstrap": "mmdebstrap", "dpkg-deb": "dpkg", "apt-ftparchive": "apt-utils", "gpg": "gnupg",
}  # fmt: skip
NEEDED_FREE_BYTES = 4 * 2**30
NEEDED_MEMORY_BYTES = 2 * 2**30
NEEDED_INOTIFY_INSTANCES = 128  # about 8 a host
_CLONE_NEWUSER = 0x1000_0000


@dataclass(frozen=True)
class Finding:
    """One thing that stands between this machine and a practice fleet; `remedy` is what to do about it."""

    subject: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.problem} {self.remedy}"


def doctor(home: Path | None = None) -> list[Finding]:
    """Everything that is missing; empty on a machine that can host the fleet. `home`: the state folder, for its disk."""
    return list(_findings(home))


def _findings(home: Path | None) -> Iterator[Finding]:
    yield from _programs()
    yield from _kernel()
    if os.getuid() != 0:
        yield from _user()
    if cgroup.writable_parent() is None:
        yield Finding(
            "cgroup2", "No cgroup2 folder can be written to; systemd in the hosts needs one.",
            "Run as root, or inside `systemd-run --user --scope -p Delegate=yes`.",
        )  # fmt: skip
    try:
        archive.keyring_of(archive.read().main)
    except LabError as error:
        yield Finding("apt sources", error.message, error.remedy or "")
    except OSError as error:
        yield Finding("apt sources", f"They cannot be read: {error}.", "The lab needs a Debian or Ubuntu machine.")
    yield from _room(home)


def _programs() -> Iterator[Finding]:
    missing = {name: package for name, package in PROGRAMS.items() if shutil.which(name) is None}
    if os.getuid() != 0:
        missing |= {name: "uidmap" for name in ("newuidmap", "newgidmap") if shutil.which(name) is None}
    if missing:
        packages = " ".join(sorted(set(missing.values())))
        yield Finding(
            "programs", f"Missing: {', '.join(missing)}.", f"apt-get install --no-install-recommends {packages}"
        )


def _kernel() -> Iterator[Finding]:
    if not _can_have_user_namespaces():
        yield Finding(
            "kernel", "User namespaces are refused here.",
            "sysctl kernel.unprivileged_userns_clone=1 user.max_user_namespaces=10000; on Ubuntu as a user also "
            "kernel.apparmor_restrict_unprivileged_userns=0; in a container, allow them there.",
        )  # fmt: skip
    if "overlay" not in Path("/proc/filesystems").read_text() and not shutil.which("modprobe"):
        yield Finding("kernel", "It has no overlay file system.", "Load the module `overlay`.")
    limit = Path("/proc/sys/fs/inotify/max_user_instances")
    if limit.exists() and int(limit.read_text()) < NEEDED_INOTIFY_INSTANCES:
        yield Finding(
            "inotify", f"max_user_instances is {limit.read_text().strip()}; {NEEDED_INOTIFY_INSTANCES} are needed.",
            f"sysctl fs.inotify.max_user_instances={NEEDED_INOTIFY_INSTANCES}",
        )  # fmt: skip


def _can_have_user_namespaces() -> bool:
    """Try one, in a process that ends at once."""
    pid = os.fork()
    if pid == 0:
        os._exit(0 if ctypes.CDLL(None).unshare(_CLONE_NEWUSER) == 0 else 1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def _user() -> Iterator[Finding]:
    for kind in ("subuid", "subgid"):
        found = namespace.subordinate_range(kind)
        if found is None or found[1] < namespace.RANGE_SIZE - 1:
            yield Finding(
                f"/etc/{kind}", f"This user has no range of {namespace.RANGE_SIZE} ids there.",
                "As root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER",
            )  # fmt: skip


def _room(home: Path | None) -> Iterator[Finding]:
    place = home or Path.cwd()
    while not place.exists():
        place = place.parent
    free_bytes = shutil.disk_usage(place).free
    if free_bytes < NEEDED_FREE_BYTES:
        yield Finding(
            "disk", f"{free_bytes / 2**30:.1f} GiB are free at {place}; 4 GiB are needed.", "Free some space."
        )
    memory_bytes = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for line in Path("/proc/meminfo").read_text("ascii").splitlines():
        if line.startswith("MemAvailable:"):
            memory_bytes = int(line.split()[1]) * 1024
    if memory_bytes < NEEDED_MEMORY_BYTES:
        yield Finding("memory", f"{memory_bytes / 2**30:.1f} GiB are available; 2 GiB are needed.", "End something.")
