"""CVE records, format 5 (CVE Project schema 5.x): what the CNA says, and what ADPs such as CISA add.

One document a CVE. CISA's ADP container carries the SSVC values (in any letter case), its KEV mark and often the only CVSS.
A metric or SSVC value that cannot be read is left out and noted; the rest of the record stands. Of several SSVC containers
CISA's counts, else the last. A REJECTED record says nothing but that.
What it says is affected: `suture.feeds.affected`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

import msgspec

from suture.feeds.affected import Reader
from suture.feeds.decoded import Decoded, Rejected, Row, iso, kept, utc
from suture.feeds.errors import FeedFormatError
from suture.feeds.format import FeedFormat
from suture.feeds.strict_json import decode_record, refuse_web_page

TABLES = ("cve", "cve_score", "cve_ssvc", "cve_product")
_CVSS_KEYS = ("cvssV4_0", "cvssV3_1", "cvssV3_0", "cvssV2_0")
_SSVC = {
    "exploitation": {"none": "none", "poc": "poc", "publicpoc": "poc", "active": "active"},
    "automatable": {"yes": "yes", "no": "no"},
    "technicalimpact": {"partial": "partial", "total": "total"},
}


class Metadata(msgspec.Struct):
    cveId: str  # noqa: N815 - the format's own names
    state: str
    assignerShortName: str = ""  # noqa: N815
    datePublished: datetime | None = None  # noqa: N815
    dateUpdated: datetime | None = None  # noqa: N815


class Provider(msgspec.Struct):
    shortName: str = ""  # noqa: N815
    dateUpdated: datetime | None = None  # noqa: N815


class ProblemDescription(msgspec.Struct):
    cweId: str | None = None  # noqa: N815


class ProblemType(msgspec.Struct):
    descriptions: list[ProblemDescription] = msgspec.field(default_factory=list)


class Container(msgspec.Struct):
    providerMetadata: Provider = msgspec.field(default_factory=Provider)  # noqa: N815
    title: str | None = None
    problemTypes: list[ProblemType] = msgspec.field(default_factory=list)  # noqa: N815
    metrics: list[dict[str, Any]] = msgspec.field(default_factory=list)
    affected: Any = None


class Containers(msgspec.Struct):
    cna: Container
    adp: list[Container] = msgspec.field(default_factory=list)


class Record(msgspec.Struct):
    dataType: str  # noqa: N815
    dataVersion: str  # noqa: N815
    cveMetadata: Metadata  # noqa: N815
    containers: Containers


def decode(raw: bytes, *, where: str, **_options: object) -> Decoded:
    """Rows of `cve`, `cve_score`, `cve_ssvc`, `cve_product` from one record. Raises FeedFormatError."""
    refuse_web_page(raw, where=where)
    record = decode_record(raw, Record, where=where)
    if record.dataType != "CVE_RECORD" or not record.dataVersion.startswith("5."):
        raise FeedFormatError(
            where, f"it is a {record.dataType[:40]!r} {record.dataVersion[:20]!r}, not a CVE record 5.x"
        )
    cve_id = record.cveMetadata.cveId
    rejected: list[Rejected] = []
    scores: list[Row] = []
    ssvc: list[Row] = []
    marks: list[date | None] = []
    state = record.cveMetadata.state.upper()
    products = Reader(cve_id, rejected)
    for who, container in _containers(record):
        for metric in container.metrics:
            scores += _scores(cve_id, who, container, metric, rejected)
            ssvc += ssvc_rows(cve_id, who, metric, rejected)
            marks += kev_marks(metric)
        if state != "REJECTED":
            products.read(who, container.affected)
    row = {
        "record_id": cve_id,
        "cve_id": cve_id,
        "state": state,
        "title": record.containers.cna.title,
        "cwe_ids": sorted(_cwes(record)),
        "published_at": iso(record.cveMetadata.datePublished),
        "modified_at": iso(record.cveMetadata.dateUpdated),
        "source": "cve5",
        "record_kev": bool(marks),
        "record_kev_added": min((mark.isoformat() for mark in marks if mark), default=None),
        "record_sha256": hashlib.sha256(raw).hexdigest(),
    }
    return Decoded(
        utc(record.cveMetadata.dateUpdated),
        {
            "cve": [row],
            "cve_score": _distinct(scores),
            "cve_ssvc": sorted(ssvc, key=lambda row: is_cisas(row["source"]))[-1:],
            "cve_product": products.done(),
        },
        rejected,
        records=1,
    )


def _containers(record: Record) -> Iterator[tuple[str, Container]]:
    cna = record.containers.cna
    yield f"cna:{cna.providerMetadata.shortName or record.cveMetadata.assignerShortName or 'unnamed'}", cna
    for adp in record.containers.adp:
        yield f"adp:{adp.providerMetadata.shortName or adp.title or 'unnamed'}", adp


def _scores(
    cve_id: str, who: str, container: Container, metric: dict[str, Any], rejected: list[Rejected]
) -> Iterator[Row]:
    for key in _CVSS_KEYS:
        found = metric.get(key)
        if found is None:
            continue
        vector = found.get("vectorString", "") if isinstance(found, dict) else ""
        score = found.get("baseScore") if isinstance(found, dict) else None
        if not isinstance(vector, str) or not (score is None or _is_number(score)) or not (vector or score is not None):
            rejected.append(Rejected(cve_id, f"{cve_id}, {who}, {key}: it holds no CVSS.", kept(repr(found).encode())))
            continue
        severity = found.get("baseSeverity")
        yield {
            "record_id": cve_id,
            "cve_id": cve_id,
            "source": who,
            "cvss_version": key.removeprefix("cvssV").replace("_", "."),
            "vector": vector,
            "base_score": score,
            "severity": severity if isinstance(severity, str) else None,
            "dated_at": iso(container.providerMetadata.dateUpdated),
        }
    word = severity_word(metric.get("other"))
    if word is not None:
        # A severity in words (OpenSSL gives only that): kept and shown, and never turned into a score.
        yield {
            "record_id": cve_id, "cve_id": cve_id, "source": who, "cvss_version": "", "vector": "",
            "base_score": None, "severity": word, "dated_at": iso(container.providerMetadata.dateUpdated),
        }  # fmt: skip


def severity_word(other: object) -> str | None:
    """The word of an `other` metric that is neither SSVC nor KEV: OpenSSL writes `text`, Red Hat `value`."""
    if not isinstance(other, dict) or str(other.get("type")).lower() in ("ssvc", "kev"):
        return None
    content = other.get("content")
    word = (content.get("text") or content.get("value")) if isinstance(content, dict) else None
    return word if isinstance(word, str) and 0 < len(word) <= 40 else None


def ssvc_rows(cve_id: str, who: str, metric: dict[str, Any], rejected: list[Rejected]) -> Iterator[Row]:
    other = metric.get("other")
    if (
        not isinstance(other, dict)
        or str(other.get("type")).lower() != "ssvc"
        or not isinstance(other.get("content"), dict)
    ):
        return
    content = other["content"]
    values: dict[str, str] = {}
    options = content.get("options")
    for option in options if isinstance(options, list) else []:
        for name, value in option.items() if isinstance(option, dict) else ():
            point = _plain(name)
            if point not in _SSVC:
                continue
            known = _SSVC[point].get(_plain(value))
            if known is None:
                rejected.append(
                    Rejected(
                        cve_id,
                        f"{cve_id}, {who}: SSVC knows no {name!s:.40} {value!s:.40}.",
                        {"option": str(option)[:200]},
                    )
                )
            else:
                values[point] = known
    if values:
        yield {
            "record_id": cve_id,
            "cve_id": cve_id,
            "exploitation": values.get("exploitation"),
            "automatable": values.get("automatable"),
            "technical_impact": values.get("technicalimpact"),
            "dated_at": timestamp(content.get("timestamp")),
            "source": who,
        }


def kev_marks(metric: dict[str, Any]) -> Iterator[date | None]:
    """A metric that says "known exploited": since when, None where it gives no date that can be read."""
    other = metric.get("other")
    if not isinstance(other, dict) or str(other.get("type")).lower() != "kev":
        return
    content = other.get("content")
    added = content.get("dateAdded") if isinstance(content, dict) else None
    try:
        yield date.fromisoformat(added[:10]) if isinstance(added, str) else None
    except ValueError:
        yield None


def is_cisas(who: str) -> bool:
    return who.upper().startswith("ADP:CISA")


def _plain(value: object) -> str:
    return "".join(character for character in str(value).casefold() if character.isalnum())


def timestamp(value: object) -> str | None:
    try:
        return iso(datetime.fromisoformat(value)) if isinstance(value, str) else None
    except ValueError:
        return None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _cwes(record: Record) -> set[str]:
    everybody = [record.containers.cna, *record.containers.adp]
    found = (d.cweId for c in everybody for problem in c.problemTypes for d in problem.descriptions)
    return {cwe for cwe in found if cwe}


def _distinct(rows: list[Row]) -> list[Row]:
    """One row a (source, version, vector): containers repeat a metric for each scenario."""
    return list({(row["source"], row["cvss_version"], row["vector"]): row for row in rows}.values())


FORMAT = FeedFormat(name="cve5", decode=decode, tables=TABLES, complete=False, main_table="cve", scorers=("cna", "adp"))
