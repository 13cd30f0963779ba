"""Fetching a feed's document.

The rules:

1. Only at addresses that policy allows (addresses.py). A redirect is followed at most three times, each by those rules.
   The key of an API goes to the host of the feed's own url and nowhere else, and stands in no message.
2. Asked for with the ETag and Last-Modified of the copy accepted last: "not modified" costs nothing.
3. Every wait has an end: to connect, between two pieces, and for the whole. Size is bounded as it comes in and as it is
   inflated. 429, 502, 503, 504 and lost connections are tried again, waiting as Retry-After says; one that asks for more
   than policy allows to wait is left alone until the next sync.
4. A source has a budget of time for one sync (sync_seconds). `time_is_up` says when it is spent, so that a walk of many
   documents ends between two of them; a request that is still waiting after half as long again is cut off.
5. What is not there (404, 410) is a fact about that document and no fault of the feed: `Missing`.
"""

from __future__ import annotations

import hashlib
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from suture.feeds.addresses import GuardedAdapter, Resolve, check_address
from suture.feeds.errors import FeedRefusedError, FeedUnreachableError
from suture.feeds.feed_source import FeedSource

_CHUNK_BYTES = 64 * 1024
_MAX_REDIRECTS = 3
_GRACE = 1.5  # times the budget: a request that began within it may end after it
_MAX_RATIO = 400  # JSON feeds inflate 5- to 20-fold; runs of one byte a thousandfold
_TRY_AGAIN = frozenset({429, 502, 503, 504})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_NO_FEED = (
    "image/", "audio/", "video/", "font/", "multipart/", "text/css", "text/javascript", "application/javascript",
    "application/pdf",
)  # fmt: skip
_GZIP_MAGIC = b"\x1f\x8b"


@dataclass(frozen=True)
class Fetched:
    """A document, inflated. sha256: of its content; etag and last_modified: None when the server gave none; headers: all
    of the answer's, names in lower case."""

    url: str
    content: bytes
    sha256: str
    etag: str | None
    last_modified: str | None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class NotModified:
    """The copy that we have is the newest."""


@dataclass(frozen=True)
class Missing:
    """The server answers, and has no such document."""

    status: int


class BudgetSpentError(FeedUnreachableError):
    """The source's time for one sync is over, with its grace: nothing more is asked of it before the next one."""


