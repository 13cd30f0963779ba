"""A CSAF 2.0 document (advisory or VEX profile) as rows.

The rules:

1. Every (vulnerability, product) of product_status is a VEX statement: fixed and first_fixed are `fixed`; known, first
   and last affected `affected`; known_not_affected `not_affected`; under_investigation as it says. recommended says
   nothing of safety. A flag's label is the justification, remediations are the action.
2. A product that is affected and also not affected, fixed or under investigation contradicts itself (CSAF 2.0, 6.1.6):
   the most worrying status stands and the others are named and left out.
3. Of rpm, the source package carries the statement and the advisory; its binaries (same version, same release) are the
   advisory's packages. A binary whose source the document does not name stands for itself.
4. fixed with a package and a version makes an advisory; affected with a package that nothing in the document fixes in
   that release makes one without a fix. `no_fix_planned` means that none will come.
5. A draft counts for nothing (tracking.status); interim and final do. A statement's date is the document's current
   release: each version of a document says again what holds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime

import msgspec

from suture.feeds.decoded import Decoded, Rejected, Row, iso, kept
from suture.feeds.errors import FeedFormatError
from suture.feeds.outside_text import line, names_a_cve, paragraph
from suture.feeds.sources.csaf_provider.products import Product, Products, Tree, remediated
from suture.feeds.strict_json import decode_record, refuse_web_page
from suture.feeds.vendor_rows import (
    Origin,
    Span,
    Subject,
    advisory_id,
    advisory_row,
    alias_rows,
    cve_row,
    range_row,
    vex_row,
    without_twins,
)  # fmt: skip

TABLES = (
    "vex_statement", "advisory", "advisory_cve", "advisory_package", "advisory_range", "advisory_alias", "cve_score",
)  # fmt: skip
_STATUS = {
    "known_affected": "affected", "first_affected": "affected", "last_affected": "affected",
    "under_investigation": "under_investigation", "fixed": "fixed", "first_fixed": "fixed",
    "known_not_affected": "not_affected",
}  # fmt: skip
_WORRYING = ("affected", "under_investigation", "fixed", "not_affected")


class Publisher(msgspec.Struct):
    name: str


class Tracking(msgspec.Struct):
    id: str
    status: str
    version: str
    current_release_date: datetime
    initial_release_date: datetime


class Severity(msgspec.Struct):
    text: str


class Head(msgspec.Struct):
    category: str
    csaf_version: str
    title: str
    publisher: Publisher
    tracking: Tracking
    aggregate_severity: Severity | None = None


class Remediation(msgspec.Struct):
    category: str
    details: str
    product_ids: list[str] = msgspec.field(default_factory=list)
    group_ids: list[str] = msgspec.field(default_factory=list)


class Flag(msgspec.Struct):
    label: str
    product_ids: list[str] = msgspec.field(default_factory=list)
    group_ids: list[str] = msgspec.field(default_factory=list)


class Cvss(msgspec.Struct):
    vector: str = msgspec.field(name="vectorString")
    version: str
    base_score: float | None = msgspec.field(name="baseScore", default=None)
    severity: str | None = msgspec.field(name="baseSeverity", default=None)


class Score(msgspec.Struct):
    cvss_v2: Cvss | None = None
    cvss_v3: Cvss | None = None
    cvss_v4: Cvss | None = None


class Identifier(msgspec.Struct):
    text: str


class Vulnerability(msgspec.Struct):
    cve: str | None = None
    ids: list[Identifier] = msgspec.field(default_factory=list)
    title: str | None = None
    product_status: dict[str, list[str]] = msgspec.field(default_factory=dict)
    remediations: list[Remediation] = msgspec.field(default_factory=list)
    flags: list[Flag] = msgspec.field(default_factory=list)
    scores: list[Score] = msgspec.field(default_factory=list)


class Document(msgspec.Struct):
    document: Head
    product_tree: Tree | None = None
    vulnerabilities: list[msgspec.Raw] = msgspec.field(default_factory=list)


def decode_csaf(raw: bytes, *, where: str, origin: Origin) -> Decoded:
    """Rows of TABLES; record ids are tracking ids. Raises FeedFormatError for what is no CSAF 2.0 document."""
    refuse_web_page(raw, where=where)
    found = decode_record(raw, Document, where=where)
    head = found.document
    if head.csaf_version != "2.0":
        raise FeedFormatError(where, f"document.csaf_version: {head.csaf_version[:20]!r} is not read, only 2.0")
    if head.tracking.status not in ("final", "interim"):
        raise FeedFormatError(where, f"document.tracking.status: {head.tracking.status[:20]!r} counts for nothing yet")
    tracking_id = line(head.tracking.id, 200)
    if not tracking_id or not tracking_id.isascii():
        raise FeedFormatError(where, "document.tracking.id: it is empty or not plain ASCII")
    try:
        reader = _Reader(head, tracking_id, Products(found.product_tree), origin)
    except ValueError as error:
        raise FeedFormatError(where, str(error)) from error
    for number, item in enumerate(found.vulnerabilities):
        try:
            reader.take(decode_record(bytes(item), Vulnerability, where=f"{where}, vulnerabilities[{number}]"), number)
        except FeedFormatError as error:
            reader.faults.append((error.why, bytes(item)))
        except ValueError as error:
            reader.faults.append((f"vulnerabilities[{number}]: {error}", bytes(item)))
    rejected = [
        Rejected(tracking_id, f"{where}, {tracking_id}: {reason}.", kept(record)) for reason, record in reader.faults
    ]
    return Decoded(None, without_twins(reader.tables()), rejected, records=1)


class _Reader:
    """Gathers one document's statements, then its advisories."""

    def __init__(self, head: Head, tracking_id: str, products: Products, origin: Origin) -> None:
        self._head, self._id, self._products, self._origin = head, tracking_id, products, origin
        self._rows: dict[str, list[Row]] = {table: [] for table in TABLES}
        # (ecosystem, package, release, module) → fixed version → CVEs; and, without a fix, CVE → (state, versions)
        self._fixed: dict[Subject, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        self._open: dict[Subject, dict[str, tuple[str, set[str]]]] = defaultdict(dict)
        self._binaries: dict[tuple[str, str], list[Product]] = defaultdict(list)
        self.faults: list[tuple[str, bytes]] = [(fault, b"") for fault in products.faults]

    def take(self, found: Vulnerability, number: int) -> None:
        name = self._vulnerability(found)
        statuses: dict[str, set[str]] = defaultdict(set)
        for word, ids in found.product_status.items():
            if word in _STATUS:
                for product_id in ids:
                    statuses[product_id].add(_STATUS[word])
        resolved: list[tuple[Product, str]] = []
        for product_id, said in statuses.items():
            status = min(said, key=_WORRYING.index)
            if len(said) > 1:
                words = ", ".join(sorted(said - {status}))
                fault = f"{product_id[:80]!r} is {status} and also {words}: {status} stands"
                self.faults.append((f"vulnerabilities[{number}].product_status: {fault}", b""))
            try:
                resolved.append((self._products.find(product_id), status))
            except ValueError as error:
                self.faults.append((f"vulnerabilities[{number}].product_status: {error}", b""))
        self._scores(found, name)
        sources = {
            (product.codename, product.part.version)
            for product, _status in resolved
            if product.part is not None and product.part.ecosystem == "rpm" and product.part.is_source
        }
        for product, status in resolved:
            part = product.part
            if part is not None and not part.is_source and (product.codename, part.version) in sources:
                self._binaries[(product.codename, part.version or "")].append(product)
            else:
                self._statement(found, name, product, status)

    def _vulnerability(self, found: Vulnerability) -> str:
        name = found.cve or next((one.text for one in found.ids), "")
        if found.cve is not None and not names_a_cve(found.cve):
            raise ValueError(f"cve: {found.cve[:40]!r} is no CVE id")
        if not name or len(name) > 60 or not name.isascii() or not name.isprintable():
            raise ValueError("it has neither a CVE nor an id of its own")
        return name.upper() if found.cve else name

    def _statement(self, found: Vulnerability, name: str, product: Product, status: str) -> None:
        categories, action = remediated(found.remediations, product.product_id)
        flags = [
            flag.label for flag in found.flags if product.product_id in flag.product_ids or not flag.product_ids
        ]  # fmt: skip
        part = product.part
        self._rows["vex_statement"].append(vex_row(
            self._origin, record_id=self._id, document_id=self._id, author=line(self._head.publisher.name, 300),
            vulnerability=name, product=product.shown, status=status, ecosystem=part.ecosystem if part else None,
            package=part.package if part else None, version=part.version if part else None, codename=product.codename,
            justification=line(flags[0], 100) if flags else None,
            impact=line(product.name, 500), action=paragraph(action) if action else None,
            dated_at=iso(self._head.tracking.current_release_date),
        ))  # fmt: skip
        if part is None:
            return
        subject = Subject(self._id, part.ecosystem, part.package, product.codename, module=part.module)
        if status == "fixed" and part.version:
            self._fixed[subject][part.version].add(name)
        elif status == "affected":
            _state, versions = self._open[subject].setdefault(
                name, ("end_of_life" if "no_fix_planned" in categories else "affected", set())
            )
            versions.add(part.version or "")

    def _scores(self, found: Vulnerability, name: str) -> None:
        claims = [one for score in found.scores for one in (score.cvss_v4, score.cvss_v3, score.cvss_v2) if one]
        self._rows["cve_score"] += [
            {
                "record_id": self._id, "cve_id": name, "source": f"vendor:{self._origin.feed}",
                "cvss_version": claim.version, "vector": line(claim.vector, 300), "base_score": claim.base_score,
                "severity": line(claim.severity, 40) if claim.severity else None,
                "dated_at": iso(self._head.tracking.current_release_date),
            }
            for claim in claims
        ]  # fmt: skip

    def tables(self) -> dict[str, list[Row]]:
        for subject, fixes in self._fixed.items():
            for fixed, cves in fixes.items():
                one = fixed if subject.ecosystem in ("deb", "rpm") or len(fixes) == 1 else None
                name = advisory_id(self._origin, subject, fixed, "")
                self._advisory(subject, name, one, Span(fixed=fixed, cve_ids=tuple(cves)), cves)
                self._packages(subject, name, fixed)
        for subject, found in self._open.items():
            mended = {cve for cves in self._fixed.get(subject, {}).values() for cve in cves}
            for cve, (state, versions) in found.items():
                if cve not in mended:
                    listed = () if "" in versions else tuple(sorted(versions))
                    name = advisory_id(self._origin, subject, None, cve)
                    self._advisory(subject, name, None, Span(versions=listed, state=state, cve_ids=(cve,)), {cve})
        return self._rows

    def _advisory(self, subject: Subject, name: str, fixed: str | None, span: Span, cves: set[str]) -> None:
        head, severity = self._head, self._head.aggregate_severity
        details = {
            "csaf_id": self._id, "publisher": line(head.publisher.name, 300), "category": line(head.category, 60),
            "dated_at": iso(head.tracking.current_release_date),
        }  # fmt: skip
        if subject.module:
            details["module"] = subject.module
        self._rows["advisory"].append(advisory_row(
            self._origin, subject, name, fixed=fixed, title=line(head.title),
            urgency=line(severity.text, 40) if severity else None,
            published_at=iso(head.tracking.initial_release_date), details=details,
        ))  # fmt: skip
        self._rows["advisory_range"].append(range_row(self._origin, subject, name, span))
        self._rows["advisory_cve"] += [cve_row(subject, name, cve) for cve in sorted(cves)]
        self._rows["advisory_alias"] += alias_rows(subject, name, {line(self._id, 100): "self"})

    def _packages(self, subject: Subject, name: str, fixed: str) -> None:
        self._rows["advisory_package"] += list(_binary_rows(self._id, name, self._binaries[(subject.codename, fixed)]))


def _binary_rows(record_id: str, name: str, products: list[Product]) -> Iterator[Row]:
    for product in products:
        if product.part is not None and product.part.version:
            yield {
                "record_id": record_id, "advisory_id": name, "package": product.part.package,
                "version": product.part.version, "architecture": product.part.architecture or "all",
            }  # fmt: skip
