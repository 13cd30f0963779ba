"""Airflow's plugin manager imports every file that it sees by its bare stem: it must see exactly one."""

from __future__ import annotations

import sys
from typing import Any

from suture.settings import PROJECT_ROOT


def test_the_plugin_manager_imports_one_module_and_finds_one_plugin(airflow_view: dict[str, Any]) -> None:
    assert airflow_view["plugin_errors"] == {}
    assert [name for name in airflow_view["plugins"] if name == "suture"] == ["suture"]
    bare = [name for name in airflow_view["plugin_modules"] if not name.startswith("suture_airflow")]
    assert bare == ["suture_plugin"]


def test_no_module_of_the_plugins_has_the_name_of_another(airflow_view: dict[str, Any]) -> None:
    stems = {path.stem for path in (PROJECT_ROOT / "plugins").glob("*.py")}
    assert stems == {"suture_plugin"}
    assert not stems & set(sys.stdlib_module_names)


def test_loading_the_plugin_does_not_load_the_pages(airflow_view: dict[str, Any]) -> None:
    """Every task process loads plugins; only the API server should pay for FastAPI and Airflow's security."""
    assert "suture_airflow.ui" in airflow_view["plugin_modules"]
    assert "suture_airflow.ui.pages" not in airflow_view["plugin_modules"]
