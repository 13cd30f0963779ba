"""A connection to the warehouse (PostgreSQL), and the SQL files it runs.

The rules of this room:

- Every statement stands in its own file, `include/sql/queries/<noun>/<verb>_<noun>….sql`, and is named by that path
  without its suffix: `store.fetch_all("campaign/list_campaigns", {...})`.
- Values travel as bind parameters, `%(name)s`, never as text in the statement.
- Outside `transaction()` each statement commits by itself; inside it, all or nothing.
- A lost connection or a serialisation conflict is a `StoreUnavailableError`: trying again may help. The statement that
  found the connection lost fails; the next one outside a transaction gets a new connection.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import chain
from types import TracebackType
from typing import Any, LiteralString

import msgspec
import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb, set_json_loads

from suture.errors import SutureError
from suture.settings import PROJECT_ROOT

QUERIES = PROJECT_ROOT / "include" / "sql" / "queries"
SCHEMA = "suture"
STATEMENT_TIMEOUT_MS = 120_000
_BINARY_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)  # no flags, no extension
_BINARY_END = b"\xff\xff"

Row = dict[str, Any]


class StoreError(SutureError):
    """The warehouse refused a statement for good (constraint, syntax, type)."""


class DuplicateKeyError(StoreError):
    """A row's key is there already."""


class StoreUnavailableError(StoreError):
    """The warehouse cannot be reached, or asked to try again (restart, dead-lock, serialisation conflict)."""

    retryable = True


@cache
def query_text(name: str) -> str:
    """The text of include/sql/queries/<name>.sql. Raises StoreError when there is no such file."""
    path = QUERIES / f"{name}.sql"
    if not path.is_file():
        raise StoreError(f"There is no query {name!r}: {path} is missing.")
    return path.read_text("utf-8")


