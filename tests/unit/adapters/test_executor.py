"""The executor that Airflow is told to use: it can be loaded, and brings libraries only, never Suture's own code."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import pytest
from airflow.executors.executor_loader import ExecutorLoader
from airflow.executors.executor_utils import ExecutorName
from airflow.executors.local_executor import LocalExecutor

from suture_airflow import executor
from suture_airflow.executor import LIBRARIES, WarmLocalExecutor

NAME = f"{WarmLocalExecutor.__module__}.{WarmLocalExecutor.__qualname__}"


def test_airflow_can_load_it_by_the_name_in_its_configuration() -> None:
    loaded, _ = ExecutorLoader.import_executor_cls(ExecutorName(module_path=NAME))
    assert loaded is WarmLocalExecutor


@pytest.mark.parametrize("library", LIBRARIES)
def test_each_library_is_there_and_is_somebody_elses(library: str) -> None:
    assert importlib.util.find_spec(library) is not None
    assert not library.startswith(("suture", "dags"))


def test_no_import_starts_a_thread_or_a_process() -> None:
    """What is forked after them must be whole. In a process of its own: this one has imported them already."""
    counted = (
        "import threading, psutil, importlib, os; from suture_airflow.executor import LIBRARIES;"
        " [importlib.import_module(name) for name in LIBRARIES];"
        " print(threading.active_count(), len(psutil.Process().children()))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "GX_ANALYTICS_ENABLED": "false"}
    done = subprocess.run([sys.executable, "-c", counted], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.splitlines()[-1] == "1 0"


def test_a_library_that_is_missing_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[LocalExecutor] = []
    monkeypatch.setattr(executor, "LIBRARIES", ("json", "no_such_library"))
    monkeypatch.setattr(LocalExecutor, "start", lambda self: started.append(self))
    warm = WarmLocalExecutor(parallelism=1)
    warm.start()
    assert started == [warm]
