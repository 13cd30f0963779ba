"""CVE records to rows, quickly: the rows that `sources/cve5` gives, without its price.

The strict reader costs a quarter of a millisecond a record, nearly all of it for proving that no key stands twice. Here a
record is read once by msgspec, and taken only when that proof is cheap:

1. The text is UTF-8, holds no NUL and no escaped colon, and is nested at most 60 deep.
2. Written anew from what was read, it has as many colons as before. A key that stands twice loses one, since only the last
   of the two is kept; nothing else loses any, and nothing gains one.
3. Each field that is used has the type that it should have.

Whatever fails one of these, for any reason, goes to `sources/cve5`, which decides and gives the reasons: a record can be
refused by that decoder only, and the rules stand in one place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import msgspec

from suture.feeds.decoded import Rejected
from suture.feeds.sources import cve5
from suture.feeds.staging import TABLES, text_array
from suture.feeds.strict_json import MAX_DEPTH

COLUMNS: Mapping[str, tuple[str, ...]] = {table: tuple(TABLES[table]) for table in ("cve", "cve_score", "cve_ssvc")}
SOURCE = "cve5"
_NO_BRACKETS = bytes(set(range(256)) - set(b"{}[]"))
_ONE_KIND = bytes.maketrans(b"[]", b"{}")
_ESCAPED = re.compile(rb"\\.", re.DOTALL)
_read = msgspec.json.Decoder().decode
_write = msgspec.json.Encoder().encode


class _Cvss(msgspec.Struct):
    vectorString: str = ""  # noqa: N815 - the format's own names
    baseScore: float | None = None  # noqa: N815
    baseSeverity: Any = None  # noqa: N815


class _Metric(msgspec.Struct):
    cvssV4_0: _Cvss | None = None  # noqa: N815
    cvssV3_1: _Cvss | None = None  # noqa: N815
    cvssV3_0: _Cvss | None = None  # noqa: N815
    cvssV2_0: _Cvss | None = None  # noqa: N815
    other: Any = None


class _Container(msgspec.Struct):
    providerMetadata: cve5.Provider = msgspec.field(default_factory=cve5.Provider)  # noqa: N815
    title: str | None = None
    problemTypes: list[cve5.ProblemType] = []  # noqa: N815 - msgspec copies an empty list
    metrics: list[_Metric] = []


class _Containers(msgspec.Struct):
    cna: _Container
    adp: list[_Container] = []


class _Record(msgspec.Struct):
    dataType: str  # noqa: N815
    dataVersion: str  # noqa: N815
    cveMetadata: cve5.Metadata  # noqa: N815
    containers: _Containers


@dataclass(slots=True)
class CveRows:
    """The rows of one record, in the order of COLUMNS; times aware and in UTC. rejected: parts that were left out."""

    cve: tuple[Any, ...]
    scores: list[tuple[Any, ...]]
    ssvc: tuple[Any, ...] | None
    rejected: list[Rejected] = field(default_factory=list)


class _UnsureError(Exception):
    """The quick way cannot prove the record: the strict decoder decides."""


def rows_of(raw: bytes, digest: bytes, *, where: str) -> CveRows:
    """The rows of one record. Raises FeedFormatError as `sources.cve5.decode` does."""
    try:
        return _quick(raw, digest)
    except (_UnsureError, ValueError, RecursionError, TypeError, AttributeError):
        return _strict(raw, digest, where)


def _quick(raw: bytes, digest: bytes) -> CveRows:
    str(raw, "utf-8")
    if b"\x00" in raw or (b"\\" in raw and (b"\\u0000" in raw or b"\\u003" in raw)):
        raise _UnsureError
    tree = _read(raw)
    if raw.count(b":") != _write(tree).count(b":"):
        raise _UnsureError
    # As many brackets close as open, so half of them bounds the depth: most records need no closer look.
    if len(raw.translate(None, _NO_BRACKETS)) > 2 * MAX_DEPTH and not _shallow(raw):
        raise _UnsureError
    record = msgspec.convert(tree, _Record)
    if record.dataType != "CVE_RECORD" or not record.dataVersion.startswith("5."):
        raise _UnsureError
    return _rows(record, digest)


def _shallow(raw: bytes) -> bool:
    """Nested at most MAX_DEPTH deep: what lies outside of texts, its innermost pairs taken away again and again."""
    if b"\\" in raw:
        raw = _ESCAPED.sub(b"", raw)
    brackets = b"".join(raw.split(b'"')[::2]).translate(_ONE_KIND, _NO_BRACKETS)
    for _level in range(MAX_DEPTH):
        if not brackets:
            return True
        brackets = brackets.replace(b"{}", b"")  # each round takes one level
    return not brackets


def _rows(record: _Record, digest: bytes) -> CveRows:
    metadata, containers = record.cveMetadata, record.containers
    cve_id, cna = metadata.cveId, containers.cna
    scores: dict[tuple[str, str, str], tuple[Any, ...]] = {}
    rejected: list[Rejected] = []
    ssvc: tuple[Any, ...] | None = None
    marks: list[date | None] = []
    cwes: set[str] = set()
    who = f"cna:{cna.providerMetadata.shortName or metadata.assignerShortName or 'unnamed'}"
    for container in (cna, *containers.adp):
        if container is not cna:
            who = f"adp:{container.providerMetadata.shortName or container.title or 'unnamed'}"
        for problem in container.problemTypes:
            for description in problem.descriptions:
                if description.cweId:
                    cwes.add(description.cweId)
        if container.metrics:
            dated = _utc(container.providerMetadata.dateUpdated)
            for metric in container.metrics:
                _add_scores(scores, cve_id, who, dated, metric)
                if metric.other is not None:
                    marks += cve5.kev_marks({"other": metric.other})
                    found = _ssvc(cve_id, who, metric.other, rejected)
                    if found is not None and (ssvc is None or cve5.is_cisas(who) or not cve5.is_cisas(ssvc[-1])):
                        ssvc = found
    cve = (
        cve_id, metadata.state.upper(), cna.title, _array(frozenset(cwes)), _utc(metadata.datePublished),
        _utc(metadata.dateUpdated), SOURCE, bool(marks), min((mark for mark in marks if mark), default=None), digest.hex(),
    )  # fmt: skip
    return CveRows(cve, list(scores.values()), ssvc, rejected)


def _add_scores(
    scores: dict[tuple[str, str, str], tuple[Any, ...]], cve_id: str, who: str, dated: datetime | None, metric: _Metric
) -> None:
    for version, found in (
        ("4.0", metric.cvssV4_0), ("3.1", metric.cvssV3_1), ("3.0", metric.cvssV3_0), ("2.0", metric.cvssV2_0),
    ):  # fmt: skip
        if found is None:
            continue
        if not found.vectorString and found.baseScore is None:
            raise _UnsureError
        word = found.baseSeverity if isinstance(found.baseSeverity, str) else None
        scores[who, version, found.vectorString] = (
            cve_id, who, version, found.vectorString, found.baseScore, word, dated,
        )  # fmt: skip
    if metric.other is not None:
        word = cve5.severity_word(metric.other)
        if word is not None:
            scores[who, "", ""] = (cve_id, who, "", "", None, word, dated)


def _ssvc(cve_id: str, who: str, other: Any, rejected: list[Rejected]) -> tuple[Any, ...] | None:
    content = other.get("content") if isinstance(other, dict) else None
    key = _ssvc_key(other, content)
    known = _ssvc_values.get(key) if key is not None else None
    if known is None or not isinstance(content, dict):
        before = len(rejected)
        for row in cve5.ssvc_rows(cve_id, who, {"other": other}, rejected):
            known = (row["exploitation"], row["automatable"], row["technical_impact"])
            if key is not None and len(rejected) == before and len(_ssvc_values) < 5000:
                _ssvc_values[key] = known
            return (cve_id, *known, _moment(row["dated_at"]), who)
        return None
    return (cve_id, *known, _moment(cve5.timestamp(content.get("timestamp"))), who)


# What each way to write SSVC's options means, as `sources/cve5` read them the first time.
_ssvc_values: dict[tuple[Any, ...], tuple[Any, ...]] = {}


def _ssvc_key(other: Any, content: Any) -> tuple[Any, ...] | None:
    options = content.get("options") if isinstance(content, dict) else None
    if not isinstance(options, list):
        return None
    key = [other.get("type")]
    for option in options:
        if not isinstance(option, dict):
            return None
        for name, value in option.items():
            if not isinstance(value, str):
                return None
            key += (name, value)
    return tuple(key) if isinstance(key[0], str) else None


def _strict(raw: bytes, digest: bytes, where: str) -> CveRows:
    decoded = cve5.decode(raw, where=where)
    (row,) = decoded.tables["cve"]
    cve = (
        row["cve_id"], row["state"], row["title"], _array(frozenset(row["cwe_ids"])), _moment(row["published_at"]),
        _moment(row["modified_at"]), SOURCE, row["record_kev"],
        date.fromisoformat(row["record_kev_added"]) if row["record_kev_added"] else None, digest.hex(),
    )  # fmt: skip
    times = ("published_at", "modified_at", "dated_at")
    others = {
        table: [tuple(_moment(row[name]) if name in times else row[name] for name in COLUMNS[table]) for row in found]
        for table, found in decoded.tables.items()
        if table != "cve"
    }
    ssvc = others["cve_ssvc"]
    return CveRows(cve, others["cve_score"], ssvc[-1] if ssvc else None, decoded.rejected)


def _utc(moment: datetime | None) -> datetime | None:
    if moment is None or moment.tzinfo is UTC:
        return moment
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


_arrays: dict[frozenset[str], str] = {}


def _array(cwes: frozenset[str]) -> str:
    known = _arrays.get(cwes)
    if known is None:
        if len(_arrays) > 5000:
            _arrays.clear()
        known = text_array(sorted(cwes))
        _arrays[cwes] = known
    return known
