"""Airflow's environment: loopback, one secret for all, nothing of a stranger's Airflow."""

from __future__ import annotations

import json
import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from suture.command import airflow_environment, credentials, installation
from suture.errors import BadInputError
from suture.settings import PROJECT_ROOT

AIRFLOW_URL = "postgresql://a:b@127.0.0.1:5432/airflow"
WAREHOUSE_URL = "postgresql://w:p%40ss%3A@127.0.0.1:5432/suture"


def build(home: Path, **environ: str) -> dict[str, str]:
    here = installation.prepare(home, free=lambda port: True)
    return airflow_environment.build(
        here, PROJECT_ROOT, airflow_url=AIRFLOW_URL, warehouse_url=WAREHOUSE_URL, environ=environ
    )


def test_secrets_are_made_once_and_closed(tmp_path: Path) -> None:
    first, second = build(tmp_path), build(tmp_path)
    for name in ("AIRFLOW__API_AUTH__JWT_SECRET", "AIRFLOW__CORE__FERNET_KEY", "AIRFLOW__API__SECRET_KEY"):
        assert len(first[name]) >= 32
        assert first[name] == second[name]
    for path in (tmp_path / "secrets").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name


def test_everything_listens_on_loopback(tmp_path: Path) -> None:
    env = build(tmp_path)
    assert env["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert env["AIRFLOW__API__BASE_URL"].startswith("http://127.0.0.1:")
    assert not [name for name, value in env.items() if "0.0.0.0" in value]


def test_a_strangers_airflow_is_left_out_and_ours_can_be_changed(tmp_path: Path) -> None:
    env = build(
        tmp_path, AIRFLOW_HOME="/other", AIRFLOW__CORE__EXECUTOR="X", SUTURE_AIRFLOW__CORE__PARALLELISM="3", PATH="/bin"
    )
    assert env["AIRFLOW_HOME"] == str(tmp_path / "airflow")
    assert env["AIRFLOW__CORE__EXECUTOR"] == "suture_airflow.executor.WarmLocalExecutor"
    assert env["AIRFLOW__CORE__PARALLELISM"] == "3"
    assert env["PATH"] == "/bin"
    assert "SUTURE_AIRFLOW__CORE__PARALLELISM" not in env


def test_the_callers_own_paths_stay(tmp_path: Path) -> None:
    env = build(tmp_path, SUTURE_INVENTORY="/etc/hosts.yaml", SUTURE_STORE_URL="s3://bucket/x")
    assert env["SUTURE_INVENTORY"] == "/etc/hosts.yaml"
    assert env["SUTURE_STORE_URL"] == "s3://bucket/x"
    assert "SUTURE_POLICY_DIR" not in env  # found at run time: the practice fleet writes its policies later


def test_warehouse_connection_decodes_the_url(tmp_path: Path) -> None:
    connection = json.loads(build(tmp_path)["AIRFLOW_CONN_SUTURE_WAREHOUSE"])
    assert connection == {
        "conn_type": "postgres", "host": "127.0.0.1", "port": 5432, "login": "w", "password": "p@ss:",
        "schema": "suture",
    }  # fmt: skip


@pytest.mark.parametrize("url", ["", "mysql://a@b/c", "postgresql:///x"])
def test_other_databases_are_refused_without_repeating_the_url(url: str) -> None:
    with pytest.raises(BadInputError, match=r"SUTURE_WAREHOUSE_URL must be postgresql://"):
        airflow_environment.connection_json(url, "SUTURE_WAREHOUSE_URL")


def test_every_user_has_a_password_and_keeps_it(tmp_path: Path) -> None:
    first = credentials.ensure_passwords(tmp_path)
    assert set(first) == {user.name for user in credentials.USERS}
    assert len(set(first.values())) == len(first)
    path = tmp_path / credentials.PASSWORDS
    stored = json.loads(path.read_text())
    del stored["vera"]
    path.write_text(json.dumps(stored))
    path.chmod(0o644)
    second = credentials.ensure_passwords(tmp_path)
    assert second["olga"] == first["olga"]
    assert second["vera"] != first["vera"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_broken_password_file_is_named_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / credentials.PASSWORDS
    path.write_text("{")
    with pytest.raises(BadInputError, match=r"airflow_passwords\.json"):
        credentials.ensure_passwords(tmp_path)
    assert path.read_text() == "{"


def test_a_dag_file_is_parsed_again_when_it_changed_and_else_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By Airflow's own processor, with the interval that we set."""
    for name, value in build(tmp_path).items():
        if name.startswith("AIRFLOW__DAG_PROCESSOR__"):
            monkeypatch.setenv(name, value)
    from airflow.dag_processing.manager import DagFileInfo, DagFileProcessorManager, DagFileStat

    files = [DagFileInfo(rel_path=Path(name), bundle_name="b", bundle_path=tmp_path) for name in ("same.py", "changed.py")]
    manager = DagFileProcessorManager(max_runs=-1)
    parsed_at = datetime.now(UTC) - timedelta(minutes=30)
    for file in files:
        file.absolute_path.write_text("", "utf-8")
        os.utime(file.absolute_path, (parsed_at.timestamp() - 60,) * 2)
        manager._file_stats[file] = DagFileStat(last_finish_time=parsed_at)
    os.utime(tmp_path / "changed.py")
    manager.prepare_file_queue({"b": set(files)})
    assert [file.rel_path.name for file in manager._file_queue] == ["changed.py"]
