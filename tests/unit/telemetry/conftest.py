"""A Prometheus API on loopback that answers what a test tells it to."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest


class FakePrometheus:
    """answers: query → (status, body); body is bytes as they are, or a value sent as JSON. asked: the parameters."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answers: dict[str, tuple[int, Any]] = {}
        self.asked: list[dict[str, str]] = []
        self.stall = threading.Event()

    def says(self, query: str, result: list[dict[str, Any]], kind: str = "matrix") -> None:
        self.answers[query] = (200, {"status": "success", "data": {"resultType": kind, "result": result}})


@pytest.fixture
def prometheus_api() -> Iterator[FakePrometheus]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            asked = {name: values[0] for name, values in parse_qs(self.rfile.read(length).decode()).items()}
            fake.asked.append({**asked, "path": self.path})
            status, body = fake.answers.get(asked["query"], (404, {"status": "error", "error": "unknown"}))
            if body == "stall":
                fake.stall.wait(10)
                return
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    fake = FakePrometheus(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield fake
    fake.stall.set()
    server.shutdown()
    server.server_close()
