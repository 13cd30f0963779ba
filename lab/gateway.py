"""The fleet's one door to the outside: an HTTP server on loopback and, for the hosts, on a unix socket.

    /archive/main/…      the distribution's archive, as the machine's own apt sources name it (read-only, cached)
    /archive/security/…  its security archive
    http://HOST/…        the same by absolute address (a forward proxy), for the archive's hosts only
    /internal/…          Suture's internal repository          /vendor/…   the lab vendor's repository
    /hotfix/…            the lab vendor's hotfixes             /desk/…     the lab vendor's case desk (lab/vendor/desk.py)
    /feeds/…             dated snapshots of public feeds, in the feeds' own formats; NVD's API with its paging

Package files and by-hash indices never change and are kept in the cache; everything else is asked for each time.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import mimetypes
import os
import shutil
import socket
import socketserver
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate, parsedate_to_datetime
from functools import lru_cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote, urlsplit

from lab.archive import Archive
from lab.errors import LabError
from lab.vendor.desk import Desk

FETCH_PATIENCE_S = 60
PASSED_ON = ("If-Modified-Since", "If-None-Match", "Range", "If-Range")
PASSED_BACK = ("Content-Length", "Content-Type", "Last-Modified", "ETag", "Content-Range", "Accept-Ranges")
NVD_SNAPSHOT = "nvd.json"
MOST_POSTED = 64 * 1024
NVD_PAGE = 2000  # the API's own maximum, and its default


@dataclass(frozen=True)
class Served:
    """What the gateway serves. `folders` maps the first part of a path to a folder."""

    folders: dict[str, Path]
    archive: Archive
    cache: Path
    desk: Desk | None = None


class Handler(BaseHTTPRequestHandler):
    """One connection; `self.server` carries what is served."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = False  # a unix socket has none
    timeout = 120
    server: Gateway | UnixGateway

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        parts = [part for part in unquote(url.path).split("/") if part]
        if ".." in parts or "\0" in self.path:
            self.refuse(HTTPStatus.BAD_REQUEST, "A path may not lead upwards.")
        elif url.scheme:
            self.forward(url.scheme, url.hostname, self.path)
        elif not parts:
            self.send_bytes(b"The gateway of a Suture practice fleet.\n", "text/plain; charset=utf-8")
        elif parts[0] == "archive" and len(parts) > 2:
            self.from_archive(parts[1], url.path.split("/", 3)[3])
        elif parts[0] == "desk" and len(parts) == 2 and self.server.served.desk is not None:
            self.answer_of_desk(lambda desk: desk.status(parts[1]))
        elif parts == ["feeds", NVD_SNAPSHOT] and url.query:
            self.nvd_page(parse_qs(url.query))
        elif parts[0] in self.server.served.folders:
            self.send_file(self.server.served.folders[parts[0]], parts[1:])
        else:
            self.refuse(HTTPStatus.NOT_FOUND, f"Nothing is served under /{parts[0]}.")

    do_HEAD = do_GET  # noqa: N815

    def do_POST(self) -> None:
        """Only the vendor's desk takes anything."""
        length = int(self.headers["Content-Length"] or 0) if (self.headers["Content-Length"] or "0").isdigit() else -1
        if (
            urlsplit(self.path).path.strip("/") != "desk"
            or self.server.served.desk is None
            or not 0 < length <= MOST_POSTED
        ):
            self.close_connection = True
            self.refuse(HTTPStatus.NOT_FOUND, f"Only /desk takes a request, of at most {MOST_POSTED} bytes.")
            return
        body = self.rfile.read(length)
        self.answer_of_desk(lambda desk: desk.ask(body))

    def answer_of_desk(self, ask: Callable[[Desk], dict[str, Any]]) -> None:
        assert self.server.served.desk is not None
        try:
            answer = ask(self.server.served.desk)
        except LabError as error:
            self.refuse(HTTPStatus.BAD_REQUEST, str(error))
            return
        self.send_bytes(json.dumps(answer).encode(), "application/json")

    def forward(self, scheme: str, host: str | None, url: str) -> None:
        if scheme != "http" or host not in self.server.served.archive.allowed_hosts:
            self.refuse(
                HTTPStatus.FORBIDDEN, "Only the archives of the machine's own apt sources are reached from here."
            )
            return
        self.fetch(url)

    def from_archive(self, name: str, rest: str) -> None:
        archive = self.server.served.archive
        source = {"main": archive.main, "security": archive.security}.get(name)
        if source is None:
            self.refuse(HTTPStatus.NOT_FOUND, f"The machine's apt sources name no {name} archive.")
            return
        self.fetch(f"{source.uri}/{rest}")

    def fetch(self, url: str) -> None:
        try:
            if url.endswith(".deb") or "/by-hash/" in url:
                self.send_stored(self.server.stored(url))
            else:
                self.pass_through(url)
        except urllib.error.HTTPError as error:
            with error:
                self.refuse(HTTPStatus(error.code), "The archive's answer.")
        except (urllib.error.URLError, OSError) as error:
            self.refuse(HTTPStatus.BAD_GATEWAY, f"The archive cannot be reached: {error}.")

    def pass_through(self, url: str) -> None:
        headers = {name: self.headers[name] for name in PASSED_ON if self.headers[name]}
        request = urllib.request.Request(url, headers=headers, method=self.command)  # noqa: S310 - the archive's addresses
        with urllib.request.urlopen(request, timeout=FETCH_PATIENCE_S) as answer:  # noqa: S310
            length = answer.headers["Content-Length"]
            self.send_response(answer.status)
            for name in PASSED_BACK:
                if answer.headers[name]:
                    self.send_header(name, answer.headers[name])
            if length is None:
                self.send_header("Connection", "close")
                self.close_connection = True
            self.end_headers()
            if self.command != "HEAD":
                shutil.copyfileobj(answer, self.wfile)

    def send_file(self, folder: Path, parts: list[str]) -> None:
        path = folder.joinpath(*parts)
        try:
            if not path.resolve().is_relative_to(folder.resolve()) or not path.is_file():
                raise FileNotFoundError
            self.send_stored(path)
        except OSError:
            self.refuse(HTTPStatus.NOT_FOUND, "There is no such file.")

    def send_stored(self, path: Path) -> None:
        with path.open("rb") as file:
            entry = os.fstat(file.fileno())
            tag = f'"{entry.st_mtime_ns:x}-{entry.st_size:x}"'
            if self.is_current(tag, entry.st_mtime):
                self.send_response(HTTPStatus.NOT_MODIFIED)
                self.send_header("ETag", tag)
                self.end_headers()
                return
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", _kind_of(path))
            self.send_header("Content-Length", str(entry.st_size))
            self.send_header("Last-Modified", formatdate(entry.st_mtime, usegmt=True))
            self.send_header("ETag", tag)
            self.end_headers()
            if self.command != "HEAD":
                shutil.copyfileobj(file, self.wfile)

    def is_current(self, tag: str, modified_at: float) -> bool:
        """Whether the client's copy is the one that we would send (RFC 9110: the tag decides where both are given)."""
        tags = self.headers["If-None-Match"]
        if tags:
            return tag in (part.strip().removeprefix("W/") for part in tags.split(","))
        since = self.headers["If-Modified-Since"]
        try:
            return bool(since) and int(modified_at) <= parsedate_to_datetime(since).timestamp()
        except (ValueError, TypeError):
            return False

    def nvd_page(self, query: dict[str, list[str]]) -> None:
        """A page of the CVE API 2.0: startIndex, resultsPerPage, cveId."""
        snapshot = self.server.served.folders["feeds"] / NVD_SNAPSHOT
        try:
            start = int(query.get("startIndex", ["0"])[0])
            size = min(int(query.get("resultsPerPage", [str(NVD_PAGE)])[0]), NVD_PAGE)
        except ValueError:
            self.refuse(HTTPStatus.NOT_FOUND, "startIndex and resultsPerPage are numbers.")  # NVD answers 404 as well
            return
        if not snapshot.is_file() or start < 0 or size < 1:
            self.refuse(HTTPStatus.NOT_FOUND, "There is no NVD snapshot here, or no such page.")
            return
        document = _read_json(snapshot, snapshot.stat().st_mtime_ns)
        records = document["vulnerabilities"]
        wanted = query.get("cveId", [""])[0]
        if wanted:
            records = [record for record in records if record["cve"]["id"] == wanted]
        page = records[start : start + size]
        envelope = {"resultsPerPage": len(page), "startIndex": start, "totalResults": len(records)}
        rest = {name: value for name, value in document.items() if name not in (*envelope, "vulnerabilities")}
        self.send_bytes(json.dumps({**envelope, **rest, "vulnerabilities": page}).encode(), "application/json")

    def send_bytes(self, body: bytes, kind: str) -> None:
        tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        current = self.is_current(tag, float("inf"))
        self.send_response(HTTPStatus.NOT_MODIFIED if current else HTTPStatus.OK)
        self.send_header("ETag", tag)
        if current:
            self.end_headers()
            return
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, status: HTTPStatus, reason: str) -> None:
        body = f"{reason}\n".encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", "0" if status is HTTPStatus.NOT_MODIFIED else str(len(body)))
        self.end_headers()
        if self.command != "HEAD" and status is not HTTPStatus.NOT_MODIFIED:
            self.wfile.write(body)

    def address_string(self) -> str:
        return "host" if isinstance(self.client_address, str) else str(self.client_address[0])

    def log_message(self, format: str, *arguments: Any) -> None:
        """Silent: apt's own logs say what was fetched."""


