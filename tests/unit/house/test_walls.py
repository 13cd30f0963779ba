"""The walls of the house: who may import whom, where SQL and Ansible may be, how large a module may grow."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from suture.settings import PROJECT_ROOT
from tests.unit.house.conftest import python_files

DOMAIN = PROJECT_ROOT / "include" / "suture"
FILES = python_files("include/suture")
CORE = {"campaign", "collector", "errors", "evidence", "model", "policy", "runner", "settings", "store", "wording"}
COMPOSING = {"command"}  # the command wires rooms together, as the stages of suture_airflow do
# Windows in the wall, each with its reason.
WINDOWS = {
    "suture.inventory.debian_version": "the order of versions is vocabulary, not an inside",
    "suture.inventory.versions": "one order of versions for matching, ranges, and an SBOM's next version",
    "suture.sourcing.proof": "a signature is proven in one place, for whoever fetches signed files",
    ("rollout", "telemetry"): "the judge's observations are read by telemetry",
}
CORE_MAY_KNOW = {
    "collector": set[str](),
    "errors": set[str](),
    "wording": set[str](),
    "settings": {"errors"},
    "store": {"errors", "settings"},
    "policy": {"errors", "settings"},
    "model": {"errors", "policy", "settings"},
    "evidence": {"errors", "settings", "store"},
    "campaign": {"errors", "evidence", "model", "policy", "settings", "store"},
    "runner": {"campaign", "errors", "evidence", "model", "policy", "settings", "store"},
}
ABOUT, TOO_MANY = 350, 500  # lines; modules between the two are few, and named
LONG = {
    "include/suture/command/postgres.py": "one server's whole life",
    "include/suture/command/stack.py": "the order in which all parts come up and go down",
    "lab/fleet.py": "the fleet's whole life",
    "lab/nursery.py": "the parent of all hosts: one process, one file",
}


def _imports(path: Path) -> Iterator[tuple[int, str]]:
    """(line, module) of every import, also those inside functions."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.lineno, node.module
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"


def _room(path: Path) -> str:
    return path.relative_to(DOMAIN).parts[0].removesuffix(".py")


def _breaches(path: Path) -> list[str]:
    room, found = _room(path), []
    for line, module in _imports(path):
        top = module.split(".")[0]
        if top in ("airflow", "suture_airflow", "lab") and not (room == "command" and top == "lab"):
            found.append(f"{path.name}:{line}: the domain imports {module}")
        if top != "suture" or module.count(".") < 1:
            continue
        other = module.split(".")[1]
        if other == room or (not (DOMAIN / other).exists() and not (DOMAIN / f"{other}.py").exists()):
            continue
        if _window(room, module):
            continue
        if room in CORE_MAY_KNOW and other not in CORE_MAY_KNOW[room]:
            found.append(f"{path.name}:{line}: the core room {room} imports {module}")
        elif room not in CORE_MAY_KNOW and room not in COMPOSING and other not in CORE:
            found.append(f"{path.name}:{line}: the room {room} imports the room {other} ({module})")
    return found


def _window(room: str, module: str) -> bool:
    return any(
        module.startswith(window) if isinstance(window, str) else window == (room, module.split(".")[1])
        for window in WINDOWS
    )


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(DOMAIN).as_posix())
def test_rooms_know_the_core_and_not_one_another(path: Path) -> None:
    assert _breaches(path) == []


def test_the_command_imports_airflow_only_through_its_processes() -> None:
    """Verbs work without Airflow: nothing of the domain imports it, not even inside a function."""
    names = {module.split(".")[0] for path in FILES for _line, module in _imports(path)}
    assert "airflow" not in names
    assert "suture" in names  # the walk does see imports


def test_only_the_store_runs_sql_and_only_the_runner_runs_ansible() -> None:
    drivers = {"psycopg": "store", "sqlalchemy": "nobody", "ansible_runner": "runner"}
    breaches, seen = [], set()
    for path in python_files("include/suture", "plugins", "dags", "lab"):
        for line, module in _imports(path):
            top = module.split(".")[0]
            home = drivers.get(top)
            room = _room(path) if path.is_relative_to(DOMAIN) else path.relative_to(PROJECT_ROOT).parts[0]
            if home is None:
                continue
            seen.add(top)
            if room != home and not _allowed_driver(path, top):
                breaches.append(f"{path.relative_to(PROJECT_ROOT)}:{line}: {module}")
    assert breaches == []
    assert {"psycopg", "ansible_runner"} <= seen


def _allowed_driver(path: Path, top: str) -> bool:
    """Airflow's own metadata is not the warehouse: its loader uses Airflow's ORM session."""
    return top == "sqlalchemy" and path.name == "deployment.py"


SQL = re.compile(r"\b(SELECT\s.+\sFROM|INSERT\s+INTO|UPDATE\s.+\sSET|DELETE\s+FROM)\b", re.DOTALL)


def test_no_statement_hides_in_a_string() -> None:
    breaches = [
        f"{path.relative_to(PROJECT_ROOT)}:{node.lineno}"
        for path in python_files("include/suture", "plugins", "dags")
        if not path.is_relative_to(DOMAIN / "store")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL.search(node.value)
    ]
    assert breaches == []


def test_adapters_import_the_domain_and_dags_import_adapters() -> None:
    breaches = []
    for path in python_files("dags"):
        for line, module in _imports(path):
            if module.split(".")[0] not in (
                "__future__",
                "airflow",
                "suture_airflow",
                "datetime",
                "typing",
                "pendulum",
            ):
                breaches.append(f"{path.name}:{line}: {module}")
    for path in python_files("plugins"):
        for line, module in _imports(path):
            if module.split(".")[0] in ("dags", "lab", "tests"):
                breaches.append(f"{path.name}:{line}: {module}")
    assert breaches == []


def test_modules_stay_small_enough_to_read() -> None:
    files = python_files("include/suture", "plugins", "dags", "lab")
    lengths = {str(path.relative_to(PROJECT_ROOT)): len(path.read_text("utf-8").splitlines()) for path in files}
    long = {name: n for name, n in lengths.items() if n > ABOUT}
    assert {name: n for name, n in long.items() if n > TOO_MANY or name not in LONG} == {}


def test_no_module_is_a_drawer_for_everything() -> None:
    drawers = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}
    files = python_files("include/suture", "plugins", "dags", "lab", "tests")
    assert [path for path in files if path.stem in drawers or path.parent.name in drawers] == []
