"""Where a feed may not be asked (F19 of the fault catalogue): whatever an address, a name or a redirect says."""

from __future__ import annotations

import http.server
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from suture.errors import BadInputError
from suture.feeds import FeedSource, FeedsPolicy
from suture.feeds.addresses import check_address, resolved
from suture.feeds.errors import FeedRefusedError, FeedUnreachableError
from suture.feeds.fetch import Fetched, Fetcher
from suture.feeds.pages import api_key
from suture.settings import PROJECT_ROOT

HOST = "feeds.example.org"
# What stands for what in these tests; names that are not here do not exist.
NAMES = {
    HOST: ["93.184.216.34"], "inside.example.org": ["10.0.0.5"], "half.example.org": ["93.184.216.34", "127.0.0.1"],
    "meta.example.org": ["169.254.169.254"], "six.example.org": ["::1"], "mapped.example.org": ["::ffff:127.0.0.1"],
    "nat64.example.org": ["64:ff9b::a9fe:a9fe"], "sixtofour.example.org": ["2002:7f00:1::"], "unique.example.org": ["fd00::1"],
    "link.example.org": ["fe80::1%eth0"], "any.example.org": ["0.0.0.0"], "cgnat.example.org": ["100.64.0.1"],
    "multi.example.org": ["224.0.0.1"], "mcast6.example.org": ["ff02::1"], "doc.example.org": ["192.0.2.1"],
    "0x7f.1": ["127.0.0.1"], "2130706433": ["127.0.0.1"], "127.1": ["127.0.0.1"], "0177.0.0.1": ["127.0.0.1"],
    "127.0.0.1": ["127.0.0.1"], "169.254.169.254": ["169.254.169.254"], "10.1.2.3": ["10.1.2.3"], "::1": ["::1"],
    "192.168.1.1": ["192.168.1.1"], "172.16.0.1": ["172.16.0.1"], "localhost": ["127.0.0.1"],
}  # fmt: skip


def source(**changes: Any) -> FeedSource:
    known = FeedsPolicy.load(PROJECT_ROOT / "include" / "policy").source("kev")
    quick = {
        "url": f"https://{HOST}/kev",
        "allowed_hosts": frozenset({HOST}),
        "retries": 0,
        "retry_wait_seconds": 0.0,
        "timeout_seconds": 60.0,
        "connect_seconds": 60.0,
    }
    return replace(known, **{**quick, **changes})


def lookup(host: str, _port: int) -> list[str]:
    if host not in NAMES:
        raise OSError(f"{host} is not known")
    return NAMES[host]


# Refused by the address itself, whatever it would stand for.
REFUSED_BY_TEXT = [
    "http://feeds.example.org/kev", "file:///etc/passwd", "gopher://feeds.example.org/x", "ftp://feeds.example.org/kev",
    "data:application/json,{}", "//feeds.example.org/kev", "feeds.example.org/kev", "", "https://", "https:///kev",
    "https://user@feeds.example.org/", "https://user:word@feeds.example.org/", "https://feeds.example.org@evil.example/",
    "https://@feeds.example.org/", "https://feeds.example.org:22/kev", "https://feeds.example.org:8443/",
    "https://feeds.example.org:99999/", "https://feeds.example.org:abc/", "https://evil.example/", "https://feeds.example.org.evil.example/",
    "https://evilfeeds.example.org/", "https://sub.feeds.example.org/", "https://feeds.example.org./kev", "https://feeds.example.org%2f@evil/",
    "https://evil.example\\@feeds.example.org/", "https://feeds.example.org\\.evil.example/", "https://feeds.example.org\t/kev",
    "https://feeds.example.org\r\nHost: evil/", "https://feeds.example.org/\x00", "https://feeds.example.org/a b",
    "https://f\u0435eds.example.org/", "https://feeds\u3002example.org/", "https://[feeds.example.org/", "https://[::1]/kev",
    "https://127.0.0.1/", "https://169.254.169.254/latest/meta-data/", "https://0x7f.1/", "https://2130706433/",
    "http://localhost/kev", "https://feeds.example.org/" + "a" * 2000, "jar:https://feeds.example.org!/", "dict://feeds.example.org:11211/",
]  # fmt: skip
# Policy itself names these hosts, and still they are not asked, by what they stand for.
REFUSED_BY_PLACE = [name for name in NAMES if name != HOST]


