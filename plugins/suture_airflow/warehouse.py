"""The warehouse, as tasks and triggers reach it: Airflow's connection `suture_warehouse`."""

from __future__ import annotations

import os
from urllib.parse import quote

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

from suture.settings import Settings
from suture.store import Store

CONNECTION = "suture_warehouse"


def open_store() -> Store:
    """A connection of the caller's own; use it as a context manager. Raises StoreUnavailableError, BadInputError."""
    return Store.connect(warehouse_url(), application_name=f"suture-airflow-{os.getpid()}")


def warehouse_url() -> str:
    """The connection's URL; without such a connection, what the environment and the state folder say."""
    try:
        connection = BaseHook.get_connection(CONNECTION)
    except AirflowNotFoundException:
        return Settings.load().require_warehouse()
    login = f"{quote(connection.login or '', safe='')}:{quote(connection.password or '', safe='')}"
    return f"postgresql://{login}@{connection.host}:{connection.port or 5432}/{connection.schema}"
