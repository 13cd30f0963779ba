"""Every statement is a file, every file is used, and each one is understood by the migrated warehouse."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from suture.settings import PROJECT_ROOT
from suture.store import Store
from suture.store.connection import QUERIES
from tests.unit.house.conftest import python_files

FILES = sorted(QUERIES.rglob("*.sql"))
NAME = re.compile(r"^[a-z_]+/[a-z]+_[a-z_0-9]+$")
PARAMETER = re.compile(r"%\(([a-z_0-9]+)\)s")


def _name(path: Path) -> str:
    return path.relative_to(QUERIES).with_suffix("").as_posix()


def _used() -> dict[str, set[str]]:
    """Who names each query. A test may have one of its own to look with."""
    known = {_name(path) for path in FILES}
    pattern = re.compile(r"[\"']([a-z_]+/[a-z_0-9]+)([\"'{])")
    found: dict[str, set[str]] = {name: set() for name in known}
    for path in python_files("include/suture", "plugins", "lab", "tests"):
        for name, end in pattern.findall(path.read_text("utf-8")):
            # f"feed/merge_{table}": one of a family
            for used in [other for other in known if other.startswith(name)] if end == "{" else known & {name}:
                found[used].add(path.name)
    return found


def test_every_query_is_used() -> None:
    assert FILES
    assert sorted(name for name, users in _used().items() if not users) == []


def test_every_query_that_code_names_is_there() -> None:
    call = re.compile(r"\.(?:fetch_all|fetch_one|execute|execute_many)\(\s*[\"']([^\"']+)[\"']")
    known = {_name(path) for path in FILES}
    missing = {
        f"{path.relative_to(PROJECT_ROOT)}: {name}"
        for path in python_files("include/suture", "plugins", "lab")
        for name in call.findall(path.read_text("utf-8"))
        if "/" in name and name not in known
    }
    assert missing == set()


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_a_query_is_one_plain_statement(path: Path) -> None:
    text = path.read_text("utf-8")
    assert NAME.match(_name(path)), "name it <noun>/<verb>_<noun>"
    bare = re.sub(r"--[^\n]*", "", text)
    assert ";" not in bare.strip().rstrip(";"), "one statement a file"
    assert not re.search(r"%s|%\([^)]*\)(?!s)", bare), "bind parameters only: %(name)s"


def test_every_query_is_understood_by_the_warehouse(store: Store) -> None:
    """PREPAREd against the migrated schema, all in one transaction; types are PostgreSQL's to infer.

    What PREPARE does not take (CREATE, TRUNCATE: the staging tables) is run first, so that the others find the tables.
    """
    refused = []
    connection = store._connection
    with connection.transaction(force_rollback=True):
        for path in sorted(FILES, key=_comes_later):
            text = path.read_text("utf-8")
            names: list[str] = []

            def numbered(match: re.Match[str], names: list[str] = names) -> str:
                if match[1] not in names:
                    names.append(match[1])
                return f"${names.index(match[1]) + 1}"

            statement = PARAMETER.sub(numbered, text).replace("%%", "%")
            try:
                with connection.transaction():
                    if _comes_later(path)[0] < 2:
                        connection.execute(statement.encode(), prepare=False)
                    else:
                        connection.execute(f"PREPARE checked AS {statement}".encode(), prepare=False)
                        connection.execute("DEALLOCATE checked", prepare=False)  # ALL would take psycopg's own too
            except Exception as error:
                refused.append(f"{_name(path)}: {str(error).splitlines()[0]}")
    assert refused == []


def _comes_later(path: Path) -> tuple[int, Path]:
    first = re.sub(r"--[^\n]*\n", "", path.read_text("utf-8")).split()[0].upper()
    return {"CREATE": 0, "TRUNCATE": 1}.get(first, 2), path
