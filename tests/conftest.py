"""What every test may stand on: a real warehouse, and the rule that a missing need fails where it was promised."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import psycopg
import pytest
from psycopg import sql

from suture.command.ports import is_free
from suture.command.postgres import EmbeddedPostgres
from suture.settings import Settings
from suture.store import Store, migrate

pytest_plugins = ["tests.main_job"]
# Times are measured in benchmarks, never asserted here: a busy machine fails no test. (Under CI hypothesis does so itself.)
hypothesis.settings.register_profile(
    "busy", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
if not os.environ.get("CI"):
    hypothesis.settings.load_profile("busy")
TEMPLATE = "suture_template"
_DATABASES = itertools.count(1)
MAIN_JOB_ORDER = ("lifecycle/test_campaigns", "browser/", "lifecycle/test_faults")
OWN_FLEET = ("lab/test_parity", "lab/test_runner", "lab/test_hotfix", "lab/test_fleet")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The main job is the longest by far: its tests come first, in their own order. The small fleet's come last: the main
    job has built then what both boot from; the last of them ends it."""
    items.sort(key=lambda item: _place(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """All tests of the main job go to one worker, all of the small fleet to one; the other files fill the rest.

    Not `--dist loadgroup`: pytest-xdist 3.8.0 does not see the groups under pytest 9.2.0 (its workers find the option unset).
    """
    from xdist.scheduler import LoadScopeScheduling

    class OneMainJob(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
        def _split_scope(self, nodeid: str) -> str:
            place = _place(nodeid)
            if place == OTHERS:
                return nodeid.partition("::")[0]
            return "the main job" if place < OTHERS else "the small fleet"

    return OneMainJob(config, log)


OTHERS = len(MAIN_JOB_ORDER)


def _place(nodeid: str) -> int:
    """A test's place: the main job in its order, then all others, then the small fleet in its order."""
    for first, parts in ((0, MAIN_JOB_ORDER), (OTHERS + 1, OWN_FLEET)):
        for number, part in enumerate(parts):
            if part in nodeid:
                return first + number
    return OTHERS


def required(need: str) -> bool:
    """True when SUTURE_REQUIRE (as `./suture test` sets it) promises this need: then its lack is a failure, not a skip."""
    return need in os.environ.get("SUTURE_REQUIRE", "").split(",")


def miss(need: str, why: str) -> None:
    """Skip loudly, or fail where the need was promised."""
    if required(need):
        pytest.fail(f"{need} was required but is missing: {why}")
    pytest.skip(f"needs {need}: {why}")


_FAILED: dict[str, str] = {}


@contextlib.contextmanager
def tried_once(what: str) -> Iterator[None]:
    """A set-up of many minutes is not tried again for each test that needs it: from its first failure on it fails at once."""
    if what in _FAILED:
        pytest.fail(f"{what} failed before: {_FAILED[what]}")
    try:
        yield
    except BaseException as error:
        _FAILED[what] = f"{type(error).__name__}: {error}"[:300]
        raise


_PORTS = range(10_000, 20_000)  # below the kernel's ephemeral ports and the clones' own (suture.command.ports)


def free_port() -> int:
    """A port of loopback where nobody listens, and that no outgoing connection is given: it stays free until it is used."""
    for port in random.SystemRandom().sample(_PORTS, 100):
        if is_free(port):
            return port
    raise AssertionError(f"no port is free from {_PORTS[0]} to {_PORTS[-1]}")


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL of this test worker's own, with a migrated template database."""
    server = EmbeddedPostgres(
        tmp_path_factory.mktemp("warehouse"),
        free_port(),
        server_settings={"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"},
    )
    server.start()
    try:
        server.create_database(TEMPLATE)
        migrate(server.dsn(TEMPLATE))
        yield server
    finally:
        server.stop(immediate=True)
        server.destroy()


@pytest.fixture(scope="session")
def maintenance(postgres: EmbeddedPostgres) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """One connection that makes the tests' databases: a process for each would cost half a second a test."""
    with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
        yield connection


@pytest.fixture
def warehouse_url(postgres: EmbeddedPostgres, maintenance: psycopg.Connection[tuple[object, ...]]) -> Iterator[str]:
    """The URL of an empty, migrated database that only this try of this test knows."""
    name = f"test_{next(_DATABASES)}"
    own = sql.Identifier(name)
    maintenance.execute(
        sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(own, sql.Identifier(TEMPLATE))
    )
    yield postgres.dsn(name)
    # Not left for the server's end: 1,300 of them are 16 GB, and took two minutes of the last test's time to delete.
    maintenance.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(own))


@pytest.fixture
def store(warehouse_url: str) -> Iterator[Store]:
    with Store.connect(warehouse_url, application_name="suture-test") as opened:
        yield opened


@pytest.fixture
def settings(tmp_path: Path, warehouse_url: str) -> Settings:
    """An installation of its own: state in the test's folder, the project's default policies."""
    return Settings.load({"SUTURE_HOME": str(tmp_path / "state"), "SUTURE_WAREHOUSE_URL": warehouse_url})
