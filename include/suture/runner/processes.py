"""Ending everything that a run started, however deep, whatever session it moved to.

ansible-core 2.19's workers call setsid, and ssh's connection sharing lives in a session of its own: killing a
process group misses both. So this process becomes the reaper of its orphans (prctl(2), PR_SET_CHILD_SUBREAPER): they
come back to us as children, and the whole tree of descendants can be ended.

What a descendant starts that was there before the run is not the run's: a daemon that detached itself becomes our child in the
same way, and may start what it likes.
"""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Iterable

import psutil

_PR_SET_CHILD_SUBREAPER = 36
TERM_GRACE_SECONDS = 3.0
KILL_GRACE_SECONDS = 2.0


def adopt_orphans() -> None:
    """From now on orphaned descendants become our children. Does nothing where the kernel does not know it."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def descendants() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))


def end(processes: Iterable[psutil.Process], *, grace_seconds: float = TERM_GRACE_SECONDS) -> None:
    """End these processes and whatever they started meanwhile: politely, then for good."""
    targets = set(processes)
    for process in list(targets):
        targets |= _below(process)
    _signal(targets, signal.SIGTERM)
    _, alive = psutil.wait_procs(list(targets), timeout=grace_seconds)
    left = set(alive)
    for process in alive:
        left |= _below(process)
    _signal(left, signal.SIGKILL)
    psutil.wait_procs(list(left), timeout=KILL_GRACE_SECONDS)


def end_new(before: set[psutil.Process], *, grace_seconds: float = TERM_GRACE_SECONDS) -> int:
    """End what was started since `before` (descendants() then), orphans included; how many there were.

    Whatever was there before is left alone, with all that it started since.
    """
    count = 0
    for _ in range(5):  # an orphan may only now have come back to us
        new = {process for process in _started_since(before) if _lives(process)}
        if not new:
            break
        count += len(new)
        end(new, grace_seconds=grace_seconds)
    _reap(before)
    return count


def _started_since(before: set[psutil.Process]) -> set[psutil.Process]:
    own = {child for child in psutil.Process().children() if child not in before}
    return own.union(*(_below(child) for child in own))


def _below(process: psutil.Process) -> set[psutil.Process]:
    try:
        return set(process.children(recursive=True))
    except psutil.Error:
        return set()


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _signal(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        try:
            process.send_signal(number)
        except psutil.Error:
            continue


def _reap(before: set[psutil.Process]) -> None:
    """Take the exit status of orphans that came to us, so that no zombie stays; not those of others' children."""
    for process in _started_since(before):
        try:
            os.waitpid(process.pid, os.WNOHANG)
        except OSError:
            continue
