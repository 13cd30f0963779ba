"""When Airflow is ready to be worked with: its parts are healthy, and it knows every DAG of this project.

Health alone says too little. The DAG processor reports healthy when it starts to read; a run asked for before its DAG was
read is refused with 404, and an asset event that comes before its consumer was read starts nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from suture.errors import SutureError

HEALTH_PATIENCE_S = 600.0  # 33 s on two idle cores; a loaded machine takes several times that
PARSE_PATIENCE_S = 600.0  # 4 s on two idle cores
PAGE = 100


class NotReadyError(SutureError):
    """Airflow did not become ready in time, or a DAG file cannot be read."""


def wait_healthy(
    ask: Callable[[], dict[str, str] | None],
    *,
    alive: Callable[[], bool],
    logs_dir: Path,
    say: Callable[[str], None],
    patience_s: float = HEALTH_PATIENCE_S,
) -> None:
    """Wait until all components report healthy, saying now and then which are missing. Raises NotReadyError.

    `ask` gives component → status, or None while the API server does not answer (`airflow_api.health`).
    """
    started_at = time.monotonic()
    last_said = ""
    while True:
        found = ask() or {"api_server": "starting"}
        missing = sorted(name for name, state in found.items() if state != "healthy")
        if not missing:
            return
        waited_s = time.monotonic() - started_at
        if not alive():
            raise NotReadyError(
                "Airflow's supervisor ended while it was starting.", remedy=f"Its log is {logs_dir / 'supervisor.log'}."
            )
        if waited_s > patience_s:
            raise NotReadyError(
                f"After {waited_s:.0f} s these parts of Airflow are not healthy: {', '.join(missing)}.",
                remedy=f"Their logs are in {logs_dir} (./suture logs NAME).",
            )
        text = f"Waiting for {', '.join(missing)}."
        if text != last_said:
            say(f"{text} ({waited_s:.0f} s)")
            last_said = text
        time.sleep(0.5)


def wait_dags(
    api: Any, files: Iterable[str], *, say: Callable[[str], None], patience_s: float = PARSE_PATIENCE_S
) -> None:
    """Wait until Airflow knows a DAG of each file (a path relative to the DAG folder).

    `api` is an AirflowApi. Raises NotReadyError with Airflow's own reason when a file cannot be imported, and with the files'
    names when they were not read in time.
    """
    wanted = set(files)
    started_at = time.monotonic()
    said = False
    while unread := wanted - _known_files(api):
        broken = {
            error["filename"]: error["stack_trace"].strip().splitlines()[-1]
            for error in api.get("importErrors", limit=PAGE)["import_errors"]
            if Path(error["filename"]).name in unread
        }
        if broken:
            name, reason = next(iter(sorted(broken.items())))
            raise NotReadyError(
                f"Airflow cannot read {name}: {reason}.", remedy="The UI shows the whole trace under Dag Import Errors."
            )
        waited_s = time.monotonic() - started_at
        if waited_s > patience_s:
            raise NotReadyError(
                f"After {waited_s:.0f} s Airflow has not read {', '.join(sorted(unread))}.",
                remedy="See ./suture logs dag-processor.",
            )
        if not said:
            say(f"Waiting until Airflow has read its DAGs ({len(wanted) - len(unread)} of {len(wanted)} so far).")
            said = True
        time.sleep(0.5)


def dag_files(folder: Path) -> list[str]:
    """The DAG files of a folder, relative to it, as Airflow names them in `relative_fileloc`."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.py") if path.name != "__init__.py")


def _known_files(api: Any) -> set[str]:
    known: set[str] = set()
    offset = 0
    while True:
        answer = api.get("dags", limit=PAGE, offset=offset)
        known.update(dag["relative_fileloc"] for dag in answer["dags"] if dag["relative_fileloc"])
        offset += PAGE
        if offset >= answer["total_entries"]:
            return known
