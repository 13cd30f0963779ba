"""What Suture's modules share on a host: running programs, dpkg's and apt's state, jobs, processes on deleted files."""

from __future__ import annotations

import glob
import hashlib
import json
import os
import pkgutil
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from typing import Any

from ansible.module_utils import suture_job

STATE = suture_job.STATE
ROLLBACK_CACHE = "/var/cache/suture/rollback"
ORIGINAL_SOURCES = os.path.join(STATE, "sources.original")
INTERNAL_SOURCE = "/etc/apt/sources.list.d/suture.sources"
PACKAGE_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+")  # Debian Policy 5.6.1
VERSION = re.compile(r"(?:[0-9]+:)?[0-9][A-Za-z0-9.+:~-]*")  # Debian Policy 5.6.12
LIBRARY_FOLDERS = ("/lib", "/usr/lib", "/usr/local/lib", "/usr/sbin", "/usr/bin", "/sbin", "/bin", "/opt")

# In every call, whatever the host's own configuration says (some images switch Valid-Until checks off, and apt exits 0
# for a dead server unless Error-Mode says otherwise).
APT_SAFE = [
    "APT::Update::Error-Mode=any",
    "Acquire::Check-Valid-Until=true",
    "Acquire::AllowInsecureRepositories=false",
    "Acquire::AllowDowngradeToInsecureRepositories=false",
    "APT::Get::AllowUnauthenticated=false",
    "APT::Install-Recommends=false",
    "Acquire::Retries=2",
    "Acquire::http::Timeout=20",
    "Acquire::https::Timeout=20",
    "DPkg::Lock::Timeout=120",
    "Dpkg::Options::=--force-confdef",
    "Dpkg::Options::=--force-confold",
    "Dpkg::Use-Pty=0",
]
QUIET = {
    "DEBIAN_FRONTEND": "noninteractive",
    "DEBCONF_NONINTERACTIVE_SEEN": "true",
    "APT_LISTCHANGES_FRONTEND": "none",
    "NEEDRESTART_SUSPEND": "1",
    "NEEDRESTART_MODE": "l",
    "UCF_FORCE_CONFFOLD": "1",
    "LC_ALL": "C.UTF-8",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
}


class HostError(Exception):
    """What is wrong on this host, in a sentence."""


