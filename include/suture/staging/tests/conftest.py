"""What the plan asks of which host: read from the brief that SUTURE_TEST_BRIEF names, as parameters of the tests."""

from __future__ import annotations

import json
import os
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import testinfra

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # include/: this pytest runs from a folder of its own


@cache
def brief() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(os.environ["SUTURE_TEST_BRIEF"]).read_text("utf-8"))
    return found


@cache
def reach(name: str) -> Any:
    return testinfra.get_host(f"ssh://{name}", ssh_config=brief()["ssh_config"], controlpersist=30, timeout=15)


@cache
def installed(name: str) -> dict[str, tuple[str, str]]:
    """What dpkg says of every package of a host, asked once: package → (status, version)."""
    shown = reach(name).run("dpkg-query -W -f %s", "${Package}\t${db:Status-Abbrev}\t${Version}\n")
    assert shown.rc == 0, f"dpkg-query failed on {name}: {shown.stderr[-300:]}"
    lines = [line.split("\t") for line in shown.stdout.splitlines()]
    return {package: (status.strip(), version) for package, status, version in lines}


@pytest.fixture
def packages(subject: tuple[str, Any]) -> dict[str, tuple[str, str]]:
    return installed(subject[0])


@pytest.fixture
def server(subject: tuple[str, Any]) -> Any:
    return reach(subject[0])


@pytest.fixture
def item(subject: tuple[str, Any]) -> Any:
    return subject[1]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    kind = metafunc.function.__name__.removeprefix("test_")
    items = [(host, item) for host, body in sorted(brief()["hosts"].items()) for item in body.get(kind, [])]
    names = [f"{host}:{item.get('name') or item.get('package')}" for host, item in items]
    metafunc.parametrize("subject", items, ids=names)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A question that no host has (a campaign without a database host) is not asked; pytest would ask it once, skipped."""
    items[:] = [item for item in items if not item.name.endswith("[NOTSET]")]
