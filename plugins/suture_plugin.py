"""The one Airflow plugin: it imports and lists. Everything else under plugins/ is the package suture_airflow."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from suture_airflow.timetables.maintenance_window import MaintenanceWindowTimetable
from suture_airflow.ui import EXTERNAL_VIEWS, FASTAPI_APPS, ROOT_MIDDLEWARES


class SuturePlugin(AirflowPlugin):
    name = "suture"
    timetables = [MaintenanceWindowTimetable]  # noqa: RUF012 - Airflow's own way to declare it
    fastapi_apps = FASTAPI_APPS
    fastapi_root_middlewares = ROOT_MIDDLEWARES
    external_views = EXTERNAL_VIEWS
