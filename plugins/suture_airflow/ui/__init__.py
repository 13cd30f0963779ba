"""Suture's pages inside Airflow's UI.

Every Airflow process imports the plugin, only the API server serves pages: the application is built at the first
request (FastAPI and Airflow's security would cost each task process more than a second of imports).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from functools import cache
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

URL_PREFIX = "/suture"


@cache
def _application() -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    from suture_airflow.ui.pages import build

    return build()


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """The ASGI application that Airflow mounts under URL_PREFIX."""
    await _application()(scope, receive, send)


FASTAPI_APPS = [{"app": application, "url_prefix": URL_PREFIX, "name": "Suture"}]
EXTERNAL_VIEWS = [
    {
        "name": "Suture",
        "href": f"{URL_PREFIX}/",
        "destination": "nav",
        "url_route": "suture",
        "nav_top_level": True,
    },
    {
        "name": "Suture feeds",
        "href": f"{URL_PREFIX}/feeds",
        "destination": "nav",
        "category": "browse",
        "url_route": "suture-feeds",
    },
]
