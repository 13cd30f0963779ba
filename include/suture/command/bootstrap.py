"""Makes the virtual environment. Runs before anything is installed: standard library only, imports nothing of Suture.

The rules:

- `.venv` is made from the hashed lock: requirements.txt, or requirements-dev.txt for the verbs `test` and `lock`
  (it holds everything of the former, at the same versions).
- The stamp `.venv/suture-stamp` says what was installed; it is written last. A marker stands in `.venv` while the work
  goes on: an environment that still has it was interrupted, and is made anew.
- uv installs in seconds where pip needs two minutes. uv itself comes through pip, pinned by hash, into a corner of
  .venv where it disturbs nothing. Where it cannot be had, pip does the whole work.
- Two commands at once wait for each other.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

DEV_VERBS = ("test", "lock")
MARKER = "suture-incomplete"
STAMP = "suture-stamp"


class BootstrapError(Exception):
    """The environment cannot be made; the text says why and what to do."""


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def stamp_lines(root: Path, *, dev: bool) -> list[str]:
    """What the stamp says after a successful installation. The launcher compares these lines."""
    lines = [f"path {root}", f"run {sha256_of(root / 'requirements.txt')}"]
    if dev:
        lines.append(f"test {sha256_of(root / 'requirements-dev.txt')}")
    return lines


def is_ready(root: Path, *, dev: bool) -> bool:
    venv = root / ".venv"
    try:
        stamped = (venv / STAMP).read_text("utf-8").splitlines()
    except OSError:
        return False
    wanted = stamp_lines(root, dev=dev)
    return not (venv / MARKER).exists() and _python_works(venv) and all(line in stamped for line in wanted)


def ensure(root: Path, *, dev: bool) -> None:
    """Make or renew `.venv` under `root`, unless it is ready. Raises BootstrapError."""
    with (root / ".venv.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another ./suture is making the environment: waiting for it.")
            fcntl.flock(lock, fcntl.LOCK_EX)
        if is_ready(root, dev=dev):
            return
        started = time.monotonic()
        dev = dev or _was_dev(root / ".venv")
        _make(root, dev=dev)
        say(f"The environment is ready ({time.monotonic() - started:.0f} s).")


def say(text: str) -> None:
    print(f"suture: {text}", file=sys.stderr, flush=True)


def _make(root: Path, *, dev: bool) -> None:
    venv = root / ".venv"
    if venv.exists() and ((venv / MARKER).exists() or not _python_works(venv) or _was_moved(venv, root)):
        say("The environment .venv is incomplete or from elsewhere: making it anew.")
        shutil.rmtree(venv)
    if not venv.exists():
        say(f"Making the environment .venv with Python {sys.version.split()[0]}.")
        _create(venv)
    (venv / MARKER).touch()
    (venv / STAMP).unlink(missing_ok=True)
    lock = root / ("requirements-dev.txt" if dev else "requirements.txt")
    count = sum(1 for line in lock.read_text("utf-8").splitlines() if "==" in line and line[0].isalnum())
    say(f"Installing {count} packages from {lock.name}, each checked against its hash.")
    hashed = ["--require-hashes", "-r", str(lock)]
    uv = _install_uv(root, venv)
    if uv is None or not _uv_installs(uv, venv, hashed):
        pip = [str(_python(venv)), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([*pip, *hashed], f"The packages of {lock.name} could not be installed")
    (venv / STAMP).write_text("\n".join(stamp_lines(root, dev=dev)) + "\n", "utf-8")
    (venv / MARKER).unlink()


def _create(venv: Path) -> None:
    venv.mkdir()
    (venv / MARKER).touch()
    done = subprocess.run([sys.executable, "-m", "venv", str(venv)], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return
    shutil.rmtree(venv, ignore_errors=True)
    said = (done.stdout + done.stderr).strip()
    if "ensurepip" in said or "No module named venv" in said:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise BootstrapError(
            f"Python {version} lacks the module venv. On Debian or Ubuntu: apt-get install python3-venv"
            f" (for another Python than the system's: python{version}-venv)."
        )
    raise BootstrapError(f"The environment {venv} could not be made: {said.splitlines()[-1] if said else 'unknown'}")


def _install_uv(root: Path, venv: Path) -> Path | None:
    """uv's path, or None when it cannot be had (then pip does the work, slowly)."""
    corner = venv / "bootstrap"
    uv = corner / "bin" / "uv"
    if not uv.exists():
        pip = [str(_python(venv)), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        lock = root / "requirements-bootstrap.txt"
        done = subprocess.run(
            [*pip, "--require-hashes", "--no-deps", "--target", str(corner), "-r", str(lock)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            say("uv could not be had: pip installs instead, which takes a few minutes.")
            return None
    works = subprocess.run([str(uv), "--version"], capture_output=True, check=False).returncode == 0
    return uv if works else None


def _uv_installs(uv: Path, venv: Path, hashed: list[str]) -> bool:
    """Whether uv could install them. pip, which the machine's owner has set up, is asked where it could not."""
    command = [str(uv), "pip", "install", "--python", str(_python(venv)), "--compile-bytecode", "--quiet", *hashed]
    done = subprocess.run(command, env=_uv_environment(venv), stdout=sys.stderr, check=False)
    if done.returncode != 0:
        say("uv could not install them (see above): pip tries, which takes a few minutes.")
    return done.returncode == 0


def _uv_environment(venv: Path) -> dict[str, str]:
    """The environment, with what pip's configuration says of indices and certificates: uv 0.13 does not read it."""
    # Every file is checked against its hash: which index it comes from does not matter.
    found = {"UV_INDEX_STRATEGY": "unsafe-best-match"}
    told = subprocess.run(
        [str(_python(venv)), "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    )
    settings = dict(re.findall(r"^(?:global|install|user|site)\.([a-z-]+)='(.*)'$", told.stdout, re.MULTILINE))
    for ours, pips in (("UV_DEFAULT_INDEX", "index-url"), ("UV_INDEX", "extra-index-url"), ("SSL_CERT_FILE", "cert")):
        if pips in settings:
            found[ours] = settings[pips].replace("\\n", " ").strip()
    if Path("/etc/ssl/certs/ca-certificates.crt").exists():  # the machine's own authorities, a company's among them
        found["UV_SYSTEM_CERTS"] = "1"
    return {**found, **os.environ}


def _run(command: list[str], failure: str) -> None:
    done = subprocess.run(command, stdout=sys.stderr, check=False)
    if done.returncode != 0:
        raise BootstrapError(
            f"{failure} (see above; {Path(command[0]).name} ended with status {done.returncode})."
            " Check that this machine reaches its package index, then run the command again: it starts over."
        )


def _python(venv: Path) -> Path:
    return venv / "bin" / "python"


def _python_works(venv: Path) -> bool:
    try:
        done = subprocess.run([str(_python(venv)), "-c", ""], capture_output=True, check=False)
    except OSError:
        return False
    return done.returncode == 0


def _was_dev(venv: Path) -> bool:
    """Whether the environment had the development lock: then renewing it keeps that."""
    try:
        return "\ntest " in (venv / STAMP).read_text("utf-8")
    except OSError:
        return False


def _was_moved(venv: Path, root: Path) -> bool:
    """Whether the clone was moved or copied: the scripts in .venv/bin still name the old folder."""
    try:
        return f"path {root}\n" not in (venv / STAMP).read_text("utf-8")
    except OSError:
        return False


def main(arguments: list[str]) -> int:
    root = Path(arguments[0])
    os.umask(0o022)
    try:
        ensure(root, dev=len(arguments) > 1 and arguments[1] in DEV_VERBS)
    except BootstrapError as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        say("Interrupted. Run the command again: it starts over.")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
