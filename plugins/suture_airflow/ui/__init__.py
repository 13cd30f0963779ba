"""Suture's pages inside Airflow's UI.

Every Airflow process imports the plugin, only the API server serves pages: nothing of them is imported with the plugin
(FastAPI and Airflow's security would cost each task process more than a second). The API server builds them in a thread
as soon as it starts, so that the first reader need not wait for imports and templates; who comes before waits as long as
that takes.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from functools import cache
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

URL_PREFIX = "/suture"
_log = logging.getLogger(__name__)


@cache
def _application() -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    from suture_airflow.ui.pages import build

    return build()


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """The ASGI application that Airflow mounts under URL_PREFIX."""
    await _application()(scope, receive, send)


def warm() -> None:
    """Build the pages and compile their templates. Whatever is wrong is logged, and said again by the first request."""
    try:
        _application()
        from suture.compliance.rendering import compile_templates

        compile_templates()
    except Exception:
        _log.warning("Suture's pages could not be built when the server started.", exc_info=True)


class WarmStart:
    """Of Airflow's root application: made once when a server process starts, it hands every request on untouched."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self._app = app
        threading.Thread(target=warm, name="suture-pages", daemon=True).start()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


ROOT_MIDDLEWARES = [{"middleware": WarmStart, "name": "Suture's pages are built at the start", "args": [], "kwargs": {}}]
FASTAPI_APPS = [{"app": application, "url_prefix": URL_PREFIX, "name": "Suture"}]
EXTERNAL_VIEWS: list[dict[str, Any]] = [
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
