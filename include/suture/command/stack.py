"""The stack: embedded PostgreSQL, warehouse, Airflow's four processes, and the lab where wanted. Up, down, state.

The rules:

- Starting what runs already changes nothing; starting after a crash first ends what the crash left.
- One `up`, `down` or `reset` at a time: they wait for each other.
- SUTURE_WAREHOUSE_URL and SUTURE_AIRFLOW_DB_URL replace the embedded PostgreSQL; with both set it is not started.
- Down ends in this order: Airflow (so that no task acts any more), the lab, PostgreSQL, and whatever else carries our
  mark.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from suture.command import airflow_environment, credentials, installation, processes
from suture.command.installation import Installation
from suture.command.ports import LOOPBACK, require_free
from suture.command.postgres import EmbeddedPostgres
from suture.command.supervisor import Spec
from suture.errors import SutureError
from suture.settings import PROJECT_ROOT

AIRFLOW_PROCESSES = ("api-server", "scheduler", "dag-processor", "triggerer")


class StackError(SutureError):
    """The stack did not come up."""


def say(text: str) -> None:
    """Progress for the person at the terminal; standard output stays for results."""
    print(text, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Running:
    """What `up` hands back: where to look and how to log in."""

    ui_url: str
    users: dict[str, str]  # name → duty
    passwords_file: Path
    home: Path
    took_s: float
    started: bool  # False: it ran already


@dataclass(frozen=True)
class ProcessState:
    """One part of the stack; `state` is running, stopped or external."""

    name: str
    state: str
    pid: int | None
    memory_mib: int | None  # resident, of the process and its descendants


@dataclass(frozen=True)
class Status:
    """`health` is None while the API server does not answer."""

    home: Path
    instance: str
    ui_url: str | None
    processes: tuple[ProcessState, ...]
    health: dict[str, str] | None
    lab: dict[str, Any] | None

    @property
    def is_up(self) -> bool:
        everything_runs = bool(self.processes) and all(part.state != "stopped" for part in self.processes)
        return everything_runs and bool(self.health) and set((self.health or {}).values()) == {"healthy"}

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"home": str(self.home), "up": self.is_up}


def up(with_lab: bool = False, *, port_base: int | None = None, overrides: Mapping[str, int] | None = None) -> Running:
    """Start everything that does not run yet, and wait until it is ready."""
    started_at = time.monotonic()
    home = installation.home_folder(PROJECT_ROOT)
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _alone(home):
        here = _prepare(home, port_base, overrides)
        running = read_supervisor(here) is not None
        if running:
            say("Airflow runs already.")
        else:
            _end_airflow_leftovers(here)
            require_free({"ui": here.ports["ui"]})
            _start(here)
        if with_lab:
            _lab("up")
            importlib.import_module("lab.policies").render_here()
        wait_ready(here)
    users = {user.name: user.duty for user in credentials.USERS}
    passwords = here.secrets_dir / credentials.PASSWORDS
    return Running(here.ui_url, users, passwords, home, time.monotonic() - started_at, not running)


def down() -> int:
    """End everything of this installation; the number of processes that had to be ended. Safe at any time."""
    home = installation.home_folder(PROJECT_ROOT)
    if not home.exists():
        return 0
    with _alone(home):
        return _down(home)


def reset() -> list[Path]:
    """End everything, then remove the state folder and what PostgreSQL keeps outside it; what was removed."""
    home = installation.home_folder(PROJECT_ROOT)
    if not home.exists():
        return []
    with _alone(home):
        here = installation.read(home)
        _down(home, purge=True)
        server = EmbeddedPostgres(home, here.ports["postgres"] if here is not None else 0)
        outside = [server.root] if server.root.exists() and not server.root.is_relative_to(home) else []
        server.destroy()
        _remove(home)
    return [*outside, home]


def status() -> Status:
    home = installation.home_folder(PROJECT_ROOT)
    here = installation.read(home)
    if here is None:
        return Status(home, installation.instance_of(home), None, (), None, _lab_state())
    parts = [_state_of(name, here.run_dir / f"{name}.pid") for name in ("supervisor", *AIRFLOW_PROCESSES)]
    parts.append(_postgres_state(here))
    health = None
    if any(part.state == "running" for part in parts[:-1]):
        from suture.command.airflow_api import health as ask

        health = ask(here.ui_url)
    return Status(home, here.instance, here.ui_url, tuple(parts), health, _lab_state())


def airflow_api(user: str = "admin") -> Any:
    """An AirflowApi (see that module) logged in as a named user of this installation."""
    from suture.command.airflow_api import AirflowApi

    here = require_installation()
    return AirflowApi(here.ui_url, here.secrets_dir, user=user)


def require_installation() -> Installation:
    """This clone's installation. Raises StackError when there is none yet."""
    home = installation.home_folder(PROJECT_ROOT)
    here = installation.read(home)
    if here is None:
        raise StackError(f"Nothing was started here yet: {home} has no settings.json.", remedy="Run ./suture up.")
    return here


