"""The fleet's cgroup2 folder: systemd inside a host needs one that it may write to."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from lab.errors import MachineUnfitError

NURSERY = "nursery"


def hierarchy() -> Path | None:
    """Where cgroup2 is mounted, or None. Hybrid machines mount it beside the old controllers."""
    for line in Path("/proc/self/mountinfo").read_text("utf-8").splitlines():
        before, _, after = line.partition(" - ")
        if after.startswith("cgroup2 "):
            return Path(before.split()[4])
    return None


def own_folder() -> Path | None:
    """The folder that this process is in, or None without cgroup2."""
    top = hierarchy()
    if top is None:
        return None
    for line in Path("/proc/self/cgroup").read_text("utf-8").splitlines():
        if line.startswith("0::"):
            return top / line[3:].lstrip("/")
    return None


def writable_parent() -> Path | None:
    """Where this user may make folders: the top as root, the delegated folder as a user; None when there is none."""
    if os.getuid() == 0:
        return hierarchy()
    folder = own_folder()
    while folder is not None and folder != hierarchy():
        if os.access(folder, os.W_OK) and os.access(folder / "cgroup.procs", os.W_OK):
            return folder
        folder = folder.parent
    return None


def make(name: str, owner_uid: int | None) -> Path:
    """A fresh folder for the fleet, writable by uid `owner_uid` (None: by ourselves), with one for its nursery."""
    parent = writable_parent()
    if parent is None:
        raise MachineUnfitError(
            "No cgroup2 folder can be written to here, and systemd in the hosts needs one.",
            remedy="Run as root, or inside `systemd-run --user --scope -p Delegate=yes`.",
        )
    folder = parent / name
    remove(folder)
    for path in (folder, folder / NURSERY):
        path.mkdir(exist_ok=True)
        if owner_uid is not None:
            for entry in (
                path,
                *(path / file for file in ("cgroup.procs", "cgroup.threads", "cgroup.subtree_control")),
            ):
                with contextlib.suppress(FileNotFoundError):
                    os.chown(entry, owner_uid, owner_uid)
    return folder


def remove(folder: Path, *, patience_s: float = 5.0) -> bool:
    """End whatever is left inside the folder and remove it; False when something in it would not go."""
    if not folder.exists():
        return True
    with contextlib.suppress(OSError):
        (folder / "cgroup.kill").write_text("1")
    give_up_at = time.monotonic() + patience_s
    while True:
        for path in sorted((Path(root) for root, _, _ in os.walk(folder)), key=lambda path: -len(path.parts)):
            with contextlib.suppress(OSError):
                path.rmdir()
        if not folder.exists():
            return True
        if time.monotonic() > give_up_at:
            return False
        time.sleep(0.05)
