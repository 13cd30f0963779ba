"""NVD: pages of the CVE API 2.0.

Since 15 April 2026 NVD analyses only a part of all CVEs: its scores are one source among others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime

import msgspec

from suture.feeds.decoded import Decoded, Rejected, Row, iso, kept, utc
from suture.feeds.errors import FeedFormatError
from suture.feeds.format import FeedFormat
from suture.feeds.strict_json import decode_document, decode_record

TABLES = ("cve", "cve_score")


class Cvss(msgspec.Struct):
    version: str
    vectorString: str  # noqa: N815 - the API's own names
    baseScore: float  # noqa: N815
    baseSeverity: str | None = None  # noqa: N815


class Metric(msgspec.Struct):
    source: str
    cvssData: Cvss  # noqa: N815
    baseSeverity: str | None = None  # noqa: N815


class Metrics(msgspec.Struct):
    cvssMetricV40: list[Metric] = msgspec.field(default_factory=list)  # noqa: N815
    cvssMetricV31: list[Metric] = msgspec.field(default_factory=list)  # noqa: N815
    cvssMetricV30: list[Metric] = msgspec.field(default_factory=list)  # noqa: N815
    cvssMetricV2: list[Metric] = msgspec.field(default_factory=list)  # noqa: N815


class Text(msgspec.Struct):
    lang: str = ""
    value: str = ""


class Weakness(msgspec.Struct):
    description: list[Text] = msgspec.field(default_factory=list)


class Cve(msgspec.Struct):
    id: str
    published: datetime
    lastModified: datetime  # noqa: N815
    vulnStatus: str = ""  # noqa: N815
    metrics: Metrics = msgspec.field(default_factory=Metrics)
    weaknesses: list[Weakness] = msgspec.field(default_factory=list)


class Item(msgspec.Struct):
    cve: Cve


class Page(msgspec.Struct):
    resultsPerPage: int  # noqa: N815
    startIndex: int  # noqa: N815
    totalResults: int  # noqa: N815
    format: str
    version: str
    timestamp: datetime
    vulnerabilities: list[msgspec.Raw]


def decode(raw: bytes, *, where: str, **_options: object) -> Decoded:
    """Rows of `cve` and `cve_score` from one page. Raises FeedFormatError for what is no (whole) page."""
    page = decode_document(raw, Page, where=where)
    if page.format != "NVD_CVE" or page.version != "2.0":
        raise FeedFormatError(where, f"it is {page.format[:40]!r} {page.version[:20]!r}, not NVD_CVE 2.0")
    if page.resultsPerPage != len(page.vulnerabilities):
        raise FeedFormatError(
            where, f"it says {page.resultsPerPage} results and holds {len(page.vulnerabilities)}: not a whole page"
        )
    cves: list[Row] = []
    scores: list[Row] = []
    rejected: list[Rejected] = []
    for number, record in enumerate(page.vulnerabilities, start=page.startIndex):
        try:
            cve = decode_record(bytes(record), Item, where=f"{where}, result {number}").cve
        except FeedFormatError as error:
            rejected.append(Rejected(f"result {number}", error.message, kept(record)))
            continue
        cves.append(_cve_row(cve, hashlib.sha256(record).hexdigest()))
        scores += _score_rows(cve)
    return Decoded(
        utc(page.timestamp),
        {"cve": cves, "cve_score": scores},
        rejected,
        records=len(page.vulnerabilities),
        total=page.totalResults,
        start=page.startIndex,
    )


def _cve_row(cve: Cve, sha256: str) -> Row:
    cwes = {text.value for weakness in cve.weaknesses for text in weakness.description if text.value.startswith("CWE-")}
    return {
        "record_id": cve.id,
        "cve_id": cve.id,
        "state": "REJECTED" if cve.vulnStatus == "Rejected" else "PUBLISHED",
        "title": None,
        "cwe_ids": sorted(cwes),
        "published_at": iso(cve.published),
        "modified_at": iso(cve.lastModified),
        "source": "nvd",
        "record_kev": None,  # NVD repeats CISA's catalogue; its copy is no word of its own
        "record_kev_added": None,
        "record_sha256": sha256,
    }


def _score_rows(cve: Cve) -> Iterator[Row]:
    metrics = cve.metrics
    seen = set()
    for metric in (*metrics.cvssMetricV40, *metrics.cvssMetricV31, *metrics.cvssMetricV30, *metrics.cvssMetricV2):
        key = (metric.source, metric.cvssData.version, metric.cvssData.vectorString)
        if key in seen:
            continue
        seen.add(key)
        yield {
            "record_id": cve.id,
            "cve_id": cve.id,
            "source": f"nvd:{metric.source}",
            "cvss_version": metric.cvssData.version,
            "vector": metric.cvssData.vectorString,
            "base_score": metric.cvssData.baseScore,
            "severity": metric.cvssData.baseSeverity or metric.baseSeverity,
            "dated_at": iso(cve.lastModified),
        }


FORMAT = FeedFormat(name="nvd", decode=decode, tables=TABLES, complete=False, main_table="cve", scorers=("nvd",))
