"""Airflow's API as we speak it: a server of the test's own that answers, breaks off, or refuses, as it is told to."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from suture.command.airflow_api import PAUSES_S, AirflowApi, AirflowApiError
from suture.command.credentials import PASSWORDS

BREAKS_OFF = 0


class Server(ThreadingHTTPServer):
    """`statuses`: one for each request but the log-in; the last for ever. `asked`: their methods."""

    daemon_threads = True

    def __init__(self) -> None:
        self.statuses: list[int] = [200]
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status = 200
        if self.path != "/auth/token":
            self.server.asked.append(self.command)
            status = self.server.statuses.pop(0) if len(self.server.statuses) > 1 else self.server.statuses[0]
        if status == BREAKS_OFF:
            self.close_connection = True
            return
        body = json.dumps({"access_token": "t", "detail": "so it is"}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PATCH = answer  # noqa: N815

    def log_message(self, format: str, *arguments: object) -> None: ...


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    threading.Thread(target=found.serve_forever, args=(0.02,), daemon=True).start()
    yield found
    found.shutdown()
    found.server_close()


@pytest.fixture
def slept() -> list[float]:
    return []


@pytest.fixture
def api(server: Server, slept: list[float], tmp_path: Path) -> AirflowApi:
    (tmp_path / PASSWORDS).write_text(json.dumps({"admin": "secret"}), "utf-8")
    return AirflowApi(f"http://127.0.0.1:{server.server_port}", tmp_path, sleep=slept.append)


@pytest.mark.parametrize("statuses", [[BREAKS_OFF, BREAKS_OFF, 200], [503, BREAKS_OFF, 200], [200]])
def test_a_question_that_was_not_answered_is_asked_again(
    api: AirflowApi, server: Server, slept: list[float], statuses: list[int]
) -> None:
    server.statuses = list(statuses)
    assert api.get("dags")["detail"] == "so it is"
    assert server.asked == ["GET"] * len(statuses)
    assert slept == list(PAUSES_S)[: len(statuses) - 1]


@pytest.mark.parametrize(("status", "times"), [(BREAKS_OFF, 3), (500, 3), (404, 1), (403, 1)])
def test_what_is_refused_or_never_answered_is_said(api: AirflowApi, server: Server, status: int, times: int) -> None:
    server.statuses = [status]
    with pytest.raises(AirflowApiError) as caught:
        api.get("dags")
    assert (caught.value.status or BREAKS_OFF, len(server.asked)) == (status, times)
    assert caught.value.retryable == (times > 1)


@pytest.mark.parametrize("status", [BREAKS_OFF, 502])
def test_what_changes_something_is_sent_once(api: AirflowApi, server: Server, slept: list[float], status: int) -> None:
    server.statuses = [status]
    for send in (api.post, api.patch):
        with pytest.raises(AirflowApiError):
            send("dags/feed_sync/dagRuns", {"logical_date": None})
    assert (server.asked, slept) == (["POST", "PATCH"], [])