class Store:
    """One connection. Not shared between threads. Use as a context manager, or call close()."""

    def __init__(self, connection: psycopg.Connection[Row], *, again: Callable[[], psycopg.Connection[Row]]) -> None:
        self._connection = connection
        self._again = again
        self._given_up = False
        self._depth = 0  # of nested transactions: inside one, a lost connection must not be replaced

    @classmethod
    def connect(cls, dsn: str, *, application_name: str = "suture") -> Store:
        """Open a connection to the warehouse at `dsn` (a PostgreSQL URL). Raises StoreUnavailableError."""

        def open_connection() -> psycopg.Connection[Row]:
            return cls._open(dsn, application_name)

        return cls(open_connection(), again=open_connection)

    @staticmethod
    def _open(dsn: str, application_name: str) -> psycopg.Connection[Row]:
        try:
            connection = psycopg.connect(
                dsn,
                autocommit=True,
                row_factory=dict_row,
                connect_timeout=10,
                application_name=application_name,
                options=f"-c search_path={SCHEMA} -c statement_timeout={STATEMENT_TIMEOUT_MS} -c timezone=UTC",
            )
            set_json_loads(_json_value, connection)
            return connection
        except psycopg.OperationalError as error:
            raise StoreUnavailableError(
                f"The warehouse cannot be reached: {str(error).strip()}.",
                remedy="Check that PostgreSQL runs (`./suture status`) and that SUTURE_WAREHOUSE_URL is right.",
            ) from error

    def close(self) -> None:
        self._given_up = True
        self._connection.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All statements inside commit together, or none does. May be nested (savepoints)."""
        with _translated("transaction"), self._alive().transaction():
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1

    def _alive(self) -> psycopg.Connection[Row]:
        """The connection, or a new one where it was lost outside a transaction."""
        if self._connection.broken and not (self._depth or self._given_up):
            self._connection = self._again()
        return self._connection

    def fetch_all(self, query: str, params: Mapping[str, Any] | None = None) -> list[Row]:
        with _translated(query):
            return self._alive().execute(query_text(query), _bound(params)).fetchall()

    def fetch_one(self, query: str, params: Mapping[str, Any] | None = None) -> Row | None:
        """The first row, or None when there is none."""
        with _translated(query):
            return self._alive().execute(query_text(query), _bound(params)).fetchone()

    def execute(self, query: str, params: Mapping[str, Any] | None = None) -> int:
        """Run a statement; the number of rows it touched."""
        with _translated(query):
            return self._alive().execute(query_text(query), _bound(params)).rowcount

    def execute_many(self, query: str, rows: Iterable[Mapping[str, Any]]) -> int:
        """Run a statement once a row (pipelined, one transaction); rows touched in all."""
        with _translated(query), self._alive().transaction(), self._connection.cursor() as cursor:
            cursor.executemany(query_text(query), [_bound(row) for row in rows])
            return max(cursor.rowcount, 0)

    def copy_rows(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
        """COPY rows into a table; how many. Table and columns are identifiers from code, never from data."""
        statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
            sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
        )
        count = 0
        with (
            _translated(f"copy into {table}"),
            self._alive().transaction(),
            self._connection.cursor() as cursor,
            cursor.copy(statement) as copy,
        ):
            for row in rows:
                copy.write_row([_adapted(value) for value in row])
                count += 1
        return count

    def copy_binary(self, table: str, columns: Mapping[str, str], rows: Iterable[Sequence[Any]]) -> int:
        """COPY rows in PostgreSQL's binary format, the fastest way in; how many. columns: name → type.

        Values must have the Python type of their column (datetime for timestamptz, bytes for bytea): nothing is cast.
        Table, columns and types are identifiers from code, never from data.
        """
        statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
            sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
        )
        count = 0
        with (
            _translated(f"copy into {table}"),
            self._alive().transaction(),
            self._connection.cursor() as cursor,
            cursor.copy(statement) as copy,
        ):
            copy.set_types(list(columns.values()))
            for row in rows:
                copy.write_row(row)
                count += 1
        return count

    def copy_packed(self, table: str, columns: Iterable[str], parts: Iterable[bytes]) -> int:
        """COPY rows that are packed already, in PostgreSQL's binary format without its header; how many came in.

        Table and columns are identifiers from code, never from data."""
        return self._copied(table, columns, "BINARY", chain((_BINARY_HEADER,), parts, (_BINARY_END,)))

    def copy_csv(self, table: str, columns: Iterable[str], parts: Iterable[bytes]) -> int:
        """COPY lines of CSV in UTF-8 without a header; how many came in. An empty field that is not quoted is NULL.

        Table and columns are identifiers from code, never from data."""
        return self._copied(table, columns, "CSV, ENCODING 'UTF8'", parts)

    def _copied(self, table: str, columns: Iterable[str], form: LiteralString, parts: Iterable[bytes]) -> int:
        statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT " + form + ")").format(
            sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
        )
        with _translated(f"copy into {table}"), self._alive().transaction(), self._connection.cursor() as cursor:
            with cursor.copy(statement) as copy:
                for part in parts:
                    copy.write(part)
            return cursor.rowcount


def _json_value(text: str | bytes) -> Any:
    """As json.loads, in a third of its time. Columns of type json keep a text as it came: numbers out of range, halves of a
    character."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return json.loads(text)


def _bound(params: Mapping[str, Any] | None) -> dict[str, Any]:
    # Always a mapping, so that %% and %(name)s mean the same in every file, with or without parameters.
    return {name: _adapted(value) for name, value in (params or {}).items()}


def _adapted(value: Any) -> Any:
    return Jsonb(value) if isinstance(value, dict) or _is_json_list(value) else value


def _is_json_list(value: Any) -> bool:
    """Lists of objects are JSON; lists of plain values are PostgreSQL arrays."""
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict | list)


@contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise StoreUnavailableError(f"{what}: the warehouse did not answer: {str(error).strip()}.") from error
    except psycopg.errors.UniqueViolation as error:
        raise DuplicateKeyError(f"{what}: {str(error).strip()}") from error
    except psycopg.Error as error:
        raise StoreError(f"{what}: {str(error).strip()}") from error
