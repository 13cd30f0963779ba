"""What a run started is ended, orphans included; what was there before is not, nor what it starts meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

from suture.settings import PROJECT_ROOT

# In a process of its own, that adopts: a daemon that detached itself from it, and the run's own orphan.
ADOPTING = textwrap.dedent("""
    import os, subprocess, time
    import psutil
    from suture.runner import processes

    def wait_for(found):
        for _ in range(600):
            if found():
                return found()
            time.sleep(0.05)
        raise SystemExit("waited in vain")

    def command(process):
        try:
            return process.cmdline()
        except psutil.Error:
            return []  # it has ended meanwhile

    def asleep(seconds):
        return [one for one in processes.descendants() if command(one)[:2] == ["sleep", seconds]]

    processes.adopt_orphans()
    subprocess.run(["sh", "-c", "(setsid sh -c 'read go; sleep 1001 & sleep 1000') < fifo >/dev/null 2>&1 &"], check=True)
    go = open("fifo", "w")
    (daemon,) = wait_for(lambda: [one for one in psutil.Process().children() if "read go" in " ".join(command(one))])
    before = processes.descendants()

    go.write("go\\n"), go.close()
    subprocess.run(["sh", "-c", "setsid sleep 1002 &"], check=True)
    wait_for(lambda: asleep("1001") and asleep("1002"))
    count = processes.end_new(before, grace_seconds=1.0)
    print(count, daemon.is_running(), len(asleep("1001")), len(asleep("1002")))
    processes.end(processes.descendants())
""")


def test_a_daemon_of_before_keeps_what_it_started_and_the_runs_orphan_ends(tmp_path: Path) -> None:
    subprocess.run(["mkfifo", tmp_path / "fifo"], check=True)
    env = {**os.environ, "PYTHONPATH": str(PROJECT_ROOT / "include")}
    done = subprocess.run(
        [sys.executable, "-c", ADOPTING], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["1", "True", "1", "0"]