@pytest.mark.parametrize("url", REFUSED_BY_TEXT)
def test_an_address_that_policy_does_not_name_is_not_asked(url: str) -> None:
    with pytest.raises(FeedRefusedError, match="kev"):
        check_address(url, source())


def test_the_addresses_that_policy_names_are_asked() -> None:
    for url in (f"https://{HOST}/kev", f"https://{HOST.upper()}:443/other?x=1"):
        check_address(url, source())
    assert resolved(HOST, 443, source(), lookup) == NAMES[HOST]


@pytest.mark.parametrize("name", REFUSED_BY_PLACE)
def test_a_name_for_a_place_within_is_not_asked(name: str) -> None:
    url = f"https://[{name}]/" if ":" in name else f"https://{name}/"
    feed = source(url=url, allowed_hosts=frozenset({name}))
    check_address(url, feed)
    with Fetcher(feed, resolve=lookup) as fetcher:
        fetcher._session.trust_env = False
        with pytest.raises(FeedRefusedError, match="no public address"):
            fetcher.fetch(url)


def test_a_network_that_policy_allows_is_asked_and_no_other() -> None:
    feed = source(allowed_networks=("10.0.0.0/24",))
    assert resolved("inside.example.org", 443, feed, lookup) == ["10.0.0.5"]
    with pytest.raises(FeedRefusedError):
        resolved("10.1.2.3", 443, feed, lookup)
    assert len(REFUSED_BY_TEXT) + len(REFUSED_BY_PLACE) >= 60


Handle = Callable[[http.server.BaseHTTPRequestHandler], None]


@pytest.fixture
def serve() -> Iterator[Callable[[Handle], str]]:
    """Start a server on loopback with this handler; its url."""
    running: list[tuple[http.server.ThreadingHTTPServer, threading.Thread]] = []

    def start(handle: Handle) -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                handle(self)

            def log_message(self, format: str, *args: Any) -> None: ...

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        running.append((server, thread))
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield start
    for server, thread in running:
        server.shutdown()
        server.server_close()
        thread.join(5)


def lab(url: str, **changes: Any) -> FeedSource:
    return source(url=url, allowed_hosts=frozenset({"127.0.0.1"}), lab=True, **changes)


