"""The very first opening of one page: `SUTURE_HOME=… SUTURE_WAREHOUSE_URL=… python benchmarks/page_once.py /queue`.

What Airflow's API server has imported anyhow is imported before the clock starts; what the plugin adds is not: its
modules, its policy files, its templates and the statements' plans all fall into the figure. pages.py --first runs this
for each page with a PostgreSQL that has just been started. Prints seconds of the wall clock and of this process's CPU.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from types import SimpleNamespace

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "plugins"), str(ROOT / "include")]

from airflow.api_fastapi.core_api.security import get_user
from fastapi import FastAPI
from fastapi.testclient import TestClient


def ask(path: str) -> tuple[float, float]:
    """Seconds of the wall clock and of CPU until the page stands. Raises AssertionError when the answer is not 200."""
    with TestClient(FastAPI()) as other:
        other.get("/nothing")  # the client's own first request is not the pages' affair
    wall, spent = time.monotonic(), time.process_time()
    from suture_airflow.ui import URL_PREFIX
    from suture_airflow.ui.pages import build

    pages, airflow = build(), FastAPI()
    pages.dependency_overrides[get_user] = lambda: SimpleNamespace(get_name=lambda: "olga")
    airflow.mount(URL_PREFIX, pages)
    answer = TestClient(airflow).get(URL_PREFIX + path)
    took = time.monotonic() - wall, time.process_time() - spent
    assert answer.status_code == 200, (path, answer.status_code, answer.text[:500])
    return took


if __name__ == "__main__":
    print("{:.3f} {:.3f}".format(*ask(sys.argv[1])))