def environment(here: Installation) -> dict[str, str]:
    """The environment of Airflow's processes: also for tests that run parts of Airflow by themselves."""
    airflow_url, warehouse_url = _database_urls(here)
    return airflow_environment.build(
        here, PROJECT_ROOT, airflow_url=airflow_url, warehouse_url=warehouse_url, environ=os.environ
    )


def read_supervisor(here: Installation) -> processes.PidRecord | None:
    return processes.read_pid_file(here.run_dir / "supervisor.pid")


def wait_ready(here: Installation) -> None:
    """Wait until Airflow is healthy and has read every DAG file. Raises NotReadyError."""
    from suture.command import readiness
    from suture.command.airflow_api import AirflowApi, health

    readiness.wait_healthy(
        lambda: health(here.ui_url), alive=lambda: read_supervisor(here) is not None, logs_dir=here.logs_dir, say=say
    )
    readiness.wait_dags(AirflowApi(here.ui_url, here.secrets_dir), readiness.dag_files(PROJECT_ROOT / "dags"), say=say)


def postgres_of(here: Installation) -> EmbeddedPostgres | None:
    """The embedded server, or None when both databases are the user's own."""
    if os.environ.get("SUTURE_WAREHOUSE_URL") and os.environ.get("SUTURE_AIRFLOW_DB_URL"):
        return None
    return EmbeddedPostgres(here.home, here.ports["postgres"])


# How it is done


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    with (home / "stack.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another ./suture is at work in this clone: waiting for it.")
            fcntl.flock(lock, fcntl.LOCK_EX)
        os.set_inheritable(lock.fileno(), False)
        yield


def _prepare(home: Path, port_base: int | None, overrides: Mapping[str, int] | None) -> Installation:
    base_text = os.environ.get("SUTURE_PORT_BASE")
    known = installation.read(home)
    if port_base is None and base_text and known is None:
        from suture.command.ports import checked_port

        port_base = checked_port(base_text, "SUTURE_PORT_BASE")
    if (port_base is not None or overrides) and known is not None and read_supervisor(known) is not None:
        raise StackError("Ports cannot be changed while Airflow runs.", remedy="Run ./suture down first.")
    here = installation.prepare(home, port_base=port_base, chosen=overrides)
    os.environ[processes.MARK] = here.instance  # what we start from now on is marked; we ourselves are not
    return here


def _start(here: Installation) -> None:
    credentials.ensure_passwords(here.secrets_dir)
    postgres = postgres_of(here)
    fresh = True
    if postgres is not None:
        say("Starting PostgreSQL.")
        postgres.start()
        postgres.create_database("suture")
        fresh = postgres.create_database("airflow")
    _, warehouse_url = _database_urls(here)
    _migrate_warehouse(warehouse_url)
    env = environment(here)
    _deploy(here, env, fresh=fresh)
    say("Starting Airflow.")
    _start_supervisor(here, env)


