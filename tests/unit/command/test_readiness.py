"""Waiting for Airflow, on scripted answers; the main job waits for the real one."""

from pathlib import Path
from typing import Any

import pytest

from suture.command.readiness import NotReadyError, dag_files, wait_dags, wait_healthy
from suture.settings import PROJECT_ROOT


class ScriptedApi:
    """Answers as Airflow's API does: each question for DAGs sees one more of them, a page at a time."""

    def __init__(self, files: list[str], *, first: int = 0, errors: dict[str, str] | None = None) -> None:
        self.files, self.known, self.errors = files, first, errors or {}
        self.asked = 0

    def get(self, path: str, *, limit: int, offset: int = 0) -> dict[str, Any]:
        if path == "importErrors":
            return {
                "import_errors": [{"filename": name, "stack_trace": text} for name, text in self.errors.items()]
            }
        if offset == 0:
            self.known = min(self.known + self.asked, len(self.files))
            self.asked = 1
        page = self.files[: self.known][offset : offset + limit]
        return {"dags": [{"relative_fileloc": name} for name in page], "total_entries": self.known}


def test_waits_for_every_file_and_over_pages() -> None:
    said: list[str] = []
    files = [f"{number:03}.py" for number in range(203)]
    api = ScriptedApi(files, first=201)
    wait_dags(api, files, say=said.append, patience_s=30)
    assert api.known == 203
    assert said == ["Waiting until Airflow has read its DAGs (201 of 203 so far)."]


def test_a_file_that_cannot_be_imported_is_named_at_once() -> None:
    errors = {"b.py": "Traceback (most recent call last):\n  …\nSyntaxError: invalid syntax\n"}
    with pytest.raises(NotReadyError, match=r"cannot read b\.py: SyntaxError: invalid syntax"):
        wait_dags(ScriptedApi(["a.py"], first=1, errors=errors), ["a.py", "b.py"], say=lambda _: None, patience_s=30)


def test_files_that_are_never_read_are_named() -> None:
    with pytest.raises(NotReadyError, match=r"has not read b\.py, c\.py") as raised:
        wait_dags(ScriptedApi(["a.py"], first=1), ["a.py", "b.py", "c.py"], say=lambda _: None, patience_s=0)
    assert "dag-processor" in str(raised.value.remedy)


def test_health_that_never_comes_names_the_part() -> None:
    with pytest.raises(NotReadyError, match="not healthy: triggerer"):
        wait_healthy(
            lambda: {"api_server": "healthy", "triggerer": "unhealthy"},
            alive=lambda: True, logs_dir=Path("logs"), say=lambda _: None, patience_s=0,
        )  # fmt: skip


def test_a_supervisor_that_ended_is_said() -> None:
    with pytest.raises(NotReadyError, match="supervisor ended"):
        wait_healthy(lambda: None, alive=lambda: False, logs_dir=Path("logs"), say=lambda _: None)


def test_every_file_of_the_project_is_asked_for() -> None:
    found = dag_files(PROJECT_ROOT / "dags")
    assert "feed_sync.py" in found
    assert len(found) == len(set(found)) >= 15
