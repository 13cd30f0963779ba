"""Recording, replaying and comparing traffic: real log lines, a real server on loopback."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from suture.staging.parity_policy import Worse
from suture.staging.traffic_compare import confirmed, declines, quantile, summary
from suture.staging.traffic_record import parse_line, record
from suture.staging.traffic_replay import (
    Answer,
    Request,
    TrafficUnavailableError,
    replay,
    requests_of,
    require_on_time,
    route_of,
)

HAPROXY = (
    "10.77.0.1:35870 [26/Nov/2026:12:13:29.{ms:03}] portal portal/app1 0/0/0/42/{took} {status} 735 - - ---- 40/40/3/3/0 0/0"
    ' {captured}"{request}"'
)


def line(
    ms: int, request: str = "GET /api/orders HTTP/1.1", *, took: int = 42, status: int = 200, captured: str = ""
) -> str:
    return HAPROXY.format(ms=ms, took=took, status=status, captured=captured, request=request)


def plain(target: str, headers: dict[str, str]) -> tuple[str, str, dict[str, str]]:
    path, _, query = target.partition("?")
    return path, query, headers


def test_haproxys_lines_are_put_in_the_order_of_their_beginning() -> None:
    lines = [
        line(300),
        line(100, "GET /slow?a=1 HTTP/1.1", took=250),
        line(200, status=503),
        "Proxy portal started.",
        "",
    ]
    found, read, unreadable = record(lines, plain, kind="haproxy_http", most=10, methods=["GET"], frontend="portal")
    assert [(one["offset_ms"], one["path"], one["query"], one["status"]) for one in found] == [
        (0.0, "/slow", "a=1", 200), (100.0, "/api/orders", "", 503), (200.0, "/api/orders", "", 200),
    ]  # fmt: skip
    assert (read, unreadable) == (4, 1)
    assert record(lines, plain, kind="haproxy_http", most=10, methods=["GET"], frontend="other")[0] == []
    assert [o["offset_ms"] for o in record(lines, plain, kind="haproxy_http", most=2, methods=["GET"])[0]] == [
        0.0,
        100.0,
    ]


def test_captured_headers_have_names_by_the_policy() -> None:
    found = parse_line(line(1, captured="{text/html|#7Bx#7D|-} {500} "), "haproxy_http", ("Accept", "X-Mark", "Via"))
    assert found is not None
    assert found["headers"] == {"accept": "text/html", "x-mark": "{x}"}


def test_the_combined_format_spreads_the_requests_of_a_second() -> None:
    row = '1.2.3.4 - olga [26/Nov/2026:12:00:{:02} +0000] "GET /{} HTTP/1.1" 200 12 "-" "curl \\"8\\""'
    lines = [row.format(0, "a"), row.format(0, "b"), row.format(1, "c")]
    found, _, _ = record(lines, plain, kind="combined", most=10, methods=["GET"])
    assert [(one["path"], one["offset_ms"]) for one in found] == [("/a", 0.0), ("/b", 500.0), ("/c", 1000.0)]


@pytest.mark.parametrize(
    "text",
    [
        "", "nonsense", line(1, "<BADREQ>"), line(1, "GET"), "x" * 20000, line(1, "get /x HTTP/1.1"),
        line(1).replace("Nov", "Nix"), line(1).replace("26/", "31/"), line(1, "GET /" + "a" * 3000 + " HTTP/1.1"),
    ],
)  # fmt: skip
def test_what_a_line_does_not_say_is_not_guessed(text: str) -> None:
    assert parse_line(text, "haproxy_http") is None


def test_only_allowed_methods_are_sent_and_bodies_come_from_the_policy() -> None:
    recorded = [
        {
            "offset_ms": 1000.0 * n,
            "method": method,
            "path": "/api/orders",
            "query": "page=1",
            "headers": {},
            "status": 200,
        }
        for n, method in enumerate(["GET", "POST", "DELETE"])
    ]
    sent, left_out = requests_of(recorded, methods=("GET",), bodies={}, speed=2)
    assert [(one.method, one.target, one.due_seconds) for one in sent] == [("GET", "/api/orders?page=1", 0.0)]
    assert left_out == 2
    bodies = {("POST", "/api/orders"): ("application/json", "{}")}
    sent, left_out = requests_of(recorded, methods=("GET", "POST", "DELETE"), bodies=bodies, speed=2)
    assert [(one.method, one.body, one.due_seconds) for one in sent] == [("GET", None, 0.0), ("POST", b"{}", 0.5)]
    assert left_out == 1


def test_routes_have_no_numbers() -> None:
    assert route_of("/api/orders/17/lines/masked?page=2") == "/api/orders/{}/lines/{}"


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        self.seen: list[tuple[float, str, str, str]] = []
        self.last_has_come = threading.Event()
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        self.server.seen.append((time.monotonic(), self.command, self.path, self.headers["Host"]))
        if self.path == "/slow":
            self.server.last_has_come.wait(15)
        if self.path == "/cut":
            self.server.last_has_come.set()
            self.connection.close()
            return
        self.send_response({"/gone": 404, "/broken": 500, "/moved": 302}.get(self.path, 200))
        if self.path == "/moved":
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "2")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(b"ok")

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    threading.Thread(target=found.serve_forever, daemon=True).start()
    yield found
    found.shutdown()
    found.server_close()


def test_a_replay_keeps_order_and_times_and_no_slow_answer_delays_the_next(server: Server) -> None:
    targets = ["/slow", "/a", "/b", "/gone", "/broken", "/moved", "/cut"]
    requests = [Request(0.1 * n, "HEAD" if t == "/b" else "GET", t, {}) for n, t in enumerate(targets)]
    began = time.monotonic()
    answers = replay(requests, "127.0.0.1", server.server_port, host_header="portal.example")
    assert [(one.route, one.kind) for one in answers] == [
        ("GET /slow", "2xx"), ("GET /a", "2xx"), ("HEAD /b", "2xx"), ("GET /gone", "4xx"), ("GET /broken", "5xx"),
        ("GET /moved", "3xx"), ("GET /cut", "none"),
    ]  # fmt: skip
    when = {path: at - began for at, _, path, _ in server.seen}
    assert sorted(path for _, _, path, _ in server.seen) == sorted(targets)  # once each: nothing is tried again, no redirect followed
    assert {name for *_, name in server.seen} == {"portal.example"}
    # Not before its time; how long after it, on a busy machine nobody knows.
    assert all(when[request.target] >= request.due_seconds for request in requests)
    # /slow was answered when the last one had come: none of them waited for it.
    assert server.last_has_come.is_set()
    assert answers[0].latency_ms >= 1000 * requests[-1].due_seconds


def test_a_replay_that_was_not_sent_on_time_is_no_measurement() -> None:
    on_time = [Answer("GET /a", "2xx", 5, lag_ms=3)] * 95 + [Answer("GET /a", "2xx", 5, lag_ms=900)] * 5
    assert require_on_time(on_time) == on_time
    with pytest.raises(TrafficUnavailableError, match="too busy to replay on time: 6 of 101") as caught:
        require_on_time([*on_time, Answer("GET /a", "2xx", 5, lag_ms=900)])
    assert caught.value.retryable


# Comparing

RULES = Worse()


def answers(route: str, count: int, *, bad: int = 0, kind: str = "5xx", ms: float = 10, seed: int = 1) -> list[Answer]:
    chance = random.Random(seed)
    return [Answer(route, kind if n < bad else "2xx", ms * chance.uniform(0.8, 1.25)) for n in range(count)]


def test_the_same_answers_are_not_worse() -> None:
    """Twenty comparisons of like with like: no alarm."""
    for seed in range(20):
        before = answers("GET /a", 400, bad=4, seed=seed)
        assert declines(before, answers("GET /a", 400, bad=6, seed=seed + 100), RULES) == ()


@pytest.mark.parametrize("kind", ["5xx", "4xx", "3xx", "none"])
def test_answers_of_another_class_are_worse_by_route(kind: str) -> None:
    before = answers("GET /a", 400) + answers("GET /b", 40)
    after = answers("GET /a", 400) + answers("GET /b", 40, bad=20, kind=kind)
    (found,) = declines(before, after, RULES)
    assert (found.route, found.measure) == ("GET /b", kind)
    assert found.sentence == f"20 of 40 answers of GET /b are {kind}, before the patch 0 of 40"
    assert declines(after, before, RULES) == ()  # mended is not worse


def test_one_in_twenty_is_found_among_eight_hundred_and_not_among_a_hundred() -> None:
    assert declines(answers("GET /a", 800), answers("GET /a", 800, bad=30), RULES)
    assert declines(answers("GET /a", 100), answers("GET /a", 100, bad=3), RULES) == ()


def test_a_slower_route_is_found_and_a_small_shift_is_not() -> None:
    before = answers("GET /a", 300, ms=100)
    assert [one.measure for one in declines(before, answers("GET /a", 300, ms=180, seed=2), RULES)] == ["latency"]
    assert declines(before, answers("GET /a", 300, ms=120, seed=2), RULES) == ()  # less than half as much again
    assert declines(answers("GET /b", 300, ms=4), answers("GET /b", 300, ms=9, seed=2), RULES) == ()  # less than 25 ms


def test_what_this_machine_sent_later_is_not_the_servers() -> None:
    before = answers("GET /a", 300, ms=100)
    later = [replace(one, latency_ms=one.latency_ms + 80, lag_ms=80.0) for one in answers("GET /a", 300, ms=100, seed=2)]
    assert declines(before, later, RULES) == ()
    slower = [replace(one, latency_ms=one.latency_ms + 80) for one in later]
    assert [one.measure for one in declines(before, slower, RULES)] == ["latency"]


def test_a_route_that_was_not_asked_again_and_what_only_one_replay_shows() -> None:
    (found,) = declines(answers("GET /a", 5), [], RULES)
    assert found.measure == "missing"
    assert confirmed([found], []) == ()
    assert confirmed([found], [found]) == (found,)


def test_a_summary_counts_by_route() -> None:
    rows = summary(answers("GET /a", 100, bad=10) + answers("GET /b", 5))
    assert [(row["route"], row["requests"], row["answers"]) for row in rows] == [
        ("GET /a", 100, {"2xx": 90, "5xx": 10}), ("GET /b", 5, {"2xx": 5}),
    ]  # fmt: skip
    assert quantile([1.0, 2.0, 3.0, 4.0], 0.5) == 2.0
    assert quantile([1.0], 0.99) == 1.0
