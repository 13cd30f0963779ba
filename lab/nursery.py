"""What runs inside the walls: a bridge, the hosts on it, relays to the outside, and orders through a unix socket.

The rules:

- A host is a set of namespaces whose PID 1 is its own systemd. Ended by SIGHUP: it rebooted, start it again; by SIGINT:
  it was halted, leave it off; otherwise it was killed.
- A host's file system is an overlay: the base, its role's layer, and a folder of its own that outlives the fleet.
- The outside reaches hosts through unix sockets in run/ (ssh-NAME.sock and so on): no network of the machine is touched.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from lab import namespace
from lab.hosts import GATEWAY, PREFIX_LENGTH, Host
from lab.namespace import FOLDER_INSIDE as TOP
from lab.relay import relay_to_tcp, relay_to_unix
from lab.roles import HostFile

RUN = TOP / "run"
BRIDGE = "fleet"
REBOOTED = (-signal.SIGHUP, 128 + signal.SIGHUP)  # reboot(2) in a pid namespace: unshare passes the signal on
HALTED = (-signal.SIGINT, 128 + signal.SIGINT)
STOP_PATIENCE_S = 30.0
SYSTEMD_POWEROFF = signal.SIGRTMIN + 4


class HostState(StrEnum):
    OFF = "off"
    BOOTING = "booting"
    UP = "up"  # sshd answers
    KILLED = "killed"


@dataclass(frozen=True)
class HostPlan:
    """A host, the lower folders of its overlay (relative to the fleet's folder, highest first) and its own files."""

    host: Host
    stack: tuple[str, ...]
    files: tuple[HostFile, ...]


@dataclass(frozen=True)
class FleetPlan:
    """Everything that the nursery needs; handed over by fork, so secrets stay in memory."""

    hosts: tuple[HostPlan, ...]
    cgroup: Path
    boot_script: str
    outward: dict[str, tuple[str, int]]  # socket name in run/ → address inside


@dataclass
class Running:
    """One host's state in the nursery."""

    plan: HostPlan
    state: HostState = HostState.OFF
    cut_off: bool = False
    boots: int = 0
    booted_in_s: float | None = None
    failure: str | None = None
    keeper: asyncio.Task[None] | None = None
    process: asyncio.subprocess.Process | None = None
    settled: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def folder(self) -> Path:
        return TOP / "hosts" / self.plan.host.name


class Refusal(Exception):
    """An order that cannot be followed; the text goes back to whoever gave it."""


def main(plan: FleetPlan) -> int:
    """Run until told to stop; every host is then powered off."""
    return asyncio.run(Nursery(plan).run())


class Nursery:
    def __init__(self, plan: FleetPlan) -> None:
        self.plan = plan
        self.hosts = {part.host.name: Running(part) for part in plan.hosts}
        self.stopping = asyncio.Event()
        self.cables = asyncio.Lock()

    async def run(self) -> int:
        await _ip("link", "set", "lo", "up")
        await _ip("link", "add", BRIDGE, "type", "bridge", "forward_delay", "0", "stp_state", "0")
        await _ip("addr", "add", f"{GATEWAY}/{PREFIX_LENGTH}", "dev", BRIDGE)
        await _ip("link", "set", BRIDGE, "up")
        servers = await self._open_sockets()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.stopping.set)
        try:
            await self.stopping.wait()
        finally:
            for server in servers:
                server.close()
        await asyncio.gather(*(self._power_off(host, patience_s=8) for host in self.hosts.values()))
        return 0

    async def _open_sockets(self) -> list[asyncio.AbstractServer]:
        for left in RUN.glob("*.sock"):
            if left.name != "gateway.sock":
                left.unlink()
        opened: list[asyncio.AbstractServer] = [
            await asyncio.start_unix_server(self._serve_order, RUN / "orders.sock"),
            await asyncio.start_server(relay_to_unix(RUN / "gateway.sock"), GATEWAY, 80),
            await asyncio.start_server(relay_to_unix(RUN / "gateway.sock"), GATEWAY, 3128),
        ]
        outward = {f"ssh-{name}": (host.plan.host.address, 22) for name, host in self.hosts.items()}
        for name, (address, port) in {**outward, **self.plan.outward}.items():
            opened.append(await asyncio.start_unix_server(relay_to_tcp(address, port), RUN / f"{name}.sock"))
        return opened

    # Orders

    async def _serve_order(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One order a connection: a JSON line in, a JSON line out."""
        try:
            order = json.loads(await reader.readline())
            answer = {"ok": True, "result": await self._follow(order)}
        except Refusal as error:
            answer = {"ok": False, "reason": str(error)}
        except (ValueError, KeyError, TypeError, OSError, namespace.NamespaceError) as error:
            answer = {"ok": False, "reason": f"{type(error).__name__}: {error}"}
        with contextlib.suppress(ConnectionError):
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        writer.close()

    async def _follow(self, order: dict[str, Any]) -> Any:
        if order["do"] == "status":
            return {name: _describe(host) for name, host in self.hosts.items()}
        host = self.hosts[order["host"]]
        actions: dict[str, Callable[[], Awaitable[None]]] = {
            "start": lambda: self._start(host),
            "stop": lambda: self._power_off(host),
            "kill": lambda: self._kill(host),
            "reboot": lambda: self._reboot(host),
            "cut_off": lambda: self._set_cable(host, plugged=False),
            "reconnect": lambda: self._set_cable(host, plugged=True),
            "snapshot": lambda: self._snapshot(host, str(order["tag"])),
            "restore": lambda: self._restore(host, str(order["tag"])),
            "renew": lambda: self._renew(host),
        }
        await actions[order["do"]]()
        return _describe(host)

    async def _start(self, host: Running) -> None:
        if host.state in (HostState.OFF, HostState.KILLED):
            host.state, host.failure = HostState.BOOTING, None
            host.settled.clear()
            host.keeper = asyncio.create_task(self._keep(host))

    async def _power_off(self, host: Running, patience_s: float = STOP_PATIENCE_S) -> None:
        """Ask systemd; end it the hard way when it does not go."""
        init = _init_of(host)
        if init is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(init, SYSTEMD_POWEROFF)
        if not await _settles(host, patience_s):
            await self._kill(host)
        host.state = HostState.OFF

    async def _kill(self, host: Running) -> None:
        """Pull the plug."""
        if host.process is not None:
            init = _init_of(host)
            with contextlib.suppress(ProcessLookupError):
                os.kill(init if init is not None else host.process.pid, signal.SIGKILL)
        if not await _settles(host, 5):
            raise Refusal(f"{host.plan.host.name} does not end.")

    async def _reboot(self, host: Running) -> None:
        init = _init_of(host)
        if init is None:
            raise Refusal(f"{host.plan.host.name} is {host.state}: it cannot be rebooted.")
        host.state = HostState.BOOTING
        os.kill(init, signal.SIGINT)  # what the kernel sends PID 1 for Ctrl-Alt-Del

    async def _set_cable(self, host: Running, *, plugged: bool) -> None:
        host.cut_off = not plugged
        if host.process is not None:
            await _ip("link", "set", host.plan.host.port_link, "up" if plugged else "down")

    async def _snapshot(self, host: Running, tag: str) -> None:
        """Copy the host's own folder, with the host frozen meanwhile: what a power cut would leave."""
        target = _snapshot_folder(host, tag)
        if target.exists():
            raise Refusal(f"{host.plan.host.name} has a snapshot {tag!r} already.")
        target.parent.mkdir(parents=True, exist_ok=True)
        freezer = self.plan.cgroup / host.plan.host.name / "cgroup.freeze"
        part = target.with_name(f"{target.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        try:
            if host.process is not None:
                freezer.write_text("1")
            await _run("cp", "-a", "--reflink=auto", str(host.folder / "up"), str(part))
        finally:
            if host.process is not None:
                freezer.write_text("0")
        part.rename(target)

    async def _restore(self, host: Running, tag: str) -> None:
        source = _snapshot_folder(host, tag)
        if not source.is_dir():
            raise Refusal(f"{host.plan.host.name} has no snapshot {tag!r}.")
        was_on = host.process is not None
        await self._empty(host)
        host.folder.mkdir(parents=True)
        await _run("cp", "-a", "--reflink=auto", str(source), str(host.folder / "up"))
        _note_stack(host)
        if was_on:
            await self._start(host)

    async def _renew(self, host: Running) -> None:
        """As it was when the fleet was built: its own folder emptied, its snapshots gone."""
        was_on = host.process is not None
        await self._empty(host)
        await _run("rm", "-rf", str(TOP / "snapshots" / host.plan.host.name))
        if was_on:
            await self._start(host)

    async def _empty(self, host: Running) -> None:
        if host.process is not None:
            await self._kill(host)
        host.state = HostState.OFF
        await _run("rm", "-rf", str(host.folder))

    # A host's life

    async def _keep(self, host: Running) -> None:
        """Boot the host, and again as long as it reboots."""
        try:
            while True:
                host.state, host.boots = HostState.BOOTING, host.boots + 1
                status = await self._boot(host)
                if status not in REBOOTED or self.stopping.is_set():
                    host.state = HostState.OFF if status in HALTED else HostState.KILLED
                    break
        except Exception as error:  # a host that cannot boot must not take the nursery along
            host.state, host.failure = HostState.KILLED, f"{type(error).__name__}: {error}"
        finally:
            host.process = None
            host.settled.set()

    async def _boot(self, host: Running) -> int:
        """One boot, from mount to end; what PID 1 ended with."""
        started_at = time.monotonic()
        spec, root = host.plan.host, host.folder / "mnt"
        await asyncio.to_thread(_mount_root, host)
        group = self.plan.cgroup / spec.name
        group.mkdir(exist_ok=True)
        console = (RUN / f"{spec.name}.console").open("ab")
        command = ["unshare", "--mount", "--uts", "--ipc", "--net", "--cgroup", "--propagation=private"]
        arguments = ["wait", spec.name, f"{spec.address}/{PREFIX_LENGTH}", GATEWAY, str(root)]
        with console:
            process = await asyncio.create_subprocess_exec(
                "sh", "-c", 'echo 0 >"$CGROUP/cgroup.procs" && exec "$@"', "join",
                *command, "sh", "-c", self.plan.boot_script, "boot-host", *arguments,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=console, cwd="/",
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "BOOT_HOST": self.plan.boot_script, "CGROUP": str(group)},
            )  # fmt: skip
        host.process = process
        watcher = asyncio.create_task(_watch_ssh(host, started_at))
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            if (await process.stdout.readline()).strip() == b"ready":
                await self._plug_in(host, process.pid)
                process.stdin.write(b"go\n")
                await process.stdin.drain()
            process.stdin.close()
            return await process.wait()
        finally:
            watcher.cancel()
            await _ip("link", "del", spec.port_link, check=False)
            await _forget_cgroup(group)
            with contextlib.suppress(namespace.NamespaceError):
                namespace.unmount(root)

    async def _plug_in(self, host: Running, pid: int) -> None:
        spec = host.plan.host
        async with self.cables:
            await _ip("link", "del", spec.port_link, check=False)
            await _ip(
                "link", "add", spec.port_link, "type", "veth",
                "peer", "name", "host0", "address", spec.mac, "netns", str(pid),
            )  # fmt: skip
            state = "down" if host.cut_off else "up"
            await _ip("link", "set", spec.port_link, "master", BRIDGE, state)


def _mount_root(host: Running) -> None:
    root = host.folder / "mnt"
    _forget_other_stack(host)
    for folder in ("up", "wk", "mnt"):
        (host.folder / folder).mkdir(parents=True, exist_ok=True)
    (host.folder / "up").chmod(0o755)
    lower = ":".join(str(TOP / name) for name in host.plan.stack)
    options = f"lowerdir={lower},upperdir={host.folder / 'up'},workdir={host.folder / 'wk'},userxattr"
    namespace.mount(f"lab-{host.plan.host.name}", root, "overlay", 0, options)
    users = _users_of(root)
    for file in host.plan.files:
        _write_file(root, file, users)


def _forget_other_stack(host: Running) -> None:
    """A disk over another base is worth nothing: its files would cover the wrong ones. It and its snapshots go."""
    note = host.folder / "stack"
    known = note.read_text("utf-8").split() if note.exists() else []
    if host.folder.exists() and known != list(host.plan.stack):
        for path in (host.folder, TOP / "snapshots" / host.plan.host.name):
            if path.exists():
                shutil.rmtree(path)
    host.folder.mkdir(parents=True, exist_ok=True)
    _note_stack(host)


def _note_stack(host: Running) -> None:
    (host.folder / "stack").write_text(" ".join(host.plan.stack) + "\n", "utf-8")


def _write_file(root: Path, file: HostFile, users: dict[str, tuple[int, int]]) -> None:
    """Write only what differs: the host's own layer stays small."""
    path = _only_fitting(root, file.path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if file.link_to is not None:
        if not path.is_symlink():
            path.symlink_to(file.link_to)
        return
    content = file.content.encode()
    if path.is_symlink():
        path.unlink()
    if not path.exists() or path.read_bytes() != content:
        part = path.with_name(f".{path.name}.lab")
        part.write_bytes(content)
        part.replace(path)
    owner = users.get(file.owner, (0, 0))
    entry = path.stat()
    if (entry.st_uid, entry.st_gid) != owner:
        os.chown(path, *owner)
    if entry.st_mode & 0o7777 != file.mode:
        path.chmod(file.mode)


def _only_fitting(root: Path, pattern: str) -> Path:
    """`etc/postgresql/*/main/x` → the path with the one folder that is there. Without a `*`: as it is."""
    if "*" not in pattern:
        return root / pattern
    before, after = pattern.split("/*/", 1)
    found = sorted(path for path in (root / before).iterdir() if path.is_dir())
    if len(found) != 1:
        raise FileNotFoundError(f"{before} of the host holds {len(found)} folders, not the one that {pattern} means")
    return found[0] / after


def _users_of(root: Path) -> dict[str, tuple[int, int]]:
    rows = (line.split(":") for line in (root / "etc/passwd").read_text("utf-8").splitlines())
    return {row[0]: (int(row[2]), int(row[3])) for row in rows if len(row) > 3}


async def _watch_ssh(host: Running, started_at: float) -> None:
    """The host is up when its sshd says hello."""
    while True:
        try:
            reader, writer = await asyncio.wait_for(asyncio.open_connection(host.plan.host.address, 22), 1)
            try:
                if (await asyncio.wait_for(reader.readline(), 2)).startswith(b"SSH-"):
                    host.state, host.booted_in_s = HostState.UP, round(time.monotonic() - started_at, 2)
                    return
            finally:
                writer.close()
        except (OSError, TimeoutError):
            pass
        await asyncio.sleep(0.15)


def _init_of(host: Running) -> int | None:
    """The pid of the host's systemd: the only child of the process that we started."""
    if host.process is None:
        return None
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                if int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == host.process.pid:
                    return int(entry.name)
    return None


async def _settles(host: Running, patience_s: float) -> bool:
    """Whether the host's process is gone within that time."""
    if host.process is None and host.state is not HostState.BOOTING:
        return True
    try:
        await asyncio.wait_for(host.settled.wait(), patience_s)
    except TimeoutError:
        return False
    return True


async def _forget_cgroup(group: Path) -> None:
    for _ in range(50):
        for folder, _, _ in os.walk(group, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(folder)
        if not group.exists():
            return
        await asyncio.sleep(0.05)


def _snapshot_folder(host: Running, tag: str) -> Path:
    if not tag or not all(letter.isalnum() or letter in "-_." for letter in tag) or tag.startswith("."):
        raise Refusal(f"A snapshot's tag is made of letters, digits, '-', '_' and '.': not {tag!r}.")
    return TOP / "snapshots" / host.plan.host.name / tag


def _describe(host: Running) -> dict[str, Any]:
    folder = TOP / "snapshots" / host.plan.host.name
    return {
        "state": str(host.state),
        "cut_off": host.cut_off,
        "boots": host.boots,
        "booted_in_s": host.booted_in_s,
        "failure": host.failure,
        "address": host.plan.host.address,
        "snapshots": sorted(path.name for path in folder.iterdir() if path.suffix != ".part")
        if folder.is_dir()
        else [],
    }


async def _ip(*arguments: str, check: bool = True) -> None:
    await _run("ip", *arguments, check=check)


async def _run(*command: str, check: bool = True) -> None:
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    _, errors = await process.communicate()
    if check and process.returncode != 0:
        raise Refusal(f"{' '.join(command)} failed: {errors.decode(errors='replace').strip()}")
