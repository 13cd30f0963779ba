"""Fetching the files of a source, from a folder or over HTTP(S), within limits that the other side cannot stretch.

The rules:

1. Every fetch has a limit in bytes and a deadline in seconds; a server that sends for ever, or one byte a
   second (in the headers or in the body), is cut off at them. Where nothing signed says how long a file is, each
   mebibyte that came earns the time for the next one.
2. Redirects are followed within the same host and port only (and from http to https of the same host), at
   most three.
3. Bytes are taken as they lie on the server: no content encoding is asked for, none is undone.
4. A folder is left by no symbolic link.
"""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Protocol
from urllib.parse import quote, urljoin, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from suture.sourcing.refusal import Refusal, RefusalReason

CHUNK_BYTES = 1024 * 1024
MAX_REDIRECTS = 3
MIN_BYTES_PER_S = 32 * 1024  # a mirror slower than this is as good as none


class Transport(Protocol):
    """Where a source's files come from. Paths are relative to the repository's root, checked by the caller."""

    address: str

    def open(self, path: str, *, expected_bytes: int, offset: int = 0, size_known: bool = True) -> Iterator[bytes]:
        """The file's bytes from `offset`, in chunks. Stops by Refusal when it runs past what is allowed.

        expected_bytes: how long the file should be; at most one chunk more is delivered. Raises Refusal:
        UNREACHABLE, TRUNCATED (fewer bytes than the server announced); FileMissing when there is no such
        file.
        """

    def close(self) -> None: ...


class FileMissing(Exception):
    """The source answers, and has no such file."""


class NotAuthorised(Refusal):
    """The server wants to know who asks. challenge: its WWW-Authenticate header, '' for none."""

    def __init__(self, url: str, challenge: str) -> None:
        super().__init__(RefusalReason.UNREACHABLE, f"{url} cannot be had: it answers 401 to us.", subject=url)
        self.challenge = challenge


def read_whole(transport: Transport, path: str, *, limit_bytes: int) -> bytes:
    """A whole file of at most limit_bytes. Raises Refusal (SIZE_MISMATCH beyond the limit), FileMissing."""
    data = bytearray()
    for chunk in transport.open(path, expected_bytes=limit_bytes, size_known=False):
        data += chunk
        if len(data) > limit_bytes:
            sentence = f"{path} is larger than the {limit_bytes} bytes allowed."
            raise Refusal(RefusalReason.SIZE_MISMATCH, sentence, subject=path)
    return bytes(data)


def transport_for(address: str, *, timeout_s: float = 20) -> Transport:
    """HTTP(S) for a URL, a folder for anything else."""
    if address.startswith(("http://", "https://")):
        return HttpTransport(address, timeout_s=timeout_s)
    return FolderTransport(Path(address.removeprefix("file://")))


class FolderTransport:
    """A repository in a local folder."""

    def __init__(self, root: Path) -> None:
        self.address = str(root)
        self._root = root.resolve()

    def local_path(self, path: str) -> Path:
        """Where the file lies. Raises FileMissing; Refusal when a link leads out of the folder."""
        found = (self._root / path).resolve()
        if not found.is_relative_to(self._root):
            raise Refusal(RefusalReason.MALFORMED, f"{path} leads out of the folder {self.address}.", subject=path)
        if not found.is_file():
            raise FileMissing(path)
        return found

    def open(self, path: str, *, expected_bytes: int, offset: int = 0, size_known: bool = True) -> Iterator[bytes]:  # noqa: ARG002
        if not self._root.is_dir():
            raise Refusal(RefusalReason.UNREACHABLE, f"There is no folder {self.address}.", subject=self.address)
        return self._read(self.local_path(path), expected_bytes - offset, offset)

    def _read(self, path: Path, remaining: int, offset: int) -> Iterator[bytes]:
        try:
            with path.open("rb") as file:
                file.seek(offset)
                yield from _bounded(file, remaining)
        except OSError as error:
            raise Refusal(
                RefusalReason.UNREACHABLE, f"{path} cannot be read: {error.strerror}.", subject=str(path)
            ) from error

    def close(self) -> None:
        """Nothing to close."""


