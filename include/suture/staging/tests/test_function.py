"""Does the service still do its work? These must pass throughout: before, after, rolled back and forward again."""

from __future__ import annotations

import json
from typing import Any

# Runs on the host itself: it asks 127.0.0.1, as the host's own monitoring would, and needs nothing installed.
ASK = """
import json, sys, urllib.error, urllib.request
check = json.loads(sys.argv[1])
body = None if check["body"] is None else json.dumps(check["body"]).encode()
request = urllib.request.Request(
    "http://127.0.0.1:%d%s" % (check["port"], check["path"]), data=body, method=check["method"],
    headers={"Content-Type": "application/json"} if body else {})
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
try:
    with opener.open(request, timeout=10) as answer:
        print(json.dumps([answer.status, answer.read(65536).decode("utf-8", "replace")]))
except urllib.error.HTTPError as error:
    print(json.dumps([error.code, error.read(500).decode("utf-8", "replace")]))
"""


def test_unit(server: Any, item: dict[str, str]) -> None:
    shown = server.run("systemctl is-active -- %s", item["name"])
    assert shown.stdout.strip() == "active", f"{item['name']} is {shown.stdout.strip()}"


def test_port(server: Any, item: dict[str, Any]) -> None:
    shown = server.run("ss -Hltn sport = :%s", str(item["port"]))
    assert shown.stdout.strip(), f"nothing listens on port {item['port']}"


def test_http(server: Any, item: dict[str, Any]) -> None:
    shown = server.run("python3 -c %s %s", ASK, json.dumps(item))
    assert shown.rc == 0, shown.stderr[-500:]
    status, text = json.loads(shown.stdout)
    assert status == item["status"], f"{item['method']} {item['path']} answered {status}: {text[:200]}"
    assert item["contains"] in text, f"{item['path']} answered without {item['contains']!r}"


def test_database(server: Any, item: dict[str, str]) -> None:
    shown = server.run("runuser -u postgres -- psql -AtX --no-password -d %s -c %s", item["name"], "SELECT 1")
    assert shown.stdout.strip() == "1", shown.stderr[-500:]


def test_dpkg(server: Any, item: dict[str, str]) -> None:
    shown = server.run("dpkg --audit")
    assert not shown.stdout.strip(), f"dpkg is not whole ({item['name']}): {shown.stdout[:300]}"
