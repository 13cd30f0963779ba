"""The hosts' file systems: a base and one layer a role, built from the machine's own distribution.

The rules:

- Built from the point release without its security suite: what the security suite holds is then really pending.
- A build is cached as a tarball whose name is a digest of everything that goes into it. It gets that name only when it
  is whole: what a killed build leaves is never mistaken for a base, and is removed by the next one.
- Maintainer scripts of the layers run inside the walls (lab.namespace), never with power over the machine.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab import namespace
from lab.archive import Archive, keyring_of
from lab.errors import BuildError
from lab.hosts import Role
from lab.layout import Layout
from lab.namespace import Walls

INSIDE = Path(__file__).with_name("inside")
BASE_PACKAGES = (
    "systemd", "systemd-sysv", "dbus", "openssh-server", "python3", "python3-apt", "nftables", "iproute2", "procps",
    "rsyslog", "nginx-light", "prometheus-node-exporter", "restic", "needrestart", "ca-certificates", "curl",
    "gpgv", "util-linux-extra",
)  # fmt: skip
ROLE_PACKAGES = {
    Role.LB: ("haproxy", "socat"),
    Role.APP: ("python3-psycopg2", "adduser"),
    Role.DB: ("postgresql",),
    Role.OBS: ("prometheus",),
}
GONE = "gone"
BUILD_PATIENCE_S = 1800
KEPT_BUILDS = 12  # tarballs in the cache: two releases' worth of base and layers, and some


@dataclass(frozen=True)
class Built:
    """Folders under the fleet's folder, relative to it: lowest first."""

    base: str
    layers: dict[Role, str]

    def stack_of(self, role: Role) -> list[str]:
        """Overlay's lowerdir order: the role's layer over the base."""
        return [self.layers[role], self.base]


def build(
    layout: Layout, archive: Archive, app_package: Path, owner_uid: int | None, say: Callable[[str], None]
) -> Built:
    """Everything the hosts boot from, unpacked under `layout.fleet`; quick when it is there already."""
    cache = layout.cache
    cache.mkdir(parents=True, exist_ok=True, mode=0o700)
    base_key = _digest(archive.distribution, archive.codename, *BASE_PACKAGES, (INSIDE / "finish-base.sh").read_text())
    base = f"base-{base_key}"
    with _alone(cache / "build.lock", say):
        tarball = cache / f"{archive.codename}-{base}.tar"
        if not tarball.exists():
            say(f"Building the base of the hosts ({archive.distribution} {archive.codename}); once, about a minute.")
            _build_base(archive, tarball)
        _unpack(layout, tarball, base, owner_uid, say)
        layers = {}
        for role in Role:
            packages = ROLE_PACKAGES[role]
            extra = (app_package,) if role is Role.APP else ()
            key = _digest(base_key, *packages, (INSIDE / "build-layer.sh").read_text(), *map(_file_digest, extra))
            name = f"{role}-{key}"
            tarball = cache / f"{archive.codename}-{name}.tar"
            if not tarball.exists():
                say(f"Building the layer of role {role}: {', '.join(packages)}.")
                _build_layer(layout, archive, base, packages, extra, tarball, owner_uid)
            _unpack(layout, tarball, name, owner_uid, say)
            layers[role] = name
        _forget_old(cache)
    _remove_unused(layout, [base, *layers.values()], owner_uid)
    return Built(base, layers)


def _build_base(archive: Archive, tarball: Path) -> None:
    main = archive.main
    line = f"deb [signed-by={keyring_of(main)}] {main.uri} {main.suite} main"
    with tempfile.TemporaryDirectory(prefix="suture-base-") as scratch:
        # A copy under a plain name: the clone's path may hold spaces, or be closed to the uid that runs the hook.
        Path(scratch).chmod(0o755)
        hook = Path(scratch) / "finish-base.sh"
        shutil.copy(INSIDE / "finish-base.sh", hook)
        hook.chmod(0o644)
        part = tarball.with_suffix(".part")
        command = [
            "mmdebstrap", "--quiet", f"--mode={'root' if os.getuid() == 0 else 'unshare'}", "--variant=minbase",
            "--format=tar", f"--include={','.join(BASE_PACKAGES)}",
            f'--customize-hook=sh {hook} "$1"', *_proxy_options(), archive.codename, str(part), line,
        ]  # fmt: skip
        _run(command, "The base of the hosts could not be built")
        part.replace(tarball)


