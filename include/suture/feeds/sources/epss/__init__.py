"""EPSS: FIRST's daily exploit prediction scores, a CSV (plain or gzip).

The first line is `#model_version:…,score_date:…`, the second `cve,epss,percentile`; both are checked. EPSS is a
probability of exploitation within 30 days, and never evidence of exploitation.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime

from suture.feeds.decoded import Decoded, Rejected, Row, utc
from suture.feeds.errors import FeedFormatError
from suture.feeds.format import FeedFormat
from suture.feeds.strict_json import refuse_web_page

TABLES = ("epss",)
_HEADER = re.compile(r"#model_version:(?P<model>[^,\s]+),score_date:(?P<date>\S+)")
_COLUMNS = "cve,epss,percentile"


@dataclass(frozen=True)
class Header:
    """Which model scored, and when (UTC)."""

    model: str
    scored_at: datetime


def decode(raw: bytes, *, where: str, **_options: object) -> Decoded:
    """Rows of `epss`. Raises FeedFormatError when one of the two header lines is not as it should be."""
    refuse_web_page(raw, where=where)
    try:
        lines = raw.decode("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise FeedFormatError(where, f"not UTF-8 at byte {error.start}") from error
    top = header(*([*lines[:2], "", ""])[:2], where=where)
    rows: list[Row] = []
    rejected: list[Rejected] = []
    for number, line in enumerate(lines[2:], start=3):
        if not line.strip():
            continue
        row = _row(line, top.model, top.scored_at.date().isoformat())
        if isinstance(row, str):
            rejected.append(Rejected(f"line {number}", f"{where}, line {number}: {row}.", {"line": shown(line)}))
        else:
            rows.append(row)
    return Decoded(top.scored_at, {"epss": rows}, rejected, records=len(rows) + len(rejected))


def header(first: str, second: str, *, where: str) -> Header:
    """What the two header lines say. Raises FeedFormatError."""
    refuse_web_page(first.encode(), where=where)
    found = _HEADER.fullmatch(first.strip())
    if found is None or "\x00" in first:
        raise FeedFormatError(where, "its first line is not #model_version:…,score_date:…")
    if second.strip() != _COLUMNS:
        raise FeedFormatError(where, f"its second line is not {_COLUMNS}")
    scored_at = utc(_date(found["date"], where))
    assert scored_at is not None
    return Header(found["model"][:80], scored_at)


def values(line: str) -> tuple[str, float, float] | str:
    """(CVE id, probability, percentile) of a line, or why it is none."""
    fields = line.split(",")
    if len(fields) != 3:
        return f"{len(fields)} fields instead of 3"
    try:
        probability, percentile = float(fields[1]), float(fields[2])
    except ValueError:
        return "epss or percentile is no number"
    if not (math.isfinite(probability) and math.isfinite(percentile)):
        return "epss or percentile is not finite"
    return shown(fields[0]), probability, percentile


def _row(line: str, model: str, score_date: str) -> Row | str:
    """A row, or why the line is none."""
    found = values(line)
    if isinstance(found, str):
        return found
    cve_id, probability, percentile = found
    return {
        "record_id": cve_id,
        "cve_id": cve_id,
        "probability": probability,
        "percentile": percentile,
        "score_date": score_date,
        "model_version": model,
    }


def _date(text: str, where: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise FeedFormatError(where, f"its score_date {text[:40]!r} is no date") from error


def shown(text: str) -> str:
    return text[:200].replace("\x00", "�")


FORMAT = FeedFormat(name="epss", decode=decode, tables=TABLES, complete=True, main_table="epss")
