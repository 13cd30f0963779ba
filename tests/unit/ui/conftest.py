"""The pages as Airflow serves them, with one warehouse and somebody logged in."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from suture.settings import Settings
from suture_airflow.ui import URL_PREFIX
from suture_airflow.ui.access import reader
from suture_airflow.ui.pages import build


@pytest.fixture
def browser(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setenv("SUTURE_HOME", str(settings.home))
    monkeypatch.setenv("SUTURE_WAREHOUSE_URL", settings.require_warehouse())
    monkeypatch.delenv("SUTURE_STORE_URL", raising=False)
    pages = build()
    pages.dependency_overrides[reader] = lambda: SimpleNamespace(get_name=lambda: "olga")
    airflow = FastAPI()
    airflow.mount(URL_PREFIX, pages)
    with TestClient(airflow, raise_server_exceptions=False) as client:
        yield client