def answer(handler: http.server.BaseHTTPRequestHandler, body: bytes = b"{}", status: int = 200, **headers: str) -> None:
    handler.send_response(status)
    for name, value in {"Content_Type": "application/json", "Content_Length": str(len(body)), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def test_the_name_is_looked_up_once_and_that_place_is_connected_to(serve: Callable[[Handle], str]) -> None:
    """DNS rebinding: the second answer would be another place; nobody asks for it."""
    url = serve(answer)
    asked: list[str] = []

    def rebinding(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["169.254.169.254"]

    with Fetcher(lab(url), resolve=rebinding) as fetcher:
        assert isinstance(fetcher.fetch(f"{url}/kev"), Fetched)
    assert asked == ["127.0.0.1"]


@pytest.mark.parametrize(
    "place", ["/again", "http://127.0.0.1:1/", "https://127.0.0.1/", "http://169.254.169.254/", "file:///etc/passwd"]
)
def test_every_redirect_is_checked_anew(serve: Callable[[Handle], str], place: str) -> None:
    seen: list[str] = []

    def handle(handler: http.server.BaseHTTPRequestHandler) -> None:
        seen.append(handler.path)
        answer(handler, b"", 302, Location=place)

    url = serve(handle)
    with Fetcher(lab(url)) as fetcher, pytest.raises((FeedRefusedError, FeedUnreachableError)):
        fetcher.fetch(f"{url}/kev")
    assert len(seen) == (4 if place == "/again" else 1)


def _slowly(handler: http.server.BaseHTTPRequestHandler) -> None:
    with suppress(OSError):
        for _ in range(600):
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(0.1)


@pytest.mark.parametrize("length", ["1000", None])
def test_a_server_that_drips_is_cut_off(serve: Callable[[Handle], str], length: str | None) -> None:
    def drip(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        if length:
            handler.send_header("Content-Length", length)
        handler.end_headers()
        _slowly(handler)

    url = serve(drip)
    began = time.monotonic()
    with (
        Fetcher(lab(url, total_seconds=0.5)) as fetcher,
        pytest.raises(FeedUnreachableError, match="not complete after"),
    ):
        fetcher.fetch(f"{url}/kev")
    assert time.monotonic() - began < 50


def test_a_server_that_never_ends_its_headers_is_cut_off(serve: Callable[[Handle], str]) -> None:
    def drip(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        _slowly(handler)

    url = serve(drip)
    with (
        Fetcher(lab(url, total_seconds=0.5)) as fetcher,
        pytest.raises(FeedUnreachableError, match="not complete after"),
    ):
        fetcher.fetch(f"{url}/kev")


def test_a_server_that_does_not_accept_is_given_up() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        with Fetcher(lab(url)) as fetcher, pytest.raises(FeedUnreachableError, match="no answer"):
            fetcher.fetch(f"{url}/kev")


@pytest.mark.parametrize(
    ("asked", "waits"),
    [("2", [2.0]), ("0", [1.0]), ("never", [1.0]), ("3600", None), ("Fri, 31 Dec 2199 23:59:59 GMT", None)],
)
def test_retry_after_is_respected_and_capped(
    serve: Callable[[Handle], str], asked: str, waits: list[float] | None
) -> None:
    tries: list[str] = []

    def handle(handler: http.server.BaseHTTPRequestHandler) -> None:
        tries.append(handler.path)
        if len(tries) == 1:
            answer(handler, b"", 429, Retry_After=asked)
        else:
            answer(handler)

    url, slept = serve(handle), list[float]()
    feed = lab(url, retries=1, retry_wait_seconds=1.0, max_retry_wait_seconds=60.0)
    with Fetcher(feed, sleep=slept.append) as fetcher:
        if waits is None:
            with pytest.raises(FeedUnreachableError, match="policy waits at most 60 s"):
                fetcher.fetch(f"{url}/kev")
            assert (slept, len(tries)) == ([], 1)
        else:
            assert isinstance(fetcher.fetch(f"{url}/kev"), Fetched)
            assert slept == waits


@pytest.mark.parametrize(
    "kind", ["text/html", "application/xhtml+xml", "image/png", "video/mp4", "application/pdf", "text/css"]
)
def test_what_says_that_it_is_no_feed_is_refused(serve: Callable[[Handle], str], kind: str) -> None:
    url = serve(lambda handler: answer(handler, b"{}", Content_Type=kind))
    with Fetcher(lab(url)) as fetcher, pytest.raises(FeedRefusedError, match=kind.partition("+")[0]):
        fetcher.fetch(f"{url}/kev")


def test_the_key_goes_to_the_feeds_own_host_only_and_stands_in_no_message(serve: Callable[[Handle], str]) -> None:
    key = "canary-key-0123456789"
    seen: list[str | None] = []

    def other(handler: http.server.BaseHTTPRequestHandler) -> None:
        seen.append(handler.headers.get("apiKey"))
        answer(handler, b"", 500)

    url = serve(other)
    feed = lab(url, key_environment="SUTURE_NVD_API_KEY", key_header="apiKey")
    with Fetcher(feed, key=key) as fetcher:
        with pytest.raises(FeedUnreachableError) as caught:
            fetcher.fetch(f"{url}/nvd")
        assert fetcher._key_for("http://127.0.0.1:1/nvd") == {}
        assert fetcher._key_for("https://127.0.0.1/nvd") == {}
    assert seen == [key]
    assert key not in str(caught.value) + caught.value.message


def test_a_key_comes_from_the_environment_and_a_bad_one_is_not_repeated() -> None:
    nvd = FeedsPolicy.load(PROJECT_ROOT / "include" / "policy").source("nvd")
    assert api_key(nvd, {}) is None
    assert api_key(nvd, {"SUTURE_NVD_API_KEY": " 0123-abcd "}) == "0123-abcd"
    with pytest.raises(BadInputError, match="SUTURE_NVD_API_KEY is no key") as caught:
        api_key(nvd, {"SUTURE_NVD_API_KEY": "canary\r\nX-Evil: 1"})
    assert "canary" not in caught.value.message
    assert api_key(replace(nvd, key_environment=None), {"SUTURE_NVD_API_KEY": "0123-abcd"}) is None