def _bounded(file: BinaryIO, remaining: int) -> Iterator[bytes]:
    while remaining >= 0:
        chunk = file.read(min(CHUNK_BYTES, remaining + 1))
        if not chunk:
            return
        remaining -= len(chunk)
        yield chunk


@dataclass
class _Deadline:
    """Ends a connection's socket when time is up, whatever it is waiting for."""

    seconds: float
    expired: bool = False
    sock: Any = None

    def __post_init__(self) -> None:
        self._started = time.monotonic()
        self._start(self.seconds)

    def _start(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._expire)
        self._timer.daemon = True
        self._timer.start()

    def extend(self, seconds: float) -> None:
        """That much later; a deadline that has passed stays passed."""
        self._timer.cancel()
        self.seconds += seconds
        if not self.expired:
            self._start(max(0.0, self._started + self.seconds - time.monotonic()))

    def _expire(self) -> None:
        self.expired = True
        if self.sock is not None:
            try:
                self.sock.shutdown(2)
            except OSError:
                self.sock = None  # already closed by the other side

    def cancel(self) -> None:
        self._timer.cancel()

    def __enter__(self) -> _Deadline:
        _current.deadline = self
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _current.deadline = None
        self.cancel()


_current = threading.local()


def _watch(sock: Any) -> None:
    deadline = getattr(_current, "deadline", None)
    if deadline is not None:
        deadline.sock = sock


class _WatchedConnection(HTTPConnection):
    def getresponse(self) -> Any:
        _watch(self.sock)
        return super().getresponse()


class _WatchedSecureConnection(HTTPSConnection):
    def getresponse(self) -> Any:
        _watch(self.sock)
        return super().getresponse()


class _WatchedPool(HTTPConnectionPool):
    ConnectionCls = _WatchedConnection


class _WatchedSecurePool(HTTPSConnectionPool):
    ConnectionCls = _WatchedSecureConnection


class _WatchedAdapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _WatchedPool, "https": _WatchedSecurePool}


