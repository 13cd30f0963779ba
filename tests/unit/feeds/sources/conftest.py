"""A scripted server on loopback, and sources that ask it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from suture.feeds.policies import FeedSource


@dataclass
class Site:
    """What the server answers: path → (content, content type, other headers); or a list of such, one a request."""

    url: str = ""
    answers: dict[str, Any] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, list[str]], dict[str, str]]] = field(default_factory=list)
    delays: dict[str, float] = field(default_factory=dict)  # path → seconds before it is answered
    skips: dict[str, float] = field(default_factory=dict)  # path → seconds by which asking for it moves `skipped`
    skipped: float = 0.0

    def put(self, path: str, content: Any, kind: str = "application/json", **headers: str) -> None:
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.answers[path] = [*self.answers.get(path, []), (raw, kind, headers)]

    def replace(self, path: str, content: Any, kind: str = "application/json", **headers: str) -> None:
        self.answers.pop(path, None)
        self.put(path, content, kind, **headers)


@pytest.fixture
def site() -> Iterator[Site]:
    found = Site()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            found.requests.append((parts.path, parse_qs(parts.query), dict(self.headers.items())))
            found.skipped += found.skips.get(parts.path, 0)
            time.sleep(found.delays.get(parts.path, 0))
            waiting = found.answers.get(parts.path)
            if not waiting:
                self.send_response(404)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            content, kind, headers = waiting.pop(0) if len(waiting) > 1 else waiting[0]
            self.send_response(200)
            for name, value in {"Content-Type": kind, "Content-Length": str(len(content)), **headers}.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            with suppress(BrokenPipeError, ConnectionResetError):  # the other side may be cut off by its deadline
                self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None: ...

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{httpd.server_address[1]}"
    thread = threading.Thread(target=httpd.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield found
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()


def feed(site: Site, name: str, kind: str, transport: str, path: str, **changes: Any) -> FeedSource:
    """A source of that format which asks the scripted server."""
    return FeedSource(**{
        "name": name, "format": kind, "transport": transport, "url": site.url + path,
        "allowed_hosts": frozenset({"127.0.0.1"}), "lab": True, "dated_snapshot": None, "required": False,
        "enabled": True, "timeout_seconds": 60.0, "total_seconds": 120.0, "max_bytes": 5_000_000, "max_total_bytes": 50_000_000,
        "retries": 0,
        "retry_wait_seconds": 0.0, "max_retry_wait_seconds": 0.0, "max_shrink_share": 0.05, "min_records": 0,
        "freshness": timedelta(hours=26), "max_data_age": None, "page_size": 2, "pause_seconds": 0.0, "first_days": 30,
        "refresh": timedelta(hours=24), "max_requests": 50, "advisory_source": None, "suite": "", "codename": None,
        **changes,
    })  # fmt: skip
