"""The pages: overview, campaign, rollback, feeds, and the reports' files; the risk pages come from risk_pages.py.

The rules: every route asks who is there (plugin routes are open to anyone otherwise), except for the style and the script, which
the page that leads to the login needs and which say nothing; GET only, and it changes nothing (Airflow's session cookie has no CSRF
token); nothing is loaded from anywhere else; every word is escaped; whatever is refused is refused with a page.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse
from starlette.exceptions import HTTPException

from suture.compliance.overview import ROWS_SHOWN, blast_radius, campaign_view, feeds, overview
from suture.compliance.rendering import TEMPLATES
from suture.compliance.report import CONTENT_TYPES, read_kept
from suture.compliance.risk_overview import risk_overview
from suture.errors import SutureError
from suture.feeds import (
    MEANING,
    ContradictionKind,
    FeedsPolicy,
    contradiction_counts,
    contradictions,
    feed_health,
)
from suture.feeds.health import ARCHIVE_FRESHNESS
from suture.settings import Settings
from suture.store import Store
from suture_airflow.ui import risk_pages, sourcing_pages
from suture_airflow.ui.access import misasked, reader, refused
from suture_airflow.ui.drawing import HEADERS, opened, page, problem

REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'self'"
CONTRADICTIONS_SHOWN, CONTRADICTIONS_OF_ONE_KIND = 10, 200
router = APIRouter(dependencies=[Depends(reader)])
open_router = APIRouter()
router.include_router(risk_pages.router)
router.include_router(sourcing_pages.router)


def build() -> FastAPI:
    """The application, without the pages that FastAPI would add (they are open to anyone)."""
    application = FastAPI(title="Suture", docs_url=None, redoc_url=None, openapi_url=None)
    application.include_router(router)
    application.include_router(open_router)
    application.add_exception_handler(HTTPException, refused)  # type: ignore[arg-type]
    application.add_exception_handler(RequestValidationError, misasked)  # type: ignore[arg-type]
    return application


@router.get("/")
def show_overview(request: Request) -> Response:
    def read(store: Store, settings: Settings, now: datetime) -> dict[str, Any]:
        health = feed_health(store, FeedsPolicy.load(settings.policy_dir), now=now)
        return {
            "view": overview(store, settings, now=now),
            "risk": risk_overview(store, now=now),
            "over_goal": [one.source for one in health if one.stale],
            "never_tried": [one.source for one in health if one.required and one.last_tried_at is None],
        }

    return page(request, "overview", read)


@router.get("/feeds")
def show_feeds(request: Request, kind: ContradictionKind | None = None) -> Response:
    """kind: only contradictions of this kind, and more of them."""

    def read(store: Store, settings: Settings, now: datetime) -> dict[str, Any]:
        rules = FeedsPolicy.load(settings.policy_dir)
        goals = {source.name: source.freshness for source in rules.sources}
        health = [
            {
                "feed": one,
                "goal_hours": _hours(goals.get(one.source, ARCHIVE_FRESHNESS)),
                "well_hours": None if one.well_at is None else _hours(now - one.well_at),
            }
            for one in sorted(feed_health(store, rules, now=now), key=lambda one: (not one.enabled, not one.stale))
        ]
        return {"feeds": feeds(store, now=now), "health": health, **_disagreements(store, kind)}

    return page(request, "feeds", read)


@router.get("/campaigns/{campaign_id}")
def show_campaign(request: Request, campaign_id: str) -> Response:
    return page(
        request,
        "campaign",
        lambda store, settings, now: {
            "doc": campaign_view(store, settings, campaign_id, now=now, page=True)
        },
    )


@router.get("/campaigns/{campaign_id}/rollback")
def show_rollback(request: Request, campaign_id: str) -> Response:
    return page(
        request,
        "rollback",
        lambda store, _settings, _now: {"radius": blast_radius(store, campaign_id, most=ROWS_SHOWN)},
    )


@router.get("/reports/{report_id}")
def show_report(request: Request, report_id: int) -> Response:
    """A report's file as it was kept; refused when its bytes are no longer those that evidence names."""
    try:
        with opened() as (store, settings):
            kept = read_kept(store, settings, report_id)
    except SutureError as error:
        return problem(request, error)
    headers = {**HEADERS, "Content-Security-Policy": REPORT_POLICY}
    if kept.kind != "html":
        headers["Content-Disposition"] = f'attachment; filename="{kept.file_name}"'
    return Response(kept.content, media_type=CONTENT_TYPES[kept.kind], headers=headers)


@open_router.get("/style.css")
def style() -> Response:
    return PlainTextResponse((TEMPLATES / "style.css").read_text("utf-8"), media_type="text/css", headers=HEADERS)


@open_router.get("/links.js")
def links() -> Response:
    text = (TEMPLATES / "ui" / "links.js").read_text("utf-8")
    return PlainTextResponse(text, media_type="text/javascript", headers=HEADERS)


def _disagreements(store: Store, kind: ContradictionKind | None) -> dict[str, Any]:
    """How many contradictions of each kind there are now, and the newest of them; the first claim of each holds."""
    counts = contradiction_counts(store)
    most = CONTRADICTIONS_SHOWN if kind is None else CONTRADICTIONS_OF_ONE_KIND
    return {
        "kinds": [
            {
                "kind": one.value,
                "count": count,
                "what": MEANING[one][0],
                "holds": MEANING[one][1],
                "shown": contradictions(store, kind=one, max_rows=most) if kind in (None, one) else [],
            }
            for one, count in counts.items()
        ],
        "kind": kind,
    }


def _hours(span: timedelta) -> float:
    return round(span.total_seconds() / 3600, 1)