class _Store:
    """Fetches into the cache, each file once however many ask for it."""

    served: Served

    locks: ClassVar[dict[str, threading.Lock]] = {}
    guard: ClassVar[threading.Lock] = threading.Lock()

    def stored(self, url: str) -> Path:
        name = hashlib.sha256(url.encode()).hexdigest()
        path = self.served.cache / name[:2] / name
        with self.guard:
            lock = self.locks.setdefault(name, threading.Lock())
        with lock:
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                part = path.with_name(f"{name}.{os.getpid()}.part")
                with urllib.request.urlopen(url, timeout=FETCH_PATIENCE_S) as answer, part.open("wb") as file:  # noqa: S310
                    shutil.copyfileobj(answer, file)
                    expected = answer.headers["Content-Length"]
                if expected is not None and part.stat().st_size != int(expected):
                    part.unlink()
                    raise OSError(f"the archive broke off after {expected} bytes were promised")
                part.replace(path)
        return path


class Gateway(_Store, ThreadingHTTPServer):
    """On 127.0.0.1."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, served: Served) -> None:
        self.served = served
        super().__init__(("127.0.0.1", port), Handler)

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)  # HTTPServer's would ask the name server for our name
        self.server_name, self.server_port = "gateway", self.server_address[1]


class UnixGateway(_Store, socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """On a unix socket, for the fleet's hosts."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, path: Path, served: Served, owner_uid: int | None) -> None:
        self.served = served
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)  # see relay_to_unix: paths have a limit
        try:
            super().__init__(f"/proc/self/fd/{folder}/{path.name}", Handler)
        finally:
            os.close(folder)
        if owner_uid is not None:
            os.chown(path, owner_uid, owner_uid)

    def get_request(self) -> tuple[socket.socket, str]:
        request, _ = super().get_request()
        return request, "host"


def serve_in_threads(*servers: Gateway | UnixGateway) -> None:
    for server in servers:
        threading.Thread(target=server.serve_forever, name=type(server).__name__, daemon=True).start()


def _kind_of(path: Path) -> str:
    kind, encoding = mimetypes.guess_type(path.name)
    return "application/gzip" if encoding == "gzip" else kind or "application/octet-stream"


@lru_cache(maxsize=4)
def _read_json(path: Path, _modified_ns: int) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return document
