"""The gateway on loopback: what it serves, what it refuses, what it keeps. The archive is a server of the test's own."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lab.archive import Archive, Source
from lab.gateway import Gateway, Served, serve_in_threads


@dataclass
class Upstream:
    url: str
    asked: list[str] = field(default_factory=list)
    cut_short: bool = False


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append(self.path)
            body = b"of " + self.path.encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body) + (9 if state.cut_short else 0)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state = Upstream(f"http://127.0.0.1:{server.server_port}/debian")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield state
    server.shutdown()
    server.server_close()


@pytest.fixture
def gateway(tmp_path: Path, upstream: Upstream) -> Iterator[str]:
    folders = {name: tmp_path / name for name in ("internal", "vendor", "feeds")}
    for folder in folders.values():
        folder.mkdir()
    (tmp_path / "secret").write_text("secret")
    (folders["internal"] / "way-out").symlink_to(tmp_path / "secret")
    (folders["feeds"] / "kev.json").write_text('{"count": 1}')
    records = [{"cve": {"id": f"CVE-2026-{number}"}} for number in range(1000, 1005)]
    (folders["feeds"] / "nvd.json").write_text(
        json.dumps({"format": "NVD_CVE", "version": "2.0", "vulnerabilities": records})
    )
    main = Source(upstream.url, "trixie", ("main",), None)
    served = Served(folders, Archive("debian", "trixie", main, None, frozenset({"127.0.0.1"})), tmp_path / "cache")
    server = Gateway(0, served)
    serve_in_threads(server)
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def fetch(url: str, **headers: str) -> tuple[int, bytes, dict[str, str]]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60) as answer:
            return answer.status, answer.read(), dict(answer.headers)
    except urllib.error.HTTPError as error:
        return error.code, error.read(), dict(error.headers)


def test_a_file_is_sent_once_and_then_known(gateway: str) -> None:
    status, body, headers = fetch(f"{gateway}/feeds/kev.json")
    assert (status, json.loads(body), headers["Content-Type"]) == (200, {"count": 1}, "application/json")
    assert fetch(f"{gateway}/feeds/kev.json", **{"If-None-Match": headers["ETag"]})[:2] == (304, b"")
    assert fetch(f"{gateway}/feeds/kev.json", **{"If-Modified-Since": headers["Last-Modified"]})[0] == 304
    assert fetch(f"{gateway}/feeds/kev.json", **{"If-None-Match": '"other"'})[0] == 200


@pytest.mark.parametrize(
    "path", ["/feeds/%2e%2e/secret", "/internal/way-out", "/feeds/none", "/secret", "/archive/security/x"]
)
def test_nothing_else_is_served(gateway: str, path: str) -> None:
    status, body, _ = fetch(gateway + path)
    assert status in (400, 404)
    assert b"secret" not in body or b"/secret" in body


def test_packages_are_fetched_once_and_indices_each_time(gateway: str, upstream: Upstream) -> None:
    for _ in range(3):
        assert fetch(f"{gateway}/archive/main/pool/a_1.deb")[1] == b"of /debian/pool/a_1.deb"
        assert fetch(f"{gateway}/archive/main/dists/trixie/InRelease")[0] == 200
    assert upstream.asked.count("/debian/pool/a_1.deb") == 1
    assert upstream.asked.count("/debian/dists/trixie/InRelease") == 3


def test_a_package_cut_short_is_not_kept(gateway: str, upstream: Upstream) -> None:
    upstream.cut_short = True
    assert fetch(f"{gateway}/archive/main/pool/b_1.deb")[0] == 502
    upstream.cut_short = False
    assert fetch(f"{gateway}/archive/main/pool/b_1.deb")[:2] == (200, b"of /debian/pool/b_1.deb")


def test_the_forward_proxy_knows_only_the_archive(gateway: str, upstream: Upstream) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": gateway}))
    assert opener.open(f"{upstream.url}/pool/c_1.deb", timeout=60).read() == b"of /debian/pool/c_1.deb"
    with pytest.raises(urllib.error.HTTPError, match="403"):
        opener.open("http://169.254.169.254/latest", timeout=60)


def test_nvd_comes_in_pages(gateway: str) -> None:
    page = json.loads(fetch(f"{gateway}/feeds/nvd.json?startIndex=3&resultsPerPage=3")[1])
    assert (page["totalResults"], page["startIndex"], page["resultsPerPage"], page["format"]) == (5, 3, 2, "NVD_CVE")
    assert [record["cve"]["id"] for record in page["vulnerabilities"]] == ["CVE-2026-1003", "CVE-2026-1004"]
    one = json.loads(fetch(f"{gateway}/feeds/nvd.json?cveId=CVE-2026-1002")[1])
    assert [record["cve"]["id"] for record in one["vulnerabilities"]] == ["CVE-2026-1002"]
    assert fetch(f"{gateway}/feeds/nvd.json?startIndex=x")[0] == 404
