"""The house as Airflow sees it: DAGs and plugins loaded once, by Airflow itself, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from suture.settings import PROJECT_ROOT

# A program that becomes Python only when the lab's vendor builds a package of it.
PROGRAM_TEMPLATES = PROJECT_ROOT / "lab" / "vendor" / "portal"

# Prints one JSON line: every DAG with its tasks, and which modules the plugin manager imported.
LOADER = """
import json, sys
before = set(sys.modules)
from airflow import plugins_manager
plugins, errors = plugins_manager._get_plugins()
imported = sorted(
    name for name, module in list(sys.modules.items())
    if name not in before and (getattr(module, "__file__", None) or "").startswith(sys.argv[2])
)
from airflow.dag_processing.dagbag import DagBag

def asset_names(condition):
    if condition is None:
        return set()
    if hasattr(condition, "name"):
        return {condition.name}
    return {name for part in condition.objects for name in asset_names(part)}

bag = DagBag(dag_folder=sys.argv[1])
shown = {
    dag_id: {
        "file": dag.fileloc,
        "doc": dag.doc_md,
        "tags": sorted(dag.tags),
        "catchup": dag.catchup,
        "timetable": type(dag.timetable).__name__,
        "assets": sorted(asset_names(getattr(dag.timetable, "asset_condition", None))),
        "tasks": {
            task.task_id: {
                "type": task.task_type,
                "downstream": sorted(task.downstream_task_ids),
                "pool": task.pool,
                "trigger_rule": getattr(task.trigger_rule, "value", task.trigger_rule),
                "outlets": sorted(getattr(outlet, "name", str(outlet)) for outlet in task.outlets),
                "retries": task.retries,
            }
            for task in dag.tasks
        },
    }
    for dag_id, dag in bag.dags.items()
}
print("LOADED " + json.dumps({
    "dags": shown,
    "dag_errors": bag.import_errors,
    "plugin_errors": errors,
    "plugins": sorted(plugin.name for plugin in plugins),
    "plugin_modules": imported,
}))
"""


@pytest.fixture(scope="session")
def airflow_environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of an Airflow of its own, without a database, on this project's DAGs and plugins."""
    home = tmp_path_factory.mktemp("airflow")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "SUTURE"))}
    return {
        **kept,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT_ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT_ROOT / "plugins"),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        "PYTHONPATH": f"{PROJECT_ROOT / 'include'}:{PROJECT_ROOT / 'plugins'}",
        "SUTURE_HOME": str(home / "suture"),
    }


@pytest.fixture(scope="session")
def airflow_view(airflow_environment: dict[str, str]) -> dict[str, Any]:
    """What Airflow loads from dags/ and plugins/."""
    done = subprocess.run(
        [sys.executable, "-c", LOADER, str(PROJECT_ROOT / "dags"), str(PROJECT_ROOT / "plugins")],
        env=airflow_environment, capture_output=True, text=True, timeout=500, check=False,
    )  # fmt: skip
    lines = [line for line in done.stdout.splitlines() if line.startswith("LOADED ")]
    assert lines, f"Airflow could not load the house:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    found: dict[str, Any] = json.loads(lines[-1].removeprefix("LOADED "))
    return found


def python_files(*folders: str) -> list[Path]:
    """Every .py under these folders of the project; never an empty list."""
    every = (path for folder in folders for path in sorted((PROJECT_ROOT / folder).rglob("*.py")))
    found = [path for path in every if not path.is_relative_to(PROGRAM_TEMPLATES)]
    assert found, f"no Python file under {', '.join(folders)}"
    return found
