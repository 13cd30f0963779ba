"""Ports: derived per clone, chosen free, and a taken one named."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from suture.command import ports
from suture.errors import BadInputError, SutureError
from tests.conftest import free_port


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", free_port()))
        server.listen()
        yield server


def test_base_depends_on_the_folder_alone() -> None:
    first = ports.derived_base(Path("/srv/a/.suture"))
    assert first == ports.derived_base(Path("/srv/a/.suture"))
    assert first != ports.derived_base(Path("/srv/b/.suture"))


def test_bases_stay_below_the_ephemeral_ports_and_apart() -> None:
    bases = {ports.derived_base(Path(f"/clones/{number}")) for number in range(500)}
    assert all(20_000 <= base <= 31_990 and base % ports.BLOCK_SIZE == 0 for base in bases)
    assert len(bases) > 300  # 500 folders in 1,200 blocks: about 410 differ


def test_taken_and_avoided_ports_are_skipped() -> None:
    chosen = ports.choose(["ui", "postgres"], 20_000, avoid=[20_002], free=lambda port: port != 20_000)
    assert chosen == {"ui": 20_001, "postgres": 20_003}


def test_no_free_port_is_an_error_with_the_range() -> None:
    with pytest.raises(SutureError, match=r"for ui between 20000 and .* --port-base"):
        ports.choose(["ui"], 20_000, free=lambda port: False)


def test_listening_port_is_not_free_and_free_again_after(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    assert not ports.is_free(port)
    listener.close()
    assert ports.is_free(port)


def test_taken_port_names_the_process_that_holds_it(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    with pytest.raises(ports.PortTakenError) as caught:
        ports.require_free({"ui": port})
    text = str(caught.value)
    assert f"Port {port} (ui)" in text
    assert f"process {os.getpid()}" in text
    assert "--set ui_port=" in text


def test_free_ports_pass() -> None:
    ports.require_free({"ui": free_port()})


@pytest.mark.parametrize("text", ["", "http", "80", "70000", "-1", "8080.5", "٨٠٨٠x"])
def test_what_is_not_a_port_is_refused_by_name(text: str) -> None:
    with pytest.raises(BadInputError, match="ui_port="):
        ports.checked_port(text, "ui_port")
