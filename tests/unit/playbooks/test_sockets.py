"""Who listens on a host, read from the real /proc of this machine."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from types import ModuleType

import ansible.module_utils
import pytest

from suture.settings import PROJECT_ROOT

UTILS = PROJECT_ROOT / "include" / "playbooks" / "module_utils"
LOOKS = 40
# A server under load: while it listens, its descriptors come and go.
BUSY = """
import os, socket
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    opened = [os.open("/dev/null", os.O_RDONLY) for _ in range(200)]
    for number in opened:
        os.close(number)
"""


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"ansible.module_utils.{name}", UTILS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def sockets(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """As Ansible puts them together on a host."""
    for name in ("suture_job", "suture_host"):
        module = load(name)
        monkeypatch.setitem(sys.modules, f"ansible.module_utils.{name}", module)
        monkeypatch.setattr(ansible.module_utils, name, module, raising=False)
    return load("suture_sockets")


@pytest.fixture
def busy_port() -> Iterator[int]:
    with subprocess.Popen([sys.executable, "-c", BUSY], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield int(server.stdout.readline())
        server.kill()


def test_a_busy_server_is_known_as_the_owner_of_its_port(sockets: ModuleType, busy_port: int) -> None:
    owners = {sockets.listening()[f"tcp/{busy_port} loopback"] for _look in range(LOOKS)}
    assert len(owners) == 1
    assert sockets.KERNEL not in owners


def test_a_port_of_a_service_that_began_meanwhile_is_looked_at_again(
    sockets: ModuleType, busy_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = iter(({}, sockets._owners()))
    monkeypatch.setattr(sockets, "_owners", lambda: next(looks))
    assert sockets.listening()[f"tcp/{busy_port} loopback"] != sockets.KERNEL


def test_a_port_without_a_process_is_the_kernels(
    sockets: ModuleType, busy_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "_owners", dict)
    assert sockets.listening()[f"tcp/{busy_port} loopback"] == sockets.KERNEL