def _migrate_warehouse(url: str) -> None:
    from suture.store import migrate

    applied = migrate(url)
    if applied:
        say(f"The warehouse has its schema ({len(applied)} migrations applied).")


def _deploy(here: Installation, env: Mapping[str, str], *, fresh: bool) -> None:
    """Migrate Airflow's database and load airflow_settings.yaml, unless neither can have changed since then."""
    stamp = here.airflow_home / "deployed"
    digest = hashlib.sha256(env["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].encode())
    for name in ("airflow_settings.yaml", "requirements.txt", "plugins/suture_airflow/deployment.py"):
        digest.update((PROJECT_ROOT / name).read_bytes())
    if not fresh and stamp.exists() and stamp.read_text("utf-8") == digest.hexdigest():
        return
    say("Bringing Airflow's database to this version.")
    log = here.logs_dir / "deployment.log"
    with log.open("wb") as output:
        command = [sys.executable, "-m", "suture_airflow.deployment"]
        done = subprocess.run(
            command, env=dict(env), cwd=PROJECT_ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            check=False,
        )  # fmt: skip
    if done.returncode != 0:
        lines = log.read_text("utf-8", errors="replace").strip().splitlines()
        raise StackError(
            f"Airflow's database could not be prepared: {lines[-1] if lines else 'no reason given'}",
            remedy=f"The log is {log}.",
        )
    stamp.write_text(digest.hexdigest(), "utf-8")


def _start_supervisor(here: Installation, env: Mapping[str, str]) -> None:
    airflow = (sys.executable, "-m", "airflow")
    port = str(here.ports["ui"])
    spec = Spec(
        home=here.home,
        processes=(
            ("api-server", (*airflow, "api-server", "--host", LOOPBACK, "--port", port, "--workers", "1")),
            # No log servers: they would listen on every address, and the API server reads the same files.
            ("scheduler", (*airflow, "scheduler", "--skip-serve-logs")),
            ("dag-processor", (*airflow, "dag-processor")),
            ("triggerer", (*airflow, "triggerer", "--skip-serve-logs")),
        ),
        postgres_port=here.ports["postgres"] if postgres_of(here) is not None else None,
    )
    path = here.run_dir / "processes.json"
    spec.dump(path)
    pid_file = here.run_dir / "supervisor.pid"
    pid_file.unlink(missing_ok=True)
    with (here.logs_dir / "supervisor.log").open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "suture.command.supervisor", str(path)],
            env=dict(env), cwd=here.home, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=True,
        )  # fmt: skip
    if not processes.wait_until(lambda: pid_file.exists() or process.poll() is not None, timeout_s=60):
        raise StackError("Airflow's supervisor did not start.", remedy=f"See {here.logs_dir / 'supervisor.log'}.")


def _database_urls(here: Installation) -> tuple[str, str]:
    """(Airflow's metadata, warehouse)."""
    airflow_url = os.environ.get("SUTURE_AIRFLOW_DB_URL")
    warehouse_url = os.environ.get("SUTURE_WAREHOUSE_URL")
    postgres = postgres_of(here)
    if postgres is not None:
        airflow_url = airflow_url or postgres.dsn("airflow")
        warehouse_url = warehouse_url or postgres.dsn("suture")
    return airflow_url or "", warehouse_url or ""


def _down(home: Path, *, purge: bool = False) -> int:
    here = installation.read(home)
    instance = here.instance if here is not None else installation.instance_of(home)
    ended = 0
    if here is not None:
        ended += _end_supervisor(here)
    ended += _end_airflow(instance, home)
    failures: list[SutureError] = []  # one part that will not end must not keep the others running
    try:
        _lab("down", **({"purge": True} if purge else {}))
    except SutureError as error:
        failures.append(error)
    if here is not None:
        try:
            EmbeddedPostgres(home, here.ports["postgres"]).stop()
        except SutureError as error:
            failures.append(error)
    ended += processes.end(lambda: processes.marked(instance), say=say)
    for pid_file in (home / "run").glob("*.pid"):
        pid_file.unlink(missing_ok=True)
    if failures:
        raise failures[0]
    return ended


