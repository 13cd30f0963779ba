"""Migrations are applied once, in order, whole; an edited one is refused."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from suture.command.postgres import EmbeddedPostgres
from suture.store import StoreError, migrate
from suture.store.migrations import MIGRATIONS, Migration, known_migrations


@pytest.fixture
def empty_url(postgres: EmbeddedPostgres) -> Iterator[str]:
    postgres.create_database("test_migrations")
    try:
        yield postgres.dsn("test_migrations")
    finally:
        postgres.drop_database("test_migrations")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "0001_first.sql").write_text("CREATE TABLE one (n integer);")
    (tmp_path / "0002_second.sql").write_text("ALTER TABLE one ADD COLUMN m integer;")
    return tmp_path


def _versions(applied: list[Migration]) -> list[int]:
    return [migration.version for migration in applied]


def test_the_projects_own_migrations_apply_and_then_are_done(empty_url: str) -> None:
    assert _versions(migrate(empty_url)) == _versions(known_migrations())
    assert migrate(empty_url) == []


def test_an_edited_migration_is_refused_and_named(empty_url: str, folder: Path) -> None:
    migrate(empty_url, folder=folder)
    (folder / "0001_first.sql").write_text("CREATE TABLE one (n bigint);")
    (folder / "0003_third.sql").write_text("CREATE TABLE three (n integer);")
    with pytest.raises(StoreError, match=r"0001_first\.sql was edited"):
        migrate(empty_url, folder=folder)
    with psycopg.connect(empty_url) as connection:
        assert connection.execute("SELECT to_regclass('suture.three')").fetchone() == (None,)


def test_a_migration_of_a_lower_number_that_came_late_is_still_applied(empty_url: str, folder: Path) -> None:
    """Rooms have their own ranges of numbers; a branch merged late must not be skipped."""
    (folder / "0400_runner.sql").write_text("CREATE TABLE runner (n integer);")
    migrate(empty_url, folder=folder)
    (folder / "0200_feeds.sql").write_text("CREATE TABLE feeds (n integer);")
    assert _versions(migrate(empty_url, folder=folder)) == [200]


def test_a_migration_that_fails_leaves_nothing_and_is_tried_again(empty_url: str, folder: Path) -> None:
    bad = folder / "0003_bad.sql"
    bad.write_text("CREATE TABLE half (n integer); SELECT 1 / 0;")
    with pytest.raises(StoreError, match=r"0003_bad\.sql.*division by zero"):
        migrate(empty_url, folder=folder)
    with psycopg.connect(empty_url) as connection:
        assert connection.execute("SELECT to_regclass('suture.half')").fetchone() == (None,)
        assert connection.execute("SELECT max(version) FROM suture.schema_migration").fetchone() == (2,)
    bad.write_text("CREATE TABLE half (n integer);")
    assert _versions(migrate(empty_url, folder=folder)) == [3]


def test_two_who_migrate_at_once_wait_for_one_another(empty_url: str) -> None:
    applied: list[list[int]] = []
    errors: list[Exception] = []

    def run() -> None:
        try:
            applied.append(_versions(migrate(empty_url)))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sorted(applied, key=len) == [[], [], [], _versions(known_migrations())]


@pytest.mark.parametrize("name", ["first.sql", "0001.sql", "x001_first.sql"])
def test_a_bad_name_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("SELECT 1;")
    with pytest.raises(StoreError, match="NNNN"):
        known_migrations(tmp_path)


def test_a_number_used_twice_is_refused(folder: Path) -> None:
    (folder / "0002_other.sql").write_text("SELECT 1;")
    with pytest.raises(StoreError, match="number 2"):
        known_migrations(folder)


def test_every_file_of_the_schema_folder_is_a_migration() -> None:
    assert len(known_migrations()) == len(list(MIGRATIONS.iterdir())) > 0
