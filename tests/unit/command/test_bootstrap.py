"""The environment: what counts as ready, and what an interruption leaves. No package is installed here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from suture.command import bootstrap
from suture.settings import PROJECT_ROOT


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with locks and a venv-like folder whose python works."""
    (tmp_path / "requirements.txt").write_text("a==1 --hash=sha256:0\n")
    (tmp_path / "requirements-dev.txt").write_text("a==1 --hash=sha256:0\nb==1 --hash=sha256:0\n")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable)
    return tmp_path


def stamp(clone: Path, *, dev: bool) -> None:
    lines = bootstrap.stamp_lines(clone, dev=dev)
    (clone / ".venv" / bootstrap.STAMP).write_text("\n".join(lines) + "\n")


def test_ready_only_with_the_stamp_of_this_lock(clone: Path) -> None:
    assert not bootstrap.is_ready(clone, dev=False)
    stamp(clone, dev=False)
    assert bootstrap.is_ready(clone, dev=False)
    assert not bootstrap.is_ready(clone, dev=True)
    (clone / "requirements.txt").write_text("a==2 --hash=sha256:0\n")
    assert not bootstrap.is_ready(clone, dev=False)


def test_development_lock_serves_both(clone: Path) -> None:
    stamp(clone, dev=True)
    assert bootstrap.is_ready(clone, dev=True)
    assert bootstrap.is_ready(clone, dev=False)


def test_interrupted_environment_is_not_ready_and_is_made_anew(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stamp(clone, dev=False)
    (clone / ".venv" / bootstrap.MARKER).touch()
    (clone / ".venv" / "half-installed").touch()
    assert not bootstrap.is_ready(clone, dev=False)
    ran = _without_installing(monkeypatch)
    bootstrap.ensure(clone, dev=False)
    assert not (clone / ".venv" / "half-installed").exists()
    assert bootstrap.is_ready(clone, dev=False)
    assert "--require-hashes" in ran[-1]


def test_hand_made_environment_is_kept_and_completed(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (clone / ".venv" / "somebodys").touch()
    _without_installing(monkeypatch)
    bootstrap.ensure(clone, dev=False)
    assert (clone / ".venv" / "somebodys").exists()
    assert bootstrap.is_ready(clone, dev=False)


def test_moved_clone_gets_a_new_environment(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stamp(clone, dev=False)
    path = clone / ".venv" / bootstrap.STAMP
    path.write_text(path.read_text().replace(f"path {clone}", "path /elsewhere"))
    (clone / ".venv" / "old").touch()
    _without_installing(monkeypatch)
    bootstrap.ensure(clone, dev=False)
    assert not (clone / ".venv" / "old").exists()


def test_renewing_keeps_the_development_packages(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stamp(clone, dev=True)
    (clone / "requirements.txt").write_text("a==2 --hash=sha256:0\n")
    ran = _without_installing(monkeypatch)
    bootstrap.ensure(clone, dev=False)
    assert ran[-1][-1].endswith("requirements-dev.txt")


def test_failed_installation_is_not_stamped(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _without_installing(monkeypatch)

    def fail(command: list[str], failure: str) -> None:
        raise bootstrap.BootstrapError(failure)

    monkeypatch.setattr(bootstrap, "_run", fail)
    with pytest.raises(bootstrap.BootstrapError, match=r"requirements\.txt"):
        bootstrap.ensure(clone, dev=False)
    assert not bootstrap.is_ready(clone, dev=False)
    assert (clone / ".venv" / bootstrap.MARKER).exists()


def test_launcher_names_the_packages_when_there_is_no_python(tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("dirname", "readlink", "sha256sum", "cut", "grep", "sh"):
        (tools / name).symlink_to(f"/usr/bin/{name}")
    launcher = tmp_path / "suture"
    launcher.write_bytes((PROJECT_ROOT / "suture").read_bytes())
    launcher.chmod(0o755)
    done = subprocess.run([launcher, "up"], env={"PATH": str(tools)}, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Python 3.11 or newer was not found" in done.stderr
    if Path("/etc/debian_version").exists():
        assert "apt-get install python3 python3-venv" in done.stderr


def test_launcher_is_posix_sh() -> None:
    dash = "/bin/dash"
    shell = dash if os.path.exists(dash) else "/bin/sh"
    assert subprocess.run([shell, "-n", PROJECT_ROOT / "suture"], check=False).returncode == 0


def _without_installing(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Leave out what reaches for the package index; the commands that would have run."""
    ran: list[list[str]] = []
    monkeypatch.setattr(bootstrap, "_install_uv", lambda root, venv: None)
    monkeypatch.setattr(bootstrap, "_run", lambda command, failure: ran.append(command))
    monkeypatch.setattr(bootstrap, "say", lambda text: None)
    return ran


def test_uv_is_told_what_pip_knows_of_indices_and_certificates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configuration = tmp_path / "pip.conf"
    configuration.write_text("[global]\nindex-url = https://index.example/simple\ncert = /etc/company.pem\n", "utf-8")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(configuration))
    for name in ("UV_DEFAULT_INDEX", "SSL_CERT_FILE", "PIP_CERT"):
        monkeypatch.delenv(name, raising=False)
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").symlink_to(sys.executable)
    monkeypatch.setenv("UV_INDEX_STRATEGY", "first-index")
    found = bootstrap._uv_environment(venv)
    assert found["UV_DEFAULT_INDEX"] == "https://index.example/simple"
    assert found["SSL_CERT_FILE"] == "/etc/company.pem"
    assert found["UV_INDEX_STRATEGY"] == "first-index", "what the user set stands"


def test_pip_is_asked_where_uv_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uv = tmp_path / "uv"
    uv.write_text("#!/bin/sh\nexit 2\n", "utf-8")
    uv.chmod(0o755)
    monkeypatch.setattr(bootstrap, "_uv_environment", lambda venv: {})
    assert not bootstrap._uv_installs(uv, tmp_path, ["--require-hashes"])