class Fetcher:
    """One session with a source's servers; closed after use. `sleep` and `resolve` are there for tests."""

    def __init__(
        self,
        source: FeedSource,
        *,
        sleep: Callable[[float], None] = time.sleep,
        key: str | None = None,
        resolve: Resolve | None = None,
    ) -> None:
        self._source = source
        self._sleep = sleep
        self._key = key
        self._socket: socket.socket | None = None
        self._began = time.monotonic()
        self._session = requests.Session()
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, GuardedAdapter(source, self._connected, resolve))
        # A proxy from the environment is for the outside world, never for this machine's loopback.
        self._session.trust_env = not source.lab

    def __enter__(self) -> Fetcher:
        return self

    def __exit__(self, *_error: object) -> None:
        self._session.close()

    @property
    def time_is_up(self) -> bool:
        """Whether this session has lasted longer than the source's budget for one sync."""
        return time.monotonic() - self._began > self._source.sync_seconds

    @property
    def _ends(self) -> float:
        return self._began + _GRACE * self._source.sync_seconds

    def fetch(
        self,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        etag: str | None = None,
        last_modified: str | None = None,
        accept: str | None = None,
    ) -> Fetched | NotModified | Missing:
        """Get one document. accept: the media type asked for, None: any.

        Raises FeedUnreachableError (BudgetSpentError among them), FeedRefusedError.
        """
        headers = {"User-Agent": "suture", "Accept-Encoding": "gzip"} | ({"Accept": accept} if accept else {})
        if etag:
            headers["If-None-Match"] = etag
        if last_modified:
            headers["If-Modified-Since"] = last_modified
        wait = self._source.retry_wait_seconds
        for attempt in range(self._source.retries + 1):
            try:
                return self._attempt(url, params, headers)
            except _TryAgainError as error:
                if attempt == self._source.retries:
                    raise FeedUnreachableError(
                        f"{self._source.name}: {error} ({attempt + 1} tries).",
                        remedy="The last good data stands. It is tried again at the next sync.",
                    ) from error
                asked = error.wait_seconds or 0.0
                if asked > self._source.max_retry_wait_seconds:
                    raise FeedUnreachableError(
                        f"{self._source.name}: {error}, and asks to wait {asked:.0f} s; policy waits at most"
                        f" {self._source.max_retry_wait_seconds:.0f} s.",
                        remedy="The last good data stands. It is tried again at the next sync.",
                    ) from error
                pause = min(max(asked, wait), self._source.max_retry_wait_seconds)
                if time.monotonic() + pause > self._ends:
                    raise self._budget_spent() from error
                self._sleep(pause)
                wait *= 2
        raise AssertionError("unreachable")

    def _attempt(
        self, url: str, params: Mapping[str, str] | None, headers: Mapping[str, str]
    ) -> Fetched | NotModified | Missing:
        if time.monotonic() > self._ends:
            raise self._budget_spent()
        deadline = min(time.monotonic() + self._source.total_seconds, self._ends)
        for _hop in range(_MAX_REDIRECTS + 1):
            check_address(url, self._source)
            try:
                with (
                    self._cut_off_at(deadline),
                    self._session.get(
                        url,
                        params=params,
                        headers={**headers, **self._key_for(url)},
                        stream=True,
                        allow_redirects=False,
                        timeout=(self._source.connect_seconds, self._source.timeout_seconds),
                    ) as response,
                ):
                    if response.status_code not in _REDIRECTS:
                        return self._answer(response, deadline)
                    url = urljoin(url, response.headers.get("Location", ""))
                    params = None
            except FeedRefusedError:
                raise
            except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
                if time.monotonic() > deadline:
                    raise self._too_slow() from error
                raise _TryAgainError(f"no answer from {_place(url)}: {_cause(error)}") from error
        raise FeedRefusedError(f"{self._source.name}: more than {_MAX_REDIRECTS} redirects.")

    def _connected(self, made: socket.socket) -> None:
        self._socket = made

    @contextmanager
    def _cut_off_at(self, deadline: float) -> Iterator[None]:
        """End the connection at the deadline, whatever it is doing: a server may send its headers a byte a minute."""

        def cut() -> None:
            if self._socket is not None:
                with suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)

        timer = threading.Timer(max(deadline - time.monotonic(), 0.0), cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _key_for(self, url: str) -> dict[str, str]:
        own = urlsplit(self._source.url)
        asked = urlsplit(url)
        if self._key is None or self._source.key_header is None:
            return {}
        same = (asked.scheme, asked.hostname, asked.port) == (own.scheme, own.hostname, own.port)
        return {self._source.key_header: self._key} if same else {}

    def _require_in_time(self, deadline: float) -> None:
        if time.monotonic() > deadline:
            raise self._too_slow()

    def _budget_spent(self) -> BudgetSpentError:
        return BudgetSpentError(
            f"{self._source.name}: its time for one sync ({self._source.sync_seconds:g} s, sync_seconds) is over.",
            remedy="What was read counts. The next sync goes on from there.",
        )

    def _too_slow(self) -> FeedUnreachableError:
        if time.monotonic() > self._ends:
            return self._budget_spent()
        return FeedUnreachableError(
            f"{self._source.name}: the answer was not complete after {self._source.total_seconds:.0f} s."
        )

    def _answer(self, response: requests.Response, deadline: float) -> Fetched | NotModified | Missing:
        # A connection that was cut off in its headers looks like an answer with fewer of them.
        self._require_in_time(deadline)
        status, place = response.status_code, _place(response.url)
        if status == 304:
            return NotModified()
        if status in (404, 410):
            return Missing(status)
        if status in _TRY_AGAIN or status in self._source.try_again_statuses:
            raise _TryAgainError(f"{place} answers {status}", _retry_after(response.headers.get("Retry-After")))
        if status != 200:
            raise FeedUnreachableError(f"{self._source.name}: {place} answers {status} {response.reason}.")
        kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind in ("text/html", "application/xhtml+xml"):
            raise FeedRefusedError(f"{self._source.name}: {place} answers with a web page ({kind}), not the feed.")
        if kind.startswith(_NO_FEED):
            raise FeedRefusedError(f"{self._source.name}: {place} answers with {kind[:60]}, which is no kind of feed.")
        packed = self._read(response, deadline)
        content = packed
        if response.headers.get("Content-Encoding", "").lower() == "gzip":
            content = bounded_gunzip(content, self._source)
        if content[:2] == _GZIP_MAGIC:
            content = bounded_gunzip(content, self._source)
        return Fetched(
            url=response.url,
            content=content,
            sha256=hashlib.sha256(content).hexdigest(),
            etag=response.headers.get("ETag"),
            last_modified=response.headers.get("Last-Modified"),
            headers={name.lower(): value for name, value in response.headers.items()},
        )

    def _read(self, response: requests.Response, deadline: float) -> bytes:
        found = bytearray()
        # read1: as much as came. read() would wait for a whole chunk, however slowly its bytes come.
        while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=False):
            found += chunk
            if len(found) > self._source.max_bytes:
                raise FeedRefusedError(
                    f"{self._source.name}: the answer is longer than the {self._source.max_bytes} bytes allowed."
                )
            self._require_in_time(deadline)
        self._require_in_time(deadline)  # cut off: without a Content-Length that looks like the end
        length = response.headers.get("Content-Length")
        if length is not None and length.isdigit() and int(length) != len(found):
            raise _TryAgainError(f"{_place(response.url)} broke off after {len(found)} of {length} bytes")
        return bytes(found)


