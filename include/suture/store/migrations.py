"""Numbered migrations: include/sql/schema/NNNN_name.sql, each applied once, in order, in its own transaction.

A migration that was applied and then edited is refused by its digest: write a new one instead.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from suture.settings import PROJECT_ROOT
from suture.store.connection import SCHEMA, StoreError, StoreUnavailableError

MIGRATIONS = PROJECT_ROOT / "include" / "sql" / "schema"
_LOCK_KEY = 0x5075_7475  # any constant: two processes that migrate at once wait for one another


@dataclass(frozen=True)
class Migration:
    version: int
    name: str
    text: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


def known_migrations(folder: Path = MIGRATIONS) -> list[Migration]:
    """Every migration file, by number. Raises StoreError for a bad name or a number used twice."""
    found: dict[int, Migration] = {}
    for path in sorted(folder.glob("*.sql")):
        number, _, name = path.stem.partition("_")
        if not (number.isdigit() and name):
            raise StoreError(f"{path.name} is not a migration's name: it must be NNNN_what_it_does.sql.")
        version = int(number)
        if version in found:
            raise StoreError(f"Two migrations have the number {version}: {found[version].name} and {name}.")
        found[version] = Migration(version, name, path.read_text("utf-8"))
    return [found[version] for version in sorted(found)]


def migrate(dsn: str, *, schema: str = SCHEMA, folder: Path = MIGRATIONS) -> list[Migration]:
    """Bring the warehouse to the newest schema; what was applied now ([]: it already was there)."""
    migrations = known_migrations(folder)
    try:
        connection = psycopg.connect(dsn, autocommit=True, connect_timeout=10)
    except psycopg.OperationalError as error:
        raise StoreUnavailableError(f"The warehouse cannot be reached: {str(error).strip()}.") from error
    with connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK_KEY,))
        connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(schema)))
        connection.execute(sql.SQL("SET search_path TO {}").format(sql.Identifier(schema)))
        connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_migration (version integer PRIMARY KEY, name text NOT NULL,"
            " sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        applied: dict[int, str] = dict(connection.execute("SELECT version, sha256 FROM schema_migration").fetchall())
        _refuse_edited(migrations, applied)
        fresh = [migration for migration in migrations if migration.version not in applied]
        for migration in fresh:
            with _named(migration), connection.transaction():
                connection.execute(migration.text)
                connection.execute(
                    "INSERT INTO schema_migration (version, name, sha256) VALUES (%s, %s, %s)",
                    (migration.version, migration.name, migration.sha256),
                )
    return fresh


@contextmanager
def _named(migration: Migration) -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise StoreError(
            f"The migration {migration.version:04d}_{migration.name}.sql failed and was rolled back: "
            f"{str(error).strip()}."
        ) from error


def _refuse_edited(migrations: list[Migration], applied: dict[int, str]) -> None:
    for migration in migrations:
        digest = applied.get(migration.version)
        if digest is not None and digest != migration.sha256:
            raise StoreError(
                f"Migration {migration.version:04d}_{migration.name}.sql was edited after it was applied here.",
                remedy="Restore the file as it was and put the change into a new, higher-numbered migration.",
            )