def run(
    argv: list[str],
    timeout_seconds: float = 120,
    environment: dict[str, str] | None = None,
    accepted: tuple[int, ...] | None = (0,),
    folder: str = "/",
) -> str:
    """Standard output of a program. Raises HostError with its standard error."""
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_seconds,
            env=dict(os.environ, **QUIET, **(environment or {})),
            check=False,
            cwd=folder,
        )
    except FileNotFoundError:
        raise HostError(f"{argv[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise HostError(f"{argv[0]} did not answer within {timeout_seconds:.0f} seconds") from None
    output = done.stdout.decode("utf-8", "replace")
    if accepted is not None and done.returncode not in accepted:
        detail = done.stderr.decode("utf-8", "replace").strip() or output.strip()
        raise HostError(f"{' '.join(argv[:3])} ended with status {done.returncode}: {detail[-1500:]}")
    return output


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def sha256_of(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


# dpkg

_FIELDS = ("package", "architecture", "version", "source_package", "source_version", "dpkg_status")
_FORMAT = "${Package}\t${Architecture}\t${Version}\t${source:Package}\t${source:Version}\t${db:Status-Abbrev}\n"


def packages() -> list[dict[str, Any]]:
    """Every package that dpkg knows with a version, as dicts of _FIELDS and held."""
    held = set(run(["apt-mark", "showhold"]).split())
    found = []
    for line in run(["dpkg-query", "-W", "-f", _FORMAT]).splitlines():
        values = line.split("\t")
        if len(values) != len(_FIELDS) or not values[2]:
            continue
        row: dict[str, Any] = dict(zip(_FIELDS, values, strict=True))
        row["dpkg_status"] = row["dpkg_status"].strip()
        row["held"] = row["package"] in held or row["dpkg_status"].startswith("h")
        found.append(row)
    return found


def installed_versions(names: Iterable[str] | None = None) -> dict[str, str]:
    """{package: version} of what is fully installed (status ii or hi), of the host's own architecture or all."""
    wanted = None if names is None else set(names)
    return {
        row["package"]: row["version"]
        for row in packages()
        if row["dpkg_status"][1:2] == "i" and (wanted is None or row["package"] in wanted)
    }


def dpkg_audit() -> list[str]:
    """What `dpkg --audit` finds, as lines; [] when all is well."""
    return [line for line in run(["dpkg", "--audit"], accepted=(0, 1)).splitlines() if line.strip()]


def older(left: str, right: str) -> bool:
    return subprocess.run(["dpkg", "--compare-versions", left, "lt", right], check=False).returncode == 0


def checked_packages(wanted: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The planned packages, refused unless every name and version is what Debian Policy allows."""
    for package in wanted:
        if not PACKAGE_NAME.fullmatch(package["package"]) or not VERSION.fullmatch(package["version"]):
            raise HostError("{!r}={!r} is not a package and a version".format(package["package"], package["version"]))
    return wanted


# apt


def apt_options(source: str = INTERNAL_SOURCE, lists: str | None = None) -> list[str]:
    """Options that make apt-get see one source file only and fail closed."""
    options = [*APT_SAFE, "Dir::Etc::sourcelist=" + source, "Dir::Etc::sourceparts=/dev/null"]
    if lists:
        options += ["Dir::State::lists=" + lists]
    return [part for option in options for part in ("-o", option)]


_INST = re.compile(r"^Inst (\S+)(?: \[([^\]]+)\])? \((\S+) ")


def simulate(arguments: list[str], options: list[str]) -> tuple[dict[str, tuple[str | None, str]], list[str]]:
    """What apt-get would do: ({package: (old version or None, new version)}, [packages it would remove])."""
    changes: dict[str, tuple[str | None, str]] = {}
    removals: list[str] = []
    for line in run(["apt-get", "-s", "-q", *options, *arguments]).splitlines():
        match = _INST.match(line)
        if match:
            changes[match.group(1).split(":")[0]] = (match.group(2), match.group(3))
        elif line.startswith(("Remv ", "Purg ")):
            removals.append(line.split()[1])
    return changes, removals


# Jobs


def run_job(
    name: str,
    token: int,
    steps: list[dict[str, Any]],
    timeout_seconds: float = 1800,
    lock_timeout_seconds: float = 60,
) -> dict[str, Any]:
    """Run steps as a job that outlives this connection; the job's result. Raises HostError when it did not succeed."""
    folder = os.path.join(STATE, "jobs", f"{name}-{token}-{time.time_ns()}")
    os.makedirs(folder, mode=0o700)
    program = os.path.join(folder, "job.py")
    source = pkgutil.get_data("ansible.module_utils", "suture_job.py")
    if source is None:
        raise HostError("the job's program did not come along with the module")
    with open(program, "wb") as file:
        file.write(source)
    for step in steps:
        step.setdefault("timeout_seconds", timeout_seconds)
        step["environment"] = dict(QUIET, **step.get("environment", {}))
    job = {"token": token, "lock_timeout_seconds": lock_timeout_seconds, "steps": steps}
    suture_job.write_atomically(os.path.join(folder, "job.json"), json.dumps(job))
    _start(os.path.basename(folder), [sys.executable, program, folder])
    result = _await_result(folder, timeout_seconds + lock_timeout_seconds + 30)
    _forget_old_jobs()
    if result["status"] != "done":
        raise HostError("{}: {}\n{}".format(name, result["reason"], result["tail"][-1500:]))
    return result


def _start(unit: str, argv: list[str]) -> None:
    if os.path.isdir("/run/systemd/system"):
        run(["systemd-run", "--quiet", "--collect", "--no-block", "--unit=suture-" + unit, "--", *argv])
        return
    subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        close_fds=True,
    )


def _await_result(folder: str, timeout_seconds: float) -> dict[str, Any]:
    path = os.path.join(folder, "result.json")
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        if os.path.exists(path):
            with open(path) as file:
                found: dict[str, Any] = json.load(file)
                return found
        time.sleep(0.1)
    raise HostError(f"the job in {folder} left no result within {timeout_seconds:.0f} seconds")


def _forget_old_jobs(keep: int = 20) -> None:
    folders = sorted(glob.glob(os.path.join(STATE, "jobs", "*")), key=os.path.getmtime)
    for folder in folders[:-keep]:
        if os.path.exists(os.path.join(folder, "result.json")):
            shutil.rmtree(folder, ignore_errors=True)


# Processes that still run what was replaced


def stale_processes() -> list[dict[str, Any]]:
    """Processes that map deleted files from the system's folders: [{pid, command, unit or None, files}]."""
    found = []
    for folder in glob.glob("/proc/[0-9]*"):
        try:
            with open(folder + "/maps") as maps:
                files = {line.split(None, 5)[5].strip() for line in maps if line.rstrip().endswith("(deleted)")}
            with open(folder + "/comm") as comm:
                command = comm.read().strip()
        except (OSError, IndexError):
            continue  # ended meanwhile, or a kernel thread
        names = {name[: -len(" (deleted)")] for name in files}
        gone = sorted(name for name in names if name.startswith(tuple(f + "/" for f in LIBRARY_FOLDERS)))
        if gone:
            found.append({"pid": int(folder[6:]), "command": command, "unit": unit_of(folder), "files": gone})
    return sorted(found, key=lambda process: process["pid"])


def unit_of(folder: str) -> str | None:
    try:
        with open(folder + "/cgroup") as file:
            paths = [line.rstrip("\n").split(":", 2)[2] for line in file]
    except OSError:
        return None
    for path in paths:
        for part in path.split("/"):  # outermost first: a service's own sub-groups are inside it
            if part.endswith(".service") and not part.startswith("user@"):
                return part
    return None


def owners_of(paths: Iterable[str]) -> list[str]:
    """The packages that own these files now; a deleted file's successor has its path. A file that nobody owns is left out."""
    named = list(paths)
    wanted = sorted({*named, *(path[len("/usr") :] for path in named if path.startswith("/usr/"))})
    if not wanted:
        return []
    lines = run(["dpkg-query", "-S", *wanted], accepted=(0, 1)).splitlines()
    owners = {name.partition(":")[0].strip() for line in lines for name in line.rpartition(": ")[0].split(",")}
    return sorted(name for name in owners if name and not name.startswith("diversion by"))


def files_of(names: Iterable[str]) -> set[str]:
    """The files that the packages own."""
    if not names:
        return set()
    output = run(["dpkg-query", "-L", *sorted(names)], accepted=(0, 1))
    owned = set(output.splitlines())
    # /lib is a link to /usr/lib on merged systems; dpkg may know either name.
    return owned | {"/usr" + name for name in owned if name.startswith(("/lib", "/bin", "/sbin"))}


# Services


def unit_states(units: Iterable[str]) -> dict[str, str]:
    """{unit: active state}, `absent` for a unit that is not there."""
    states = {}
    for unit in units:
        output = run(["systemctl", "show", "--property=LoadState,ActiveState,SubState", "--", unit], accepted=None)
        values = dict(line.split("=", 1) for line in output.splitlines() if "=" in line)
        states[unit] = "absent" if values.get("LoadState") != "loaded" else values.get("ActiveState", "unknown")
    return states


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


def http_check(check: dict[str, Any]) -> dict[str, Any]:
    """One HTTP check against this host: {name, url, status or None, ok, seconds, detail}."""
    url = f"http://127.0.0.1:{int(check['port'])}{check['path']}"
    body = json.dumps(check["body"]).encode() if check.get("body") is not None else None
    request = urllib.request.Request(
        url, data=body, method=check.get("method", "GET"), headers={"Content-Type": "application/json"} if body else {}
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect)
    started = time.monotonic()
    status, detail, text = None, "", ""
    try:
        with opener.open(request, timeout=10) as answer:
            status, text = answer.status, answer.read(65536).decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        status, detail = error.code, error.read(200).decode("utf-8", "replace")
    except (OSError, ValueError) as error:
        detail = str(error)
    ok = status == check.get("status", 200) and check.get("contains", "") in text
    return {
        "name": check.get("name", check["path"]),
        "url": url,
        "status": status,
        "ok": ok,
        "seconds": round(time.monotonic() - started, 3),
        "detail": detail[:200],
    }
