"""A web server on loopback that serves a folder, and misbehaves on request."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class FaultyHandler(SimpleHTTPRequestHandler):
    """faults: part of a path → what happens there: slow_headers, slow_body, endless, cut, error, redirect=URL."""

    protocol_version = "HTTP/1.1"

    def __init__(self, *args: Any, faults: dict[str, str], requests: list[str], **kwargs: Any) -> None:
        self._faults = faults
        self._requests = requests
        super().__init__(*args, **kwargs)

    def do_GET(self) -> None:
        self._requests.append(f"{self.path} {self.headers.get('Range', '')}".strip())
        fault = next((what for part, what in self._faults.items() if part in self.path), "")
        with suppress(BrokenPipeError, ConnectionResetError):
            if fault.startswith("redirect="):
                self._answer(302, b"", {"Location": fault.removeprefix("redirect=")})
            elif fault:
                getattr(self, f"_{fault}")()
            else:
                self._serve()

    def _serve(self) -> None:
        path = Path(self.translate_path(self.path))
        if path.is_dir():
            path /= "index.json"  # as a simple index answers
        if not path.is_file():
            self._answer(404, b"no such file")
            return
        data = path.read_bytes()
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
        self._answer(206 if start else 200, data[start:])

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _error(self) -> None:
        self._answer(503, b"out of order")

    def _cut(self) -> None:
        """Announces the whole file and sends the first half."""
        data = Path(self.translate_path(self.path)).read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2])
        self.close_connection = True

    def _endless(self) -> None:
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        while True:
            self.wfile.write(b"x" * 65536)

    def _slow_body(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        self._drip(b"x")

    def _slow_headers(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        self._drip(b"X-Wait: yes\r\n")

    def _drip(self, data: bytes) -> None:
        for _second in range(600):
            self.wfile.write(data)
            self.wfile.flush()
            time.sleep(0.1)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@contextmanager
def serving(folder: Path, faults: dict[str, str] | None = None) -> Iterator[tuple[str, list[str]]]:
    """The server's URL, and the requests it got so far."""
    requests: list[str] = []
    handler = functools.partial(FaultyHandler, directory=str(folder), faults=faults or {}, requests=requests)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", requests
    finally:
        server.shutdown()
        server.server_close()
