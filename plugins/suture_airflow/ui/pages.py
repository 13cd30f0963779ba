"""The pages: overview, campaign, rollback, feeds, and the reports' files.

The rules: every route asks who is there (plugin routes are open to anyone otherwise); GET only, and it changes nothing
(Airflow's session cookie has no CSRF token); nothing is loaded from anywhere else; every word is escaped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from airflow.api_fastapi.core_api.security import get_user
from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse

from suture.campaign import LifecycleError
from suture.compliance.overview import blast_radius, campaign_view, feeds, overview
from suture.compliance.rendering import TEMPLATES, templates
from suture.compliance.report import CONTENT_TYPES, read_kept
from suture.errors import SutureError
from suture.settings import Settings
from suture.store import Store
from suture_airflow.ui import URL_PREFIX

POLICY = (
    "default-src 'none'; style-src 'self' 'unsafe-inline'; script-src 'self'; img-src 'self' data:; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
)
REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'self'"
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}

router = APIRouter(dependencies=[Depends(get_user)])


def build() -> FastAPI:
    """The application, without the pages that FastAPI would add (they are open to anyone)."""
    application = FastAPI(title="Suture", docs_url=None, redoc_url=None, openapi_url=None)
    application.include_router(router)
    return application


@router.get("/")
def show_overview(request: Request) -> Response:
    return _page(request, "overview", lambda store, settings, now: {"view": overview(store, settings, now=now)})


@router.get("/feeds")
def show_feeds(request: Request) -> Response:
    return _page(request, "feeds", lambda store, _settings, now: {"feeds": feeds(store, now=now)})


@router.get("/campaigns/{campaign_id}")
def show_campaign(request: Request, campaign_id: str) -> Response:
    return _page(
        request,
        "campaign",
        lambda store, settings, now: {"doc": campaign_view(store, settings, campaign_id, now=now)},
    )


@router.get("/campaigns/{campaign_id}/rollback")
def show_rollback(request: Request, campaign_id: str) -> Response:
    return _page(
        request,
        "rollback",
        lambda store, settings, now: {"radius": blast_radius(store, settings, campaign_id, now=now)},
    )


@router.get("/reports/{report_id}")
def show_report(request: Request, report_id: int) -> Response:
    """A report's file as it was kept; refused when its bytes are no longer those that evidence names."""
    try:
        with _opened() as (store, settings):
            kept = read_kept(store, settings, report_id)
    except SutureError as error:
        return _problem(request, error)
    headers = {**HEADERS, "Content-Security-Policy": REPORT_POLICY}
    if kept.kind != "html":
        headers["Content-Disposition"] = f'attachment; filename="{kept.file_name}"'
    return Response(kept.content, media_type=CONTENT_TYPES[kept.kind], headers=headers)


@router.get("/style.css")
def style() -> Response:
    return PlainTextResponse((TEMPLATES / "style.css").read_text("utf-8"), media_type="text/css", headers=HEADERS)


@router.get("/links.js")
def links() -> Response:
    text = (TEMPLATES / "ui" / "links.js").read_text("utf-8")
    return PlainTextResponse(text, media_type="text/javascript", headers=HEADERS)


def _page(request: Request, name: str, read: Callable[[Store, Settings, datetime], dict[str, Any]]) -> Response:
    now = datetime.now(UTC)
    try:
        with _opened() as (store, settings):
            found = read(store, settings, now)
    except SutureError as error:
        return _problem(request, error)
    return _drawn(request, name, now=now, **found)


def _problem(request: Request, error: SutureError) -> Response:
    status = 503 if error.retryable else 404 if isinstance(error, LifecycleError) else 500
    return _drawn(request, "problem", status=status, now=datetime.now(UTC), message=error.message, remedy=error.remedy)


def _drawn(request: Request, name: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    here = request.scope.get("root_path", "").rstrip("/")
    airflow = here.removesuffix(URL_PREFIX)
    text = templates().get_template(f"ui/{name}.html").render(here=here, airflow=airflow, page=name, **values)
    return HTMLResponse(text, status_code=status, headers=HEADERS)


@contextmanager
def _opened() -> Iterator[tuple[Store, Settings]]:
    """One connection a request. The API server has the warehouse's URL in its environment and asks Airflow nothing."""
    settings = Settings.load()
    with Store.connect(settings.require_warehouse(), application_name="suture-pages") as store:
        yield store, settings
