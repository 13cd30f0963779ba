"""The very first opening of one page in a process: `python benchmarks/page_once.py /queue [--warm]`.

SUTURE_HOME and SUTURE_WAREHOUSE_URL name the installation (pages.py --serve says them). What Airflow's API server has
imported anyhow is imported before the clock starts; the plugin's own modules, policy files and templates are not, so they
all fall into the figure. --warm: after the thread that Airflow's server starts them in (WarmStart) has done its work.
Prints seconds of the wall clock and of this process's CPU.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "include"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "plugins"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fastapi import FastAPI
from fastapi.testclient import TestClient

from suture_airflow import ui


def ask(path: str, *, warm: bool) -> tuple[float, float]:
    """Seconds of the wall clock and of CPU until the page stands. Raises AssertionError when the answer is not 200."""
    airflow = FastAPI()
    airflow.mount(ui.URL_PREFIX, ui.application)
    if warm:
        airflow.add_middleware(ui.WarmStart)
    with TestClient(airflow) as client:
        client.get("/nothing")  # the client's own first request is not the pages' affair
        for thread in threading.enumerate():
            if thread.name == "suture-pages":
                thread.join()
        assert ("suture_airflow.ui.pages" in sys.modules) == warm
        wall, spent = time.monotonic(), time.process_time()
        from suture_airflow.ui.access import reader  # an import that the first request waits for as well

        ui._application().dependency_overrides[reader] = lambda: SimpleNamespace(get_name=lambda: "olga")  # type: ignore[attr-defined]
        answer = client.get(ui.URL_PREFIX + path)
        took = time.monotonic() - wall, time.process_time() - spent
    assert answer.status_code == 200, (path, answer.status_code, answer.text[:500])
    return took


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path")
    parser.add_argument("--warm", action="store_true")
    args = parser.parse_args()
    print("{:.3f} {:.3f}".format(*ask(args.path, warm=args.warm)))
