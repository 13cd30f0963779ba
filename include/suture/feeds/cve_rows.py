"""CVE records to rows, quickly: the rows that `sources/cve5` gives, without its price.

The strict reader costs a quarter of a millisecond a record, nearly all of it for proving that no key stands twice. Here a
record is read once by msgspec, and taken only when that proof is cheap:

1. The text holds no escaped NUL and no escaped colon; msgspec refuses what is no UTF-8, and control characters.
2. Written anew from what was read, it has as many colons as before. A key that stands twice loses one, since only the last
   of the two is kept; nothing else loses any that is named in `cve_shape`, and nothing gains one. Where one is lost, the
   same is tried with the whole tree, which has room for fields of any name. Lists of versions are written once: as they
   go into the rows.
3. It is nested at most 60 deep: by its types, or by counting its brackets.
4. Each field that is used has the type that it should have.

Whatever fails one of these, for any reason, goes to `sources/cve5`, which decides and gives the reasons: a record can be
refused by that decoder only, and the rules stand in one place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from functools import lru_cache
from itertools import chain
from typing import Any

import msgspec

from suture.feeds import affected
from suture.feeds.cve_shape import Container, Provider, Record
from suture.feeds.decoded import Rejected, utc
from suture.feeds.sources import cve5
from suture.feeds.staging import TABLES
from suture.feeds.strict_json import MAX_DEPTH

COLUMNS: Mapping[str, tuple[str, ...]] = {table: tuple(TABLES[table]) for table in cve5.TABLES}
SOURCE = "cve5"
_LARGE = 200_000  # bytes; in fewer are not as many versions as would be too many
_NO_BRACKETS = bytes(set(range(256)) - set(b"{}[]"))
_ONE_KIND = bytes.maketrans(b"[]", b"{}")
_ESCAPED = re.compile(rb"\\.", re.DOTALL)
_NO_PROVIDER = Provider()
_BACKSLASH = ord("\\")  # bytes look for a number many times as fast as for a text of one byte
_read = msgspec.json.Decoder().decode
_read_record = msgspec.json.Decoder(Record).decode
_write, _write_into = msgspec.json.Encoder().encode, msgspec.json.Encoder().encode_into


class CveRows(msgspec.Struct, gc=False):
    """The rows of one record, in the order of COLUMNS; times aware and in UTC, JSON as its bytes.

    rejected: parts that were left out."""

    cve: tuple[Any, ...]
    scores: list[tuple[Any, ...]]
    ssvc: tuple[Any, ...] | None
    products: list[tuple[Any, ...]] = []
    rejected: list[Rejected] = []


class _UnsureError(Exception):
    """The quick way cannot prove the record: the strict decoder decides."""


_LEFT_TO_STRICT = (_UnsureError, affected.UnsureError, ValueError, RecursionError, TypeError, AttributeError)


def rows_of(raw: bytes, digest: bytes, *, where: str, scratch: bytearray | None = None) -> CveRows:
    """The rows of one record. Raises FeedFormatError as `sources.cve5.decode` does. scratch: to write into; for who reads many."""
    try:
        return _quick(raw, digest, bytearray() if scratch is None else scratch)
    except _LEFT_TO_STRICT:
        return _strict(raw, digest, where)


def _quick(raw: bytes, digest: bytes, scratch: bytearray) -> CveRows:
    if _BACKSLASH in raw and (b"\\u0000" in raw or b"\\u003" in raw):
        raise _UnsureError
    record = _read_record(raw)
    if record.dataType != "CVE_RECORD" or not record.dataVersion.startswith("5."):
        raise _UnsureError
    containers = (record.containers.cna, *(record.containers.adp or ()))
    if len(raw) > _LARGE:
        affected.require_few(container.affected for container in containers)
    versions: list[bytes] = []
    rows = _rows(record, containers, digest, versions)
    _write_into(record, scratch)
    kept_colons = scratch.count(b":") + b"".join(versions).count(b":") + len(versions)  # and one for each list's key
    legacy = [container for container in containers if container.x_legacyV4Record is not None]
    if raw.count(b":") != kept_colons or legacy:
        _require_strict(raw)
    return rows


def _require_strict(raw: bytes) -> None:
    """Raise _UnsureError when a record with fields that `cve_shape` does not name, or with one that may be nested as deep as
    it likes, cannot be proven by its whole tree."""
    str(raw, "utf-8")
    if raw.count(b":") != _write(_read(raw)).count(b":"):
        raise _UnsureError
    # As many brackets close as open, so half of them bounds the depth: most records need no closer look.
    if len(raw.translate(None, _NO_BRACKETS)) > 2 * MAX_DEPTH and not _shallow(raw):
        raise _UnsureError


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


def _rows(record: Record, containers: Sequence[Container], digest: bytes, versions: list[bytes]) -> CveRows:
    """versions: gets the lists of versions as they are written; each is taken out of the record."""
    metadata, cna = record.cveMetadata, containers[0]
    cve_id = metadata.cveId
    scores: dict[tuple[str, str, str], tuple[Any, ...]] = {}
    rejected: list[Rejected] = []
    ssvc: tuple[Any, ...] | None = None
    marks: list[date | None] = []
    cwes: set[str] = set()
    state = metadata.state.upper()
    products: list[tuple[Any, ...]] = []
    entries = 0
    who = f"cna:{(cna.providerMetadata or _NO_PROVIDER).shortName or metadata.assignerShortName or 'unnamed'}"
    for container in containers:
        provider = container.providerMetadata or _NO_PROVIDER
        if container is not cna:
            who = f"adp:{provider.shortName or container.title or 'unnamed'}"
        for problem in container.problemTypes or ():
            for description in problem.descriptions or ():
                if description.cweId:
                    cwes.add(description.cweId)
        if container.affected and state != "REJECTED":
            entries = affected.quick_rows(cve_id, who, container.affected, entries, products, versions)
        dated = _TIMES[provider.dateUpdated]
        for metric in container.metrics or ():
            if metric.cvssV4_0 is not None:
                _add_score(scores, cve_id, who, "4.0", metric.cvssV4_0, dated)
            if metric.cvssV3_1 is not None:
                _add_score(scores, cve_id, who, "3.1", metric.cvssV3_1, dated)
            if metric.cvssV3_0 is not None:
                _add_score(scores, cve_id, who, "3.0", metric.cvssV3_0, dated)
            if metric.cvssV2_0 is not None:
                _add_score(scores, cve_id, who, "2.0", metric.cvssV2_0, dated)
            if metric.other is not None:
                found = _ssvc(cve_id, who, metric.other, rejected)
                if found is None:
                    marks += cve5.kev_marks({"other": metric.other})
                    word = cve5.severity_word(metric.other)
                    if word is not None:
                        scores[who, "", ""] = (cve_id, who, "", "", None, word, dated)
                elif ssvc is None or cve5.is_cisas(who) or not cve5.is_cisas(ssvc[-1]):
                    ssvc = found
    cve = (
        cve_id, state, cna.title, tuple(sorted(cwes)), _TIMES[metadata.datePublished],
        _TIMES[metadata.dateUpdated], SOURCE, bool(marks),
        min((mark for mark in marks if mark), default=None) if marks else None, digest.hex(),
    )  # fmt: skip
    return CveRows(cve, list(scores.values()), ssvc, products, rejected)


def _add_score(
    scores: dict[tuple[str, str, str], tuple[Any, ...]], cve_id: str, who: str, version: str, found: Mapping[str, Any],
    dated: datetime | None,
) -> None:  # fmt: skip
    vector, score, word = found.get("vectorString", ""), found.get("baseScore"), found.get("baseSeverity")
    if not isinstance(vector, str) or not (score is None or type(score) in (int, float)):
        raise _UnsureError
    if not vector and score is None:
        raise _UnsureError
    scores[who, version, vector] = (cve_id, who, version, vector, score, word if isinstance(word, str) else None, dated)


def _ssvc(cve_id: str, who: str, other: dict[str, Any], rejected: list[Rejected]) -> tuple[Any, ...] | None:
    content = other.get("content")
    if not isinstance(content, dict):
        return None
    key: tuple[Any, ...] | None = None
    known: tuple[Any, ...] | None = None
    try:
        key = (other["type"], *chain.from_iterable(map(dict.items, content["options"])))
        known = _ssvc_values.get(key)
    except (KeyError, TypeError, AttributeError):  # no options, or some that are not what they should be
        key = None
    if known is None:
        before = len(rejected)
        for row in cve5.ssvc_rows(cve_id, who, {"other": other}, rejected):
            known = (row["exploitation"], row["automatable"], row["technical_impact"])
            if key is not None and len(rejected) == before and len(_ssvc_values) < 5000:
                _ssvc_values[key] = known
        if known is None:
            return None
    return (cve_id, *known, _stamp(content.get("timestamp")), who)


# What each way to write SSVC's options means, as `sources/cve5` read them the first time: nothing was wrong with them.
_ssvc_values: dict[tuple[Any, ...], tuple[Any, ...]] = {}


@lru_cache(maxsize=5000)
def _stamp(text: object) -> datetime | None:
    try:
        return utc(datetime.fromisoformat(text)) if isinstance(text, str) else None
    except ValueError:
        return None


def _strict(raw: bytes, digest: bytes, where: str) -> CveRows:
    decoded = cve5.decode(raw, where=where)
    (row,) = decoded.tables["cve"]
    cve = (
        row["cve_id"], row["state"], row["title"], tuple(row["cwe_ids"]), _moment(row["published_at"]),
        _moment(row["modified_at"]), SOURCE, row["record_kev"],
        date.fromisoformat(row["record_kev_added"]) if row["record_kev_added"] else None, digest.hex(),
    )  # fmt: skip
    others = {
        table: [tuple(_typed(name, row[name]) for name in COLUMNS[table]) for row in found]
        for table, found in decoded.tables.items()
        if table != "cve"
    }
    ssvc = others["cve_ssvc"]
    return CveRows(cve, others["cve_score"], ssvc[-1] if ssvc else None, others["cve_product"], decoded.rejected)


def _typed(name: str, value: Any) -> Any:
    if name in ("published_at", "modified_at", "dated_at"):
        return _moment(value)
    return _write(value) if name == "products" else value


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


class _Times(dict[str | None, datetime | None]):
    """Text of RFC 3339 → moment in UTC, as the strict reader's types have it; a record repeats its dates."""

    def __missing__(self, text: str | None) -> datetime | None:
        if len(self) > 5000:
            self.clear()
        moment = msgspec.convert(text, datetime) if text is not None else None
        self[text] = found = utc(moment)
        return found


_TIMES = _Times()
