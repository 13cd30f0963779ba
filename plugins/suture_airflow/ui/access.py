"""Who may read the pages, and what is said to everybody else.

Airflow shows the way to these pages to those who may see the views of plugins; their addresses are guarded by the same
question, since an address needs no menu. Whoever is not logged in, or no longer, is led to Airflow's login and from there back into
Airflow's frame; in the frame, Airflow's own page notices an expired session only when it asks for something itself.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import quote

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import AccessView
from airflow.api_fastapi.core_api.security import get_user
from fastapi import Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from suture_airflow.ui.drawing import airflow_at, drawn

ENTRY = "/plugin/suture"  # in Airflow's frame; what follows is the address of the page in it


class NotAllowedError(HTTPException):
    """Logged in, and without the right to see the views of plugins."""

    def __init__(self) -> None:
        super().__init__(403, "No right to see the views of plugins")


def reader(user: Annotated[Any, Depends(get_user)]) -> Any:
    """The user who asks: every route depends on this. Raises HTTPException: nobody is there, or NotAllowedError."""
    if not get_auth_manager().is_authorized_view(access_view=AccessView.PLUGINS, user=user):
        raise NotAllowedError
    return user


def refused(request: Request, error: HTTPException) -> Response:
    """The page for what no route answered: nobody is logged in, no right, no such page, no such method, or in the error's own
    words (an auth manager that cannot answer). The error's headers stand beside ours, except where the login is shown."""
    now = datetime.now(UTC)
    if isinstance(error, NotAllowedError):
        said = {
            "message": "You are logged in, and none of your roles may see these pages.",
            "remedy": "They are for those who may see the views of Airflow's plugins: every role of Suture's users has that right."
            " Ask your Airflow administrator.",
        }
        return drawn(request, "problem", status=403, now=now, **said)
    if error.status_code in (401, 403):  # Airflow says 403 to a token that it cannot read or that was revoked
        return drawn(request, "login", status=401, now=now, next=_in_frame(request))
    said = {"message": str(error.detail), "remedy": "If it stays so, ask your Airflow administrator."}
    if error.status_code == 404:
        said = {"message": "There is no such page.", "remedy": "The links above lead to all there are."}
    elif error.status_code == 405:
        said = {"message": f"{request.method} is not answered here: these pages are only read.", "remedy": ""}
    answer = drawn(request, "problem", status=error.status_code, now=now, **said)
    for name, value in (error.headers or {}).items():
        answer.headers.setdefault(name, value)
    return answer


def misasked(request: Request, error: RequestValidationError) -> Response:
    """The page for a question that no page answers: each input that is wrong, and what it may be. 422."""
    told = [f"{one['loc'][-1]} cannot be {str(one.get('input'))[:80]!r}: {one['msg']}." for one in error.errors()]
    remedy = "Mend the address, or choose from the links above."
    return drawn(request, "problem", status=422, now=datetime.now(UTC), message=" ".join(told), remedy=remedy)


def _in_frame(request: Request) -> str:
    """Where the page that was asked for stands in Airflow's frame: a path of this server, with its question."""
    question = request.scope.get("query_string", b"").decode("latin-1")
    path = quote(request.scope["path"])
    return f"{airflow_at(request)}{ENTRY}{path}{'?' if question else ''}{question}"