class HttpTransport:
    """A repository on a web server. Safe to use from several threads."""

    def __init__(self, url: str, *, timeout_s: float = 20, pool_size: int = 8) -> None:
        self.address = url.rstrip("/")
        self._timeout_s = timeout_s
        self._session = requests.Session()
        self._session.headers.update({"Accept-Encoding": "identity", "User-Agent": "suture"})
        adapter = _WatchedAdapter(pool_connections=2, pool_maxsize=pool_size, max_retries=0)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def close(self) -> None:
        self._session.close()

    def with_headers(self, headers: Mapping[str, str], *, address: str | None = None) -> HttpTransport:
        """Another transport of the same patience (below `address`) that sends these as well; to be closed by itself."""
        other = HttpTransport(address or self.address, timeout_s=self._timeout_s)
        other._session.headers.update({**self._session.headers, **headers})
        return other

    def ask(self, path: str, query: str, *, limit_bytes: int) -> bytes:
        """The answer to a question, at most limit_bytes and one more; paths of files never have a query."""
        url = f"{self.address}/{quote(path)}?{query}"
        with _Deadline(self._timeout_s) as deadline, self._translated(url), self._get(url, 0) as response:
            return b"".join(self._body(response, url, limit_bytes, deadline, paced=False))

    def open(self, path: str, *, expected_bytes: int, offset: int = 0, size_known: bool = True) -> Iterator[bytes]:
        # Debian's file names hold + ~ and : as they are; everything else unusual is quoted.
        url = f"{self.address}/{quote(path, safe='/~+:@!$&()*,;=')}"
        allowed_s = self._timeout_s + ((expected_bytes - offset) / MIN_BYTES_PER_S if size_known else 0)
        with _Deadline(allowed_s) as deadline, self._translated(url), self._get(url, offset) as response:
            yield from self._body(response, url, expected_bytes - offset, deadline, paced=not size_known)

    def _get(self, url: str, offset: int) -> requests.Response:
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        target = url
        for _hop in range(MAX_REDIRECTS + 1):
            response = self._session.get(
                target, headers=headers, stream=True, allow_redirects=False, timeout=self._timeout_s
            )
            if response.is_redirect or response.is_permanent_redirect:
                response.close()
                target = self._redirected(target, response.headers.get("Location", ""))
                continue
            self._check_status(response, url, offset)
            return response
        raise self._unreachable(url, f"it redirects more than {MAX_REDIRECTS} times")

    def _redirected(self, url: str, location: str) -> str:
        target = urljoin(url, location)
        old, new = urlsplit(url), urlsplit(target)
        upgraded = (old.scheme, new.scheme, old.port, new.port) == ("http", "https", None, None)
        same = (old.scheme, old.port) == (new.scheme, new.port) or upgraded
        if old.hostname != new.hostname or not same or new.username or new.password:
            raise self._unreachable(url, f"it redirects to another place, {new.scheme}://{new.netloc}; not followed")
        return target

    def _check_status(self, response: requests.Response, url: str, offset: int) -> None:
        if response.status_code in {404, 410}:
            response.close()
            raise FileMissing(url)
        if response.status_code == 401:
            response.close()
            raise NotAuthorised(url, response.headers.get("WWW-Authenticate", ""))
        if response.status_code != (206 if offset else 200):
            response.close()
            raise self._unreachable(url, f"it answers {response.status_code} {response.reason}")

    def _body(
        self, response: requests.Response, url: str, remaining: int, deadline: _Deadline, *, paced: bool
    ) -> Iterator[bytes]:
        earned = 0
        announced = response.headers.get("Content-Length", "")
        missing = int(announced) if announced.isdigit() else 0
        while remaining >= 0:
            # read1 returns what has arrived: one system call, so the deadline is looked at after each.
            chunk = response.raw.read1(min(CHUNK_BYTES, remaining + 1), decode_content=False)
            if deadline.expired:
                raise self._unreachable(url, f"it is too slow: not there after {deadline.seconds:.0f} s")
            if not chunk:
                break
            remaining -= len(chunk)
            missing -= len(chunk)
            earned += len(chunk)
            if paced and earned >= CHUNK_BYTES:
                deadline.extend(earned / MIN_BYTES_PER_S)
                earned = 0
            yield chunk
        if missing > 0 and remaining >= 0:
            raise Refusal(
                RefusalReason.TRUNCATED, f"{url} broke off {missing} bytes before its announced end.", subject=url
            )

    @contextmanager
    def _translated(self, url: str) -> Iterator[None]:
        try:
            yield
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            deadline = getattr(_current, "deadline", None)
            if deadline is not None and deadline.expired:
                raise self._unreachable(url, f"it is too slow: not there after {deadline.seconds:.0f} s") from error
            if isinstance(_innermost(error), urllib3.exceptions.IncompleteRead | http.client.IncompleteRead):
                raise Refusal(
                    RefusalReason.TRUNCATED, f"{url} broke off before its announced end.", subject=url
                ) from error
            raise self._unreachable(url, _cause(error)) from error

    def _unreachable(self, url: str, why: str) -> Refusal:
        return Refusal(RefusalReason.UNREACHABLE, f"{url} cannot be had: {why}.", subject=url)


def _innermost(error: BaseException) -> BaseException:
    """requests wraps urllib3 wraps http.client or OSError."""
    while True:
        inner = getattr(error, "reason", None) or error.__cause__ or error.__context__
        if not isinstance(inner, BaseException):
            return error
        error = inner


def _cause(error: BaseException) -> str:
    """The innermost cause in plain words."""
    error = _innermost(error)
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).rstrip(".")
