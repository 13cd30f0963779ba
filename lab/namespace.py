"""A user namespace with its own mounts, processes and (for hosts) network: the walls around the fleet.

The rules:

- Inside, root is an unprivileged uid of the machine: a range of its own when root starts the fleet, the user and the
  user's subordinate range otherwise. Nothing inside has power over the machine.
- The fleet's folder appears inside as /mnt: the folders above it may be closed (0700) to the mapped uid.
- Whoever forked the namespace owns it: when that process ends, however it ends, the kernel ends everything inside.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError

FOLDER_INSIDE = Path("/mnt")
RANGE_SIZE = 65_536

_LIBC = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNS = 0x0002_0000
_CLONE_NEWUTS = 0x0400_0000
_CLONE_NEWIPC = 0x0800_0000
_CLONE_NEWUSER = 0x1000_0000
_CLONE_NEWPID = 0x2000_0000
_CLONE_NEWNET = 0x4000_0000
_MS_BIND = 0x1000
_MS_REC = 0x4000
_MS_PRIVATE = 1 << 18
_PR_SET_PDEATHSIG = 1


class NamespaceError(LabError):
    """The kernel refused a namespace or a mount."""


@dataclass(frozen=True)
class Walls:
    """What to build. `owner_uid` is the first host uid of the mapped range when root asks, None when a user does."""

    folder: Path
    owner_uid: int | None
    own_network: bool
    cgroup: Path | None = None  # an empty cgroup2 folder that the first process is put into


def mount(source: str, target: str | Path, kind: str, flags: int = 0, options: str = "") -> None:
    """mount(2). Raises NamespaceError with the kernel's reason."""
    done = _LIBC.mount(source.encode(), os.fsencode(target), kind.encode() or None, flags, options.encode() or None)
    _check(done, f"mounting {kind or source} on {target}")


def unmount(target: Path) -> None:
    """umount2(2), lazily: a mount that is still used goes when its last user goes."""
    _check(_LIBC.umount2(os.fsencode(target), 2), f"unmounting {target}")


def fork_inside(walls: Walls, main: Callable[[], int]) -> int:
    """Fork a process that runs `main` as PID 1 inside new walls; the pid to wait for, whose end is main's end.

    Call it from the main thread of a process without other threads: the new process must not inherit their locks, and
    the kernel ties its life to the calling thread.
    """
    unshared_read, unshared_write = os.pipe()
    mapped_read, mapped_write = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.close(unshared_read)
            os.close(mapped_write)
            status = _outer(walls, main, unshared_write, mapped_read)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    os.close(unshared_write)
    os.close(mapped_read)
    try:
        if os.read(unshared_read, 1) != b"u":
            raise NamespaceError(
                "This machine refused a user namespace.", remedy="Run `python -m lab doctor` for the reason."
            )
        if walls.cgroup is not None:
            (walls.cgroup / "cgroup.procs").write_text(str(pid))
        _write_maps(pid, walls.owner_uid)
        os.write(mapped_write, b"m")
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise
    finally:
        os.close(unshared_read)
        os.close(mapped_write)
    return pid


def run_inside(walls: Walls, main: Callable[[], int]) -> int:
    """fork_inside, and wait; main's exit status (128 + signal when it was killed)."""
    _, status = os.waitpid(fork_inside(walls, main), 0)
    return os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)


def subordinate_range(kind: str) -> tuple[int, int] | None:
    """(first, count) of the user's line in /etc/subuid or /etc/subgid (`kind`), or None."""
    user = pwd.getpwuid(os.getuid())
    try:
        lines = Path(f"/etc/{kind}").read_text("utf-8").splitlines()
    except OSError:
        return None
    for line in lines:
        owner, _, rest = line.partition(":")
        if owner in (user.pw_name, str(user.pw_uid)):
            first, _, count = rest.partition(":")
            return int(first), int(count)
    return None


def _outer(walls: Walls, main: Callable[[], int], unshared: int, mapped: int) -> int:
    """The process between: it holds the namespaces together, and ends with the process inside."""
    _end_with_parent()
    os.setsid()
    if walls.owner_uid is not None:
        _unshare(_CLONE_NEWNS)
        _bind_folder(walls.folder)
        if not _needs_privilege_for_user_namespaces():
            # The kernel counts inotify instances per creator of the namespace (128 by default): be one of our own.
            os.setgroups([])
            os.setresgid(walls.owner_uid, walls.owner_uid, walls.owner_uid)
            os.setresuid(walls.owner_uid, walls.owner_uid, walls.owner_uid)
            _end_with_parent()  # the kernel forgets it at a change of uid
    flags = _CLONE_NEWUSER | _CLONE_NEWNS | _CLONE_NEWPID | _CLONE_NEWUTS | _CLONE_NEWIPC
    _unshare(flags | (_CLONE_NEWNET if walls.own_network else 0))
    os.write(unshared, b"u")
    if os.read(mapped, 1) != b"m":
        return 1
    os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    _end_with_parent()
    if walls.owner_uid is None:
        _bind_folder(walls.folder)
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            _end_with_parent()
            mount("proc", "/proc", "proc")
            os.chdir(FOLDER_INSIDE)
            status = main()
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)


def _bind_folder(folder: Path) -> None:
    mount("none", "/", "", _MS_REC | _MS_PRIVATE)
    mount(str(folder), FOLDER_INSIDE, "", _MS_BIND)


def _needs_privilege_for_user_namespaces() -> bool:
    """Ubuntu's AppArmor rule: a process without privilege gets a namespace in which it may do nothing."""
    try:
        return Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns").read_text().strip() == "1"
    except OSError:
        return False


def _write_maps(pid: int, owner_uid: int | None) -> None:
    if owner_uid is not None:
        for kind in ("uid_map", "gid_map"):
            Path(f"/proc/{pid}/{kind}").write_text(f"0 {owner_uid} {RANGE_SIZE}\n")
        return
    for kind, program, own in (("subuid", "newuidmap", os.getuid()), ("subgid", "newgidmap", os.getgid())):
        found = subordinate_range(kind)
        if found is None:
            raise NamespaceError(f"/etc/{kind} gives this user no subordinate range.", remedy="See `lab doctor`.")
        first, count = found
        arguments = [program, str(pid), "0", str(own), "1", "1", str(first), str(min(count, RANGE_SIZE - 1))]
        done = subprocess.run(arguments, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise NamespaceError(f"{program} failed: {done.stderr.strip()}")


def _unshare(flags: int) -> None:
    _check(_LIBC.unshare(flags), "a new namespace")


def _end_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise NamespaceError(f"The kernel refused {what}: {os.strerror(number)}.")
