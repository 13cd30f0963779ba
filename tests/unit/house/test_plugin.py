"""Airflow's plugin manager imports every file that it sees by its bare stem: it must see exactly one."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from suture.settings import PROJECT_ROOT


def test_the_plugin_manager_imports_one_module_and_finds_one_plugin(airflow_view: dict[str, Any]) -> None:
    assert airflow_view["plugin_errors"] == {}
    assert [name for name in airflow_view["plugins"] if name == "suture"] == ["suture"]
    bare = [name for name in airflow_view["plugin_modules"] if not name.startswith("suture_airflow")]
    assert bare == ["suture_plugin"]


WARMER = """
import sys, threading, time
from fastapi import FastAPI
from fastapi.testclient import TestClient
from airflow.api_fastapi.app import init_plugins
app = FastAPI()
init_plugins(app)
print("BEFORE", "suture_airflow.ui.pages" in sys.modules)
with TestClient(app) as client:  # the server's start; nobody has asked for anything
    for thread in threading.enumerate():
        if thread.name == "suture-pages":
            thread.join(150)
    from suture_airflow import ui
    from suture.compliance.rendering import templates
    kept = {key[1] for key in templates().cache.keys()}
    print("AFTER", ui._application.cache_info().currsize, "ui/queue.html" in kept, "report/campaign_body.html" in kept)
    print("SOLVER", [name for name in sys.modules if name.startswith("scipy.optimize")])
"""


def test_the_api_server_builds_the_pages_when_it_starts(airflow_environment: dict[str, str]) -> None:
    """And does not load the solver, which no page runs."""
    done = subprocess.run(
        [sys.executable, "-c", WARMER], env=airflow_environment, capture_output=True, text=True, timeout=180, check=False
    )
    lines = done.stdout.splitlines()
    assert "BEFORE False" in lines, done.stdout[-1000:] + done.stderr[-3000:]
    assert "AFTER 1 True True" in lines, done.stdout[-1000:] + done.stderr[-3000:]
    assert "SOLVER []" in lines


def test_no_module_of_the_plugins_has_the_name_of_another(airflow_view: dict[str, Any]) -> None:
    stems = {path.stem for path in (PROJECT_ROOT / "plugins").glob("*.py")}
    assert stems == {"suture_plugin"}
    assert not stems & set(sys.stdlib_module_names)


def test_loading_the_plugin_does_not_load_the_pages(airflow_view: dict[str, Any]) -> None:
    """Every task process loads plugins; only the API server should pay for FastAPI and Airflow's security."""
    assert "suture_airflow.ui" in airflow_view["plugin_modules"]
    assert "suture_airflow.ui.pages" not in airflow_view["plugin_modules"]


MOUNTER = """
import sys
sys.modules.pop("suture_plugin", None)
from fastapi import FastAPI
from fastapi.testclient import TestClient
from airflow.api_fastapi.app import init_plugins
app = FastAPI()
init_plugins(app)
client = TestClient(app, raise_server_exceptions=False)
print("ANSWERS", *[client.get(path).status_code for path in ("/suture/", "/suture/feeds", "/suture/docs")])
from airflow import plugins_manager
print("VIEWS", *[view["url_route"] for view in plugins_manager._get_ui_plugins()[0]])
"""


def test_the_api_server_mounts_the_pages_closed_to_strangers(airflow_environment: dict[str, str]) -> None:
    """As the API server does it: Airflow's own init_plugins, no session."""
    done = subprocess.run(
        [sys.executable, "-c", MOUNTER],
        env=airflow_environment,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    lines = done.stdout.splitlines()
    assert "ANSWERS 401 401 404" in lines, done.stdout[-1000:] + done.stderr[-3000:]
    assert "VIEWS suture suture-feeds" in lines
