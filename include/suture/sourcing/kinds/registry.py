"""Asking a registry in: anonymous where it lets us, else with a bearer token from its own host (distribution API v2).

A challenge names the address of the token service. It is hostile text like all that comes from outside: only the
registry's own scheme, host and port are asked, so a password goes nowhere else.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlencode, urlsplit

from suture.sourcing.refusal import Refusal, RefusalReason
from suture.sourcing.transport import FileMissing, HttpTransport, NotAuthorised, read_whole

MAX_TOKEN_BYTES = 256 * 1024
_PART = re.compile(r'(realm|service|scope)="([^"]*)"')
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]+")


@contextmanager
def authorised(transport: HttpTransport, repository: str, password: str, *, accept: str) -> Iterator[HttpTransport]:
    """A transport that the registry answers. password: `user:password`, '' for none. Raises Refusal UNREACHABLE."""
    headers = {"Accept": accept}
    try:
        read_whole(transport, "v2/", limit_bytes=MAX_TOKEN_BYTES)
    except FileMissing:
        pass  # no version check there; the manifest will tell
    except NotAuthorised as refused:
        if refused.challenge.lower().startswith("basic ") and password:
            headers["Authorization"] = _basic(password)
        else:
            headers["Authorization"] = f"Bearer {_token(transport, repository, password, refused)}"
    ready = transport.with_headers(headers)
    try:
        yield ready
    finally:
        ready.close()


def _token(transport: HttpTransport, repository: str, password: str, refused: NotAuthorised) -> str:
    parts = dict(_PART.findall(refused.challenge))
    realm = urlsplit(parts.get("realm", ""))
    own = urlsplit(transport.address)
    if not refused.challenge.lower().startswith("bearer ") or not realm.netloc:
        raise _refusal(transport, "it wants a log-in that we do not know")
    if (realm.scheme, realm.netloc) != (own.scheme, own.netloc):
        raise _refusal(transport, f"it sends us to {realm.netloc} for a token; not followed")
    query = urlencode({"service": parts.get("service", ""), "scope": f"repository:{repository}:pull"})
    service = transport.with_headers(
        {"Authorization": _basic(password)} if password else {}, address=f"{own.scheme}://{own.netloc}"
    )
    try:
        found = json.loads(service.ask(realm.path.lstrip("/"), query, limit_bytes=MAX_TOKEN_BYTES))
        token = found.get("token") or found.get("access_token")
    except (FileMissing, ValueError, AttributeError, RecursionError) as error:
        raise _refusal(transport, "its token service gives no token") from error
    finally:
        service.close()
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise _refusal(transport, "its token service gives no token")
    return token


def _basic(password: str) -> str:
    return "Basic " + base64.b64encode(password.encode()).decode()


def _refusal(transport: HttpTransport, why: str) -> Refusal:
    sentence = f"{transport.address} cannot be had: {why}."
    return Refusal(RefusalReason.UNREACHABLE, sentence, subject=transport.address)
