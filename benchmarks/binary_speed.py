"""How long a campaign's packages take to examine, how much memory that needs, and what the second core gives.

    python benchmarks/binary_speed.py [--folder DIR] [--packages 50] [--rounds 1]

The packages are the first of archive_pairs' sets. One run with one worker and one with a worker a core, in turn, so that the ratio is
of one run. The peak is the largest sum of the resident memory of the workers (VmRSS, read every 0.2 s); shared pages count twice.
CPU time is that of the workers: on a machine with other work to do it says more than the clock.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "include"))

from archive_pairs import DEFAULT_FOLDER, collect, load

from suture.sourcing.analysis import binary
from suture.sourcing.analysis.pool import examine_all
from suture.sourcing.examination import Subject


class Peak(threading.Thread):
    """Watches this process's children."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.ended = threading.Event()
        self.peak_bytes = 0

    def run(self) -> None:
        while not self.ended.wait(0.2):
            self.peak_bytes = max(self.peak_bytes, sum(_resident(pid) for pid in _children()))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--folder", type=Path, default=DEFAULT_FOLDER)
    parser.add_argument("--packages", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=1)
    arguments = parser.parse_args()
    if not (arguments.folder / "pairs.json").is_file():
        collect(arguments.folder, sources=300, limit_bytes=12_000_000)
    subjects = load(arguments.folder, "tuning")[: arguments.packages]
    packed = sum(s.new.path.stat().st_size + s.old.path.stat().st_size for s in subjects if s.old is not None)
    cores = len(os.sched_getaffinity(0))
    print(f"{len(subjects)} pairs, {packed / 1e6:.0f} MB packed, {cores} cores, load {os.getloadavg()[0]:.1f}")
    for number in range(arguments.rounds):
        alone = measure(subjects, 1)
        shared = measure(subjects, cores)
        print(f"round {number + 1}: {alone / shared:.2f} times as fast with {cores} workers")
    return 0


def measure(subjects: list[Subject], workers: int) -> float:
    """Seconds by the clock."""
    watch = Peak()
    watch.start()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    found = examine_all(subjects, [binary.examine], workers=workers)
    took_s = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    watch.ended.set()
    watch.join()
    failed = [e.package for e in found if any(c.kind == "not_examined" for c in e.concerns)]
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(
        f"{workers} worker(s): {took_s:.1f} s, {cpu_s:.1f} s of CPU, peak of all {watch.peak_bytes / 2**20:.0f} MiB, failed: {failed}"
    )
    return took_s


def _children() -> list[int]:
    return [int(pid) for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()]


def _resident(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:")), 0)


if __name__ == "__main__":
    raise SystemExit(main())
