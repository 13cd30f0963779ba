"""The deployment on a real, empty database: twice, with the same outcome; a mistake costs no migration."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from suture.command import airflow_environment, installation
from suture.command.postgres import EmbeddedPostgres
from suture.settings import PROJECT_ROOT

pytestmark = [pytest.mark.database, pytest.mark.timeout(1800)]


@pytest.fixture
def airflow_url(postgres: EmbeddedPostgres) -> Iterator[str]:
    postgres.create_database("airflow_deployment")
    yield postgres.dsn("airflow_deployment")
    postgres.drop_database("airflow_deployment")


def deploy(home: Path, url: str) -> subprocess.CompletedProcess[str]:
    here = installation.prepare(home)
    env = airflow_environment.build(here, PROJECT_ROOT, airflow_url=url, warehouse_url=url, environ=os.environ)
    command = [sys.executable, "-m", "suture_airflow.deployment"]
    return subprocess.run(command, env=env, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False, timeout=600)


def pools(url: str) -> dict[str, tuple[int, bool]]:
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT pool, slots, include_deferred FROM slot_pool").fetchall()
    return {name: (slots, include_deferred) for name, slots, include_deferred in rows}


def test_deploying_twice_is_the_same_as_once_and_mends_what_was_edited(tmp_path: Path, airflow_url: str) -> None:
    first = deploy(tmp_path, airflow_url)
    assert first.returncode == 0, first.stderr[-2000:]
    loaded = pools(airflow_url)
    assert loaded["suture_ansible"] == (2, False)
    with psycopg.connect(airflow_url) as connection:
        connection.execute("UPDATE slot_pool SET slots = 99 WHERE pool = 'suture_ansible'")
        connection.execute("INSERT INTO slot_pool (pool, slots, include_deferred) VALUES ('mine', 1, false)")
    second = deploy(tmp_path, airflow_url)
    assert second.returncode == 0, second.stderr[-2000:]
    assert pools(airflow_url) == loaded | {"mine": (1, False)}