def bounded_gunzip(packed: bytes, source: FeedSource, *, place: str | None = None) -> bytes:
    """Inflate, or raise FeedRefusedError for too much and FeedUnreachableError for a stream that breaks off.

    place: what to call it in the message; None: the source's name alone."""
    limit = min(source.max_bytes, max(len(packed) * _MAX_RATIO, 1024 * 1024))
    named = f"{source.name}: {place}" if place else source.name
    plain = bytearray()
    try:
        while packed:
            stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
            plain += stream.decompress(packed, limit + 1 - len(plain))
            if len(plain) > limit:
                raise FeedRefusedError(f"{named}: it inflates to more than the {limit} bytes allowed.")
            if not stream.eof:
                raise FeedUnreachableError(f"{named}: the compressed document breaks off.")
            packed = stream.unused_data
    except zlib.error as error:
        raise FeedRefusedError(f"{named}: it cannot be inflated: {error}.") from error
    return bytes(plain)


class _TryAgainError(Exception):
    def __init__(self, message: str, wait_seconds: float | None = None) -> None:
        super().__init__(message)
        self.wait_seconds = wait_seconds


def _retry_after(value: str | None) -> float | None:
    """Seconds that a Retry-After asks for (a number, or a date); None when it says nothing that can be read."""
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value.strip()[:9])
    try:
        return max((parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds(), 0.0)
    except (TypeError, ValueError):
        return None


def _place(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)


def _cause(error: BaseException) -> str:
    """The innermost reason: requests wraps it several times."""
    inner = error
    while inner.__cause__ or inner.__context__:
        inner = inner.__cause__ or inner.__context__  # type: ignore[assignment]
    return f"{type(inner).__name__}: {str(inner)[:200]}"