def _build_layer(
    layout: Layout,
    archive: Archive,
    base: str,
    packages: tuple[str, ...],
    extra: tuple[Path, ...],
    tarball: Path,
    owner_uid: int | None,
) -> None:
    script = (INSIDE / "build-layer.sh").read_text("utf-8")
    keyring = keyring_of(archive.main).read_bytes()
    line = f"deb [signed-by=/lab.keyring] {archive.main.uri} {archive.main.suite} main\n"
    extra_data = [(path.name, path.read_bytes()) for path in extra]
    names = [*packages, *(f"/lab-packages/{name}" for name, _ in extra_data)]
    part = tarball.with_suffix(".part")
    log = layout.lab / "build.log"
    output = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    log_output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)

    def inside() -> int:
        work = namespace.FOLDER_INSIDE / "build"
        subprocess.run(["rm", "-rf", str(work)], check=True)
        for folder in ("up", "wk", "root"):
            (work / folder).mkdir(parents=True)
        root = work / "root"
        options = f"lowerdir={namespace.FOLDER_INSIDE / base},upperdir={work / 'up'},workdir={work / 'wk'},userxattr"
        namespace.mount("build", root, "overlay", 0, options)
        (root / "lab.list").write_text(line, "utf-8")
        (root / "lab.keyring").write_bytes(keyring)
        (root / "tmp.lists").mkdir()
        (root / "lab-packages").mkdir()
        for name, data in extra_data:
            (root / "lab-packages" / name).write_bytes(data)
        done = subprocess.run(
            ["sh", "-c", script, "build-layer", str(root), *names], check=False,
            stdin=subprocess.DEVNULL, stdout=log_output, stderr=log_output, timeout=BUILD_PATIENCE_S,
        )  # fmt: skip
        if done.returncode != 0:
            return done.returncode
        (root / "lab.keyring").unlink()
        namespace.unmount(root)
        tar = ["tar", "--numeric-owner", "--xattrs", "--xattrs-include=user.*", "-C", str(work / "up"), "-cf", "-", "."]
        packed = subprocess.run(tar, check=False, stdout=output, stderr=log_output)
        subprocess.run(["rm", "-rf", str(work)], check=True)
        return packed.returncode

    try:
        status = namespace.run_inside(Walls(layout.fleet, owner_uid, own_network=False), inside)
    finally:
        os.close(output)
        os.close(log_output)
    if status != 0:
        part.unlink(missing_ok=True)
        tail = log.read_text("utf-8", errors="replace").strip().splitlines()[-3:]
        raise BuildError(
            f"The layer with {', '.join(packages)} could not be built (status {status}): {' / '.join(tail)}",
            remedy=f"The log is {log}. Is the machine's apt archive reachable (apt-get update)?",
        )
    part.replace(tarball)


def _unpack(layout: Layout, tarball: Path, name: str, owner_uid: int | None, say: Callable[[str], None]) -> None:
    if (layout.fleet / name).is_dir():
        return
    say(f"Unpacking {name}.")
    source = os.open(tarball, os.O_RDONLY)

    def inside() -> int:
        part = namespace.FOLDER_INSIDE / f"{name}.part"
        subprocess.run(["rm", "-rf", str(part)], check=True)
        part.mkdir()
        tar = [
            "tar",
            "--numeric-owner",
            "--xattrs",
            "--xattrs-include=*",
            "--exclude=./dev/*",
            "-C",
            str(part),
            "-xpf",
            "-",
        ]
        done = subprocess.run(tar, stdin=source, check=False)
        if done.returncode == 0:
            part.chmod(0o755)
            part.rename(part.with_suffix(""))
        return done.returncode

    try:
        status = namespace.run_inside(Walls(layout.fleet, owner_uid, own_network=False), inside)
    finally:
        os.close(source)
    if status != 0:
        raise BuildError(
            f"{tarball} could not be unpacked (status {status}).",
            remedy="Is the disk full? Else remove that file: the next run builds it anew.",
        )


def _remove_unused(layout: Layout, used: list[str], owner_uid: int | None) -> None:
    """Roots of earlier builds, and what a killed build left."""
    kinds = ("base", "build", GONE, *map(str, Role))
    old = [path.name for path in layout.fleet.iterdir() if path.name not in used and path.name.split("-")[0] in kinds]
    remove(layout, old, owner_uid)


def remove(layout: Layout, names: list[str], owner_uid: int | None) -> None:
    """Remove entries of the fleet's folder, from inside the walls: they belong to uids that only those map.

    Renamed first: what a killed removal leaves has no name that anybody trusts.
    """
    if not names:
        return

    def inside() -> int:
        gone = []
        for name in names:
            path = namespace.FOLDER_INSIDE / name
            target = path if name.startswith(GONE) else path.with_name(f"{GONE}-{name}")
            path.replace(target)
            gone.append(str(target))
        return subprocess.run(["rm", "-rf", "--one-file-system", *gone], check=False).returncode

    if namespace.run_inside(Walls(layout.fleet, owner_uid, own_network=False), inside) != 0:
        raise BuildError(f"{', '.join(names)} in {layout.fleet} could not be removed.")


def _proxy_options() -> Iterator[str]:
    """The machine's own apt proxy, where it has one: mmdebstrap does not read the machine's apt configuration."""
    done = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=False)
    for line in done.stdout.splitlines():
        if line.lower().startswith(("acquire::http::proxy ", "acquire::https::proxy ")):
            yield f"--aptopt={line}"


def _run(command: list[str], failure: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=BUILD_PATIENCE_S)
    except FileNotFoundError as error:
        raise BuildError(f"{failure}: {command[0]} is missing.", remedy=f"apt-get install {command[0]}") from error
    except subprocess.TimeoutExpired as error:
        raise BuildError(f"{failure}: {command[0]} took more than {BUILD_PATIENCE_S} s.") from error
    if done.returncode != 0:
        reasons = [line for line in done.stderr.splitlines() if line.startswith(("E:", "Err", "W:"))] or [done.stderr]
        raise BuildError(
            f"{failure}: {' / '.join(reasons[-3:]).strip()}",
            remedy="Is the machine's apt archive reachable (apt-get update)?",
        )


@contextmanager
def _alone(lock: Path, say: Callable[[str], None]) -> Iterator[None]:
    """One build at a time per cache; what a killed build left half done is removed."""
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another clone is building hosts: waiting for it.")
            fcntl.flock(file, fcntl.LOCK_EX)
        for left in lock.parent.glob("*.part"):
            left.unlink()
        yield


def _forget_old(cache: Path) -> None:
    tarballs = sorted(cache.glob("*.tar"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in tarballs[KEPT_BUILDS:]:
        path.unlink()


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def _file_digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
