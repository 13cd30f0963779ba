"""EPSS: FIRST's daily exploit prediction scores, a CSV (plain or gzip).

The first line is `#model_version:…,score_date:…`, the second `cve,epss,percentile`; both are checked. EPSS is a
probability of exploitation within 30 days, and never evidence of exploitation.
"""

from __future__ import annotations

import math
import re
from datetime import datetime

from suture.feeds.decoded import Decoded, Rejected, Row, utc
from suture.feeds.errors import FeedFormatError
from suture.feeds.format import FeedFormat
from suture.feeds.strict_json import refuse_web_page

TABLES = ("epss",)
_HEADER = re.compile(r"#model_version:(?P<model>[^,\s]+),score_date:(?P<date>\S+)")
_COLUMNS = "cve,epss,percentile"


def decode(raw: bytes, *, where: str, **_options: object) -> Decoded:
    """Rows of `epss`. Raises FeedFormatError when one of the two header lines is not as it should be."""
    refuse_web_page(raw, where=where)
    try:
        lines = raw.decode("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise FeedFormatError(where, f"not UTF-8 at byte {error.start}") from error
    header = _HEADER.fullmatch(lines[0].strip()) if lines else None
    if header is None:
        raise FeedFormatError(where, "its first line is not #model_version:…,score_date:…")
    if len(lines) < 2 or lines[1].strip() != _COLUMNS:
        raise FeedFormatError(where, f"its second line is not {_COLUMNS}")
    scored_at = utc(_date(header["date"], where))
    assert scored_at is not None
    rows: list[Row] = []
    rejected: list[Rejected] = []
    for number, line in enumerate(lines[2:], start=3):
        if not line.strip():
            continue
        row = _row(line, header["model"], scored_at.date().isoformat())
        if isinstance(row, str):
            rejected.append(Rejected(f"line {number}", f"{where}, line {number}: {row}.", {"line": _shown(line)}))
        else:
            rows.append(row)
    return Decoded(scored_at, {"epss": rows}, rejected, records=len(rows) + len(rejected))


def _row(line: str, model: str, score_date: str) -> Row | str:
    """A row, or why the line is none."""
    fields = line.split(",")
    if len(fields) != 3:
        return f"{len(fields)} fields instead of 3"
    try:
        probability, percentile = float(fields[1]), float(fields[2])
    except ValueError:
        return "epss or percentile is no number"
    if not (math.isfinite(probability) and math.isfinite(percentile)):
        return "epss or percentile is not finite"
    return {
        "record_id": _shown(fields[0]),
        "cve_id": _shown(fields[0]),
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


def _shown(text: str) -> str:
    return text[:200].replace("\x00", "�")


FORMAT = FeedFormat(name="epss", decode=decode, tables=TABLES, complete=True, main_table="epss")
