"""Examines the machine and this clone: what is missing, what is wrong, and what to do about it.

Only what `up` and the tests without a lab cannot do without is MISSING; what the lab alone needs is a WARNING, as the
rest works without it.
"""

from __future__ import annotations

import enum
import importlib
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from suture.command import installation, os_packages, ports, postgres, processes
from suture.errors import SutureError
from suture.settings import PROJECT_ROOT

NEEDED_DISK_GIB = 2
LAB_DISK_GIB = 8
NEEDED_MEMORY_GIB = 2.0
LAB_MEMORY_GIB = 4.0
OLDEST_CLOCK_SLACK_S = 86_400


class Verdict(enum.Enum):
    GOOD = "ok"
    WARNING = "warning"
    MISSING = "missing"


@dataclass(frozen=True)
class Finding:
    subject: str
    verdict: Verdict
    text: str
    remedy: str | None = None


def examine() -> list[Finding]:
    """Every finding, in the order in which one would mend them. An examination that fails is a finding itself."""
    examinations: tuple[Callable[[], Iterable[Finding]], ...] = (
        _python, _packages, _disk, _memory, _clock, _ports, _postgres, _lab, _leftovers,
    )  # fmt: skip
    found: list[Finding] = []
    for examination in examinations:
        subject = examination.__name__.strip("_").replace("_", " ")
        try:
            found.extend(examination())
        except SutureError as error:
            found.append(Finding(subject, Verdict.WARNING, error.message, error.remedy))
        except OSError as error:
            found.append(Finding(subject, Verdict.WARNING, f"could not be examined: {error}"))
    return found


def _python() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] <= (3, 13):
        yield Finding("python", Verdict.GOOD, f"{version} in .venv")
    else:
        text = f"{version} is newer than what Suture is tested with (3.11 to 3.13)"
        yield Finding("python", Verdict.WARNING, text, "SUTURE_PYTHON=python3.13 ./suture …, after removing .venv")


def _packages() -> Iterator[Finding]:
    lacking = os_packages.missing()
    if not lacking:
        yield Finding("packages", Verdict.GOOD, "all that the lab needs is installed")
        return
    names = " ".join(package.names[0] for package in lacking)
    remedy = f"apt-get install --no-install-recommends {names}"
    yield Finding("packages", Verdict.WARNING, f"the lab lacks {names}", remedy)


def _disk() -> Iterator[Finding]:
    home = installation.home_folder(PROJECT_ROOT)
    folder = home if home.exists() else PROJECT_ROOT
    free_gib = shutil.disk_usage(folder).free / 2**30
    text = f"{free_gib:.1f} GiB free at {folder}"
    if free_gib < NEEDED_DISK_GIB:
        yield Finding("disk", Verdict.MISSING, text, f"Make room: at least {NEEDED_DISK_GIB} GiB are needed.")
    elif free_gib < LAB_DISK_GIB:
        yield Finding("disk", Verdict.WARNING, text, f"The lab wants {LAB_DISK_GIB} GiB.")
    else:
        yield Finding("disk", Verdict.GOOD, text)


def _memory() -> Iterator[Finding]:
    available_gib = psutil.virtual_memory().available / 2**30
    text = f"{available_gib:.1f} GiB available"
    if available_gib < NEEDED_MEMORY_GIB:
        yield Finding("memory", Verdict.MISSING, text, f"Airflow and PostgreSQL need {NEEDED_MEMORY_GIB:.0f} GiB.")
    elif available_gib < LAB_MEMORY_GIB:
        yield Finding("memory", Verdict.WARNING, text, f"With the lab, {LAB_MEMORY_GIB:.0f} GiB are comfortable.")
    else:
        yield Finding("memory", Verdict.GOOD, text)


