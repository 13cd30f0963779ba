"""How every page is answered: one connection to the warehouse, one template, the same headers; a refusal as a page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from fastapi import Request, Response
from fastapi.responses import HTMLResponse

from suture.campaign import LifecycleError
from suture.compliance.rendering import templates
from suture.errors import BadInputError, SutureError
from suture.settings import Settings
from suture.store import Store
from suture_airflow.ui import URL_PREFIX

POLICY = (
    "default-src 'none'; style-src 'self' 'unsafe-inline'; script-src 'self'; img-src 'self' data:; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
Reader = Callable[[Store, Settings, datetime], dict[str, Any]]


class NoSuchThingError(BadInputError):
    """What a page was asked for does not exist: 404."""


def page(request: Request, name: str, read: Reader) -> Response:
    """The template ui/<name>.html with what `read` returns; a SutureError becomes a page that says it."""
    now = datetime.now(UTC)
    try:
        with opened() as (store, settings):
            found = read(store, settings, now)
    except SutureError as error:
        return problem(request, error)
    return drawn(request, name, now=now, **found)


def problem(request: Request, error: SutureError) -> Response:
    unknown = isinstance(error, LifecycleError | NoSuchThingError)
    status = 503 if error.retryable else 404 if unknown else 500
    return drawn(request, "problem", status=status, now=datetime.now(UTC), message=error.message, remedy=error.remedy)


def drawn(request: Request, name: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    values |= {"here": _here(request), "airflow": airflow_at(request), "page": name}
    text = templates().get_template(f"ui/{name}.html").render(values)
    return HTMLResponse(text, status_code=status, headers=HEADERS)


def airflow_at(request: Request) -> str:
    """The path under which Airflow itself is served: "" where that is the root."""
    return _here(request).removesuffix(URL_PREFIX)


def _here(request: Request) -> str:
    return str(request.scope.get("root_path", "")).rstrip("/")


@contextmanager
def opened() -> Iterator[tuple[Store, Settings]]:
    """One connection a request. The API server has the warehouse's URL in its environment and asks Airflow nothing."""
    settings = Settings.load()
    with Store.connect(settings.require_warehouse(), application_name="suture-pages") as store:
        yield store, settings
