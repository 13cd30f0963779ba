"""DAG files are tables of contents: they load, read nothing, explain themselves, use only what is declared."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
import yaml

from suture.settings import PROJECT_ROOT
from tests.unit.house.conftest import python_files

DAG_FILES = python_files("dags")
EXPECTED = {
    "feed_sync", "inventory_sync", "risk_scoring", "signature_validation", "staging_test", "release_approval",
    "backup_coordination", "canary_rollout", "rollback", "compliance_reporting", "campaign_replan", "strategy_review",
    "risk_acceptance", "risk_acceptance_watch", "emergency_lane", "emergency_patch", "vendor_case_watch",
    "parity_waiver", "source_watch", "manual_judgement",
}  # fmt: skip
# Reading any of these while a DAG file is parsed asks the environment, the clock, a file, the network or the database.
FORBIDDEN_NAMES = {"open", "requests", "Variable", "Connection", "BaseHook", "Settings", "open_store", "subprocess"}
FORBIDDEN_ATTRIBUTES = {
    "environ", "getenv", "now", "utcnow", "today", "time", "read_text", "read_bytes", "urlopen", "get_connection", "connect",
    "load",
}  # fmt: skip
SECTIONS = ("**What**", "**When**", "**Steps**", "**When it is red**", "**Owner**")


class _Parsed(ast.NodeVisitor):
    """What runs when the file is parsed: everything but the bodies of task functions and lambdas."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        for decorator in node.decorator_list:
            self.visit(decorator)
        decorators = [ast.unparse(decorator) for decorator in node.decorator_list]
        if not any(text == "task" or text.startswith(("task(", "task.")) for text in decorators):
            for statement in node.body:
                self.visit(statement)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        pass

    def visit_Name(self, node: ast.Name) -> None:
        if node.id in FORBIDDEN_NAMES:
            self.found.append(f"line {node.lineno}: {node.id}")

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if node.attr in FORBIDDEN_ATTRIBUTES:
            self.found.append(f"line {node.lineno}: .{node.attr}")
        self.generic_visit(node)


def _read_at_import(text: str) -> list[str]:
    visitor = _Parsed()
    visitor.visit(ast.parse(text))
    return visitor.found


@pytest.mark.parametrize("path", DAG_FILES, ids=lambda path: path.stem)
def test_nothing_is_read_when_a_dag_file_is_parsed(path: Path) -> None:
    assert _read_at_import(path.read_text("utf-8")) == []


@pytest.mark.parametrize(
    "line",
    [
        "import os\nx = os.environ['A']",
        "from airflow.sdk import Variable\nx = Variable.get('a')",
        "from datetime import datetime\nx = datetime.now()",
        "x = open('f').read()",
        "@dag()\ndef d():\n    x = Settings.load()",
    ],
)
def test_the_purity_guard_finds_what_it_looks_for(line: str) -> None:
    assert _read_at_import(line)


def test_every_dag_loads(airflow_view: dict[str, Any]) -> None:
    assert airflow_view["dag_errors"] == {}
    assert set(airflow_view["dags"]) >= EXPECTED
    assert {Path(dag["file"]).stem for dag in airflow_view["dags"].values()} == {path.stem for path in DAG_FILES}


def test_a_dag_has_the_name_of_its_file(airflow_view: dict[str, Any]) -> None:
    assert {
        dag_id: Path(dag["file"]).stem
        for dag_id, dag in airflow_view["dags"].items()
        if dag_id != Path(dag["file"]).stem
    } == {}


def test_every_dag_tells_a_stranger_what_to_do(airflow_view: dict[str, Any]) -> None:
    silent = {
        dag_id: [section for section in SECTIONS if section not in (dag["doc"] or "")]
        for dag_id, dag in airflow_view["dags"].items()
    }
    assert {dag_id: missing for dag_id, missing in silent.items() if missing} == {}


def test_no_dag_catches_up_and_each_carries_the_tag(airflow_view: dict[str, Any]) -> None:
    assert [
        dag_id for dag_id, dag in airflow_view["dags"].items() if dag["catchup"] or "suture" not in dag["tags"]
    ] == []


def test_pools_are_declared_and_declared_pools_are_used(airflow_view: dict[str, Any]) -> None:
    """A task whose pool does not exist stays scheduled for ever with only a warning."""
    declared = {pool["pool_name"] for pool in _settings()["pools"]}
    used = {task["pool"] for dag in airflow_view["dags"].values() for task in dag["tasks"].values()} - {"default_pool"}
    assert used == declared


def test_connections_and_variables_are_declared_and_used() -> None:
    """Both ways: what code asks Airflow for is in airflow_settings.yaml (or, being a secret, in the environment), and back."""
    asked = {"get_connection": set[str](), "Variable.get": set[str]()}
    for path in python_files("plugins", "dags"):
        tree = ast.parse(path.read_text("utf-8"))
        constants = {
            target.id: node.value.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            for call, names in asked.items():
                if ast.unparse(node.func).endswith(call):
                    first = node.args[0]
                    names.add(str(first.value if isinstance(first, ast.Constant) else constants[ast.unparse(first)]))
    settings = _settings()
    from_environment = {"suture_warehouse"}
    assert asked["get_connection"] - from_environment == {c["conn_id"] for c in settings["connections"]}
    assert from_environment <= asked["get_connection"]
    assert asked["Variable.get"] == {v["variable_name"] for v in settings["variables"]}


def _settings() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((PROJECT_ROOT / "airflow_settings.yaml").read_text("utf-8"))["airflow"]
    return {key: found.get(key) or [] for key in ("pools", "connections", "variables")}