def _clock() -> Iterator[Finding]:
    """Signatures and windows stand on the clock. Nothing here was written in the future."""
    newest = max(path.stat().st_mtime for path in (PROJECT_ROOT / "suture", PROJECT_ROOT / "requirements.txt"))
    behind_s = newest - time.time()
    if behind_s > OLDEST_CLOCK_SLACK_S:
        text = f"the clock is {behind_s / 86_400:.0f} days behind this clone's files"
        yield Finding("clock", Verdict.MISSING, text, "Set it: signatures and windows depend on it.")
        return
    synchronised = Path("/run/systemd/timesync/synchronized").exists() or _runs("chronyd", "ntpd", "systemd-timesyncd")
    if synchronised:
        yield Finding("clock", Verdict.GOOD, "kept by a time service")
    else:
        text = "no time service was found here (a container gets its host's clock)"
        yield Finding("clock", Verdict.GOOD, text)


def _ports() -> Iterator[Finding]:
    home = installation.home_folder(PROJECT_ROOT)
    here = installation.read(home)
    if here is None:
        yield Finding("ports", Verdict.GOOD, f"not chosen yet; the first start looks from {ports.derived_base(home)}")
        return
    ours = {process.pid for process in [*processes.marked(here.instance), *processes.recorded(here.run_dir)]}
    taken = False
    for name, port in here.ports.items():
        holders = ports.pids_on(port)
        if ports.is_free(port) or ours & set(holders) or any(_stands_here(pid, home) for pid in holders):
            continue
        taken = True
        error = ports.PortTakenError(name, port, ports.holder_of(port))
        yield Finding("ports", Verdict.MISSING, error.message, error.remedy)
    if not taken:
        yield Finding(
            "ports", Verdict.GOOD, f"{min(here.ports.values())} to {max(here.ports.values())} are ours or free"
        )


def _postgres() -> Iterator[Finding]:
    home = installation.home_folder(PROJECT_ROOT)
    try:
        server = postgres.EmbeddedPostgres(home, 0)
        postgres.wheel_binaries()
    except postgres.PostgresError as error:
        yield Finding("postgres", Verdict.MISSING, error.message, error.remedy)
        return
    yield Finding("postgres", Verdict.GOOD, f"data in {server.root}")


def _lab() -> Iterator[Finding]:
    """What the practice fleet lacks, as the lab itself sees it. Everything else works without it."""
    if not (PROJECT_ROOT / "lab" / "doctor.py").exists():
        yield Finding("lab", Verdict.GOOD, "not part of this installation")
        return
    lacking = importlib.import_module("lab.doctor").doctor(installation.home_folder(PROJECT_ROOT))
    for item in lacking:
        yield Finding(f"lab: {item.subject}", Verdict.WARNING, item.problem, item.remedy)
    if not lacking:
        yield Finding("lab", Verdict.GOOD, "this machine can host the practice fleet")


def _leftovers() -> Iterator[Finding]:
    clean = True
    home = installation.home_folder(PROJECT_ROOT)
    here = installation.read(home)
    if here is not None and processes.read_pid_file(here.run_dir / "supervisor.pid") is None:
        left = processes.marked(here.instance)
        if left:
            clean = False
            text = f"{len(left)} processes of an earlier run are left ({', '.join(str(p.pid) for p in left[:5])})"
            yield Finding("leftovers", Verdict.WARNING, text, "./suture down ends them.")
    for folder, owner in postgres.abandoned_roots():
        clean = False
        text = f"{folder} belongs to {owner}, which is gone"
        yield Finding("leftovers", Verdict.WARNING, text, f"If nobody needs that database: rm -r {folder}")
    if os_packages.forgotten_policy():
        clean = False
        text = f"{os_packages.POLICY} of an interrupted installation keeps services from starting"
        yield Finding("leftovers", Verdict.WARNING, text, f"rm {os_packages.POLICY}")
    if clean:
        yield Finding("leftovers", Verdict.GOOD, "none")


def _stands_here(pid: int, home: Path) -> bool:
    """Whether the process works in this clone: a fleet started by `python -m lab` carries no mark."""
    try:
        return Path(psutil.Process(pid).cwd()) in (PROJECT_ROOT, home, home / "lab")
    except psutil.Error:
        return False


def _runs(*names: str) -> bool:
    return any(process.info["name"] in names for process in psutil.process_iter(["name"]))
