"""Reading an access log into requests that can be replayed: order and times between them are kept.

The rules (this file also runs on the host that has the log, as a module of the playbooks: Python's own library only):

1. Two formats: HAProxy's `option httplog` (times in ms; requests are logged at their end, so they are put in order of their
   beginning), and the combined format of Apache and nginx (whole seconds; the requests of one second are spread over it,
   in their order).
2. What a line does not say exactly is not guessed: such a line is counted as unreadable and left out.
3. A record is bounded: the newest `most` requests. Nothing leaves here unmasked: `mask` is called for each request.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime
from typing import Any

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
LONGEST_LINE = 16384
LONGEST_TARGET = 2048
_METHOD = r"(?P<method>[A-Z]{1,16})"
_HAPROXY = re.compile(
    r"\S+:\d+ \[(?P<day>\d\d)/(?P<month>[A-Z][a-z]{2})/(?P<year>\d{4}):(?P<clock>\d\d:\d\d:\d\d)\.(?P<ms>\d{3})\] "
    r"(?P<frontend>\S+?)~? \S+ -?\d+/-?\d+/-?\d+/-?\d+/\+?(?P<took>\d+) (?P<status>-?\d+) \+?\d+ \S+ \S+ \S{4} "
    r"\d+/\d+/\d+/\d+/\+?\d+ \d+/\d+ (?:\{(?P<captured>[^}]*)\} )?(?:\{[^}]*\} )?"
    r'"' + _METHOD + r' (?P<target>\S+)(?: HTTP/[0-9.]+)?"'
)
_COMBINED = re.compile(
    r"\S+ \S+ .+? \[(?P<day>\d\d)/(?P<month>[A-Z][a-z]{2})/(?P<year>\d{4}):(?P<clock>\d\d:\d\d:\d\d) [+-]\d{4}\] "
    r'"' + _METHOD + r' (?P<target>\S+)(?: HTTP/[0-9.]+)?" (?P<status>\d{3}) \S+'
)
_ENCODED = re.compile(r"#([0-9A-F]{2})")
Mask = Callable[[str, "dict[str, str]"], "tuple[str, str, dict[str, str]]"]


def parse_line(line: str, kind: str, captured: Collection[str] = ()) -> dict[str, Any] | None:
    """{at (seconds), exact, frontend or None, method, target, headers, status, took_ms or -1}; None: not a request's line."""
    if len(line) > LONGEST_LINE:
        return None
    match = (_HAPROXY if kind == "haproxy_http" else _COMBINED).search(line)
    if match is None or match["month"] not in MONTHS or len(match["target"]) > LONGEST_TARGET:
        return None
    fields = match.groupdict()
    try:
        stamp = f"{fields['year']}-{MONTHS.index(fields['month']) + 1:02}-{fields['day']}T{fields['clock']}"
        at = datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
    values = (fields.get("captured") or "").split("|") if captured else []
    headers = {
        name.lower(): _unescaped(value) for name, value in zip(captured, values, strict=False) if value not in ("", "-")
    }
    return {
        "at": at + int(fields.get("ms") or 0) / 1000,
        "exact": "ms" in fields,
        "frontend": fields.get("frontend"),
        "method": fields["method"],
        "target": _unescaped(fields["target"]) if kind == "haproxy_http" else fields["target"],
        "headers": headers,
        "status": int(fields["status"]),
        "took_ms": float(fields["took"]) if "took" in fields else -1.0,
    }


def _unescaped(text: str) -> str:
    """HAProxy writes what could end a field as #XX."""
    return _ENCODED.sub(lambda match: chr(int(match[1], 16)), text)


def record(
    lines: Iterable[str],
    mask: Mask,
    *,
    kind: str,
    most: int,
    methods: Collection[str],
    frontend: str | None = None,
    captured: Collection[str] = (),
) -> tuple[list[dict[str, Any]], int, int]:
    """(requests {offset_ms, method, path, query, headers, status, took_ms}, lines read, of these unreadable)."""
    found, read, unreadable = [], 0, 0
    for line in lines:
        if not line.strip():
            continue
        read += 1
        parsed = parse_line(line, kind, captured)
        if parsed is None:
            unreadable += 1
        elif parsed["method"] in methods and frontend in (None, parsed["frontend"]):
            found.append(parsed)
    found.sort(key=lambda one: one["at"])  # stable: requests of one second keep their order
    found = _spread(found[-most:])
    begin = found[0]["at"] if found else 0.0
    requests = []
    for one in found:
        path, query, headers = mask(one["target"], one["headers"])
        requests.append(
            {
                "offset_ms": round((one["at"] - begin) * 1000, 3),
                "method": one["method"],
                "path": path,
                "query": query,
                "headers": headers,
                "status": one["status"],
                "took_ms": one["took_ms"],
            }
        )
    return requests, read, unreadable


def _spread(requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The requests of one second over that second, evenly, where the log says no more than the second."""
    found: list[dict[str, Any]] = []
    seconds: dict[float, list[dict[str, Any]]] = {}
    for one in requests:
        seconds.setdefault(one["at"], []).append(one)
    for at, together in seconds.items():
        for place, one in enumerate(together):
            found.append(one if one["exact"] else {**one, "at": at + place / len(together)})
    return found