def _remove(home: Path) -> None:
    """Remove the folder, but never through a mount that something left in it."""
    mounts = [entry.split()[4] for entry in Path("/proc/self/mountinfo").read_text("utf-8").splitlines()]
    inside = [mount for mount in mounts if Path(mount).is_relative_to(home)]
    if inside:
        raise StackError(f"{inside[0]} is still mounted: {home} was not removed.", remedy=f"umount {inside[0]}")
    shutil.rmtree(home)


def _end_supervisor(here: Installation) -> int:
    record = read_supervisor(here)
    if record is None:
        return 0
    say("Ending Airflow.")
    os.kill(record.pid, signal.SIGTERM)

    def gone() -> bool:
        return processes.start_ticks(record.pid) != record.start_ticks

    if not processes.wait_until(gone, timeout_s=60):
        os.kill(record.pid, signal.SIGKILL)
    return 1


def _end_airflow_leftovers(here: Installation) -> None:
    count = _end_airflow(here.instance, here.home)
    if count:
        say(f"Ended {count} processes that an earlier run had left.")


def _end_airflow(instance: str, home: Path) -> int:
    """End Airflow's processes and tasks, with or without a supervisor."""
    found = _airflow_processes(instance, home)
    processes.end_idle_workers(found)
    processes.end(lambda: _airflow_processes(instance, home), say=say)
    return len(found)


def _airflow_processes(instance: str, home: Path) -> list[psutil.Process]:
    wanted = f"{airflow_environment.PART}={airflow_environment.AIRFLOW_PART}"
    marked = [process for process in processes.marked(instance) if wanted in _environ_of(process.pid)]
    known = {process.pid for process in marked}
    server = EmbeddedPostgres(home, 0).pid()  # started again by the supervisor, it carries Airflow's mark
    found = marked + [process for process in processes.recorded(home / "run") if process.pid not in known]
    return [process for process in found if server not in (process.pid, process.ppid())]


def _environ_of(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/environ").read_text("utf-8", errors="replace").split("\0")
    except OSError:
        return []


def _lab(verb: str, **options: bool) -> None:
    """Call lab.fleet.up() or .down(purge=…). The lab may be missing: a production image leaves it out."""
    if not (PROJECT_ROOT / "lab" / "fleet.py").exists():
        if verb == "up":
            raise StackError("The practice fleet is not part of this installation: lab/ is missing.")
        return
    fleet = importlib.import_module("lab.fleet")
    getattr(fleet, verb)(**options)


def _lab_state() -> dict[str, Any] | None:
    if not (PROJECT_ROOT / "lab" / "fleet.py").exists():
        return None
    fleet = importlib.import_module("lab.fleet")
    describe = getattr(fleet, "status", None)
    return dict(describe()) if callable(describe) else None


def _state_of(name: str, pid_file: Path) -> ProcessState:
    record = processes.read_pid_file(pid_file)
    if record is None:
        return ProcessState(name, "stopped", None, None)
    return ProcessState(name, "running", record.pid, None if name == "supervisor" else _memory_mib(record.pid))


def _postgres_state(here: Installation) -> ProcessState:
    postgres = postgres_of(here)
    if postgres is None:
        return ProcessState("postgres", "external", None, None)
    pid = postgres.pid()
    return ProcessState("postgres", "running" if pid else "stopped", pid, _memory_mib(pid) if pid else None)


def _memory_mib(pid: int) -> int | None:
    """Proportional set size of the process and its descendants, so that shared pages count once."""
    total = 0
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
    except psutil.Error:
        return None
    for member in family:
        try:
            total += int(member.memory_full_info().pss)
        except (psutil.Error, AttributeError):
            continue
    return total // 2**20
