"""Drawing documents: HTML that needs nothing else (light, dark, print) and CSV that no spreadsheet runs.

Everything in a document may have come from a feed, a form or a host: HTML is escaped by the template engine, always;
a CSV cell that a spreadsheet would take for a formula gets an apostrophe in front (OWASP, CSV injection).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from suture.settings import PROJECT_ROOT
from suture.wording import counted

TEMPLATES = PROJECT_ROOT / "include" / "templates"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
CAMPAIGN_COLUMNS = (
    "campaign_id", "host_id", "ring", "environment", "package", "architecture", "source_package", "version_before",
    "version_patched", "version_after", "version_target", "status", "reason", "seen_at", "generated_at", "plan_hash",
    "evidence_head_hash",
)  # fmt: skip
FLEET_COLUMNS = (
    "host_id", "asset_group", "environment", "criticality", "exposure", "status", "reason", "collected_at", "packages",
    "open_findings", "immediate", "out_of_cycle", "scheduled", "deferred", "overdue_findings", "unscored_findings",
    "accepted_findings", "reboot_required", "generated_at", "evidence_head_seq", "evidence_head_hash",
)  # fmt: skip


@cache
def templates() -> Environment:
    """The one template environment: escapes everything, refuses what is undefined."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "when": when, "minute": minute, "share": share, "size": size, "words": words, "short": short, "number": number, "tone": tone,
        "counted": counted,
    }  # fmt: skip
    return environment


def compile_templates() -> None:
    """Every page's template, compiled and kept: what the first reader would wait for otherwise."""
    for name in templates().list_templates(extensions=["html"]):
        templates().get_template(name)


def render_html(document: Mapping[str, Any]) -> str:
    return templates().get_template(f"report/{document['kind']}.html").render(doc=document)


def render_csv(document: Mapping[str, Any]) -> str:
    """One line a host and package (campaign) or a host (fleet), with the columns above. RFC 4180."""
    columns: Sequence[str] = CAMPAIGN_COLUMNS if document["kind"] == "campaign" else FLEET_COLUMNS
    rows = _campaign_rows(document) if document["kind"] == "campaign" else _fleet_rows(document)
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row[column]) for column in columns])
    return out.getvalue()


def when(text: str | datetime | None) -> str:
    """A moment for people: 2026-11-24 03:00:00 UTC; – when there is none."""
    if text is None:
        return "–"
    moment = datetime.fromisoformat(text) if isinstance(text, str) else text
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def minute(text: str | datetime | None) -> str:
    """A moment in a narrow column, to the minute: 2026-11-24 03:00 UTC; – when there is none."""
    said = when(text)
    return said if text is None else f"{said[:16]} UTC"


def share(value: float | None) -> str:
    return "no figure" if value is None else f"{value:.1%}"


def number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.6g}"


def size(size_bytes: float | None) -> str:
    if size_bytes is None:
        return "–"
    amount = float(size_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024 or unit == "GiB":
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    raise AssertionError("unreachable")


def words(value: Any) -> str:
    return "–" if value is None else str(value).replace("_", " ")


def short(digest: str | None, length: int = 16) -> str:
    return "–" if not digest else (digest if len(digest) <= length else digest[:length] + "…")


_TONES = {
    "good": {"verified", "closed", "pass", "approve", "adopted", "done", "accept", "accepted", "unchanged", "true", "approved"},
    "bad": {
        "failed", "fail", "halted", "rejected", "reject", "refused", "test_failed", "quarantined", "replayed",
        "unreachable", "false", "open", "declined",
    },
    "warn": {
        "unknown", "inconclusive", "behind", "unverified", "rolling_back", "restored", "rolled_back", "contained",
        "running",
    },
}  # fmt: skip


def tone(status: Any) -> str:
    """good, warn, bad or plain: how a status is coloured (never the only sign: its word stands beside it)."""
    word = str(status).lower()
    return next((name for name, members in _TONES.items() if word in members), "plain")


def _campaign_rows(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for host in document["hosts"]:
        for package in host["packages"]:
            yield {
                "campaign_id": document["campaign"]["campaign_id"],
                "plan_hash": document["campaign"]["plan_hash"],
                "version_before": package["before"],
                "version_patched": package["patched"],
                "version_after": package["after"],
                "version_target": package["target_version"],
                **{key: host[key] for key in ("host_id", "ring", "environment", "seen_at")},
                **{key: package[key] for key in ("package", "architecture", "source_package", "status", "reason")},
                **_stamp(document),
            }


def _fleet_rows(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for host in document["hosts"]:
        yield {**host, **_stamp(document)}


def _stamp(document: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "generated_at": document["generated_at"],
        "evidence_head_seq": document["evidence"]["head_seq"],
        "evidence_head_hash": document["evidence"]["head_hash"],
    }


def _cell(value: Any) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
