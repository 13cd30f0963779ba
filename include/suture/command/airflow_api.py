"""Airflow's REST API, spoken as one of the named users."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

from suture.command.credentials import PASSWORDS
from suture.errors import BadInputError, SutureError

TIMEOUT_S = 60.0
PAUSES_S = (1.0, 3.0)  # before a question is asked again that was not answered: a server just restarted, or was busy


class AirflowApiError(SutureError):
    """The API refused or did not answer. `status` is the HTTP status, None when there was no answer."""

    def __init__(self, message: str, *, status: int | None = None, remedy: str | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.status = status
        self.retryable = status is None or status >= 500


class AirflowApi:
    """A session of `user`. Paths are relative to /api/v2, for example `dags/feed_sync/dagRuns`.

    The password is read from secrets/airflow_passwords.json. An expired token is renewed once by itself. What only asks (GET)
    is asked again when there was no answer or one of 500 and above; what changes something never is.
    """

    def __init__(
        self, base_url: str, secrets_dir: Path, *, user: str = "admin", sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.user = user
        self._password = _password_of(user, secrets_dir)
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy of the machine has no business between us and loopback
        self._logged_in = False
        self._sleep = sleep

    def get(self, path: str, **params: Any) -> Any:
        for pause_s in PAUSES_S:
            try:
                return self.call("GET", path, params=params)
            except AirflowApiError as error:
                if not error.retryable:
                    raise
            self._sleep(pause_s)
        return self.call("GET", path, params=params)

    def post(self, path: str, body: Any = None) -> Any:
        return self.call("POST", path, body={} if body is None else body)

    def patch(self, path: str, body: Any, **params: Any) -> Any:
        return self.call("PATCH", path, body=body, params=params)

    def delete(self, path: str) -> Any:
        return self.call("DELETE", path)

    def call(self, method: str, path: str, *, params: dict[str, Any] | None = None, body: Any = None) -> Any:
        """The decoded JSON answer, or None when it is empty. Raises AirflowApiError with the API's own reason."""
        if not self._logged_in:
            self._log_in()
        url = f"{self.base_url}/api/v2/{path.lstrip('/')}"
        answer = self._send(method, url, params=params, body=body)
        if answer.status_code == 401:
            self._log_in()
            answer = self._send(method, url, params=params, body=body)
        if not answer.ok:
            raise AirflowApiError(
                f"Airflow refused {method} {path} for {self.user} with {answer.status_code}: {_reason(answer)}",
                status=answer.status_code,
            )
        return answer.json() if answer.content else None

    def _log_in(self) -> None:
        credentials = {"username": self.user, "password": self._password}
        answer = self._send("POST", f"{self.base_url}/auth/token", body=credentials)
        if not answer.ok:
            raise AirflowApiError(
                f"Airflow did not let {self.user} in ({answer.status_code}): {_reason(answer)}",
                status=answer.status_code,
                remedy="The passwords lie in secrets/airflow_passwords.json; the API server reads them at its start.",
            )
        self._session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        self._logged_in = True

    def _send(
        self, method: str, url: str, *, params: dict[str, Any] | None = None, body: Any = None
    ) -> requests.Response:
        try:
            return self._session.request(method, url, params=params, json=body, timeout=TIMEOUT_S)
        except requests.RequestException as error:
            raise AirflowApiError(
                f"Airflow's API at {self.base_url} did not answer: {type(error).__name__}.",
                remedy="See ./suture status and ./suture logs api-server.",
            ) from error


def health(base_url: str, *, timeout_s: float = 5.0) -> dict[str, str] | None:
    """Component → status, as the API server sees them, itself included; None while it does not answer."""
    session = requests.Session()
    session.trust_env = False
    try:
        answer = session.get(f"{base_url}/api/v2/monitor/health", timeout=timeout_s)
        answer.raise_for_status()
        found = answer.json()
    except (requests.RequestException, ValueError):
        return None
    return {"api_server": "healthy"} | {
        name: str((found.get(name) or {}).get("status") or "absent")
        for name in ("metadatabase", "scheduler", "dag_processor", "triggerer")
    }


def _password_of(user: str, secrets_dir: Path) -> str:
    path = secrets_dir / PASSWORDS
    try:
        passwords = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise BadInputError(f"{path} cannot be read: {error}.", remedy="Run ./suture up first.") from error
    if user not in passwords:
        raise BadInputError(f"There is no user {user!r}: {path} knows {', '.join(sorted(passwords))}.")
    return str(passwords[user])


def _reason(answer: requests.Response) -> str:
    try:
        found = answer.json()
    except ValueError:
        return answer.text[:300] or "no reason given"
    detail = found.get("detail", found) if isinstance(found, dict) else found
    return detail if isinstance(detail, str) else json.dumps(detail)[:500]
