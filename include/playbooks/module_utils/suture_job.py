"""Runs one job's steps on a host, one after another, under the host's lock and the lease's fencing token.

Started as a transient systemd unit (or its own session where there is no systemd), so that a lost ssh connection
does not kill dpkg half-way. Standard library only: this file is copied into the job's folder and run from there.

The rules:

1. The exclusive flock on LOCK is held from the first step to the last: a host has one mutating job at a time.
2. Before each step the lease file is read again: a token older than the stored one is refused, and nothing more is run.
3. The first step that fails ends the job. result.json is written atomically, whatever happens.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
import traceback
from typing import Any, BinaryIO, TextIO

STATE = os.environ.get("SUTURE_HOST_STATE", "/var/lib/suture")
TAIL_BYTES = 16384


def lock_path() -> str:
    return os.path.join(STATE, "lease.lock")


def lease_path() -> str:
    return os.path.join(STATE, "lease.json")


class LockBusyError(Exception):
    """The host's lock was not free in time."""


class StaleTokenError(Exception):
    """A newer lease was granted: the holder of this token must not touch the host any more."""


class HostLock:
    """The host's exclusive lock, waited for at most `timeout_seconds`."""

    def __init__(self, timeout_seconds: float) -> None:
        self.timeout_seconds = timeout_seconds
        self.handle: TextIO | None = None

    def __enter__(self) -> HostLock:
        os.makedirs(STATE, mode=0o700, exist_ok=True)
        handle = open(lock_path(), "a+")
        deadline = time.monotonic() + self.timeout_seconds
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self.handle = handle
                return self
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    handle.close()
                    raise LockBusyError(
                        f"another job has held this host's lock ({lock_path()}) for {self.timeout_seconds:.0f} seconds"
                    ) from None
                time.sleep(0.2)

    def __exit__(self, *_: object) -> None:
        if self.handle is not None:
            self.handle.close()


def read_lease() -> dict[str, Any]:
    """The stored lease; token 0 when none was ever claimed here."""
    try:
        with open(lease_path()) as file:
            found: dict[str, Any] = json.load(file)
            return found
    except FileNotFoundError:
        return {"token": 0, "holder": None, "campaign_id": None}


def require_token(token: int) -> None:
    """Raises StaleTokenError unless `token` is the newest that this host has seen."""
    stored = read_lease()
    if stored["token"] != token:
        raise StaleTokenError(
            f"token {token} is refused: this host knows token {stored['token']} of {stored['holder']}"
        )


def write_atomically(path: str, text: str) -> None:
    temporary = f"{path}.{os.getpid()}"
    with open(temporary, "w") as file:
        os.chmod(temporary, 0o600)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def run_step(step: dict[str, Any], log: BinaryIO) -> dict[str, Any]:
    started = time.monotonic()
    environment = dict(os.environ, **step.get("environment", {}))
    process = subprocess.Popen(
        step["argv"], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=environment, cwd="/"
    )
    try:
        rc = process.wait(timeout=step["timeout_seconds"])
        timed_out = False
    except subprocess.TimeoutExpired:
        process.terminate()
        try:
            rc = process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            rc = process.wait()
        timed_out = True
    return {"name": step["name"], "rc": rc, "timed_out": timed_out, "seconds": round(time.monotonic() - started, 3)}


def run_job(folder: str) -> int:
    with open(os.path.join(folder, "job.json")) as file:
        job = json.load(file)
    log_path = os.path.join(folder, "output.log")
    result: dict[str, Any] = {"status": "failed", "reason": None, "steps": [], "tail": ""}
    try:
        with HostLock(job["lock_timeout_seconds"]), open(log_path, "ab") as log:
            for step in job["steps"]:
                require_token(job["token"])
                done = run_step(step, log)
                result["steps"].append(done)
                if done["timed_out"]:
                    result["reason"] = f"{step['name']} did not end within {step['timeout_seconds']} seconds"
                elif done["rc"] not in step.get("accepted_rc", [0]):
                    result["reason"] = f"{step['name']} ended with status {done['rc']}"
                if result["reason"]:
                    break
            else:
                result["status"] = "done"
    except StaleTokenError as error:
        result.update(status="stale", reason=str(error))
    except LockBusyError as error:
        result.update(status="busy", reason=str(error))
    except Exception:
        result["reason"] = "the job itself broke: " + traceback.format_exc(limit=3)
    if os.path.exists(log_path):
        with open(log_path, "rb") as log:
            log.seek(max(0, os.path.getsize(log_path) - TAIL_BYTES))
            result["tail"] = log.read().decode("utf-8", "replace")
    write_atomically(os.path.join(folder, "result.json"), json.dumps(result))
    return 0 if result["status"] == "done" else 1


if __name__ == "__main__":
    sys.exit(run_job(sys.argv[1]))
